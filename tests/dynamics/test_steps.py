"""The derivative of an update against the steps that are taken, and a closed form."""

import numpy as np
import pytest
from dirac import many, steps, systems
from hypothesis import given
from hypothesis import strategies as st

from textgan_lab.dynamics import eigenvalues, simulate, step_jacobian


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
    exact = step_jacobian(whole, h, alternating, d_steps)
    size = max(1, np.abs(exact).max())
    assert np.abs(exact - taken).max() < 1e-12 * size
    first, second = eigenvalues(whole, h, alternating, d_steps)
    (a, b), (c, d) = exact
    assert abs(first + second - (a + d)) < 1e-9 * size
    assert abs(first * second - (a * d - b * c)) < 1e-9 * size**2


def test_alternating_updates_in_closed_form():
    # GAN, k steps of D: [[1 - k h^2/4, -h/2], [k h/2, 1]], determinant 1, trace 2 - k h^2/4
    found = step_jacobian("saturating", h=0.4, alternating=True, d_steps=3)
    assert found == pytest.approx(np.array([[1 - 3 * 0.04, -0.2], [0.6, 1]]), abs=1e-15)
