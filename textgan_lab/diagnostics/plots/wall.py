"""Plots of the argmax wall: what a nudge of G's weights does, and what each way round it costs."""

import numpy as np
import pandas
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from .. import colours
from .panel import HUES, legend, panel

LEAST = 1e-3  # biases below this are drawn there: a log axis has no 0
FEW = 10  # changed sentences below which a share is mostly chance, and hollow (ours)


def staircase(frame: pandas.DataFrame, sentence: int = 0, ax: Axes | None = None) -> Axes:
    """Draw how D's score of one sentence changes as G's weights move along one direction.

    ``frame`` is what `nudge` returns, with a size of 0 among its sizes. Hard tokens give a
    staircase, soft ones a curve; the mean over all sentences of hard tokens, in grey, is what a
    gradient of the expected score sees.
    """
    frame = frame[frame["direction"] == frame["direction"].iloc[0]]
    if not (frame["size"] == 0).any():
        raise ValueError("staircase: the sizes of the nudges must include 0, where all starts")
    ax = panel(
        ax, "D's score of one sentence as G's weights move", "move, share of the weights' norm",
        "change of D's logit",
    )  # fmt: skip
    hard, soft = (
        _from_zero(frame.pivot(index="size", columns="sentence", values=kind))
        for kind in ("hard", "soft")
    )
    ax.axvline(0, color="0.85", zorder=0)
    mean = hard.mean(axis=1)
    ax.plot(mean.index, mean, color="0.6", lw=2.5, label=f"hard, mean of {hard.shape[1]} sentences")
    ax.plot(soft.index, soft[sentence], color=colours.G, lw=2, label="soft tokens, one sentence")
    ax.plot(
        hard.index, hard[sentence], color=colours.FAKE, lw=2, drawstyle="steps-mid",
        label="hard tokens, one sentence",
    )  # fmt: skip
    return legend(ax)


def flips(frame: pandas.DataFrame, by: str | None = None, ax: Axes | None = None) -> Axes:
    """Draw the share of sentences that a nudge changes against its size, on log axes.

    The dashed line is exact for small moves: the mean rate times the size. ``by`` names a column,
    such as the unit of the tokens. Shares of 0 cannot be shown; one of less than ten changed
    sentences is hollow.
    """
    ax = panel(
        ax, "how often does a nudge change the sentence?", "move, share of the weights' norm",
        "share of sentences changed",
    )  # fmt: skip
    groups = dict(tuple(frame.groupby(by, sort=False))) if by else {"measured": frame}
    hues = (colours.FAKE, *HUES)
    for number, (group, rows) in enumerate(groups.items()):
        count = rows[rows["size"] > 0].groupby("size")["changed"].agg(["mean", "sum"])
        sizes = np.unique(rows.loc[rows["size"] > 0, "size"])
        exact = rows["rate"].mean() * sizes
        ax.plot(
            sizes[exact <= 1], exact[exact <= 1], color=colours.TRUTH, ls="--", lw=1.2,
            label=None if number else "first order (exact)",
        )  # fmt: skip
        hue, many = hues[number], count[count["sum"] >= FEW]
        few = count[(count["sum"] > 0) & (count["sum"] < FEW)]
        ax.plot(many.index, many["mean"], "o", color=hue, ms=5, label=str(group))
        ax.plot(few.index, few["mean"], "o", color=hue, mfc="white", ms=5)
    ax.set(xscale="log", yscale="log")
    return legend(ax)


def bias_variance(errors: pandas.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw bias against variance of estimators, both relative to the exact gradient, log axes.

    ``errors`` is what `estimator_errors` returns. An estimator with a temperature is a curve, its
    temperatures beside it. Hollow: no bias beyond two standard errors of the measurement. The
    quarter circle's inside, |error| < |g|, is where a step along one estimate is worth taking.
    """
    ax = panel(
        ax, "two ways to be wrong", "variance of one estimate / |g|²", "bias / |g|", (9, 4.4)
    )
    shown = errors[errors["variance"] > 0]
    hues = _hues(errors)
    for name, rows in shown.groupby("estimator", sort=False):
        rows = rows.sort_values("temperature")
        bias = rows["bias"].clip(lower=LEAST)
        clear = rows["bias"] > 2 * rows["bias_se"]
        ax.plot(rows["variance"], bias, "-", color=hues[name], lw=1.2)
        for sure, face in ((clear, hues[name]), (~clear, "white")):
            ax.plot(rows["variance"][sure], bias[sure], "o", color=hues[name], mfc=face, ms=6)
        ax.plot([], [], "o-", color=hues[name], label=name)
        for (_, row), y in zip(rows.iterrows(), bias, strict=True):
            if np.isfinite(row["temperature"]):
                ax.annotate(
                    f"{row['temperature']:g}", (row["variance"], y), xytext=(4, 4),
                    textcoords="offset points", fontsize="x-small", color=hues[name],
                )  # fmt: skip
    variance = np.geomspace(shown["variance"].min() / 2, 1, 200)
    edge = np.sqrt(np.maximum(1 - variance, 0))
    ax.fill_between(variance, LEAST, edge, color="0.9", lw=0, zorder=0, label="error below |g|")
    ax.plot([], [], "o", color="0.4", mfc="white", label="no bias beyond noise")
    ax.set(xscale="log", yscale="log", ylim=(min(0.03, shown["bias"].min() / 2), 2))
    return legend(ax, loc="center left", bbox_to_anchor=(1, 0.5))


def temperature_errors(errors: pandas.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw the whole error of estimators against the temperature; level lines for those without.

    At 1 an estimate is as far from the exact gradient as no estimate at all.
    """
    ax = panel(ax, "too cold, too hot", "temperature", "root mean square error / |g|")
    hues = _hues(errors)
    for name, rows in errors.groupby("estimator", sort=False):
        rows = rows.sort_values("temperature")
        if rows["temperature"].notna().all():
            ax.plot(rows["temperature"], rows["rmse"], "o-", color=hues[name], ms=4, label=name)
        else:
            ax.axhline(rows["rmse"].iloc[0], color=hues[name], ls=":", lw=2, label=name)
    ax.set(xscale="log", yscale="log")
    plain = FuncFormatter(lambda value, _: f"{value:g}")
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter(plain)
        axis.set_minor_formatter(NullFormatter())
    return legend(ax, loc="center left", bbox_to_anchor=(1, 0.5))


def _from_zero(scores: pandas.DataFrame) -> pandas.DataFrame:
    return scores - scores.loc[0.0]


def _hues(errors: pandas.DataFrame) -> dict[str, str]:
    names = errors["estimator"].unique()
    return {name: HUES[i % len(HUES)] for i, name in enumerate(names)}
