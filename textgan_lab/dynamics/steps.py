"""One whole update of both players, and its derivative at the equilibrium."""

from numbers import Integral

import numpy as np

from .named import system_of
from .system import System, is_number


def step(whole: System, point: np.ndarray, h: float, alternating: bool, d_steps: int) -> np.ndarray:
    """Return the point (theta, psi), [2], that one whole update leads to from ``point``."""
    theta, psi = point
    if not alternating:
        theta, psi = point + h * np.array(whole.field(theta, psi))
        return np.array([theta, np.clip(psi, -whole.clip, whole.clip)])
    for _ in range(d_steps):
        psi = np.clip(psi + h * whole.field(theta, psi)[1], -whole.clip, whole.clip)
    return np.array([theta + h * whole.field(theta, psi)[0], psi])


def step_jacobian(
    system: str | System, h: float, alternating: bool = False, d_steps: int = 1, **parameters
) -> np.ndarray:
    """Return the derivative [2, 2] of one whole update at the equilibrium.

    Formula  simultaneous 1 + h J; alternating (1 + h J_G) (1 + h J_D)^d_steps, where J_G and J_D
             are J with the other player's row at 0
    """
    whole = system_of(system, parameters)
    check_steps(h, alternating, d_steps)
    move = h * whole.jacobian()
    if not alternating:
        return np.eye(2) + move
    g, d = np.eye(2), np.eye(2)
    g[0] += move[0]
    d[1] += move[1]
    return g @ np.linalg.matrix_power(d, d_steps)


def check_steps(h: float, alternating: bool, d_steps: int) -> None:
    """Raise ValueError, naming the value, for an update that cannot be meant."""
    if not (is_number(h) and h > 0):
        raise ValueError(f"Dirac-GAN: the step size h is {h!r}; expected a number above 0")
    if not is_count(d_steps):
        raise ValueError(f"Dirac-GAN: d_steps is {d_steps!r}; expected a whole number, 1 or more")
    if d_steps > 1 and not alternating:
        raise ValueError(
            f"Dirac-GAN: d_steps={d_steps} needs alternating=True; simultaneous steps come in pairs"
        )


def is_count(value) -> bool:
    """Return whether a value is a whole number of 1 or more, and no bool."""
    return isinstance(value, Integral) and not isinstance(value, bool) and value >= 1
