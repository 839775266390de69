"""The field against quadrature, and its derivative against finite differences."""

import math

import numpy as np
import pytest
from dirac import many, points, same_pair, systems
from hypothesis import given
from scipy.integrate import quad
from scipy.special import expit

from textgan_lab import dynamics
from textgan_lab.dynamics import DIRAC, System, converges, eigenvalues


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
