"""The truth of a finished run: hand-worked numbers, and which part of the run they stand on."""

import math

import numpy as np
import pytest

from textgan_lab.diagnostics.truth import Truth, third
from textgan_lab.telemetry import Telemetry

LOOKS, STRIDE, FAKES = 12, 10, 100
TEXT, POINTS = {"entropy": 10.0}, {"shares": [0.25] * 4}


def run(text=True, looks=LOOKS, warm_up=(), **columns) -> Telemetry:
    """A run whose columns are numbers or functions of the look; ``warm_up``, looks before play.

    Of text, each fake has 10 tokens, the held-out NLL is 12 nats and H(q) 10, as long as no column
    says otherwise.
    """
    modes = columns.pop("modes", [0.25] * 4 + [0.0])
    cells = columns.pop("cells", [250, 250, 250, 250])
    probes = {"d_accuracy_held_out": 0.55}
    if text:
        probes |= {"held_out_nll": 1.2, "held_out_nll.sentence": 12.0, "g_entropy": 1.0}
    steps = {"d_loss": 1.4, "g_loss": 0.7, "d_accuracy": 0.6}
    telemetry = Telemetry()
    spec = {"probe_size": FAKES, "loss": "non_saturating"}
    telemetry.events.append({"event": "start", "step": 0, "spec": spec, "cells": list("abcd")})
    telemetry.rows += [
        {"step": t, "phase": "mle", "held_out_nll": 9.0, **given} for t, given in enumerate(warm_up)
    ]
    for t in range(looks * STRIDE):
        look, step = t // STRIDE, len(warm_up) + t
        given = {n: v(look) if callable(v) else v for n, v in columns.items()}
        last = t % STRIDE == STRIDE - 1
        row = steps | (probes if last else {})
        row |= {n: v for n, v in given.items() if n not in probes or last}
        if last:
            shares = modes(look) if callable(modes) else modes
            row |= {f"mode.{i}": share for i, share in enumerate(shares)}
            counts = cells(look) if callable(cells) else cells
            telemetry.samples.append({"step": step + 1, "cells": list(counts)})
        telemetry.rows.append({"step": step, "phase": "adversarial", **row})
    return telemetry


def rising(look: int) -> float:
    return float(look)


# ---- what is late -------------------------------------------------------------------------------


def test_a_third_is_late_and_a_window_says_otherwise():
    telemetry = run(d_accuracy_held_out=rising)
    assert Truth(telemetry).late("d_accuracy_held_out") == 9.5  # of looks 8 to 11
    assert Truth(telemetry, looks=lambda n: 2).late("d_accuracy_held_out") == 10.5


def test_late_steps_begin_with_the_first_late_look_or_where_the_window_says():
    telemetry = run(g_loss=rising)
    since = Truth(telemetry).recorded("g_loss")  # look 8 is taken at the last step of its stretch
    assert since.tolist() == [8.0] + [9.0] * 10 + [10.0] * 10 + [11.0] * 10
    by_share = Truth(telemetry, steps=third)
    assert by_share.recorded("g_loss").tolist() == sum(([x] * 10 for x in (8.0, 9, 10, 11)), [])
    skewed = Truth(run(g_loss=lambda look: 2.0**look), steps=third)
    assert skewed.median("g_loss") == 768  # of 256, 512, 1024, 2048


def test_what_no_late_step_recorded_is_empty():
    assert Truth(run()).recorded("g_grad_norm").size == 0


@pytest.mark.parametrize("looks", [0, 2])
def test_too_few_looks_are_refused(looks):
    with pytest.raises(ValueError, match=f"{looks} measurements of play, of which 0 would be late"):
        Truth(run(looks=looks))
    with pytest.raises(ValueError, match=f"{looks} measurements of play, of which 4 would be late"):
        Truth(run(looks=looks), looks=lambda n: 4)


def test_the_start_is_the_last_look_before_play():
    assert Truth(run(warm_up=[{"js": 0.6}, {"js": 0.1}])).start["js"] == 0.1
    assert Truth(run(js=rising)).start["step"] == STRIDE - 1
    truth = Truth(run(warm_up=[{}, {}]))
    assert truth.steps == (2, 2 + LOOKS * STRIDE) and len(truth.measured) == LOOKS


# ---- how far from the truth ---------------------------------------------------------------------


def test_distance_is_kl_of_text_and_tv_of_points():
    truth = Truth(run(), TEXT)
    assert truth.text and truth.distance.tolist() == [2.0] * LOOKS  # 12 nats less 10
    # |.5 - .25| + 0 + .25 + .25 + .25 = 1, half of it
    points = Truth(run(text=False, modes=[0.5, 0.25, 0.0, 0.0, 0.25]), POINTS)
    assert not points.text and points.distance.tolist() == [0.5] * LOOKS
    assert points.bayes == 0.75


def test_progress_is_the_share_of_the_distance_that_is_gone():
    nll = {"held_out_nll.sentence": lambda look: 12.0 if look < 6 else 11.0}
    truth = Truth(run(**nll), TEXT)
    assert truth.progress(0) == 0.5
    assert truth.progress(0.5) == 0
    assert truth.gain == 1.0 and Truth(run()).gain == 0.0  # in nats, and without facts


def test_a_swing_has_a_size_and_crossings():
    there = run(text=False, modes=lambda look: [0.25] * 4 + [0.0] if look % 2 else [0] * 4 + [1.0])
    assert Truth(there, POINTS).swing == (0.5, 5)  # 1 0 1 0 1 0 about 1/2


def test_accuracy_is_the_better_of_play_and_fresh_data():
    assert Truth(run()).accuracy == pytest.approx(0.6)
    assert Truth(run(d_accuracy_held_out=0.9)).accuracy == pytest.approx(0.9)


def test_a_loss_correlates_with_the_held_out_nll():
    truth = Truth(run(held_out_nll=rising, g_loss=lambda look: -(2.0**look), d_loss=rising))
    assert truth.correlation("g_loss") == pytest.approx(-1)
    assert truth.correlation("d_loss") == pytest.approx(1)


# ---- what G covers ------------------------------------------------------------------------------


def test_entropies_are_those_among_modes():
    def there(look):
        return [[0.25, 0.25, 0, 0, 0.5], [0, 0, 0, 0, 1.0]][look % 2]

    found = Truth(run(text=False, modes=there)).entropies
    assert found[:2].tolist() == [pytest.approx(math.log(2)), 0.0] and len(found) == LOOKS


def test_breadth_is_the_smaller_of_modes_and_entropy():
    # two of four modes, evenly: (2 - 1) / (4 - 1); entropy 1 nat * 10 tokens / 10 nats = 1
    assert Truth(run(modes=[0.5, 0.5, 0, 0, 0]), TEXT).breadth == pytest.approx(1 / 3)
    assert Truth(run(g_entropy=0.2), TEXT).breadth == pytest.approx(0.2)
    nowhere = run(text=False, modes=[0.05, 0, 0, 0, 0.95])
    assert Truth(nowhere, POINTS).breadth is None


def test_turnover_is_the_temporal_js_of_the_last_half():
    turning = run(modes=lambda look: np.eye(5)[look % 2])
    assert Truth(turning).turnover == pytest.approx(math.log(2))
    still = run(modes=lambda look: np.eye(5)[min(look, 6) % 5])
    assert Truth(still).turnover == 0
    words = run(cells=lambda look: 1000 * np.eye(4, dtype=int)[look % 4])
    # looks 6 to 11 show words 2 3 0 1 2 3: shares 1/6 1/6 1/3 1/3
    expected = math.log(6) / 3 + 2 * math.log(3) / 3
    assert Truth(words).turnover == pytest.approx(expected)


def test_tokens_are_counted_a_fake():
    truth = Truth(run(cells=lambda look: [100, 100, 0, 0] if look < 8 else [300, 0, 0, 0]))
    assert truth.tokens == 3.0


def test_a_critic_is_known_by_its_loss():
    telemetry = run()
    assert not Truth(telemetry).critic
    telemetry.events[0]["spec"]["loss"] = "wasserstein"
    assert Truth(telemetry).critic
