"""A claim that holds for one seed only is a coin that fell well: every notebook, with five more."""

import pytest

from textgan_lab.batch import claims, find, read, run_notebook
from textgan_lab.batch.document import folder

SEEDS = range(1, 6)
NOTEBOOKS = sorted(path.stem for path in folder().glob("*.ipynb"))


def agreement(stored: list[str], runs: list[list[str]]) -> list[tuple[str, int]]:
    """Return every line that a page claims, with the number of runs that printed it there too."""
    counted = []
    for number, text in enumerate(stored):
        printed = [run[number].splitlines() for run in runs]
        for place, line in enumerate(text.splitlines()):
            counted.append((line, sum(lines[place : place + 1] == [line] for lines in printed)))
    return counted


def test_agreement_counts_lines_at_their_place():
    stored = ["a: yes\nb: no", "c: yes"]
    runs = [["a: yes\nb: yes", "c: yes"], ["b: no", "c: yes"], ["a: yes\nb: no", "c: no"]]
    assert agreement(stored, runs) == [("a: yes", 2), ("b: no", 1), ("c: yes", 2)]


@pytest.mark.slow
@pytest.mark.notebook
@pytest.mark.parametrize("name", NOTEBOOKS)
def test_the_claims_hold_for_other_seeds(name, tmp_path, record_property):
    stored = claims(read(find(name)))
    runs = [run_notebook(find(name), {"SEED": seed}, root=tmp_path).claims for seed in SEEDS]
    counted = agreement(stored, runs)
    table = "\n".join(f"{count}/{len(SEEDS)}  {line}" for line, count in counted)
    record_property("seeds", f"{name}\n{table}")  # shown at the end, see tests/conftest.py
    assert all(count == len(SEEDS) for _, count in counted), table
