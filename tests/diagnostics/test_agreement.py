"""Whether losses follow a run, on records whose answer is known."""

import numpy as np
import pytest

from textgan_lab.diagnostics.agreement import at_measurements, loss_correlations, loss_trend
from textgan_lab.telemetry import Telemetry


def record(g_loss, d_loss, distance, every=5, warm_up=0):
    """A run that measured every so many steps; its warm-up says nothing about play."""
    telemetry = Telemetry()
    for t in range(warm_up):
        telemetry.rows.append({"step": t, "phase": "mle", "mle_loss": 1.0, "held_out_nll": -99.0})
    for t, (g, d) in enumerate(zip(g_loss, d_loss, strict=True)):
        row = {"step": warm_up + t, "phase": "adversarial", "g_loss": float(g), "d_loss": float(d)}
        if (t + 1) % every == 0:
            row["held_out_nll"] = float(distance[t // every])
        telemetry.rows.append(row)
    return telemetry


def test_a_loss_is_the_median_since_the_measurement_before():
    telemetry = record([1, 2, 9, 4, 5, 6, 7], [0] * 7, [30, 20], every=3, warm_up=2)
    table = at_measurements(telemetry, "g_loss", "held_out_nll")
    assert table.index.tolist() == [4, 7]
    assert table["g_loss"].tolist() == [2.0, 5.0]  # of 1 2 9 and of 4 5 6; 7 was never measured
    assert table["held_out_nll"].tolist() == [30.0, 20.0]


def test_what_was_not_recorded_is_named():
    with pytest.raises(KeyError, match="play recorded no js; it has .*g_loss"):
        at_measurements(record([1.0], [1.0], [1.0], every=1), "js")
    telemetry = record([1.0, 2.0], [1.0, 2.0], [1.0], every=2)
    telemetry.rows[0]["js"] = 0.5  # at another step than the held-out likelihood
    with pytest.raises(ValueError, match="js, held_out_nll were never measured together"):
        at_measurements(telemetry, "js", "held_out_nll")


def test_losses_that_follow_the_distance_are_informative_with_opposite_signs():
    rng = np.random.default_rng(0)
    distance = rng.normal(size=40)
    steps = np.repeat(distance, 5)
    found = loss_correlations(record(steps, -steps, distance), seed=3)
    assert found["g_loss"].rho == pytest.approx(1) and found["d_loss"].rho == pytest.approx(-1)
    assert {r.verdict for r in found.values()} == {"informative"}
    turned = loss_correlations(record(-steps, steps, distance), seed=3)
    assert {r.verdict for r in turned.values()} == {"inverted"}
    unrelated = np.repeat(rng.normal(size=(2, 40)), 5, axis=1)
    found = loss_correlations(record(*unrelated, distance), seed=3)
    assert {r.verdict for r in found.values()} == {"uninformative"}


def test_the_trend_is_that_of_the_more_monotone_loss():
    up, wave = np.arange(200), np.tile([0, 1], 100)
    assert loss_trend(record(wave, -up, range(40))) == 1.0
    assert loss_trend(record(wave, wave, range(40))) == 0.0


def test_only_the_newest_share_counts():
    broken = np.r_[np.arange(100), np.arange(100, 0, -1)]  # up, then down
    telemetry = record(broken, np.zeros(200), range(40))
    assert loss_trend(telemetry, share=0.5) == 1.0
    # ten windows up to 94.5, ten down from 95.5: 45 rising pairs a side of the top, the 100 across
    # it: window 10 + j (95.5 - 10 j) exceeds window i (4.5 + 10 i) when i + j < 9.1, in 55 of them
    assert loss_trend(telemetry, share=1.0) == pytest.approx(abs(45 - 45 + 55 - 45) / 190)
    with pytest.raises(ValueError, match=r"share in \(0, 1\], got 0"):
        loss_trend(telemetry, share=0)
