"""Plots of many systems at once: how each went, and what those write that no one can read."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from ...telemetry import Telemetry
from .panel import HUES, legend, panel

GAP = 1  # cells between two pictures


def courses(
    runs: Mapping[str, Telemetry],
    column: str = "js",
    label: str = "true JS, nats",
    control: tuple[str, float] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw one measured ``column`` of every run over its steps; grey: the longest warm-up.

    ``control`` is a name and its value, a dotted line: what there is to beat. The legend stands in
    the order in which the runs end. Raises ValueError when no run has the column.
    """
    ax = panel(ax, "each system, as it trains", "step", label, (9, 4))
    seen = {n: t.frame().dropna(subset=[column]) for n, t in runs.items() if column in t.frame()}
    seen = {name: frame for name, frame in seen.items() if len(frame)}
    if not seen:
        raise ValueError(f"courses: none of {', '.join(runs) or 'no runs'} has a {column!r}")
    hues = dict(zip(seen, (*HUES, *(f"C{i}" for i in range(10))), strict=False))
    for name in sorted(seen, key=lambda name: -seen[name][column].iloc[-1]):
        frame = seen[name]
        ax.plot(frame["step"] + 1, frame[column], color=hues.get(name), lw=1.6, ms=3, marker="o",
                label=name)  # fmt: skip
    phases = [telemetry.frame()["phase"] for telemetry in runs.values()]
    warm = [(phase == "mle").sum() for phase in phases if (phase != "mle").any()]
    if any(warm):
        ax.axvspan(0, max(warm), color="0.94", zorder=0, lw=0)
    if control is not None:
        name, value = control
        ax.axhline(value, color="0.25", ls=":", lw=1.6, label=f"{name}, in the end")
    ax.set_xlim(left=0)
    return legend(ax, loc="center left", bbox_to_anchor=(1, 0.5))


def series(samples: Mapping[str, ArrayLike], n: int = 6, ax: Axes | None = None) -> Axes:
    """Draw n series of each set, a set a row: time runs down, sensors across, colour is the value.

    Shapes  arrays [samples, frames, sensors]; the colours are symmetric about 0, one scale for all
    Raises  ValueError without sets, for other shapes or fewer series than n
    """
    arrays = {name: np.asarray(x, float) for name, x in samples.items()}
    shapes = {name: x.shape for name, x in arrays.items()}
    if (
        not arrays
        or any(len(s) != 3 or s[0] < n for s in shapes.values())
        or len({s[1:] for s in shapes.values()}) > 1
    ):
        raise ValueError(
            f"series: expected {n} series or more a set, [samples, frames, sensors] of one size, "
            f"got {shapes}"
        )
    frames, sensors = next(iter(arrays.values())).shape[1:]
    high, wide = frames + GAP, sensors + GAP
    picture = np.full((high * len(arrays) - GAP, wide * n - GAP), np.nan)
    for row, x in enumerate(arrays.values()):
        for column in range(n):
            place = (
                slice(row * high, row * high + frames),
                slice(column * wide, column * wide + sensors),
            )
            picture[place] = x[column]
    ax = panel(ax, "", "sensors", "frames, downwards", (1.5 * n, 1.6 * len(arrays) + 0.5))
    most = np.nanmax(np.abs(picture))
    image = ax.imshow(picture, cmap="RdBu_r", vmin=-most, vmax=most, aspect="auto")
    ax.set_yticks([row * high + (frames - 1) / 2 for row in range(len(arrays))], list(arrays))
    ax.set_xticks([])
    for side in ax.spines.values():
        side.set_visible(False)
    ax.tick_params(length=0)
    ax.figure.colorbar(image, ax=ax, label="value", pad=0.01)
    return ax
