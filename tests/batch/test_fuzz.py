"""Some hostile input for every reader; tests/soak has ten thousand cases of the same."""

import pytest
from fuzzing import TARGETS, attack, kept_inside

CASES = 200


@pytest.mark.parametrize("name", TARGETS)
def test_hostile_input_is_taken_or_refused_in_words(name, tmp_path, monkeypatch):
    root = tmp_path / "root"
    root.mkdir()
    monkeypatch.chdir(root)
    outcomes = attack(name, CASES, root)
    assert min(outcomes["taken"], outcomes["refused"]) >= CASES // 50, outcomes


def test_what_leaves_the_root_is_seen(tmp_path):
    root = tmp_path / "root"
    root.mkdir()
    with kept_inside(root):
        (root / "a").write_text("inside")
        (tmp_path / "root" / "a").read_text()
    for leave in (
        lambda: (tmp_path / "b").write_text("outside"),
        lambda: (tmp_path / "c").mkdir(),
        lambda: (root / "a").rename(tmp_path / "a"),
    ):
        with pytest.raises(AssertionError, match="root"), kept_inside(root):
            leave()
