"""Tab-separated pairs: rows by hand, splits without leaks, and what is refused, by its line."""

import itertools
import math
import random
from collections import Counter

import pytest
import torch
from languages import EOS, PAD, UNK

from textgan_lab.catalogue import UnknownName
from textgan_lab.data import CorpusError, PairedCorpus, load_corpus
from textgan_lab.data.splits import SPLITS

torch.set_num_threads(1)


def lines(prompts=120, replies=3, seed=0):
    """Return lines with ``replies`` different replies to each of ``prompts`` different prompts."""
    draw = random.Random(seed)
    words = [a + b for a in "bdfgkl" for b in ("a", "e", "i")]
    asked = draw.sample(list(itertools.permutations(words, 3)), prompts)
    said = draw.sample(list(itertools.permutations(words, 2)), replies)
    return [f"{' '.join(p)}\t{' '.join(r)} {p[0]}" for p in asked for r in said]


def sides(corpus, split):
    return [tuple(pair.split(" | ")) for pair in corpus.decode(getattr(corpus, split))]


def test_rows_by_hand():
    corpus = PairedCorpus.from_splits(
        ["Who is there?\tThe cat."],
        ["who\tthe dog"],
        ["who is\tthe cat"],
        max_prompt=5,
        max_length=4,
    )
    # "the", "who" thrice; "cat", "is" twice; then once each in order of code points
    assert corpus.vocabulary[4:] == ["the", "who", "cat", "is", ".", "?", "dog", "there"]
    assert (corpus.given, corpus.length, corpus.vocab_size) == (5, 5 + 5, 12)
    assert corpus.train.tolist() == [[PAD, 5, 7, 11, 9, 4, 6, 8, EOS, PAD]]
    assert corpus.validation.tolist() == [[PAD, PAD, PAD, PAD, 5, 4, 10, EOS, PAD, PAD]]
    said = [corpus.vocabulary[i] for i in corpus.support.nonzero().flatten()]
    assert said == ["<eos>", "the", "cat", ".", "dog"]  # of replies alone
    assert corpus.decode(corpus.train) == ["who is there ? | the cat ."]
    assert corpus.encode(("who is it", "the cat")).tolist() == [PAD, PAD, 5, 7, UNK, 4, 6, 2, 0, 0]
    assert corpus.encode([("who", "the"), ("is", "cat")])[:, 4:6].tolist() == [[5, 4], [7, 6]]
    assert (corpus.kind, corpus.law) == ("text", None)


def test_rare_words_become_unknown():
    text = ["a b\tc d", "a b\tc e", "a f\tc d"]
    corpus = PairedCorpus.from_splits(text, ["a\tc"], ["a\tc"], max_prompt=2, min_count=2)
    assert corpus.vocabulary[4:] == ["c", "a", "b", "d"] or corpus.vocabulary[4:] == [
        "a", "c", "b", "d",
    ]  # fmt: skip
    assert corpus.decode(corpus.train) == ["a b | c d", "a b | c <unk>", "a <unk> | c d"]
    assert corpus.support[UNK]
    without = PairedCorpus.from_splits(text[::2], ["a\tc"], ["a\tc"], max_prompt=2, min_count=2)
    assert without.decode(without.train)[1] == "a <unk> | c d" and not without.support[UNK]


@pytest.mark.parametrize("seed", range(5))
def test_no_prompt_stands_in_two_splits(seed):
    text = lines()
    corpus = PairedCorpus.from_lines("x", text * 2, seed=seed)
    found = {split: sides(corpus, split) for split in SPLITS}
    asked = [{prompt for prompt, _ in found[split]} for split in SPLITS]
    assert not (asked[0] & asked[1] or asked[0] & asked[2] or asked[1] & asked[2])
    kept = Counter(pair for split in SPLITS for pair in found[split])
    assert kept == Counter(tuple(line.split("\t")) for line in text * 2)  # nothing lost
    assert [len(found[split]) / 720 for split in SPLITS] == pytest.approx([0.8, 0.1, 0.1], abs=0.01)
    assert corpus.shared_prompts == 0 and "0 prompts of test stand in train" in corpus.report
    assert sorted(found["train"]) != found["train"]  # shuffled


def test_pairs_can_be_what_is_kept_apart():
    text = lines(prompts=8, replies=60)
    corpus = PairedCorpus.from_lines("x", text * 2, apart="pairs")
    found = [set(sides(corpus, split)) for split in SPLITS]
    assert not (found[0] & found[1] or found[0] & found[2] or found[1] & found[2])
    assert sum(map(len, found)) == len(text)
    assert corpus.shared_prompts == 8
    with pytest.raises(CorpusError, match=r"x: 2 distinct prompts leave nothing.*apart='pairs'"):
        PairedCorpus.from_lines("x", lines(prompts=2, replies=60))
    with pytest.raises(CorpusError, match="apart: expected 'prompts' or 'pairs', got 'replies'"):
        PairedCorpus.from_lines("x", text, apart="replies")


def test_splits_are_those_of_the_seed():
    text = lines()
    prints = [PairedCorpus.from_lines("x", text, seed=s).fingerprint for s in (0, 0, 1)]
    assert prints[0] == prints[1] != prints[2]
    wider = PairedCorpus.from_lines("x", text, max_prompt=17).fingerprint
    narrower = PairedCorpus.from_lines("x", text, max_prompt=17, max_length=15).fingerprint
    assert len({prints[0], wider, narrower}) == 3


def test_prompts_kept_apart_are_no_other_law():
    corpus = PairedCorpus.from_lines("x", lines(prompts=800))
    found = corpus.audit()
    assert found.verdict == "same law" and found.size == 80, found  # one pair a prompt of test
    padded = PairedCorpus.from_lines("x", lines(prompts=800), max_prompt=3)
    assert padded.audit() == found  # padding is nobody's word
    other = PairedCorpus.from_splits(
        lines(prompts=400), ["a\tb"], lines(prompts=100, replies=2, seed=1), name="two texts"
    )
    assert other.audit().verdict == "another law"


def test_a_leak_is_found():
    text = lines()
    corpus = PairedCorpus.from_splits(text, text[:60], text[:60], name="leaky")
    assert corpus.audit().verdict == "leaked" and corpus.audit().shared == 60
    # the same pairs behind other paddings are what is compared, not the rows
    assert corpus.audit().halves[0] < 0.1 and "'leaky'" in repr(corpus.audit())


def test_long_and_blank_lines_are_left_out_and_counted():
    text = [*lines(), "", "a b c d e\tf", "a\tb c d e f g", "  "]
    corpus = PairedCorpus.from_lines("x", text, max_prompt=4, max_length=5)
    assert sum(len(getattr(corpus, split)) for split in SPLITS) == 360
    said = " ".join(corpus.report.split())
    assert "364 lines: 360 used, 2 with a prompt longer than 4 words or a reply" in said
    assert "2 blank" in said and "360 pairs of 120 prompts" in said
    assert "prompts 3 to 3 words, mean 3.0 replies 3 to 3 words" in said


def test_unigrams_of_replies_by_hand():
    corpus = PairedCorpus.from_splits(["p q\ta a b"], ["p\ta"], ["q\tb"], max_prompt=2)
    # a 2, b 1, <eos> 1, each and one: 3, 2, 2 of 7; prompts count nowhere
    by_hand = -(math.log(3 / 7) + math.log(2 / 7)) / 2
    assert corpus.unigram_nll() == pytest.approx(by_hand, abs=1e-12)
    assert corpus.unigram_nll("test") == pytest.approx(-math.log(2 / 7), abs=1e-12)
    with pytest.raises(CorpusError, match="no split 'dev'"):
        corpus.unigram_nll("dev")


def test_a_tsv_file_holds_pairs(tmp_path):
    path = tmp_path / "talk.TSV"
    path.write_bytes(b"\xef\xbb\xbf" + "\r\n".join(lines()).encode())
    corpus = load_corpus(path, max_prompt=3, level="word", seed=4)
    assert isinstance(corpus, PairedCorpus) and corpus.name == str(path)
    assert corpus.train.shape == (288, 3 + 17) and corpus.given == 3
    assert (
        corpus.fingerprint
        == PairedCorpus.from_lines("y", lines(), max_prompt=3, seed=4).fingerprint
    )
    characters = load_corpus(path, level="char", max_prompt=8)
    assert characters.decode(characters.encode(("ba be", "di"))) == "ba be | di"
    with pytest.raises(UnknownName, match=r"no option 'given'; its options: level, .*, apart$"):
        load_corpus(path, given=3)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "no tab here",
            "line 3: expected a prompt, one tab and a reply, got 0 tabs in 'no tab here'",
        ),
        ("a\tb\tc", r"line 3: expected .* got 2 tabs in 'a\\tb\\tc'"),
        ("\tb", r"line 3: an empty prompt in '\\tb'"),
        ("a\t ", r"line 3: an empty reply in 'a\\t '"),
        ("x" * 100, r"line 3: .*'x{57}\.\.\.'$"),
    ],
)
def test_what_is_no_pair_is_refused_with_its_line(tmp_path, line, message):
    path = tmp_path / "talk.tsv"
    path.write_text("\n".join(["a\tb", "", line, *lines()]))
    with pytest.raises(CorpusError, match=rf"talk\.tsv, {message}"):
        load_corpus(path)


def test_too_little_is_refused():
    with pytest.raises(CorpusError, match="x: empty; expected one pair a line, 100 at least"):
        PairedCorpus.from_lines("x", [])
    with pytest.raises(
        CorpusError,
        match=r"x: 0 usable pairs, 100 are needed; of 360 lines 0 are blank and 360 have more than "
        r"max_prompt=2 or max_length=16 words; half have more than 3, so raise max_prompt$",
    ):
        PairedCorpus.from_lines("x", lines(), max_prompt=2)
    with pytest.raises(CorpusError, match="max_prompt: expected a whole number from 1, got 0"):
        PairedCorpus.from_lines("x", lines(), max_prompt=0)
    with pytest.raises(CorpusError, match=r"given splits, test, line 1: expected a prompt"):
        PairedCorpus.from_splits(["a\tb"], ["a\tb"], ["ab"])
    corpus = PairedCorpus.from_splits(["a\tb"], ["a\tb"], ["a\tb"], max_prompt=1, max_length=1)
    for pair, said in {
        ("a a", "b"): "the prompt 'a a' has 2 words, expected 1 to 1",
        ("a", "b b"): "the reply 'b b' has 2 words, expected 1 to 1",
        ("", "b"): "the prompt '' has 0 words",
    }.items():
        with pytest.raises(CorpusError, match=said):
            corpus.encode([pair])
