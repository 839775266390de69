"""The known Dirac-GANs by name, and what the field of one of them says.

Wherever the package asks for a system, it takes a name with parameters or a `System` of one's own.
"""

from dataclasses import fields

import numpy as np
from numpy.typing import ArrayLike

from ..catalogue import Catalogue
from .system import System

DIRAC = Catalogue("Dirac-GAN")


@DIRAC.register("saturating")
def saturating() -> System:
    """Both players bet on one sum: the flow circles for ever, simultaneous steps spiral out.

    Eigenvalues  +-i/2
    Paper        Goodfellow et al. 2014, the minimax game
    """
    return System()


@DIRAC.register("non_saturating")
def non_saturating() -> System:
    """G climbs E f(-D): the flow spirals in, but slower and slower, r ~ sqrt(8/t).

    Eigenvalues  +-i/2: the linear part sees no damping at all
    Paper        Goodfellow et al. 2014, the loss that was used
    """
    return System(loss="non_saturating")


@DIRAC.register("wasserstein")
def wasserstein() -> System:
    """Leave the critic without a limit: exact circles, and exact spirals once it takes steps.

    Eigenvalues  +-i
    Paper        Arjovsky, Chintala & Bottou 2017, without the clip
    """
    return System(loss="wasserstein")


@DIRAC.register("wasserstein_clipped")
def wasserstein_clipped(*, clip: float = 1.0) -> System:
    """WGAN as published: the clip bounds the critic, and G runs past the equilibrium for ever.

    Eigenvalues  +-i: at the equilibrium the clip is not felt
    Paper        Arjovsky, Chintala & Bottou 2017
    """
    return System(loss="wasserstein", clip=clip)


@DIRAC.register("wgan_gp")
def wgan_gp(*, weight: float = 0.7, target: float = 1.0) -> System:
    """WGAN with D's slope held at ``target``: an orbit, for the equilibrium needs slope 0.

    Formula      D pays weight/2 (|psi| - target)^2, half of what Gulrajani et al. write
    Eigenvalues  none at psi = 0, where the penalty has a kink, unless target = 0
    Paper        Gulrajani et al. 2017
    """
    return System(loss="wasserstein", gamma=weight, target=target)


@DIRAC.register("r1")
def r1(*, gamma: float = 0.3, loss: str = "saturating") -> System:
    """Penalise D's slope at real data, centred at zero: it is friction, and the spiral closes.

    D is linear, so its slope at fakes is the same: R2 is the same system, R1 with R2 is R1 with
    the two gammas added.

    Formula      D pays gamma/2 psi^2
    Eigenvalues  -gamma/2 +- sqrt(gamma^2 - 1)/2; gamma = 1 is critical, beyond it D crawls
    Paper        Mescheder, Geiger & Nowozin 2018, whose figures have 0.3 and 1.0
    """
    return System(loss=loss, gamma=gamma)


@DIRAC.register("instance_noise")
def instance_noise(*, sigma: float = 0.7, loss: str = "saturating") -> System:
    """Gaussian noise on real and fake alike: D is kept from being sure, which damps the circle.

    Eigenvalues  -sigma^2/4 +- sqrt(sigma^4/4 - 1)/2; sigma = sqrt 2 is critical
    Paper        Sonderby et al. 2017; Arjovsky & Bottou 2017
    """
    return System(loss=loss, sigma=sigma)


@DIRAC.register("consensus")
def consensus(*, gamma: float = 1.0, loss: str = "saturating") -> System:
    """Both players also descend gamma/2 ||v||^2: rotation is turned inwards.

    Eigenvalues  -gamma/4 +- i/2: the flow converges for every gamma > 0
    Paper        Mescheder, Nowozin & Geiger 2017, "The Numerics of GANs"
    """
    return System(loss=loss, consensus=gamma)


@DIRAC.register("ttur")
def ttur(*, g_rate: float = 1.0, d_rate: float = 4.0, loss: str = "saturating") -> System:
    """Two time scales: the circle becomes an ellipse, and nothing is damped.

    Eigenvalues  +-i/2 sqrt(g_rate d_rate)
    Paper        Heusel et al. 2017; the default ratio of 4 is ours
    """
    return System(loss=loss, g_rate=g_rate, d_rate=d_rate)


def system_of(system: str | System, parameters: dict) -> System:
    """Return the system meant by a name with ``parameters``, or the system itself.

    Raises   UnknownName for a name or parameter that does not exist; TypeError for parameters
             beside a `System`, which has its own already
    """
    if isinstance(system, System):
        if parameters:
            raise TypeError(
                f"{', '.join(parameters)}: only a named system takes parameters; "
                f"this System has its own: {system}"
            )
        return system
    return DIRAC.make(system, parameters)


def label_of(system: str | System, parameters: dict) -> str:
    """Return the system's name, or loss, and what was set about it, for titles and legends."""
    if isinstance(system, System):
        own = {f.name: getattr(system, f.name) for f in fields(System)}
        parameters = {name: x for name, x in own.items() if x != getattr(System, name)}
        system = parameters.pop("loss", System.loss)
    values = {n: x if isinstance(x, str) else f"{x:g}" for n, x in parameters.items()}
    return " ".join([system, *(f"{name}={x}" for name, x in values.items())])


def field(
    system: str | System, theta: ArrayLike, psi: ArrayLike, **parameters
) -> tuple[np.ndarray, np.ndarray]:
    """Return the direction in which each player goes, (v_theta, v_psi), at every point.

    >>> theta, psi = [0.0, 1.0], [1.0, 0.0]
    >>> v_theta, v_psi = field("r1", theta, psi, gamma=0.3)
    >>> v_theta.tolist(), v_psi.tolist()
    ([-0.5, -0.0], [-0.3, 0.5])
    """
    return system_of(system, parameters).field(theta, psi)


def jacobian(
    system: str | System, theta: ArrayLike = 0.0, psi: ArrayLike = 0.0, **parameters
) -> np.ndarray:
    """Return the exact derivative of the field, [..., 2, 2]; rows are v_theta, v_psi.

    Raises   ValueError where it does not exist: "wgan_gp" at psi = 0, unless target = 0

    >>> jacobian("r1", gamma=1.0).tolist()
    [[0.0, -0.5], [0.5, -1.0]]
    """
    return system_of(system, parameters).jacobian(theta, psi)
