"""Short real runs: what is found is what happened, judged by exact truth that no detector reads."""

import pytest

import textgan_lab as tl
from textgan_lab.diagnostics import Online, diagnose

POINTS = {"data": "ring", "generator": "mlp", "discriminator": "mlp", "estimator": "pathwise",
          "batch_size": 64, "device": "cpu"}  # fmt: skip
TEXT = {"data": "captions", "batch_size": 32, "device": "cpu"}


def run(steps, **spec):
    trainer = tl.Trainer(tl.Spec(**spec))
    online = Online(lambda: trainer.telemetry)
    for _ in trainer.steps(steps):
        if trainer.t % 50 == 1:
            online.report()
    report = diagnose(trainer.telemetry)
    assert online.report() == report
    return trainer, report


@pytest.mark.parametrize("seed", [100, 101])
def test_a_fast_g_before_a_slow_d_rotates_around_the_ring(seed):
    trainer, report = run(400, **POINTS, knobs={"g_lr": 5e-3, "d_lr": 1e-4}, seed=seed)
    shares = [row["mode.none"] for row in trainer.telemetry.rows if "mode.none" in row]
    assert min(shares[-8:]) > 0.3  # it passes the modes by
    assert {"rotating-collapse", "false-equilibrium"} <= set(report.codes)


def test_a_sure_d_starves_g_under_the_saturating_loss():
    knobs = {"g_lr": 1e-4, "d_lr": 5e-3}
    trainer, report = run(600, **POINTS, loss="saturating", knobs=knobs, seed=100)
    assert trainer.telemetry.latest("modes") == 0
    assert "vanishing-gradient" in report.codes


def test_a_strong_d_collapses_text_onto_one_sentence():
    knobs = {"temperature": 0.5, "g_lr": 2e-3, "d_lr": 2e-2}
    soft = {"gumbel": {"straight_through": False}}
    trainer, report = run(225, **TEXT, estimator=soft, knobs=knobs, seed=101)
    assert trainer.telemetry.latest("modes") <= 2
    assert {"mode-collapse", "discriminator-overpowers"} <= set(report.codes)
    assert "rotating-collapse" not in report.codes


@pytest.mark.parametrize("cured", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_circles_are_found_at_the_end_though_their_frequency_drifts_and_the_cure_is_silent(cured):
    scenario = tl.SCENARIOS.make("oscillation", {"seed": 103, "device": "cpu"})
    trainer = scenario.trainer(cured=cured)
    for _ in trainer.steps(scenario.steps):
        pass
    away = [row["mode.none"] for row in trainer.telemetry.rows if "mode.none" in row][-20:]
    assert (max(away) - min(away) > 0.5) != cured  # the points come and go
    assert ("oscillation" in diagnose(trainer.telemetry)) != cured


def test_the_argmax_blocks_from_the_first_look_on():
    _, report = run(50, **TEXT, estimator="argmax", seed=100)
    assert report["blocked-gradient"].since == 24


def test_a_run_that_is_left_alone_has_no_issue():
    knobs = {"g_lr": 1e-4, "d_lr": 1e-3}
    trainer, report = run(300, **TEXT, mle_steps=150, knobs=knobs, seed=100)
    assert trainer.telemetry.latest("modes") == 8 and trainer.telemetry.latest("js") < 0.6
    assert not report.issues and len(report.passed) >= 8
