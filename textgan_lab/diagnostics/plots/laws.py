"""Plots of two Gaussian laws that drift apart: divergences, and the gradients they leave to G."""

from collections.abc import Iterable

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from ...metrics.gaussians import (
    best_noise,
    gaussian_divergences,
    gaussian_gradients,
    noisy_js_gradient,
)
from .. import colours
from .panel import HUES, legend, panel


def gaussians(
    separation: float | Iterable[float] = 3.0, std: float = 1.0, ax: Axes | None = None
) -> Axes:
    """Draw p = N(0, 1) and q = N(separation, std^2), with their divergences in the legend.

    Of several separations each q is drawn; of one, the optimal D = p/(p+q) too, read on the right.
    """
    means = np.atleast_1d(np.asarray(separation, float))
    ax = panel(ax, "how far is q from p?", "x", "density per unit of x")
    x = np.linspace(min(-4, means.min() - 4 * std), max(4, means.max() + 4 * std), 800)
    p = _density(x, 0, 1)
    ax.fill_between(x, p, color=colours.REAL, alpha=0.25, lw=0)
    ax.plot(x, p, color=colours.REAL, label="p, the data")
    for number, mean in enumerate(means, 1):
        d = gaussian_divergences(0, 1, mean, std)
        name = "q" if len(means) == 1 else f"q{number}"
        q = _density(x, mean, std)
        ax.fill_between(x, q, color=colours.FAKE, alpha=0.2, lw=0)
        ax.plot(
            x, q, color=colours.FAKE, ls=("-", "--", "-.", ":")[(number - 1) % 4],
            label=f"{name} at {mean:g}: JS {d['js']:.4f}, KL {d['kl']:.3g}, "
            f"reverse KL {d['reverse_kl']:.3g}, W1 {d['w1']:.3g}",
        )  # fmt: skip
    top = 1.4 * max(p.max(), 1 / (std * np.sqrt(2 * np.pi)))
    if len(means) == 1:
        logit = _log_density(x, 0, 1) - _log_density(x, means[0], std)
        best = np.exp(-np.logaddexp(0, -logit))
        ax.plot(x, top * best, color=colours.TRUTH, ls="--", lw=1.4, label="optimal D")
        right = ax.secondary_yaxis("right", functions=(lambda y: y / top, lambda d: d * top))
        right.set(ylabel="optimal D, 0 to 1", yticks=[0, 0.5, 1])
    ax.set_ylim(0, top * 1.38)  # room for the legend
    return legend(ax, loc="upper right")


def distances(separations: ArrayLike, std: float = 1.0, ax: Axes | None = None) -> Axes:
    """Draw JS, KL, reverse KL and W1 between N(0, 1) and N(separation, std^2), on a log axis."""
    mu = np.asarray(separations, float)
    found = gaussian_divergences(0, 1, mu, std)
    ax = panel(
        ax, "four distances as q moves away", "separation (units of x)", "nats (W1: units of x)",
        (8.5, 3.4),
    )  # fmt: skip
    shown = {
        "js": ("JS(p, q)", "-", colours.G),
        "kl": ("KL(p, q)", "-", HUES[0]),
        "reverse_kl": ("KL(q, p), reverse", ":", HUES[2]),
        "w1": ("W1(p, q)", "-", HUES[1]),
    }
    for name, (label, style, colour) in shown.items():
        ax.plot(mu, found[name], color=colour, ls=style, lw=2, label=label)
    ax.axhline(np.log(2), color="0.6", lw=1, label="ln 2, where JS ends")
    ax.set_yscale("log", nonpositive="mask")
    return legend(ax, loc="center left", bbox_to_anchor=(1, 0.5))


def slopes(separations: ArrayLike, std: float = 1.0, ax: Axes | None = None) -> Axes:
    """Draw the gradient that each loss leaves to G's mean at the optimal D, on a log axis.

    Twice the slope of JS is drawn as truth over the saturating loss, and the slope of KL(q, p) over
    the sum of both losses: the curves coincide.
    """
    mu = np.asarray(separations, float)
    g = gaussian_gradients(0, 1, mu, std)
    ax = panel(
        ax, "what G is told at the optimal D", "separation (units of x)",
        "gradient, nats per unit of x",
    )  # fmt: skip
    total = g["saturating"] + g["non_saturating"]
    ax.plot(mu, total, color=HUES[2], lw=7, alpha=0.35, label="their sum")
    ax.plot(mu, g["saturating"], color=colours.G, lw=2.4, label="saturating")
    ax.plot(mu, g["non_saturating"], color=HUES[0], lw=2.4, label="non-saturating")
    ax.plot(mu, g["w1"], color=HUES[1], lw=2.4, label="W1")
    truth = {"color": colours.TRUTH, "ls": "--", "lw": 1.2}
    ax.plot(mu, 2 * g["js"], **truth, label="slope of 2 JS, of KL(q, p)")
    ax.plot(mu, g["reverse_kl"], **truth)
    ax.set_yscale("log", nonpositive="mask")
    return legend(ax)


def noise_slopes(
    separations: Iterable[float], sigmas: ArrayLike, ax: Axes | None = None
) -> Axes:  # fmt: skip
    """Draw the slope of JS between two unit Gaussians after noise on both; a dot at the best noise.

    Exact, all of it. Laws that overlap anyway, about 2.5 apart or nearer, want none.
    """
    sigmas = np.asarray(sigmas, float)
    ax = panel(
        ax, "instance noise: too little, too much", "noise on both laws, std (units of x)",
        "slope of JS, nats per unit of x",
    )  # fmt: skip
    for number, mu in enumerate(separations):
        colour = HUES[number % len(HUES)]
        ax.plot(sigmas, noisy_js_gradient(mu, sigmas), color=colour, lw=2, label=f"{mu:g} apart")
        best, slope = best_noise(mu)
        if best > 0:
            ax.plot(best, slope, "o", color=colours.TRUTH, ms=5, zorder=4)
    ax.set(xscale="log", yscale="log")
    ax.set_ylim(bottom=1e-6)
    ax.plot([], [], "o", color=colours.TRUTH, ms=5, label="best noise")
    return legend(ax)


def _log_density(x: np.ndarray, mean: float, std: float) -> np.ndarray:
    return -(((x - mean) / std) ** 2) / 2 - np.log(std * np.sqrt(2 * np.pi))


def _density(x: np.ndarray, mean: float, std: float) -> np.ndarray:
    return np.exp(_log_density(x, mean, std))
