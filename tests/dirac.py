"""Dirac-GANs, steps and points that several tests draw at random; how eigenvalues are compared."""

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st

from textgan_lab.dynamics import LOSSES, System

many = settings(max_examples=60, deadline=None, derandomize=True)
steps = st.floats(0.01, 2.0)
points = st.floats(-2.0, 2.0)
systems = st.builds(
    System,
    loss=st.sampled_from(LOSSES),
    sigma=st.one_of(st.just(0.0), st.floats(0.05, 2.5)),
    gamma=st.floats(0, 3),
    consensus=st.one_of(st.just(0.0), st.floats(0.05, 2)),
    g_rate=st.floats(0.2, 3),
    d_rate=st.floats(0.2, 3),
)


def same_pair(found, expected, within=1e-9):
    """Compare two eigenvalues with two, in the order that `eigenvalues` promises."""
    assert np.allclose(found, expected, rtol=within, atol=within), (found, expected)
