"""Modes and histograms by hand, their floors by simulation, and the traps of both."""

import math

import numpy as np
import pytest
import torch

from textgan_lab.metrics import (
    expected_modes,
    histogram_entropy,
    histogram_js,
    histogram_js_floor,
    mode_statistics,
    temporal_js,
    temporal_js_floor,
)

LN2 = math.log(2)
ANGLES = 2 * np.pi * np.arange(8) / 8
RING = np.stack([np.cos(ANGLES), np.sin(ANGLES)], 1)


def ring(n, seed=0, std=0.01):
    rng = np.random.default_rng(seed)
    return RING[rng.integers(0, 8, n)] + std * rng.standard_normal((n, 2))


def test_modes_by_hand():
    centres = [[0, 0], [10, 0], [0, 10], [10, 10]]
    samples = [[0, 0], [0, 2.9], [10, 0], [0, 3.1], [5, 5], [-3, 0]]  # std 1: reach 3, 3 included
    found = mode_statistics(samples, centres, 1)
    assert found["modes"] == 2
    assert found["high_quality"] == 4 / 6
    np.testing.assert_allclose(found["histogram"], [3 / 6, 1 / 6, 0, 0, 2 / 6])
    # shares 3/4 and 1/4 of the four that have a mode, against 1/4 each
    by_hand = 3 / 4 * math.log(3) + 1 / 4 * math.log(1)
    assert found["reverse_kl"] == pytest.approx(by_hand, rel=1e-14)
    h = found["histogram"][:-1] / found["high_quality"]
    assert found["reverse_kl"] == pytest.approx(math.log(4) - histogram_entropy(h), rel=1e-14)


def test_reverse_kl_follows_the_weights_of_the_law():
    samples = [[0.0], [0.0], [0.0], [9.0]]
    found = mode_statistics(samples, [[0], [9]], 1, weights=[0.75, 0.25])
    assert found["reverse_kl"] == 0.0
    found = mode_statistics(samples, [[0], [9]], 1, weights=[1, 3])  # any scale
    by_hand = 3 / 4 * math.log(3) + 1 / 4 * math.log(1 / 3)
    assert found["reverse_kl"] == pytest.approx(by_hand, rel=1e-14)


def test_a_perfect_sampler_meets_its_ceiling_and_its_floor():
    n, high_quality, reverse_kl = 400, [], []
    for seed in range(150):
        found = mode_statistics(ring(n, seed), RING, 0.01)
        assert found["modes"] == 8
        high_quality.append(found["high_quality"])
        reverse_kl.append(found["reverse_kl"])
    ceiling = 1 - math.exp(-4.5)  # 3 std in two dimensions
    error = math.sqrt(ceiling * (1 - ceiling) / (150 * n))
    assert np.mean(high_quality) == pytest.approx(ceiling, abs=4 * error)
    floor, se = 7 / (2 * n), np.std(reverse_kl) / math.sqrt(150)
    assert np.mean(reverse_kl) == pytest.approx(floor, abs=4 * se)
    assert 4 * se < floor / 3  # or the line above says nothing


def test_modes_that_shrank_exceed_the_ceiling():
    assert mode_statistics(ring(2000, std=0.005), RING, 0.01)["high_quality"] > 0.995


def test_no_sample_in_any_mode_is_the_worst_and_no_crash():
    found = mode_statistics(np.zeros((5, 2)), RING, 0.01)
    assert (found["modes"], found["high_quality"]) == (0, 0.0)
    assert found["reverse_kl"] == pytest.approx(math.log(8), rel=1e-14)
    assert found["histogram"].tolist() == [0] * 8 + [1]
    found = mode_statistics([[5.0]], [[0], [9]], 1, weights=[0.9, 0.1])
    assert found["reverse_kl"] == pytest.approx(math.log(10), rel=1e-14)  # all on the rarest
    assert mode_statistics([RING[3]], RING, 0.01)["reverse_kl"] == pytest.approx(math.log(8))


def test_a_sampler_that_diverged_has_no_modes():
    found = mode_statistics([[math.nan, 0], [math.inf, 1], [1e200, 0], [1, 0]], RING, 0.01)
    assert (found["modes"], found["high_quality"]) == (1, 0.25)
    assert found["histogram"].tolist() == [0.25, *[0] * 7, 0.75]


def test_a_circle_closed_twice_is_refused():
    angles = np.linspace(0, 2 * np.pi, 8)  # seven places on the ring, one of them twice
    doubled = np.stack([np.cos(angles), np.sin(angles)], 1)
    with pytest.raises(ValueError, match="centres 0 and 7 coincide .*endpoint=False"):
        mode_statistics(ring(10), doubled, 0.01)
    assert mode_statistics(RING, RING, 0.01)["modes"] == 8


def test_order_and_kind_of_samples_do_not_matter():
    samples = ring(300)
    found, turned = (mode_statistics(s, RING, 0.01) for s in (samples, samples[::-1]))
    tensor = mode_statistics(torch.from_numpy(samples), torch.from_numpy(RING), 0.01)
    for other in (turned, tensor):
        assert found["histogram"].tolist() == other["histogram"].tolist()
        assert found["reverse_kl"] == other["reverse_kl"]


def test_the_number_of_modes_grows_with_the_sample():
    assert expected_modes(1000, 1000) == pytest.approx(632.3, abs=0.05)
    assert expected_modes(8, 1) == pytest.approx(1.0)
    assert expected_modes(2, 2) == pytest.approx(1.5)  # both the same half of the time
    assert expected_modes(1, 5) == 1.0
    centres = 10.0 * np.arange(25)[:, None]
    rng, runs = np.random.default_rng(0), []
    for _ in range(300):
        samples = centres[rng.integers(0, 25, 30)] + 0.5 * rng.standard_normal((30, 1))
        runs.append(mode_statistics(samples, centres, 1)["modes"])
    assert np.mean(runs) == pytest.approx(expected_modes(25, 30), abs=4 * np.std(runs) / 300**0.5)


def test_histograms_by_hand():
    assert histogram_entropy([1, 1, 2]) == pytest.approx(2 / 4 * math.log(4) + 1 / 2 * LN2)
    assert str(histogram_entropy([0, 7])) == "0.0"
    np.testing.assert_allclose(histogram_entropy([[1, 1], [3, 0]]), [LN2, 0])
    # p: 3/4 1/4 0; q: 1/4 1/4 1/2; mean: 1/2 1/4 1/4
    half_p, half_q = 3 / 4 * math.log(3 / 2), 1 / 4 * math.log(1 / 2) + 1 / 2 * LN2
    assert histogram_js([3, 1, 0], [1, 1, 2]) == pytest.approx((half_p + half_q) / 2, rel=1e-14)
    assert histogram_js([1, 1, 2], [3, 1, 0]) == histogram_js([3, 1, 0], [1, 1, 2])
    assert histogram_js([1, 0], [0, 1]) == pytest.approx(LN2, rel=1e-15)  # nats: not 1
    for h in ([1, 2, 3], [0.1, 0.2, 0.7], [0, 1]):
        assert histogram_js(h, h) == 0.0


def test_temporal_js_tells_rotating_from_static_collapse():
    rotating = np.eye(8)[np.arange(24) % 8]
    assert temporal_js(rotating) == pytest.approx(math.log(8), rel=1e-14)
    assert temporal_js(np.eye(8)[[3] * 24]) == 0.0
    assert temporal_js(np.full((24, 8), 5)) == pytest.approx(0, abs=1e-15)
    assert temporal_js(rotating[::8]) == 0.0  # looked at once a turn: aliased
    two = [[1, 2, 3], [3, 1, 1]]
    assert temporal_js(two) == pytest.approx(histogram_js(*two), rel=1e-14)
    # each time weighs the same, however much was counted then
    assert temporal_js([[100, 300], [3, 1]]) == pytest.approx(temporal_js([[1, 3], [3, 1]]))
    h = np.random.default_rng(0).integers(1, 9, (6, 5))
    mean_law, each = (h / h.sum(1, keepdims=True)).mean(0), histogram_entropy(h)
    assert temporal_js(h) == pytest.approx(histogram_entropy(mean_law) - each.mean(), rel=1e-12)


@pytest.mark.parametrize("k, n, w", [(8, 512, 20), (25, 200, 2), (4, 100, 5)])
def test_the_floors_are_what_perfect_samplers_score(k, n, w):
    rng = np.random.default_rng(0)
    histograms = rng.multinomial(n, np.full(k, 1 / k), (300, w))
    scores = [temporal_js(h) for h in histograms]
    floor, se = temporal_js_floor(k, n, w), np.std(scores) / math.sqrt(300)
    assert np.mean(scores) == pytest.approx(floor, abs=4 * se + 0.01 * floor)
    assert se < floor / 20
    if w == 2:
        assert floor == histogram_js_floor(k, n)


def test_the_floor_of_unequal_samples():
    assert histogram_js_floor(8, 512) == 7 / 2048
    assert temporal_js_floor(8, 512, 20) == 19 * 7 / (2 * 20 * 512)
    rng = np.random.default_rng(0)
    law = np.full(10, 0.1)
    scores = [
        histogram_js(rng.multinomial(100, law), rng.multinomial(900, law)) for _ in range(600)
    ]
    se = np.std(scores) / math.sqrt(600)
    assert np.mean(scores) == pytest.approx(histogram_js_floor(10, 100, 900), rel=0.02, abs=4 * se)
    assert np.mean(scores) != pytest.approx(histogram_js_floor(10, 100), rel=0.2)


@pytest.mark.parametrize(
    "call, said",
    [
        (lambda: histogram_entropy([0, 0]), "nothing was counted"),
        (lambda: histogram_entropy([]), "nothing was counted"),
        (lambda: histogram_js([1, -1], [1, 1]), "first histogram: .* 0 or more"),
        (lambda: histogram_js([1, 1], [1, math.nan]), "second histogram: expected finite"),
        (lambda: histogram_js([1, 1], [1, 1, 1]), "two histograms of one length"),
        (lambda: temporal_js([[1, 1], [0, 0]]), "nothing was counted"),
        (lambda: temporal_js([1, 1]), r"expected histograms \[W, K\], got \[2\]"),
        (lambda: histogram_js_floor(8, 0), "n must be a whole number of 1 or more, got 0"),
        (lambda: temporal_js_floor(8, 10, 2.5), "w must be a whole number"),
        (lambda: expected_modes(0, 5), "k must be a whole number"),
        (lambda: mode_statistics(np.zeros((0, 2)), RING, 1), "0 samples and 8 centres"),
        (lambda: mode_statistics([[1.0]], RING, 1), r"\[1, 1\] and \[8, 2\]"),
        (lambda: mode_statistics(RING, RING, 0), "std must be finite and above 0, got 0"),
        (lambda: mode_statistics(RING, RING * math.nan, 1), "centres must be finite"),
        (lambda: mode_statistics(RING, RING, 0.1, [1] * 7 + [0]), "8 numbers above 0"),
        (lambda: mode_statistics(RING, RING, 0.1, [1, 1]), "8 numbers above 0"),
    ],
)
def test_impossible_input_is_refused(call, said):
    with pytest.raises(ValueError, match=said):
        call()
