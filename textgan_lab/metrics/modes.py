"""Modes and histograms over them: what a generator covers now, and what it covers over time."""

import numpy as np
from numpy.typing import ArrayLike

REACH = 3.0  # stds from a centre that still count as its mode


def mode_statistics(
    samples: ArrayLike, centres: ArrayLike, std: float, weights: ArrayLike | None = None
) -> dict[str, int | float | np.ndarray]:
    """Return how many modes of a mixture the samples cover, how well, and how evenly.

    Shapes   samples [n, dim]; centres [K, dim]; weights [K], the shares of the real law, even by
             default. ``histogram`` [K + 1]: shares of all samples, the last bin those of no mode
    Rule     a sample belongs to its nearest centre if that is within 3 ``std``. Of a perfect
             sampler in two dimensions ``high_quality`` is 1 - exp(-4.5) = 98.9 %: more than that
             means modes that shrank. A point that is not finite belongs to no mode
    Formula  ``reverse_kl`` = sum_k h_k ln(h_k / weights_k), nats, h the shares among samples of a
             mode; ln K - H(h) for even weights. The most it can be, -ln min(weights), for no such
             sample; then ``modes`` is 0
    Floor    ``modes``: `expected_modes` for the same n; ``reverse_kl``: (K - 1) / (2 n)
    Source   Metz et al. 2017; Srivastava et al. 2017
    Raises   ValueError for shapes that do not fit, no samples, centres that coincide, a spread or
             weights that make no law

    >>> found = mode_statistics([[0, 0], [0.1, 0], [5, 5], [9, 9]], [[0, 0], [5, 5]], std=0.1)
    >>> found["modes"], found["high_quality"], found["histogram"].tolist()
    (2, 0.75, [0.5, 0.25, 0.25])
    """
    samples, centres = np.asarray(samples, float), np.asarray(centres, float)
    _check_mixture(samples, centres, std)
    shares = _shares("weights", np.ones(len(centres)) if weights is None else weights)
    if shares.shape != (len(centres),) or not (shares > 0).all():
        raise ValueError(
            f"mode_statistics: weights must be {len(centres)} numbers above 0, got {weights}"
        )
    with np.errstate(over="ignore"):  # a sampler that diverged is far from every centre
        squares = np.stack([((samples - centre) ** 2).sum(1) for centre in centres], 1)
    nearest = squares.argmin(1)
    within = squares[np.arange(len(samples)), nearest] <= (REACH * std) ** 2  # False for NaN
    counts = np.bincount(np.where(within, nearest, len(centres)), minlength=len(centres) + 1)
    found = counts[:-1]
    law = found / found.sum() if found.any() else np.arange(len(shares)) == shares.argmin()
    return {
        "modes": int((found > 0).sum()),
        "high_quality": float(within.mean()),
        "reverse_kl": float(_kl(law.astype(float), shares)),
        "histogram": counts / len(samples),
    }


def expected_modes(k: int, n: int) -> float:
    """Return how many of ``k`` even modes a perfect sampler shows in ``n`` samples, on average.

    Formula  k (1 - (1 - 1/k)^n); 632 of 1,000 for n = 1,000

    >>> round(expected_modes(1000, 1000)), expected_modes(2, 1)
    (632, 1.0)
    """
    _check_sizes(k=k, n=n)
    return float(k * (1 - (1 - 1 / k) ** n))


def histogram_entropy(histogram: ArrayLike) -> np.ndarray | float:
    """Return the entropy of counts or shares, in nats: [..., K] -> [...].

    Counts of n samples score (K - 1) / (2 n) below their law on average (Miller 1955).
    Raises ValueError for negative counts, or none at all.

    >>> histogram_entropy([2, 2, 0, 0]) == float(np.log(2))
    True
    """
    h = _shares("histogram", histogram)
    entropy = -(h * np.log(np.where(h > 0, h, 1))).sum(-1) + 0.0  # never -0.0
    return entropy if np.ndim(entropy) else float(entropy)


def histogram_js(a: ArrayLike, b: ArrayLike) -> float:
    """Return the Jensen-Shannon divergence between two histograms [K], counts or shares, in nats.

    Exactly 0 for the same histogram, at most ln 2. Two samples of one law score above 0: compare
    with `histogram_js_floor`. Raises ValueError for negative counts, none at all, or unequal K.

    >>> histogram_js([3, 1], [6, 2]), round(histogram_js([1, 0], [0, 5]), 4)
    (0.0, 0.6931)
    """
    a, b = _shares("first histogram", a), _shares("second histogram", b)
    if a.ndim != 1 or a.shape != b.shape:
        raise ValueError(
            f"histogram_js: expected two histograms of one length, got {a.shape} and {b.shape}"
        )
    return temporal_js(np.stack([a, b]))


def histogram_js_floor(k: int, n: int, m: int | None = None) -> float:
    """Return `histogram_js` between samples of one law, of ``n`` and ``m`` (or n), on average.

    Formula  (k - 1) (1/n + 1/m) / 8, so (k - 1) / (4 n) at equal sizes, k the cells that can occur;
             the leading term, right when each is expected several times

    >>> histogram_js_floor(8, 512)
    0.00341796875
    """
    m = n if m is None else m
    _check_sizes(k=k, n=n, m=m)
    return (k - 1) * (1 / n + 1 / m) / 8


def temporal_js(histograms: ArrayLike) -> float:
    """Return how far the histograms of W times lie from each other: [W, K] -> nats.

    Formula  H(mean_t h_t) - mean_t H(h_t), each time weighing the same: 0 when nothing changes,
             ln K when one mode after the other holds everything. One look cannot tell a rotating
             collapse from a static one, and looks too rare alias it
    Floor    `temporal_js_floor`
    Raises   ValueError for negative counts, or a time without any

    >>> round(temporal_js([[4, 0], [0, 4]]), 4), temporal_js([[4, 0], [4, 0]])
    (0.6931, 0.0)
    """
    h = _shares("histogram", histograms)
    if h.ndim != 2:
        raise ValueError(f"temporal_js: expected histograms [W, K], got {list(h.shape)}")
    return max(0.0, float(_kl(h, h.mean(0)).mean()))  # a divergence; rounding may say -1e-17


def temporal_js_floor(k: int, n: int, w: int) -> float:
    """Return `temporal_js` of ``w`` samples of ``n`` from one law over ``k`` cells, on average.

    Formula  (w - 1) (k - 1) / (2 w n); the leading term, as in `histogram_js_floor`

    >>> round(temporal_js_floor(8, 512, 20), 4)
    0.0065
    """
    _check_sizes(k=k, n=n, w=w)
    return (w - 1) * (k - 1) / (2 * w * n)


def _shares(name: str, counts: ArrayLike) -> np.ndarray:
    counts = np.asarray(counts, float)
    if not counts.ndim or not np.isfinite(counts).all() or (counts < 0).any():
        raise ValueError(f"{name}: expected finite counts or shares, 0 or more, got {counts}")
    total = counts.sum(-1, keepdims=True)
    if not counts.size or not total.all():
        raise ValueError(f"{name}: nothing was counted in {counts.tolist()}, so it has no shares")
    return counts / total


def _kl(h: np.ndarray, law: np.ndarray) -> np.ndarray:
    """Return sum_k h_k ln(h_k / law_k) over the last axis."""
    return (h * np.log(np.where(h > 0, h, 1) / np.where(h > 0, law, 1))).sum(-1)


def _check_mixture(samples: np.ndarray, centres: np.ndarray, std: float) -> None:
    if samples.ndim != 2 or centres.ndim != 2 or samples.shape[1] != centres.shape[1]:
        raise ValueError(
            "mode_statistics: expected samples [n, dim] and centres [K, dim], got "
            f"{list(samples.shape)} and {list(centres.shape)}"
        )
    if not len(samples) or not len(centres):
        raise ValueError(f"mode_statistics: {len(samples)} samples and {len(centres)} centres")
    if not np.isfinite(centres).all():
        raise ValueError(f"mode_statistics: centres must be finite, got {centres.tolist()}")
    if not (np.isfinite(std) and std > 0):
        raise ValueError(f"mode_statistics: std must be finite and above 0, got {std!r}")
    for i, centre in enumerate(centres):
        same = np.linalg.norm(centres[:i] - centre, axis=1) < 1e-6 * std
        if same.any():
            raise ValueError(
                f"mode_statistics: centres {same.argmax()} and {i} coincide at {centre.tolist()}; "
                "around a circle, leave out the end point (endpoint=False): it is the start again"
            )


def _check_sizes(**sizes: int) -> None:
    for name, size in sizes.items():
        if not size >= 1 or size != int(size):
            raise ValueError(f"{name} must be a whole number of 1 or more, got {size!r}")
