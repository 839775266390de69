"""A loss or gradient that is not finite never reaches the weights, and the run says so."""

import math

import pytest
import torch
from languages import TinyLanguage, TwoClouds

from textgan_lab.training import Spec, Trainer

torch.set_num_threads(1)


def build(probe_every=10, **spec):
    spec = {"data": "given", "batch_size": 8, "device": "cpu", **spec}
    return Trainer(Spec(probe_every=probe_every, **spec), data=TinyLanguage(eos=True))


def state(trainer):
    moments = [x for o in trainer.game.optimisers.values() for x in o.state()]
    return [x.clone() for x in (trainer.game.g.flat, trainer.game.d.flat, *moments)]


def same(a, b):
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


def spoil(trainer, side, value=math.nan):
    """Make the loss of one side worthless, gradient included, from now on."""
    whole = trainer.loss
    trainer.game.loss = type(whole.__name__, (whole,), {
        "name": whole.name,
        side: classmethod(lambda cls, *a: getattr(whole, side)(*a) * value),
    })  # fmt: skip
    return whole


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_bad_loss_of_d_stops_both_until_the_next_flush(value):
    trainer, seen = build(), []
    for step in trainer.steps(100):
        seen.append(step.t)
        if step.t == 3:
            before, healthy = state(trainer), spoil(trainer, "d", value)
    assert seen == list(range(10))  # the window of ten is played to its end, without effect
    assert trainer.diverged and same(state(trainer), before)
    event = trainer.telemetry.events[-1]
    assert (event["event"], event["step"]) == ("divergence", 4)
    assert not math.isfinite(event["values"]["d_loss"])
    assert not math.isfinite(trainer.telemetry.rows[4]["d_loss"])
    assert "ok" not in trainer.telemetry.columns()
    assert [e["event"] for e in trainer.telemetry.events].count("divergence") == 1

    trainer.game.loss = healthy  # going on once the cause is gone
    assert len(list(trainer.steps(20))) == 20
    assert not trainer.diverged and not same(state(trainer), before)
    assert all(x.isfinite().all() for x in state(trainer))


def test_a_bad_loss_of_g_never_reaches_g_and_stops_d_at_the_next_update():
    trainer = build()
    list(trainer.steps(4))
    spoil(trainer, "g")
    g, before = trainer.game.g.flat.clone(), state(trainer)
    (_,) = trainer.steps(1)
    after_one = trainer.game.d.flat.clone()  # D came first in that step, and was still sound
    assert trainer.telemetry.events[-1]["step"] == 4
    assert torch.equal(trainer.game.g.flat, g) and not torch.equal(after_one, before[1])
    assert all(x.isfinite().all() for x in state(trainer))


def test_a_gradient_can_overflow_where_the_loss_is_finite():
    trainer = build()
    list(trainer.steps(2))
    before = state(trainer)
    whole = trainer.loss

    class Cliff(whole):
        @classmethod
        def d(cls, real, *rest):
            # sqrt(s - s) is 0 with slope infinity times 0
            return whole.d(real, *rest) + (real - real.detach()).abs().sqrt().sum()

    trainer.game.loss = Cliff
    list(trainer.steps(20))
    event = trainer.telemetry.events[-1]
    assert (event["event"], event["step"]) == ("divergence", 2)
    assert math.isfinite(event["values"]["d_loss"])
    assert not math.isfinite(event["values"]["d_grad_norm"])
    assert same(state(trainer), before)


def test_a_nan_among_real_points():
    data = TwoClouds()
    trainer = Trainer(
        Spec(
            data="given", generator="mlp", discriminator="mlp", estimator="pathwise",
            probe_every=0, batch_size=64, device="cpu", remedies={"gradient_penalty": {}},
        ),
        data=data,
    )  # fmt: skip
    list(trainer.steps(3))
    sound = trainer.game.real.clone()
    trainer.game.real = torch.full_like(sound, math.nan)
    before = state(trainer)
    list(trainer.steps(3))
    assert trainer.diverged and same(state(trainer), before)
    trainer.game.real = sound
    list(trainer.steps(3))
    assert not trainer.diverged and not same(state(trainer), before)


def test_the_baseline_and_the_moments_stay_finite_when_g_is_spoilt():
    trainer = build(discriminator="lstm", estimator="dense_reinforce")
    list(trainer.steps(3))
    kept = trainer.discriminator.head.bias.detach().clone()
    trainer.discriminator.head.bias.data.fill_(math.nan)
    list(trainer.steps(10))
    assert trainer.diverged and trainer.estimator.baseline.isfinite().all()
    trainer.discriminator.head.bias.data.copy_(kept)
    list(trainer.steps(3))
    assert not trainer.diverged and all(x.isfinite().all() for x in state(trainer))


def test_a_step_size_that_explodes_is_caught():
    trainer = build(knobs={"g_lr": 10.0, "d_lr": 10.0}, loss="wasserstein", d_optimiser="sgd")
    trainer.knobs.set(d_momentum=0.9999)
    list(trainer.steps(60))
    assert all(x.isfinite().all() for x in (trainer.game.g.flat, trainer.game.d.flat))


def test_looking_does_not_change_where_a_run_stops():
    stopped = []
    for look in (False, True):
        trainer = build()
        for step in trainer.steps(100):
            if step.t == 3:
                spoil(trainer, "d")
            if look:
                _ = step.values
        stopped.append((trainer.t, trainer.telemetry.lines("telemetry")))
        stopped[-1] += (trainer.telemetry.lines("events"),)
    assert stopped[0] == stopped[1] and stopped[0][0] == 10


def test_run_says_what_happened(capfd):
    trainer = build()
    list(trainer.steps(2))
    spoil(trainer, "d")
    trainer.run(50)
    said = capfd.readouterr().err
    assert "not finite at step 2" in said and trainer.t < 52


def test_a_checkpoint_of_a_diverged_run_is_finite_and_knows(tmp_path):
    trainer = build()
    spoil(trainer, "d")
    list(trainer.steps(10))
    resumed = Trainer.resume(trainer.save(tmp_path / "x"), data=TinyLanguage(eos=True))
    assert resumed.diverged and resumed.game.g.flat.isfinite().all()
    assert resumed.telemetry.events[-1]["event"] == "divergence"
    list(resumed.steps(5))  # the loss is sound in the new process
    assert not resumed.diverged
