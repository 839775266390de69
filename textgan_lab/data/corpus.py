"""Real text as rows of token ids: read, counted, split without leaks, audited."""

import functools
import hashlib
import html
import inspect
import itertools
import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from pathlib import Path

import torch

from . import python_docs as documentation
from .audit import Audit, audit
from .law import EOS, PAD, SPECIALS, UNK
from .reading import Reading
from .sources import CORPORA, CorpusError, download, file_sha256, read_lines
from .splits import SHARES, SPLITS, Division


class Corpus:
    """A text as data to train on: ids [n, T] per split, each sentence closed by one <eos>.

    T is ``max_length + 1``. A sentence of more tokens is left out and counted, never cut. Words
    without an id become <unk>. Nobody knows the law of a real text, so ``law`` is None.
    """

    kind = "text"
    law = None
    reads: type[Reading] = Reading  # how its lines are read
    title = "Corpus"  # of its report

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
        self.given, self.length = reading.given, reading.length

    @classmethod
    def from_lines(
        cls,
        name: str,
        lines: Iterable[str],
        notes: Sequence[str] = (),
        *,
        seed: int = 0,
        split: Sequence[float] = SHARES,
        **reading,
    ) -> "Corpus":
        """Return a corpus of ``lines``, shuffled by ``seed`` and split into the given shares.

        Equal sentences stay together, so none stands in two splits. The vocabulary is counted
        before the split: two sentences that differ in unknown words alone are equal to a model.
        ``reading`` are the fields of `Reading`.

        Raises:
            CorpusError: an impossible option, or fewer than `LEAST` usable sentences.
        """
        reading, division = cls.reads(**reading), Division(seed, split)
        vocabulary, (rows,), counts = reading.read({name: lines})
        splits = division.of(name, rows, rows, "sentences")
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
        reading, texts = cls.reads(**reading), (train, validation, test)
        named = {f"{name}, {part}": lines for part, lines in zip(SPLITS, texts, strict=True)}
        vocabulary, rows, counts = reading.read(named, least=1)
        return cls(name, reading, vocabulary, dict(zip(SPLITS, rows, strict=True)), counts)

    @property
    def vocab_size(self) -> int:
        """How many ids there are, the four specials included."""
        return len(self.vocabulary)

    @cached_property
    def support(self) -> torch.Tensor:
        """Which ids can be written: bool [V], never <pad> or <bos>, nor what prompts alone say."""
        seen = torch.zeros(self.vocab_size, dtype=torch.bool)
        for split in SPLITS:
            seen[self._written(split).unique()] = True
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
        return self.reading.rows(zip(split, strict=True), self.vocabulary)

    def decode(self, ids: torch.Tensor) -> list[str] | str:
        """Return the text before the first <eos>: ids [n, T] -> list, ids [T] -> one string."""
        if ids.dim() == 2:
            return [self.decode(row) for row in ids]
        tokens = itertools.takewhile(lambda i: i != EOS, ids.tolist())
        return self.reading.joiner.join(self.vocabulary[i] for i in tokens)

    def unigram_nll(self, split: str = "validation") -> float:
        """Return what a model without context scores: nats per token, <eos> counted, <pad> not.

        Formula  p(w) = (count of w in train + 1) / (tokens of train + ids that can be written); of
                 pairs only replies count
        A sequence model that does not score below this has learnt no order of words.
        """
        if split not in SPLITS:
            raise CorpusError(f"{self.name}: no split {split!r}; there are: {', '.join(SPLITS)}")
        written = self._written("train").flatten()
        counts = torch.bincount(written, minlength=self.vocab_size).double()
        smoothed = (counts + 1)[self.support]
        log_p = torch.full((self.vocab_size,), -torch.inf, dtype=torch.float64)
        log_p[self.support] = (smoothed / smoothed.sum()).log()
        ids = self._written(split)
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
        known = ((ids > UNK).sum() / (ids > EOS).sum()).item()
        lines = {
            **self._described(ids),
            "vocabulary": f"{self.vocab_size - len(SPECIALS):,} of {self.counts['tokens']:,} "
            f"{self.reading.unit} and {len(SPECIALS)} specials; {known:.1%} of the text is "
            f"covered, {1 - known:.1%} is <unk>",
            "splits": self._sizes(),
        }
        rows = [(self.title, repr(self.name)), *lines.items(), *(("note", n) for n in self.notes)]
        return "\n".join(f"{what:<11} {said}" for what, said in rows)

    def _described(self, ids: torch.Tensor) -> dict[str, str]:
        """Return what the report says of all rows, by what it is about."""
        counts = self.counts
        return {
            "read": f"{counts['lines']:,} lines: {len(ids):,} used, {counts['long']:,} longer than "
            f"{self.reading.max_length} {self.reading.unit}, {counts['blank']:,} blank",
            "distinct": f"{len(ids.unique(dim=0)):,} sentences, as ids",
            "length": f"{self._lengths(ids)}, without <eos>",
        }

    def _sizes(self) -> str:
        return ", ".join(f"{split} {len(getattr(self, split)):,}" for split in SPLITS)

    def _lengths(self, ids: torch.Tensor) -> str:
        lengths, unit = (ids > EOS).sum(1).double(), self.reading.unit
        return f"{lengths.min():.0f} to {lengths.max():.0f} {unit}, mean {lengths.mean():.1f}"

    def _written(self, split: str) -> torch.Tensor:
        """Return what a generator writes of a split's rows: all but prompts."""
        return getattr(self, split)[:, self.given :]

    def __repr__(self) -> str:
        return self.report

    def _repr_html_(self) -> str:
        return f'<pre style="font-family:monospace">{html.escape(self.report)}</pre>'


def loads(kind: type[Corpus], **defaults) -> Callable:
    """Return a decorator for loaders: one takes, by keyword, every option of ``kind.from_lines``.

    The loader is handed all of them; ``defaults`` replace those of ``kind``.
    """
    own = inspect.signature(kind.from_lines).parameters.values()
    options = {
        **inspect.signature(kind.reads).parameters,
        **{option.name: option for option in own if option.kind is option.KEYWORD_ONLY},
    }
    options = [
        option.replace(kind=option.KEYWORD_ONLY, default=defaults.get(option.name, option.default))
        for option in options.values()
    ]

    def decorate(load: Callable) -> Callable:
        signature = inspect.signature(load)
        asked = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
        signature = signature.replace(parameters=sorted([*options, *asked], key=lambda p: p.kind))

        @functools.wraps(load)
        def loader(*args, **kwargs):
            bound = signature.bind(*args, **kwargs)
            bound.apply_defaults()
            return load(*bound.args, **bound.kwargs)

        loader.__signature__ = signature
        return loader

    return decorate


@loads(Corpus)
def text_file(path: str | os.PathLike, **options) -> Corpus:
    """Return the corpus in a UTF-8 text file, one sentence a line."""
    return Corpus.from_lines(str(path), read_lines(path), **options)


@CORPORA.register("python-docs")
@loads(Corpus)
def python_docs(**options) -> Corpus:
    """English sentences from this interpreter's own documentation; needs no network."""
    return Corpus.from_lines("python-docs", documentation.sentences(), **options)


@CORPORA.register("coco-captions")
@loads(Corpus)
def coco_captions(*, path: str | os.PathLike | None = None, **options) -> Corpus:
    """10,000 English image captions (COCO, as published with Texygen); downloaded once."""
    return Corpus.from_lines("coco-captions", *_published(COCO, path), **options)


@CORPORA.register("tang-poems")
@loads(Corpus, level="char", max_length=24, vocab_size=4000)
def tang_poems(*, path: str | os.PathLike | None = None, **options) -> Corpus:
    """16,394 Chinese couplets of the Tang, 24 characters each (Texygen); downloaded once."""
    lines, notes = _published(TANG, path)
    if options["level"] == "char":  # the file parts its characters by spaces
        lines = (line.replace(" ", "") for line in lines)
    return Corpus.from_lines("tang-poems", lines, notes, **options)


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
