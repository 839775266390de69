"""Parameters are literals, and what a user gives has the default's type or is refused."""

import math

import numpy as np
import pytest

from textgan_lab.batch import NotebookError
from textgan_lab.batch.parameters import ParameterError, parameters, resolve, unattended

CELL = """\
STEPS = 400  # updates to play
LR: float = 1
NAME = "captions"   # which corpus
LIVE = False
BETAS = [0.5, 0.9]
OPTIONS = {
    "weight": 10.0,
}  # of the remedy
"""


@pytest.fixture
def notebook(write_notebook):
    return write_notebook("lesson.ipynb", "import math", (CELL, "parameters"), "print(STEPS)")


def test_names_defaults_types_and_comments(notebook):
    found = [(p.name, p.default, p.kind, p.help) for p in parameters(notebook).values()]
    assert found == [
        ("STEPS", 400, int, "updates to play"),
        ("LR", 1.0, float, ""),
        ("NAME", "captions", str, "which corpus"),
        ("LIVE", False, bool, ""),
        ("BETAS", [0.5, 0.9], list, ""),
        ("OPTIONS", {"weight": 10.0}, dict, "of the remedy"),
    ]


def test_no_parameters_cell_means_none(write_notebook):
    assert parameters(write_notebook("plain.ipynb", "x = 1")) == {}


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("N = 3\nM = N * 2", "line 2: M is computed"),
        ("N = 3\nimport os", "line 2: only NAME = literal"),
        ("A = B = 3", "line 1: only NAME = literal"),
        ("N: int", "line 1: only NAME = literal"),
        ("BETAS = (0.5, 0.9)", "line 1: BETAS: a tuple cannot be a parameter"),
        (
            "BETAS = [(0.5, 0.9)]",
            "line 1: BETAS: (0.5, 0.9) is a tuple, not plain data; use a list",
        ),
        ("X = None", "line 1: X: a NoneType cannot be a parameter"),
        ("X = 1e999", "line 1: X: inf is not a finite number"),
        ("X: float = '1'", "line 1: X: '1' is not a float"),
        ("X: int = 1.5", "line 1: X: expected int, got 1.5"),
        ("X: complex = 1", "line 1: X: type complex is not one of"),
        ("X = 1\nX = 2", "line 2: X is set twice"),
        ("X = {1: 2}", "line 1: X: key 1: expected str"),
        ("X = = 1", "line 1: invalid syntax"),
        ("X = {[]: 1}", "line 1: X is computed"),
        ("X = " + "9" * 20, "line 1: X: a whole number of over 63 bits"),
        ("X = " + "-" * 5000 + "1", "line 1: not Python"),
    ],
)
def test_anything_but_literals_is_refused_with_cell_and_line(write_notebook, source, said):
    path = write_notebook("bad.ipynb", "x = 1", (source, "parameters"))
    with pytest.raises(NotebookError) as caught:
        parameters(path)
    assert f"bad.ipynb: code cell 2 (parameters), {said}" in str(caught.value)


def test_two_parameters_cells_are_refused(write_notebook):
    path = write_notebook("two.ipynb", ("A = 1", "parameters"), ("B = 1", "parameters"))
    with pytest.raises(NotebookError, match="code cells 1, 2 are all tagged parameters"):
        parameters(path)


def test_what_papermill_injected_earlier_is_refused(write_notebook):
    path = write_notebook("o.ipynb", ("A = 1", "parameters"), ("A = 2", "injected-parameters"))
    with pytest.raises(NotebookError, match="code cell 2 is left from another run"):
        parameters(path)


def test_defaults_are_filled_in(notebook):
    assert resolve(notebook, {"STEPS": 5}) == {
        "STEPS": 5, "LR": 1.0, "NAME": "captions", "LIVE": False,
        "BETAS": [0.5, 0.9], "OPTIONS": {"weight": 10.0},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "given", "value"),
    [
        ("NAME", "0012", "0012"),
        ("NAME", "true", "true"),
        ("NAME", "", ""),
        ("STEPS", "0012", 12),
        ("STEPS", "-3", -3),
        ("STEPS", np.int64(7), 7),
        ("LR", "1e-3", 0.001),
        ("LR", "2", 2.0),
        ("LR", 2, 2.0),
        ("LR", np.float32(0.5), 0.5),
        ("LIVE", "true", True),
        ("LIVE", "False", False),
        ("BETAS", "[1e-3, 0.9, x]", [0.001, 0.9, "x"]),  # YAML 1.1 alone reads 1e-3 as text
        ("OPTIONS", "{weight: 1e-2}", {"weight": 0.01}),
        ("OPTIONS", '{"weight": null}', {"weight": None}),
    ],
)
def test_text_is_read_by_the_type_of_the_default(notebook, name, given, value):
    resolved = resolve(notebook, {name: given})[name]
    assert resolved == value
    assert type(resolved) is type(value)


@pytest.mark.parametrize(
    ("name", "given", "said"),
    [
        ("STEPS", "many", "expected int, got 'many'"),
        ("STEPS", "1_000", "expected int, got '1_000'"),
        ("STEPS", "1e3", "expected int, got '1e3'"),
        ("STEPS", 1.0, "expected int, got 1.0"),
        ("STEPS", True, "expected int, got True"),
        ("LR", "nan", "expected float, got 'nan'"),
        ("LR", math.nan, "nan is not a finite number"),
        ("LR", math.inf, "inf is not a finite number"),
        ("LR", True, "expected float, got True"),
        ("LIVE", "yes", "write true or false"),
        ("LIVE", 1, "expected bool, got 1"),
        ("NAME", 3, "expected str, got 3"),
        ("BETAS", (0.5, 0.9), "expected list, got (0.5, 0.9)"),
        ("BETAS", "0.5", "expected list, got '0.5'"),
        ("BETAS", "[1", "not YAML"),
        ("BETAS", "[2026-01-01]", "not plain data"),
        ("BETAS", [math.nan], "nan is not a finite number"),
        ("BETAS", "[!!python/object/apply:os.getcwd []]", "not YAML"),
        ("OPTIONS", "{1: 2}", "key 1: expected str"),
        ("OPTIONS", "{a: 1, a: 2}", "'a' is given twice"),
        ("BETAS", "[no]", "YAML reads bool"),
        ("BETAS", "[&a [x], *a, *a]", "an anchor or alias"),
        ("BETAS", "[" * 5000, "nested deeper than 20 levels"),
        pytest.param("STEPS", "9" * 5000, "expected int", id="giant text"),
        pytest.param("STEPS", 10**5000, "a whole number of over 63 bits", id="giant int"),
        ("STEPS", 2**63, "a whole number of over 63 bits"),
        pytest.param("LR", 10**5000, "too large", id="giant float"),
        ("LR", "1e999", "inf is not a finite number"),
        ("NAME", "\ud800", "half a surrogate"),
    ],
)
def test_a_value_of_another_type_is_refused(notebook, name, given, said):
    with pytest.raises(ParameterError) as caught:
        resolve(notebook, {name: given})
    assert f"lesson.ipynb: parameter {name}: " in str(caught.value)
    assert said in str(caught.value)


def test_a_long_value_is_not_all_of_the_message(notebook):
    with pytest.raises(ParameterError) as caught:
        resolve(notebook, {"STEPS": "x" * 100_000})
    assert len(str(caught.value)) < 300


def test_parameters_that_were_read_are_not_read_again(notebook):
    known = parameters(notebook)
    notebook.unlink()
    assert resolve(notebook, {"STEPS": "5"}, known)["STEPS"] == 5
    with pytest.raises(ParameterError, match="lesson.ipynb: no parameter 'X'"):
        resolve(notebook, {"X": 1}, known)


def test_a_run_that_nobody_watches_is_not_live(write_notebook):
    path = write_notebook("live.ipynb", ("LIVE = True\nN = 3", "parameters"))
    known = parameters(path)
    assert {n: p.default for n, p in unattended(known).items()} == {"LIVE": False, "N": 3}
    assert known["LIVE"].default is True
    number = parameters(write_notebook("number.ipynb", ("LIVE = 1", "parameters")))
    assert unattended(number) == number


def test_an_unknown_name_lists_the_known_and_guesses(notebook):
    with pytest.raises(ParameterError) as caught:
        resolve(notebook, {"STEP": "5"})
    assert "no parameter 'STEP'; it has: STEPS, LR, NAME" in str(caught.value)
    assert "did you mean STEPS?" in str(caught.value)


@pytest.mark.parametrize("name", ["LR=1\nprint('X')\nx", "STEPS ", "", "a b", "__import__('os')"])
def test_code_in_a_name_is_refused(notebook, name):
    with pytest.raises(ParameterError, match="no parameter"):
        resolve(notebook, {name: 1})
