"""One Axes, made when none is given, and without the two lines that frame nothing."""

from matplotlib.axes import Axes

# Hues that mean nothing else: those of Okabe & Ito (2008) that `colours` leaves, and two darker.
HUES = ("#E69F00", "#56B4E9", "#7F5539", "#5D3FD3", "#8A8A00", "#F0E442")


def panel(
    ax: Axes | None, title: str, x: str, y: str, size: tuple[float, float] = (7, 3.4)
) -> Axes:
    """Return ``ax``, or a new one of ``size`` inches, with its title and both labels set."""
    if ax is None:
        from matplotlib import pyplot  # only here: live code must never touch pyplot's global state

        _, ax = pyplot.subplots(figsize=size, layout="constrained")
    ax.set(title=title, xlabel=x, ylabel=y)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    return ax


def legend(ax: Axes, **where) -> Axes:
    """Add the legend, frameless and small; return the Axes."""
    ax.legend(frameon=False, fontsize="small", **where)
    return ax
