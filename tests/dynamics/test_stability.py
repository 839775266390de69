"""Eigenvalues against closed forms and published results."""

import math

import numpy as np
import pytest
from dirac import many, same_pair, steps, systems
from hypothesis import given
from hypothesis import strategies as st

from textgan_lab.dynamics import converges, eigenvalues, simulate


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


@many
@given(systems, steps)
def test_simultaneous_multipliers_are_1_plus_h_lambda(whole, h):
    same_pair(eigenvalues(whole, h), 1 + h * eigenvalues(whole))


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
