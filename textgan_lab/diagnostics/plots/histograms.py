"""Plots of modes over time: a heat map, a film, and the points themselves."""

import re
from collections.abc import Sequence

import numpy as np
from matplotlib.animation import FuncAnimation
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from ...metrics.modes import temporal_js
from ...telemetry import Telemetry
from .. import colours
from ..signals import histograms
from .panel import legend, panel


def mode_map(telemetry: Telemetry, ax: Axes | None = None, since: int = 0) -> Axes:
    """Draw the share of each mode, row by row, over the steps of play: dark is all of G's samples.

    The bottom row, "none", is what belongs to no mode. Below stands the temporal JS of what is
    shown, nats. Raises KeyError when the run knows no modes, ValueError without measurements.
    """
    steps, shares, names = _play(telemetry, since)
    moved = f"temporal JS {temporal_js(shares):.2f} of at most {np.log(len(names)):.2f} nats"
    size = (7, 0.9 + 0.24 * len(names))
    ax = panel(ax, "modes of what G makes", f"step ({moved})", "", size)
    half = (steps[1] - steps[0]) / 2 if len(steps) > 1 else 0.5
    ends, rows = (steps[0] - half, steps[-1] + half), (len(names) - 0.5, -0.5)
    image = ax.imshow(
        shares.T, cmap="Purples", vmin=0, vmax=1, aspect="auto", interpolation="nearest",
        extent=(*ends, *rows),
    )  # fmt: skip
    shown = range(len(names)) if len(names) <= 10 else [0, len(names) // 2, len(names) - 1]
    ax.set_yticks(list(shown), [names[i] for i in shown])
    ax.axhline(len(names) - 1.5, color="0.4", lw=0.8)
    ax.set(xlim=ends, ylim=rows)
    ax.figure.colorbar(image, ax=ax, label="share of samples")
    return ax


SIGNS = {
    "minus": "−", "fast-backward": "|◁", "step-backward": "◂", "play fa-flip-horizontal": "◁",
    "pause": "❚❚", "play": "▷", "step-forward": "▸", "fast-forward": "▷|", "plus": "+",
}  # fmt: skip


class Film(FuncAnimation):
    """An animation that shows itself in a notebook, with buttons, and repeats.

    matplotlib's page takes the signs on its buttons from a font on the web; these are plain text,
    so that the film needs no network. Where a page is not trusted to run scripts, the first frame
    stands still instead of a broken image.
    """

    def _repr_html_(self) -> str:
        page = re.sub(r"<link\b[^>]*>", "", self.to_jshtml(default_mode="loop"))
        first = re.search(r'"(data:image/png;base64,[^"]*)"', page)[1].replace("\\\n", "")
        page = page.replace("<img ", f'<img src="{first}" ', 1)
        return re.sub(r'<i class="fa fa-([^"]*)"></i>', lambda icon: SIGNS[icon[1]], page)


def mode_film(
    telemetry: Telemetry, since: int = 0, names: Sequence[str] | None = None, fps: float = 5
) -> Film:
    """Return the histogram of modes as a film, one frame a measurement; "none" has a bar too.

    A green line marks the share that each mode has of the real text, if they are even. ``names``
    chooses and orders bars. Nothing is drawn until the film is shown or saved, as by
    ``film.save("modes.gif", writer="pillow")``. Raises what `mode_map` raises.
    """
    steps, shares, known = _play(telemetry, since)
    order = [known.index(name) for name in names] if names else range(len(known))
    figure = Figure(figsize=(6.4, 2.8), layout="constrained")  # no pyplot: works without a display
    FigureCanvasAgg(figure)
    ax = figure.add_subplot()
    labels = [known[i] for i in order]
    tones = ["0.7" if label == "none" else colours.FAKE for label in labels]
    bars = ax.bar(labels, shares[0, order], color=tones)
    ax.axhline(1 / (len(known) - 1), color=colours.REAL, lw=1.2, label="each mode of real data")
    panel(ax, f"step {steps[0]}", "", "share of samples")
    ax.set_ylim(0, 1)
    ax.tick_params(axis="x", labelsize="small")
    legend(ax, loc="upper right")

    def draw(frame: int):
        for bar, share in zip(bars, shares[frame, order], strict=True):
            bar.set_height(share)
        ax.set_title(f"step {steps[frame]}")
        return bars

    return Film(figure, draw, frames=len(steps), interval=1000 / fps)


def points(
    fake: ArrayLike, centres: ArrayLike, std: float, title: str = "", ax: Axes | None = None
) -> Axes:
    """Draw generated points [n, 2] over the modes of the real law, circles of 3 ``std``.

    Raises ValueError for points that do not lie in a plane.
    """
    fake, centres = np.asarray(fake), np.asarray(centres)
    if fake.ndim != 2 or fake.shape[1] != 2 or centres.ndim != 2 or centres.shape[1] != 2:
        raise ValueError(
            f"points: expected points and centres in the plane, [n, 2], got {list(fake.shape)} and "
            f"{list(centres.shape)}"
        )
    from matplotlib.patches import Circle

    ax = panel(ax, title, "x", "y", (3.4, 3.4))
    for x, y in centres:
        ax.add_patch(Circle((x, y), 3 * std, color=colours.REAL, alpha=0.25, lw=0))
    ax.scatter(*fake.T, s=4, color=colours.FAKE, alpha=0.6, lw=0)
    reach = 1.25 * np.abs(centres).max() + 3 * std
    ax.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal")
    return ax


def _play(telemetry: Telemetry, since: int) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Return what `histograms` does of modes, from step ``since`` of the run on, play alone."""
    steps, shares, names = histograms(telemetry, of="modes")
    warm_up = sum(row["phase"] == "mle" for row in telemetry.rows)
    kept = steps >= max(since, warm_up)
    if not kept.any():
        raise ValueError(f"no measurement of play from step {since} on")
    return steps[kept], shares[kept], names
