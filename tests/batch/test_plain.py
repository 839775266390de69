"""Plain YAML means what it looks like, or is refused with its line."""

import math

import pytest

from textgan_lab.batch.plain import DEEPEST, YamlError, check, read_yaml, shown


def test_words_are_what_they_look_like():
    text = "a: 1\nb: [-2, +3, 0, 1.5, .5, 2., 1e-3, 1.5E+3, true, FALSE, null, ~, ]\n"
    assert read_yaml(text)[0] == {
        "a": 1,
        "b": [-2, 3, 0, 1.5, 0.5, 2.0, 0.001, 1500.0, True, False, None, None],
    }
    assert read_yaml("[no way, 'no', \"1\", 'null', a b, 1a, '']")[0] == [
        "no way", "no", "1", "null", "a b", "1a", ""
    ]  # fmt: skip
    assert read_yaml("x: |\n  two\n  lines\ny: >\n  one\n  line\n")[0] == {
        "x": "two\nlines\n", "y": "one line\n"
    }  # fmt: skip
    assert read_yaml("# only\n---\n{a: {}, b: []}\n...\n")[0] == {"a": {}, "b": []}


def test_every_place_has_its_line():
    _, lines = read_yaml("# first\na: 1\nb:\n  - x\n  - y:\n      3\n")
    assert lines == {
        (): 2, ("a",): 2, ("b",): 3, ("b", 0): 4, ("b", 1): 5, ("b", 1, "y"): 5
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("", 1, "empty"),
        ("a: 1\nb: no\n", 2, "b: 'no': YAML reads bool"),
        ("- on\n", 1, "0: 'on': YAML reads bool"),
        ("a: 0x1F\n", 1, "YAML reads int"),
        ("a: 0b1\n", 1, "YAML reads int"),
        ("a: 012\n", 1, "YAML reads int"),
        ("a: 190:20:30\n", 1, "YAML reads int"),
        ("a: 1_0.5\n", 1, "YAML reads float"),
        ("a: .NaN\n", 1, ".NaN is not a finite number"),
        ("a: 2001-12-14 21:59:43.10\n", 1, "YAML reads timestamp"),
        ("a: =\n", 1, "YAML reads value"),
        ("<<: {a: 1}\n", 1, "key <<: expected str"),
        ("no: 1\n", 1, "key no: expected str"),
        ("? \n: 1\n", 1, "key : expected str"),
        ("a: {b: 1,\n b: 2}\n", 2, "a: 'b' is given twice (first on line 1)"),
        ("a: &x 1\n", 1, "a: an anchor or alias"),
        ("a: *x\n", 1, "a: an anchor or alias"),
        ("&x a: 1\n", 1, "a key that is no plain name"),
        ("a: !x 1\n", 1, "a: a tag ('!x')"),
        ("a: ! 1\n", 1, "a: a tag"),
        ("a: !!binary aGk=\n", 1, "a tag ('tag:yaml.org,2002:binary')"),
        ("a: 1\n\tb: 2\n", 2, "a tab"),
        ("a: 1\n b: 2\n", 2, "no valid YAML: mapping values are not allowed"),
        ("a\n---\nb\n", 2, "a second page"),
        ("a: \x01\n", 1, "no valid YAML: character 0x1"),
        ("a: 1\nb: \"\\UFFFFFFFF\"\n", 2, "no valid YAML: after this line"),
        ("[" * (DEEPEST + 1), 1, f"deeper than {DEEPEST}"),
        ("[" * 100_000, 1, f"deeper than {DEEPEST}"),
    ],
)  # fmt: skip
def test_what_surprises_is_refused(text, line, said):
    with pytest.raises(YamlError) as caught:
        read_yaml(text)
    assert said in str(caught.value)
    assert caught.value.line == line


def nested(depth):
    value = []
    for _ in range(depth - 1):
        value = [value]
    return value


def test_lists_may_be_as_deep_as_is_said():
    deepest = nested(DEEPEST)
    assert read_yaml(str(deepest))[0] == deepest
    check(deepest)
    with pytest.raises(ValueError, match=f"deeper than {DEEPEST}"):
        check([deepest])
    with pytest.raises(ValueError, match=f"deeper than {DEEPEST}"):
        check(nested(100_000))


@pytest.mark.parametrize("value", [True, None, "é💥", 2**63 - 1, -(2**63) + 1, 1.5, [{"a": [1]}]])
def test_plain_data(value):
    check(value)


@pytest.mark.parametrize(
    "value",
    [2**63, -(2**63), math.nan, -math.inf, "\udc80", {"\ud800": 1}, {1: 2}, (1,), {1}, b"x", 1j,
     [[math.inf]], {"a": (1,)}],
)  # fmt: skip
def test_no_plain_data(value):
    with pytest.raises(ValueError):
        check(value)


def test_values_are_shown_short():
    assert shown("a\nb") == r"'a\nb'"
    assert len(shown("x" * 1000)) == 80
    assert shown(10**5000) == "a whole number of 16610 bits"
    assert shown([10**5000]) == "a list"
