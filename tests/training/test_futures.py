"""Futures: branches of one past, told apart by their knobs alone."""

import pytest
import torch

from textgan_lab.catalogue import UnknownName
from textgan_lab.training import Spec, Trainer
from textgan_lab.training.futures import futures

torch.set_num_threads(1)
AXES = {
    "balance": {"1:1": {"d_steps": 1}, "2:1": {"d_steps": 2}},
    "rate": {"slow": {"g_lr": 1e-4}, "fast": {"g_lr": 1e-2}},
}


@pytest.fixture(scope="module")
def starts():
    trainers = [Trainer(Spec(data="mini", probe_every=0, seed=seed)) for seed in (0, 1)]
    for trainer in trainers:
        list(trainer.steps(2))
    return trainers


def test_every_combination_of_every_trainer_has_a_row(starts):
    found = futures(starts, AXES, steps=1)
    labels = [("1:1", "slow"), ("1:1", "fast"), ("2:1", "slow"), ("2:1", "fast")]
    rows = list(found[["balance", "rate", "seed"]].itertuples(index=False, name=None))
    assert rows == [(*pair, seed) for seed in (0, 1) for pair in labels]


def test_a_future_is_the_run_that_makes_the_turns_there(starts):
    found = futures(starts[0], AXES, steps=3)
    by_hand = Trainer(Spec(data="mini", probe_every=0, seed=0))
    list(by_hand.steps(2))
    by_hand.knobs.set(d_steps=2, g_lr=1e-2)
    list(by_hand.steps(3))
    assert found["telemetry"][3].rows == by_hand.telemetry.rows
    assert found["telemetry"][2].rows != by_hand.telemetry.rows
    turns = [(turn.step, turn.name, turn.source) for turn in found["telemetry"][3].turns]
    assert sorted(turns) == [(2, "d_steps", "futures"), (2, "g_lr", "futures")]


def test_the_trainer_stays_where_it_stands(starts):
    before = starts[0].snapshot()
    futures(starts[0], AXES, steps=2)
    after = starts[0].snapshot()
    assert after["t"] == 2 and len(starts[0].telemetry) == 2
    assert torch.equal(before["g"], after["g"]) and before["applied"] == after["applied"]


def test_nothing_trains_before_all_turns_are_known_to_be_legal(starts, monkeypatch):
    monkeypatch.setattr(Trainer, "branch", lambda trainer: pytest.fail("a branch was made"))
    with pytest.raises(UnknownName, match="unknown knob 'g_rate'"):
        futures(starts, {"rate": {"slow": {"g_lr": 1e-4}, "typo": {"g_rate": 1}}}, steps=1)
    with pytest.raises(ValueError, match="axis 'b' turns g_lr a second time"):
        futures(starts, {"a": {"x": {"g_lr": 0.1}}, "b": {"y": {"g_lr": 0.2}}}, steps=1)


@pytest.mark.parametrize("axes", [{}, {"rate": {}}])
def test_nothing_to_combine_is_an_error(starts, axes):
    with pytest.raises(ValueError, match="expected one trainer or more, and one label or more"):
        futures(starts, axes, steps=1)
    with pytest.raises(ValueError, match="futures: 0 trainers"):
        futures([], AXES, steps=1)
