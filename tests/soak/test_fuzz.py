"""Ten thousand hostile inputs: each is taken, or refused in words for the person who wrote it."""

import pytest
from fuzzing import TARGETS, attack

pytestmark = pytest.mark.slow

CASES = {
    "grid files": 3000, "parameter values": 2000, "corpus bytes": 1000, "grammar files": 1500,
    "names of notebooks": 1000, "names of runs": 1000, "expressions": 1000,
    "conditions on runs": 1000, "names of columns": 500, "words for Dask": 1000,
    "records of runs": 1000, "telemetry": 1000,
}  # fmt: skip


def test_every_reader_is_attacked_and_ten_thousand_times_in_all():
    """As planned; `attack` sees to it that each case is fed."""
    assert set(CASES) == set(TARGETS)
    assert sum(CASES.values()) >= 10_000


@pytest.mark.parametrize("name", CASES)
def test_hostile_input_is_taken_or_refused_in_words(name, tmp_path, monkeypatch):
    root = tmp_path / "root"
    root.mkdir()
    monkeypatch.chdir(root)
    outcomes = attack(name, CASES[name], root)
    # an attack that is never let in, or never kept out, tests half of what it should
    assert min(outcomes["taken"], outcomes["refused"]) >= CASES[name] // 50, outcomes
