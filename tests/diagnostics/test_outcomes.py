"""Outcomes: which rule decides, at which number, and from which part of the run."""

import math

import pytest

from textgan_lab.diagnostics.outcomes import outcome
from textgan_lab.telemetry import Telemetry

EVEN = {"mode.a": 0.25, "mode.b": 0.25, "mode.c": 0.25, "mode.d": 0.25, "mode.none": 0.0}
TWO = {"mode.a": 0.5, "mode.b": 0.5, "mode.c": 0.0, "mode.d": 0.0, "mode.none": 0.0}


def run(js, nll=(2.0,), modes=EVEN, warm_up=(), accuracy=0.6, events=()):
    """Return a record with one measurement a step: of the warm-up, then of play."""
    telemetry = Telemetry()
    values = [("mle", x) for x in warm_up] + [("adversarial", x) for x in js]
    nll = [*nll] * len(values) if len(nll) == 1 else nll
    for step, ((phase, value), cost) in enumerate(zip(values, nll, strict=True)):
        measured = {"js": value, "bayes_accuracy": 0.9, "held_out_nll": cost, **modes}
        played = {"d_accuracy": accuracy} if phase == "adversarial" else {}
        telemetry.rows.append({"step": step, "phase": phase, **played, **measured})
    telemetry.events += [{"event": event, "step": 0} for event in events]
    return telemetry


def test_what_keeps_its_js_is_healthy_and_what_loses_it_is_damaged():
    assert outcome(run([0.1, 0.2, 0.24])).name == "healthy"
    assert outcome(run([0.1, 0.2, 0.26])).name == "damaged"
    assert outcome(run([0.1, 0.2, 0.26]), rise=0.2).name == "healthy"


def test_a_warm_up_is_where_the_run_started():
    telemetry = run([0.3, 0.3, 0.3], warm_up=[0.6, 0.1])
    assert outcome(telemetry).start_js == 0.1
    assert outcome(telemetry).name == "damaged"


def test_lost_modes_are_a_collapse_whatever_js_says():
    found = outcome(run([0.1, 0.1, 0.1], modes=TWO))
    assert found.name == "collapsed" and found.modes == pytest.approx(2.0)
    assert outcome(run([0.1, 0.1, 0.1], modes=TWO), modes_min=0.4).name == "healthy"


def test_one_word_without_a_mode_is_a_collapse():
    nowhere = dict.fromkeys(EVEN, 0.0) | {"mode.none": 1.0}
    assert outcome(run([0.69] * 3, modes=nowhere)).name == "collapsed"


def test_at_the_ceiling_likelihood_tells_learning_from_being_stuck():
    assert outcome(run([0.69, 0.69, 0.69], nll=[4.0, 4.0, 3.9])).name == "stuck"
    assert outcome(run([0.69, 0.69, 0.69], nll=[4.0, 4.0, 3.7])).name == "healthy"
    assert outcome(run([0.69, 0.69, 0.69], nll=[4.0, 4.0, 3.7]), fall=0.1).name == "stuck"


def test_divergence_comes_first():
    assert outcome(run([0.1] * 3, modes=TWO, events=["divergence"])).name == "diverged"


def test_a_loss_that_ran_away_is_a_divergence_too():
    telemetry = run([0.1] * 3)
    for row, loss in zip(telemetry.rows, (1.0, 500.0, -90.0), strict=True):
        row["d_loss"] = loss
    assert outcome(telemetry).name == "healthy"  # at its end it is back
    telemetry.rows[-1]["d_loss"] = -110.0
    assert outcome(telemetry).name == "diverged"


def test_the_last_third_of_play_is_judged():
    found = outcome(run([0.1, 0.2, 0.3, 0.4, 0.5, 0.6]))
    assert found.js == pytest.approx(0.55) and found.bayes_accuracy == pytest.approx(0.9)
    telemetry = run([0.1] * 3)
    for row, accuracy in zip(telemetry.rows, (0.0, 0.0, 0.7), strict=True):
        row["d_accuracy"] = accuracy
    assert outcome(telemetry).d_accuracy == 0.7


@pytest.mark.parametrize("missing", ["js", "mode."])
def test_a_run_without_truth_cannot_be_judged(missing):
    telemetry = run([0.1] * 3)
    for row in telemetry.rows:
        for name in [name for name in row if name.startswith(missing)]:
            del row[name]
    with pytest.raises(ValueError, match="expected exact JS and shares of modes, of a text whose"):
        outcome(telemetry)


@pytest.mark.parametrize("telemetry", [Telemetry(), run([0.1, 0.1])])
def test_two_measurements_are_too_few(telemetry):
    with pytest.raises(ValueError, match="measurements of play, of which 0 would be late"):
        outcome(telemetry)


def test_g_alone_has_no_accuracy():
    telemetry = run([0.1] * 3)
    for row in telemetry.rows:
        del row["d_accuracy"]
    found = outcome(telemetry)
    assert found.name == "healthy" and math.isnan(found.d_accuracy)
