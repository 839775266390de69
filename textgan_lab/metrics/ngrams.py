"""Measures that count n-grams: how often sentences, and pieces of them, repeat or differ."""

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence

import numpy as np

Sentence = Sequence[Hashable]  # tokens or ids without padding


def _ngrams(sentence: Sentence, n: int) -> Iterable[tuple]:
    return zip(*(sentence[i:] for i in range(n)), strict=False)


def _count(sentences: Iterable[Sentence], n: int) -> Counter:
    if n < 1:
        raise ValueError(f"n-gram length must be 1 or more, got {n}")
    return Counter(gram for sentence in sentences for gram in _ngrams(tuple(sentence), n))


def unique_ratio(sentences: Iterable[Sentence]) -> float:
    """Return the share of distinct sentences, in (0, 1]; it falls as the sample grows.

    >>> unique_ratio([[4, 5], [4, 5], [5, 4], [6]])
    0.75
    """
    seen = [tuple(sentence) for sentence in sentences]
    if not seen:
        raise ValueError("unique_ratio: no sentences")
    return len(set(seen)) / len(seen)


def distinct(sentences: Iterable[Sentence], n: int) -> float:
    """Return distinct-n: distinct n-grams over all n-grams (Li et al. 2016); NaN without any.

    >>> distinct([[1, 2, 1, 2], [1, 2]], 2)
    0.5
    """
    counts = _count(sentences, n)
    total = sum(counts.values())
    return len(counts) / total if total else float("nan")


def ngram_js(a: Iterable[Sentence], b: Iterable[Sentence], n: int) -> float:
    """Return the Jensen-Shannon divergence in nats between the n-gram histograms of two texts.

    A plug-in estimate: two samples of one law score above 0, the more so the smaller they are, so
    compare texts of equal size and show the floor. Raises ValueError when a text has no n-gram.

    >>> ngram_js([[1, 2]], [[2, 1]], 1), round(ngram_js([[1]], [[2]], 1), 4)
    (0.0, 0.6931)
    """
    first, second = _count(a, n), _count(b, n)
    if not (first and second):
        raise ValueError(f"ngram_js: a text has no {n}-gram")
    grams = list(first | second)
    p = np.array([first[g] for g in grams], float)
    q = np.array([second[g] for g in grams], float)
    p, q = p / p.sum(), q / q.sum()
    mean = (p + q) / 2
    halves = [(x[x > 0] * np.log(x[x > 0] / mean[x > 0])).sum() for x in (p, q)]
    return float(sum(halves) / 2)
