"""What the lab says beside its curves, as HTML: pure functions, no widget, no torch."""

import math
import re
from html import escape
from typing import TYPE_CHECKING

from ..diagnostics import colours
from ..diagnostics.report import Report

if TYPE_CHECKING:
    from ..training.scenarios import Scenario

FPS = 6  # frames a second at most: drawing takes time from training
TEXT = "font:16px/1.4 sans-serif"


def number(value: float) -> str:
    """Return a setting or a tick as a person writes it.

    >>> number(3e-4), number(0.5), number(0.999), number(20000)
    ('3e-4', '0.5', '0.999', '2e4')
    """
    if value == 0 or 1e-3 <= abs(value) < 1e4:
        return f"{value or 0:.5g}"  # no minus before a zero
    mantissa, exponent = f"{value:.2e}".split("e")
    return f"{float(mantissa):g}e{int(exponent)}"


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
        f'<div style="columns:2 480px;column-gap:16px;font-size:14px">{"".join(lines)}</div></div>'
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

    Of several findings the newest issue is said; a tip only where there is no issue. It is one
    line, so that nothing below it jumps, and pointing at it shows all of it; an error has the room
    it needs.
    """
    said, code = [], ""
    if error or notice:
        colour = colours.FINDING["issue" if error else "tip"]
        said.append(f'<b style="color:{colour}">{escape(error or notice)}</b>')
    if report and report.findings:
        finding = max(report.issues or report.findings, key=lambda finding: finding.since)
        code = finding.code
        others = len(report.findings) - 1
        more = f' <span style="opacity:.6">and {others} more</span>' if others else ""
        said.append(
            f'<b style="color:{colours.FINDING[finding.severity]}">⚑ {escape(code)}</b> since step '
            f"{finding.since}{more}: {escape(finding.evidence)}"
        )
    elif report:
        said.append(f'<span style="opacity:.6">{escape(report.verdict)}</span>')
    line = " &ensp; ".join(said)
    full = re.sub("<[^>]*>", "", line)  # escaped already, as the line is
    return (
        f'<div data-finding="{escape(code)}" title="{full}" '
        f'style="font:18px/1.4 sans-serif;{"" if error else _ONE_LINE}">{line}</div>'
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
