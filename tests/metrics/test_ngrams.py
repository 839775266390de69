"""n-gram measures by hand."""

import math

import numpy as np
import pytest
import torch

from textgan_lab.metrics import (
    distinct,
    histogram_js_floor,
    ngram_js,
    ngram_js_floor,
    unique_ratio,
)

CATS = [["the", "cat", "sat"], ["the", "cat", "ran"]]


def test_distinct_by_hand():
    # unigrams: the cat sat the cat ran, 4 of 6; bigrams: the-cat twice, cat-sat, cat-ran, 3 of 4
    assert distinct(CATS, 1) == 4 / 6
    assert distinct(CATS, 2) == 3 / 4
    assert distinct(CATS, 3) == 1.0
    assert math.isnan(distinct(CATS, 4))  # none: a share of nothing


def test_unique_ratio_by_hand():
    assert unique_ratio([*CATS, CATS[0], CATS[0]]) == 2 / 4
    assert unique_ratio([[1, 2], [1]]) == 1.0
    with pytest.raises(ValueError, match="no sentences"):
        unique_ratio([])


def test_ngram_js_by_hand():
    # p: a 3/4, b 1/4; q: a 1/4, b 1/4, c 1/2; mean: a 1/2, b 1/4, c 1/4
    p, q = [["a", "a", "a", "b"]], [["a", "b"], ["c", "c"]]
    half_p = 3 / 4 * math.log(3 / 2)
    half_q = 1 / 4 * math.log(1 / 2) + 1 / 2 * math.log(2)
    assert ngram_js(p, q, 1) == pytest.approx((half_p + half_q) / 2, abs=1e-15)


def test_ngram_js_is_symmetric_bounded_and_blind_to_order():
    other = [["a", "cat", "sat"], ["the", "dog", "sat", "down"]]
    for n in (1, 2, 3):
        value = ngram_js(CATS, other, n)
        assert 0 < value <= math.log(2) + 1e-15
        assert ngram_js(other, CATS, n) == pytest.approx(value, abs=1e-15)
        assert ngram_js(CATS[::-1], other[::-1], n) == pytest.approx(value, abs=1e-15)
        assert ngram_js(CATS, other, n) == value  # nothing is remembered from one call to the next
        assert ngram_js(CATS, CATS, n) == 0.0
    assert ngram_js(CATS, other, 3) == pytest.approx(math.log(2), abs=1e-15)  # they share none


def test_ngram_js_counts_shares_not_sizes():
    assert ngram_js(CATS, CATS * 3, 2) == pytest.approx(0.0, abs=1e-15)


def test_sentences_are_read_once():
    assert distinct(iter(CATS), 2) == 3 / 4
    assert unique_ratio(iter(CATS)) == 1.0
    assert ngram_js(iter(CATS), iter(CATS), 2) == 0.0


def test_rows_of_arrays_and_tensors_are_read_as_tokens():
    rows = [[4, 5], [4, 5], [5, 4]]
    for ids in (np.array(rows), torch.tensor(rows)):
        assert distinct(ids, 2) == 2 / 3  # elements of a tensor are equal by value, not identity
        assert unique_ratio(ids) == 2 / 3
        assert ngram_js(ids, rows, 1) == 0.0


def test_the_floor_of_ngram_js_is_what_two_samples_of_one_law_keep():
    rng = np.random.default_rng(0)
    pool = rng.integers(0, 6, (800, 1)).tolist()  # sentences of one word: a histogram of 6 cells
    floor = ngram_js_floor(pool, 1, size=100, draws=200)
    # a divergence is chi-squared with 5 degrees over 4 n: known to sqrt(2/5 / 200) = 4.5 %
    assert floor == pytest.approx(histogram_js_floor(6, 100), rel=4 * 0.045)
    assert ngram_js_floor(pool, 1, size=400, draws=60) < floor / 3
    assert ngram_js_floor(pool, 1, seed=1) != ngram_js_floor(pool, 1, seed=2)
    assert ngram_js_floor(pool, 1) == ngram_js_floor(pool, 1, size=400)
    with pytest.raises(ValueError, match="two parts of 5 from 8 sentences"):
        ngram_js_floor(pool[:8], 1, size=5)


def test_errors():
    with pytest.raises(ValueError, match="n-gram length must be 1 or more, got 0"):
        distinct(CATS, 0)
    with pytest.raises(ValueError, match="a text has no 3-gram"):
        ngram_js(CATS, [["a", "b"]], 3)
    with pytest.raises(ValueError, match="a text has no 1-gram"):
        ngram_js([], CATS, 1)
