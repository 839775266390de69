"""Real text as data: read, counted, split without leaks, audited."""

import inspect
import math
import random
import re
from pathlib import Path

import pytest
import torch

from textgan_lab.data import Corpus, CorpusError, Reading, load_corpus, python_docs
from textgan_lab.data.corpus import loads
from textgan_lab.data.splits import SPLITS

SHARED = Path(__file__).parents[3] / "shared" / "data"
COCO, TANG = SHARED / "coco_captions.txt", SHARED / "tang_poems.txt"


def given(path):
    return pytest.mark.skipif(not path.exists(), reason=f"no file {path.name} beside the checkout")


def phrases(n, seed=0):
    """Return n different sentences of 3 to 8 words, from a vocabulary with a long tail."""
    draw = random.Random(seed)
    words = [a + b for a in "bdfgklmn" for b in ("a", "e", "i", "o", "u")]
    found = {}
    while len(found) < n:
        length = draw.randint(3, 8)
        found[" ".join(words[int(40 * draw.random() ** 2)] for _ in range(length))] = None
    return list(found)


def rows(corpus, split):
    return set(map(tuple, getattr(corpus, split).tolist()))


def texts(corpus):
    return [text for split in SPLITS for text in corpus.decode(getattr(corpus, split))]


@pytest.fixture(scope="module")
def docs(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TEXTGAN_LAB_CACHE", str(tmp_path_factory.mktemp("cache")))
        corpus = load_corpus("python-docs")

        def refused(*_, **__):
            raise AssertionError("what is in the cache is not extracted again")

        patch.setattr(python_docs, "extract", refused)
        again = load_corpus("python-docs")
    assert again.fingerprint == corpus.fingerprint
    return corpus


# -- ids and text ----------------------------------------------------------------------------------


def test_ids_by_hand():
    corpus = Corpus.from_splits(["The cat, the dog!"], ["a cat"], ["the bird"], max_length=6)
    # "the" thrice, "cat" twice, then once each in order of code points
    assert corpus.vocabulary[:4] == ["<pad>", "<bos>", "<eos>", "<unk>"]
    assert corpus.vocabulary[4:] == ["the", "cat", "!", ",", "a", "bird", "dog"]
    assert corpus.length == 7
    assert corpus.train.tolist() == [[4, 5, 7, 4, 10, 6, 2]]
    assert corpus.validation.tolist() == [[8, 5, 2, 0, 0, 0, 0]]
    assert corpus.support.tolist() == [False, False, True, False] + [True] * 7
    assert corpus.encode(["the fish"]).tolist() == [[4, 3, 2, 0, 0, 0, 0]]
    assert corpus.decode(corpus.encode("the fish")) == "the <unk>"
    assert corpus.decode(corpus.train) == ["the cat , the dog !"]
    assert corpus.decode(torch.tensor([4, 5, 4])) == "the cat the"  # cut: no <eos>
    with pytest.raises(CorpusError, match=r"'a a a a a a a' has 7 words, more than max_length=6"):
        corpus.encode(["a", "a a a a a a a"])


def test_rare_words_become_unknown_and_are_counted():
    lines = ["a b", "a c"] * 60 + ["a rare"]
    corpus = Corpus.from_splits(lines, ["a b"], ["a c"], vocab_size=10, min_count=2)
    assert corpus.vocabulary[4:] == ["a", "b", "c"]
    assert corpus.support[3]
    assert corpus.decode(corpus.train[-1]) == "a <unk>"
    # 246 words stand in 123 sentences, one of them unknown: 1 / 246 = 0.4 %
    assert "99.6% of the text is covered, 0.4% is <unk>" in corpus.report
    assert "3 of 4 words and 4 specials" in corpus.report


def test_characters_are_a_level_of_their_own():
    corpus = Corpus.from_splits(["ab  a"], ["b"], ["a\tb"], level="char", max_length=4)
    assert corpus.vocabulary[4:] == ["a", "b", " "]
    assert corpus.decode(corpus.train) == ["ab a"]
    assert corpus.decode(corpus.test) == ["a b"]


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("Don't stop.", ["don't", "stop", "."]),
        ("l’été: 1,000.5 km", ["l’été", ":", "1,000.5", "km"]),
        ("first-rate (so-so)", ["first-rate", "(", "so-so", ")"]),
        ("<eos>", ["<", "eos", ">"]),  # text cannot spell a special
        ("one\u2028two\u00a0three", ["one", "two", "three"]),
    ],
)
def test_words_by_hand(text, tokens):
    assert Reading().tokens(text) == tokens
    assert Reading(lowercase=False).tokens("Don't") == ["Don't"]


def test_the_data_contract(docs):
    assert (docs.kind, docs.law, docs.length) == ("text", None, 17)
    assert docs.vocab_size == len(docs.vocabulary) == 2000
    for split in SPLITS:
        ids = getattr(docs, split)
        assert (ids.dtype, ids.shape[1]) == (torch.int64, 17)
        ends = (ids == 2).long()
        assert ends.sum(1).eq(1).all()  # one <eos> each, and <pad> after it, nowhere else
        after = ends.cumsum(1) - ends == 1
        assert torch.equal(ids == 0, after)
        assert docs.support[ids[ids != 0]].all()
    assert not docs.support[:2].any()


# -- what is dropped, and what is refused ----------------------------------------------------------


def test_long_and_blank_lines_are_counted_never_cut():
    lines = [*phrases(100), "", "  ", "w " * 9]
    corpus = Corpus.from_lines("some", lines, max_length=8)
    assert sum(len(getattr(corpus, split)) for split in SPLITS) == 100
    assert "103 lines: 100 used, 1 longer than 8 words, 2 blank" in corpus.report
    assert "train 80, validation 10, test 10" in repr(corpus)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([], "some: empty"),
        (["", "\t"], "0 usable sentences.* 2 lines 2 are blank and 0 have"),
        (phrases(99), "99 usable sentences, 100 are needed"),
        (["w " * 20] * 60 + ["w " * 9] * 50,
         "50 usable.*60 have more than max_length=16 words; half have more than 20, so raise"),
        (["same"] * 100, "1 distinct sentences leave nothing for"),
    ],
)  # fmt: skip
def test_unusable_text_is_refused_with_the_reason(lines, said):
    with pytest.raises(CorpusError, match=said):
        Corpus.from_lines("some", lines)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"level": "byte"}, "level: expected 'word' or 'char', got 'byte'"),
        ({"vocab_size": 9}, "vocab_size: expected a whole number from 10, got 9"),
        ({"vocab_size": 2e3}, "vocab_size"),
        ({"max_length": 0}, "max_length: expected a whole number from 1, got 0"),
        ({"min_count": True}, "min_count"),
        ({"seed": -1}, "seed"),
        ({"lowercase": "no"}, "lowercase"),
        ({"split": [0.5, 0.5]}, "split: expected three positive shares"),
        ({"split": [0.9, 0.1, 0.0]}, "split"),
        ({"split": [0.8, 0.1, 0.2]}, "split"),
        ({"split": 0.8}, "split"),
    ],
)
def test_impossible_options_are_refused(tmp_path, options, said):
    (tmp_path / "text.txt").write_text("\n".join(phrases(100)))
    with pytest.raises(CorpusError, match=re.escape(said)):
        load_corpus(tmp_path / "text.txt", **options)


def test_a_loader_takes_every_option_of_its_kind_and_may_begin_elsewhere():
    @loads(Corpus, level="char", vocab_size=50)
    def loader(path, *, mark="", **options):
        return path, mark, options

    options = {
        "level": "char", "max_length": 16, "vocab_size": 50, "min_count": 1, "lowercase": True,
        "seed": 0, "split": (0.8, 0.1, 0.1),
    }  # fmt: skip
    assert list(inspect.signature(loader).parameters) == ["path", *options, "mark"]
    assert loader("here") == ("here", "", options)
    assert loader("here", seed=3, mark="x", level="word") == (
        "here", "x", {**options, "seed": 3, "level": "word"},
    )  # fmt: skip
    with pytest.raises(TypeError, match="unexpected keyword argument 'maxlen'"):
        loader("here", maxlen=3)
    for unread in ("name", "lines", "notes"):  # are the loader's to give
        with pytest.raises(TypeError, match=f"unexpected keyword argument '{unread}'"):
            loader("here", **{unread: "x"})


def test_given_splits_are_called_by_their_names():
    with pytest.raises(CorpusError, match="given splits, test: empty; expected one sentence a"):
        Corpus.from_splits(["a"], ["b"], [])


def test_a_text_file_is_a_corpus(tmp_path):
    path = tmp_path / "text.txt"
    path.write_bytes("\r\n".join(phrases(200)).encode("utf-8-sig"))
    corpus = load_corpus(str(path), max_length=8, split=[0.5, 0.25, 0.25])
    assert sorted(texts(corpus)) == sorted(phrases(200))
    assert [len(getattr(corpus, s)) for s in SPLITS] == [100, 50, 50]


# -- splits ----------------------------------------------------------------------------------------


def test_equal_sentences_stay_in_one_split_and_are_all_kept():
    lines = [line for i, line in enumerate(phrases(300)) for _ in range(1 + i % 4)]
    corpus = Corpus.from_lines("some", lines)
    parts = [rows(corpus, split) for split in SPLITS]
    assert sum(map(len, parts)) == len(set.union(*parts)) == 300
    sizes = [len(getattr(corpus, split)) for split in SPLITS]
    assert sum(sizes) == len(lines) == 750
    assert all(abs(size - share) <= 4 for size, share in zip(sizes, (600, 75, 75), strict=True))


def test_sentences_equal_but_for_unknown_words_stay_together():
    lines = [f"{head} rare{i}" for i, head in enumerate(phrases(100) * 3)]
    corpus = Corpus.from_lines("some", lines, min_count=2)
    assert rows(corpus, "train").isdisjoint(rows(corpus, "test"))
    assert sum(len(rows(corpus, split)) for split in SPLITS) == 100


def test_the_seed_alone_decides_and_no_global_stream_is_touched():
    lines = phrases(150)
    before = torch.get_rng_state()
    torch.manual_seed(1)
    one = Corpus.from_lines("some", lines, seed=3)
    torch.manual_seed(2)
    state = torch.get_rng_state()
    two = Corpus.from_lines("some", lines, seed=3)
    assert torch.equal(torch.get_rng_state(), state)
    torch.set_rng_state(before)
    assert torch.equal(one.train, two.train)
    assert one.fingerprint == two.fingerprint
    other = Corpus.from_lines("some", lines, seed=4)
    assert rows(one, "test") != rows(other, "test")
    assert one.fingerprint != other.fingerprint
    # shuffled, not in the order of the file
    assert (
        one.decode(one.train)[:5] != [line for line in lines if line in one.decode(one.train)][:5]
    )


# -- what the text is worth ------------------------------------------------------------------------


def test_unigram_nll_by_hand():
    corpus = Corpus.from_splits(["a a b"], ["a b"], ["b"])
    # train has a a b <eos>; with one more for each of the three: a 3/7, b 2/7, <eos> 2/7
    assert corpus.unigram_nll() == pytest.approx(
        -(math.log(3 / 7) + 2 * math.log(2 / 7)) / 3, 1e-12
    )
    assert corpus.unigram_nll("test") == pytest.approx(-math.log(2 / 7), 1e-12)
    with pytest.raises(CorpusError, match="no split 'dev'"):
        corpus.unigram_nll("dev")


def test_an_honest_split_passes_the_audit():
    audit = Corpus.from_lines("some", phrases(2000), max_length=8).audit()
    assert audit.verdict == "same law"
    assert audit.size == 200
    assert all(0.9 < ratio < 1.1 for ratio in audit.ratios)
    assert audit.frame().loc[1, "ratio"] == audit.test[0] / audit.halves[0]
    assert "same law" in repr(audit)


def test_the_audit_catches_a_test_set_from_another_law():
    lines = sorted(phrases(2000), key=len)  # the long sentences become the test set
    audit = Corpus.from_splits(lines[:1600], lines[1600:1800], lines[1800:], max_length=8).audit()
    assert audit.verdict == "another law"
    assert "ratio above 1.1" in repr(audit)


def test_the_audit_catches_test_sentences_that_were_trained_on():
    lines = phrases(2000)
    audit = Corpus.from_splits(
        lines[:1600], lines[1600:1800], lines[1590:1800], max_length=8
    ).audit()
    assert (audit.verdict, audit.shared) == ("leaked", 10)


def test_the_audit_of_too_few_sentences_cannot_tell():
    audit = Corpus.from_lines("some", phrases(200), max_length=8).audit()
    assert audit.verdict == "cannot tell"
    assert "20 sentences a side; 50 are needed" in repr(audit)
    short = Corpus.from_splits(["a", "b", "c", "d"], ["e"], ["f", "g"]).audit()
    assert math.isnan(short.ratios[2])  # "a <eos>" has no three tokens
    assert short.verdict == "cannot tell"


def test_html_is_escaped():
    corpus = Corpus.from_splits(["a"], ["b"], ["c"], name="<script>")
    assert "<script>" not in corpus._repr_html_()
    assert "&lt;script&gt;" in corpus._repr_html_()


# -- the interpreter's documentation ---------------------------------------------------------------


def test_python_docs_have_ten_thousand_sentences_at_the_defaults(docs):
    parts = [rows(docs, split) for split in SPLITS]
    assert sum(map(len, parts)) == len(set.union(*parts)) >= 10_000
    assert docs.audit(repeats=2).verdict == "same law"
    assert docs.unigram_nll() < math.log(2000)


def test_python_docs_read_as_english(docs):
    sentences = texts(docs)
    assert all(re.search(r"[.!?]$", s) and len(s.split()) >= 4 for s in sentences)
    assert not [s for s in sentences if re.search(r"[`=<>{}\[\]_|\\@#$*]", s.replace("<unk>", ""))]
    common = sum(bool(re.search(r"\b(the|a|an|is|to|of|in|for|and|with)\b", s)) for s in sentences)
    assert common > 0.85 * len(sentences)


@pytest.mark.parametrize(
    ("sentence", "prose"),
    [
        ("Return the name of the file.", True),
        ("If the stream is closed, an error is raised.", True),
        ("Is it a file or a folder?", True),
        ("I don't think that this can happen!", True),
        ("return the name of the file.", False),  # begins in the middle
        ("Return the name of the file", False),
        ("Return the file.", False),  # three words
        ("Print sys.path to the terminal.", False),
        ("Set x = 3 in the file.", False),
        ("Call the_function with the file.", False),
        ("Read foo bar baz qux quux.", False),  # no common word
        ("Return the name (of the file.", False),
    ],
)
def test_what_counts_as_prose(sentence, prose):
    assert python_docs.is_prose(sentence) is prose


@pytest.mark.parametrize(
    ("marked", "plain"),
    [
        ("Changed in version 3.1: The field can be left out.", "The field can be left out."),
        ("The \"assert\" statement and the *path* of ``open()``.",
         "The assert statement and the path of open."),
        ("A :term:`file object <name>` is it — really [1].", "A file object is it - really."),
        ('It says "two words" here.', 'It says "two words" here.'),
    ],
)  # fmt: skip
def test_markup_is_not_read_aloud(marked, plain):
    assert python_docs.clean(marked) == plain


DOCUMENT = """\
Return the thing

Longer story that goes over
two lines. It ends here: ::

    Code. That looks like a sentence.

    More of it.

Heading
-------
:param path: The path to
    the thing.
* A point that is
  made. And another.
>>> A doctest. It is code.
'A result.'

name    type     A table row.
x       int      The next row.
"""


def test_documents_fall_into_paragraphs():
    assert list(python_docs.paragraphs(DOCUMENT)) == [
        "Return the thing",
        "Longer story that goes over two lines. It ends here: ::",
        "The path to the thing.",
        "A point that is made. And another.",
    ]


def test_a_damaged_or_unwritable_cache_costs_time_only(tmp_path, monkeypatch):
    monkeypatch.setattr(python_docs, "extract", lambda: ["It was read afresh."])
    monkeypatch.setenv("TEXTGAN_LAB_CACHE", str(tmp_path))
    assert python_docs.sentences() == ["It was read afresh."]
    (cached,) = tmp_path.iterdir()  # no scratch file stays
    cached.write_text('["torn')
    assert python_docs.sentences() == ["It was read afresh."]
    cached.write_text('["From the cache."]')
    assert python_docs.sentences() == ["From the cache."]
    monkeypatch.setenv("TEXTGAN_LAB_CACHE", str(cached / "below a file"))
    assert python_docs.sentences() == ["It was read afresh."]


def test_an_interpreter_without_sources_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(python_docs, "library", lambda: tmp_path)
    with pytest.raises(CorpusError, match="no source files of the standard library"):
        list(python_docs.documents())


# -- published texts -------------------------------------------------------------------------------


@given(COCO)
def test_captions_from_a_given_file():
    corpus = load_corpus("coco-captions", path=COCO)
    assert corpus.notes == []
    assert corpus.counts["lines"] == 10_000
    assert corpus.audit().verdict == "same law"
    assert "a room with blue walls and a white sink and door ." in texts(corpus)


@given(TANG)
def test_poems_from_a_given_file():
    corpus = load_corpus("tang-poems", path=TANG)
    assert corpus.notes == []
    assert sum(len(getattr(corpus, split)) for split in SPLITS) == 16_394
    assert (corpus.train[:, -1] == 2).all()  # always 24 characters
    assert corpus.encode("秦川雄帝宅，函谷壮皇居。绮殿千寻起，离宫百雉余。").min() > 1
    assert load_corpus("tang-poems", path=TANG, level="word").length == 25


def test_poems_are_read_by_character_without_the_spaces(tmp_path):
    path = tmp_path / "own.txt"
    lines = [" ".join(line.replace(" ", "")) + " " for line in phrases(100) if len(line) < 24]
    path.write_text("\n".join(lines * 2), encoding="utf-8")
    poems = load_corpus("tang-poems", path=path, min_count=1)
    assert " " not in poems.vocabulary
    assert poems.encode(lines[0].replace(" ", "")).eq(2).sum() == 1


def test_a_given_file_that_differs_is_used_and_noted(tmp_path):
    path = tmp_path / "own.txt"
    path.write_text("\n".join(phrases(100)))
    corpus = load_corpus("coco-captions", path=path)
    assert "differs from the published image_coco.txt" in corpus.notes[0]
    assert "note        " in corpus.report
