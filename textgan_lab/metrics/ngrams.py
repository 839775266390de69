"""Measures that count n-grams: how often sentences, and pieces of them, repeat or differ."""

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence

import numpy as np

from .modes import histogram_js

Sentence = Sequence[Hashable]  # tokens or ids without padding; a str counts as its characters
SMOOTHING = 0.1  # what stands for no match at all in BLEU's precisions (Chen & Cherry 2014, 1)


def _tokens(sentence: Sentence) -> tuple[Hashable, ...]:
    # the elements of an array or tensor are no good keys: of a tensor, no two are equal
    return tuple(sentence.tolist() if hasattr(sentence, "tolist") else sentence)


def _ngrams(sentence: tuple, n: int) -> Iterable[tuple]:
    return zip(*(sentence[i:] for i in range(n)), strict=False)


def _count(sentences: Iterable[Sentence], n: int) -> Counter:
    if n < 1:
        raise ValueError(f"n-gram length must be 1 or more, got {n}")
    return Counter(gram for sentence in sentences for gram in _ngrams(_tokens(sentence), n))


def unique_ratio(sentences: Iterable[Sentence]) -> float:
    """Return the share of distinct sentences, in (0, 1]; it falls as the sample grows.

    >>> unique_ratio([[4, 5], [4, 5], [5, 4], [6]])
    0.75
    """
    seen = [_tokens(sentence) for sentence in sentences]
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
    compare texts of equal size, with `ngram_js_floor`. Raises ValueError when a text has no n-gram.

    >>> ngram_js([[1, 2]], [[2, 1]], 1), round(ngram_js([[1]], [[2]], 1), 4)
    (0.0, 0.6931)
    """
    first, second = _count(a, n), _count(b, n)
    if not (first and second):
        raise ValueError(f"ngram_js: a text has no {n}-gram")
    grams = list(first | second)
    return histogram_js([first[g] for g in grams], [second[g] for g in grams])


def ngram_js_floor(
    sentences: Iterable[Sentence], n: int, size: int | None = None, draws: int = 8, seed: int = 0
) -> float:
    """Return the `ngram_js` that two texts of ``size`` sentences keep though their law is one.

    The mean over ``draws`` of two random parts of ``sentences`` without one in common, ``size``
    each, half by default. Raises ValueError when there are fewer than 2 ``size`` sentences.

    >>> ngram_js_floor([[1, 2], [1, 2], [1, 2], [1, 2]], 2)
    0.0
    """
    texts = [_tokens(sentence) for sentence in sentences]
    size = len(texts) // 2 if size is None else size
    if not 1 <= size <= len(texts) // 2 or draws < 1:
        raise ValueError(
            f"ngram_js_floor: {draws} draws of two parts of {size} from {len(texts)} sentences; "
            "expected one draw or more, and parts of 1 or more that have no sentence in common"
        )
    rng = np.random.default_rng(seed)
    values = []
    for _ in range(draws):
        order = rng.permutation(len(texts)).tolist()
        first, second = order[:size], order[size : 2 * size]
        values.append(ngram_js([texts[i] for i in first], [texts[i] for i in second], n))
    return float(np.mean(values))


def bleu(
    hypotheses: Iterable[Sentence], references: Iterable[Sentence], max_n: int = 5
) -> dict[int, float]:
    """Return BLEU-1 to BLEU-``max_n`` of sentences, each against all references: {n: score}.

    Units    0 to 1; the mean over hypotheses of the sentence's score, not the corpus score
    Formula  BLEU-n = brevity (prod_{i<=n} p_i)^(1/n). p_i: i-grams of the hypothesis found in a
             reference, each as often as the reference that has it most has it, over its i-grams;
             0 matches count as 0.1. brevity = min(1, exp(1 - r/c)), c its length, r the reference
             length nearest to c, the shorter of two. Without a single matching word: 0
    Floor    rises with the number of references, so state it, and show `bleu` of held-out real
             text against the same references beside it. High BLEU is no news without `self_bleu`
    Source   Papineni et al. 2002; smoothing 1 of Chen & Cherry 2014; equals NLTK's
             ``sentence_bleu`` with ``method1`` and weights 1/n
    Raises   ValueError for no hypotheses, no references, or ``max_n`` below 1

    >>> bleu([["a", "cat"]], [["a", "cat", "sat"], ["a", "dog"]], max_n=2)
    {1: 1.0, 2: 1.0}
    """
    hypotheses = [_tokens(sentence) for sentence in hypotheses]
    references = [_tokens(sentence) for sentence in references]
    if not hypotheses or not references:
        raise ValueError(f"bleu: {len(hypotheses)} hypotheses and {len(references)} references")
    text = _Text([*references, *hypotheses])
    lengths, known = text.lengths[len(references) :], np.unique(text.lengths[: len(references)])
    nearest = _nearest(lengths, known)
    matches = []
    for sentence, gram, count in text.counts(max_n):
        of_reference = sentence < len(references)
        most = np.zeros(gram.max(initial=-1) + 1, int)
        np.maximum.at(most, gram[of_reference], count[of_reference])
        ours = ~of_reference
        matched = np.minimum(count[ours], most[gram[ours]])
        matches.append(_total(sentence[ours] - len(references), matched, len(hypotheses)))
    return _mean_score(lengths, nearest, matches)


def self_bleu(
    sentences: Iterable[Sentence], max_n: int = 5, n: int | None = None, seed: int = 0
) -> dict[int, float]:
    """Return the `bleu` of each sentence against all the others, {order: score}: 1 is no variety.

    A sentence is never its own reference; a second copy of it is one. The score rises with the
    number of sentences: compare at equal ``n`` only, with that of real text beside it. All
    sentences are taken, or ``n`` of them, drawn with ``seed``.

    Source   Zhu et al. 2018
    Raises   ValueError for fewer than two sentences, ``n`` above their number, ``max_n`` below 1

    >>> self_bleu([["a", "cat"], ["a", "cat"], ["a", "dog"]], max_n=1)  # 1, 1, 1/2
    {1: 0.8333333333333334}
    """
    sentences = [_tokens(sentence) for sentence in sentences]
    if n is not None:
        if not 0 <= n <= len(sentences):
            raise ValueError(f"self_bleu: n = {n} of {len(sentences)} sentences")
        drawn = np.random.default_rng(seed).choice(len(sentences), n, replace=False)
        sentences = [sentences[i] for i in drawn]
    if len(sentences) < 2:
        raise ValueError(f"self_bleu: needs two sentences or more, got {len(sentences)}")
    text = _Text(sentences)
    matches = []
    for sentence, gram, count in text.counts(max_n):
        # the most that another sentence has: the second most, for the one that has the most
        most, second = (np.zeros(gram.max(initial=-1) + 1, int) for _ in range(2))
        holder = np.full_like(most, -1)
        order = np.argsort(count, kind="stable")
        most[gram[order]], holder[gram[order]] = count[order], sentence[order]  # the last one stays
        others = sentence != holder[gram]
        np.maximum.at(second, gram[others], count[others])
        matched = np.minimum(count, np.where(others, most[gram], second[gram]))
        matches.append(_total(sentence, matched, len(sentences)))
    return _mean_score(text.lengths, _nearest_other(text.lengths), matches)


class _Text:
    """Sentences as one array of numbers, so that their n-grams can be counted all at once."""

    def __init__(self, sentences: list[tuple]):
        number: dict[Hashable, int] = {}
        flat = [number.setdefault(t, len(number)) for sentence in sentences for t in sentence]
        self.words = np.array(flat, np.int64)
        self.lengths = np.array([len(sentence) for sentence in sentences])
        self.sentence = np.repeat(np.arange(len(sentences)), self.lengths)

    def counts(self, max_n: int) -> Iterable[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Yield for each order the sentence, n-gram and count of every pair that occurs."""
        if max_n < 1:
            raise ValueError(f"max_n must be 1 or more, got {max_n}")
        start, gram = np.arange(len(self.words)), self.words  # where n-grams begin, which they are
        for n in range(1, max_n + 1):
            if n > 1:  # an n-gram is an (n-1)-gram and the next word of the same sentence
                inside = start + n - 1 < np.cumsum(self.lengths)[self.sentence[start]]
                start, gram = start[inside], gram[inside]
                followed = gram * (self.words.max(initial=0) + 1) + self.words[start + n - 1]
                gram = np.unique(followed, return_inverse=True)[1]
            pair = gram * len(self.lengths) + self.sentence[start]
            pairs, count = np.unique(pair, return_counts=True)
            yield pairs % len(self.lengths), pairs // len(self.lengths), count


def _total(sentence: np.ndarray, matched: np.ndarray, sentences: int) -> np.ndarray:
    return np.bincount(sentence, weights=matched, minlength=sentences)


def _nearest(lengths: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Return for each length the nearest of ``known`` (ascending), the shorter of two."""
    after = np.searchsorted(known, lengths).clip(max=len(known) - 1)
    before = (after - 1).clip(min=0)
    shorter = np.abs(lengths - known[before]) <= np.abs(known[after] - lengths)
    return np.where(shorter, known[before], known[after])


def _nearest_other(lengths: np.ndarray) -> np.ndarray:
    """Return for each sentence's length the nearest among those of all other sentences."""
    known, which, times = np.unique(lengths, return_inverse=True, return_counts=True)
    nearest = known.copy()  # another sentence as long, or else one of the neighbours
    for i in np.flatnonzero(times == 1):
        nearest[i] = _nearest(known[i : i + 1], np.delete(known, i))[0]
    return nearest[which]


def _mean_score(
    lengths: np.ndarray, nearest: np.ndarray, matches: list[np.ndarray]
) -> dict[int, float]:
    """Return the mean BLEU per order, from the matches of each sentence per order."""
    brevity = np.exp(np.minimum(1 - nearest / np.maximum(lengths, 1), 0))
    log_precision, scores = np.zeros(len(lengths)), {}
    for n, matched in enumerate(matches, 1):
        possible = np.maximum(lengths - n + 1, 1)
        log_precision += np.log(np.where(matched > 0, matched, SMOOTHING) / possible)
        score = np.where(matches[0] > 0, brevity * np.exp(log_precision / n), 0)
        scores[n] = float(score.mean())
    return scores
