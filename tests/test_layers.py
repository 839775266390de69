"""Imports of the library: down only, in no circle, and light where lightness is promised."""

import ast
import graphlib
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "textgan_lab"
FLOORS = [
    ["atomic", "catalogue", "knobs", "progress", "telemetry"],
    ["metrics"],  # arrays in, numbers out; a corpus audits its own splits with them
    ["data"],
    ["models", "dynamics"],
    ["objectives", "baselines"],
    ["training"],
    ["diagnostics", "batch"],
    ["dashboard", "cli"],
]
FLOOR = {part: height for height, parts in enumerate(FLOORS) for part in parts}
DRAWERS = {"utils", "util", "helpers", "helper", "common", "misc", "base", "manager", "managers"}
MODULES = {
    ".".join(file.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__"): file
    for file in sorted(PACKAGE.rglob("*.py"))
}


def imported(module: str, source: str, is_package: bool) -> dict[str, int]:
    """Return every name of this package that a module imports, anywhere in it -> line."""
    found = {}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            parts = module.split(".") if is_package else module.split(".")[:-1]
            start = parts[: len(parts) - node.level + 1] if node.level else []
            base = ".".join([*start, *(node.module or "").split(".")]).strip(".")
            names = [f"{base}.{alias.name}" for alias in node.names]
        else:
            continue
        found |= {name: node.lineno for name in names if name.startswith("textgan_lab.")}
    return found


def violations(module: str, source: str, is_package: bool = False) -> list[str]:
    here = FLOOR[module.split(".")[1]]
    found = []
    for name, line in imported(module, source, is_package).items():
        part = name.split(".")[1]
        if part not in FLOOR:
            found.append(f"{module}, line {line}: {name} hides its floor; name its module")
        elif FLOOR[part] > here:
            found.append(f"{module}, line {line}: imports {name}, which stands higher")
    return found


def module_of(name: str) -> str | None:
    """Return the module that an imported name is, or is found in."""
    if name in MODULES:
        return name
    parent = name.rpartition(".")[0]
    return parent if parent in MODULES else None


def circle(graph: dict[str, set[str]]) -> list[str]:
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        return error.args[1]
    return []


@pytest.mark.parametrize("module", [name for name in MODULES if name != "textgan_lab"])
def test_imports_look_down_only(module):
    assert module.split(".")[1] in FLOOR, f"{module} has no floor in {__file__}"
    file = MODULES[module]
    assert not violations(module, file.read_text(encoding="utf-8"), file.stem == "__init__")


def test_a_look_upwards_is_seen_in_every_spelling():
    for source in (
        "from ..training import Trainer",
        "from ..training.trainer import Trainer",
        "from .. import training",
        "import textgan_lab.training.trainer",
        "from textgan_lab import Trainer",
        "def late():\n    from textgan_lab import training",
    ):
        assert violations("textgan_lab.models.generators", source), source
    assert not violations("textgan_lab.models.generators", "from ..data import CORPORA")
    assert not violations("textgan_lab.models", "from .generators import LSTM", is_package=True)
    assert violations("textgan_lab.models", "from ..training import Trainer", is_package=True)


def test_no_circle_of_modules():
    graph = {}
    for module, file in MODULES.items():
        names = imported(module, file.read_text(encoding="utf-8"), file.stem == "__init__")
        graph[module] = {module_of(name) for name in names} - {None, module, "textgan_lab"}
    assert not circle(graph)
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"a"}})


def test_no_star_imports():
    for module, file in MODULES.items():
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            starred = isinstance(node, ast.ImportFrom) and node.names[0].name == "*"
            assert not starred, f"{module}, line {node.lineno}: names what it imports, never *"


def test_no_drawer_modules():
    for module in MODULES:
        assert not DRAWERS & set(module.split(".")), f"{module}: name it after what it holds"


def python(code: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)


def test_diagnostics_import_with_torch_blocked():
    every = [name for name in MODULES if name.startswith("textgan_lab.diagnostics")]
    answer = python(f"import sys; sys.modules['torch'] = None; import {', '.join(every)}")
    assert answer.returncode == 0, answer.stderr


def test_importing_the_package_is_light():
    heavy = "('torch', 'ipywidgets', 'papermill', 'dask', 'matplotlib', 'pandas')"
    answer = python(f"import sys, textgan_lab; print([m for m in {heavy} if m in sys.modules])")
    assert answer.stdout.strip() == "[]", answer.stdout + answer.stderr


def test_the_command_line_starts_light():
    heavy = "('torch', 'papermill', 'nbformat', 'pandas')"
    answer = python(f"import sys, textgan_lab.cli; print([m for m in {heavy} if m in sys.modules])")
    assert answer.stdout.strip() == "[]", answer.stdout + answer.stderr
