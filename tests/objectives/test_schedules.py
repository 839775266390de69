"""The loss-threshold schedule: it stops where it should, and the cap stops it where it must."""

import pytest
import torch

from textgan_lab.objectives.schedules import loss_threshold
from textgan_lab.training import Spec, Trainer

torch.set_num_threads(1)


class Scripted:
    """A trainer whose D has the losses it was given, one after the other."""

    def __init__(self, losses):
        self.losses, self.t, self.moves = list(losses), 0, ""
        self.telemetry = type("Record", (), {"events": []})()

    def _move(self, who, values):
        self.moves += who
        step = type("Step", (), {"t": self.t, "values": values})()
        self.t += 1
        return step

    def d_step(self):
        return self._move("d", {"d_loss": self.losses.pop(0)})

    def g_step(self):
        return self._move("g", {})


def test_d_moves_until_its_loss_is_low_and_then_g_once():
    trainer = Scripted([1.3, 1.1, 1.0, 0.9])
    first, second = loss_threshold(trainer, 2, below=1.0, cap=10)
    assert trainer.moves == "dddg" + "dg"
    assert (first.d_updates, first.d_loss, first.cap_hit, first.step) == (3, 1.0, False, 2)
    assert (second.d_updates, second.d_loss, second.cap_hit, second.step) == (1, 0.9, False, 4)
    assert trainer.telemetry.events == []


def test_the_cap_ends_a_round_that_would_not_end_and_is_logged():
    trainer = Scripted([1.4] * 3 + [0.2])
    rounds = loss_threshold(trainer, 2, below=1.0, cap=3)
    assert trainer.moves == "dddg" + "dg"
    assert [r.cap_hit for r in rounds] == [True, False]
    assert trainer.telemetry.events == [
        {"event": "cap_hit", "step": 2, "updates": 3, "d_loss": 1.4}
    ]


def test_the_last_update_allowed_may_still_succeed():
    (played,) = loss_threshold(Scripted([1.4, 0.5]), 1, below=1.0, cap=2)
    assert not played.cap_hit and played.d_updates == 2


def test_a_loss_that_is_no_number_is_not_below():
    (played,) = loss_threshold(Scripted([float("nan")] * 2), 1, cap=2)
    assert played.cap_hit and played.d_updates == 2


@pytest.mark.parametrize("wrong", [{"rounds": -1}, {"cap": 0}, {"below": 0.0}])
def test_what_cannot_be_meant_is_refused(wrong):
    with pytest.raises(ValueError, match="loss_threshold: rounds"):
        loss_threshold(Scripted([]), **{"rounds": 1, **wrong})


def test_a_run_under_the_rule_replays_without_it():
    spec = Spec(data="mini", probe_every=0, knobs={"d_lr": 5e-3})
    trainer = Trainer(spec)
    rounds = loss_threshold(trainer, 3, below=1.2, cap=4)
    assert trainer.t == sum(r.d_updates + 1 for r in rounds)
    replay = Trainer(spec, trainer.telemetry.schedule())
    list(replay.steps(trainer.t))
    assert replay.telemetry.rows == trainer.telemetry.rows
    hits = [e for e in trainer.telemetry.events if e["event"] == "cap_hit"]
    assert len(hits) == sum(r.cap_hit for r in rounds)
