"""One Dirac-GAN: its vector field and that field's derivative, both exact, at any point."""

from dataclasses import dataclass
from math import inf, isfinite
from numbers import Real

import numpy as np
from numpy.typing import ArrayLike

from .smoothing import smoothed

LOSSES = ("saturating", "non_saturating", "wasserstein")


@dataclass(frozen=True)
class System:
    """A Dirac-GAN put together from a loss and what is added to it; `DIRAC` names the known ones.

    loss             who climbs what: "saturating", "non_saturating" or "wasserstein"
    sigma            std of the instance noise on what D reads, real and fake alike
    gamma, target    D pays gamma/2 (|psi| - target)^2; |psi| is the slope of D, everywhere
    consensus        both descend consensus/2 ||v||^2 on top
    clip             D's weight is put back into [-clip, clip] after each of its steps
    g_rate, d_rate   what each player's step size is multiplied by
    Raises           ValueError for a value out of its range, naming it

    >>> System(loss="wasserstein", gamma=1.0, sigma=2.0).jacobian().tolist()
    [[0.0, -1.0], [1.0, -1.0]]
    """

    loss: str = "saturating"
    sigma: float = 0.0
    gamma: float = 0.0
    target: float = 0.0
    consensus: float = 0.0
    clip: float = inf
    g_rate: float = 1.0
    d_rate: float = 1.0

    def __post_init__(self):
        if self.loss not in LOSSES:
            raise ValueError(f"Dirac-GAN: unknown loss {self.loss!r}; known: {', '.join(LOSSES)}")
        for name in ("sigma", "gamma", "target", "consensus"):
            value = getattr(self, name)
            if not (is_number(value) and value >= 0):
                raise ValueError(f"Dirac-GAN: {name} is {value!r}; expected a number, 0 or more")
        for name in ("clip", "g_rate", "d_rate"):
            value = getattr(self, name)
            if not (is_number(value) and value > 0 or name == "clip" and value == inf):
                raise ValueError(f"Dirac-GAN: {name} is {value!r}; expected a number above 0")

    def field(self, theta: ArrayLike, psi: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
        """Return the direction in which each player goes, (v_theta, v_psi), at every point.

        Where the penalty has a kink (psi = 0, target > 0), D feels none, as in automatic
        differentiation; outside [-clip, clip] the field is what it would be without the clip.
        """
        theta, psi = np.broadcast_arrays(*(np.asarray(x, float) for x in (theta, psi)))
        v = self._slopes(theta, psi)
        if self.consensus:
            (a, b), (c, d) = self._jacobian(theta, psi)
            v = (
                v[0] - self.consensus * (a * v[0] + c * v[1]),
                v[1] - self.consensus * (b * v[0] + d * v[1]),
            )
        return self.g_rate * v[0], self.d_rate * v[1]

    def jacobian(self, theta: ArrayLike = 0.0, psi: ArrayLike = 0.0) -> np.ndarray:
        """Return the derivative of `field`, [..., 2, 2]; rows are v_theta, v_psi.

        Raises ValueError where it does not exist: at psi = 0 with a penalty whose target is not 0.
        """
        theta, psi = np.broadcast_arrays(*(np.asarray(x, float) for x in (theta, psi)))
        if self.gamma and self.target and (psi == 0).any():
            raise ValueError(
                f"Dirac-GAN: no Jacobian at psi = 0: the penalty (|psi| - {self.target:g})^2 has a "
                f"kink there; simulate it instead, or hold D's slope at target=0"
            )
        jacobian = _matrix(self._jacobian(theta, psi))
        if self.consensus:
            v_theta, v_psi = (v[..., None, None] for v in self._slopes(theta, psi))
            bend = v_theta * _matrix(self._bend(theta, psi, of=0))
            bend = bend + v_psi * _matrix(self._bend(theta, psi, of=1))
            jacobian = jacobian - self.consensus * (jacobian.mT @ jacobian + bend)
        return jacobian * np.array([[self.g_rate], [self.d_rate]]) + 0.0  # + 0.0: no -0

    def _slopes(self, theta, psi):
        """Return v before consensus and rates."""
        penalty = self.gamma * (np.abs(psi) - self.target) * np.sign(psi)
        return self._g(1, 0, theta, psi), self._d(0, 1, theta, psi) - penalty

    def _jacobian(self, theta, psi):
        """Return the rows of the derivative of v before consensus and rates."""
        return (
            (self._g(2, 0, theta, psi), self._g(1, 1, theta, psi)),
            (self._d(1, 1, theta, psi), self._d(0, 2, theta, psi) - self.gamma),
        )

    def _bend(self, theta, psi, of):
        """Return the rows of the second derivative of v_theta (``of`` 0) or v_psi (1)."""
        part, i, j = (self._g, 1, 0) if of == 0 else (self._d, 0, 1)
        mixed = part(i + 1, j + 1, theta, psi)
        return ((part(i + 2, j, theta, psi), mixed), (mixed, part(i, j + 2, theta, psi)))

    def _g(self, i, j, theta, psi):
        """Return d^i/dtheta^i d^j/dpsi^j of U."""
        if self.loss == "non_saturating":  # U(theta, psi) = M(-theta, psi), n being symmetric
            return (-1) ** i * self._m(i, j, -theta, psi)
        return -self._m(i, j, theta, psi)

    def _d(self, i, j, theta, psi):
        """Return d^i/dtheta^i d^j/dpsi^j of V without its penalty."""
        fake = self._m(i, j, theta, psi)
        return fake if i else fake + self._m(0, j, np.zeros_like(theta), psi)

    def _m(self, i, j, theta, psi):
        """Return d^i/dtheta^i d^j/dpsi^j of M(theta, psi) = E f(psi (theta + sigma n))."""
        return smoothed(i, j, theta, psi, self.sigma, linear=self.loss == "wasserstein")


def is_number(value) -> bool:
    """Return whether a value is a finite real number, and no bool."""
    return isinstance(value, Real) and not isinstance(value, bool) and isfinite(value)


def _matrix(rows) -> np.ndarray:
    return np.stack([np.stack(row, -1) for row in rows], -2)
