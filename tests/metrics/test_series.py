"""Scores of series: by hand, their floors, and what each sees of seven worlds that are wrong."""

import math

import numpy as np
import pytest

from textgan_lab.metrics import (
    discriminative_score,
    forecast_error,
    histogram_js,
    running_shares,
    sensor_correlations,
    series_distances,
    series_floors,
    space_time_spectrum,
    time_autocorrelation,
    train_synthetic_test_real,
)

N, FRAMES, SENSORS = 600, 12, 12


def waves(seed, n=N, right=1.0, speed=1.0, standing=False):
    """Return three waves of random amplitude a series, and noise; every value is N(0, 1.01)."""
    rng = np.random.default_rng(seed)
    t, s = np.mgrid[:FRAMES, :SENSORS]
    way = np.where(rng.random(n) < right, 1, -1)[:, None, None]
    x = 0.1 * rng.normal(size=(n, FRAMES, SENSORS))
    for k in (1, 2, 3):
        turn, variance = 2 * np.pi * k / SENSORS, k**-2 / (1 + 1 / 4 + 1 / 9)
        if standing:  # as much to the right as to the left, in each series
            a, b, c, d = rng.normal(size=(4, n, 1, 1)) * math.sqrt(variance)
            here, there = a * np.cos(turn * s) + b * np.sin(turn * s), turn * speed * t
            other = c * np.cos(turn * s) + d * np.sin(turn * s)
            x += here * np.cos(there) + other * np.sin(there)
        else:
            u, v = rng.normal(size=(2, n, 1, 1)) * math.sqrt(variance)
            phase = turn * (s - way * speed * t)
            x += u * np.cos(phase) - v * np.sin(phase)
    return x


def wrong(name, seed=9, right=1.0):
    """Return series that are wrong in one way."""
    rng = np.random.default_rng(seed)
    x = waves(seed, right=right)
    return {
        "reversed": lambda: x[:, ::-1],
        "standing": lambda: waves(seed, standing=True),
        "white": lambda: rng.normal(size=x.shape) * x.std(),
        "frames in disorder": lambda: x[:, rng.permutation(FRAMES)],
        "sensors in disorder": lambda: x[:, :, rng.permutation(SENSORS)],
        "fast": lambda: waves(seed, right=right, speed=1.5),
        "one": lambda: x[:1] + 0.1 * rng.normal(size=x.shape),
    }[name]()


# -- by hand -----------------------------------------------------------------------------------


def test_autocorrelation_by_hand():
    x = [[[3.0], [1.0], [-1.0], [-3.0]]]  # mean 0; squares 9 1 1 9
    expected = [1, (3 - 1 + 3) / 3 / 5, (-3 - 3) / 2 / 5, -9 / 5]
    assert time_autocorrelation(x) == pytest.approx(expected, abs=1e-15)
    assert time_autocorrelation(np.array(x) + 7) == pytest.approx(expected, abs=1e-14)
    # a wave of one sensor a frame on a ring of 12: cos of the angle that it turned by
    found = time_autocorrelation(waves(1, n=4000))
    v = np.array([1, 1 / 4, 1 / 9]) / (1 + 1 / 4 + 1 / 9)
    lags = np.arange(1, FRAMES)
    truth = (v * np.cos(2 * np.pi * np.outer(lags, [1, 2, 3]) / 12)).sum(1) / 1.01
    assert found[1:] == pytest.approx(truth, abs=0.01)


def test_correlations_equal_numpy():
    x = waves(2, n=50)
    expected = np.corrcoef(x.reshape(-1, SENSORS).T)
    np.testing.assert_allclose(sensor_correlations(3 * x + 1), expected, rtol=0, atol=1e-13)


def test_spectrum_by_hand():
    t, s = np.mgrid[:4, :6]
    wave = np.cos(2 * np.pi * (s / 6 - t / 4))
    double = 2 * np.cos(2 * np.pi * (2 * s / 6 + t / 4) + 1)
    spectrum = space_time_spectrum([wave, double])
    expected = np.zeros((4, 6))  # powers 1 and 4, each at two places
    expected[-1, 1] = expected[1, -1] = 0.1
    expected[1, 2] = expected[-1, -2] = 0.4
    np.testing.assert_allclose(spectrum, expected, rtol=0, atol=1e-14)
    assert running_shares(spectrum) == pytest.approx((0.2, 0.8), abs=1e-14)
    # what turns by half a cycle a frame, stands still or is the same everywhere runs nowhere
    still = [np.cos(np.pi * t + s), np.cos(2 * np.pi * s / 6), np.cos(np.pi * t / 2)]
    assert running_shares(space_time_spectrum(still)) == pytest.approx((0, 0), abs=1e-14)


def test_distances_by_hand():
    ones = np.ones(3)
    a = [[ones, -ones, ones]]  # lags 1, 2: -1, 1, about the mean 1/3
    b = [[ones, ones, -ones]]
    r = [time_autocorrelation(x)[1:] for x in (a, b)]
    found = series_distances(a, b)
    assert found["autocorrelation"] == pytest.approx(math.sqrt(((r[0] - r[1]) ** 2).mean()))
    assert found["sensor_correlations"] == pytest.approx(0, abs=1e-15)
    x, y = [[[1.0, 1], [-1, -1]]], [[[1.0, -1], [-1, 1]]]  # correlations 1 and -1
    assert series_distances(x, y) == pytest.approx(
        {"autocorrelation": 0, "sensor_correlations": 2, "spectrum": 1}
    )


def test_forecasts_by_hand():
    rng = np.random.default_rng(0)
    steps = rng.normal(size=(4000, 8, 1))
    walk = np.zeros((4000, 9, 1))
    walk[:, 0] = rng.normal(size=(4000, 1)) / math.sqrt(1 - 0.36)  # stationary from the start
    for t in range(8):
        walk[:, t + 1] = 0.6 * walk[:, t] + steps[:, t]
    # AR(1) with 0.6: what cannot be foreseen is 1 of 1 / (1 - 0.36)
    assert forecast_error(walk, walk, lags=1) == pytest.approx(0.64, abs=0.01)
    assert forecast_error(walk, walk, lags=3) == pytest.approx(0.64, abs=0.01)
    # learnt from the opposite: error of -0.6 x against 0.6 x, 1 + 1.44 / 0.64 of 1 / 0.64
    turned = walk * np.array([1, -1] * 4 + [1])[:, None]
    assert forecast_error(turned, walk, lags=1) == pytest.approx(0.64 + 1.44, abs=0.03)


def test_the_classifier_tells_a_shift_as_well_as_can_be():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 4000, 1, 2))
    b[..., 0] += 1.0
    bayes = 0.5 + 0.5 * math.erf(0.5 / math.sqrt(2)) - 0.5  # accuracy Phi(1/2), less 1/2
    assert 0.9 * bayes < discriminative_score(b, a) < bayes + 0.02
    assert discriminative_score(b, a) == pytest.approx(discriminative_score(a, b), abs=1e-2)
    a, b = np.ones((2, 8, 2, 2))
    assert discriminative_score(a, b) == 0 and discriminative_score(a, -b) == 0.5
    assert discriminative_score(0 * a, 0 * b) == 0


# -- a perfect generator scores its floor ------------------------------------------------------


@pytest.mark.parametrize("right", [1.0, 0.5])
def test_a_perfect_generator_scores_its_floor(right):
    real = waves(1, n=2 * N, right=right)
    floors, found = series_floors(real), [
        series_distances(waves(seed, right=right), real[:N]) for seed in range(2, 10)
    ]  # fmt: skip
    for name, floor in floors.items():
        mean = np.mean([one[name] for one in found])
        assert 0.5 * floor < mean < 2 * floor, name
        assert all(one[name] < 4 * floor for one in found), name
    scores = [discriminative_score(waves(s, right=right), real[:N]) for s in range(2, 10)]
    assert abs(np.mean(scores)) < 4 * 0.6 / math.sqrt(2 * N * 8)
    errors = train_synthetic_test_real(waves(2, right=right), real[:N])
    assert errors.synthetic == pytest.approx(errors.real, rel=0.02) and errors.real < 0.03


def test_floors_fall_with_the_root_of_n():
    real = waves(1, n=2400)
    few, many = series_floors(real, n=75), series_floors(real, n=1200)
    for name in few:
        assert 2.2 < few[name] / many[name] < 7, name  # sixteen times as many: 4
    assert series_distances(real[:50], real[:50]) == {
        "autocorrelation": 0, "sensor_correlations": 0, "spectrum": 0,
    }  # fmt: skip
    assert series_floors(real, 50, seed=1) == series_floors(real, 50, seed=1)


# -- what is wrong is seen by what should see it, and by nothing else --------------------------

SEEN = {  # wrong in a world where all waves run right: by which score it is seen
    "reversed": {"spectrum", "classifier", "forecast"},
    "standing": {"spectrum", "classifier", "forecast"},
    "white": {"autocorrelation", "sensor_correlations", "spectrum", "classifier", "forecast"},
    "frames in disorder": {"autocorrelation", "spectrum", "classifier", "forecast"},
    "sensors in disorder": {"sensor_correlations", "spectrum", "classifier", "forecast"},
    "fast": {"autocorrelation", "spectrum", "classifier", "forecast"},
    "one": {"autocorrelation", "sensor_correlations", "spectrum", "classifier", "forecast"},
}


def seen(fake, real, floors, lags=1):
    """Return the scores that lie clearly above their floors."""
    found = {n for n, d in series_distances(fake, real).items() if d > 4 * floors[n]}
    found |= {"classifier"} if discriminative_score(fake, real) > 0.1 else set()
    errors = train_synthetic_test_real(fake, real, lags)
    return found | ({"forecast"} if errors.synthetic > 1.3 * errors.real else set())


@pytest.fixture(scope="module")
def world():
    real = waves(1, n=2 * N)
    return real[:N], series_floors(real)


@pytest.mark.parametrize("name", SEEN)
def test_each_score_sees_what_it_should(name, world):
    assert seen(wrong(name), *world) == SEEN[name]


@pytest.mark.parametrize("name", [n for n in SEEN if n != "one"])
def test_a_histogram_of_each_sensor_sees_none_of_it(name, world):
    edges = np.linspace(-3, 3, 21)

    def counts(x):
        return [np.histogram(sensor, edges)[0] for sensor in x.reshape(-1, SENSORS).T]

    def mean_js(x):
        pairs = zip(counts(x), counts(world[0]), strict=True)
        return np.mean([histogram_js(a, b) for a, b in pairs])

    floor = np.mean([mean_js(waves(seed)) for seed in (3, 4, 5, 6)])
    assert mean_js(wrong(name)) < 2 * floor < 0.005


def test_standing_waves_among_waves_that_run_both_ways_are_told_by_single_series():
    """The mean power is that of the truth; a series that runs both ways at once is not."""
    real = waves(1, n=2 * N, right=0.5)
    assert seen(wrong("standing"), real[:N], series_floors(real)) == {"classifier"}
    assert seen(wrong("reversed", right=0.5), real[:N], series_floors(real)) == set()
    only_right = series_distances(waves(2), real[:N])["spectrum"]  # a direction was lost
    assert only_right == pytest.approx(0.5, abs=0.06)


# -- errors ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: time_autocorrelation(x[0]), r"expected series \[n, frames, sensors\], got \[12"),
        (lambda x: time_autocorrelation(0 * x), "the series are constant"),
        (
            lambda x: space_time_spectrum(x * np.nan),
            r"\(sample, frame, sensor\) \(0, 0, 0\) is nan",
        ),
        (lambda x: space_time_spectrum(0 * x), "all values are 0"),
        (lambda x: sensor_correlations(x * (np.arange(12) != 5)), "sensor 5 is constant"),
        (lambda x: series_distances(x, x[:, 1:]), "12 frames of 12 sensors, and of 11 of 12"),
        (lambda x: series_distances(x[:, :, :1], x[:, :, :1]), "expected 2 frames and sensors"),
        (lambda x: series_floors(x, 9), "8 draws of two parts of 9 from 16 series"),
        (lambda x: series_floors(x, draws=0), "0 draws"),
        (lambda x: discriminative_score(x[:3], x), "got 3 fake and 16 real"),
        (lambda x: forecast_error(x, x, lags=12), "lags 12 must be 1 to 11"),
        (lambda x: forecast_error(x, x, lags=0), "lags 0 must be 1 to 11"),
        (lambda x: forecast_error(x, 0 * x), "the series to judge by are constant"),
        (lambda x: train_synthetic_test_real(x[:7], x), "7 fakes for 16 real series"),
    ],
)
def test_what_cannot_be_scored_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call(waves(1, n=16))
