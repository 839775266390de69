"""Distances between clouds of points, such as embedded sentences or hidden states."""

import numpy as np
from numpy.typing import ArrayLike


def frechet_distance(a: ArrayLike, b: ArrayLike) -> float:
    """Return the squared 2-Wasserstein distance between the normal laws fitted to two samples.

    Shapes   [n, dim] and [m, dim], at least two points each, also fewer than dim
    Units    units of the points, squared
    Formula  |mean_a - mean_b|^2 + tr(C_a + C_b - 2 (C_a^1/2 C_b C_a^1/2)^1/2), covariances over
             n - 1 (ddof = 1). With centred points X = Q R, C = R'R / (n - 1), and the trace of the
             root is the sum of the singular values of R_a R_b': always real, however few the points
    Floor    not 0 but `frechet_floor`: it falls like 1/n and grows about like dim^2
    Source   Dowson & Landau 1982; Heusel et al. 2017
    Raises   ValueError for shapes that do not fit, one point, or points that are not finite

    >>> frechet_distance([[0.0], [2.0]], [[1.0], [5.0]])  # means 1, 3; variances 2, 8: 4 + 10 - 8
    6.0
    """
    (mean_a, root_a), (mean_b, root_b) = _fitted("first", a), _fitted("second", b)
    if mean_a.shape != mean_b.shape:
        raise ValueError(
            f"frechet_distance: points of {len(mean_a)} and of {len(mean_b)} dimensions"
        )
    overlap = np.linalg.svd(root_a @ root_b.T, compute_uv=False).sum()
    spread = (root_a**2).sum() + (root_b**2).sum() - 2 * overlap
    # spread is a squared distance; for equal covariances rounding may say -1e-15
    return float(((mean_a - mean_b) ** 2).sum() + max(spread, 0.0))


def frechet_floor(real: ArrayLike, n: int | None = None, draws: int = 8, seed: int = 0) -> float:
    """Return the Frechet distance that ``n`` points of one law keep from ``n`` others of it.

    The mean over ``draws`` of two random parts of ``real`` without a point in common, ``n`` each,
    half of ``real`` by default: what a perfect generator would score against ``n`` real points.
    Raises ValueError when ``real`` has fewer than 2 n points.

    >>> frechet_floor([[0.0], [0.0], [0.0], [0.0]])
    0.0
    """
    real = np.asarray(real, float)
    n = len(real) // 2 if n is None else n
    if not 2 <= n <= len(real) // 2 or draws < 1:
        raise ValueError(
            f"frechet_floor: {draws} draws of two parts of {n} from {len(real)} points; expected "
            "one draw or more, and parts of 2 or more that have no point in common"
        )
    rng = np.random.default_rng(seed)
    orders = [rng.permutation(len(real)) for _ in range(draws)]
    return float(np.mean([frechet_distance(real[o[:n]], real[o[n : 2 * n]]) for o in orders]))


def _fitted(which: str, points: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean, and R with R'R = covariance."""
    points = np.asarray(points, float)
    if points.ndim != 2 or len(points) < 2 or not points.shape[1]:
        raise ValueError(
            f"frechet_distance: expected [n, dim] with two points or more, got "
            f"{list(points.shape)} for the {which} sample"
        )
    if not np.isfinite(points).all():
        raise ValueError(f"frechet_distance: the {which} sample has points that are not finite")
    mean = points.mean(0)
    return mean, np.linalg.qr(points - mean, mode="r") / np.sqrt(len(points) - 1)
