"""Plots of quality against diversity, from the table that ``training.quality`` returns."""

from collections.abc import Mapping

import numpy as np
import pandas
from matplotlib.axes import Axes

from .. import colours
from .panel import legend, panel

MARKS = "os^DvPX*"
SIZE = (7, 3.6)  # inches


def temperatures(sweep: pandas.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw the true JS and the oracle NLL of one generator against its sampling temperature.

    JS on the left axis, in nats; on the right one what the law makes of the fakes, nats per
    sentence. Both are "smaller is better"; a log axis of temperatures.
    """
    ax = panel(
        ax, "one generator, sampled colder and hotter", "temperature", "JS(real, G), nats", SIZE
    )
    x, right = sweep["temperature"], ax.twinx()
    (js,) = ax.plot(x, sweep["js"], color=colours.TRUTH, ls="--", marker="o", ms=4)
    (nll,) = right.plot(x, sweep["oracle_nll.sentence"], color=colours.FAKE, marker="s", ms=4)
    ax.set(xscale="log", ylim=(0, 0.72))
    ax.axhline(np.log(2), color="0.6", lw=1, zorder=0)
    ax.set_xticks(x, [f"{t:g}" for t in x], minor=False)
    ax.set_xticks([], minor=True)
    right.set_ylabel("oracle NLL of the fakes, nats per sentence", color=colours.FAKE)
    right.spines["top"].set_visible(False)
    ax.legend(
        [js, nll], ["true JS", "oracle NLL"], frameon=False, fontsize="small",
        loc="upper center", bbox_to_anchor=(0.5, 0.94),
    )  # fmt: skip
    return ax


def quality_diversity(
    control: pandas.DataFrame,
    others: Mapping[str, pandas.DataFrame] | None = None,
    x: str = "self_bleu",
    y: str = "bleu",
    ax: Axes | None = None,
) -> Axes:
    """Draw a plane of diversity (``x``) and quality (``y``): a curve over temperatures, and points.

    ``control`` is a sweep over temperatures of one generator, drawn as a curve with the
    temperatures beside it; ``others`` name tables of rows that are drawn as points. One number
    ranks two generators only where one lies on the good side of the other's whole curve.
    """
    ax = panel(ax, "quality against diversity", _label(x), _label(y), SIZE)
    curve = control.sort_values("temperature")
    ax.plot(
        curve[x], curve[y], color=colours.G, marker="o", ms=4, label="likelihood, by temperature"
    )
    for _, row in curve.iterrows():
        ax.annotate(
            f"{row['temperature']:g}", (row[x], row[y]), xytext=(4, -9),
            textcoords="offset points", fontsize="x-small", color=colours.G,
        )  # fmt: skip
    for (name, table), mark in zip((others or {}).items(), MARKS, strict=False):
        ax.scatter(table[x], table[y], marker=mark, color=colours.FAKE, s=36, label=name, zorder=3)
    return legend(ax)


def _label(column: str) -> str:
    return {
        "bleu": "BLEU against test data (quality: up)",
        "self_bleu": "self-BLEU (diversity: left)",
        "oracle_nll.sentence": "oracle NLL, nats per sentence (quality: down)",
        "held_out_nll.sentence": "held-out NLL, nats per sentence (coverage: left)",
        "js": "JS(real, G), nats",
    }.get(column, column.replace("_", " "))
