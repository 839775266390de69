"""What a sweep costs beside its notebooks, in CPU seconds: those a loaded machine hardly changes.

The functions are those of ``tests/benchmarks/sweep.py``.
"""

import nbformat
import pytest
from sweep import USED, cpu, ending, grid_file, overhead, skip

from textgan_lab.batch.document import find

pytestmark = [pytest.mark.slow, pytest.mark.notebook]

RUNS = 24  # what is paid once, driver and workers, about 6 s, is shared by them
MOST = 0.15  # of the kernels' CPU time
SKIPPED, QUICK = 1000, 5.0  # finished points, CPU seconds


@pytest.fixture
def timed(tmp_path):
    """Page 09, which at its end claims the CPU time that its kernel has used so far."""
    page = nbformat.read(find("09_one_run"), as_version=4)
    page.cells.append(nbformat.v4.new_code_cell(USED, metadata={"tags": ["claim"]}))
    nbformat.write(page, tmp_path / "timed.ipynb")
    return tmp_path / "timed.ipynb"


def test_a_sweep_takes_little_cpu_time_beside_that_of_its_kernels(timed, tmp_path, record_property):
    grid, root = grid_file(tmp_path, timed, RUNS), tmp_path / "runs"
    end = ending(tmp_path / "ends", timed)
    total, own = overhead(root, "sweep", str(grid), "--workers", "2")
    assert len(list(root.glob("*/run.json"))) == RUNS
    own += RUNS * end
    said = f"{RUNS} runs: {total:.1f} CPU s, {own:.1f} of them in kernels: {total / own - 1:.1%}"
    record_property("seeds", said)
    assert 0 < total / own - 1 <= MOST, said


def test_a_thousand_finished_points_are_passed_over_in_seconds(timed, tmp_path, record_property):
    used = []
    for _ in range(3):  # the best: the first reads what is not in memory
        before = cpu()
        skip(tmp_path / "runs", timed, SKIPPED)
        used.append(cpu() - before)
    said = (
        f"{SKIPPED} finished points: " + ", ".join(f"{seconds:.1f}" for seconds in used) + " CPU s"
    )
    record_property("seeds", said)
    assert len(list((tmp_path / "runs").glob("*/run.json"))) == SKIPPED
    assert 0 < min(used) < QUICK, said
