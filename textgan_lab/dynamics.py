"""The Dirac-GAN: the smallest GAN that fails to converge, and what makes it. No torch.

    real data   a point at 0             G   a point at theta             D(x) = psi x
    D climbs    V = E f(D(theta + sigma n)) + E f(-D(sigma n)) - gamma/2 (|psi| - target)^2
    G climbs    U = -E f(D(theta + sigma n)), or E f(-D(theta + sigma n)) when non-saturating
    field       v = (dU/dtheta, dV/dpsi); the one equilibrium is theta = psi = 0

f(t) = -ln(1 + e^-t) in nats for the two binary losses and f(t) = t for Wasserstein's; n is standard
normal. In this paper's sign a large logit means "fake"; turn psi over for this library's sign.

Every derivative is exact: V and U are made of M(theta, psi) = E f(psi (theta + sigma n)), whose
partial derivatives of any order are polynomials in theta and psi times averages of derivatives of
f, because Gaussian smoothing obeys the heat equation.

Source   Mescheder, Geiger & Nowozin 2018, "Which Training Methods for GANs do actually Converge?"
"""

from dataclasses import dataclass, fields
from functools import lru_cache
from math import inf, isfinite, sqrt
from numbers import Integral, Real

import numpy as np
from numpy.polynomial import Polynomial, hermite_e
from numpy.typing import ArrayLike
from scipy.special import expit, ndtr

from .catalogue import Catalogue

DIRAC = Catalogue("Dirac-GAN")
LOSSES = ("saturating", "non_saturating", "wasserstein")
ROUNDING = 1e-12  # a multiplier this close to 1, or a real part this close to 0, counts as on it


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
            if not (_is_number(value) and value >= 0):
                raise ValueError(f"Dirac-GAN: {name} is {value!r}; expected a number, 0 or more")
        for name in ("clip", "g_rate", "d_rate"):
            value = getattr(self, name)
            if not (_is_number(value) and value > 0 or name == "clip" and value == inf):
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
        averages: dict[int, np.ndarray] = {}
        total = np.zeros_like(theta)
        for (a, b, c, order), count in _terms(i, j).items():
            if c and not self.sigma:
                continue
            if order not in averages:
                smooth = _line if self.loss == "wasserstein" else _logistic
                averages[order] = smooth(order, theta * psi, self.sigma * psi)
            total = total + count * self.sigma ** (2 * c) * theta**a * psi**b * averages[order]
        return total


def _is_number(value) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and isfinite(value)


def _matrix(rows) -> np.ndarray:
    return np.stack([np.stack(row, -1) for row in rows], -2)


@lru_cache
def _terms(i: int, j: int) -> dict[tuple[int, int, int, int], int]:
    """Return d^i/dtheta^i d^j/dpsi^j of M as counts of theta^a psi^b sigma^(2c) m_k, by (a,b,c,k).

    With m_k = E f^(k)(theta psi + sigma psi n), Stein's identity E n g(n) = E g'(n) gives
        d/dtheta m_k = psi m_(k+1)        d/dpsi m_k = theta m_(k+1) + sigma^2 psi m_(k+2)
    """
    if i == j == 0:
        return {(0, 0, 0, 0): 1}
    found: dict[tuple[int, int, int, int], int] = {}

    def add(count, *term):
        if count:
            found[term] = found.get(term, 0) + count

    if i:
        for (a, b, c, k), count in _terms(i - 1, j).items():
            add(count * a, a - 1, b, c, k)
            add(count, a, b + 1, c, k + 1)
    else:
        for (a, b, c, k), count in _terms(i, j - 1).items():
            add(count * b, a, b - 1, c, k)
            add(count, a + 1, b, c, k + 1)
            add(count, a, b + 1, c + 1, k + 2)
    return found


def _line(order: int, t: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """Return the derivative of f(t) = t; noise that is averaged over changes nothing."""
    return np.full_like(t, order == 1)


# Averages are trapezoidal sums on an even grid, right to rounding for a function that is analytic
# near the real line (Trefethen & Weideman 2014). One rule over n is not enough, because of the
# logistic curve's poles at +-i pi: 73 Gauss-Hermite nodes miss f''''(0.7) by 6e-9 at spread 2, by
# 2e-4 at spread 4.
_NORMAL = np.linspace(-9, 9, 73)
_NORMAL_WEIGHT = 0.25 * np.exp(-(_NORMAL**2) / 2) / sqrt(2 * np.pi)
_LOGISTIC = np.linspace(-40, 40, 201)
_LOGISTIC_WEIGHT = 0.4 * expit(_LOGISTIC) * expit(-_LOGISTIC)


def _logistic(order: int, t: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """Return E f^(order)(t + spread n) for f(t) = -ln(1 + e^-t), order >= 1, right to 1e-14.

    f' = P(l > t) with l logistic, so the average is a derivative of P(l > t + spread n): it sums
    over whichever of l and n is the narrower.
    """
    if not spread.any():
        return _logistic_derivative(order, t)
    average = np.empty(t.shape)
    narrow = np.abs(spread) <= 1
    points = t[narrow][..., None] + spread[narrow][..., None] * _NORMAL
    average[narrow] = _logistic_derivative(order, points) @ _NORMAL_WEIGHT
    wide = np.abs(spread[~narrow])[..., None]
    z = (_LOGISTIC - t[~narrow][..., None]) / wide
    if order == 1:
        curve = ndtr(z)
    else:
        hermite = hermite_e.hermeval(z, [0] * (order - 2) + [1])
        curve = -hermite * np.exp(-(z**2) / 2) / (sqrt(2 * np.pi) * wide ** (order - 1))
    average[~narrow] = curve @ _LOGISTIC_WEIGHT
    return average


def _logistic_derivative(order: int, t: np.ndarray) -> np.ndarray:
    """Return the derivative of f(t) = -ln(1 + e^-t); no digits are lost in either tail."""
    p, q = expit(t), expit(-t)
    return q if order == 1 else p * q * _logistic_polynomial(order)(q - p)


@lru_cache
def _logistic_polynomial(order: int) -> Polynomial:
    """Return P with f^(order) = p q P(r), r = q - p, from (p q)' = p q r and r' = (r^2 - 1)/2."""
    if order == 2:
        return Polynomial([-1.0])
    last = _logistic_polynomial(order - 1)
    return Polynomial([0, 1]) * last + Polynomial([-0.5, 0, 0.5]) * last.deriv()


# ---------------------------------------------------------------------------------- known systems


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


# ------------------------------------------------------------------------------ what the field says


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


def step_jacobian(
    system: str | System, h: float, alternating: bool = False, d_steps: int = 1, **parameters
) -> np.ndarray:
    """Return the derivative [2, 2] of one whole update at the equilibrium.

    Formula  simultaneous 1 + h J; alternating (1 + h J_G) (1 + h J_D)^d_steps, where J_G and J_D
             are J with the other player's row at 0
    """
    whole = system_of(system, parameters)
    _check_steps(h, alternating, d_steps)
    step = h * whole.jacobian()
    if not alternating:
        return np.eye(2) + step
    g, d = np.eye(2), np.eye(2)
    g[0] += step[0]
    d[1] += step[1]
    return g @ np.linalg.matrix_power(d, d_steps)


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
    _check_steps(h, alternating, d_steps)
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


# --------------------------------------------------------------------------------- what steps do


@dataclass(frozen=True, repr=False, eq=False)
class Trajectory:
    """Where gradient steps went: ``theta`` and ``psi`` [steps + 1], the start first.

    From the step at which one of them leaves float64's range on, both are inf.
    """

    label: str
    theta: np.ndarray
    psi: np.ndarray
    h: float
    alternating: bool
    d_steps: int
    system: System

    @property
    def radius(self) -> np.ndarray:
        """The distance from the equilibrium, [steps + 1]."""
        return np.hypot(self.theta, self.psi)

    @property
    def verdict(self) -> str:
        """What was seen: "converges", "circles", "limit cycle", "diverges" or "undecided".

        Rule   A record of two turns or more is cut into quarters of equal angle, at least half a
               turn each: the field is odd, so a closed orbit then repeats. e1 .. e4 is the largest
               radius in each, before = ln e3/e2 and now = ln e4/e3.
               It "converges" or "diverges" when |now| > 0.01 and |now| > |before|/3. (Exponential
               change keeps now = before, a power law now = 0.58 before; what nears a level has
               less and less.) When it keeps its level, the same steps are taken from 0.9 of the
               start: it is on a "limit cycle" if its e4 has forgotten that, and "circles" if not.
               A record of fewer turns, or fewer than 32 points, is "undecided" unless the radius
               changed tenfold from start to end, or twofold and no longer turns (less than 0.05 of
               a turn in the last half: it crawls in or out). Record more steps.
               The range of float64 left means "diverges", 0 reached "converges".
        """
        radius = self.radius
        if not np.isfinite(radius[-1]):
            return "diverges"
        if radius[-1] == 0:
            return "converges"
        turns = _turns(self)
        if turns[-1] < 2 or len(radius) < 32:
            crawls = turns[-1] - turns[len(turns) // 2] < 0.05
            change = np.log(radius[-1] / radius[0])
            if abs(change) < np.log(2 if crawls else 10):
                return "undecided"
            return "diverges" if change > 0 else "converges"
        _, e2, e3, e4 = _envelope(self)
        before, now = np.log(e3 / e2), np.log(e4 / e3)
        if abs(now) > max(0.01, abs(before) / 3):
            return "diverges" if now > 0 else "converges"
        nearer = simulate(
            self.system, self.h, len(radius) - 1, self.alternating, self.d_steps,
            0.9 * self.theta[0], 0.9 * self.psi[0],
        )  # fmt: skip
        return "limit cycle" if _envelope(nearer)[-1] > sqrt(0.9) * e4 else "circles"

    def __repr__(self) -> str:
        start, end = self.radius[[0, -1]]
        return (
            f"Trajectory({self.label}: {len(self.theta) - 1} steps of h={self.h:g}, "
            f"radius {start:.3g} -> {end:.3g}, {self.verdict})"
        )


def _turns(path: Trajectory) -> np.ndarray:
    """Return how far the path has turned about the equilibrium at each point, in turns."""
    angle = np.unwrap(np.arctan2(path.psi, path.theta))
    return np.append(0, np.cumsum(np.abs(np.diff(angle)))) / (2 * np.pi)


def _envelope(path: Trajectory) -> list[float]:
    """Return the largest radius in each quarter of the path, cut by equal angle."""
    turns = _turns(path)
    cuts = np.searchsorted(turns, turns[-1] * np.array([0.25, 0.5, 0.75]), side="right")
    return [quarter.max(initial=0) for quarter in np.split(path.radius, cuts)]


def simulate(
    system: str | System,
    h: float = 0.2,
    steps: int = 500,
    alternating: bool = False,
    d_steps: int = 1,
    theta: float = 1.0,
    psi: float = 1.0,
    **parameters,
) -> Trajectory:
    """Return where ``steps`` updates of step size ``h`` go from (theta, psi); float64.

    One update is simultaneous (both gradients at the same point) or alternating (D steps
    ``d_steps`` times, then G on the new psi). A clip is applied after each step of D. The defaults
    are the published setting.

    Raises   ValueError for a step size, a count or a start that cannot be meant

    >>> simulate("wasserstein", h=0.1, steps=200)
    Trajectory(wasserstein: 200 steps of h=0.1, radius 1.41 -> 3.83, diverges)
    >>> [simulate(name).verdict for name in ("saturating", "non_saturating", "r1")]
    ['diverges', 'limit cycle', 'converges']
    """
    whole = system_of(system, parameters)
    _check_steps(h, alternating, d_steps)
    if not _is_count(steps):
        raise ValueError(f"simulate: steps is {steps!r}; expected a whole number, 1 or more")
    for name, value in (("theta", theta), ("psi", psi)):
        if not _is_number(value):
            raise ValueError(f"simulate: {name} starts at {value!r}; expected a finite number")
    if abs(psi) > whole.clip:
        raise ValueError(f"simulate: psi starts at {psi!r}, outside the clip of {whole.clip:g}")
    update = _alternating if alternating else _simultaneous
    path = np.full((steps + 1, 2), inf)
    path[0] = point = np.array([theta, psi], float)
    with np.errstate(over="ignore", invalid="ignore"):  # a diverging run may leave float64's range
        for step in range(steps):
            point = update(whole, point, h, d_steps)
            if not np.isfinite(point).all():
                break
            path[step + 1] = point
    label = label_of(system, parameters) + (f", alternating 1:{d_steps}" if alternating else "")
    return Trajectory(label, *path.T, h, alternating, d_steps, whole)


def _simultaneous(whole: System, point: np.ndarray, h: float, _: int) -> np.ndarray:
    theta, psi = point + h * np.array(whole.field(*point))
    return np.array([theta, np.clip(psi, -whole.clip, whole.clip)])


def _alternating(whole: System, point: np.ndarray, h: float, d_steps: int) -> np.ndarray:
    theta, psi = point
    for _ in range(d_steps):
        psi = np.clip(psi + h * whole.field(theta, psi)[1], -whole.clip, whole.clip)
    return np.array([theta + h * whole.field(theta, psi)[0], psi])


def _check_steps(h: float, alternating: bool, d_steps: int) -> None:
    if not (_is_number(h) and h > 0):
        raise ValueError(f"Dirac-GAN: the step size h is {h!r}; expected a number above 0")
    if not _is_count(d_steps):
        raise ValueError(f"Dirac-GAN: d_steps is {d_steps!r}; expected a whole number, 1 or more")
    if d_steps > 1 and not alternating:
        raise ValueError(
            f"Dirac-GAN: d_steps={d_steps} needs alternating=True; simultaneous steps come in pairs"
        )


def _is_count(value) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool) and value >= 1
