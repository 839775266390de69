"""BLEU and self-BLEU against arithmetic and against NLTK."""

import math
import random
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from nltk.translate.bleu_score import SmoothingFunction, sentence_bleu

from textgan_lab.metrics import bleu, self_bleu

COCO = Path(__file__).parents[3] / "shared" / "data" / "coco_captions.txt"
needs_captions = pytest.mark.skipif(not COCO.exists(), reason=f"no captions at {COCO}")
SMOOTH = SmoothingFunction().method1


def nltk_bleu(hypotheses, references_of, max_n):
    """Return NLTK's mean score per order; ``references_of(i)`` are those of hypothesis i."""
    return {
        n: np.mean([
            sentence_bleu(references_of(i), h, weights=[1 / n] * n, smoothing_function=SMOOTH)
            for i, h in enumerate(hypotheses)
        ])
        for n in range(1, max_n + 1)
    }  # fmt: skip


def assert_equal(found, expected):
    assert list(found) == list(expected)
    for n in found:
        assert found[n] == pytest.approx(expected[n], abs=1e-12), n


def assert_both_equal_nltk(hypotheses, references, max_n=5):
    found = bleu(hypotheses, references, max_n)
    assert_equal(found, nltk_bleu(hypotheses, lambda _: references, max_n))
    if len(references) > 1:
        others = [references[:i] + references[i + 1 :] for i in range(len(references))]
        found = self_bleu(references, max_n)
        assert_equal(found, nltk_bleu(references, lambda i: others[i], max_n))


def test_bleu_by_hand():
    hypothesis = ["the", "cat", "the", "cat", "on"]
    references = [["the", "cat", "sat", "on", "the", "mat"], ["a", "cat", "on", "a", "cat"]]
    # words: the 2 (2 in the first), cat 2 (2 in the second), on 1: 5/5
    # pairs: the-cat twice, 1 in the first; cat-the never; cat-on 1 in the second: 2/4
    # triples: the-cat-the, cat-the-cat, the-cat-on: none of 3, so 0.1/3
    # lengths 6 and 5: the nearest is 5, no brevity penalty
    found = bleu([hypothesis], references, max_n=3)
    assert found[1] == 1.0
    assert found[2] == pytest.approx((1 * 2 / 4) ** (1 / 2), rel=1e-14)
    assert found[3] == pytest.approx((1 * 2 / 4 * 0.1 / 3) ** (1 / 3), rel=1e-14)


def test_brevity_by_hand():
    assert bleu([["a"]], [["a", "b", "c"]], 1)[1] == pytest.approx(math.exp(1 - 3 / 1))
    assert bleu([["a"] * 2], [["a"] * 3, ["a"]], 1)[1] == 1.0  # a tie: the shorter counts
    assert bleu([["a"] * 5], [["a"] * 3], 1)[1] == 3 / 5  # longer pays by precision only


def test_scores_are_means_over_hypotheses():
    found = bleu([["a", "b"], ["x", "y"], []], [["a", "b"]], 2)
    assert found == {1: 1 / 3, 2: 1 / 3}  # without a matching word, and empty: 0, not smoothed


def test_a_sentence_is_not_among_its_own_references():
    sentences = [["a", "b", "c"], ["d", "e", "f"], ["g", "h", "i"]]
    assert self_bleu(sentences, 2) == {1: 0, 2: 0}
    assert bleu(sentences, sentences, 2) == {1: 1, 2: 1}  # the mistake it is mistaken for
    assert self_bleu([*sentences, sentences[0]], 1)[1] == 2 / 4  # a true copy counts, both ways


def test_nothing_is_remembered_from_call_to_call():
    first = self_bleu([["a", "b"], ["a", "c"]], 1)
    assert self_bleu([["x"], ["y"]], 1)[1] == 0
    assert self_bleu([["a", "b"], ["a", "c"]], 1) == first == {1: 0.5}


@pytest.mark.parametrize(
    "hypotheses, references",
    [
        ([[]], [["a"]]),  # an empty hypothesis
        ([["a", "b"]], [[]]),  # an empty reference
        ([[]], [[], ["a"]]),
        ([["a"], ["b"]], [["a", "b", "c", "d"]]),  # shorter than n, one reference
        ([["a"] * 9], [["a"] * 4, ["a"] * 2]),
        ([["a", "b", "c"]], [["a", "b"], ["a", "b", "c", "d"]]),  # a tie of lengths
        ([["c", "d"]], [["a", "b"], ["a", "b"]]),  # no match
        ([["a", "b"], ["a", "b"]], [["a", "b"], ["a", "b"], ["a", "b", "a", "b"]]),
        ([[1, 1.0, True, "1"]], [[1, "1", (1,)], [True, True]]),  # equal keys are one token
        (["banana"], ["bandana", "ananas"]),  # a str is its characters
    ],
)
def test_degenerate_texts_equal_nltk(hypotheses, references):
    assert_both_equal_nltk(hypotheses, references)


def test_random_texts_equal_nltk():
    rng = random.Random(0)
    for words, longest in ((2, 5), (4, 9), (30, 14)):
        text = [[rng.randrange(words) for _ in range(rng.randint(0, longest))] for _ in range(60)]
        assert_both_equal_nltk(text[:25], text[25:], max_n=4)


sentences = st.lists(st.lists(st.sampled_from("abc"), max_size=7), min_size=1, max_size=6)


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(hypotheses=sentences, references=sentences, max_n=st.integers(1, 6))
def test_any_text_equals_nltk(hypotheses, references, max_n):
    assert_both_equal_nltk(hypotheses, references, max_n)


@needs_captions
def test_captions_equal_nltk_and_take_two_seconds_at_most():
    captions = [line.split() for line in COCO.read_text(encoding="utf-8").splitlines()]
    random.Random(0).shuffle(captions)
    few, references = captions[:20], captions[20:320]
    assert_equal(bleu(few, references), nltk_bleu(few, lambda _: references, 5))
    others = [captions[:i] + captions[i + 1 : 120] for i in range(120)]
    assert_equal(self_bleu(captions[:120], 3), nltk_bleu(captions[:120], lambda i: others[i], 3))
    for call in (lambda: self_bleu(captions), lambda: bleu(captions, captions)):
        start = time.process_time()
        assert len(call()) == 5
        assert time.process_time() - start < 2


def test_a_subsample_is_seeded_and_needs_its_size():
    rng = random.Random(0)
    text = [[rng.randrange(9) for _ in range(6)] for _ in range(80)]
    few = self_bleu(text, 3, n=20, seed=1)
    assert few == self_bleu(text, 3, n=20, seed=1) != self_bleu(text, 3, n=20, seed=2)
    assert self_bleu(text, 3, n=80, seed=1) == pytest.approx(self_bleu(text, 3))  # all, reordered
    assert few[3] < self_bleu(text, 3)[3]  # more references, more matches: compare at equal n
    state = np.random.get_state()[1].tolist()
    self_bleu(text, 3, n=20)
    assert np.random.get_state()[1].tolist() == state


def test_arrays_tensors_and_iterators_are_read_as_tokens():
    ids = torch.tensor([[4, 5, 6], [4, 5, 7], [4, 8, 9]])
    expected = self_bleu(ids.tolist(), 2)
    assert expected[1] > 0.4
    assert self_bleu(ids, 2) == self_bleu(ids.numpy(), 2) == self_bleu(iter(ids), 2) == expected
    assert bleu(ids, ids.numpy(), 2) == bleu(iter(ids.tolist()), iter(ids.tolist()), 2)


@pytest.mark.parametrize(
    "call, said",
    [
        (lambda: bleu([], [["a"]]), "0 hypotheses and 1 references"),
        (lambda: bleu([["a"]], []), "1 hypotheses and 0 references"),
        (lambda: bleu([["a"]], [["a"]], 0), "max_n must be 1 or more, got 0"),
        (lambda: self_bleu([["a"]]), "two sentences or more, got 1"),
        (lambda: self_bleu([["a"], ["b"]], n=1), "two sentences or more, got 1"),
        (lambda: self_bleu([["a"], ["b"]], n=3), "n = 3 of 2 sentences"),
        (lambda: self_bleu([["a"], ["b"]], n=-1), "n = -1 of 2 sentences"),
    ],
)
def test_impossible_input_is_refused(call, said):
    with pytest.raises(ValueError, match=said):
        call()
