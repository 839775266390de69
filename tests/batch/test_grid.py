"""A grid is checked whole before anything starts; what is wrong is named with its line."""

import pickle
import re
import time

import nbformat
import numpy as np
import pytest

from textgan_lab.batch import NotebookError, ParameterError
from textgan_lab.batch.grid import LARGEST_FILE, MOST, GridError, make_grid, read_grid
from textgan_lab.batch.parameters import resolve

CELL = """\
STEPS: int = 400
LOSS: str = "saturating"
D_LR: float = 1e-4
G_LR: float = 1e-4
BETAS = [0.5, 0.9]
LIVE: bool = True
DATA: str = "ring"
DIM: int = 2
PENALTY: float = 0.0
SEED: int = 0
"""
EVERYTHING = """\
notebook: lesson.ipynb
parameters: {STEPS: 300}
grid:
  LOSS: [saturating, hinge]
  D_LR: [1e-4, 1e-3]
points:
  - {DATA: ring, DIM: 2}
  - {DATA: grid}
random:
  samples: 3
  seed: 7
  parameters:
    G_LR: {log_uniform: [1e-6, 1e-3]}
seeds: 2
constraints: ["D_LR >= G_LR"]
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("grids")
    cell = nbformat.v4.new_code_cell(CELL, metadata={"tags": ["parameters"]})
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), folder / "lesson.ipynb")
    return folder


@pytest.fixture
def read(folder):
    """Return a function that reads a grid of the lesson written in text or bytes."""

    def read(text, first="notebook: lesson.ipynb\n"):
        content = text if isinstance(text, bytes) else (first + text).encode()
        (folder / "g.yaml").write_bytes(content)
        return read_grid(folder / "g.yaml")

    return read


@pytest.fixture
def make(folder):
    return lambda **said: make_grid(folder / "lesson.ipynb", **said)


# ---- points -------------------------------------------------------------------------------------


def test_nothing_but_a_notebook_is_one_point(read, folder):
    grid = read("")
    assert (grid.points, grid.varied, len(grid)) == (({},), (), 1)
    assert (grid.notebook, grid.source) == (folder / "lesson.ipynb", str(folder / "g.yaml"))


def test_every_combination_in_order_the_seeds_fastest(read):
    grid = read("grid:\n  LOSS: [a, b]\n  DIM: [3, 4]\nseeds: 2\n")
    assert [tuple(point.values()) for point in grid.points] == [
        ("a", 3, 0), ("a", 3, 1), ("a", 4, 0), ("a", 4, 1),
        ("b", 3, 0), ("b", 3, 1), ("b", 4, 0), ("b", 4, 1),
    ]  # fmt: skip
    assert grid.varied == ("LOSS", "DIM", "SEED")


def test_points_are_combined_with_all_the_rest(read):
    grid = read("parameters: {STEPS: 5}\npoints: [{DATA: x, DIM: 9}, {DATA: y}]\nseeds: [4, 2]\n")
    assert grid.points == (
        {"DATA": "x", "DIM": 9, "STEPS": 5, "SEED": 4},
        {"DATA": "x", "DIM": 9, "STEPS": 5, "SEED": 2},
        {"DATA": "y", "STEPS": 5, "SEED": 4},
        {"DATA": "y", "STEPS": 5, "SEED": 2},
    )
    assert grid.varied == ("DATA", "DIM", "SEED")  # DIM is 9, or 2 by default


def test_everything_at_once(read):
    grid = read(EVERYTHING, first="")
    assert len(grid) + grid.refused == 2 * 3 * 2 * 2 * 2
    assert grid.repeated == 0
    assert all(point["D_LR"] >= point["G_LR"] for point in grid.points)
    assert grid.varied == ("DATA", "G_LR", "LOSS", "D_LR", "SEED")
    loose = read(EVERYTHING.replace("constraints", "# "), first="")
    assert grid.refused == sum(point["D_LR"] < point["G_LR"] for point in loose.points) > 0


def test_values_have_the_types_of_their_parameters(read):
    [point] = read(
        "parameters: {D_LR: 1, G_LR: 1e-3, DATA: '0012', LIVE: true, BETAS: [0, 1e-1, x]}\n"
    ).points
    assert point == {
        "D_LR": 1.0,
        "G_LR": 0.001,
        "DATA": "0012",
        "LIVE": True,
        "BETAS": [0, 0.1, "x"],
    }
    assert [type(v) for v in point.values()] == [float, float, str, bool, list]


def test_seeds_of_another_name(read):
    assert read("seeds: {DIM: 3}\n").points == ({"DIM": 0}, {"DIM": 1}, {"DIM": 2})
    both = read("seeds: {SEED: [7], DIM: [3, 4]}\n")
    assert both.points == ({"SEED": 7, "DIM": 3}, {"SEED": 7, "DIM": 4})
    assert both.varied == ("DIM",)


def test_equal_points_are_one_and_counted(read):
    grid = read("grid: {DIM: [2, 3, 2]}\n")
    assert (grid.points, grid.repeated) == (({"DIM": 2}, {"DIM": 3}), 1)
    by_default = read("points: [{}, {DIM: 2}, {DIM: 3}]\n")  # DIM is 2 by default
    assert (by_default.points, by_default.repeated) == (({}, {"DIM": 3}), 1)
    assert len(read("grid: {BETAS: [[1], [1.0], [true]]}\n")) == 3  # equal in Python alone


def test_constraints_see_defaults_and_take_points_away(read):
    grid = read("grid: {DIM: [1, 2, 3]}\nconstraints: ['DIM < 3', 'DIM > 1 or STEPS > 400']\n")
    assert (grid.points, grid.refused, grid.varied) == (({"DIM": 2},), 2, ())


def test_nobody_watches_a_run_of_a_sweep(read):
    """The page says LIVE = True, as saved after live use; a run of it has LIVE = False."""
    assert len(read("constraints: ['not LIVE']\n")) == 1
    assert len(read("parameters: {LIVE: true}\nconstraints: ['LIVE']\n")) == 1


# ---- draws --------------------------------------------------------------------------------------


def drawn(make, name, samples=200, seed=0, **law):
    grid = make(random={"samples": samples, "seed": seed, "parameters": {name: law}})
    return [point[name] for point in grid.points]


def test_the_first_draws_do_not_depend_on_how_many_follow(make):
    law = {"D_LR": {"log_uniform": [1e-5, 1e-2]}, "DIM": {"integers": [1, 1000]}}
    few, many = (make(random={"samples": n, "parameters": law}).points for n in (5, 20))
    assert few == many[:5]
    assert few != make(random={"samples": 5, "seed": 1, "parameters": law}).points


def test_draws_do_not_depend_on_what_they_are_combined_with(make):
    law = {"samples": 3, "parameters": {"D_LR": {"uniform": [0, 1]}}}
    alone = [point["D_LR"] for point in make(random=law).points]
    combined = make(random=law, seeds=2, grid={"LOSS": ["a", "b"]}).points
    assert list(dict.fromkeys(point["D_LR"] for point in combined)) == alone


def test_laws_of_draws(make):
    """Quantiles: of 200 draws the share below the middle has standard error 3.5 %; 5 of them."""
    uniform = drawn(make, "D_LR", uniform=[1, 3])
    log_uniform = drawn(make, "D_LR", log_uniform=[1e-4, 1e-2])
    for values, low, middle, high in ((uniform, 1, 2, 3), (log_uniform, 1e-4, 1e-3, 1e-2)):
        assert low <= min(values) and max(values) <= high
        assert 0.32 < np.mean([value < middle for value in values]) < 0.68
    integers = make(random={"samples": 200, "parameters": {"DIM": {"integers": [3, 5]}}}, seeds=1)
    assert {point["DIM"] for point in integers.points} == {3, 4, 5}
    assert integers.repeated == 197
    assert set(drawn(make, "LOSS", choice=["a", "b"])) == {"a", "b"}


def test_drawn_numbers_are_plain_and_short(make):
    for value in drawn(make, "D_LR", log_uniform=[1e-5, 1e-2]):
        assert type(value) is float
        assert value == float(f"{value:.6g}")
    assert all(type(value) is int for value in drawn(make, "DIM", integers=[1, 9]))


def test_rounding_never_leaves_the_ends(make):
    low, high = 0.12345678, 0.123456789
    assert all(low <= value <= high for value in drawn(make, "D_LR", uniform=[low, high]))
    assert drawn(make, "D_LR", uniform=[0.5, 0.5]) == [0.5]
    assert all(np.isfinite(drawn(make, "D_LR", uniform=[-1.7e308, 1.7e308])))


# ---- from Python --------------------------------------------------------------------------------


def test_python_says_the_same_as_a_file(read, make):
    from_python = make(
        parameters={"STEPS": 300},
        grid={"LOSS": ["saturating", "hinge"], "D_LR": [1e-4, 1e-3]},
        points=[{"DATA": "ring", "DIM": 2}, {"DATA": "grid"}],
        random={"samples": 3, "seed": 7, "parameters": {"G_LR": {"log_uniform": [1e-6, 1e-3]}}},
        seeds=2,
        constraints=["D_LR >= G_LR"],
    )
    from_file = read(EVERYTHING, first="")
    assert from_python.points == from_file.points
    assert from_python.varied == from_file.varied
    assert (from_python.source, from_python.notebook) == ("", from_file.notebook)
    assert from_file.name == "g"
    assert re.fullmatch("lesson-[0-9a-f]{8}", from_python.name)  # other points, another name
    assert pickle.loads(pickle.dumps(from_file)) == from_file


def test_what_python_has_for_lists(make):
    grid = make(grid={"D_LR": np.array([0.5, 1.0]), "LOSS": ("a", "b")}, seeds=range(2))
    assert len(grid) == 8
    assert {type(value) for point in grid.points for value in point.values()} == {float, str, int}


@pytest.mark.parametrize(
    ("said", "key", "problem"),
    [
        ({"grid": {"BETAS": [(0.5, 0.9)]}}, "grid.BETAS.0", "expected list, got (0.5, 0.9)"),
        ({"parameters": {"D_LR": float("inf")}}, "parameters.D_LR", "inf is not a finite number"),
        ({"parameters": {"STEPS": 10**5000}}, "parameters.STEPS", "over 63 bits"),
        ({"parameters": {"D_LR": 10**5000}}, "parameters.D_LR", "too large"),
        ({"parameters": {5: 3}}, "parameters", "a key must be text, got 5"),
        ({"seeds": {5: 3}}, "seeds.5", "no parameter 5"),
        ({"constraints": "DIM > 1"}, "constraints", "expected a list"),
        ({"points": [{"DIM": np.float64(2)}]}, "points.0.DIM", "expected int"),
        ({"grid": {"LOSS": {"a", "b"}}}, "grid.LOSS", "expected a list"),
    ],
)
def test_an_error_from_python_names_the_key(make, said, key, problem):
    with pytest.raises(GridError) as caught:
        make(**said)
    assert str(caught.value).startswith(f"{key}: ")
    assert problem in str(caught.value)


def test_a_list_that_contains_itself(make):
    endless = []
    endless.append(endless)
    with pytest.raises(GridError, match="nested deeper than 20 levels"):
        make(parameters={"BETAS": endless})


# ---- errors -------------------------------------------------------------------------------------

LAW = "random: {samples: 3, parameters: {%s}}\n"
WRONG = [  # text after the first line, line of the error, key, what it says
    ("\nseed: 3\n", 3, "seed", "unknown key; known: notebook, parameters, grid,"),
    ("seed: 3\n", 2, "seed", "did you mean seeds?"),
    ("1: 3\n", 2, "", "key 1: expected str"),
    ("grid:\n  LOS: [a]\n", 3, "grid.LOS", "no parameter 'LOS'; it has: STEPS, LOSS"),
    ("grid:\n  LOS: [a]\n", 3, "grid.LOS", "did you mean LOSS?"),
    ("parameters: {loss: a}\n", 2, "parameters.loss", "did you mean LOSS?"),
    ("points:\n- DIM: 1\n- DIM: 2\n  X: 3\n", 5, "points.1.X", "no parameter 'X'"),
    (LAW % "X: {uniform: [0, 1]}", 2, "random.parameters.X", "no parameter 'X'"),
    ("seeds: {X: 2}\n", 2, "seeds.X", "no parameter 'X'"),
    ("grid:\n  STEPS:\n  - 1\n  - x\n", 5, "grid.STEPS.1", "expected int, got 'x'"),
    ("grid: {STEPS: [1.0]}\n", 2, "grid.STEPS.0", "expected int, got 1.0"),
    ("grid: {LOSS: [a, 3]}\n", 2, "grid.LOSS.1", "expected str, got 3"),
    ("grid: {BETAS: [0.5, 0.9]}\n", 2, "grid.BETAS.0", "expected list, got 0.5"),
    ("parameters: {LIVE: 1}\n", 2, "parameters.LIVE", "expected bool, got 1"),
    ("parameters: {LOSS: null}\n", 2, "parameters.LOSS", "expected str, got None"),
    ("parameters: {D_LR: .nan}\n", 2, "parameters.D_LR", ".nan is not a finite number"),
    ("grid: {D_LR: [1, -.inf]}\n", 2, "grid.D_LR.1", "-.inf is not a finite number"),
    ("parameters: {D_LR: 1e999}\n", 2, "parameters.D_LR", "inf is not a finite number"),
    ("parameters: {BETAS: '(1, 2)'}\n", 2, "parameters.BETAS", "expected list, got '(1, 2)'"),
    ("parameters: {DATA: no}\n", 2, "parameters.DATA", "'no': YAML reads bool"),
    ("parameters: {STEPS: 0012}\n", 2, "parameters.STEPS", "'0012': YAML reads int"),
    ("parameters: {STEPS: 1_000}\n", 2, "parameters.STEPS", "'1_000': YAML reads int"),
    ("parameters: {STEPS: 1:30}\n", 2, "parameters.STEPS", "'1:30': YAML reads int"),
    ("parameters: {DATA: 2026-01-01}\n", 2, "parameters.DATA", "YAML reads timestamp"),
    ("parameters: {STEPS: %s}\n" % ("9" * 20), 2, "parameters.STEPS", "over 63 bits"),
    ("parameters: {STEPS: %s}\n" % ("9" * 5000), 2, "parameters.STEPS", "YAML reads int"),
    ("parameters: {DATA: !!python/name:os.getcwd x}\n", 2, "parameters.DATA", "a tag ("),
    ("parameters: {DATA: !!str x}\n", 2, "parameters.DATA", "a tag ("),
    ("grid: {DIM: &a [1]}\n", 2, "grid.DIM", "an anchor or alias"),
    ("grid: {DIM: [*a]}\n", 2, "grid.DIM.0", "an anchor or alias"),
    ('parameters: {DATA: "\\uD800"}\n', 2, "parameters.DATA", "half a surrogate"),
    ('parameters:\n  DATA: "\\UFFFFFFFF"\n', 3, "", "no valid YAML: after this line"),
    ("grid: {BETAS: [%s]}\n" % ("[" * 30 + "]" * 30), 2, "grid", "deeper than 20"),
    ("grid:\n", 2, "grid", "empty; leave the key out"),
    ("grid: {}\n", 2, "grid", "empty"),
    ("grid: {LOSS: []}\n", 2, "grid.LOSS", "empty"),
    ("grid: {LOSS: hinge}\n", 2, "grid.LOSS", "expected a list, in brackets, got 'hinge'"),
    ("grid: [LOSS]\n", 2, "grid", "expected names with values, NAME: value, got ['LOSS']"),
    ("points: []\n", 2, "points", "empty"),
    ("points: {DIM: 1}\n", 2, "points", "expected a list, in brackets"),
    ("points:\n- 3\n", 3, "points.0", "expected names with values"),
    ("parameters: 3\n", 2, "parameters", "expected names with values"),
    ("grid:\n  DIM: [1]\n  DIM: [2]\n", 4, "grid", "'DIM' is given twice (first on line 3)"),
    ("notebook: other\n", 2, "", "'notebook' is given twice (first on line 1)"),
    (
        "parameters: {DIM: 3}\ngrid:\n  DIM: [1]\n",
        4,
        "grid.DIM",
        "given twice, first as parameters.DIM (line 2)",
    ),
    ("points: [{DIM: 3}]\ngrid: {DIM: [1]}\n", 3, "grid.DIM", "first as points.0.DIM (line 2)"),
    ("parameters: {DIM: 3}\npoints: [{}, {DIM: 3}]\n", 3, "points.1.DIM", "given twice"),
    ("grid: {SEED: [1]}\nseeds: 2\n", 3, "seeds", "given twice, first as grid.SEED"),
    (LAW % "SEED: {integers: [0, 9]}" + "seeds: 2\n", 3, "seeds", "given twice"),
    ("grid:\n\tDIM: [1]\n", 3, "", "a tab"),
    ("grid: [\n", 3, "", "no valid YAML"),
    ("---\na: 1\n", 2, "", "a second page"),
    ("? [a]\n: b\n", 2, "", "a key that is no plain name"),
    ("seeds:\n", 2, "seeds", "empty"),
    ("seeds: 0\n", 2, "seeds", "expected how many (5) or which ([0, 1, 2]), got 0"),
    ("seeds: -3\n", 2, "seeds", "expected how many"),
    ("seeds: true\n", 2, "seeds", "expected how many"),
    ("seeds: five\n", 2, "seeds", "expected how many"),
    ("seeds: []\n", 2, "seeds", "expected how many"),
    ("seeds: {}\n", 2, "seeds", "empty"),
    ("seeds: [1, 2.0]\n", 2, "seeds.1", "expected a whole number, got 2.0"),
    ("seeds: {DIM: [1, '2']}\n", 2, "seeds.DIM.1", "expected a whole number, got '2'"),
    ("seeds: 100001\n", 2, "seeds", "100001 seeds; at most 100,000"),
    ("random: 3\n", 2, "random", "expected names with values"),
    ("random:\n", 2, "random", "empty"),
    ("random: {samples: 3}\n", 2, "random.parameters", "missing"),
    ("random:\n  samples: 3\n  sed: 1\n  parameters: {D_LR: {uniform: [0, 1]}}\n",
     4, "random.sed", "did you mean seed?"),
    ("random: {samples: 0, parameters: {D_LR: {uniform: [0, 1]}}}\n", 2, "random.samples",
     "expected greater than or equal to 1, got 0"),
    ("random: {samples: 2.5, parameters: {D_LR: {uniform: [0, 1]}}}\n", 2, "random.samples",
     "expected a valid integer, got 2.5"),
    ("random: {samples: 1000000, parameters: {D_LR: {uniform: [0, 1]}}}\n", 2, "random.samples",
     "1000000; at most 100,000"),
    ("random: {samples: 2, seed: -1, parameters: {D_LR: {uniform: [0, 1]}}}\n", 2, "random.seed",
     "expected greater than or equal to 0"),
    ("random: {samples: 2, parameters: {}}\n", 2, "random.parameters", "empty"),
    (LAW % "D_LR: 4", 2, "random.parameters.D_LR", "expected names with values"),
    (LAW % "D_LR: {}", 2, "random.parameters.D_LR", "empty"),
    (LAW % "D_LR: {normal: [0, 1]}", 2, "random.parameters.D_LR",
     "expected one of log_uniform, uniform, integers, choice, got 'normal'"),
    (LAW % "D_LR: {uniform: [0, 1], choice: [1]}", 2, "random.parameters.D_LR", "expected one of"),
    (LAW % "D_LR: {uniform: 3}", 2, "random.parameters.D_LR.uniform", "expected a list"),
    (LAW % "D_LR: {uniform: [1, 2, 3]}", 2, "random.parameters.D_LR.uniform", "two numbers"),
    (LAW % "D_LR: {uniform: [2, 1]}", 2, "random.parameters.D_LR.uniform", "2.0, is above"),
    (LAW % "D_LR: {uniform: [0, x]}", 2, "random.parameters.D_LR.uniform.1", "expected float"),
    (LAW % "D_LR: {log_uniform: [0, 1]}", 2, "random.parameters.D_LR.log_uniform",
     "a logarithm needs numbers above 0, got 0.0"),
    (LAW % "D_LR: {integers: [0, 1]}", 2, "random.parameters.D_LR.integers", "D_LR is float"),
    (LAW % "DIM: {uniform: [0, 1]}", 2, "random.parameters.DIM.uniform", "DIM is int"),
    (LAW % "LOSS: {uniform: [0, 1]}", 2, "random.parameters.LOSS.uniform", "LOSS is str"),
    (LAW % "DIM: {integers: [1, 2.5]}", 2, "random.parameters.DIM.integers.1", "expected int"),
    (LAW % "LOSS: {choice: [a, 3]}", 2, "random.parameters.LOSS.choice.1", "expected str"),
    (LAW % "LOSS: {choice: []}", 2, "random.parameters.LOSS.choice", "empty"),
    ("constraints: DIM > 1\n", 2, "constraints", "expected a list"),
    ("constraints: [3]\n", 2, "constraints.0", "expected a valid string, got 3"),
    ("constraints:\n- DIM > 1\n- DIM >\n", 4, "constraints.1", "'DIM >', column 6: invalid"),
    ("constraints: ['X > 1']\n", 2, "constraints.0", "unknown name X; known: STEPS, LOSS"),
    ("constraints: ['dim > 1']\n", 2, "constraints.0", "did you mean DIM?"),
    ("constraints: [LOSS == qqq]\n", 2, "constraints.0", "text stands in quotes"),
    ("constraints: [DIM]\n", 2, "constraints.0", "expected a truth"),
    ("constraints: [STEPS / SEED > 1]\n", 2, "constraints.0", "division by zero (with 400, 0)"),
    ("constraints: ['().__class__ == 1']\n", 2, "constraints.0", "not allowed"),
    (
        "grid: {DIM: [1, 2, 3]}\nconstraints: [DIM > 2, DIM < 3]\n",
        3,
        "constraints",
        "no point is left of 3: 'DIM > 2' takes 2, 'DIM < 3' takes 1",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("text", "line", "key", "said"), WRONG, ids=[w[0][:40] for w in WRONG])
def test_what_is_wrong_is_named_with_its_line_and_key(read, folder, text, line, key, said):
    with pytest.raises(GridError) as caught:
        read(text)
    message = str(caught.value)
    assert message.startswith(f"{folder / 'g.yaml'}:{line}: {key}")
    assert said in message
    assert isinstance(caught.value, ParameterError)  # which the command line reports


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", ":1: empty"),
        (b"# nothing\n\n", ":1: empty"),
        (b"---\n", ":2: expected keys (notebook, parameters"),
        (b"5\n", ":1: expected keys"),
        (b"- notebook: x\n", ":1: expected keys"),
        (b"grid: {}\n", ":1: notebook: missing"),
        (b"\n\nnotebook: 5\n", ":3: notebook: expected a valid string, got 5"),
        (b"notebook: ''\n", ":1: notebook: '': not a file"),
        (b"notebook: nope\n", "nope: no such notebook; shipped: 00_tour, "),
        (b"notebook: .\n", "'.': not a file; give a notebook"),
        (b"notebook: " + b"a" * 5000, "...: File name too long"),
        (b'notebook: "a\\0b"\n', r"'a\x00b': no path"),
        (b"# \n# \xff\n", ":2: not UTF-8 at byte 5 (0xff)"),
        (b"\xef\xbb\xbf\n\xff\n", ":2: not UTF-8 at byte 4 (0xff)"),
        (b"\xef\xbb\xbfnotebook: 3\n", ":1: notebook: expected"),  # a byte order mark is no error
        (b"a: 1\nb: \x07\n", ":2: no valid YAML: character 0x7"),
        (b"%YAML " + b"1" * 5000 + b".1\n---\na: 1\n", "no valid YAML"),
        (b"x" * (LARGEST_FILE + 1), "larger than 1,000,000 bytes"),
    ],
)
def test_a_file_that_is_no_grid(read, folder, content, said):
    with pytest.raises(GridError) as caught:
        read(content)
    assert str(caught.value).startswith(f"{folder / 'g.yaml'}:")
    assert said in str(caught.value)
    assert len(str(caught.value)) < 1000


def test_a_file_that_is_not_there(folder):
    with pytest.raises(GridError, match=r"none.yaml: cannot be read \(No such file"):
        read_grid(folder / "none.yaml")
    with pytest.raises(GridError, match=r"cannot be read \(Is a directory"):
        read_grid(folder)
    with pytest.raises(GridError, match="cannot be read"):
        read_grid("a\0b")


def test_a_notebook_is_sought_beside_the_file_then_among_the_shipped(read, folder, tmp_path):
    assert read("", first="notebook: ./lesson.ipynb\n").notebook == folder / "lesson.ipynb"
    for name in ("00_tour", "00_tour.ipynb"):
        assert read("", first=f"notebook: {name}\n").notebook.name == "00_tour.ipynb"
    with pytest.raises(GridError, match="no such notebook"):
        read("", first="notebook: ../notebooks/00_tour\n")


def test_not_what_happens_to_lie_in_the_working_directory(read, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here.ipynb").write_text("{}")
    (tmp_path / "00_tour").mkdir()
    with pytest.raises(GridError, match="no such notebook"):
        read("", first="notebook: here.ipynb\n")
    assert read("", first="notebook: 00_tour\n").notebook.name == "00_tour.ipynb"


def test_a_broken_notebook_is_an_error_of_the_notebook(read, folder):
    (folder / "broken.ipynb").write_text("{}")
    with pytest.raises(NotebookError, match="broken.ipynb"):
        read("", first="notebook: broken.ipynb\n")


def test_too_many_points_are_counted_and_not_made(read):
    start = time.process_time()
    with pytest.raises(GridError) as caught:
        read(
            f"seeds: {MOST}\ngrid: {{DIM: [1, 2, 3]}}\n"
            + "random: {samples: 1000, parameters: {D_LR: {uniform: [0, 1]}}}\n"
        )
    assert "300,000,000 points; at most 100,000" in str(caught.value)
    assert time.process_time() - start < 5


# ---- cost ---------------------------------------------------------------------------------------


def test_ten_thousand_points_are_built_and_checked_in_under_three_seconds(read, folder):
    axis = ", ".join(f"{n}e-5" for n in range(1, 51))
    text = f"grid:\n  D_LR: [{axis}]\n  DIM: [2, 3]\nseeds: 100\nconstraints: [D_LR < 1]\n"
    start = time.process_time()
    grid = read(text)
    assert time.process_time() - start < 3
    assert len(grid) == 10_000
    for point in grid.points[::1000]:
        assert resolve(folder / "lesson.ipynb", point) == {
            "STEPS": 400, "LOSS": "saturating", "D_LR": point["D_LR"], "G_LR": 1e-4,
            "BETAS": [0.5, 0.9], "LIVE": True, "DATA": "ring", "DIM": point["DIM"],
            "PENALTY": 0.0, "SEED": point["SEED"],
        }  # fmt: skip
