"""Where steps go: exact laws of the radius, verdicts on published settings, and what is refused."""

import math

import numpy as np
import pytest
from dirac import many, points, steps
from hypothesis import given
from scipy.special import expit

from textgan_lab import dynamics
from textgan_lab.catalogue import UnknownName
from textgan_lab.dynamics import DIRAC, System, Trajectory, converges, eigenvalues, simulate


@many
@given(steps, points, points)
def test_wasserstein_steps_spiral_out_by_an_exact_law(h, theta, psi):
    path = simulate("wasserstein", h, 100, theta=theta, psi=psi)
    exact = math.hypot(theta, psi) * (1 + h * h) ** (np.arange(101) / 2)
    assert path.radius == pytest.approx(exact, rel=1e-12)


def test_simultaneous_gan_gains_radius_in_every_step_by_an_exact_law():
    path = simulate("saturating")
    square = path.radius**2
    gain = 1 + 0.2**2 * expit(-path.theta * path.psi)[:-1] ** 2
    assert square[1:] == pytest.approx(square[:-1] * gain, rel=1e-13)


def test_alternating_gan_stays_on_its_circle():
    path = simulate("saturating", steps=3000, alternating=True)
    assert path.radius.min() > 1.35 and path.radius.max() < 1.5


@pytest.mark.parametrize("h", [0.1, 0.2])
def test_non_saturating_steps_end_on_a_cycle_of_radius_sqrt_2h(h):
    for start in (0.7, 1.4):  # from inside and from outside
        at = start * math.sqrt(2 * h) / math.sqrt(2)
        path = simulate("non_saturating", h, int(24 / h**2), theta=at, psi=at)
        last = path.radius[-int(4 * math.pi / h) :]  # one turn
        assert math.sqrt((last**2).mean()) == pytest.approx(math.sqrt(2 * h), rel=h / 4)


def test_the_non_saturating_flow_creeps_in_like_sqrt_8_over_t():
    whole, dt, steps_taken = System(loss="non_saturating"), 0.25, 4000
    at = np.array([[0.2, 0.6], [0.1, 0.3]])  # two starts at once; Runge-Kutta, order 4
    start = (at**2).sum(0)
    for _ in range(steps_taken):
        k1 = np.array(whole.field(*at))
        k2 = np.array(whole.field(*(at + dt / 2 * k1)))
        k3 = np.array(whole.field(*(at + dt / 2 * k2)))
        k4 = np.array(whole.field(*(at + dt * k3)))
        at = at + dt / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    exact = start / (1 + start * dt * steps_taken / 8)
    assert (at**2).sum(0) == pytest.approx(exact, rel=0.02)


def test_on_its_orbit_the_gradient_penalty_gives_as_much_as_it_takes():
    # |x|^2/2 grows by h x.v + h^2 |v|^2/2 a step, and x.v = -w (psi^2 - |psi|): on a cycle the mean
    # of psi^2 - |psi| is h/(2w) times the mean of |v|^2
    h, weight = 0.1, 0.7
    path = simulate("wgan_gp", h, 6000, weight=weight)
    theta, psi = path.theta[3000:], path.psi[3000:]
    v = np.array(dynamics.field("wgan_gp", theta, psi, weight=weight))
    given_and_taken = (psi**2 - np.abs(psi)).mean()
    assert given_and_taken == pytest.approx(h / (2 * weight) * (v**2).sum(0).mean(), rel=0.03)
    assert np.abs(psi).max() > 1 and path.radius[3000:].min() > 0.9


def test_the_clip_holds_d_in_and_never_lets_g_rest():
    for alternating in (False, True):
        path = simulate("wasserstein_clipped", alternating=alternating, clip=0.5, psi=0.5)
        assert np.abs(path.psi).max() == 0.5
        assert path.radius[250:].min() > 0.4
    assert simulate("wasserstein", psi=0.5).psi.max() > 0.5


PUBLISHED = [  # one row a system: simultaneous, alternating 1:1, alternating 1:5; h 0.2, 500 steps
    ("saturating", {}, "diverges", "circles", "circles"),
    ("non_saturating", {}, "limit cycle", "converges", "converges"),
    ("wasserstein", {}, "diverges", "circles", "circles"),
    ("wasserstein_clipped", {}, "limit cycle", "limit cycle", "limit cycle"),
    ("wgan_gp", {}, "limit cycle", "limit cycle", "limit cycle"),
    ("r1", {}, "converges", "converges", "converges"),
    ("r1", {"gamma": 1.0}, "converges", "converges", "converges"),
    ("r1", {"loss": "non_saturating"}, "converges", "converges", "converges"),
    ("instance_noise", {}, "converges", "converges", "converges"),
    # five steps of D from (1, 1) leave consensus where |v| falls with the distance: it flees
    ("consensus", {}, "converges", "converges", "diverges"),
]


@pytest.mark.parametrize("name, parameters, sim, alt, alt5", PUBLISHED)
def test_verdicts_on_the_published_settings(name, parameters, sim, alt, alt5):
    found = [
        simulate(name, alternating=alternating, d_steps=d_steps, **parameters).verdict
        for alternating, d_steps in ((False, 1), (True, 1), (True, 5))
    ]
    assert found == [sim, alt, alt5]


def path_of(radius, turns, system="wasserstein"):
    angle = np.linspace(0, 2 * np.pi * turns, len(radius))
    x, y = radius * np.cos(angle), radius * np.sin(angle)
    return Trajectory("made up", x, y, 0.2, False, 1, DIRAC.make(system))


def test_verdicts_on_made_up_paths():
    t = np.linspace(0, 1, 400)
    assert path_of(np.exp(-t), 4).verdict == "converges"
    assert path_of(np.exp(t), 4).verdict == "diverges"
    assert path_of(1 / np.sqrt(1 + 50 * t), 4).verdict == "converges"
    assert path_of(np.ones(400), 1.9).verdict == "undecided"
    assert path_of(np.exp(-t), 1.9).verdict == "undecided"
    assert path_of(np.exp(-2.5 * t), 1.9).verdict == "converges"  # twelvefold
    assert path_of(np.exp(-t), 0.01).verdict == "converges"  # e-fold, on a straight line
    assert path_of(np.exp(-0.5 * t), 0.01).verdict == "undecided"
    assert path_of(np.append(np.ones(40), 0.0), 4).verdict == "converges"
    assert path_of(np.ones(31), 4).verdict == "undecided"


def test_a_run_that_leaves_float64_is_inf_from_there_on_and_warns_of_nothing():
    path = simulate("r1", h=1.0, steps=400, gamma=1000.0)
    first = int(np.argmax(np.isinf(path.radius)))
    assert 0 < first < 200 and np.isfinite(path.radius[:first]).all()
    assert np.isinf(path.theta[first:]).all() and np.isinf(path.psi[first:]).all()
    assert path.verdict == "diverges"
    assert simulate("instance_noise", h=3.0, steps=3000, sigma=0.1).verdict == "diverges"


def test_a_start_at_rest_stays_and_integers_are_numbers():
    path = simulate("wgan_gp", h=1, steps=3, theta=0, psi=0)
    assert path.radius.tolist() == [0, 0, 0, 0] and path.verdict == "converges"
    # (1, 1) -> (1, 1) + (-1, 1) = (0, 2); alternating: psi 1 + 1 = 2, theta 1 - 2 = -1
    both = simulate("wasserstein", h=1, steps=1)
    assert (both.theta.tolist(), both.psi.tolist()) == ([1, 0], [1, 2])
    one = simulate("wasserstein", h=1, steps=1, alternating=True)
    assert (one.theta.tolist(), one.psi.tolist()) == ([1, -1], [1, 2])
    # two steps of D: psi 1 + 1 + 1 = 3, theta 1 - 3 = -2
    two = simulate("wasserstein", h=1, steps=1, alternating=True, d_steps=2)
    assert (two.theta.tolist(), two.psi.tolist()) == ([1, -2], [1, 3])


def test_a_trajectory_says_what_it_is():
    assert simulate("r1", gamma=1.0).label == "r1 gamma=1"
    path = simulate("r1", alternating=True, d_steps=5, loss="non_saturating")
    assert path.label == "r1 loss=non_saturating, alternating 1:5"
    own = simulate(System(loss="wasserstein", sigma=0.5, clip=2.0))
    assert own.label == "wasserstein sigma=0.5 clip=2"
    assert "500 steps of h=0.2, radius 1.41 -> " in repr(own) and own.verdict in repr(own)


@pytest.mark.parametrize(
    "ask, error, said",
    [
        (lambda: simulate("gan"), UnknownName, "unknown Dirac-GAN 'gan'; known: saturating"),
        (lambda: simulate("r1", sigma=1.0), UnknownName, "no option 'sigma'; its options: gamma"),
        (lambda: simulate("r1", gamma=-1.0), ValueError, "gamma is -1.0; expected a number, 0 or"),
        (lambda: simulate("r1", gamma=math.nan), ValueError, "gamma is nan"),
        (lambda: simulate("r1", loss="hinge"), ValueError, "unknown loss 'hinge'; known: satur"),
        (lambda: simulate("wasserstein_clipped", clip=0), ValueError, "clip is 0; .* above 0"),
        (lambda: simulate("ttur", d_rate=math.inf), ValueError, "d_rate is inf"),
        (lambda: simulate("r1", h=0.0), ValueError, "step size h is 0.0"),
        (lambda: simulate("r1", h=True), ValueError, "step size h is True"),
        (lambda: simulate("r1", steps=0), ValueError, "steps is 0"),
        (lambda: simulate("r1", theta=math.inf), ValueError, "theta starts at inf"),
        (lambda: simulate("r1", d_steps=5), ValueError, "d_steps=5 needs alternating=True"),
        (lambda: simulate("r1", alternating=True, d_steps=0), ValueError, "d_steps is 0"),
        (lambda: simulate("wasserstein_clipped", psi=2.0), ValueError, "psi starts at 2.0, out"),
        (lambda: simulate(System(), gamma=1.0), TypeError, "gamma: only a named system"),
        (lambda: eigenvalues("r1", alternating=True), ValueError, "speak of updates; give h"),
        (lambda: converges("r1", h=-1), ValueError, "step size h is -1"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name(ask, error, said):
    with pytest.raises(error, match=said):
        ask()
