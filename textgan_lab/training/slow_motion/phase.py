"""A phase of a step, as plain values: what a page draws and a reader may keep."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


def short(value: float | str) -> str:
    """Return a number in three digits; a word as it is."""
    return value if isinstance(value, str) else f"{value:.3g}"


@dataclass(frozen=True)
class Line:
    """A sentence on show.

    ``shades`` colour the words: positive is real, or praised; ``under`` stands below them, row by
    row.
    """

    label: str
    words: tuple[str, ...]
    shades: tuple[float, ...] = ()
    under: Mapping[str, tuple[float | str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Choice:
    """A word that could be written at a position: its probability, and the noise it met."""

    word: str
    probability: float
    noise: float | None
    chosen: bool


@dataclass(frozen=True)
class Plane:
    """Points in their first two coordinates, and arrows (x, y, dx, dy).

    ``grid`` is D's probability of real on a square from -``size`` to ``size``, bottom row first.
    """

    dots: Mapping[str, tuple[tuple[float, float], ...]]
    size: float
    arrows: tuple[tuple[float, float, float, float], ...] = ()
    grid: tuple[tuple[float, ...], ...] = ()


@dataclass(frozen=True)
class Phase:
    """One phase of a step: whose it is, what happens in words and as a formula, and its picture.

    ``values`` are the numbers in it, unrounded.
    """

    player: Literal["d", "g"]
    name: str
    title: str
    said: str
    formula: str = ""
    values: Mapping[str, float] = field(default_factory=dict)
    lines: tuple[Line, ...] = ()
    choices: tuple[tuple[Choice, ...], ...] = ()
    plane: Plane | None = None

    def __repr__(self) -> str:
        text = [f"{self.player.upper()}: {self.title}", f"  {self.said}"]
        text += [f"    {row}" for row in self.formula.splitlines()]
        for line in self.lines:
            text.append(f"  {line.label}: {' '.join(line.words)}")
            text += [
                f"    {row}: {' '.join(map(short, cells))}" for row, cells in line.under.items()
            ]
        for i, words in enumerate(self.choices):
            shown = (f"{'*' if c.chosen else ''}{c.word} {c.probability:.2f}" for c in words)
            text.append(f"  {i}: {', '.join(shown)}")
        return "\n".join(text)
