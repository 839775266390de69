"""compare_laws against sums over a law of five symbols, written out."""

import math

import numpy as np
import pytest

from textgan_lab.metrics import compare_laws

P = np.array([0.5, 0.25, 0.125, 0.125, 0.0])
Q = np.array([0.125, 0.25, 0.5, 0.0, 0.125])
# mean law: .3125 .25 .3125 .0625 .0625
KL_P_M = 0.5 * math.log(0.5 / 0.3125) + 0.125 * math.log(0.125 / 0.3125) + 0.125 * math.log(2)
JS = KL_P_M  # q is p with two pairs of symbols swapped: both halves of the divergence are equal
# D* says "real" at symbols 0 and 3, "fake" at 2 and 4, and is undecided at 1:
BAYES = 0.5 * ((0.5 + 0.125 + 0.25 / 2) + (0.5 + 0.125 + 0.25 / 2))


def log(x):
    with np.errstate(divide="ignore"):
        return np.log(x)


def compare(at_p, at_q, p=P, q=Q):
    return compare_laws(log(p[at_p]), log(q[at_p]), log(p[at_q]), log(q[at_q]))


def test_samples_in_exact_proportion_give_the_exact_divergence():
    at_p = np.repeat(np.arange(5), [4, 2, 1, 1, 0])  # eight draws, p in eighths
    at_q = np.repeat(np.arange(5), [1, 2, 4, 0, 1])
    found = compare(at_p, at_q)
    assert found.js == pytest.approx(JS, abs=1e-14)
    assert found.bayes_accuracy == pytest.approx(BAYES, abs=1e-14) == 0.75
    assert (found.n_p, found.n_q) == (8, 8)


def test_random_samples_come_within_four_of_their_standard_errors():
    rng = np.random.default_rng(0)
    found = compare(rng.choice(5, 4000, p=P), rng.choice(5, 2000, p=Q))
    assert abs(found.js - JS) < 4 * found.js_se
    assert (found.n_p, found.n_q) == (4000, 2000)


def test_the_standard_error_is_the_spread_over_repetitions():
    rng = np.random.default_rng(1)
    runs = [compare(rng.choice(5, 300, p=P), rng.choice(5, 100, p=Q)) for _ in range(600)]
    spread = np.std([r.js for r in runs])
    # the spread of 600 values is known to 1/sqrt(2 * 600) = 3 %, so 12 % is four of those
    assert np.mean([r.js_se for r in runs]) == pytest.approx(spread, rel=0.12)


def test_one_law_scores_exactly_zero_and_half():
    found = compare(np.array([0, 1, 2]), np.array([3, 0]), q=P)
    assert (found.js, found.js_se, found.bayes_accuracy) == (0.0, 0.0, 0.5)


def test_laws_that_share_nothing_reach_the_ceiling():
    inf = math.inf
    found = compare_laws([-700.0, -1.0], [-inf, -inf], [-inf], [-2.0])
    assert found.js == pytest.approx(math.log(2), abs=1e-15)
    assert found.bayes_accuracy == 1.0


def test_swapping_the_laws_changes_nothing():
    at_p, at_q = np.array([0, 0, 1, 2]), np.array([4, 2, 1])
    there, back = compare(at_p, at_q), compare(at_q, at_p, Q, P)
    assert there.js == pytest.approx(back.js, abs=1e-15)
    assert there.bayes_accuracy == back.bayes_accuracy


def test_logs_far_apart_neither_overflow_nor_lose_the_ceiling():
    found = compare_laws([-5.0], [-1e9], [-1e9], [-5.0])
    assert found.js == pytest.approx(math.log(2), abs=1e-15)


@pytest.mark.parametrize(
    "columns, said",
    [
        (([], [], [-1.0], [-1.0]), "at least one sample"),
        (([-1.0], [-1.0], [], []), "at least one sample"),
        (([-math.inf], [-1.0], [-1.0], [-1.0]), "probability 0 under the law it came from"),
        (([-1.0], [-1.0], [-1.0], [math.nan]), "probability 0 under the law it came from"),
    ],
)
def test_impossible_input_is_refused(columns, said):
    with pytest.raises(ValueError, match=said):
        compare_laws(*columns)
