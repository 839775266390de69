"""Plots over many runs: what became of each, and how D judged beside how well it could."""

from collections.abc import Sequence

import numpy as np
import pandas
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from .. import colours
from ..outcomes import OUTCOMES
from .panel import legend, panel

OF_OUTCOME = {
    "healthy": colours.REAL, "damaged": "#E69F00", "collapsed": colours.FINDING["issue"],
    "stuck": "#56B4E9", "diverged": "#000000",
}  # fmt: skip
MARKS = dict(zip(OUTCOMES, "oDsv^", strict=True))


def outcome_map(frame: pandas.DataFrame, x: str, y: str, ax: Axes | None = None) -> Axes:
    """Draw a cell for each pair of labels in columns ``x`` and ``y``, a stripe for each run in it.

    The stripes are coloured by column ``outcome``; the text names the most frequent one and says
    how many of the cell's runs had it. Raises ValueError when there are no runs.
    """
    if not len(frame):
        raise ValueError("outcome_map: no runs to draw")
    columns, rows = (list(dict.fromkeys(frame[name])) for name in (x, y))
    ax = panel(ax, "what became of each run", x, y, (1.7 + 1.6 * len(columns), 1 + 0.9 * len(rows)))
    for (column, row), cell in frame.groupby([x, y], sort=False):
        left, bottom = columns.index(column), rows.index(row)
        found = sorted(cell["outcome"], key=OUTCOMES.index)
        for i, name in enumerate(found):
            size = 0.94 / len(found)
            corner = (left + 0.03 + i * size, bottom + 0.03)
            ax.add_patch(Rectangle(corner, size, 0.94, color=OF_OUTCOME[name], alpha=0.75, lw=0))
        main = max(OUTCOMES, key=found.count)
        text = f"{main}\n{found.count(main)} of {len(found)}"
        box = {"facecolor": "white", "alpha": 0.85, "edgecolor": "none", "pad": 2}
        ax.text(left + 0.5, bottom + 0.5, text, ha="center", va="center", fontsize=9, bbox=box)
    ax.set(xlim=(0, len(columns)), ylim=(0, len(rows)))
    ax.set_xticks(np.arange(len(columns)) + 0.5, columns)
    ax.set_yticks(np.arange(len(rows)) + 0.5, rows)
    ax.tick_params(length=0)
    return ax


def judges(frame: pandas.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw D's accuracy against the Bayes accuracy of each run, coloured by its outcome.

    Reads columns ``d_accuracy``, ``bayes_accuracy`` and ``outcome``. On the dashed line D judges as
    well as can be; far below it D is behind, whatever its accuracy.
    """
    ax = panel(
        ax, "how well D judged, and how well one could", "Bayes accuracy (exact), share",
        "D's accuracy, share", (4.6, 4.2),
    )  # fmt: skip
    ax.plot([0.5, 1], [0.5, 1], color=colours.TRUTH, ls="--", lw=1.4, label="optimal D")
    ax.axhline(0.5, color="0.8", lw=1, zorder=0)
    for name in OUTCOMES:
        runs = frame[frame["outcome"] == name]
        if len(runs):
            ax.scatter(
                runs["bayes_accuracy"], runs["d_accuracy"], color=OF_OUTCOME[name],
                marker=MARKS[name], s=36, label=name, zorder=3, clip_on=False,
            )  # fmt: skip
    ax.set(xlim=(0.48, 1.02), ylim=(min(0.38, frame["d_accuracy"].min() - 0.02), 1.02))
    return legend(ax, loc="upper left")


def threshold_rounds(
    played: Sequence, cap: int | None = None, title: str = "", ax: Axes | None = None
) -> Axes:
    """Draw how many updates D took in each round, of a loss-threshold schedule; capped ones red.

    ``played`` is what ``loss_threshold`` returned; ``cap`` draws the cap.
    """
    ax = panel(ax, title, "round", "updates of D", (5.2, 2.6))
    for hit, label, colour in (
        (False, "loss fell below the threshold", colours.D),
        (True, "stopped by the cap", colours.FINDING["issue"]),
    ):
        bars = [(i, r.d_updates) for i, r in enumerate(played, 1) if r.cap_hit is hit]
        if bars:
            ax.bar(*zip(*bars, strict=True), color=colour, label=label)
    if cap is not None:
        ax.axhline(cap, color="0.4", lw=1, ls=":", label="cap")
    ax.set_ylim(0, 1.35 * max([cap or 0, *(r.d_updates for r in played)], default=1))
    return legend(ax, loc="upper right", ncols=2)  # in the room above the bars
