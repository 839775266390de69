"""Real pairs of a prompt and a reply as rows of token ids: one tab-separated pair a line."""

import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cached_property

import torch

from .audit import Audit, audit
from .corpus import LEAST, SHARES, SPLITS, Corpus, Reading, _shares, _vocabulary, _whole
from .law import EOS, PAD, SPECIALS, UNK
from .pairs import pair_rows, pair_text
from .sources import CorpusError, read_lines

APART = ("prompts", "pairs")  # what never stands in two splits
Pair = tuple[list[str], list[str]]  # the tokens of a prompt and of a reply


class PairedCorpus(Corpus):
    """Pairs as data to train on: rows [n, given + T] per split, [prompt | reply].

    The prompt takes the first ``given`` columns, padded on its left; the reply is closed by one
    <eos>. ``given`` is ``max_prompt``, T is ``max_length + 1``. A pair with a longer side is left
    out and counted, never cut. Prompts and replies share one vocabulary; words without an id become
    <unk>. Nobody knows the law of real replies, so ``law`` is None.
    """

    def __init__(
        self,
        name: str,
        reading: Reading,
        max_prompt: int,
        vocabulary: list[str],
        splits: dict[str, torch.Tensor],
        counts: Counter,
        notes: Sequence[str] = (),
    ):
        super().__init__(name, reading, vocabulary, splits, counts, notes)
        self.given = max_prompt
        self.length += max_prompt

    @classmethod
    def from_lines(
        cls,
        name: str,
        lines: Iterable[str],
        *,
        seed: int = 0,
        split: Sequence[float] = SHARES,
        apart: str = "prompts",
        max_prompt: int = 16,
        notes: Sequence[str] = (),
        **reading,
    ) -> "PairedCorpus":
        """Return the pairs in ``lines``, prompt and reply parted by one tab, shuffled and split.

        ``apart`` is what never stands in two splits: "prompts", so that held-out prompts are new to
        the generator and a prompt with many replies keeps them together; or "pairs", for prompts so
        few that each must be trained on. ``reading`` are the fields of `Reading`, whose
        ``max_length`` is that of replies.

        Raises:
            CorpusError: a line that is no pair, by its number; an impossible option; fewer than
                `LEAST` usable pairs.
        """
        reading = Reading(**reading)
        for option, value, least in (("seed", seed, 0), ("max_prompt", max_prompt, 1)):
            _whole(option, value, least)
        if apart not in APART:
            raise CorpusError(f"apart: expected {' or '.join(map(repr, APART))}, got {apart!r}")
        shares = _shares(split)
        pairs, counts = _usable(name, lines, reading, max_prompt)
        vocabulary = _vocabulary((p + r for p, r in pairs), reading, counts)
        rows = _rows(pairs, vocabulary, max_prompt, reading.max_length + 1)
        keys = rows[:, :max_prompt] if apart == "prompts" else rows
        splits = _split(name, rows, keys, apart, shares, torch.Generator().manual_seed(seed))
        return cls(name, reading, max_prompt, vocabulary, splits, counts, notes)

    @classmethod
    def from_splits(
        cls,
        train: Iterable[str],
        validation: Iterable[str],
        test: Iterable[str],
        *,
        name: str = "given splits",
        max_prompt: int = 16,
        **reading,
    ) -> "PairedCorpus":
        """Return the pairs of three texts as they are given; `audit` tells what they are worth."""
        reading = Reading(**reading)
        _whole("max_prompt", max_prompt, 1)
        sets, counts = {}, Counter()
        for part, lines in zip(SPLITS, (train, validation, test), strict=True):
            sets[part], found = _usable(f"{name}, {part}", lines, reading, max_prompt, least=1)
            counts.update(found)
        said = (p + r for pairs in sets.values() for p, r in pairs)
        vocabulary = _vocabulary(said, reading, counts)
        splits = {
            part: _rows(pairs, vocabulary, max_prompt, reading.max_length + 1)
            for part, pairs in sets.items()
        }
        return cls(name, reading, max_prompt, vocabulary, splits, counts)

    @cached_property
    def support(self) -> torch.Tensor:
        """Which ids can stand in a reply: bool [V], never <pad> or <bos>."""
        seen = torch.zeros(self.vocab_size, dtype=torch.bool)
        for part in SPLITS:
            seen[getattr(self, part)[:, self.given :].unique()] = True
        seen[PAD] = False
        return seen

    def encode(self, pairs: Sequence[tuple[str, str]] | tuple[str, str]) -> torch.Tensor:
        """Return rows of (prompt, reply): pairs -> [n, length], one pair -> [length].

        Raises:
            CorpusError: a side with more tokens than fit, or without any.
        """
        if pairs and isinstance(pairs[0], str):
            return self.encode([pairs])[0]
        limits = self.given, self.reading.max_length
        sides = [tuple(self.tokens(side) for side in pair) for pair in pairs]
        for pair, tokens in zip(pairs, sides, strict=True):
            for what, text, words, most in zip(
                ("prompt", "reply"), pair, tokens, limits, strict=True
            ):
                if not 1 <= len(words) <= most:
                    raise CorpusError(
                        f"{self.name}: the {what} {text!r} has {len(words)} {self.reading.unit}, "
                        f"expected 1 to {most}"
                    )
        return _rows(sides, self.vocabulary, self.given, self.length - self.given)

    def decode(self, ids: torch.Tensor) -> list[str] | str:
        """Return ``prompt | reply``: rows [n, length] -> list, one row -> one string."""
        if ids.dim() == 2:
            return [self.decode(row) for row in ids]
        joiner = " " if self.reading.level == "word" else ""
        return pair_text(ids, self.given, self.vocabulary, joiner)

    def unigram_nll(self, split: str = "validation") -> float:
        """Return what a model without context scores: nats per token of replies, <eos> counted.

        Formula  p(w) = (count of w in replies of train + 1) / (their tokens + ids that can occur)
        """
        if split not in SPLITS:
            raise CorpusError(f"{self.name}: no split {split!r}; there are: {', '.join(SPLITS)}")
        said = self.train[:, self.given :].flatten()
        smoothed = (torch.bincount(said, minlength=self.vocab_size).double() + 1) * self.support
        log_p = (smoothed / smoothed.sum()).log()
        ids = getattr(self, split)[:, self.given :]
        return -log_p[ids[ids != PAD]].mean().item()

    def audit(self, *, repeats: int = 8, seed: int = 0) -> Audit:
        """Return how test compares with train, by n-grams of whole pairs and by shared pairs.

        Where no prompt stands in both, one pair a prompt is compared: two halves of train would
        share prompts, which train and test do not.
        """
        ours, theirs = train, test = self.train, self.test
        if not self.shared_prompts:
            ours, theirs = (_one_a_prompt(rows, self.given) for rows in (train, test))
        found = audit(self.name, *map(_unpadded, (ours, theirs)), repeats=repeats, seed=seed)
        both = set(map(tuple, train.tolist())) & set(map(tuple, test.tolist()))
        return replace(found, shared=len(both))

    @property
    def shared_prompts(self) -> int:
        """How many distinct prompts of the test split stand in train too."""
        ours, theirs = (
            set(map(tuple, ids[:, : self.given].tolist())) for ids in (self.train, self.test)
        )
        return len(ours & theirs)

    @cached_property
    def fingerprint(self) -> str:
        """The sha256 of vocabulary, level, splits and where replies begin, in hex."""
        return hashlib.sha256(f"{self.given} {super().fingerprint}".encode()).hexdigest()

    @property
    def report(self) -> str:
        """What was read, dropped and why, covered and split, as plain text."""
        rows = torch.cat([getattr(self, part) for part in SPLITS])
        prompts, replies = rows[:, : self.given], rows[:, self.given :]
        known = ((rows > UNK).sum() / ((rows > EOS).sum())).item()
        unit, counts = self.reading.unit, self.counts
        asked = len(prompts.unique(dim=0))
        lines = {
            "read": f"{counts['lines']:,} lines: {len(rows):,} used, {counts['long']:,} with a "
            f"prompt longer than {self.given} {unit} or a reply longer than "
            f"{self.reading.max_length}, {counts['blank']:,} blank",
            "distinct": f"{len(rows.unique(dim=0)):,} pairs of {asked:,} prompts, as ids",
            "prompts": _lengths(prompts, unit),
            "replies": f"{_lengths(replies, unit)}, without <eos>",
            "vocabulary": f"{self.vocab_size - len(SPECIALS):,} of {counts['tokens']:,} {unit} "
            f"and {len(SPECIALS)} specials; {known:.1%} of the text is covered, "
            f"{1 - known:.1%} is <unk>",
            "splits": ", ".join(f"{part} {len(getattr(self, part)):,}" for part in SPLITS)
            + f"; {self.shared_prompts:,} prompts of test stand in train too",
        }
        said = [("Pairs", repr(self.name)), *lines.items(), *(("note", n) for n in self.notes)]
        return "\n".join(f"{what:<11} {text}" for what, text in said)


def _usable(
    name: str, lines: Iterable[str], reading: Reading, max_prompt: int, least: int = LEAST
) -> tuple[list[Pair], Counter]:
    """Return the pairs that fit, as tokens, and what was counted on the way."""
    counts, pairs = Counter(lines=0, blank=0, long=0), []
    for number, line in enumerate(lines, 1):
        counts["lines"] += 1
        if not line.strip():
            counts["blank"] += 1
            continue
        sides = line.split("\t")
        if len(sides) != 2:
            raise CorpusError(
                f"{name}, line {number}: expected a prompt, one tab and a reply, got "
                f"{len(sides) - 1} tabs in {_short(line)}"
            )
        prompt, reply = map(reading.tokens, sides)
        for what, tokens in (("prompt", prompt), ("reply", reply)):
            if not tokens:
                raise CorpusError(f"{name}, line {number}: an empty {what} in {_short(line)}")
        if len(prompt) > max_prompt or len(reply) > reading.max_length:
            counts["long"] += 1
        else:
            pairs.append((prompt, reply))
    if not counts["lines"]:
        raise CorpusError(f"{name}: empty; expected one pair a line, {least} at least")
    if len(pairs) < least:
        raise CorpusError(
            f"{name}: {len(pairs)} usable pairs, {least} are needed; of {counts['lines']:,} lines "
            f"{counts['blank']:,} are blank and {counts['long']:,} have more than "
            f"max_prompt={max_prompt} or max_length={reading.max_length} {reading.unit}"
        )
    return pairs, counts


def _short(line: str) -> str:
    return repr(line if len(line) <= 60 else f"{line[:57]}...")


def _rows(pairs: Iterable[Pair], vocabulary: list[str], given: int, written: int) -> torch.Tensor:
    """Return rows of ids: a token without an id, or spelt like a special one, is <unk>."""
    ids = {token: i for i, token in enumerate(vocabulary) if i >= len(SPECIALS)}
    known = [[[ids.get(token, UNK) for token in side] for side in pair] for pair in pairs]
    return pair_rows(known, given, given + written)


def _split(
    name: str,
    rows: torch.Tensor,
    keys: torch.Tensor,
    apart: str,
    shares: list[float],
    generator: torch.Generator,
) -> dict[str, torch.Tensor]:
    """Return shuffled splits; rows with equal keys form one group, and no group is divided."""
    distinct, group, sizes = keys.unique(dim=0, return_inverse=True, return_counts=True)
    order = torch.randperm(len(distinct), generator=generator)
    ends = sizes[order].cumsum(0).double()
    middles = (ends - sizes[order] / 2) / len(rows)  # where a group stands on the way from 0 to 1
    bounds = torch.tensor(shares, dtype=torch.float64).cumsum(0)[:2]
    part_of = torch.empty(len(distinct), dtype=torch.int64)
    part_of[order] = torch.bucketize(middles, bounds)
    shuffled = torch.randperm(len(rows), generator=generator)
    splits = {p: rows[shuffled[part_of[group[shuffled]] == i]] for i, p in enumerate(SPLITS)}
    for part, ids in splits.items():
        if not len(ids):
            cure = ", or part them by apart='pairs'" if apart == "prompts" else ""
            raise CorpusError(
                f"{name}: {len(distinct)} distinct {apart} leave nothing for {part}, because equal "
                f"ones are kept together; give more different ones{cure}"
            )
    return splits


def _unpadded(rows: torch.Tensor) -> torch.Tensor:
    """Return rows that begin with their prompt: what padded it stands at the end."""
    leading = (rows == PAD).long().cumprod(1)
    return rows.gather(1, leading.sort(dim=1, stable=True).indices)


def _one_a_prompt(rows: torch.Tensor, given: int) -> torch.Tensor:
    """Return the first row of each prompt."""
    first = {
        prompt: i for i, prompt in reversed([*enumerate(map(tuple, rows[:, :given].tolist()))])
    }
    return rows[sorted(first.values())]


def _lengths(ids: torch.Tensor, unit: str) -> str:
    lengths = (ids > EOS).sum(1).double()
    return f"{lengths.min():.0f} to {lengths.max():.0f} {unit}, mean {lengths.mean():.1f}"


def tab_file(
    path: str | os.PathLike,
    *,
    level: str = "word",
    max_prompt: int = 16,
    max_length: int = 16,
    vocab_size: int = 2000,
    min_count: int = 1,
    lowercase: bool = True,
    seed: int = 0,
    split: Sequence[float] = SHARES,
    apart: str = "prompts",
) -> PairedCorpus:
    """Return the pairs in a UTF-8 file, ``prompt<TAB>reply`` on each line."""
    options = dict(locals())  # the arguments, by name
    return PairedCorpus.from_lines(str(options.pop("path")), read_lines(path), **options)
