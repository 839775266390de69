"""The known systems: their fields at a point worked out by hand, and what they say."""

import math

import numpy as np
import pytest

from textgan_lab import dynamics
from textgan_lab.dynamics import DIRAC, simulate


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


def test_every_known_system_runs_as_it_is_and_is_documented():
    for name in DIRAC:
        assert np.isfinite(simulate(name, steps=3).radius).all()
        assert DIRAC.summary(name).endswith(".")
        for word in ("Eigenvalues", "Paper"):
            assert word in DIRAC[name].__doc__, f"{name} does not say its {word}"
