"""What a sweep costs beside its notebooks, and how fast it passes over what is done.

    python tests/benchmarks/sweep.py [--runs 24] [--workers 2]

Overhead: CPU time of everything that a sweep starts, driver and workers included, over that of its
kernels; the notebook is ``09_one_run`` at its defaults. A kernel says itself what it had used when
its last cell ran; what it takes to end after that, which with torch is a second for any Python, is
measured on runs of its own. Beside it the same for ``textgan-lab run``, one command a run.
Skipping: 1,000 points whose runs are done, by the command line, with its report. Writes
``results/sweep.md``.
"""

import argparse
import json
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

import nbformat

from textgan_lab.batch.document import find
from textgan_lab.batch.grid import make_grid
from textgan_lab.batch.notebooks import run_notebook
from textgan_lab.batch.sweep import plan

RESULTS = Path(__file__).parent / "results" / "sweep.md"
CLI = [sys.executable, "-m", "textgan_lab.cli"]
USED = "import time\nprint('CPU seconds', time.process_time())"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--runs", type=int, default=24)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        notebook = folder / "timed.ipynb"
        page = nbformat.read(find("09_one_run"), as_version=4)
        claim = nbformat.v4.new_code_cell(USED, metadata={"tags": ["claim"]})
        page.cells.append(claim)
        nbformat.write(page, notebook)
        end = ending(folder / "ends", notebook)
        swept = overhead(
            folder / "swept", "sweep", str(grid_file(folder, notebook, options.runs)),
            "--workers", str(options.workers),
        )  # fmt: skip
        alone = [
            overhead(folder / f"alone-{seed}", "run", str(notebook), "-p", "SEED", str(seed), "-q")
            for seed in range(3)
        ]
        skipped = statistics.median(skip(folder / "many", notebook) for _ in range(3))
    report(options, swept, alone, end, skipped)


def grid_file(folder: Path, notebook: Path, runs: int) -> Path:
    path = folder / "grid.yaml"
    path.write_text(f"notebook: {json.dumps(str(notebook))}\nseeds: {runs}\n")
    return path


def overhead(root: Path, *command: str) -> tuple[float, float]:
    """Return the CPU seconds of a command and all it started; of its kernels to their last cell."""
    before = cpu()
    subprocess.run([*CLI, *command, "--root", str(root)], check=True, stdout=subprocess.DEVNULL)
    total = cpu() - before
    claims = [json.loads(path.read_text())["claims"][-1] for path in root.glob("*/run.json")]
    return total, sum(float(text.split()[-1]) for text in claims)


def ending(root: Path, notebook: Path) -> float:
    """Return the CPU seconds that a kernel takes to end after its last cell, median of three."""
    taken = []
    for seed in range(3):
        before = cpu()
        claims = run_notebook(notebook, {"SEED": seed}, root=root).claims
        taken.append(cpu() - before - float(claims[-1].split()[-1]))
    return statistics.median(taken)


def cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def skip(root: Path, notebook: Path, points: int = 1000) -> float:
    """Return the wall seconds of a sweep over runs that are all done."""
    grid = make_grid(notebook, seeds=points)
    for point in plan(grid, root):
        if point.state == "missing":
            point.run.begin()
            point.run.commit(notebook=notebook.name, seconds=1.0, claims=[])
    path = grid_file(root, notebook, points)
    start = time.perf_counter()
    subprocess.run(
        [*CLI, "sweep", str(path), "--root", str(root)], check=True, stdout=subprocess.DEVNULL
    )
    return time.perf_counter() - start


def report(options, swept, alone, end, skipped) -> None:
    total, own = swept
    whole = own + options.runs * end
    singly = statistics.median(t / (o + end) for t, o in alone) - 1
    lines = [
        "# What a sweep costs",
        "",
        f"`python tests/benchmarks/sweep.py`, {date.today()}, {platform.machine()}, "
        f"Python {platform.python_version()}, {options.workers} workers.",
        "",
        "| what | figure |",
        "|---|---|",
        f"| runs of `09_one_run` at its defaults | {options.runs}, {whole / options.runs:.1f} CPU "
        f"s each in their kernels, {end:.1f} of them after the last cell |",
        f"| CPU time of the sweep beside its kernels' | {total / whole - 1:.0%} |",
        f"| the same, if what follows the last cell is not the kernels' | {total / own - 1:.0%} |",
        f"| CPU time beside its kernel's of one `textgan-lab run` | {singly:.0%} (median of "
        f"{len(alone)}) |",
        f"| 1,000 finished points passed over, report written | {skipped:.1f} s (median of 3) |",
    ]
    text = "\n".join(lines) + "\n"
    RESULTS.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
