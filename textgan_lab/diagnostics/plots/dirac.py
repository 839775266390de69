"""Plots of the Dirac-GAN: where its field points, how far its steps get, and its eigenvalues."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from numpy.typing import ArrayLike

from ... import dynamics
from .. import colours
from .panel import HUES, legend, panel

FAR = 1e200  # the margins of a log axis that reaches further leave float64's range


def vector_field(
    system: str | dynamics.System,
    ax: Axes | None = None,
    trajectories: Sequence[dynamics.Trajectory] = (),
    limit: float = 2.0,
    **parameters,
) -> Axes:
    """Draw the flow on the square of half-width ``limit``, the equilibrium, and trajectories.

    Darker streamlines flow faster. A trajectory starts at its ring and ends at its dot; one that
    leaves the square is cut off there. Dashed lines show the clip, which no step of D crosses.

    Raises   ValueError for a limit that is not above 0; whatever the system's name or parameters
             raise in `dynamics.field`
    """
    if not limit > 0:
        raise ValueError(f"vector_field: limit is {limit!r}; expected a half-width above 0")
    whole = dynamics.system_of(system, parameters)
    x, y = "θ, where G puts its point (the data are at 0)", "ψ, the slope of D"
    ax = panel(ax, dynamics.label_of(system, parameters), x, y, (4.6, 4.4))
    ax.xaxis.label.set_color(colours.G)
    ax.yaxis.label.set_color(colours.D)
    grid = np.linspace(-limit, limit, 41)
    v_theta, v_psi = whole.field(*np.meshgrid(grid, grid))
    speed = np.hypot(v_theta, v_psi)
    ax.streamplot(
        grid, grid, v_theta, v_psi, color=speed, cmap="Greys",
        norm=Normalize(-speed.max(), 1.6 * speed.max()),
        density=1.1, linewidth=0.8, arrowsize=0.8, zorder=1,
    )  # fmt: skip
    if whole.clip < limit:
        for edge in (-whole.clip, whole.clip):
            ax.axhline(edge, color=colours.D, lw=1, ls="--", zorder=2)
    for path, label, colour in _told_apart(trajectories):
        theta, psi = path.theta[np.isfinite(path.theta)], path.psi[np.isfinite(path.theta)]
        ax.plot(theta, psi, color=colour, lw=1.4, marker=".", ms=3, label=label, zorder=3)
        ax.plot(theta[0], psi[0], "o", color=colour, mfc="white", ms=7, zorder=4)
        ax.plot(theta[-1], psi[-1], "o", color=colour, mec="white", ms=7, zorder=4)
    ax.plot(0, 0, "+", color=colours.TRUTH, ms=11, mew=2, label="equilibrium", zorder=5)
    ax.set(xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal")
    if trajectories:  # below: inside, it would hide where they go
        legend(ax, loc="upper center", bbox_to_anchor=(0.5, -0.13))
    return ax


def radius(
    trajectories: Sequence[dynamics.Trajectory],
    ax: Axes | None = None,
    exact: Mapping[str, ArrayLike] | None = None,
) -> Axes:
    """Draw each trajectory's distance from the equilibrium, on a log axis, with its verdict.

    ``exact`` has laws to compare with, by label: one number, or one a step. Exponentials are
    straight lines; ``ax.set_xscale("log")`` makes power laws straight instead. Radii below
    1e-200, 0 among them, and above 1e200 cannot be shown.
    """
    ax = panel(ax, "distance from the equilibrium", "step", "√(θ² + ψ²)", (7, 3.2))
    for path, label, colour in _told_apart(trajectories):
        shown = (path.radius > 1 / FAR) & (path.radius < FAR)
        distance = np.where(shown, path.radius, np.nan)
        ax.plot(distance, color=colour, lw=1.8, label=f"{label}: {path.verdict}")
    steps = max((len(path.radius) for path in trajectories), default=2)
    for label, law in (exact or {}).items():
        law = np.full(steps, law) if np.ndim(law) == 0 else np.asarray(law)
        ax.plot(law, color=colours.TRUTH, ls="--", lw=1.4, label=label)
    ax.set_yscale("log", nonpositive="mask")
    return legend(ax)


def eigenvalues(
    system: str | dynamics.System,
    parameter: str,
    values: ArrayLike,
    h: float | None = None,
    ax: Axes | None = None,
    alternating: bool = False,
    d_steps: int = 1,
    **parameters,
) -> Axes:
    """Draw both eigenvalues at the equilibrium in the complex plane while ``parameter`` varies.

    Of the field, stable left of the imaginary axis; with ``h`` of one update, stable inside the
    unit circle. Both regions are shaded. ``parameter`` may be ``"h"`` itself, over ``values``.

    Raises   ValueError for no values; whatever `dynamics.eigenvalues` raises
    """
    values = np.asarray(values, float)
    if values.ndim != 1 or not len(values):
        raise ValueError(f"eigenvalues: expected a list of values of {parameter}, got {values!r}")
    of_updates = h is not None or parameter == "h"
    fixed = {"h": h, "alternating": alternating, "d_steps": d_steps, **parameters}
    found = np.array(
        [dynamics.eigenvalues(system, **{**fixed, parameter: float(value)}) for value in values]
    )
    label = dynamics.label_of(system, parameters)
    if of_updates:
        label += f", alternating 1:{d_steps}" if alternating else ""
        label += "" if parameter == "h" else f", h={h:g}"
    unit = "multiplier, per update" if of_updates else "rate, per unit of time"
    x = f"real part of the {unit}"
    ax = panel(ax, f"{label}: eigenvalues", x, "imaginary part", (5.4, 4.2))
    logarithmic = values.min() > 0 and values.max() / values.min() > 30
    scale = (LogNorm if logarithmic else Normalize)(values.min(), values.max())
    marks = ax.scatter(
        found.real.ravel(), found.imag.ravel(), c=np.repeat(values, 2), norm=scale,
        cmap="viridis", s=14, zorder=3,
    )  # fmt: skip
    ax.figure.colorbar(marks, ax=ax, label=parameter)
    _stable(ax, found, of_updates)
    return legend(ax, loc="upper left")


def _stable(ax: Axes, found: np.ndarray, of_updates: bool) -> None:
    """Draw the edge of stability, shade what is stable, and show both it and every eigenvalue."""
    if of_updates:
        turn = np.exp(1j * np.linspace(0, 2 * np.pi, 721))
        ax.fill(turn.real, turn.imag, color="0.95", zorder=0)
        ax.plot(turn.real, turn.imag, color=colours.TRUTH, ls="--", lw=1, label="unit circle")
        left, right = min(found.real.min(), 1), max(found.real.max(), 1)
        middle, half = (left + right) / 2, 0.65 * max(right - left, 2 * np.abs(found.imag).max())
        half = max(half, 0.05)
        ax.set(xlim=(middle - half, middle + half), ylim=(-half, half), aspect="equal")
        return
    left, right = min(found.real.min(), 0), max(found.real.max(), 0)
    margin, height = 0.15 * max(right - left, 1), max(np.abs(found.imag).max(), 0.1)
    ax.set(xlim=(left - margin, right + margin), ylim=(-1.4 * height, 1.4 * height))
    ax.axvspan(left - margin, 0, color="0.95", zorder=0)
    ax.axvline(0, color=colours.TRUTH, ls="--", lw=1, label="imaginary axis")
    ax.axhline(0, color="0.85", lw=0.8, zorder=1)


def _told_apart(trajectories: Sequence[dynamics.Trajectory]):
    """Yield (trajectory, label, colour); the labels have the step size where it differs."""
    several = len({path.h for path in trajectories}) > 1
    for number, path in enumerate(trajectories):
        label = f"{path.label}, h={path.h:g}" if several else path.label
        yield path, label, HUES[number % len(HUES)]
