"""Conditions compute what Python computes, and nothing in them runs as Python."""

import math

import numpy as np
import pytest

from textgan_lab.batch.expressions import DEEPEST, LONGEST, Expression, ExpressionError

VALUES = {
    "D_LR": 1e-3, "G_LR": 1e-4, "LOSS": "hinge", "STEPS": 400, "LIVE": False, "BETAS": [0.5, 0.9],
    "NOTE": None, "MISSING": math.nan, "d_loss.adversarial": 1.25, "é": 2, "OPTIONS": {"a": 1},
}  # fmt: skip


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1 + 2 * 3 - 4 / 8", 6.5),
        ("(1 + 2) * 3", 9),
        ("-2 ** 2", -4),
        ("2 ** -1", 0.5),
        ("7 % 4 + -7 % 4", 4),
        ("+STEPS", 400),
        ("D_LR > G_LR", True),
        ("1e-4 <= G_LR < D_LR <= 1e-3", True),
        ("1 < 3 > 5", False),
        ("LOSS == 'hinge'", True),
        ("LOSS != 'hinge'", False),
        ("LOSS in ['hinge', 'wasserstein']", True),
        ("LOSS not in ['hinge']", False),
        ("0.9 in BETAS", True),
        ("BETAS == [0.5, 0.9]", True),
        ("[STEPS, 2] == [400, 1 + 1]", True),
        ("'a' < LOSS < 'z'", True),
        ("NOTE == None", True),
        ("NOTE != 3", True),
        ("not LIVE", True),
        ("LIVE or STEPS == 400 and not LIVE", True),
        ("True == (STEPS > 3)", True),
        ("STEPS == 'many'", False),
        ("abs(-3) + min(2, 1, 5) + max(2, 7)", 11),
        ("log(exp(2)) + sqrt(9)", 5.0),
        ("d_loss.adversarial * 2", 2.5),
        ("é + 1", 3),
        ("2 ** 1000 > 1e300", True),
        ("STEPS > 3  # enough", True),
    ],
)
def test_values_are_those_of_python(text, value):
    found = Expression(text).value(VALUES)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("MISSING > 1", False),
        ("MISSING <= 1", False),
        ("MISSING < 'a'", False),
        ("MISSING == MISSING", False),
        ("MISSING != 'hinge'", True),
        ("MISSING in [1, 2]", False),
        ("1 in MISSING", False),
        ("not MISSING > 1", True),
        ("MISSING and True", False),
        ("0 < MISSING + 1 < 9", False),
    ],
)
def test_what_is_missing_compares_false(text, value):
    assert Expression(text).value(VALUES) is value


@pytest.mark.parametrize("text", ["max(1, MISSING)", "min(MISSING, 1)", "MISSING ** 0", "-MISSING"])
def test_a_number_computed_from_a_missing_one_is_missing(text):
    assert math.isnan(Expression(text).value(VALUES))  # Python: 1, nan or 1 by the order, 1.0, nan


def test_a_missing_truth_holds_not():
    assert Expression("MISSING").holds(VALUES) is False
    assert Expression("STEPS > 3").holds(VALUES) is True


def test_the_rest_is_spared_once_the_matter_is_settled():
    assert Expression("NONE != 0 and 1 / NONE > 0").value({"NONE": 0}) is False
    assert Expression("NONE == 0 or 1 / NONE > 0").value({"NONE": 0}) is True
    assert Expression("1 > 2 > 1 / NONE").value({"NONE": 0}) is False


def test_names_are_those_of_values_not_of_functions():
    assert Expression("log(D_LR) < max(a, b.c) and 'text' != LOSS").names == {
        "D_LR", "a", "b.c", "LOSS"
    }  # fmt: skip
    assert Expression("log + 1").value({"log": 2}) == 3


def test_cells_of_a_numpy_table_are_plain_values():
    row = {"n": np.int64(2**62), "x": np.float32(0.5), "good": np.bool_(True), "s": np.str_("a")}
    assert Expression("n * 4 == 2 ** 64 and x == 0.5 and good and s == 'a'").holds(row)


@pytest.mark.parametrize(
    ("text", "column", "said"),
    [
        ("", 1, "empty"),
        ("STEPS >", 8, "invalid syntax"),
        ("STEPS > 1 and LOSS.__class__", 15, "attribute is not allowed"),
        ("().__class__.__bases__[0]", 1, "Subscript is not allowed"),
        ("''.join(LOSS)", 1, "Call is not allowed"),
        ("OPTIONS['a']", 1, "Subscript"),
        ("1 < __import__('os')", 5, "no function __import__() here"),
        ("open('x')", 1, "no function open()"),
        ("max(*BETAS, 1)", 5, "Starred"),
        ("max(1, *BETAS)", 8, "Starred"),
        ("log(x=1)", 1, "no function log() here"),
        ("log(1, 2)", 1, "log takes one number, got 2"),
        ("lambda: 1", 1, "Lambda"),
        ("[x for x in BETAS]", 1, "ListComp"),
        ("f'{LOSS}'", 1, "JoinedStr"),
        ("(x := 1)", 2, "NamedExpr"),
        ("1 if LIVE else 2", 1, "IfExp"),
        ("{'a': 1}", 1, "Dict"),
        ("(1, 2)", 1, "Tuple"),
        ("STEPS // 2", 1, "BinOp"),
        ("~1", 1, "UnaryOp"),
        ("b'x'", 1, "Constant"),
        ("1j", 1, "Constant"),
        ("NOTE is None", 1, "write == or !="),
        ("STEPS = 3", 7, "invalid syntax"),
        ("1or 2", 1, "invalid decimal literal"),
        ("'\\d'", 1, "invalid escape sequence"),
        ("D_LR >\n1", 7, "one line"),
        ("import os", 1, "invalid syntax"),
        ("é + ß[1]", 5, "Subscript"),
        ("2" * 400, 1, "a whole number of over"),
    ],
)
def test_what_is_not_listed_is_refused_when_it_is_read(text, column, said):
    with pytest.raises(ExpressionError) as caught:
        Expression(text)
    assert str(caught.value).startswith(f"{text!r}, column {column}: ")
    assert said in str(caught.value)


def test_what_is_allowed_is_said():
    with pytest.raises(ExpressionError, match=r"allowed: comparisons, and, or, .* sqrt\(\)$"):
        Expression("LOSS[0]")


@pytest.mark.parametrize(
    ("text", "column", "said"),
    [
        ("STEP > 3", 1, "unknown name STEP; known: D_LR, G_LR"),
        ("LOSS == hinge", 9, "text stands in quotes"),
        ("é + 1 / 0", 5, "division by zero (with 1, 0)"),
        ("log(0)", 1, "math domain error"),
        ("sqrt(-1)", 1, "math domain error"),
        ("exp(1000)", 1, "math range error"),
        ("(-8) ** 0.5", 1, "no whole number"),
        ("9 ** 9 ** 9", 1, "a power of over"),
        ("2 ** 2000 > 1", 1, "a power of over"),
        ("2.0 ** 5000", 1, "out of range"),
        ("2**1000 * 2**1000", 1, "a whole number of over"),
        ("'a' * 9", 1, "expected a number, got 'a'"),
        ("'%99999999d' % 1", 1, "expected a number, got '%99999999d'"),
        ("'a' + 'b'", 1, "expected a number"),
        ("BETAS + BETAS", 1, "expected a number, got [0.5, 0.9]"),
        ("-LOSS", 1, "expected a number, got 'hinge'"),
        ("LOSS > 3", 1, "'hinge' and 3 have no order"),
        ("NOTE < 3", 1, "None and 3 have no order"),
        ("BETAS < [1]", 1, "no order"),
        ("LOSS == 'a' or 'b'", 16, "expected a truth"),
        ("STEPS and LIVE", 1, "expected a truth (a comparison, True or False), got 400"),
        ("not STEPS", 5, "expected a truth"),
        ("'h' in LOSS", 1, "in takes a list"),
    ],
)
def test_what_has_no_value_is_refused_when_it_is_asked_for(text, column, said):
    expression = Expression(text)
    with pytest.raises(ExpressionError) as caught:
        expression.value(VALUES)
    assert str(caught.value).startswith(f"{text!r}, column {column}: ")
    assert said in str(caught.value)


def test_a_condition_is_a_truth():
    with pytest.raises(ExpressionError, match="expected a truth .* got 401"):
        Expression("STEPS + 1").holds(VALUES)


def test_a_value_that_is_no_plain_data_is_refused():
    with pytest.raises(ExpressionError, match="X is a ndarray, not plain data"):
        Expression("X == 1").value({"X": np.zeros(3)})


@pytest.mark.parametrize(
    "text",
    [
        "(" * 499 + "1" + ")" * 499,
        "-" * 900 + "1",
        "not " * 200 + "True",
        "[" * 400,
        "[" * 150 + "]" * 150,
        "2 ** " * 190 + "2",
        "a" + ".a" * 400 + "()",
        "x" * (LONGEST + 1),
        "\0",
        "\ud800 > 1",
    ],
)
def test_no_depth_and_no_length_breaks_the_reader(text):
    with pytest.raises(ExpressionError):
        Expression(text)


def test_the_bounds_are_where_they_are_said_to_be():
    assert Expression("-" * DEEPEST + "1").value({}) == 1  # an even number of signs
    with pytest.raises(ExpressionError, match=f"deeper than {DEEPEST}"):
        Expression("-" * (DEEPEST + 1) + "1")
    with pytest.raises(ExpressionError, match="1,001 characters; at most 1,000"):
        Expression("x" * 1001)
    assert Expression("x" * 1000).value({"x" * 1000: 3}) == 3


def test_no_text_at_all():
    with pytest.raises(ExpressionError, match="expected the text of a condition, got int"):
        Expression(3)
