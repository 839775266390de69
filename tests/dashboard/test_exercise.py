"""An exercise's verdict: right, not yet, and never an exception of the reader's."""

import math

import numpy as np
import pytest
import torch

from textgan_lab.dashboard import compare


class Hostile:
    def __repr__(self):
        raise RuntimeError("no words")

    def __eq__(self, other):
        raise RuntimeError("not comparable")


def stub(*arguments):
    raise NotImplementedError("your turn")


@pytest.mark.parametrize(
    "yours, reference",
    [
        (1, 1.0),
        (0.1 + 0.2, 0.3),
        (1e9 + 100, 1e9),  # relative above 1: 1e-6 * 1e9 = 1000
        (math.nan, math.nan),
        (math.inf, math.inf),
        (2 + 1j, 2 + 1j),
        (True, np.True_),
        ("the cat", "the cat"),
        ([1, (2.0, 3)], [1, [2, 3]]),
        (torch.tensor(2.0), 2.0),
        (torch.ones(2, 3, requires_grad=True), np.ones((2, 3))),
        ({"d": 1.0, "g": [2]}, {"g": [2.0], "d": 1}),
    ],
)
def test_right_answers(yours, reference):
    verdict = compare(yours, reference)
    assert verdict.right
    assert repr(verdict).startswith("yes: yours is ")


@pytest.mark.parametrize(
    "yours, reference, said",
    [
        (None, 1, "not yet: nothing filled in so far"),
        (..., lambda: 1, "not yet: nothing filled in so far"),
        (NotImplemented, 1, "not yet: nothing filled in so far"),
        (0.69, math.log(2), "not yet: yours is 0.69, expected 0.6931472"),
        (1e9 + 2000, 1e9, "not yet: yours is 1.000002e+09, expected 1e+09"),
        (math.nan, 1.0, "not yet: yours is nan, expected 1"),
        (1.0, math.nan, "not yet: yours is 1, expected nan"),
        (-math.inf, math.inf, "not yet: yours is -inf, expected inf"),
        (True, 1, "not yet: yours is True, expected 1"),
        ("1", 1, "not yet: yours is '1', expected 1"),
        (torch.ones(3), np.ones((3, 1)),
         "not yet: yours is of shape (3,), expected of shape (3, 1)"),
        (2.0, [2.0], "not yet: yours is 2, expected of shape (1,)"),
        ([[1, 2], [3, 5]], [[1, 2], [3, 4]],
         "not yet: yours at [1, 1] is 5, expected 4 (1 of 4 entries differ)"),
        ({"d": 1}, {"d": 1, "g": 2}, "not yet: yours lacks 'g', expected 'd', 'g'"),
        ({"d": 1, "g": 3}, {"d": 1, "g": 2}, "not yet: 'g': yours is 3, expected 2"),
        ({"d": 1, "x": 3}, {"d": 1}, "not yet: yours has 'x' too, which is not expected"),
        (3, {"d": 1}, "not yet: yours is 3, expected names with values: {'d': 1}"),
        (3, lambda: 3, "not yet: expected a function, yours is of type int"),
        (Hostile(), 3, "not yet: it raises RuntimeError: no words"),
        (Hostile(), Hostile(), "not yet: it raises RuntimeError: not comparable"),
    ],
)  # fmt: skip
def test_not_yet_shows_both(yours, reference, said):
    verdict = compare(yours, reference)
    assert not verdict.right
    assert repr(verdict) == said


def test_a_stub_that_raises_is_no_exception():
    assert repr(compare(stub, abs, [(-1,)])) == (
        "not yet: for (-1): it raises NotImplementedError: your turn"
    )
    assert repr(compare(lambda: None, abs, [(-1,)])).startswith(
        "not yet: for (-1): it raises TypeError: "
    )
    assert repr(compare(lambda x: None, abs, [(-1,)])) == (
        "not yet: for (-1): it returns None, expected 1"
    )
    assert repr(compare(lambda x: Hostile(), abs, [-1])).startswith("not yet: for (-1): it raises")


def test_the_case_that_differs_is_named_and_the_one_before_it_is_not():
    verdict = compare(lambda a, b: a + b, lambda a, b: a + abs(b), [(1, 2), (1, -2), (0, -1)])
    assert repr(verdict) == "not yet: for (1, -2): yours is -1, expected 3"


def test_functions_that_agree():
    verdict = compare(lambda x: x * x, lambda x: x**2, [2, (-3,)])
    assert verdict.right
    assert repr(verdict) == "yes: both give the same in 2 cases; for (-3): yours is 9, expected 9"
    assert repr(compare(lambda: 3, lambda: 3.0)) == "yes: yours is 3, expected 3"


def test_tolerance_is_the_reader_s_to_widen():
    assert not compare(0.7, 0.69).right
    assert compare(0.7, 0.69, tolerance=0.011).right
    near = compare(0.5 + 1e-10, 0.5, tolerance=1e-12)
    assert repr(near) == "not yet: yours is 0.5000000001, expected 0.5"  # all digits, if need be


def test_mistakes_of_the_page_are_raised():
    with pytest.raises(ZeroDivisionError):
        compare(lambda: 1, lambda: 1 / 0)
    with pytest.raises(ValueError, match="cases is empty"):
        compare(abs, abs, [])


def test_html_says_the_same_and_is_escaped():
    html = compare("<b>", "&")._repr_html_()
    assert 'data-right="false"' in html
    assert "not yet</b>" in html
    assert "&#x27;&lt;b&gt;&#x27;" in html
    assert "<b>'" not in html
    assert 'data-right="true"' in compare(1, 1)._repr_html_()
