"""What the lab shows, as HTML with inline SVG: pure functions of telemetry, no widget, no torch."""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from html import escape
from typing import TYPE_CHECKING

from ..diagnostics import colours
from ..diagnostics.detectors import Finding
from ..diagnostics.report import Report
from ..knobs import Turn
from ..telemetry import Telemetry

if TYPE_CHECKING:
    from ..training.scenarios import Scenario

FPS = 6  # frames a second at most: drawing takes time from training
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


def number(value: float) -> str:
    """Return a setting or a tick as a person writes it.

    >>> number(3e-4), number(0.5), number(0.999), number(20000)
    ('3e-4', '0.5', '0.999', '2e4')
    """
    if value == 0 or 1e-3 <= abs(value) < 1e4:
        return f"{value or 0:.5g}"  # no minus before a zero
    mantissa, exponent = f"{value:.2e}".split("e")
    return f"{float(mantissa):g}e{int(exponent)}"


def _reading(value: float) -> str:
    """Return a measured value in few letters, of a width that does not jump from step to step."""
    if value == 0 or 0.01 <= abs(value) < 1000:
        return f"{value:.2f}" if abs(value) < 10 else f"{value:.0f}"
    return f"{value:.0e}"


TEXT = "font:16px/1.4 sans-serif"


def board(sample: dict | None) -> str:
    """Return the newest sentences, each token coloured by D's score: green real, purple fake."""
    if sample is None:
        return ""
    if "points" in sample:
        return _scatter(sample)
    scores = [abs(s) for sentence in sample["sentences"] for s in sentence["scores"]]
    largest = max(filter(math.isfinite, scores), default=0.0) or 1.0
    lines = []
    for sentence in sample["sentences"]:
        tokens = " ".join(  # the blank is where a long sentence may break
            f'<span style="background:{shade(s / largest)};padding:1px 4px;'
            f'border-radius:3px">{escape(token)}</span>'
            for token, s in zip(sentence["tokens"], sentence["scores"], strict=True)
            if token != "<eos>"
        )
        lines.append(
            f'<div style="break-inside:avoid;display:flex"><span style="flex:0 0 2.8em">'
            f"{sentence['p_real']:.2f}</span><span>{tokens}</span></div>"
        )
    return (
        f'<div data-sample="{sample["step"]}" style="{TEXT}">'
        f'<div style="opacity:.75;font-size:13px">what G writes after {sample["step"]} steps; '
        f"number: D's probability of real; {_swatch(1)} this token looks real to D, "
        f"{_swatch(-1)} fake</div>"
        f'<div style="columns:2 480px;column-gap:16px">{"".join(lines)}</div></div>'
    )


def _swatch(score: float) -> str:
    return f'<span style="background:{shade(score)};padding:0 .7em;margin:0 .3em"></span>'


def shade(score: float) -> str:
    """Return the colour of a score from -1 (fake) to 1 (real); of none where it is not finite."""
    if math.isnan(score):
        return "transparent"
    red, green, blue = (int((colours.REAL if score > 0 else colours.FAKE)[i : i + 2], 16)
                        for i in (1, 3, 5))  # fmt: skip
    return f"rgba({red},{green},{blue},{min(abs(score), 1.0) * 0.75:.2f})"


def _scatter(sample: dict) -> str:
    points = [p[:2] for p in sample["points"] if all(map(math.isfinite, p[:2]))]
    size = max((abs(v) for p in points for v in p), default=1.0) * 1.1 or 1.0
    dots = "".join(
        f'<circle cx="{x / size:.3f}" cy="{-y / size:.3f}" r="0.018" fill="{colours.FAKE}" '
        f'fill-opacity="0.6"/>'
        for x, y in points
    )
    return f'<svg viewBox="-1 -1 2 2" width="260" height="260" style="background:#fff">{dots}</svg>'


_ONE_LINE = "white-space:nowrap;overflow:hidden;text-overflow:ellipsis"
SIGNS = {  # how each state of a lab looks: a sign, and its colour
    "running": ("▶", colours.REAL),
    "paused": ("❚❚", colours.TURN),
    "finished": ("✔", colours.REAL),
    "closed": ("■", colours.TURN),
    "failed": ("✖", colours.FINDING["issue"]),
}


def status(state: str, t: int, phase: str, rate: float) -> str:
    """Return the status line: what the run does, how far it is, how fast."""
    sign, colour = SIGNS[state]
    return (
        f'<div data-state="{state}" data-t="{t}" style="font:24px/1.3 sans-serif;{_ONE_LINE}">'
        f'<b style="color:{colour}">{sign} {state}</b> &ensp; step <b>{t}</b> &ensp; '
        f"{escape(phase)} &ensp; {rate:.0f} steps/s</div>"
    )


def news(notice: str = "", error: str = "", report: Report | None = None) -> str:
    """Return the line below the status: what went wrong or was done last, and the newest finding.

    Of several findings the newest issue is said; a tip only where there is no issue.
    """
    said, code, full = [], "", ""
    if error or notice:
        colour = colours.FINDING["issue" if error else "tip"]
        said.append(f'<b style="color:{colour}">{escape(error or notice)}</b>')
    if report and report.findings:
        finding = max(report.issues or report.findings, key=lambda finding: finding.since)
        code, full = finding.code, finding.evidence
        others = len(report.findings) - 1
        more = f' <span style="opacity:.6">and {others} more</span>' if others else ""
        said.append(
            f'<b style="color:{colours.FINDING[finding.severity]}">⚑ {escape(code)}</b> since step '
            f"{finding.since}{more}: {escape(full)}"
        )
    elif report:
        said.append(f'<span style="opacity:.6">{escape(report.verdict)}</span>')
    return (
        f'<div data-finding="{escape(code)}" title="{escape(full)}" '
        f'style="font:18px/1.4 sans-serif;{_ONE_LINE}">{" &ensp; ".join(said)}</div>'
    )


def scenario(loaded: "Scenario | None", cured: bool) -> str:
    """Return what to look at in a loaded scenario, or what cured its twin."""
    if loaded is None:
        return ""
    head, said = loaded.title, f"{loaded.what} {loaded.look_at}"
    if cured:
        turns = ", ".join(f"{name} = {number(value)}" for name, value in loaded.turns.items())
        head += ", cured"
        said = loaded.cure_text + (f" (as a turn in the ill run: {turns})" if turns else "")
    return (
        f'<div data-scenario="{escape(loaded.name)}" data-cured="{str(cured).lower()}" '
        f'style="font:15px/1.35 sans-serif"><b>{escape(head)}</b> &ensp; {escape(said)}</div>'
    )
