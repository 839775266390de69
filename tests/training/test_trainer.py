"""The loop: one record a step, what it holds, and how the parts are called."""

import math
from pathlib import Path

import pytest
import torch
from languages import PAD, TinyLanguage, TwoClouds

from textgan_lab.knobs import Schedule
from textgan_lab.objectives.losses import mean
from textgan_lab.training import Spec, Trainer, player
from textgan_lab.training.recorder import Recorder

torch.set_num_threads(1)


def build(**spec):
    spec = {"data": "given", "batch_size": 8, "probe_every": 0, "device": "cpu", **spec}
    return Trainer(Spec(**spec), data=TinyLanguage(eos=True))


def test_pausing_is_not_asking():
    paused, straight = build(), build()
    steps = paused.steps()
    for t in range(7):
        assert next(steps).t == t == paused.t - 1
    steps.close()
    assert len(paused.telemetry) == 7  # what waited came over
    for n in (1, 2):
        list(paused.steps(n))
    list(straight.steps(10))
    assert torch.equal(paused.game.g.flat, straight.game.g.flat)
    assert torch.equal(paused.game.d.flat, straight.game.d.flat)
    assert paused.telemetry.lines("telemetry") == straight.telemetry.lines("telemetry")


def test_rows_come_over_a_window_at_a_time():
    t = build(probe_every=4, probe_size=8)
    steps = t.steps()
    counts = []
    for _ in range(9):
        next(steps)
        counts.append(len(t.telemetry.rows))
    assert counts == [0, 0, 0, 4, 4, 4, 4, 8, 8]
    assert [c["step"] for c in t.telemetry.timings] == [3, 7]


def test_reading_a_step_early_costs_a_flush_and_gives_its_row():
    t = build()
    steps = t.steps()
    first, second = next(steps), next(steps)
    assert not t.telemetry.rows
    values = second.values
    assert {"step": 1, "phase": "adversarial", **values} == t.telemetry.rows[1]
    assert first.values["d_loss"] == t.telemetry.rows[0]["d_loss"]


def test_the_record_of_a_step():
    t = build()
    (step,) = t.steps(1)
    assert step.phase == "adversarial" and step.turns == ()
    assert set(step.values) == {
        "d_loss", "d_loss.adversarial", "d_accuracy", "d_accuracy_real", "d_accuracy_fake",
        "d_logit_real", "d_logit_fake", "d_grad_norm", "d_grad_cosine", "g_loss",
        "g_loss.adversarial", "g_grad_norm", "g_grad_cosine",
    }  # fmt: skip
    v = step.values
    assert v["d_accuracy"] == pytest.approx((v["d_accuracy_real"] + v["d_accuracy_fake"]) / 2)
    start = t.telemetry.events[0]
    assert start["event"] == "start" and start["spec"]["data"] == "given"
    assert start["knobs"]["d_lr"] == 1e-3 and start["data"] == t.data.fingerprint


def test_the_first_steps_numbers_worked_out_again():
    """D's first loss, logits, accuracy and gradient norm, from the same streams."""
    t, twin = build(discriminator="lstm"), build(discriminator="lstm")
    rows = torch.randint(len(twin.game.real), (8,), generator=twin.streams["data"])
    real = twin.game.real[rows]
    fake = twin.generator.relax(8, twin.streams["g_noise"], torch.tensor(1.0), True)
    s_real, s_fake = twin.discriminator(real), twin.discriminator(fake.x.detach())
    m_real, m_fake = real != PAD, fake.ids != PAD
    softplus = torch.nn.functional.softplus
    loss = softplus(-s_real)[m_real].mean() + softplus(s_fake)[m_fake].mean()
    grads = torch.autograd.grad(loss, list(twin.discriminator.parameters()))
    norm = sum(g.square().sum() for g in grads).sqrt()
    (step,) = t.steps(1)
    v = step.values
    assert v["d_loss"] == pytest.approx(loss.item(), rel=1e-5)
    assert v["d_grad_norm"] == pytest.approx(norm.item(), rel=1e-4)
    assert v["d_logit_real"] == pytest.approx(s_real[m_real].mean().item(), rel=1e-4)
    assert v["d_logit_fake"] == pytest.approx(s_fake[m_fake].mean().item(), rel=1e-4)
    assert v["d_accuracy_real"] == pytest.approx((s_real > 0)[m_real].float().mean().item())
    assert v["d_accuracy_fake"] == pytest.approx((s_fake < 0)[m_fake].float().mean().item())


def test_a_gradient_is_cut_to_its_largest_norm():
    """Gradient descent at step size 1: the move is the clipped gradient itself."""
    for clip in (1e-3, 1e6):
        t = build(d_optimiser="sgd", d_clip=clip, knobs={"d_lr": 1.0, "g_steps": 0})
        before = t.game.d.flat.clone()
        (step,) = t.steps(1)
        norm = step.values["d_grad_norm"]
        assert 1e-3 < norm < 1e6  # logged before it is cut
        assert (t.game.d.flat - before).norm().item() == pytest.approx(min(norm, clip), rel=1e-2)


def test_the_cosine_compares_a_gradient_with_the_one_before():
    """Gradient descent without clipping at step size 1: a move is minus its gradient."""
    t = build(d_optimiser="sgd", d_clip=1e9, knobs={"d_lr": 1.0, "g_steps": 0})
    places = [t.game.d.flat.clone()]
    for _ in t.steps(3):
        places.append(t.game.d.flat.clone())
    moves = [b - a for a, b in zip(places, places[1:], strict=False)]
    cosines = [row["d_grad_cosine"] for row in t.telemetry.rows]
    assert cosines[0] == 0.0
    for i in (1, 2):
        by_moves = torch.cosine_similarity(moves[i - 1], moves[i], dim=0).item()
        assert cosines[i] == pytest.approx(by_moves, abs=1e-4)


def test_a_gradient_of_zero_has_cosine_zero():
    t = build(estimator="argmax")
    list(t.steps(3))
    assert [row["g_grad_cosine"] for row in t.telemetry.rows] == [0.0] * 3


@pytest.mark.parametrize("loss", ["non_saturating", "relativistic", "relativistic_average"])
def test_the_gradient_that_g_would_get_is_the_one_it_gets(loss):
    """The first step's norm, once D is held still and the noise is the step's own."""
    t, twin = (build(loss=loss, knobs={"d_steps": 0}) for _ in range(2))
    for trainer in (t, twin):
        trainer.discriminator.head.weight.data.mul_(20)  # so that real rows make a difference
    twin._private = lambda what: twin.streams["data" if what.endswith("real") else "g_noise"]
    (step,) = t.steps(1)
    norm = twin.g_gradient(n=8).norm().item()
    assert norm == pytest.approx(step.values["g_grad_norm"], rel=1e-5)


def test_losses_share_what_g_played_and_differ_in_the_slope():
    """The slopes of saturating and non-saturating, -sigmoid(s) and -sigmoid(-s), add up to -1."""
    t = build()
    sat, ns, w = (
        t.g_gradient(name, n=64) for name in ("saturating", "non_saturating", "wasserstein")
    )
    torch.testing.assert_close(sat + ns, w, rtol=1e-4, atol=1e-7)
    assert not torch.equal(sat, t.g_gradient("saturating", n=64, draw=1))


@pytest.mark.parametrize("estimator", ["gumbel", "reinforce", "argmax"])
def test_asking_for_the_gradient_changes_nothing(estimator):
    asked, left = build(estimator=estimator), build(estimator=estimator)
    for t in (asked, left):
        for _ in t.steps(4):
            if t is asked:
                t.g_gradient("saturating", n=16)
    assert torch.equal(asked.game.g.flat, left.game.g.flat) and torch.equal(
        asked.game.d.flat, left.game.d.flat
    )
    assert asked.telemetry.rows == left.telemetry.rows


def test_the_counts_say_who_moves():
    for d_steps, g_steps in ((0, 1), (1, 0), (3, 0), (0, 0)):
        t = build(knobs={"d_steps": d_steps, "g_steps": g_steps})
        before = t.game.d.flat.clone(), t.game.g.flat.clone()
        (step,) = t.steps(1)
        assert torch.equal(before[0], t.game.d.flat) == (d_steps == 0)
        assert torch.equal(before[1], t.game.g.flat) == (g_steps == 0)
        assert ("d_loss" in step.values) == (d_steps > 0)
        assert ("g_loss" in step.values) == (g_steps > 0)
    adam = build(knobs={"d_steps": 3, "g_steps": 0, "d_beta1": 0.5})
    list(adam.steps(2))
    assert adam.game.optimisers["d"].product1.item() == pytest.approx(0.5**6)


def test_dropout_and_noise_are_for_d_alone():
    t = build(knobs={"d_dropout": 0.5})
    t.knobs.set(d_steps=0)
    before = t.streams["d_dropout"].get_state()
    list(t.steps(2))
    assert torch.equal(before, t.streams["d_dropout"].get_state())  # silent when D judges G
    t.knobs.set(d_steps=1)
    list(t.steps(1))
    assert not torch.equal(before, t.streams["d_dropout"].get_state())


def test_the_likelihood_warm_up_moves_g_alone_and_then_play_begins():
    t = build(mle_steps=20, batch_size=32)
    d = t.game.d.flat.clone()
    phases = [step.phase for step in t.steps(20)]
    assert phases == ["mle"] * 20 and torch.equal(d, t.game.d.flat) and t.phase == "adversarial"
    losses = [row["mle_loss"] for row in t.telemetry.rows]
    assert losses[0] == pytest.approx(math.log(4), rel=0.1)  # three words and <eos>, about even
    assert losses[-1] < losses[0]
    (step,) = t.steps(1)
    assert step.phase == "adversarial" and "mle_loss" not in step.values
    assert build(mle_steps=5).warm_up().t == 5
    assert len(t.telemetry.frame("mle")) == 20


def test_a_blocked_estimator_says_so_and_g_stays():
    t = build(estimator="argmax")
    g = t.game.g.flat.clone()
    list(t.steps(5))
    assert torch.equal(g, t.game.g.flat)
    assert all(row["g_grad_norm"] == 0.0 for row in t.telemetry.rows)
    assert [e["event"] for e in t.telemetry.events] == ["start", "blocked"]


def test_the_weights_of_a_module_are_views_of_the_flat_tensor():
    t = build()
    list(t.steps(2))
    for side in (t.game.g, t.game.d):
        joined = torch.cat([p.detach().reshape(-1) for p in side.module.parameters()])
        assert torch.equal(joined, side.flat)


def test_pieces_cut_the_flat_tensor_without_changing_the_update(monkeypatch):
    whole = build()
    list(whole.steps(5))
    monkeypatch.setattr(player, "PIECE", 100)
    pieces = build()
    list(pieces.steps(5))
    assert len(pieces.game.g.pieces(pieces.game.g.flat)) > 10
    assert torch.equal(whole.game.g.flat, pieces.game.g.flat)
    assert torch.equal(whole.game.d.flat, pieces.game.d.flat)


def test_a_critics_accuracy_is_halfway_between_its_means():
    parts = {"generator": "mlp", "discriminator": "mlp", "estimator": "pathwise"}
    spec = {**parts, "loss": "wasserstein"}
    t = Trainer(
        Spec(data="x", probe_every=0, device="cpu", batch_size=64, **spec), data=TwoClouds()
    )
    with torch.no_grad():
        t.discriminator.net[-1].bias.fill_(50.0)  # a critic's scale has no zero
    (step,) = t.steps(1)
    assert step.values["d_logit_real"] > 40 and 0.2 < step.values["d_accuracy"] <= 1.0
    assert step.values["d_accuracy_fake"] > 0.1


def test_a_run_shows_one_plain_line_where_nobody_watches(capfd):
    build().run(3)
    out, err = capfd.readouterr()
    assert out == "" and err.count("\n") == 1 and "3 steps" in err


def test_a_run_of_no_steps_says_nothing(capfd):
    assert build().run(0).t == 0
    assert capfd.readouterr() == ("", "")


def test_the_repr_shows_where_it_stands():
    t = build().run(2)
    said = repr(t)
    assert said.startswith("Trainer(t=2, adversarial, G ") and "Spec(data='given'" in said


# --- the recorder --------------------------------------------------------------------------------


def test_the_recorder_gives_back_rows_of_changing_width_in_shortest_form():
    recorder = Recorder(3, torch.device("cpu"))
    recorder.write({"step": 0}, {"a": torch.tensor(0.3)})
    assert not recorder.full
    recorder.write({"step": 1}, {"b": torch.tensor(float("nan")), "a": torch.tensor(1e-8)})
    recorder.write({"step": 2}, {})
    assert recorder.full
    rows = recorder.flush()
    assert rows[0] == {"step": 0, "a": 0.3} and rows[2] == {"step": 2}
    assert rows[1]["a"] == 1e-8 and math.isnan(rows[1]["b"]) and list(rows[1]) == ["step", "b", "a"]
    assert recorder.flush() == [] and not recorder.full


def test_mean_is_what_the_rows_report():
    assert mean(torch.tensor([1.0, 2.0])).item() == 1.5


def test_who_turned_a_knob_is_said_knob_by_knob():
    t = build()
    t.schedule = Schedule([[2, "g_lr", 0.5]])
    list(t.steps(2))
    t.knobs.set(d_lr=0.25, source="slider")
    list(t.steps(1))
    assert {(turn.name, turn.source) for turn in t.telemetry.turns} == {
        ("d_lr", "slider"), ("g_lr", "schedule")
    }  # fmt: skip


def test_a_step_by_hand_that_fails_leaves_the_counts_alone(monkeypatch):
    t = build()
    monkeypatch.setattr(t.game, "d_update", lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        t.d_step()
    assert (t.knobs["d_steps"], t.knobs["g_steps"]) == (1, 1)


def test_building_one_leaves_the_global_streams_alone():
    before = torch.random.get_rng_state()
    build()
    assert torch.equal(torch.random.get_rng_state(), before)


def test_measuring_is_looking():
    t = build()
    assert t.measure() == t.measure()
    assert t.telemetry.rows == []
    list(t.steps(1))
    assert {"held_out_nll", "js", "unique_ratio"} <= set(t.measure())


@pytest.mark.parametrize(
    "call, error",
    [
        (lambda t: Trainer({"data": "mini"}), "expected a Spec, got"),
        (lambda t: Trainer(t.spec, [[0, "d_lr", 0.1]]), r"expected a Schedule, got \[\[0"),
        (lambda t: t.run(-1), "expected 0 steps or more"),
        (lambda t: t.sample(1, temperature=-1), "temperature: expected 0 or more"),
        (lambda t: Spec(data=t.data), r"Trainer\(spec, data=corpus\)"),
        (lambda t: Spec(data={"oracle": {"path": Path("x")}}), "data: expected numbers, strings"),
    ],
)
def test_misuse_is_explained(call, error):
    with pytest.raises((TypeError, ValueError), match=error):
        call(build())


def test_a_spec_is_plain_data():
    spec = Spec(data="mini", discriminator={"cnn": {"widths": (2, 3)}})
    assert spec.discriminator == {"cnn": {"widths": [2, 3]}}
    assert Spec.model_validate_json(spec.model_dump_json()) == spec == eval(repr(spec))
