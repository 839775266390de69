"""Where gradient steps go from a start, and what is to be seen of them: the verdict."""

from dataclasses import dataclass
from math import inf, sqrt

import numpy as np

from .named import label_of, system_of
from .steps import check_steps, is_count, step
from .system import System, is_number


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
    check_steps(h, alternating, d_steps)
    if not is_count(steps):
        raise ValueError(f"simulate: steps is {steps!r}; expected a whole number, 1 or more")
    for name, value in (("theta", theta), ("psi", psi)):
        if not is_number(value):
            raise ValueError(f"simulate: {name} starts at {value!r}; expected a finite number")
    if abs(psi) > whole.clip:
        raise ValueError(f"simulate: psi starts at {psi!r}, outside the clip of {whole.clip:g}")
    path = np.full((steps + 1, 2), inf)
    path[0] = point = np.array([theta, psi], float)
    with np.errstate(over="ignore", invalid="ignore"):  # a diverging run may leave float64's range
        for t in range(1, steps + 1):
            point = step(whole, point, h, alternating, d_steps)
            if not np.isfinite(point).all():
                break
            path[t] = point
    label = label_of(system, parameters) + (f", alternating 1:{d_steps}" if alternating else "")
    return Trajectory(label, *path.T, h, alternating, d_steps, whole)
