"""Eigenvalues at the equilibrium, of the flow or of one update, and what follows from them."""

import numpy as np

from .named import jacobian
from .steps import check_steps, step_jacobian
from .system import System

ROUNDING = 1e-12  # a multiplier this close to 1, or a real part this close to 0, counts as on it


def eigenvalues(
    system: str | System,
    h: float | None = None,
    alternating: bool = False,
    d_steps: int = 1,
    **parameters,
) -> np.ndarray:
    """Return the two eigenvalues [2] at the equilibrium: of the field, or with ``h`` of one update.

    The first has the larger real part, or the positive imaginary part. The field's are rates per
    unit of time, stable with a negative real part; an update's are multipliers per update, stable
    inside the unit circle.

    Formula  (a + d)/2 +- sqrt(((a - d)/2)^2 + b c) of J = [[a, b], [c, d]]; 1 + h times that for
             simultaneous updates; the same of `step_jacobian` for alternating ones
    Raises   ValueError where there is no Jacobian ("wgan_gp")

    >>> eigenvalues("saturating"), eigenvalues("r1", gamma=1.0)
    (array([0.+0.5j, 0.-0.5j]), array([-0.5+0.j, -0.5+0.j]))
    >>> eigenvalues("wasserstein", h=0.2)
    array([1.+0.2j, 1.-0.2j])
    """
    if h is None:
        if alternating or d_steps != 1:
            raise ValueError("eigenvalues: alternating and d_steps speak of updates; give h too")
        return _roots(jacobian(system, **parameters))
    if alternating:
        return _roots(step_jacobian(system, h, alternating, d_steps, **parameters))
    check_steps(h, alternating, d_steps)
    return 1 + h * _roots(jacobian(system, **parameters))  # no digits lost where the roots meet


def _roots(matrix: np.ndarray) -> np.ndarray:
    (a, b), (c, d) = matrix.tolist()
    apart = np.emath.sqrt(((a - d) / 2) ** 2 + b * c)
    return np.array([(a + d) / 2 + apart, (a + d) / 2 - apart], complex) + 0  # + 0: no -0


def converges(
    system: str | System,
    h: float | None = None,
    alternating: bool = False,
    d_steps: int = 1,
    **parameters,
) -> bool:
    """Return whether starts near the equilibrium reach it at a linear rate.

    Formula      every real part < 0 (the flow), or every modulus < 1 (updates with step ``h``), by
                 more than rounding, 1e-12
    Fails when   the linear part is silent: the non-saturating flow creeps in, and reads False
    Raises       ValueError where there is no Jacobian ("wgan_gp")

    >>> converges("r1"), converges("r1", h=0.2), converges("r1", h=0.2, gamma=11.0)
    (True, True, False)
    """
    found = eigenvalues(system, h, alternating, d_steps, **parameters)
    if h is None:
        return bool(found.real.max() < -ROUNDING)
    return bool(np.abs(found).max() < 1 - ROUNDING)
