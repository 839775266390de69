"""Averages of the logistic curve against quadrature and values worked out by hand."""

import math

import numpy as np
import pytest
from scipy.integrate import quad

from textgan_lab.dynamics.smoothing import logistic, logistic_derivative


@pytest.mark.parametrize("spread", [0.3, 1.0, 1.0 + 1e-9, 3.0, 40.0])
@pytest.mark.parametrize("order", [1, 2, 3, 4, 5, 6])
def test_both_rules_of_averaging_agree_with_quadrature(order, spread):
    def f(t):
        return float(logistic_derivative(order, np.array(t)))

    density = 1 / (spread * math.sqrt(2 * math.pi))
    exact = sum(
        quad(
            lambda u: f(u) * density * math.exp(-(((u - 0.7) / spread) ** 2) / 2),
            0.7 + spread * a, 0.7 + spread * b, epsabs=1e-14, limit=400,
        )[0]
        for a, b in ((-12, -3), (-3, -0.7 / spread), (-0.7 / spread, 3), (3, 12))
    )  # fmt: skip
    found = logistic(order, np.array(0.7), np.array(spread))
    assert found == pytest.approx(exact, abs=1e-12)


def test_derivatives_of_the_logistic_curve_at_hand_worked_values():
    # f'(0) = 1/2, f''(0) = -1/4, f'''(0) = 0, f''''(0) = 1/8; with q = sigmoid(-ln 3) = 1/4:
    # f' = q = 1/4, f'' = -q(1-q) = -3/16, f''' = q(1-q)(1-2q) = 3/32
    at = logistic_derivative
    assert [at(k, np.array(0.0)) for k in (1, 2, 3, 4)] == [0.5, -0.25, 0.0, 0.125]
    found = [at(k, np.array(math.log(3))) for k in (1, 2, 3)]
    assert found == pytest.approx([1 / 4, -3 / 16, 3 / 32], abs=1e-15)
