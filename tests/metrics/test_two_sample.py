"""Naive Bayes as a two-sample test: right by hand, and never above what is possible."""

import numpy as np
import pytest
from scipy import stats

from textgan_lab.metrics.two_sample import two_sample_accuracy


def draws(p, n, tokens, seed):
    return np.random.default_rng(seed).multinomial(tokens, p, size=n)


def test_one_law_scores_one_half():
    p = np.ones(20) / 20
    scores = [two_sample_accuracy(draws(p, 200, 8, i), draws(p, 200, 8, 99 - i)) for i in range(40)]
    assert abs(np.mean(scores) - 0.5) < 4 * 0.5 / (400 * 40) ** 0.5


def test_one_draw_a_row_comes_close_to_bayes_and_not_above():
    """With one token a row the Bayes accuracy is 1/2 + TV/2 = 0.7."""
    p, q = np.array([0.5, 0.4, 0.1]), np.array([0.1, 0.4, 0.5])
    scores = [two_sample_accuracy(draws(p, 500, 1, i), draws(q, 500, 1, 99 - i)) for i in range(20)]
    assert abs(np.mean(scores) - 0.7) < 4 * 0.5 / (1000 * 20) ** 0.5


def test_a_row_is_never_judged_by_what_it_taught():
    """Each row has a cell of its own: by heart all are told apart, honestly none is."""
    rows = np.eye(40)
    assert two_sample_accuracy(rows[:20], rows[20:]) == 0.5


def test_more_tokens_a_row_tell_more():
    """With 25 draws at 0.6 against 0.4 Bayes is right when more than 12 fall on the likelier."""
    p, q = np.array([0.6, 0.4]), np.array([0.4, 0.6])
    bayes = stats.binom.sf(12, 25, 0.6)  # 0.846
    found = two_sample_accuracy(draws(p, 2000, 25, 1), draws(q, 2000, 25, 2))
    assert abs(found - bayes) < 4 * 0.5 / 4000**0.5


def test_the_two_sides_are_alike():
    a, b = draws([0.7, 0.3], 60, 3, 0), draws([0.2, 0.8], 60, 3, 1)
    assert two_sample_accuracy(a, b) == two_sample_accuracy(b, a)


@pytest.mark.parametrize("a, b", [([[1]], [[1], [1]]), ([[1, 2]] * 3, [[1]] * 3), ([1, 2], [1, 2])])
def test_what_is_no_table_of_counts_is_refused(a, b):
    with pytest.raises(ValueError, match="two_sample_accuracy: expected counts"):
        two_sample_accuracy(a, b)
