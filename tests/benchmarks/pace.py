"""How fast the live lab of each notebook trains: steps a second on one core, at its own sizes.

    python tests/benchmarks/pace.py [notebook ...]

Each notebook runs as it is stored up to the cell that shows its lab; then what the lab trains goes
on for a while, its measurements included, timed by the CPU clock. Writes ``results/pace.md``; about
six minutes.
"""

import json
import os
import platform
import sys
from datetime import date
from pathlib import Path

import nbformat
import torch
from nbclient import NotebookClient

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
RESULTS = Path(__file__).parent / "results" / "pace.md"
STEPS, ROUNDS = 50, 5
MEASURE = f"""
import json, statistics, time, torch
torch.set_num_threads(1)
lab.pause()
trainer, rates = lab.trainer.branch(), []
list(trainer.steps(5))
for _ in range({ROUNDS}):
    begin, steps = time.process_time(), sum(1 for _ in trainer.steps({STEPS}))
    rates.append(steps / (time.process_time() - begin))
spec = trainer.spec
parts = [p if isinstance(p, str) else next(iter(p)) for p in (
    spec.data, spec.generator, spec.discriminator, spec.estimator)]
json.dumps([*parts, spec.batch_size, statistics.median(rates), min(rates), max(rates)])
"""


def measured(path: Path) -> list | None:
    """Return what a notebook's lab trains, and median, least and most steps a second."""
    notebook = nbformat.read(path, as_version=4)
    labs = [i for i, cell in enumerate(notebook.cells) if "tl.LiveLab(" in cell.source]
    if not labs:
        return None
    notebook.cells = [*notebook.cells[: labs[0] + 1], nbformat.v4.new_code_cell(MEASURE)]
    NotebookClient(notebook, timeout=600, resources={"metadata": {"path": path.parent}}).execute()
    return json.loads(eval(notebook.cells[-1].outputs[-1].data["text/plain"]))


def main() -> None:
    """Measure all notebooks, or those named, and write the table of all."""
    os.environ["OMP_NUM_THREADS"] = "1"
    named = [Path(name) for name in sys.argv[1:]]
    lines = [
        "| notebook | data | generator | discriminator | estimator | batch | steps a second |",
        "|---|---|---|---|---|---|---|",
    ]
    for path in named or sorted(NOTEBOOKS.glob("0*.ipynb")):
        found = measured(path)
        if found is None:
            continue
        *parts, middle, low, high = found
        cells = [path.stem, *map(str, parts), f"{middle:.0f} [{low:.0f}, {high:.0f}]"]
        lines.append("| " + " | ".join(cells) + " |")
        sys.stdout.write(lines[-1] + "\n")
        sys.stdout.flush()
    if named:
        return
    RESULTS.write_text(
        "# The pace of the live labs\n\n"
        f"`python tests/benchmarks/pace.py`, {date.today()}, torch {torch.__version__}, "
        f"{platform.machine()}, one thread. What the lab of each notebook trains where it is "
        f"shown; {ROUNDS} times {STEPS} steps, measurements of the truth included, display not; "
        "median [least, most] by the CPU clock.\n\n" + "\n".join(lines) + "\n",
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()
