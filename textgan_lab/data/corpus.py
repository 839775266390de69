"""Real text as rows of token ids: read, counted, split without leaks, audited."""

import hashlib
import html
import itertools
import json
import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

from . import python_docs as documentation
from .audit import Audit, audit
from .law import EOS, PAD, SPECIALS, UNK
from .sources import CORPORA, CorpusError, download, file_sha256, read_lines

LEAST = 100  # usable sentences; below that no split is worth measuring on (ours)
SPLITS = ("train", "validation", "test")
SHARES = (0.8, 0.1, 0.1)

# A number with its separators, a word with its apostrophes and hyphens, or one other mark.
_TOKEN = re.compile(r"\d+(?:[.,]\d+)+|\w+(?:['’\-]\w+)*|[^\w\s]")


@dataclass(frozen=True)
class Reading:
    """How text becomes tokens, and which tokens become ids.

    ``level`` is "word" or "char"; ``max_length`` the most tokens of a sentence, without <eos>;
    ``vocab_size`` the most ids, the four specials included; ``min_count`` the fewest occurrences
    that earn an id.
    """

    level: str = "word"
    max_length: int = 16
    vocab_size: int = 2000
    min_count: int = 1
    lowercase: bool = True

    def __post_init__(self):
        if self.level not in ("word", "char"):
            raise CorpusError(f"level: expected 'word' or 'char', got {self.level!r}")
        for name, least in (("max_length", 1), ("vocab_size", 10), ("min_count", 1)):
            _whole(name, getattr(self, name), least)
        if not isinstance(self.lowercase, bool):
            raise CorpusError(f"lowercase: expected true or false, got {self.lowercase!r}")

    def tokens(self, sentence: str) -> list[str]:
        """Return the tokens of a sentence; white space separates and is never a word.

        >>> Reading().tokens("It's a well-known 3.5 litre engine, isn't it?")
        ["it's", 'a', 'well-known', '3.5', 'litre', 'engine', ',', "isn't", 'it', '?']
        """
        sentence = sentence.lower() if self.lowercase else sentence
        if self.level == "char":
            return list(" ".join(sentence.split()))
        return _TOKEN.findall(sentence)

    @property
    def unit(self) -> str:
        """What a token is called in a sentence about it."""
        return "words" if self.level == "word" else "characters"


class Corpus:
    """A text as data to train on: ids [n, T] per split, each sentence closed by one <eos>.

    T is ``max_length + 1``. A sentence of more tokens is left out and counted, never cut. Words
    without an id become <unk>. Nobody knows the law of a real text, so ``law`` is None.
    """

    kind = "text"
    law = None

    def __init__(
        self,
        name: str,
        reading: Reading,
        vocabulary: list[str],
        splits: dict[str, torch.Tensor],
        counts: Counter,
        notes: Sequence[str] = (),
    ):
        self.name, self.reading, self.vocabulary = name, reading, vocabulary
        self.train, self.validation, self.test = (splits[split] for split in SPLITS)
        self.counts, self.notes = counts, list(notes)
        self.length = reading.max_length + 1

    @classmethod
    def from_lines(
        cls,
        name: str,
        lines: Iterable[str],
        *,
        seed: int = 0,
        split: Sequence[float] = SHARES,
        notes: Sequence[str] = (),
        **reading,
    ) -> "Corpus":
        """Return a corpus of ``lines``, shuffled by ``seed`` and split into the given shares.

        Equal sentences stay together, so none stands in two splits. The vocabulary is counted
        before the split: two sentences that differ in unknown words alone are equal to a model.
        ``reading`` are the fields of `Reading`.

        Raises:
            CorpusError: an impossible option, or fewer than `LEAST` usable sentences.
        """
        reading = Reading(**reading)
        _whole("seed", seed, 0)
        shares = _shares(split)
        sentences, counts = _usable(name, lines, reading)
        vocabulary = _vocabulary(sentences, reading, counts)
        rows = _rows(sentences, vocabulary, reading.max_length + 1)
        splits = _split(name, rows, shares, torch.Generator().manual_seed(seed))
        return cls(name, reading, vocabulary, splits, counts, notes)

    @classmethod
    def from_splits(
        cls,
        train: Iterable[str],
        validation: Iterable[str],
        test: Iterable[str],
        *,
        name: str = "given splits",
        **reading,
    ) -> "Corpus":
        """Return a corpus of three texts as they are given; `audit` tells what they are worth."""
        reading = Reading(**reading)
        sets, counts = [], Counter()
        for lines in (train, validation, test):
            sentences, counted = _usable(name, lines, reading, least=1)
            sets.append(sentences)
            counts.update(counted)
        vocabulary = _vocabulary(itertools.chain(*sets), reading, counts)
        rows = [_rows(sentences, vocabulary, reading.max_length + 1) for sentences in sets]
        return cls(name, reading, vocabulary, dict(zip(SPLITS, rows, strict=True)), counts)

    @property
    def vocab_size(self) -> int:
        """How many ids there are, the four specials included."""
        return len(self.vocabulary)

    @cached_property
    def support(self) -> torch.Tensor:
        """Which ids can stand in a sentence: bool [V], never <pad> or <bos>."""
        seen = torch.zeros(self.vocab_size, dtype=torch.bool)
        for split in SPLITS:
            seen[getattr(self, split).unique()] = True
        seen[PAD] = False
        return seen

    def tokens(self, sentence: str) -> list[str]:
        """Return the tokens of a sentence, as this corpus counts them."""
        return self.reading.tokens(sentence)

    def encode(self, sentences: Sequence[str] | str) -> torch.Tensor:
        """Return ids: sentences -> [n, T], one sentence -> [T]; a token without an id is <unk>.

        Raises:
            CorpusError: a sentence of more than ``max_length`` tokens.
        """
        if isinstance(sentences, str):
            return self.encode([sentences])[0]
        split = [self.tokens(sentence) for sentence in sentences]
        for sentence, tokens in zip(sentences, split, strict=True):
            if len(tokens) >= self.length:
                raise CorpusError(
                    f"{self.name}: {sentence!r} has {len(tokens)} {self.reading.unit}, more than "
                    f"max_length={self.length - 1}"
                )
        return _rows(split, self.vocabulary, self.length)

    def decode(self, ids: torch.Tensor) -> list[str] | str:
        """Return the text before the first <eos>: ids [n, T] -> list, ids [T] -> one string."""
        if ids.dim() == 2:
            return [self.decode(row) for row in ids]
        tokens = itertools.takewhile(lambda i: i != EOS, ids.tolist())
        joiner = " " if self.reading.level == "word" else ""
        return joiner.join(self.vocabulary[i] for i in tokens)

    def unigram_nll(self, split: str = "validation") -> float:
        """Return what a model without context scores: nats per token, <eos> counted, <pad> not.

        Formula  p(w) = (count of w in train + 1) / (tokens of train + ids that can occur)
        A sequence model that does not score below this has learnt no order of words.
        """
        if split not in SPLITS:
            raise CorpusError(f"{self.name}: no split {split!r}; there are: {', '.join(SPLITS)}")
        counts = torch.bincount(self.train.flatten(), minlength=self.vocab_size).double()
        smoothed = (counts + 1)[self.support]
        log_p = torch.full((self.vocab_size,), -torch.inf, dtype=torch.float64)
        log_p[self.support] = (smoothed / smoothed.sum()).log()
        ids = getattr(self, split)
        return -log_p[ids[ids != PAD]].mean().item()

    def audit(self, *, repeats: int = 8, seed: int = 0) -> Audit:
        """Return how the test split compares with train, by n-grams and shared sentences."""
        return audit(self.name, self.train, self.test, repeats=repeats, seed=seed)

    @cached_property
    def fingerprint(self) -> str:
        """The sha256 of vocabulary, level and splits, in hex."""
        digest = hashlib.sha256(json.dumps([self.reading.level, self.vocabulary]).encode())
        for split in SPLITS:
            ids = getattr(self, split)
            digest.update(f"{split} {tuple(ids.shape)}".encode())
            digest.update(ids.numpy().astype("<i8").tobytes())
        return digest.hexdigest()

    @property
    def report(self) -> str:
        """What was read, dropped and why, covered and split, as plain text."""
        ids = torch.cat([getattr(self, split) for split in SPLITS])
        lengths = (ids > EOS).sum(1).double()
        known = ((ids > UNK).sum() / (ids > EOS).sum()).item()
        unit, counts = self.reading.unit, self.counts
        sizes = ", ".join(f"{split} {len(getattr(self, split)):,}" for split in SPLITS)
        lines = {
            "read": f"{counts['lines']:,} lines: {len(ids):,} used, {counts['long']:,} longer than "
            f"{self.length - 1} {unit}, {counts['blank']:,} blank",
            "distinct": f"{len(ids.unique(dim=0)):,} sentences, as ids",
            "length": f"{lengths.min():.0f} to {lengths.max():.0f} {unit}, "
            f"mean {lengths.mean():.1f}, without <eos>",
            "vocabulary": f"{self.vocab_size - len(SPECIALS):,} of {counts['tokens']:,} {unit} "
            f"and {len(SPECIALS)} specials; {known:.1%} of the text is covered, "
            f"{1 - known:.1%} is <unk>",
            "splits": sizes,
        }
        rows = [("Corpus", repr(self.name)), *lines.items(), *(("note", n) for n in self.notes)]
        return "\n".join(f"{what:<11} {said}" for what, said in rows)

    def __repr__(self) -> str:
        return self.report

    def _repr_html_(self) -> str:
        return f'<pre style="font-family:monospace">{html.escape(self.report)}</pre>'


def _whole(name: str, value: int, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise CorpusError(f"{name}: expected a whole number from {least}, got {value!r}")


def _shares(split: Sequence[float]) -> list[float]:
    """Return the three shares; raise `CorpusError` unless they are positive and make a whole."""
    try:
        shares = [float(share) for share in split]
    except (TypeError, ValueError):
        shares = []
    if len(shares) != 3 or not all(s > 0 for s in shares) or abs(sum(shares) - 1) > 1e-6:
        raise CorpusError(
            f"split: expected three positive shares (train, validation, test) that sum to 1, "
            f"got {split!r}"
        )
    return shares


def _usable(
    name: str, lines: Iterable[str], reading: Reading, least: int = LEAST
) -> tuple[list[list[str]], Counter]:
    """Return the sentences that fit, as tokens, and what was counted on the way."""
    counts = Counter(lines=0, blank=0, long=0)
    sentences, lengths = [], []
    for line in lines:
        counts["lines"] += 1
        tokens = reading.tokens(line)
        if not tokens:
            counts["blank"] += 1
            continue
        lengths.append(len(tokens))
        if len(tokens) > reading.max_length:
            counts["long"] += 1
        else:
            sentences.append(tokens)
    if not counts["lines"]:
        raise CorpusError(f"{name}: empty; expected one sentence a line, {least} at least")
    if len(sentences) < least:
        remedy = (
            f"; half have more than {int(np.median(lengths))}, so raise max_length"
            if counts["long"] >= len(lengths) / 2 > 0
            else ""
        )
        raise CorpusError(
            f"{name}: {len(sentences)} usable sentences, {least} are needed; of "
            f"{counts['lines']:,} lines {counts['blank']:,} are blank and {counts['long']:,} have "
            f"more than max_length={reading.max_length} {reading.unit}{remedy}"
        )
    return sentences, counts


def _vocabulary(sentences: Iterable[list[str]], reading: Reading, counts: Counter) -> list[str]:
    """Return the specials, then tokens by falling count; add to ``counts`` how many there were."""
    occurring = Counter(itertools.chain.from_iterable(sentences))
    counts["tokens"] = len(occurring)
    kept = [token for token, count in occurring.items() if count >= reading.min_count]
    kept.sort(key=lambda token: (-occurring[token], token))  # ties by code point
    return [*SPECIALS, *kept[: reading.vocab_size - len(SPECIALS)]]


def _rows(sentences: list[list[str]], vocabulary: list[str], length: int) -> torch.Tensor:
    """Return ids [n, T] int64: tokens, one <eos>, then <pad>."""
    ids = {token: i for i, token in enumerate(vocabulary) if i >= len(SPECIALS)}
    rows = np.full((len(sentences), length), PAD, np.int64)
    for row, tokens in zip(rows, sentences, strict=True):
        row[: len(tokens)] = [ids.get(token, UNK) for token in tokens]
        row[len(tokens)] = EOS
    return torch.from_numpy(rows)


def _split(
    name: str, rows: torch.Tensor, shares: list[float], generator: torch.Generator
) -> dict[str, torch.Tensor]:
    """Return shuffled splits; equal rows form one group, and a group is never divided."""
    distinct, group, sizes = rows.unique(dim=0, return_inverse=True, return_counts=True)
    order = torch.randperm(len(distinct), generator=generator)
    ends = sizes[order].cumsum(0).double()
    middles = (ends - sizes[order] / 2) / len(rows)  # where a group stands on the way from 0 to 1
    bounds = torch.tensor(shares, dtype=torch.float64).cumsum(0)[:2]
    split_of = torch.empty(len(distinct), dtype=torch.int64)
    split_of[order] = torch.bucketize(middles, bounds)
    shuffled = torch.randperm(len(rows), generator=generator)
    splits = {s: rows[shuffled[split_of[group[shuffled]] == i]] for i, s in enumerate(SPLITS)}
    for split, ids in splits.items():
        if not len(ids):
            raise CorpusError(
                f"{name}: {len(distinct)} distinct sentences leave nothing for {split}; equal "
                f"sentences are kept together, so give more different ones"
            )
    return splits


def text_file(
    path: str | os.PathLike,
    *,
    level: str = "word",
    max_length: int = 16,
    vocab_size: int = 2000,
    min_count: int = 1,
    lowercase: bool = True,
    seed: int = 0,
    split: Sequence[float] = SHARES,
) -> Corpus:
    """Return the corpus in a UTF-8 text file, one sentence a line."""
    options = dict(locals())  # the arguments, by name
    return Corpus.from_lines(str(options.pop("path")), read_lines(path), **options)


@CORPORA.register("python-docs")
def python_docs(
    *,
    level: str = "word",
    max_length: int = 16,
    vocab_size: int = 2000,
    min_count: int = 1,
    lowercase: bool = True,
    seed: int = 0,
    split: Sequence[float] = SHARES,
) -> Corpus:
    """English sentences from this interpreter's own documentation; needs no network."""
    options = dict(locals())
    return Corpus.from_lines("python-docs", documentation.sentences(), **options)


@CORPORA.register("coco-captions")
def coco_captions(
    *,
    level: str = "word",
    max_length: int = 16,
    vocab_size: int = 2000,
    min_count: int = 1,
    lowercase: bool = True,
    seed: int = 0,
    split: Sequence[float] = SHARES,
    path: str | os.PathLike | None = None,
) -> Corpus:
    """10,000 English image captions (COCO, as published with Texygen); downloaded once."""
    options = dict(locals())
    lines, notes = _published(COCO, options.pop("path"))
    return Corpus.from_lines("coco-captions", lines, notes=notes, **options)


@CORPORA.register("tang-poems")
def tang_poems(
    *,
    level: str = "char",
    max_length: int = 24,
    vocab_size: int = 4000,
    min_count: int = 1,
    lowercase: bool = True,
    seed: int = 0,
    split: Sequence[float] = SHARES,
    path: str | os.PathLike | None = None,
) -> Corpus:
    """16,394 Chinese couplets of the Tang, 24 characters each (Texygen); downloaded once."""
    options = dict(locals())
    lines, notes = _published(TANG, options.pop("path"))
    if level == "char":  # the file parts its characters by spaces
        lines = (line.replace(" ", "") for line in lines)
    return Corpus.from_lines("tang-poems", lines, notes=notes, **options)


COCO = ("image_coco.txt", "2c0fd1f0f43aac6a9dc3926a535516ccf395de535e15ac1fd17cd569420736f5")
TANG = ("shi.txt", "ac03c5fbb07776f0e43cb1ccfc74732f5313ab3d832df81c8e0db327df35e666")


def _published(
    published: tuple[str, str], path: str | os.PathLike | None
) -> tuple[Iterable[str], list[str]]:
    """Return the lines of a published file, from ``path`` or the network, and what to know."""
    file, expected = published
    if path is None:
        return read_lines(download(file, expected)), []
    notes = []
    if Path(path).expanduser().is_file() and file_sha256(Path(path).expanduser()) != expected:
        notes = [f"{path} differs from the published {file} (sha256 {expected[:12]}...)"]
    return read_lines(path), notes
