"""Divergences of two normal laws against arithmetic, other integrals and 40-digit values."""

import math
from functools import partial

import numpy as np
import pytest
import torch

from textgan_lab.metrics import (
    best_noise,
    gaussian_divergences,
    gaussian_gradients,
    js_mean_gradient,
    noisy_js_gradient,
    uniform_divergences,
)
from textgan_lab.metrics.gaussians import BEST_DISTANCE

LN2 = math.log(2)
approx = partial(pytest.approx, abs=0)  # by default anything below 1e-12 equals anything
W = np.linspace(-15, 15, 60_001)  # a sum over it is exact to the last digits for what decays in it


def density(x, mean, std):
    return np.exp(-(((x - mean) / std) ** 2) / 2) / (std * math.sqrt(2 * math.pi))


def integral(values, x):
    return values.sum() * (x[-1] - x[0]) / (len(x) - 1)


# Two unit laws around 0, at -mu/2 and mu/2: p, q = exp(-mu^2/8) exp(-+ mu w/2) phi(w), so that
# D* = 1 / (1 + exp(mu w)) and every integral has the factor exp(-mu^2/8) in front.
def js_gradient_by_hand(mu):
    sech = 1 / np.cosh(mu * W / 2)
    return mu / 4 * math.exp(-(mu**2) / 8) * integral(density(W, 0, 1) * sech, W)


def missing_js_by_hand(mu):
    """Return ln 2 - JS = E_m [entropy of D*]."""
    u = mu * W
    entropy = np.log1p(np.exp(-np.abs(u))) + np.abs(u) / (1 + np.exp(np.abs(u)))
    return math.exp(-(mu**2) / 8) * integral(density(W, 0, 1) * np.cosh(u / 2) * entropy, W)


def test_closed_forms_by_hand():
    found = gaussian_divergences(0, 1, 1, 2)
    assert found["kl"] == approx(LN2 + (1 + 1) / 8 - 1 / 2, rel=1e-14)
    assert found["reverse_kl"] == approx(-LN2 + (4 + 1) / 2 - 1 / 2, rel=1e-14)
    assert found["w2"] == approx(math.sqrt(1 + 1), rel=1e-14)
    # stretching from std 1 to 3 moves a point at z by 2 |z|, and E|z| = sqrt(2/pi)
    assert gaussian_divergences(5, 1, 5, 3)["w1"] == approx(2 * math.sqrt(2 / math.pi))
    found = gaussian_divergences(-1, 3, 6, 3)
    assert (found["w1"], found["w2"]) == (7.0, 7.0)


def test_w1_is_the_area_between_the_distribution_functions():
    x = np.linspace(-40, 40, 400_001)
    for parameters in [(0, 1, 0.5, 3), (1, 2, -2, 0.5), (0, 1, 4, 1.1)]:
        p, q = (np.cumsum(density(x, *law)) for law in (parameters[:2], parameters[2:]))
        area = np.abs(p - q).sum() * (x[1] - x[0]) ** 2
        assert gaussian_divergences(*parameters)["w1"] == approx(area, rel=1e-6)


@pytest.mark.parametrize(
    "parameters", [(0, 1, 1, 1), (0, 1, 0, 1.5), (1, 0.2, 0, 3), (0, 3, 1, 0.2), (-1, 1, 3, 1.2)]
)
def test_js_is_the_mean_of_two_kls_to_the_mean_law(parameters):
    x = np.linspace(-30, 30, 600_001)
    p, q = density(x, *parameters[:2]) + 1e-320, density(x, *parameters[2:]) + 1e-320
    mean = (p + q) / 2
    js = integral(p * np.log(p / mean) + q * np.log(q / mean), x) / 2
    assert gaussian_divergences(*parameters)["js"] == approx(js, rel=1e-10)


@pytest.mark.parametrize(
    "d, std_p, std_q, js, gradient",  # by a quadrature of 40 digits, of other expressions
    [
        (0.3, 1e-3, 1.0, 0.68487585, 0.0020292485),
        (0.3, 1.0, 1e-3, 0.68487585, 0.0020292485),
        (3000, 1.0, 1000.0, 0.69296265, 4.8759655e-7),
        (1e-6, 1.0, 0.9999999, 1.2750001e-13, 2.5000002e-7),
        (12, 1.0, 2.0, 0.69304707, 0.00013988174),
        (7, 1.0, 0.01, LN2, 9.6926696e-11),
        (30, 3.0, 0.1, LN2, 7.6813449e-21),
        (20, 1.0, 1.0, LN2, 1.1941917356e-22),
    ],
)
def test_js_and_its_gradient_at_far_and_unequal_laws(d, std_p, std_q, js, gradient):
    assert gaussian_divergences(5, std_p, 5 + d, std_q)["js"] == approx(js, rel=4e-8)
    found = gaussian_gradients(0, std_p, d, std_q)["js"]
    assert found == approx(gradient, rel=4e-8)


def test_a_tiny_js_keeps_its_digits():
    # JS is 1/8 of the Fisher information times the step squared: 1 for a mean, 2 for a log-width
    assert gaussian_divergences(0, 1, 1e-8, 1)["js"] == approx(1e-16 / 8, rel=1e-12)
    assert gaussian_divergences(3, 1, 3, 1 + 1e-7)["js"] == approx(1e-14 / 4, rel=1e-6)
    step = 2**-30  # added to 1 without rounding
    wider = gaussian_divergences(0, 1, 0, 1 + step)
    assert wider["kl"] == approx(step**2 - 5 / 3 * step**3, rel=1e-14)
    assert wider["reverse_kl"] == approx(step**2 - 1 / 3 * step**3, rel=1e-14)
    assert gaussian_divergences(2, 3, 2, 3) == dict.fromkeys(
        ("kl", "reverse_kl", "js", "w1", "w2"), 0
    )


@pytest.mark.parametrize("mu", [4, 7, 10])
def test_what_js_misses_of_ln_2_keeps_its_digits(mu):
    missing = LN2 - gaussian_divergences(0, 1, mu, 1)["js"]
    assert missing == approx(missing_js_by_hand(mu), rel=1e-15 / missing + 1e-12)
    assert 0 < missing < {4: 0.07, 7: 1e-3, 10: 3e-6}[mu]


def test_js_is_in_nats_symmetric_and_blind_to_units():
    assert gaussian_divergences(0, 1, 1000, 1)["js"] == LN2
    there, back = gaussian_divergences(0, 1, 2, 3), gaussian_divergences(2, 3, 0, 1)
    assert there["js"] == approx(back["js"], rel=1e-13)
    assert (there["kl"], there["reverse_kl"]) == (back["reverse_kl"], back["kl"])
    metres = gaussian_divergences(7, 0.1, 7.2, 0.3)
    assert metres["js"] == approx(there["js"], rel=1e-12)
    assert metres["w1"] == approx(there["w1"] / 10, rel=1e-12)


def test_the_gradient_of_js_by_hand():
    for mu in (0.01, 0.5, 1.5, 5, 20, 40):
        assert js_mean_gradient(mu) == approx(js_gradient_by_hand(mu), rel=1e-12)
        assert js_mean_gradient(-mu) == -js_mean_gradient(mu)
    assert js_mean_gradient(0) == 0
    # d JS = mu/4 near 0; far away the mass around sech's peak gives sqrt(pi/8) exp(-mu^2/8), times
    # 1 - pi^2 / (2 mu^2) for the width of the peak
    assert js_mean_gradient(1e-9) == approx(2.5e-10, rel=1e-12)
    tail = math.sqrt(math.pi / 8) * math.exp(-50) * (1 - math.pi**2 / 800)
    assert js_mean_gradient(20) == approx(tail, rel=5e-4) == approx(1.194e-22, rel=1e-3)


def test_the_gradient_of_js_is_a_bell_with_its_top_between_1_and_2():
    mu = np.linspace(0, 30, 601)
    gradient = js_mean_gradient(mu)
    top = gradient.argmax()
    assert 1 < mu[top] < 2
    assert (np.diff(gradient[: top + 1]) > 0).all() and (np.diff(gradient[top:]) < 0).all()
    assert gradient[-1] > 0


def test_gradients_are_the_slopes_of_the_divergences():
    laws, step = [(0, 1, 2, 1.5), (1, 0.3, 0.2, 2), (0, 2, -3, 0.5)], 1e-5
    for mean_p, std_p, mean_q, std_q in laws:
        found = gaussian_gradients(mean_p, std_p, mean_q, std_q)
        above, below = (
            gaussian_divergences(mean_p, std_p, mean_q + s, std_q) for s in (step, -step)
        )
        for name in above:
            slope = (above[name] - below[name]) / (2 * step)
            assert found[name] == approx(slope, rel=1e-8, abs=1e-9), name


def test_the_losses_of_the_generator_are_integrals_of_their_own_and_agree():
    rng = np.random.default_rng(0)
    std_p, std_q = np.exp(rng.uniform(-3.4, 3.4, (2, 200)))  # ratios up to 1000
    mean_q = rng.uniform(-6, 6, 200) * (std_p + std_q)
    g = gaussian_gradients(0, std_p, mean_q, std_q)
    np.testing.assert_allclose(g["saturating"], 2 * g["js"], rtol=1e-8)
    np.testing.assert_allclose(g["saturating"] + g["non_saturating"], g["reverse_kl"], rtol=1e-12)
    assert (g["saturating"] != 2 * g["js"]).any()  # neither is computed from the other
    x = np.linspace(-40, 40, 800_001)  # and the saturating one is what it says, at one pair
    p, q = density(x, 0, 1), density(x, 2, 1.5)
    d_star = p / (p + q)
    slope = -x + (x - 2) / 1.5**2  # of the logit
    g = gaussian_gradients(0, 1, 2, 1.5)
    assert g["saturating"] == approx(integral(-q * d_star * slope, x), rel=1e-9)
    assert g["non_saturating"] == approx(integral(-q * (1 - d_star) * slope, x), rel=1e-9)


def test_one_loss_dies_with_distance_and_the_other_grows():
    mu = np.array([0.5, 3.0, 10.0, 20.0])
    g = gaussian_gradients(0, 1, mu, 1)
    np.testing.assert_allclose(g["saturating"] + g["non_saturating"], mu, rtol=1e-12)
    np.testing.assert_allclose(g["saturating"], 2 * js_mean_gradient(mu), rtol=1e-12)
    assert (g["w1"] == 1).all() and (g["w2"] == 1).all() and (g["kl"] == mu).all()
    assert g["saturating"][-1] < 3e-22 and g["non_saturating"][-1] == approx(20)


def test_noise_helps_far_laws_up_to_a_point():
    # noise of sigma = 2 makes the stds sqrt(5): 8 apart is 8/sqrt(5) of them, in units that large
    by_hand = js_gradient_by_hand(8 / math.sqrt(5)) / math.sqrt(5)
    assert noisy_js_gradient(8, 2) == approx(by_hand, rel=1e-12)
    mu = np.array([3.0, 8.0, 20.0])
    sigma, gradient = best_noise(mu)
    for off in (0.97, 1.03):
        assert (noisy_js_gradient(mu, sigma * off) < gradient).all()
    assert (noisy_js_gradient(mu, 0) < gradient).all()
    np.testing.assert_allclose(np.hypot(1, sigma) * BEST_DISTANCE, mu)  # the same overlap each time
    np.testing.assert_allclose(gradient * mu, 0.4795159706351335, rtol=1e-14)
    assert best_noise(-8.0) == (sigma[1], -gradient[1])


def test_near_laws_want_no_noise():
    sigma, gradient = best_noise([0.0, 1.0, BEST_DISTANCE])
    assert sigma.tolist() == [0, 0, 0]
    np.testing.assert_allclose(gradient, js_mean_gradient([0.0, 1.0, BEST_DISTANCE]))
    assert (noisy_js_gradient(1, [0.1, 0.3, 1]) < gradient[1]).all()


def test_uniform_laws_by_hand():
    found = uniform_divergences([0, -0.25, 1, 3])
    assert found["kl"].tolist() == found["reverse_kl"].tolist() == [0, math.inf, math.inf, math.inf]
    np.testing.assert_allclose(found["js"], [0, LN2 / 4, LN2, LN2])
    assert found["w1"].tolist() == found["w2"].tolist() == [0, 0.25, 1, 3]


def test_arrays_broadcast_and_numbers_stay_numbers():
    found = gaussian_gradients([[0.0], [1.0]], 1, np.array([2.0, 3.0, 4.0]), 1)
    assert {value.shape for value in found.values()} == {(2, 3)}
    assert found["js"][1, 2] == js_mean_gradient(3)
    everything = {**gaussian_divergences(0, 1, 1, 1), **gaussian_gradients(0, 1, 1, 1)}
    assert {type(value) for value in everything.values()} == {float}
    mu = torch.tensor([1.0, 2.0], dtype=torch.float64)
    assert js_mean_gradient(mu).tolist() == js_mean_gradient([1.0, 2.0]).tolist()


@pytest.mark.parametrize(
    "call, said",
    [
        (lambda: gaussian_divergences(0, 0, 1, 1), "std_p must be above 0, got 0"),
        (lambda: gaussian_gradients(0, 1, 1, [1, -2]), r"std_q must be above 0, got \[ 1. -2.\]"),
        (lambda: gaussian_divergences(math.nan, 1, 1, 1), "mean_p must be finite, got nan"),
        (lambda: js_mean_gradient(math.inf), "mean_q must be finite, got inf"),
        (lambda: noisy_js_gradient(1, -1), "sigma must be finite and 0 or more, got -1"),
        (lambda: uniform_divergences(math.nan), "the shift must be finite, got nan"),
    ],
)
def test_impossible_laws_are_refused(call, said):
    with pytest.raises(ValueError, match=said):
        call()
