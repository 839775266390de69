"""The Frechet distance by hand, where it is hard to compute, and where it never reaches 0."""

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm

from textgan_lab.metrics import frechet_distance, frechet_floor


def cloud(n, dim, seed=0, mean=0.0):
    return mean + np.random.default_rng(seed).standard_normal((n, dim))


def test_by_hand():
    # means (1, 0) and (1, 3); variances over n - 1: (2, 0) and (0, 2), no overlap at all
    a, b = [[0, 0], [2, 0]], [[1, 2], [1, 4]]
    assert frechet_distance(a, b) == pytest.approx(9 + 2 + 2 - 0, rel=1e-14)
    # one dimension: the difference of means, squared, and that of the stds
    assert frechet_distance([[0], [2]], [[1], [5]]) == pytest.approx(4 + (8**0.5 - 2**0.5) ** 2)


def test_covariances_are_over_n_minus_1():
    a = [[0.0], [2.0]]  # variance 2; over n it would be 1
    b = [[-3.0], [-1.0], [1.0], [3.0], [0.0]]  # variance 20 / 4
    assert frechet_distance(a, b) == pytest.approx(1 + (5**0.5 - 2**0.5) ** 2, rel=1e-13)


def test_it_is_the_formula_with_a_matrix_root():
    mix = cloud(4, 4, seed=9)
    a, b = cloud(300, 4, seed=1) @ mix, cloud(200, 4, seed=2, mean=0.5)
    c_a, c_b = np.cov(a.T), np.cov(b.T)
    root = sqrtm(c_a @ c_b).real
    expected = ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(c_a + c_b - 2 * root)
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-9)
    assert frechet_distance(b, a) == pytest.approx(frechet_distance(a, b), rel=1e-12)
    assert frechet_distance(a[::-1], b) == pytest.approx(frechet_distance(a, b), rel=1e-12)


def test_few_points_in_many_dimensions_stay_real():
    a, b = cloud(5, 40, seed=1), cloud(7, 40, seed=2)
    value = frechet_distance(a, b)
    c_a, c_b = np.cov(a.T), np.cov(b.T)
    eigenvalues = np.linalg.eigvals(c_a @ c_b)  # of rank 4 at most
    largest = np.sort(eigenvalues.real)[-4:]
    traces = np.trace(c_a) + np.trace(c_b) - 2 * np.sqrt(largest).sum()
    assert value == pytest.approx(((a.mean(0) - b.mean(0)) ** 2).sum() + traces, rel=1e-9)
    assert isinstance(value, float) and value > 0


def test_the_same_points_are_at_distance_0():
    for points in (cloud(50, 3), cloud(4, 30), np.ones((6, 5)), 1e6 + cloud(50, 3)):
        scale = np.trace(np.atleast_2d(np.cov(points.T)))
        assert 0 <= frechet_distance(points, points) <= 1e-13 * scale
        assert 0 <= frechet_distance(points, points[::-1]) <= 1e-9 * scale
    same = [frechet_distance(points, points) for points in (cloud(9, 4, s) for s in range(60))]
    assert min(same) == 0  # rounding alone would leave some below
    moved = cloud(50, 3)
    assert frechet_distance(moved, moved + [3, 4, 0]) == pytest.approx(25, rel=1e-12)


def test_tensors_are_points_too():
    a, b = cloud(20, 3), cloud(20, 3, seed=1)
    assert frechet_distance(torch.from_numpy(a), torch.from_numpy(b)) == frechet_distance(a, b)


def test_the_floor_is_what_one_law_keeps_and_falls_with_the_sample():
    real = cloud(4000, 6)
    floor = frechet_floor(real, 200)
    fresh = [frechet_distance(cloud(200, 6, 2 * s), cloud(200, 6, 2 * s + 1)) for s in range(40)]
    assert floor == pytest.approx(np.mean(fresh), abs=4 * np.std(fresh) / 8**0.5)
    assert frechet_floor(real, 1600) < floor / 5  # like 1/n
    assert frechet_floor(cloud(4000, 24), 200) > 8 * floor  # like dim^2
    assert frechet_floor(real) == frechet_floor(real, 2000) == frechet_floor(real, seed=0)
    assert frechet_floor(real, 50, seed=1) != frechet_floor(real, 50, seed=2)


@pytest.mark.parametrize(
    "call, said",
    [
        (lambda: frechet_distance([[1.0]], [[1.0], [2.0]]), r"got \[1, 1\] for the first"),
        (lambda: frechet_distance([[1.0], [2.0]], [1.0, 2.0]), r"got \[2\] for the second"),
        (lambda: frechet_distance(cloud(5, 2), cloud(5, 3)), "points of 2 and of 3 dimensions"),
        (lambda: frechet_distance(cloud(5, 2) * np.nan, cloud(5, 2)), "first sample .* not finite"),
        (lambda: frechet_floor(cloud(9, 2), 5), "two parts of 5 from 9 points"),
        (lambda: frechet_floor(cloud(3, 2)), "two parts of 1 from 3 points"),
        (lambda: frechet_floor(cloud(9, 2), draws=0), "0 draws"),
    ],
)
def test_impossible_input_is_refused(call, said):
    with pytest.raises(ValueError, match=said):
        call()
