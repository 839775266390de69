"""What the lab shows, as HTML with inline SVG: pure functions of telemetry, no widget, no torch."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from ..diagnostics import colours
from ..telemetry import Telemetry

WINDOW = 400  # newest steps on show
WIDTH, HEIGHT = 430, 170  # of one panel, in the SVG's own units
LEFT, TOP, BOTTOM = 52, 30, 24  # room for the scale, the title, the steps


@dataclass(frozen=True)
class Curve:
    """One column of telemetry, and how it is drawn; exact truth is dashed and black."""

    column: str
    label: str
    colour: str
    dashed: bool = False


@dataclass(frozen=True)
class Panel:
    """A small chart of a few curves; ``limits`` fixes the vertical axis."""

    title: str
    curves: tuple[Curve, ...]
    log: bool = False
    limits: tuple[float, float] | None = None


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
        "modes present",
        (Curve("modes", "present", colours.FAKE),),
    ),
)


def strip(telemetry: Telemetry, parent: Telemetry | None = None, version: int = 0) -> str:
    """Return the live curves over the newest `WINDOW` steps, with turns marked.

    ``parent`` is drawn beside, in grey; ``version`` marks which state of the knobs a frame shows.
    """
    rows = telemetry.rows[-WINDOW:]
    if not rows:
        return f'<div data-v="{version}" style="{_TEXT}">no step taken yet</div>'
    first, last = rows[0]["step"], max(rows[-1]["step"], rows[0]["step"] + 1)
    old = [r for r in parent.rows if first <= r["step"] <= last] if parent else []
    turns = [t for t in telemetry.turns if t.step >= first and t.source != "schedule"]
    shown = [p for p in PANELS if any(c.column in row for c in p.curves for row in rows)]
    charts = "".join(_chart(p, rows, old, turns, first, last) for p in shown)
    newest = "".join(
        f"<span style='margin-right:1.2em'>step {t.step}: <b>{escape(t.name)}</b> "
        f"{t.old:.3g} → {t.new:.3g}</span>"
        for t in turns[-4:]
    )
    return (
        f'<div data-v="{version}" data-step="{rows[-1]["step"]}">'
        f'<div style="display:flex;flex-wrap:wrap;gap:6px">{charts}</div>'
        f'<div style="{_TEXT};min-height:1.4em;color:#555">{newest}</div></div>'
    )


def _chart(panel: Panel, rows, old, turns, first: int, last: int) -> str:
    width, height = WIDTH - LEFT - 8, HEIGHT - TOP - BOTTOM
    points = {c: _points(rows, c.column, panel.log) for c in panel.curves}
    before = {c: _points(old, c.column, panel.log) for c in panel.curves}
    low, high = _range([y for p in (*points.values(), *before.values()) for _, y in p], panel)

    def place(point: tuple[int, float]) -> str:
        x = LEFT + width * (point[0] - first) / (last - first)
        y = TOP + height * (1 - (min(max(point[1], low), high) - low) / (high - low))
        return f"{x:.1f},{y:.1f}"

    parts = []
    for turn in turns:
        x = LEFT + width * (turn.step - first) / (last - first)
        parts.append(
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{TOP + height}" '
            f'stroke="{colours.TURN}" stroke-width="1"/>'
        )
    for value in (low, (low + high) / 2, high):
        y = TOP + height * (1 - (value - low) / (high - low))
        parts.append(
            f'<line x1="{LEFT}" x2="{LEFT + width}" y1="{y:.1f}" y2="{y:.1f}" stroke="#e6e6e6"/>'
            f'<text x="{LEFT - 5}" y="{y + 4:.1f}" text-anchor="end" font-size="13" fill="#555">'
            f"{_tick(10**value if panel.log else value)}</text>"
        )
    for curve in panel.curves:
        for series, colour in ((before[curve], colours.PARENT), (points[curve], curve.colour)):
            if series:
                dash = ' stroke-dasharray="7 4"' if curve.dashed else ""
                parts.append(
                    f'<polyline points="{" ".join(map(place, series))}" fill="none" '
                    f'stroke="{colour}" stroke-width="2"{dash}/>'
                )
    legend = "".join(
        f'<tspan dx="10" fill="{c.colour}">{"┅" if c.dashed else "━"} {escape(c.label)} '
        f"{_tick(10 ** points[c][-1][1] if panel.log else points[c][-1][1])}</tspan>"
        for c in panel.curves
        if points[c]
    )
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" style="flex:1 1 {WIDTH}px;max-width:640px;'
        f'background:#fff" font-family="sans-serif">'
        f'<text x="{LEFT}" y="18" font-size="16"><tspan font-weight="bold" fill="#222">'
        f"{escape(panel.title)}</tspan>{legend}</text>{''.join(parts)}"
        f'<text x="{LEFT}" y="{HEIGHT - 6}" font-size="13" fill="#555">{first}</text>'
        f'<text x="{LEFT + width}" y="{HEIGHT - 6}" font-size="13" fill="#555" '
        f'text-anchor="end">step {last}</text></svg>'
    )


def _points(rows: Sequence[dict], column: str, log: bool) -> list[tuple[int, float]]:
    points = []
    for row in rows:
        value = row.get(column, math.nan)
        if math.isfinite(value) and (value > 0 or not log):
            points.append((row["step"], math.log10(value) if log else value))
    return points


def _range(values: list[float], panel: Panel) -> tuple[float, float]:
    if panel.limits:
        return panel.limits
    if not values:
        return 0.0, 1.0
    ordered = sorted(values)
    # the outermost hundredth is clipped: one spike must not flatten the rest
    low, high = ordered[len(ordered) // 100], ordered[-1 - len(ordered) // 100]
    margin = 0.05 * (high - low) or max(abs(high) * 0.05, 1e-3)
    return low - margin, high + margin


def _tick(value: float) -> str:
    if value == 0 or 0.01 <= abs(value) < 1000:
        return f"{value:.2f}" if abs(value) < 10 else f"{value:.0f}"
    return f"{value:.0e}"


_TEXT = "font:16px/1.5 sans-serif"


def board(sample: dict | None) -> str:
    """Return the newest sentences, each token coloured by D's score: green real, purple fake."""
    if sample is None:
        return ""
    if "points" in sample:
        return _scatter(sample)
    scores = [abs(s) for sentence in sample["sentences"] for s in sentence["scores"]]
    largest = max(scores, default=0.0) or 1.0
    lines = []
    for sentence in sample["sentences"]:
        tokens = "".join(
            f'<span style="background:{_shade(s / largest)};padding:1px 4px;margin-right:2px;'
            f'border-radius:3px">{escape(token)}</span>'
            for token, s in zip(sentence["tokens"], sentence["scores"], strict=True)
            if token != "<eos>"
        )
        lines.append(
            f'<div><span style="display:inline-block;width:4.2em;color:#555">'
            f"{sentence['p_real']:.2f}</span>{tokens}</div>"
        )
    return (
        f'<div data-sample="{sample["step"]}" style="{_TEXT};font-size:17px">'
        f'<div style="color:#555;font-size:14px">what G writes after {sample["step"]} steps; left: '
        f"D(real); tokens: {_swatch(1)} D says real, {_swatch(-1)} D says fake</div>"
        f"{''.join(lines)}</div>"
    )


def _swatch(score: float) -> str:
    return f'<span style="background:{_shade(score)};padding:0 .7em"></span>'


def _shade(score: float) -> str:
    red, green, blue = (int((colours.REAL if score > 0 else colours.FAKE)[i : i + 2], 16)
                        for i in (1, 3, 5))  # fmt: skip
    return f"rgba({red},{green},{blue},{min(abs(score), 1.0) * 0.75:.2f})"


def _scatter(sample: dict) -> str:
    points = [p[:2] for p in sample["points"]]
    size = max((abs(v) for p in points for v in p), default=1.0) * 1.1 or 1.0
    dots = "".join(
        f'<circle cx="{x / size:.3f}" cy="{-y / size:.3f}" r="0.03" fill="{colours.FAKE}"/>'
        for x, y in points
    )
    return f'<svg viewBox="-1 -1 2 2" width="260" height="260" style="background:#fff">{dots}</svg>'


def status(
    state: str, t: int, phase: str, rate: float, notice: str = "", error: str = ""
) -> str:
    """Return the status line: what the run does, how fast, and the newest thing to know."""
    dot = {"running": colours.REAL, "paused": colours.TURN}.get(state, colours.FINDING["issue"])
    said = ""
    if error:
        said = f'<span style="color:{colours.FINDING["issue"]}"><b>{escape(error)}</b></span>'
    elif notice:
        said = f'<span style="color:{colours.FINDING["tip"]}"><b>⚑ {escape(notice)}</b></span>'
    return (
        f'<div data-state="{state}" data-t="{t}" style="{_TEXT};font-size:20px">'
        f'<span style="color:{dot}">●</span> <b>{state}</b> &nbsp; step <b>{t}</b> &nbsp; '
        f"{escape(phase)} &nbsp; {rate:.0f} steps/s &nbsp; {said}</div>"
    )
