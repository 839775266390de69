"""D's head start: what ends it, that looking does not move its end, and the play that follows."""

import dataclasses

import pytest
import torch
from dialogues import TinyDialogue
from languages import TinyLanguage

from textgan_lab.training import SYSTEMS, Spec, Trainer
from textgan_lab.training.systems import system as systems

torch.set_num_threads(1)


def build(data=None, **fields):
    spec = {
        "data": "given", "batch_size": 32, "mle_steps": 3, "probe_every": 0, "probe_size": 16,
        "device": "cpu", "estimator": "reinforce", "knobs": {"d_lr": 1e-2}, **fields,
    }  # fmt: skip
    return Trainer(Spec(**spec), data=data or TinyDialogue(eos=True))


def events(trainer):
    return [e for e in trainer.telemetry.events if e["event"] == "play"]


def test_looking_does_not_change_when_play_begins():
    """Neither how often is measured, nor how the steps are asked for."""
    trainers = [
        build(d_first_steps=200, d_first_accuracy=0.75, probe_every=every)
        for every in (0, 5, 7, 25)
    ]  # fmt: skip
    for trainer in trainers[:-1]:
        list(trainer.steps(60))
    for _ in trainers[-1].steps(60):
        trainers[-1].flush()
    first, *others = trainers
    (begun,) = events(first)
    assert begun["reached"] and 13 <= begun["step"] < 60 and (begun["step"] - 3) % 10 == 0
    for other in others:
        assert events(other) == [begun]
        assert torch.equal(first.game.g.flat, other.game.g.flat)
        assert torch.equal(first.game.d.flat, other.game.d.flat)


def test_the_accuracy_is_that_of_the_newest_ten_updates():
    trainer = build(d_first_steps=200, d_first_accuracy=0.75)
    assert trainer.warm_up() is trainer and trainer.phase == "adversarial"
    (begun,) = events(trainer)
    assert begun["step"] == trainer.t
    right = [r["d_accuracy"] for r in trainer.telemetry.rows if r["phase"] == "d_first"]
    means = [sum(right[i : i + 10]) / 10 for i in range(0, len(right), 10)]
    assert begun["d_accuracy"] == pytest.approx(means[-1]) and means[-1] >= 0.75 > max(means[:-1])


@pytest.mark.parametrize("updates", [4, 14])
def test_a_d_that_never_is_right_often_enough_leaves_word(updates):
    trainer = build(d_first_steps=updates, d_first_accuracy=1.0)
    list(trainer.steps(20))
    (begun,) = events(trainer)
    newest = [row["d_accuracy"] for row in trainer.telemetry.rows[3 : 3 + updates]][-10:]
    assert begun["step"] == 3 + updates and begun["reached"] is False
    assert begun["d_accuracy"] == pytest.approx(sum(newest) / len(newest))


def test_nothing_is_asked_where_no_accuracy_is():
    trainer = build(d_first_steps=14)
    list(trainer.steps(20))
    assert events(trainer) == []


def test_an_accuracy_without_a_head_start_is_refused():
    with pytest.raises(ValueError, match="d_first_accuracy 0.82 ends D's head start.*is 0"):
        build(d_first_accuracy=0.82)


def test_a_run_that_was_saved_in_its_head_start_begins_to_play_when_the_other_does(tmp_path):
    options = {"d_first_steps": 200, "d_first_accuracy": 0.75, "probe_every": 7}
    straight, parted = build(**options), build(**options)
    list(straight.steps(60)), list(parted.steps(9))
    resumed = Trainer.resume(parted.save(tmp_path / "x"), data=parted.data)
    list(resumed.steps(51))
    assert events(resumed) == events(straight) != []
    assert torch.equal(resumed.game.d.flat, straight.game.d.flat)


def test_a_warm_up_is_one_line_and_so_is_play(capfd):
    build(d_first_steps=200, d_first_accuracy=0.75).warm_up().run(2)
    lines = capfd.readouterr().err.splitlines()
    assert [line.split(":")[0] for line in lines] == ["warm-up", "play"]


# --- a system's budget ---------------------------------------------------------------------------


def short(name, monkeypatch, **changes):
    """Return a system of few updates, of which play has 7."""
    monkeypatch.setattr(systems, "UPDATES", 7)
    system = SYSTEMS.make(name, {"device": "cpu"})
    spec = system.spec.model_copy(update={"batch_size": 8, "probe_every": 0, **changes})
    return dataclasses.replace(system, spec=spec)


@pytest.mark.parametrize("accuracy", [0.5, 1.0])
def test_a_system_plays_its_updates_however_early_its_head_start_ended(accuracy, monkeypatch):
    system = short(
        "csgan-nmt", monkeypatch, mle_steps=2, d_first_steps=40, d_first_accuracy=accuracy
    )
    trainer = system.run(data=TinyDialogue(eos=True))
    phases = [row["phase"] for row in trainer.telemetry.rows]
    assert phases.count("adversarial") == 7 and phases[-7:] == ["adversarial"] * 7
    assert phases.count("d_first") == 40 if accuracy == 1 else phases.count("d_first") < 40


def test_a_rival_learns_by_likelihood_for_all_its_steps(monkeypatch):
    system = short("mle", monkeypatch, mle_steps=9)
    assert not system.rival  # 9 of its 550 steps: the rest would be play
    system = dataclasses.replace(system, steps=9)
    assert system.rival
    trainer = system.run(data=TinyLanguage(eos=True))
    assert [row["phase"] for row in trainer.telemetry.rows] == ["mle"] * 9


def test_a_run_that_is_not_finite_any_more_is_not_played_on(monkeypatch):
    system = short("seqgan", monkeypatch, mle_steps=60, d_first_steps=2)
    trainer = system.trainer(data=TinyLanguage(eos=True))
    trainer.generator.nll_loss = lambda *_: trainer.game.g.params[0].sum() * torch.nan
    monkeypatch.setattr(type(system), "trainer", lambda self, data: trainer)
    assert system.run().diverged and trainer.t == 50  # a look every 50 steps
