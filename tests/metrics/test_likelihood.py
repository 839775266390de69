"""The pair of likelihoods by hand, and its standard errors by repetition."""

import math

import numpy as np
import pytest

from textgan_lab.metrics import nll, nll_pair


def test_per_token_by_hand():
    # 2 + 4 + 3 nats over 1 + 3 + 2 tokens: not the mean of 2/1, 4/3 and 3/2
    value, se = nll([-2.0, -4.0, -3.0], [1, 3, 2])
    assert value == 9 / 6
    # what is left of each sentence: 2 - 1.5, 4 - 4.5, 3 - 3; a mean length of 2
    assert se == pytest.approx(math.sqrt((0.25 + 0.25 + 0) / (3 * 2)) / 2, rel=1e-14)


def test_sentences_of_one_length_have_the_usual_standard_error():
    log_prob = np.array([-3.0, -5.0, -4.0, -9.0])
    value, se = nll(log_prob, 20)
    assert value == pytest.approx(21 / 80, rel=1e-15)
    assert se == pytest.approx(log_prob.std(ddof=1) / math.sqrt(4) / 20, rel=1e-14)


def test_the_standard_error_is_the_spread_over_repetitions():
    rng = np.random.default_rng(0)
    runs = []
    for _ in range(600):
        tokens = rng.integers(2, 15, 120)
        runs.append(nll(-2 * tokens - rng.standard_normal(120) * tokens**0.5, tokens))
    values, errors = np.array(runs).T
    # the spread of 600 values is known to 1/sqrt(2 * 600) = 3 %
    assert errors.mean() == pytest.approx(values.std(), rel=0.12)
    assert values.mean() == pytest.approx(2, abs=4 * values.std() / 600**0.5)


def test_the_pair_says_who_scores_what():
    pair = nll_pair([-1.0, -3.0], [2, 2], [-6.0, -6.0, -6.0], [1, 2, 3])
    assert (pair.oracle_nll, pair.held_out_nll) == (1.0, 3.0)
    assert (pair.n_fake, pair.n_real) == (2, 3)
    assert pair.oracle_nll_se == pytest.approx(1 / 2, rel=1e-14)
    assert pair.held_out_nll_se == pytest.approx(math.sqrt(18 / 6) / 2, rel=1e-14)


def test_one_likely_sentence_beats_real_text_on_one_side_only():
    law = np.array([0.5, 0.25, 0.125, 0.125])  # four sentences of two tokens
    real = np.repeat(np.arange(4), [4, 2, 1, 1])
    with np.errstate(divide="ignore"):
        collapsed = np.log([1.0, 0, 0, 0])
    real_nll, _ = nll(np.log(law[real]), 2)
    pair = nll_pair(np.log(law[[0] * 8]), 2, collapsed[real], 2)
    assert pair.oracle_nll == pytest.approx(math.log(2) / 2)
    assert pair.oracle_nll < real_nll
    assert pair.held_out_nll == math.inf and math.isnan(pair.held_out_nll_se)
    perfect = nll_pair(np.log(law[real]), 2, np.log(law[real]), 2)
    assert perfect.oracle_nll == perfect.held_out_nll == real_nll


def test_one_sentence_has_no_standard_error():
    value, se = nll([-4.0], 2)
    assert value == 2.0 and math.isnan(se)


@pytest.mark.parametrize(
    "log_prob, tokens, said",
    [
        ([], [], r"expected log_prob \[n\] .* got \[0\]"),
        ([-1.0], [1, 2], r"got \[1\] and \[2\]"),
        ([-1.0, math.nan], [1, 1], "NaN"),
        ([math.inf], [1], r"\+inf"),
        ([-1.0, -1.0], [3, 0], "at least one token, its <eos>; got 0"),
    ],
)
def test_impossible_input_is_refused(log_prob, tokens, said):
    with pytest.raises(ValueError, match=said):
        nll(log_prob, tokens)
