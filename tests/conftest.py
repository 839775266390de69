"""What every test shares: one torch thread, and skips that say what is missing."""

import shutil
from importlib.util import find_spec

import nbformat
import pytest

if find_spec("torch"):
    import torch

    torch.set_num_threads(1)  # pytest-xdist already uses the cores


def pytest_runtest_setup(item):
    if item.get_closest_marker("gpu") and not (find_spec("torch") and torch.cuda.is_available()):
        pytest.skip("no CUDA device that torch can use")
    if item.get_closest_marker("browser") and not shutil.which("chromium"):
        pytest.skip("no chromium on the PATH")


@pytest.fixture
def write_notebook(tmp_path):
    """Return a function that writes a notebook: text is code, (text, tag) is tagged code."""

    def write(name, *cells, **metadata):
        code = nbformat.v4.new_code_cell
        nodes = [
            code(cell) if isinstance(cell, str) else code(cell[0], metadata={"tags": [*cell[1:]]})
            for cell in cells
        ]
        path = tmp_path / name
        nbformat.write(nbformat.v4.new_notebook(cells=nodes, metadata=metadata), path)
        return path

    return write


def pytest_terminal_summary(terminalreporter):
    """Show how often what is left to chance held: a count is a result, not only a pass."""
    reports = [r for outcome in ("passed", "failed") for r in terminalreporter.getreports(outcome)]
    tables = [text for r in reports for key, text in r.user_properties if key == "seeds"]
    if tables:
        terminalreporter.section("how many seeds agree")
        terminalreporter.write_line("\n".join(tables))
