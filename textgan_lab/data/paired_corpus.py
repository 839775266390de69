"""Real pairs of a prompt and a reply as rows of token ids: one tab-separated pair a line."""

import hashlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar

import torch

from .audit import Audit, audit
from .corpus import Corpus, loads
from .law import PAD
from .pairs import pair_text
from .reading import Reading, Sides
from .sources import CorpusError, read_lines
from .splits import SHARES, Division

APART = ("prompts", "pairs")  # what never stands in two splits


@dataclass(frozen=True)
class PairReading(Reading):
    """How a prompt and a reply become tokens; ``max_length`` is the most tokens of a reply.

    ``max_prompt`` is the most tokens of a prompt, and the columns that it takes.
    """

    max_prompt: int = 16

    holds: ClassVar[str] = "pair"
    limits: ClassVar[tuple[str, ...]] = ("max_prompt", "max_length")

    @property
    def given(self) -> int:
        """How many columns the prompt takes."""
        return self.max_prompt

    def sides(self, line: str, where: str) -> Sides:
        """Return the tokens of prompt and reply, which one tab parts; neither may be empty."""
        sides = line.split("\t")
        if len(sides) != 2:
            raise CorpusError(
                f"{where}: expected a prompt, one tab and a reply, got {len(sides) - 1} tabs in "
                f"{_short(line)}"
            )
        prompt, reply = map(self.tokens, sides)
        for what, tokens in (("prompt", prompt), ("reply", reply)):
            if not tokens:
                raise CorpusError(f"{where}: an empty {what} in {_short(line)}")
        return prompt, reply


class PairedCorpus(Corpus):
    """Pairs as data to train on: rows [n, given + T] per split, [prompt | reply].

    The prompt takes the first ``given`` columns, padded on its left; the reply is closed by one
    <eos>. ``given`` is ``max_prompt``, T is ``max_length + 1``. A pair with a longer side is left
    out and counted, never cut. Prompts and replies share one vocabulary; words without an id become
    <unk>. Nobody knows the law of real replies, so ``law`` is None.
    """

    reads = PairReading
    title = "Pairs"

    @classmethod
    def from_lines(
        cls,
        name: str,
        lines: Iterable[str],
        notes: Sequence[str] = (),
        *,
        seed: int = 0,
        split: Sequence[float] = SHARES,
        apart: str = "prompts",
        **reading,
    ) -> "PairedCorpus":
        """Return the pairs in ``lines``, prompt and reply parted by one tab, shuffled and split.

        ``apart`` is what never stands in two splits: "prompts", so that held-out prompts are new to
        the generator and a prompt with many replies keeps them together; or "pairs", for prompts so
        few that each must be trained on. ``reading`` are the fields of `PairReading`.

        Raises:
            CorpusError: a line that is no pair, by its number; an impossible option; fewer than
                `LEAST` usable pairs.
        """
        reading, division = cls.reads(**reading), Division(seed, split)
        if apart not in APART:
            raise CorpusError(f"apart: expected {' or '.join(map(repr, APART))}, got {apart!r}")
        vocabulary, (rows,), counts = reading.read({name: lines})
        if apart == "prompts":
            keys, instead = rows[:, : reading.given], ", or part them by apart='pairs'"
        else:
            keys, instead = rows, ""
        splits = division.of(name, rows, keys, apart, instead)
        return cls(name, reading, vocabulary, splits, counts, notes)

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
        return self.reading.rows(sides, self.vocabulary)

    def decode(self, ids: torch.Tensor) -> list[str] | str:
        """Return ``prompt | reply``: rows [n, length] -> list, one row -> one string."""
        if ids.dim() == 2:
            return [self.decode(row) for row in ids]
        return pair_text(ids, self.given, self.vocabulary, self.reading.joiner)

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

    def _described(self, ids: torch.Tensor) -> dict[str, str]:
        counts, prompts, replies = self.counts, ids[:, : self.given], ids[:, self.given :]
        return {
            "read": f"{counts['lines']:,} lines: {len(ids):,} used, {counts['long']:,} with a "
            f"prompt longer than {self.given} {self.reading.unit} or a reply longer than "
            f"{self.reading.max_length}, {counts['blank']:,} blank",
            "distinct": f"{len(ids.unique(dim=0)):,} pairs of {len(prompts.unique(dim=0)):,} "
            f"prompts, as ids",
            "prompts": self._lengths(prompts),
            "replies": f"{self._lengths(replies)}, without <eos>",
        }

    def _sizes(self) -> str:
        return f"{super()._sizes()}; {self.shared_prompts:,} prompts of test stand in train too"


def _short(line: str) -> str:
    return repr(line if len(line) <= 60 else f"{line[:57]}...")


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


@loads(PairedCorpus)
def tab_file(path: str | os.PathLike, **options) -> PairedCorpus:
    """Return the pairs in a UTF-8 file, ``prompt<TAB>reply`` on each line."""
    return PairedCorpus.from_lines(str(path), read_lines(path), **options)
