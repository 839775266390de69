"""Every notebook of the suite: its form, and a short run with other parameters.

Whether its claims hold at the defaults is what `make claims` asks; for other seeds, test_seeds.py.
"""

import ast
import statistics
from pathlib import Path

import nbformat
import pytest

from textgan_lab.batch import claims, run_notebook, tidy
from textgan_lab.batch.document import read, tagged
from textgan_lab.batch.parameters import parameters

CHECKOUT = Path(__file__).parents[2]
NOTEBOOKS = sorted((CHECKOUT / "notebooks").glob("*.ipynb"))
each = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def test_there_are_notebooks():
    assert NOTEBOOKS


@each
def test_only_claims_are_stored(path):
    assert tidy(path, check=True), f"run: textgan-lab tidy {path}"
    assert claims(read(path)), "a notebook that claims nothing proves nothing"


@each
def test_a_page_reads_well(path):
    cells = read(path).cells
    code = [cell.source for cell in cells if cell.cell_type == "code"]
    prose = [cell for cell in cells if cell.cell_type == "markdown"]
    lines = [len(source.splitlines()) for source in code]
    assert 12 <= len(code) <= 25
    assert len(prose) >= len(code)
    assert statistics.median(lines) <= 4
    assert max(lines) <= 12
    for source in code:
        found = {type(node).__name__ for node in ast.walk(ast.parse(source))}
        assert not found & {"FunctionDef", "ClassDef", "AsyncFunctionDef"}, source
    assert sum(tagged(cell, "parameters") for cell in cells) == 1


@each
@pytest.mark.notebook
def test_a_short_run_with_other_parameters(path, tmp_path):
    smoke = read(path).metadata["textgan_lab"]["smoke"]
    assert set(smoke) <= set(parameters(path))
    result = run_notebook(path, smoke, root=tmp_path)
    output = nbformat.read(result.output, as_version=4)
    assert all(cell.execution_count for cell in output.cells if cell.cell_type == "code")
    assert result.claims
