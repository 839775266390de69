"""Plots of a run. Each takes telemetry, draws on one Axes and returns it.

Given a ``report`` (what `diagnose` returned) a plot flags its findings where they began.
"""

import numpy as np
import pandas
from matplotlib.axes import Axes

from ...telemetry import Telemetry
from .. import colours
from ..report import Report
from .panel import legend, panel


def losses(telemetry: Telemetry, ax: Axes | None = None, report: Report | None = None) -> Axes:
    """Draw both players' losses as they were optimised; a binary loss of D balances at 2 ln 2.

    Before play, as long as the run has seen nothing else, the loss of the likelihood warm-up.
    """
    ax = _axes(ax, telemetry, "losses", "loss")
    frame = telemetry.frame()
    if "d_loss" not in frame and "g_loss" not in frame:
        _line(ax, frame, "mle_loss", colours.REAL, "likelihood warm-up, nats per token")
        return _finish(ax, report)
    _line(ax, frame, "d_loss", colours.D, "D")
    _line(ax, frame, "g_loss", colours.G, "G")
    start = next((e for e in telemetry.events if e["event"] == "start"), None)
    if start and start["spec"]["loss"] in ("saturating", "non_saturating"):
        ax.axhline(2 * np.log(2), color="0.6", lw=1, label="2 ln 2: D tells nothing apart")
    return _finish(ax, report)


def accuracy(telemetry: Telemetry, ax: Axes | None = None, report: Report | None = None) -> Axes:
    """Draw D's accuracy beside the Bayes accuracy, which no discriminator can exceed.

    Where no law is known, beside that of counting in cells: what a D that looks would reach at
    least.
    """
    ax = _axes(ax, telemetry, "D's accuracy", "share judged right")
    frame = telemetry.frame()
    _line(ax, frame, "d_accuracy", colours.D, "on its batch")
    if "bayes_accuracy" in frame:
        _truth(ax, frame, "bayes_accuracy", "Bayes (exact)")
    elif "cells_accuracy" in frame:
        seen = frame.dropna(subset=["cells_accuracy"])
        label = "counting in cells (Bayes is no lower)"
        ax.plot(seen["step"], seen["cells_accuracy"], color=colours.REAL, lw=1.6, label=label)
    ax.axhline(0.5, color="0.85", zorder=0)
    ax.set_ylim(-0.02, 1.02)
    return _finish(ax, report)


def gradients(telemetry: Telemetry, ax: Axes | None = None, report: Report | None = None) -> Axes:
    """Draw the 2-norms of both gradients before clipping, on a log axis; zeros cannot be shown."""
    ax = _axes(ax, telemetry, "gradient norms", "2-norm over all weights")
    frame = telemetry.frame()
    _line(ax, frame, "d_grad_norm", colours.D, "D")
    _line(ax, frame, "g_grad_norm", colours.G, "G")
    ax.set_yscale("log", nonpositive="mask")
    return _finish(ax, report)


def likelihood(
    telemetry: Telemetry,
    ax: Axes | None = None,
    unigram: float | None = None,
    report: Report | None = None,
) -> Axes:
    """Draw the exact held-out NLL, nats per token; ``unigram`` adds that model's as a reference."""
    ax = _axes(ax, telemetry, "held-out likelihood", "nats per token")
    frame = telemetry.frame()
    _truth(ax, frame, "held_out_nll", "G on held-out text (exact)")
    if unigram is not None:
        ax.axhline(unigram, color=colours.REAL, lw=1.5, label="unigram model")
    begin = frame.loc[frame["phase"] == "adversarial", "step"]
    if len(begin) and begin.iloc[0] > frame["step"].iloc[0]:
        ax.axvspan(frame["step"].iloc[0], begin.iloc[0], color="0.93", zorder=0, label="warm-up")
    return _finish(ax, report)


def divergence(telemetry: Telemetry, ax: Axes | None = None, report: Report | None = None) -> Axes:
    """Draw the true JS divergence in nats, with two standard errors and its ceiling ln 2."""
    ax = _axes(ax, telemetry, "true JS divergence", "nats")
    frame = telemetry.frame()
    _truth(ax, frame, "js", "JS(real, G), exact law")
    if "js" in frame:
        seen = frame.dropna(subset=["js"])
        ax.fill_between(
            seen["step"], seen["js"] - 2 * seen["js_se"], seen["js"] + 2 * seen["js_se"],
            color=colours.TRUTH, alpha=0.12, lw=0,
        )  # fmt: skip
    ax.axhline(np.log(2), color="0.6", lw=1, label="ln 2: nothing in common")
    ax.set_ylim(0, 0.75)
    return _finish(ax, report)


def modes(telemetry: Telemetry, ax: Axes | None = None, report: Report | None = None) -> Axes:
    """Draw the share of each named mode over time as stacked bands, "none" on top in grey."""
    ax = _axes(ax, telemetry, "modes of what G writes", "share")
    frame = telemetry.frame()
    names = [c for c in frame.columns if c.startswith("mode.")]
    if not names:
        raise KeyError("this run knows no modes: its data has no law with named modes")
    seen = frame.dropna(subset=names)
    shades = [f"C{i % 10}" for i in range(len(names) - 1)]
    labels = [name.removeprefix("mode.") for name in names]
    ax.stackplot(seen["step"], seen[names].T, labels=labels, colors=[*shades, "0.8"], alpha=0.85)
    ax.set_ylim(0, 1)
    _finish(ax, report)
    return legend(ax, loc="center left", bbox_to_anchor=(1, 0.5))


def _axes(ax: Axes | None, telemetry: Telemetry, title: str, unit: str) -> Axes:
    ax = panel(ax, title, "step", unit, (7, 3.2))
    for turn in telemetry.turns:
        if turn.source != "schedule":
            ax.axvline(turn.step, color=colours.TURN, lw=0.6, alpha=0.7, zorder=0)
    return ax


def _line(ax: Axes, frame: pandas.DataFrame, name: str, colour: str, label: str) -> None:
    """Draw a noisy column faintly and its running median (25 steps) over it."""
    if name not in frame:
        return
    seen = frame.dropna(subset=[name])
    middle = seen[name].rolling(25, center=True, min_periods=1).median()
    ax.plot(seen["step"], seen[name], color=colour, lw=0.6, alpha=0.3)
    ax.plot(seen["step"], middle, color=colour, lw=1.8, label=label)


def _truth(ax: Axes, frame: pandas.DataFrame, name: str, label: str) -> None:
    if name in frame:
        seen = frame.dropna(subset=[name])
        ax.plot(seen["step"], seen[name], color=colours.TRUTH, ls="--", lw=1.6, label=label)


def _flags(ax: Axes, report: Report) -> None:
    """Mark each finding at its first step, its label above the axes, where it covers nothing."""
    left, right = ax.get_xlim()
    for i, finding in enumerate(report.findings):
        colour = colours.FINDING[finding.severity]
        ax.axvline(finding.since, color=colour, lw=1.2, zorder=1)
        late = finding.since > left + 0.6 * (right - left)  # then there is no room to its right
        ax.annotate(
            finding.code, (finding.since, 1.0), xycoords=ax.get_xaxis_transform(),
            xytext=(-2 if late else 2, 4 + 14 * i), textcoords="offset points",
            ha="right" if late else "left", va="bottom", fontsize="x-small", color="white",
            bbox={"boxstyle": "square,pad=0.25", "fc": colour, "ec": "none"}, zorder=5 - 0.1 * i,
            arrowprops={"arrowstyle": "-", "color": colour, "lw": 1.2, "relpos": (late, 0),
                        "shrinkA": 0, "shrinkB": 0},
        )  # fmt: skip
    ax.set_title(ax.get_title(), pad=6 + 14 * len(report.findings))


def _finish(ax: Axes, report: Report | None = None) -> Axes:
    if report is not None:
        _flags(ax, report)
    return legend(ax) if ax.get_legend_handles_labels()[0] else ax
