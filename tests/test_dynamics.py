"""The Dirac-GAN against closed forms, quadrature, and finite differences of what it really does."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.special import expit

from textgan_lab import dynamics
from textgan_lab.catalogue import UnknownName
from textgan_lab.dynamics import DIRAC, System, Trajectory, converges, eigenvalues, simulate

many = settings(max_examples=60, deadline=None, derandomize=True)
steps = st.floats(0.01, 2.0)
points = st.floats(-2.0, 2.0)
systems = st.builds(
    System,
    loss=st.sampled_from(dynamics.LOSSES),
    sigma=st.one_of(st.just(0.0), st.floats(0.05, 2.5)),
    gamma=st.floats(0, 3),
    consensus=st.one_of(st.just(0.0), st.floats(0.05, 2)),
    g_rate=st.floats(0.2, 3),
    d_rate=st.floats(0.2, 3),
)


def differences(update, theta, psi):
    """Return the Jacobian of (theta, psi) -> 2 numbers, by differences right to order eps^6."""
    eps, columns = 4e-3, []
    for way in ((1, 0), (0, 1)):

        def slope(e, way=way):
            ahead, behind = (update(theta + s * e * way[0], psi + s * e * way[1]) for s in (1, -1))
            return (np.array(ahead) - np.array(behind)) / (2 * e)

        coarse, middle, fine = slope(4 * eps), slope(2 * eps), slope(eps)
        once, twice = (4 * middle - coarse) / 3, (4 * fine - middle) / 3
        columns.append((16 * twice - once) / 15)
    return np.array(columns).T


def same_pair(found, expected, within=1e-9):
    """Compare two eigenvalues with two, in the order that `eigenvalues` promises."""
    assert np.allclose(found, expected, rtol=within, atol=within), (found, expected)


# ------------------------------------------------------------------------------------- the field


def expectation(g):
    """Return E g(n), n standard normal."""
    normal = 1 / math.sqrt(2 * math.pi)
    sides = [
        quad(lambda n: g(n) * normal * math.exp(-n * n / 2), *ends, epsabs=1e-13, limit=200)[0]
        for ends in ((-12, 0), (0, 12))
    ]
    return sum(sides)


@pytest.mark.parametrize("sigma", [0.1, 0.7, 1.4, 4.0])
@pytest.mark.parametrize("theta, psi", [(0.0, 0.0), (1.0, 1.0), (-0.3, 1.7), (0.5, -2.0)])
def test_noise_on_both_sides_is_averaged_exactly(sigma, theta, psi):
    # d/dtheta and d/dpsi of E f(psi (theta + sigma n)) + E f(-psi sigma n), f'(t) = sigmoid(-t)
    fake = expectation(lambda n: expit(-psi * (theta + sigma * n)))
    fake_n = expectation(lambda n: (theta + sigma * n) * expit(-psi * (theta + sigma * n)))
    real_n = expectation(lambda n: -sigma * n * expit(psi * sigma * n))
    v_theta, v_psi = dynamics.field("instance_noise", theta, psi, sigma=sigma)
    assert v_theta == pytest.approx(-psi * fake, abs=1e-12)
    assert v_psi == pytest.approx(fake_n + real_n, abs=1e-12)
    fooled = expectation(lambda n: expit(psi * (theta + sigma * n)))
    v_theta, v_psi = dynamics.field(
        "instance_noise", theta, psi, sigma=sigma, loss="non_saturating"
    )
    assert v_theta == pytest.approx(-psi * fooled, abs=1e-12)
    assert v_psi == pytest.approx(fake_n + real_n, abs=1e-12)


@pytest.mark.parametrize("spread", [0.3, 1.0, 1.0 + 1e-9, 3.0, 40.0])
@pytest.mark.parametrize("order", [1, 2, 3, 4, 5, 6])
def test_both_rules_of_averaging_agree_with_quadrature(order, spread):
    def f(t):
        return float(dynamics._logistic_derivative(order, np.array(t)))

    density = 1 / (spread * math.sqrt(2 * math.pi))
    exact = sum(
        quad(
            lambda u: f(u) * density * math.exp(-(((u - 0.7) / spread) ** 2) / 2),
            0.7 + spread * a, 0.7 + spread * b, epsabs=1e-14, limit=400,
        )[0]
        for a, b in ((-12, -3), (-3, -0.7 / spread), (-0.7 / spread, 3), (3, 12))
    )  # fmt: skip
    found = dynamics._logistic(order, np.array(0.7), np.array(spread))
    assert found == pytest.approx(exact, abs=1e-12)


def test_derivatives_of_the_logistic_curve_at_hand_worked_values():
    # f'(0) = 1/2, f''(0) = -1/4, f'''(0) = 0, f''''(0) = 1/8; with q = sigmoid(-ln 3) = 1/4:
    # f' = q = 1/4, f'' = -q(1-q) = -3/16, f''' = q(1-q)(1-2q) = 3/32
    at = dynamics._logistic_derivative
    assert [at(k, np.array(0.0)) for k in (1, 2, 3, 4)] == [0.5, -0.25, 0.0, 0.125]
    found = [at(k, np.array(math.log(3))) for k in (1, 2, 3)]
    assert found == pytest.approx([1 / 4, -3 / 16, 3 / 32], abs=1e-15)


def test_fields_of_the_plain_losses_at_a_hand_worked_point():
    # theta psi = ln 3: f'(t) = sigmoid(-t) = 1/4 and f'(-t) = 3/4
    theta, psi = math.log(3) / 2, 2.0
    assert dynamics.field("saturating", theta, psi) == pytest.approx((-2 / 4, theta / 4))
    assert dynamics.field("non_saturating", theta, psi) == pytest.approx((-2 * 3 / 4, theta / 4))
    assert dynamics.field("wasserstein", theta, psi) == pytest.approx((-2, theta))
    assert dynamics.field("r1", theta, psi, gamma=0.3) == pytest.approx((-0.5, theta / 4 - 0.6))
    penalised = (-2, theta - 0.7 * (2 - 1))
    assert dynamics.field("wgan_gp", theta, psi) == pytest.approx(penalised)
    assert dynamics.field("wgan_gp", theta, -psi) == pytest.approx((2, theta + 0.7))
    assert dynamics.field("ttur", theta, psi) == pytest.approx((-0.5, theta))  # d_rate 4


def test_consensus_adds_the_gradient_of_half_the_squared_norm():
    whole = System(loss="non_saturating", sigma=0.6, gamma=0.2)
    theta, psi = 0.8, -1.1

    def half_square(t, p):
        return [sum(x**2 for x in whole.field(t, p)) / 2, 0.0]

    down = differences(half_square, theta, psi)[0]
    plain = whole.field(theta, psi)
    other = System(loss="non_saturating", sigma=0.6, gamma=0.2, consensus=0.5)
    expected = (plain[0] - 0.5 * down[0], plain[1] - 0.5 * down[1])
    assert other.field(theta, psi) == pytest.approx(expected, abs=1e-10)


@many
@given(systems, points, points)
def test_jacobian_is_the_derivative_of_the_field(whole, theta, psi):
    numeric = differences(whole.field, theta, psi)
    exact = whole.jacobian(theta, psi)
    assert np.abs(exact - numeric).max() < 1e-9 * max(1, np.abs(exact).max())


@many
@given(systems, points, points)
def test_every_field_is_odd_and_0_at_the_equilibrium(whole, theta, psi):
    ahead, behind = whole.field(theta, psi), whole.field(-theta, -psi)
    assert ahead == pytest.approx(tuple(-v for v in behind), abs=1e-12)
    assert whole.field(0, 0) == (0.0, 0.0)


def test_a_penalty_with_a_target_has_its_derivative_away_from_the_kink_only():
    numeric = differences(lambda t, p: dynamics.field("wgan_gp", t, p), 0.4, -0.9)
    assert np.abs(dynamics.jacobian("wgan_gp", 0.4, -0.9) - numeric).max() < 1e-9
    for ask in (dynamics.jacobian, eigenvalues, converges):
        with pytest.raises(ValueError, match="psi = 0.*kink"):
            ask("wgan_gp")
    with pytest.raises(ValueError, match="kink"):
        dynamics.jacobian("wgan_gp", [0.0, 0.0], [1.0, 0.0])
    # at target 0 it is R1 on WGAN: lambda^2 + 0.7 lambda + 1 = 0
    root = math.sqrt(1 - 0.35**2) * 1j
    same_pair(eigenvalues("wgan_gp", target=0.0), [-0.35 + root, -0.35 - root])


def test_grids_and_single_points_agree():
    theta, psi = np.meshgrid(np.linspace(-2, 2, 5), np.linspace(-2, 3, 4))
    for name in DIRAC:
        whole = DIRAC.make(name)
        v_theta, v_psi = whole.field(theta, psi)
        assert v_theta.shape == v_psi.shape == theta.shape
        one = whole.field(theta[2, 3], psi[2, 3])
        assert one == pytest.approx((v_theta[2, 3], v_psi[2, 3]), abs=1e-14)
        psi_off = psi + 0.01  # off wgan_gp's kink
        matrices = whole.jacobian(theta, psi_off)
        assert matrices.shape == (4, 5, 2, 2)
        single = whole.jacobian(theta[1, 4], psi_off[1, 4])
        assert matrices[1, 4] == pytest.approx(single, abs=1e-14)


# ----------------------------------------------------------------------- eigenvalues of the field


@many
@given(st.floats(0, 5), st.sampled_from(["saturating", "non_saturating"]))
def test_r1_has_its_published_eigenvalues(gamma, loss):
    root = np.emath.sqrt(gamma**2 / 4 - 1 / 4)
    same_pair(eigenvalues("r1", gamma=gamma, loss=loss), [-gamma / 2 + root, -gamma / 2 - root])


@many
@given(st.floats(0, 4))
def test_instance_noise_has_its_published_eigenvalues(sigma):
    root = np.emath.sqrt(sigma**4 / 16 - 1 / 4)
    expected = [-(sigma**2) / 4 + root, -(sigma**2) / 4 - root]
    # where the roots meet, an error of 1e-16 under the square root is one of 1e-8 outside it
    within = 1e-9 if abs(sigma**4 / 16 - 1 / 4) > 1e-6 else 1e-7
    same_pair(eigenvalues("instance_noise", sigma=sigma), expected, within)


@many
@given(st.floats(1e-6, 10))
def test_consensus_converges_at_every_strength(gamma):
    same_pair(eigenvalues("consensus", gamma=gamma), [-gamma / 4 + 0.5j, -gamma / 4 - 0.5j])
    assert converges("consensus", gamma=gamma)


@many
@given(st.floats(0.01, 100), st.floats(0.01, 100))
def test_two_time_scales_never_damp(g_rate, d_rate):
    found = eigenvalues("ttur", g_rate=g_rate, d_rate=d_rate)
    root = 0.5j * math.sqrt(g_rate * d_rate)
    same_pair(found, [root, -root])
    assert not converges("ttur", g_rate=g_rate, d_rate=d_rate)


def test_undamped_systems_and_their_speeds():
    for name, speed in (("saturating", 0.5), ("non_saturating", 0.5), ("wasserstein", 1.0)):
        assert eigenvalues(name).tolist() == [speed * 1j, -speed * 1j]
        assert not converges(name)
    assert eigenvalues("wasserstein_clipped").tolist() == [1j, -1j]


def test_critical_strengths_are_where_the_roots_meet():
    assert eigenvalues("r1", gamma=1.0).tolist() == [-0.5, -0.5]
    assert eigenvalues("r1", gamma=0.999).imag[0] > 0 == eigenvalues("r1", gamma=1.001).imag[0]
    critical = math.sqrt(2)
    assert eigenvalues("instance_noise", sigma=critical) == pytest.approx([-0.5, -0.5], abs=1e-7)
    assert eigenvalues("instance_noise", sigma=critical - 1e-3).imag[0] > 0
    assert eigenvalues("instance_noise", sigma=critical + 1e-3).imag[0] == 0
    # beyond it the slow root falls back towards 0: D crawls
    assert eigenvalues("r1", gamma=10.0).real.max() == pytest.approx(-1 / 40, rel=0.01)


# --------------------------------------------------------------------- eigenvalues of the updates


@many
@given(systems, steps, st.booleans(), st.integers(1, 5))
def test_step_jacobian_is_the_derivative_of_the_steps_taken(whole, h, alternating, d_steps):
    d_steps = d_steps if alternating else 1
    tiny = 1e-30  # an odd map that is 0 at 0 has lost no digits there, and bent by none
    ends = [
        simulate(whole, h, 1, alternating, d_steps, tiny * theta, tiny * psi)
        for theta, psi in ((1, 0), (0, 1))
    ]
    taken = np.array([[end.theta[-1] for end in ends], [end.psi[-1] for end in ends]]) / tiny
    exact = dynamics.step_jacobian(whole, h, alternating, d_steps)
    size = max(1, np.abs(exact).max())
    assert np.abs(exact - taken).max() < 1e-12 * size
    first, second = eigenvalues(whole, h, alternating, d_steps)
    (a, b), (c, d) = exact
    assert abs(first + second - (a + d)) < 1e-9 * size
    assert abs(first * second - (a * d - b * c)) < 1e-9 * size**2


@many
@given(systems, steps)
def test_simultaneous_multipliers_are_1_plus_h_lambda(whole, h):
    same_pair(eigenvalues(whole, h), 1 + h * eigenvalues(whole))


def test_alternating_updates_in_closed_form():
    # GAN, k steps of D: [[1 - k h^2/4, -h/2], [k h/2, 1]], determinant 1, trace 2 - k h^2/4
    found = dynamics.step_jacobian("saturating", h=0.4, alternating=True, d_steps=3)
    assert found == pytest.approx(np.array([[1 - 3 * 0.04, -0.2], [0.6, 1]]), abs=1e-15)


@pytest.mark.parametrize("d_steps", [1, 2, 5])
def test_alternating_gan_is_neutral_up_to_its_largest_step(d_steps):
    largest = 4 / math.sqrt(d_steps)
    for h in np.linspace(0.05, 0.999, 9) * largest:
        found = eigenvalues("saturating", h, alternating=True, d_steps=d_steps)
        assert np.abs(found) == pytest.approx([1, 1], abs=1e-12)
        assert not converges("saturating", h, alternating=True, d_steps=d_steps)
    beyond = eigenvalues("saturating", 1.001 * largest, alternating=True, d_steps=d_steps)
    assert np.abs(beyond).max() > 1.01


@many
@given(st.floats(1.0, 50.0))
def test_a_strong_penalty_needs_a_small_step(gamma):
    fastest = gamma / 2 + math.sqrt(gamma**2 - 1) / 2
    assert converges("r1", h=0.999 * 2 / fastest, gamma=gamma)
    assert not converges("r1", h=1.001 * 2 / fastest, gamma=gamma)


def test_steps_do_what_their_multipliers_say():
    fastest = 3 / 2 + math.sqrt(8) / 2  # R1 with gamma 3: stable up to h = 2 / fastest = 0.687
    for h, said in ((0.65, "converges"), (0.72, "diverges")):
        assert converges("r1", h, gamma=3.0) == (said == "converges") == (h * fastest < 2)
        assert simulate("r1", h, 2000, theta=1e-3, psi=1e-3, gamma=3.0).verdict == said


# ----------------------------------------------------------------------------------- trajectories


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


# ------------------------------------------------------------------------------- what is refused


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


def test_every_known_system_runs_as_it_is_and_is_documented():
    for name in DIRAC:
        assert np.isfinite(simulate(name, steps=3).radius).all()
        assert DIRAC.summary(name).endswith(".")
        for word in ("Eigenvalues", "Paper"):
            assert word in DIRAC[name].__doc__, f"{name} does not say its {word}"
