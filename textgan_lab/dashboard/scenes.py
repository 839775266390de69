"""A step in slow motion, phase by phase, as HTML with inline SVG: pure functions of the phases."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from ..diagnostics import colours
from ..training.slow_motion import Choice, Line, Phase, Plane
from .view import TEXT, shade

SIDE = 300  # of a picture of points, pixels
DOTS = {"real": colours.REAL, "fake": colours.FAKE, "before": colours.PARENT, "noise": colours.TURN}


@dataclass(frozen=True)
class Scene:
    """One phase with its place among the others; shows itself in a notebook."""

    phase: Phase
    place: int
    step: tuple[Phase, ...]

    def __repr__(self) -> str:
        return f"{self.place + 1}/{len(self.step)} {self.phase!r}"

    def _repr_html_(self) -> str:
        phase = self.phase
        colour = colours.D if phase.player == "d" else colours.G
        formula = (
            f'<pre style="font:15px/1.4 monospace;margin:4px 0">{escape(phase.formula)}</pre>'
            if phase.formula
            else ""
        )
        return (
            f'<div data-phase="{self.place}" data-name="{phase.player}.{phase.name}" '
            f'style="{TEXT};border-left:4px solid {colour};padding:2px 10px;margin:4px 0">'
            f'<div style="font-size:13px">{self._trail()}</div>'
            f'<b style="font-size:20px;color:{colour}">{escape(phase.title)}</b>'
            f'<div style="max-width:62em">{escape(phase.said)}</div>{formula}'
            f"{''.join(map(_line, phase.lines))}"
            f"{_choices(phase.choices) if phase.choices else ''}"
            f"{_plane(phase.plane) if phase.plane else ''}</div>"
        )

    def _trail(self) -> str:
        """Return the names of all phases, in their player's colour, this one underlined."""
        parts = []
        for place, phase in enumerate(self.step):
            colour = colours.D if phase.player == "d" else colours.G
            here = "font-weight:bold;text-decoration:underline" if place == self.place else ""
            faint = "opacity:.55" if place > self.place else ""
            parts.append(
                f'<span style="color:{colour};{here};{faint}">{escape(phase.title)}</span>'
            )
        return " › ".join(parts)


def of(phases: Sequence[Phase]) -> list[Scene]:
    """Return the phases of a step as scenes."""
    return [Scene(phase, place, tuple(phases)) for place, phase in enumerate(phases)]


def _line(line: Line) -> str:
    """Return a sentence as a table: words, coloured, and what stands under each."""
    largest = max(map(abs, line.shades), default=0.0) or 1.0
    shades = line.shades or (0.0,) * len(line.words)
    words = "".join(
        f'<td style="padding:1px 6px;border-radius:3px;background:{shade(s / largest)}">'
        f"{escape(word)}</td>"
        for word, s in zip(line.words, shades, strict=True)
    )
    side = f"{TEXT};padding:1px 10px 1px 0;text-align:left"
    rows = "".join(
        f'<tr><td style="{side};font-size:13px;opacity:.75">{escape(name)}</td>'
        + "".join(f'<td style="font-size:13px;padding:0 6px">{_cell(c)}</td>' for c in cells)
        + "</tr>"
        for name, cells in line.under.items()
    )
    colour = DOTS.get(line.label, colours.TURN)
    return (
        f'<table style="{TEXT};border-collapse:separate;border-spacing:2px;margin:4px 0;'
        f'text-align:center;width:auto"><tr style="background:none"><td style="{side}">'
        f'<b style="color:{colour}">{escape(line.label)}</b></td>{words}</tr>{rows}</table>'
    )


def _choices(choices: Sequence[Sequence[Choice]]) -> str:
    """Return the likeliest words at each position; a bar is a probability, a frame the choice."""
    known = any(choice.noise is not None for at in choices for choice in at)
    columns = "".join(f"<div>{''.join(map(_choice, at))}</div>" for at in choices)
    return (
        f'<div style="font-size:13px;opacity:.75">a column a position: word, probability'
        f"{', noise' if known else ''}; the chosen one is framed</div>"
        f'<div style="display:grid;gap:4px;margin:4px 0;'
        f'grid-template-columns:repeat(auto-fill,minmax(104px,1fr))">{columns}</div>'
    )


def _choice(choice: Choice) -> str:
    frame = colours.G if choice.chosen else "transparent"
    width = f"{100 * min(choice.probability, 1):.0f}%"
    noise = "" if choice.noise is None else f" {choice.noise:+.1f}"
    weight = "bold" if choice.chosen else "normal"
    return (
        f'<div data-chosen="{str(choice.chosen).lower()}" style="border:2px solid {frame};'
        f"border-radius:3px;padding:0 2px;font-size:13px;white-space:nowrap;display:flex;"
        f'background:linear-gradient(90deg,{colours.FAKE}66 {width},transparent {width})">'
        f'<span style="flex:1;overflow:hidden;text-overflow:ellipsis;font-weight:{weight}">'
        f'{escape(choice.word)}</span><span style="opacity:.75;font-size:12px">'
        f"{choice.probability:.2f}{noise}</span></div>"
    )


def _plane(plane: Plane) -> str:
    """Return points, arrows and, as the ground, where D says real (green) and fake (purple)."""

    def at(x: float, y: float) -> tuple[str, str]:
        return f"{x / plane.size:.3f}", f"{-y / plane.size:.3f}"

    parts = []
    if plane.grid:
        side = 2 / len(plane.grid)
        for i, row in enumerate(plane.grid):
            for j, p in enumerate(row):
                x, y = -1 + side * j, 1 - side * (i + 1)
                parts.append(
                    f'<rect x="{x:.3f}" y="{y:.3f}" width="{side:.3f}" height="{side:.3f}" '
                    f'fill="{shade(2 * p - 1)}" fill-opacity=".6"/>'
                )
    longest = max(((dx * dx + dy * dy) ** 0.5 for *_, dx, dy in plane.arrows), default=0) or 1.0
    reach = 0.25 * plane.size / longest
    for x, y, dx, dy in (a for a in plane.arrows if all(map(math.isfinite, a))):
        (x1, y1), (x2, y2) = at(x, y), at(x + reach * dx, y + reach * dy)
        parts.append(
            f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="{colours.G}" '
            f'stroke-width=".012"/>'
        )
    for label, dots in plane.dots.items():
        for dot in (d for d in dots if all(map(math.isfinite, d))):
            x, y = at(*dot)
            parts.append(f'<circle cx="{x}" cy="{y}" r=".02" fill="{DOTS[label]}"/>')
    legend = " ".join(f'<span style="color:{DOTS[label]}">● {label}</span>' for label in plane.dots)
    arrows = f' <span style="color:{colours.G}">━ what G is told</span>' if plane.arrows else ""
    ground = " ground: D says real (green) or fake (purple)" if plane.grid else ""
    return (
        f'<div style="font-size:13px">{legend}{arrows}{ground}</div>'
        f'<svg viewBox="-1 -1 2 2" width="{SIDE}" height="{SIDE}" style="background:#fff">'
        f"{''.join(parts)}</svg>"
    )


def _cell(value: float | str) -> str:
    return escape(value) if isinstance(value, str) else f"{value:.2g}"
