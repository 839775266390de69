"""Plots of estimators: what each is wrong by, what it costs, and whom it credits."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from ...telemetry import Telemetry
from .. import colours
from .panel import HUES, legend, panel

SEEN = HUES[:5]  # without yellow, which a hollow mark would lose on white
MARKERS = ("o", "s", "^", "D")  # with the hues more pairs than there are estimators
SURE = 3  # standard errors, below which a bias is hollow (ours)
SLEEPY = 0.1  # of the batch: an effective size below it is an alarm (ours)
RIMS = (0.3, 3.0)  # bias and variance lie at least so far from the edges: factors


def error_map(errors: pandas.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw one mark an estimator, bias against variance, both relative to the exact gradient.

    ``errors`` is what `estimator_errors` returns, one row an estimator. Hollow: the bias is within
    three standard errors of the finite draws, so that its height is noise. An estimate that never
    varies has no place on a log axis, and is left out.
    """
    ax = panel(ax, "bias and variance of one estimate", "variance / |g|²", "bias / |g|", (8.6, 4.2))
    shown = errors[errors["variance"] > 0]
    for number, (_, row) in enumerate(shown.iterrows()):
        hue, marker = SEEN[number % len(SEEN)], MARKERS[number // len(SEEN) % len(MARKERS)]
        sure = row["bias"] > SURE * row["bias_se"]
        ax.plot(
            row["variance"], row["bias"], marker, color=hue, mfc=hue if sure else "white", ms=8,
            mew=1.8, ls="", label=row["estimator"],
        )  # fmt: skip
    low, high = RIMS
    ax.set(
        xscale="log", yscale="log",
        xlim=(shown["variance"].min() * low, shown["variance"].max() * high),
        ylim=(shown["bias"].min() * low, max(shown["bias"].max() * high, 1.0)),
    )  # fmt: skip
    return legend(ax, loc="center left", bbox_to_anchor=(1, 0.5))


def costs(errors: pandas.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw what one estimate takes, milliseconds of wall clock, a bar an estimator, log axis."""
    ax = panel(ax, "price of one estimate", "milliseconds", "", (5, 4.2))
    names, price = list(errors["estimator"]), 1e3 * errors["seconds"].to_numpy()
    ax.barh(names, price, color="0.75")
    for place, value in enumerate(price):
        ax.annotate(
            f"{value:.2g}", (value, place), xytext=(3, 0), textcoords="offset points",
            va="center", fontsize="small",
        )  # fmt: skip
    ax.set(xscale="log", xlim=(price.min() / 2, price.max() * 2))
    _plain(ax.xaxis)
    ax.invert_yaxis()
    return ax


def credit(
    words: Sequence[str],
    credits: Mapping[str, Sequence[float]],
    wrong: int | None = None,
    agreement: Mapping[str, float] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw how each estimator credits each word of one sentence: a row an estimator.

    Green is praise and brown blame, each row in units of its own largest credit: estimators pay in
    different coin. A white row credits nobody. ``wrong`` frames a word; ``agreement`` is a
    correlation, told beside the row's name.

    Raises ValueError for a row that has another number of credits than there are words.
    """
    for name, row in credits.items():
        if len(row) != len(words):
            raise ValueError(
                f"credit: {name!r} has {len(row)} credits for {len(words)} words; cut it there"
            )
    table = np.array([list(row) for row in credits.values()], dtype=float)
    ax = panel(
        ax, "who is praised (green), who is blamed (brown)", "", "",
        (3 + 0.95 * len(words), 0.9 + 0.4 * len(table)),
    )  # fmt: skip
    most = np.abs(table).max(1, keepdims=True)
    share = np.divide(table, most, out=np.zeros_like(table), where=most > 0)
    ax.imshow(share, cmap="BrBG", vmin=-1.7, vmax=1.7, aspect="auto")
    for (y, x), value in np.ndenumerate(table):
        ax.annotate(f"{value:+.2f}", (x, y), ha="center", va="center", fontsize="small")
    if wrong is not None:
        ax.axvspan(wrong - 0.5, wrong + 0.5, fill=False, ec=colours.TRUTH, lw=2)
    ax.set_xticks(range(len(words)), words)
    told = {} if agreement is None else {k: f"{k}  (r = {agreement[k]:.2f})" for k in credits}
    ax.set_yticks(range(len(table)), [told.get(name, name) for name in credits])
    ax.tick_params(length=0)
    return ax


def word_values(
    words: Sequence[str],
    exact: Sequence[float],
    estimates: Mapping[str, Sequence[float]],
    wrong: int | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw what a sentence is worth up to each word: exactly, and as each estimator has it.

    Of ``exact``, the first entry is the worth of nothing written yet, so that it has one more than
    there are words. ``wrong`` frames a word.

    Raises ValueError for lengths that do not fit.
    """
    fits = {"exact": (exact, len(words) + 1), **{k: (v, len(words)) for k, v in estimates.items()}}
    for name, (row, expected) in fits.items():
        if len(row) != expected:
            raise ValueError(f"word_values: {name!r} has {len(row)} values, expected {expected}")
    ax = panel(
        ax, "what to expect of a sentence that begins so", "", "reward, on average",
        (2 + 0.95 * len(words), 2.8),
    )  # fmt: skip
    ax.plot(
        range(-1, len(words)), exact, "--", color=colours.TRUTH, lw=1.6, marker=".",
        label="exact, all ends summed up",
    )  # fmt: skip
    for number, (name, row) in enumerate(estimates.items()):
        hue, marker = SEEN[number % len(SEEN)], MARKERS[number // len(SEEN) % len(MARKERS)]
        ax.plot(range(len(words)), row, marker, color=hue, ms=7, label=name)
    if wrong is not None:
        ax.axvspan(wrong - 0.5, wrong + 0.5, fill=False, ec=colours.TRUTH, lw=2)
    ax.set_xticks(range(-1, len(words)), ["(nothing)", *words])
    return legend(ax, loc="center left", bbox_to_anchor=(1, 0.5))


def effective_sizes(
    scales: Sequence[float], shares: Mapping[str, Sequence[float]], ax: Axes | None = None
) -> Axes:
    """Draw which share of a group its weights are worth against how sure D is, log axes.

    ``shares`` is a curve a kind of group: the effective size over the size, 1 for equal weights and
    1 / size where one sentence has all. Below the line, a tenth, is the alarm.
    """
    ax = panel(
        ax, "a sure D leaves few fakes with all the weight", "factor on D's logits",
        "share of a group that counts",
    )  # fmt: skip
    for number, (name, row) in enumerate(shares.items()):
        marker = MARKERS[number % len(MARKERS)]
        ax.plot(scales, row, marker + "-", color=SEEN[number % len(SEEN)], ms=4, label=name)
    hue = colours.FINDING["issue"]
    ax.axhline(SLEEPY, color=hue, lw=1.5, label="alarm: a tenth")
    ax.set(xscale="log", yscale="log", ylim=(0.01, 1.4))
    ax.axhspan(0.01, SLEEPY, color=hue, alpha=0.08, lw=0)
    for axis in (ax.xaxis, ax.yaxis):
        _plain(axis)
    return legend(ax, loc="center left", bbox_to_anchor=(1, 0.5))


def ess(telemetry: Telemetry, ax: Axes | None = None) -> Axes:
    """Draw how many sentences the weights were worth in a run of weighted likelihood, log axis.

    Faintly each batch, over it the running median of 25. Raises KeyError for a run without `ess`.
    """
    frame = telemetry.frame()
    if "ess" not in frame:
        raise KeyError("this run recorded no `ess`: its estimator does not weigh sentences")
    ax = panel(ax, "effective number of sentences", "step", "sentences", (7, 3.2))
    seen = frame.dropna(subset=["ess"])
    middle = seen["ess"].rolling(25, center=True, min_periods=1).median()
    ax.plot(seen["step"], seen["ess"], color=colours.G, lw=0.6, alpha=0.3)
    ax.plot(seen["step"], middle, color=colours.G, lw=1.8, label="1 / sum of squared weights")
    start = next((e for e in telemetry.events if e["event"] == "start"), None)
    most = start["spec"]["batch_size"] if start else float(seen["ess"].max())
    hue = colours.FINDING["issue"]
    ax.axhline(SLEEPY * most, color=hue, lw=1.5, label="alarm: a tenth of the batch")
    ax.set(yscale="log", ylim=(0.8, 2 * most))
    _plain(ax.yaxis)
    return legend(ax)


def batch_sizes(
    errors: pandas.DataFrame, column: str, slope: float, ax: Axes | None = None
) -> Axes:
    """Draw a column of `estimator_errors` against the batch size, log axes, a line an estimator.

    ``errors`` has a column ``batch_size`` besides. The dashed line is (batch size)^slope through
    the first estimator's first point. Of "bias", a mark within three standard errors of the finite
    draws is hollow: its height is noise. "seconds" are drawn in milliseconds.
    """
    price = column == "seconds"
    name, label = ("price", "milliseconds") if price else (column, f"{column} / |g|")
    ax = panel(ax, f"{name} against batch size", "sentences in a batch", label, (5.4, 3.6))
    for number, (name, rows) in enumerate(errors.groupby("estimator", sort=False)):
        rows, hue = rows.sort_values("batch_size"), HUES[number % len(HUES)]
        size, value = rows["batch_size"], rows[column] * (1e3 if price else 1)
        ax.plot(size, value, "-", color=hue, lw=1.2)
        sure = rows["bias"] > SURE * rows["bias_se"] if column == "bias" else value > 0
        for part, face in ((sure, hue), (~sure, "white")):
            ax.plot(size[part], value[part], "o", color=hue, mfc=face, ms=6)
        ax.plot([], [], "o-", color=hue, label=name)
        if not number:
            line = value.iloc[0] * (size / size.iloc[0]) ** slope
            ax.plot(
                size, line, color=colours.TRUTH, ls="--", lw=1.2, label=f"(batch size)^{slope:g}"
            )
    ax.set(xscale="log", yscale="log")
    ax.set_xticks(sorted(set(errors["batch_size"])), minor=False)
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.xaxis.set_minor_formatter(NullFormatter())
    _plain(ax.yaxis)
    return legend(ax)


def _plain(axis) -> None:
    """Write 0.1, 1, 10 instead of powers of ten."""
    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())
