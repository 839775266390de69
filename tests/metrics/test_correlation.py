"""Rank correlation by hand, against scipy, and how often its interval is right."""

import math

import numpy as np
import pytest
from scipy.stats import kendalltau, spearmanr

from textgan_lab.metrics import mann_kendall, rank_correlation


def ar1(rng, n, memory):
    x = rng.standard_normal(n + 200)
    for t in range(1, len(x)):
        x[t] += memory * x[t - 1]
    return x[200:]


def test_rho_by_hand_and_as_scipy_has_it():
    # ranks 1 2 3 4 and 2 1 4 3: differences of 1, so 1 - 6 * 4 / (4 * 15)
    assert rank_correlation([1, 2, 30, 400], [20, 10, 40, 30]).rho == pytest.approx(1 - 24 / 60)
    rng = np.random.default_rng(0)
    for _ in range(20):
        x, y = rng.integers(0, 6, (2, 30))  # with many ties
        assert rank_correlation(x, y).rho == pytest.approx(spearmanr(x, y).statistic, abs=1e-14)


def test_order_not_size_counts():
    x = np.random.default_rng(0).standard_normal(40)
    found = rank_correlation(x, np.exp(3 * x))
    assert (found.rho, found.verdict) == (pytest.approx(1), "informative")
    assert found.low > 0.99
    assert rank_correlation(x, -x, expected=-1).verdict == "informative"
    assert rank_correlation(x, -x, expected=1).verdict == "inverted"
    assert rank_correlation(x, x, expected=-1).verdict == "inverted"


@pytest.mark.parametrize("n, memory", [(30, 0.0), (100, 0.5), (100, 0.8), (200, 0.9)])
def test_series_that_know_nothing_of_each_other_are_uninformative(n, memory):
    rng, held = np.random.default_rng(0), 0
    for _ in range(200):
        found = rank_correlation(ar1(rng, n, memory), ar1(rng, n, memory), draws=300)
        held += found.low <= 0 <= found.high
        assert found.low <= found.rho <= found.high
    assert held / 200 > 0.95 - 3 * math.sqrt(0.95 * 0.05 / 200)  # 0.904


def test_without_blocks_memory_looks_like_knowledge():
    rng, wrong = np.random.default_rng(0), 0
    for _ in range(100):
        found = rank_correlation(ar1(rng, 100, 0.9), ar1(rng, 100, 0.9), block=1, draws=300)
        wrong += not found.low <= 0 <= found.high
    assert wrong > 25  # of the 5 that were promised


def test_the_interval_is_no_wider_than_it_must():
    rng, found = np.random.default_rng(0), []
    for _ in range(60):
        x = rng.standard_normal(200)
        found.append(rank_correlation(x, x + 2 * rng.standard_normal(200), draws=300))
    assert all(f.verdict == "informative" for f in found)  # rho is about 0.43, its error 0.06
    # Fisher: artanh(rho) has a spread of about 1/sqrt(n - 3)
    assert np.mean([f.high - f.low for f in found]) == pytest.approx(2 * 1.96 * 0.058, rel=0.2)


def test_blocks_are_as_long_as_the_memory():
    rng = np.random.default_rng(0)
    blocks = {
        memory: np.mean([
            rank_correlation(ar1(rng, 400, memory), ar1(rng, 400, 0), draws=2).block
            for _ in range(20)
        ])
        for memory in (0.0, 0.5, 0.9)
    }  # fmt: skip
    # twice (1 + memory) / (1 - memory), the time of an AR(1) series
    assert blocks[0.0] == pytest.approx(2, abs=1.5)
    assert blocks[0.5] == pytest.approx(6, abs=2.5)
    assert blocks[0.9] == pytest.approx(38, abs=10)


def test_two_trends_are_told_and_taken_off():
    rng, time = np.random.default_rng(0), np.linspace(0, 5, 80)
    x, y = time + rng.standard_normal((2, 80)) / 2
    raw = rank_correlation(x, y)
    assert raw.rho > 0.8 and raw.trend_x > 0.7 and raw.trend_y > 0.7
    assert "leaves 4 blocks only" in raw.reason and raw.block == 20
    assert raw.reason in str(raw)
    clean = rank_correlation(x, y, detrend=True)
    assert clean.verdict == "uninformative" and clean.detrended and abs(clean.rho) < 0.3
    assert (clean.trend_x, clean.reason) == (raw.trend_x, "")  # of the series as given
    common = rng.standard_normal(80)  # what they share beside the trend is left
    both = rank_correlation(time + common, 3 - time + common, detrend=True)
    assert both.verdict == "informative" and both.rho > 0.9


@pytest.mark.parametrize(
    "x, y, detrend, reason",
    [
        ([3] * 20, range(20), False, "x is constant"),
        (range(20), [0.1] * 20, False, "y is constant"),
        (range(20), [5, 1] * 10, True, "x is a straight line"),
    ],
)
def test_what_never_changes_has_no_rho_and_says_so(x, y, detrend, reason):
    found = rank_correlation(x, y, detrend=detrend)
    assert math.isnan(found.rho) and math.isnan(found.low) and math.isnan(found.high)
    assert reason in found.reason and reason in str(found)
    assert found.verdict == "uninformative"


def test_few_points_have_a_rho_but_no_interval():
    found = rank_correlation([1, 2, 3, 4, 5, 6, 7], [1, 2, 3, 4, 5, 7, 6])
    assert found.rho > 0.9 and math.isnan(found.low) and found.verdict == "uninformative"
    assert found.reason == "7 points; an interval needs 8"


def test_resamples_without_the_one_point_that_differs_say_nothing():
    x = [0] * 99 + [1]  # a resample of 4 blocks of 25 misses it with probability 0.75^4 = 0.32
    found = [rank_correlation(x, range(100), block=25, draws=2, seed=seed) for seed in range(60)]
    blind = [f for f in found if math.isnan(f.low)]
    assert 1 <= len(blind) <= 20 and len({f.rho for f in found}) == 1  # 60 * 0.32^2 = 6
    assert {f.reason for f in blind} == {"x or y is constant in most resamples"}
    assert all(f.low < f.rho < f.high for f in found if f not in blind and f.low != f.high)


def test_it_is_seeded():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((2, 40))
    state = np.random.get_state()[1].tolist()
    assert rank_correlation(x, y, seed=1) == rank_correlation(x, y, seed=1)
    assert rank_correlation(x, y, seed=1) != rank_correlation(x, y, seed=2)
    assert np.random.get_state()[1].tolist() == state
    wide, narrow = rank_correlation(x, y, level=0.99), rank_correlation(x, y, level=0.8)
    assert wide.low < narrow.low < wide.rho < narrow.high < wide.high


def test_mann_kendall_by_hand_and_as_scipy_has_it():
    assert mann_kendall([1, 2, 4, 8]) == 1 and mann_kendall([3, 2, 1]) == -1
    assert mann_kendall([7, 7, 7]) == 0
    # of six pairs 1-3 1-2 1-2 rise, 3-2 3-2 fall, 2-2 neither
    assert mann_kendall([1, 3, 2, 2]) == pytest.approx((3 - 2) / 6)
    x = np.random.default_rng(0).standard_normal(50)
    assert mann_kendall(x) == pytest.approx(kendalltau(range(50), x).statistic, abs=1e-14)


def test_the_floor_of_mann_kendall():
    rng, n = np.random.default_rng(0), 30
    taus = [mann_kendall(rng.standard_normal(n)) for _ in range(500)]
    # the spread of 500 values is known to 1/sqrt(2 * 500) = 3 %
    assert np.std(taus) == pytest.approx(math.sqrt((4 * n + 10) / (9 * n * (n - 1))), rel=0.12)


@pytest.mark.parametrize(
    "call, said",
    [
        (lambda: rank_correlation([1, 2], [1, 2, 3]), r"got \[2\] and \[3\]"),
        (lambda: rank_correlation([1], [1]), "2 points or more"),
        (lambda: rank_correlation([1, math.nan, 3], [1, 2, 3]), "x is not finite at 1"),
        (lambda: rank_correlation([1, 2, 3], [1, 2, math.inf]), "y is not finite at 2"),
        (lambda: rank_correlation(range(20), range(20), block=6), "block 6 must be 1 to 5"),
        (lambda: rank_correlation(range(20), range(20), block=0), "block 0 must be 1 to 5"),
        (lambda: rank_correlation(range(9), range(9), level=95), "a level between 0 and 1"),
        (lambda: rank_correlation(range(9), range(9), draws=1), "2 draws or more"),
        (lambda: rank_correlation(range(9), range(9), expected=0), "1 or -1 for expected"),
        (lambda: mann_kendall([1]), "two finite numbers or more"),
        (lambda: mann_kendall([1, math.nan]), "two finite numbers or more"),
    ],
)
def test_impossible_input_is_refused(call, said):
    with pytest.raises(ValueError, match=said):
        call()
