"""How lines of text become rows of token ids: cut into tokens, counted, written with a vocabulary.

A line holds one side, a sentence, or several, parted by what the reading says.
"""

import itertools
import re
import statistics
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch

from .law import SPECIALS, UNK
from .pairs import pair_rows
from .sources import CorpusError

LEAST = 100  # usable lines; below that no split is worth measuring on (ours)

# A number with its separators, a word with its apostrophes and hyphens, or one other mark.
_TOKEN = re.compile(r"\d+(?:[.,]\d+)+|\w+(?:['’\-]\w+)*|[^\w\s]")

Sides = tuple[list[str], ...]  # the tokens of what one line holds


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

    holds: ClassVar[str] = "sentence"  # what a line does
    limits: ClassVar[tuple[str, ...]] = ("max_length",)  # the option that bounds each side
    given: ClassVar[int] = 0  # columns before the sentence

    def __post_init__(self):
        if self.level not in ("word", "char"):
            raise CorpusError(f"level: expected 'word' or 'char', got {self.level!r}")
        bounded = ((limit, 1) for limit in self.limits)
        for name, least in (*bounded, ("vocab_size", 10), ("min_count", 1)):
            whole(name, getattr(self, name), least)
        if not isinstance(self.lowercase, bool):
            raise CorpusError(f"lowercase: expected true or false, got {self.lowercase!r}")

    @property
    def unit(self) -> str:
        """What a token is called in a sentence about it."""
        return "words" if self.level == "word" else "characters"

    @property
    def joiner(self) -> str:
        """What stands between tokens in text."""
        return " " if self.level == "word" else ""

    @property
    def length(self) -> int:
        """How many columns a row has: the most tokens that fit, and <eos>."""
        return self.given + self.max_length + 1

    def tokens(self, sentence: str) -> list[str]:
        """Return the tokens of a sentence; white space separates and is never a word.

        >>> Reading().tokens("It's a well-known 3.5 litre engine, isn't it?")
        ["it's", 'a', 'well-known', '3.5', 'litre', 'engine', ',', "isn't", 'it', '?']
        """
        sentence = sentence.lower() if self.lowercase else sentence
        if self.level == "char":
            return list(" ".join(sentence.split()))
        return _TOKEN.findall(sentence)

    def sides(self, line: str, where: str) -> Sides:
        """Return the tokens of each side of a line that is not blank, found at ``where``."""
        return (self.tokens(line),)

    def read(
        self, texts: Mapping[str, Iterable[str]], least: int = LEAST
    ) -> tuple[list[str], list[torch.Tensor], Counter]:
        """Return one vocabulary of all texts, the rows of each, and what was counted on the way.

        ``texts`` are lines by the name that errors call them. A line with a side that is too long
        is left out and counted, never cut.

        Shapes  rows [n, length] int64, each closed by one <eos>
        Raises  CorpusError: a text with fewer than ``least`` usable lines.
        """
        counts, found = Counter(), []
        for name, lines in texts.items():
            kept, counted = self._usable(name, lines, least)
            counts.update(counted)
            found.append(kept)
        said = (side for kept in found for sides in kept for side in sides)
        occurring = Counter(itertools.chain.from_iterable(said))
        counts["tokens"] = len(occurring)
        known = [token for token, count in occurring.items() if count >= self.min_count]
        known.sort(key=lambda token: (-occurring[token], token))  # ties by code point
        vocabulary = [*SPECIALS, *known[: self.vocab_size - len(SPECIALS)]]
        return vocabulary, [self.rows(kept, vocabulary) for kept in found], counts

    def rows(self, items: Iterable[Sides], vocabulary: list[str]) -> torch.Tensor:
        """Return ids [n, length]: a token without an id, or spelt like a special one, is <unk>."""
        ids = {token: i for i, token in enumerate(vocabulary) if i >= len(SPECIALS)}
        pairs = (
            [[ids.get(token, UNK) for token in side] for side in ([], *sides)[-2:]]
            for sides in items  # a sentence alone is a reply to nothing
        )
        return pair_rows(pairs, self.given, self.length)

    def _usable(self, name: str, lines: Iterable[str], least: int) -> tuple[list[Sides], Counter]:
        """Return what the lines hold, where it fits, and what was counted on the way."""
        counts, kept = Counter(lines=0, blank=0, long=0), []
        bounds = {option: getattr(self, option) for option in self.limits}
        sizes = {option: [] for option in bounds}  # of each side, line by line
        for number, line in enumerate(lines, 1):
            counts["lines"] += 1
            if not line.strip():
                counts["blank"] += 1
                continue
            sides = self.sides(line, f"{name}, line {number}")
            for side, of_lines in zip(sides, sizes.values(), strict=True):
                of_lines.append(len(side))
            if all(sizes[option][-1] <= most for option, most in bounds.items()):
                kept.append(sides)
            else:
                counts["long"] += 1
        if not counts["lines"]:
            raise CorpusError(f"{name}: empty; expected one {self.holds} a line, {least} at least")
        if len(kept) < least:
            remedies = (
                f"; half have more than {int(statistics.median(sizes[option]))}, so raise {option}"
                for option, most in bounds.items()
                if sum(size > most for size in sizes[option]) >= len(sizes[option]) / 2 > 0
            )
            limits = " or ".join(f"{option}={most}" for option, most in bounds.items())
            raise CorpusError(
                f"{name}: {len(kept)} usable {self.holds}s, {least} are needed; of "
                f"{counts['lines']:,} lines {counts['blank']:,} are blank and {counts['long']:,} "
                f"have more than {limits} {self.unit}{''.join(remedies)}"
            )
        return kept, counts


def whole(option: str, value: int, least: int) -> None:
    """Raise `CorpusError` naming ``option`` unless its value is a whole number >= least."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise CorpusError(f"{option}: expected a whole number from {least}, got {value!r}")
