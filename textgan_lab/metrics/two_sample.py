"""Classifier two-sample tests: how well samples can be told apart by counting."""

import numpy as np
from numpy.typing import ArrayLike

SMOOTHING = 0.5  # added to every count (Krichevsky & Trofimov 1981): no cell has probability 0


def two_sample_accuracy(a: ArrayLike, b: ArrayLike) -> float:
    """Return the accuracy of naive Bayes at telling rows of ``a`` from rows of ``b``, in [0, 1].

    Shapes   counts [n, cells] and [m, cells]: how often each cell occurs in each sample
    Formula  a row is of ``a`` when sum_c x_c ln(p_a(c) / p_b(c)) > 0; a draw counts one half. The
             laws come from every other row, the others are judged, and the other way round.
    Use      no row is judged by what it taught, so the expectation is at most the Bayes accuracy:
             a lower bound, up to 0.5 / sqrt(n + m) of sampling error, on what the best
             discriminator reaches. 0.5 for two samples of one law.
    Source   Lopez-Paz & Oquab 2017
    Raises   ValueError for fewer than two rows a side, or different numbers of cells

    >>> two_sample_accuracy([[1, 0]] * 4, [[0, 1]] * 4)
    1.0
    >>> two_sample_accuracy([[1, 0]] * 4, [[1, 0]] * 6)
    0.5
    """
    a, b = np.asarray(a, float), np.asarray(b, float)
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1] or min(len(a), len(b)) < 2:
        raise ValueError(
            f"two_sample_accuracy: expected counts [n, cells] and [m, cells] of at least two rows, "
            f"got {list(a.shape)} and {list(b.shape)}"
        )
    right = []
    for taught, judged in ((0, 1), (1, 0)):
        weight = _log_share(a[taught::2]) - _log_share(b[taught::2])
        for x, sign in ((a[judged::2], 1), (b[judged::2], -1)):
            score = sign * (x @ weight)
            right.append((score > 0).mean() + (score == 0).mean() / 2)
    return float(np.mean(right))


def _log_share(counts: np.ndarray) -> np.ndarray:
    total = counts.sum(0) + SMOOTHING
    return np.log(total / total.sum())
