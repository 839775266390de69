"""The live curves: charts of the newest steps, as SVG, with turns and findings marked."""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from html import escape

from ..diagnostics import colours
from ..diagnostics.detectors import Finding
from ..knobs import Turn
from ..telemetry import Telemetry
from .view import TEXT, number

ONE_GO = 20  # steps between turns of one knob that still count as one move of the hand
WINDOW = 400  # newest steps on show
POINTS = 150  # of one curve at most: more cannot be told apart, and take time from training
WIDTH, HEIGHT = 370, 120  # of one panel, in the SVG's own units
LEFT, TOP, BOTTOM = 44, 26, 20  # room for the scale, the title, the steps


@dataclass(frozen=True)
class Curve:
    """One column of telemetry, and how it is drawn; exact truth is dashed and black."""

    column: str
    label: str
    colour: str
    dashed: bool = False
    unless: str = ""  # not drawn where this column is: it says the same, and better


@dataclass(frozen=True)
class Panel:
    """A small chart of a few curves; ``limits`` fixes the vertical axis.

    ``counts`` is a prefix: the axis goes from 0 to the number of columns that begin with it.
    """

    title: str
    curves: tuple[Curve, ...]
    log: bool = False
    limits: tuple[float, float] | None = None
    counts: str = ""

    def over(self, columns: Collection[str]) -> "Panel":
        """Return the panel with those of its curves that can be drawn from these columns."""
        there = (c for c in self.curves if c.column in columns and c.unless not in columns)
        return replace(self, curves=tuple(there))


PANELS = (
    Panel(
        "losses",
        (
            Curve("d_loss", "D", colours.D),
            Curve("g_loss", "G", colours.G),
            Curve("mle_loss", "warm-up", colours.REAL),
        ),
    ),
    Panel(
        "D's accuracy",
        (
            Curve("d_accuracy", "D", colours.D),
            Curve("bayes_accuracy", "best possible", colours.TRUTH, dashed=True),
            Curve("cells_accuracy", "by counting", colours.FAKE, unless="bayes_accuracy"),
        ),
        limits=(0, 1),
    ),
    Panel(
        "gradient norms",
        (Curve("d_grad_norm", "D", colours.D), Curve("g_grad_norm", "G", colours.G)),
        log=True,
    ),
    Panel(
        "held-out NLL, nats per token",
        (Curve("held_out_nll", "exact", colours.TRUTH, dashed=True),),
    ),
    Panel(
        "true JS, nats",
        (Curve("js", "exact", colours.TRUTH, dashed=True),),
        limits=(0, 0.7),
    ),
    Panel(
        "JS of counts, nats",
        (Curve("cells_js", "fake from real", colours.FAKE, unless="js"),),
        limits=(0, 0.7),
    ),
    Panel(
        "modes present",
        (Curve("modes", "G writes", colours.FAKE),),
        counts="mode.",
    ),
    Panel(
        "share of sentences that differ",
        (Curve("unique_ratio", "G writes", colours.FAKE, unless="modes"),),
        limits=(0, 1),
    ),
)


def strip(
    telemetry: Telemetry,
    parent: Telemetry | None = None,
    version: int = 0,
    findings: Sequence[Finding] = (),
) -> str:
    """Return the live curves over the newest `WINDOW` steps, with turns and findings marked.

    ``parent`` is drawn beside, in grey; ``version`` marks which state of the knobs a frame shows.
    """
    rows = telemetry.rows[-WINDOW:]
    if not rows:
        return f'<div data-v="{version}" style="{TEXT}">no step taken yet</div>'
    first, last = rows[0]["step"], max(rows[-1]["step"], rows[0]["step"] + 1)
    # steps count from 0 without a gap, so a step's number is its row's place
    old = parent.rows[first : last + 1] if parent else []
    turns = [t for t in telemetry.turns if first <= t.step <= last and t.source != "schedule"]
    flags = [f for f in findings if first <= f.since <= last]
    columns = set().union(*rows)
    shown = [p for p in (panel.over(columns) for panel in PANELS) if p.curves]
    charts = "".join(_chart(p, rows, old, turns, flags, first, last) for p in shown)
    return (
        f'<div data-v="{version}" data-step="{rows[-1]["step"]}">'
        f'<div style="display:grid;gap:2px 10px;'
        f'grid-template-columns:repeat(auto-fit,minmax(max(260px,30%),1fr))">{charts}</div>'
        f'<div style="{TEXT};font-size:15px;min-height:1.4em;opacity:.75">{_newest(turns)}</div>'
        "</div>"
    )


def _newest(turns: Sequence[Turn]) -> str:
    """Say the last few turns; a slider's way through many values, in one go, is one."""
    moves: list[list[Turn]] = []
    for turn in turns:
        last = moves[-1][-1] if moves else None
        if last and last.name == turn.name and turn.step - last.step <= ONE_GO:
            moves[-1].append(turn)
        else:
            moves.append([turn])
    return "".join(
        f'<span style="margin-right:1.2em">step {move[-1].step}: <b>{escape(move[0].name)}</b> '
        f"{number(move[0].old)} → {number(move[-1].new)}</span>"
        for move in moves[-4:]
    )


def _chart(panel: Panel, rows, old, turns, flags, first: int, last: int) -> str:
    width, height = WIDTH - LEFT - 8, HEIGHT - TOP - BOTTOM
    points = {c: _points(rows, c.column, panel.log) for c in panel.curves}
    before = {c: _points(old, c.column, panel.log) for c in panel.curves}
    values = [y for p in (*points.values(), *before.values()) for _, y in p]
    low, high, ticks = _axis(values, panel, rows)

    def across(step: float) -> float:
        return LEFT + width * (step - first) / (last - first)

    def down(value: float) -> float:
        return TOP + height * (1 - (min(max(value, low), high) - low) / (high - low))

    parts = []
    for x in dict.fromkeys(f"{across(turn.step):.0f}" for turn in turns):
        parts.append(
            f'<line x1="{x}" x2="{x}" y1="{TOP}" y2="{TOP + height}" '
            f'stroke="{colours.TURN}" stroke-width="1" stroke-opacity="0.35"/>'
        )
    for value in ticks:
        y = down(value)
        parts.append(
            f'<line x1="{LEFT}" x2="{LEFT + width}" y1="{y:.1f}" y2="{y:.1f}" stroke="#e6e6e6"/>'
            f'<text x="{LEFT - 5}" y="{y + 4:.1f}" text-anchor="end" font-size="12" fill="#555">'
            f"{number(10**value if panel.log else value)}</text>"
        )
    for curve in panel.curves:
        for series, colour in ((before[curve], colours.PARENT), (points[curve], curve.colour)):
            if series:
                dash = ' stroke-dasharray="7 4"' if curve.dashed else ""
                line = " ".join(f"{across(t):.1f},{down(y):.1f}" for t, y in series)
                parts.append(
                    f'<polyline points="{line}" fill="none" stroke="{colour}" '
                    f'stroke-width="2"{dash}/>'
                )
    parts += [_flag(across(f.since), f, TOP, TOP + height) for f in flags]
    newest = {c: 10 ** p[-1][1] if panel.log else p[-1][1] for c, p in points.items() if p}
    legend = "".join(
        f'<tspan dx="8" fill="{c.colour}">{"┅" if c.dashed else "━"} {escape(c.label)} '
        f"{number(value) if panel.counts else _reading(value)}</tspan>"
        for c, value in newest.items()
    )
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" style="width:100%;background:#fff" '
        f'font-family="sans-serif">'
        f'<text x="4" y="17" font-size="14.5"><tspan font-weight="bold" fill="#222">'
        f"{escape(panel.title)}</tspan>{legend}</text>{''.join(parts)}"
        f'<text x="{LEFT}" y="{HEIGHT - 5}" font-size="12" fill="#555">{first}</text>'
        f'<text x="{LEFT + width}" y="{HEIGHT - 5}" font-size="12" fill="#555" '
        f'text-anchor="end">step {last}</text></svg>'
    )


def _flag(x: float, finding: Finding, top: float, bottom: float) -> str:
    """Return a flag on its pole at a finding's first step; pointing at it says which."""
    colour = colours.FINDING[finding.severity]
    return (
        f'<g class="finding" data-code="{escape(finding.code)}"><title>{escape(finding.code)}, '
        f'since step {finding.since}</title><line x1="{x:.1f}" x2="{x:.1f}" y1="{top}" '
        f'y2="{bottom}" stroke="{colour}" stroke-width="1.5"/>'
        f'<path d="M{x:.1f} {top}l9 4.5l-9 4.5z" fill="{colour}"/></g>'
    )


def _points(rows: Sequence[dict], column: str, log: bool) -> list[tuple[int, float]]:
    points = []
    for row in rows:
        value = row.get(column, math.nan)
        if math.isfinite(value) and (value > 0 or not log):
            points.append((row["step"], math.log10(value) if log else value))
    stride = math.ceil(len(points) / POINTS)
    # by the step's number, not by the place in the window: the curve must not flicker as it moves
    return [p for p in points if p[0] % stride == 0] + points[-1:] if stride > 1 else points


def _axis(values: list[float], panel: Panel, rows) -> tuple[float, float, list[float]]:
    """Return both ends of the vertical axis and its ticks; in decades where it is logarithmic."""
    if panel.limits:
        low, high = panel.limits
    elif panel.counts:
        names = {name for name in set().union(*rows) if name.startswith(panel.counts)}
        low, high = 0.0, float(len(names - {f"{panel.counts}none"}))
    elif values:
        ordered = sorted(values)
        # the outermost hundredth is clipped: one spike must not flatten the rest
        low, high = ordered[len(ordered) // 100], ordered[-1 - len(ordered) // 100]
    else:
        low, high = 0.0, 1.0
    if high - low < 1e-9 * max(abs(low), abs(high), 1e-9):
        low, high = low - 0.5, high + 0.5
    if panel.log:
        stops = [k + math.log10(m) for k in range(math.floor(low), math.ceil(high) + 1)
                 for m in ((1, 2, 5) if high - low < 1.5 else (1,))]  # fmt: skip
        low = max(s for s in stops if s <= low + 1e-9)
        high = min(s for s in stops if s >= high - 1e-9)
        ticks = [s for s in stops if low <= s <= high]
        return low, high, ticks[:: math.ceil(len(ticks) / 5)]
    step = round_step((high - low) / 2)
    if not (panel.limits or panel.counts):  # whole steps: the axis stands still while curves move
        low, high = math.floor(low / step) * step, math.ceil(high / step) * step
    begin, end = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return low, high, [i * step for i in range(begin, end + 1)]


def round_step(most: float) -> float:
    """Return the largest of 1, 2 and 5 times a power of ten that is at most ``most``."""
    decade = math.floor(math.log10(most) + 1e-9)
    return max(float(f"{m}e{decade}") for m in (1, 2, 5) if float(f"{m}e{decade}") <= most * 1.001)


def _reading(value: float) -> str:
    """Return a measured value in few letters, of a width that does not jump from step to step."""
    if value == 0 or 0.01 <= abs(value) < 1000:
        return f"{value:.2f}" if abs(value) < 10 else f"{value:.0f}"
    return f"{value:.0e}"
