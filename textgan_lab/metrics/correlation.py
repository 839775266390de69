"""Does one column of a run tell about another: rank correlation of series that remember."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

FEWEST = 8  # points; fewer make no four blocks of two (ours)
BLOCKS = 4  # below this many, a spread over blocks means nothing (ours)
_WINDOW = 5  # autocorrelation times to sum over (Sokal 1997)


@dataclass(frozen=True)
class RankCorrelation:
    """Spearman's ``rho`` over ``n`` points, with an interval that allows for their memory.

    ``block``: points a block; ``trend_x``, ``trend_y``: `mann_kendall` of both series as given. Two
    trends correlate whatever their cause: where both are near 1 in size, look at ``detrended``
    too. ``reason`` says why there is no interval (then NaN), or why it stands on few blocks.
    """

    rho: float
    low: float
    high: float
    level: float
    n: int
    block: int
    expected: int
    detrended: bool
    trend_x: float
    trend_y: float
    reason: str = ""

    @property
    def verdict(self) -> str:
        """One of "informative" (the expected sign), "inverted", "uninformative" (0 is possible)."""
        nearest = self.low if self.expected > 0 else -self.high
        farthest = self.high if self.expected > 0 else -self.low
        if nearest > 0:  # NaN is not
            return "informative"
        return "inverted" if farthest < 0 else "uninformative"

    def __str__(self) -> str:
        if math.isnan(self.low):
            return f"rho {self.rho:.2f}, no interval: {self.reason}"
        return (
            f"rho {self.rho:+.2f} [{self.low:+.2f}, {self.high:+.2f}] at {self.level:.0%}, "
            f"n = {self.n} in blocks of {self.block}: {self.verdict}"
            + (f" ({self.reason})" if self.reason else "")
        )


def rank_correlation(
    x: ArrayLike,
    y: ArrayLike,
    block: int | None = None,
    draws: int = 2000,
    seed: int = 0,
    level: float = 0.95,
    *,
    expected: int = 1,
    detrend: bool = False,
) -> RankCorrelation:
    """Return Spearman's rho of two series measured together, with a block-bootstrap interval.

    Shapes   x, y [n], in order of time; ``expected`` 1 or -1, the sign an informative x would have;
             ``detrend`` takes the least-squares line off both first
    Formula  rho, ties ranked by their mean; tanh(artanh(rho) +- t s), s the spread of artanh(rho*)
             over ``draws`` resamples of circular blocks of ranks (without those in which a series
             is constant) times sqrt(k / (k - 1)), t Student's quantile with k - 1 degrees of
             freedom, k = n // block. Of independent AR(1) pairs with memories up to 0.95 it holds
             0 in 92 to 98 % (percentiles of rho* do in some 85 %); detrended, where long memories
             are underrated, in 85 to 97 %
    Block    by default twice the longer autocorrelation time of the two, 1 + 2 sum_k r_k, summed as
             far as 5 times itself; at most n // 4, and then ``reason`` says so
    Source   Spearman 1904; Kunsch 1989; Politis & Romano 1992
    Raises   ValueError for series of unequal length or with values that are not finite, a block
             outside 1..n // 4, or impossible draws, level or sign. Constant or short series are
             no error: rho or the interval is NaN, and ``reason`` says why

    >>> falling = [9.0, 7, 8, 6, 5, 3, 4, 2, 1, 0, -1, -3, -2, -4, -6, -5]
    >>> rank_correlation(range(16), falling, block=2, expected=-1).verdict
    'informative'
    """
    x, y = np.asarray(x, float), np.asarray(y, float)
    _check(x, y, block, draws, level, expected)
    n, trends = len(x), (mann_kendall(x), mann_kendall(y))

    def result(rho, low=math.nan, high=math.nan, block=0, reason=""):
        return RankCorrelation(
            rho, low, high, level, n, block, expected, detrend, *trends, reason=reason
        )

    for name, series in (("x", x), ("y", y)):
        if np.ptp(series) == 0:
            return result(math.nan, reason=f"{name} is constant")
        if detrend and np.ptp(detrended(series)) < 1e-9 * np.ptp(series):
            return result(math.nan, reason=f"{name} is a straight line, nothing without its trend")
    if detrend:
        x, y = detrended(x), detrended(y)
    x, y = _ranks(x), _ranks(y)
    rho = float(np.clip((x * y).mean(), -1, 1))  # rounding may leave 1 + 2e-16
    if n < FEWEST:
        return result(rho, reason=f"{n} points; an interval needs {FEWEST}")
    reason = ""
    if block is None:
        time = max(_autocorrelation_time(x), _autocorrelation_time(y))
        block = min(math.ceil(2 * time), n // BLOCKS)
        if 2 * time > block:
            reason = f"a memory of about {time:.0f} points leaves {BLOCKS} blocks only"
    found = _resampled(x, y, block, draws, np.random.default_rng(seed))
    if len(found) < draws / 2:
        return result(rho, block=block, reason="x or y is constant in most resamples")
    blocks = n // block
    margin = _student(blocks - 1, level) * np.sqrt(blocks / (blocks - 1)) * _artanh(found).std()
    low, high = (float(np.tanh(_artanh(rho) + side * margin)) for side in (-1, 1))
    return result(rho, low, high, block, reason)


def mann_kendall(x: ArrayLike) -> float:
    """Return how monotone a series is: 1 always rising, -1 always falling, 0 neither or constant.

    Shapes   x [n], in order of time
    Formula  tau = sum_{i<j} sign(x_j - x_i) / (n (n - 1) / 2)
    Floor    for n unrelated points, mean 0 and variance (4 n + 10) / (9 n (n - 1)); more for
             series with a memory
    Source   Mann 1945; Kendall 1938
    Raises   ValueError for fewer than two points, or values that are not finite

    >>> mann_kendall([1, 2, 3]), round(mann_kendall([1, 3, 2]), 4), mann_kendall([5, 5])
    (1.0, 0.3333, 0.0)
    """
    x = np.asarray(x, float)
    if x.ndim != 1 or len(x) < 2 or not np.isfinite(x).all():
        raise ValueError(f"mann_kendall: expected two finite numbers or more, got {x}")
    rises = sum(np.sign(x[i + 1 :] - x[i]).sum() for i in range(len(x) - 1))
    return float(rises / (len(x) * (len(x) - 1) / 2))


def _check(x, y, block, draws, level, expected) -> None:
    if x.ndim != 1 or x.shape != y.shape or len(x) < 2:
        raise ValueError(
            f"rank_correlation: expected two series of one length, 2 points or more, got "
            f"{list(x.shape)} and {list(y.shape)}"
        )
    for name, series in (("x", x), ("y", y)):
        if not np.isfinite(series).all():
            raise ValueError(
                f"rank_correlation: {name} is not finite at {np.argmin(np.isfinite(series))}; "
                "leave out the rows where something was not measured"
            )
    if block is not None and not 1 <= block <= len(x) // BLOCKS:
        raise ValueError(
            f"rank_correlation: block {block} must be 1 to {len(x) // BLOCKS}, a quarter of the "
            f"{len(x)} points"
        )
    if draws < 2 or not 0 < level < 1 or expected not in (1, -1):
        raise ValueError(
            f"rank_correlation: expected 2 draws or more, a level between 0 and 1, and 1 or -1 for "
            f"expected; got {draws}, {level}, {expected}"
        )


def detrended(x: np.ndarray) -> np.ndarray:
    """Return a series [n] less its least-squares line; its mean is 0."""
    time = np.arange(len(x)) - (len(x) - 1) / 2
    return x - x.mean() - time * (x @ time) / (time @ time)


def autocorrelation(x: np.ndarray) -> np.ndarray:
    """Return the autocorrelation [n] of a series of mean 0 that is not constant, lag 0 first.

    Formula  r_k = sum_t x_t x_(t+k) / sum_t x_t^2, t from 0 to n - 1 - k
    """
    n = len(x)
    power = np.abs(np.fft.rfft(x, 2 * n)) ** 2  # twice as long: the end does not meet the start
    r = np.fft.irfft(power)[:n]
    return r / r[0]


def _ranks(x: np.ndarray) -> np.ndarray:
    """Return ranks, ties at their mean, with mean 0 and variance 1."""
    _, which, times = np.unique(x, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(times) - (times - 1) / 2)[which]
    return (ranks - ranks.mean()) / ranks.std()


def _autocorrelation_time(ranks: np.ndarray) -> float:
    n = len(ranks)
    total = np.cumsum(2 * autocorrelation(ranks)[: n // 2]) - 1  # 1 + 2 (r_1 + ... + r_k)
    far = np.arange(n // 2) >= _WINDOW * total
    far[-1] = True  # no end of the memory in sight
    return float(max(total[far.argmax()], 1.0))


def _resampled(x, y, block, draws, rng) -> np.ndarray:
    """Return rho of ``draws`` resamples of n // block circular blocks of ranks."""
    n = len(x)
    moments = np.stack([x, y, x * y, x * x, y * y])
    sums = np.cumsum(np.concatenate([moments, moments[:, :block]], 1), 1)
    sums = np.concatenate([np.zeros((5, 1)), sums], 1)
    by_block = (sums[:, block:] - sums[:, :-block])[:, :n]  # of the block that begins at each point
    starts = rng.integers(0, n, (draws, n // block))
    mean_x, mean_y, xy, xx, yy = by_block[:, starts].sum(2) / (n // block * block)
    variance = (xx - mean_x**2) * (yy - mean_y**2)
    some = variance > 1e-12  # else a resample of one value, of which there is no rho
    return (xy - mean_x * mean_y)[some] / np.sqrt(variance[some])


def _artanh(rho: ArrayLike) -> np.ndarray:
    return np.arctanh(np.clip(rho, -1 + 1e-12, 1 - 1e-12))  # finite at rho = 1


def _student(degrees: int, level: float) -> float:
    from scipy.special import stdtrit  # slow to import

    return float(stdtrit(degrees, (1 + level) / 2))
