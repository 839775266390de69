"""Plots of whether losses mean anything: correlations with the truth, and rules put to the test."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas
from matplotlib.axes import Axes

from .. import colours
from .panel import legend, panel

SIDES = {
    "g_loss": ("G's loss", colours.G, 0.16),
    "d_loss": ("D's loss, sign turned", colours.D, -0.16),
}


def correlations(
    found: Mapping[Any, Mapping[str, Any]],
    ax: Axes | None = None,
    distance: str = "held-out NLL",
) -> Axes:
    """Draw the rank correlations of both losses with a distance: one line a run, with intervals.

    ``found`` maps a run, a name or a tuple such as (recipe, seed), to what `loss_correlations`
    returns. To the right a loss can be read as distance, around 0 it says nothing, to the left it
    misleads. D's loss rises as the distance falls, so it is drawn with the sign turned.
    """
    xlabel = f"rank correlation with the {distance} (95 % interval)"
    ax = panel(ax, f"does the loss follow the {distance}?", xlabel, "", _size(len(found)))
    rows = np.arange(len(found))[::-1]
    ax.axvspan(-1.05, 0, color=colours.FINDING["issue"], alpha=0.06, lw=0, zorder=0)
    for side, (label, colour, shift) in SIDES.items():
        results = [run[side] for run in found.values()]
        rho = np.array([r.expected * r.rho for r in results])
        ends = np.array([(r.expected * r.low, r.expected * r.high) for r in results])
        ax.hlines(rows + shift, *ends.T, color=colour, lw=2)
        ax.plot(rho, rows + shift, "o", color=colour, ms=5, label=label)
    ax.axvline(0, color="0.5", lw=1)
    names = [run if isinstance(run, str) else ", ".join(map(str, run)) for run in found]
    ax.set_yticks(rows, names)
    ax.set(xlim=(-1.05, 1.05), ylim=(-0.6, len(found) - 0.4))
    ax.text(-1.02, -0.55, "misleads", color=colours.FINDING["issue"], fontsize="x-small")
    return legend(ax, loc="upper left", bbox_to_anchor=(1, 1))


def separation(
    scores: pandas.Series, lost: pandas.Series, threshold: float, ax: Axes | None = None
) -> Axes:
    """Draw the score that a rule reads, one dot a run, by how the run ended; the rule's threshold.

    ``scores`` and ``lost`` (bool: the exact outcome) share an index whose first level names the
    recipe. A rule is good when one colour lies left of the line and the other right of it.
    """
    recipes = list(dict.fromkeys(scores.index.get_level_values(0)))
    ax = panel(ax, "", scores.name, "", _size(len(recipes)))
    rows = scores.index.get_level_values(0).map(lambda name: len(recipes) - 1 - recipes.index(name))
    for outcome, colour, label in ((False, colours.REAL, "not lost"), (True, colours.FAKE, "lost")):
        of = (lost == outcome).to_numpy()
        ax.scatter(scores[of], rows[of], color=colour, s=42, label=label, alpha=0.85, zorder=3)
    ax.axvline(threshold, color="0.4", ls=":", label="threshold")
    ax.set_yticks(range(len(recipes)), recipes[::-1])
    ax.set(ylim=(-0.6, len(recipes) - 0.4))
    return legend(ax, loc="upper left", bbox_to_anchor=(1, 1))


def _size(rows: int) -> tuple[float, float]:
    return 7.5, 1.2 + 0.42 * rows
