"""Plots of a frozen generator: its gradient, and D's accuracy, while D alone goes on learning.

Each takes a table that ``textgan_lab.training.frozen`` returns, or several of them on top of one
another with a column that tells them apart.
"""

import pandas
from matplotlib.axes import Axes

from .. import colours
from .panel import HUES, legend, panel

OF_LOSS = {"saturating": colours.G, "non_saturating": HUES[0], "wasserstein": HUES[1]}
STYLES = ("-", "--", ":", "-.")
GROUP = (colours.G, *HUES)


def decay(frame: pandas.DataFrame, by: str | None = None, ax: Axes | None = None) -> Axes:
    """Draw the norm of G's gradient against D's updates, on a log axis: a line for each loss.

    ``by`` names a column (a stage, a remedy) that tells further lines apart: by colour where all
    are of one loss, else by style, with a colour for each loss.
    """
    ax = panel(
        ax, "what a frozen G is told while D learns", "updates of D", "2-norm of G's gradient",
        (8.5, 3.4),
    )  # fmt: skip
    one_loss = frame["loss"].nunique() == 1
    for number, (group, lines) in enumerate(_groups(frame, by)):
        for loss, rows in lines.groupby("loss", sort=False):
            by_loss = OF_LOSS.get(loss, "0.4")
            colour = GROUP[number % len(GROUP)] if by and one_loss else by_loss
            style = "-" if one_loss else STYLES[number % len(STYLES)]
            named = group if by and one_loss else ", ".join([_said(loss), *([group] if by else [])])
            ax.plot(
                rows["d_step"], rows["norm"], style, color=colour, marker="o", ms=3, label=named
            )
    if by and one_loss:
        ax.set_title(f"what a frozen G is told while D learns, {_said(frame['loss'].iloc[0])}")
    ax.set_yscale("log", nonpositive="mask")
    return legend(ax, loc="center left", bbox_to_anchor=(1, 0.5))


def confidence(
    frame: pandas.DataFrame,
    by: str | None = None,
    bayes: float | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw D's accuracy against its updates; ``bayes`` is the exact accuracy of the optimal D.

    Colours as in `decay`: one for each value of the column ``by``.
    """
    ax = panel(ax, "how often is D right?", "updates of D", "share judged right", (8.5, 3.4))
    once = frame.drop_duplicates(["d_step", *([by] if by else [])])  # all losses share one D
    for number, (group, rows) in enumerate(_groups(once, by)):
        rows = rows.dropna(subset=["d_accuracy"])
        colour = GROUP[number % len(GROUP)] if by else colours.D
        ax.plot(rows["d_step"], rows["d_accuracy"], color=colour, marker="o", ms=3, label=group)
    if bayes is not None:
        ax.axhline(bayes, color=colours.TRUTH, ls="--", lw=1.4, label="optimal D on words (exact)")
    ax.axhline(0.5, color="0.85", zorder=0)
    ax.set_ylim(0.45, 1.02)
    return legend(ax, loc="center left", bbox_to_anchor=(1, 0.5))


def noise_response(frame: pandas.DataFrame, by: str, ax: Axes | None = None) -> Axes:
    """Draw the norm of G's gradient against the noise on D's input (column ``d_noise``).

    Without noise it stands at the left edge of the log axis. A line for each value of ``by``.
    """
    ax = panel(
        ax, "instance noise on a trained D", "noise on D's input, std (units of x)",
        "2-norm of G's gradient",
    )  # fmt: skip
    noisy = frame.loc[frame["d_noise"] > 0, "d_noise"]
    left = noisy.min() / 3
    for number, (group, rows) in enumerate(_groups(frame, by)):
        rows = rows.sort_values("d_noise")
        x = rows["d_noise"].where(rows["d_noise"] > 0, left)
        ax.plot(x, rows["norm"], color=GROUP[number % len(GROUP)], marker="o", ms=4, label=group)
    ax.set(xscale="log", yscale="log")
    ticks = sorted(noisy.unique())
    ax.set_xticks([left, *ticks], ["0", *(f"{t:g}" for t in ticks)], minor=False)
    ax.set_xticks([], minor=True)
    return legend(ax)


def _groups(frame: pandas.DataFrame, by: str | None) -> list[tuple[str, pandas.DataFrame]]:
    if by is None:
        return [("D", frame)]
    return [(str(group), rows) for group, rows in frame.groupby(by, sort=False)]


def _said(loss: str) -> str:
    return loss.replace("_", "-")
