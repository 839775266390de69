"""Scores of series of frames of sensors, which nobody can judge by reading them.

Every function takes arrays [n, frames, sensors]: n samples, the sensors on a ring. A histogram of
single values sees none of what is measured here; each score sees some of it, and says what.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

RIDGE = 1e-3  # penalty of the forecasts, over the mean variance of what is read (ours)
SHRINKAGE = 0.1  # penalty of the classifier, on features of variance 1 (ours)


class Forecast(NamedTuple):
    """Errors on real series, of a forecaster that learnt on fakes and of one that learnt on real.

    Both are shares of the variance: 0 is a perfect forecast, 1 no better than the mean.
    """

    synthetic: float
    real: float


def time_autocorrelation(x: ArrayLike) -> np.ndarray:
    """Return how a sensor's value resembles its own value k frames later: [frames], lag 0 first.

    Formula  r_k = mean of y_t y_(t+k) / mean of y_t^2, over samples, sensors and the frames that
             have a k-th after them; y is x less each sensor's mean
    Sees     speed, memory, frames in disorder; not where waves run, nor how sensors go together
    Raises   ValueError for other shapes, values that are not finite, or series that are constant

    >>> time_autocorrelation([[[1.0], [-1.0], [1.0], [-1.0]]]).tolist()
    [1.0, -1.0, 1.0, -1.0]
    """
    y = _centred(x)
    frames = y.shape[1]
    products = [(y[:, : frames - k] * y[:, k:]).mean() for k in range(frames)]
    return np.array(products) / products[0]


def sensor_correlations(x: ArrayLike) -> np.ndarray:
    """Return Pearson's correlation of every two sensors, over samples and frames: [sensors] twice.

    Sees     wave lengths, sensors in disorder; not the order of frames, nor where waves run
    Raises   ValueError like `time_autocorrelation`, and for a sensor that is constant

    >>> sensor_correlations([[[1.0, -2.0], [3.0, -6.0]]]).round(9).tolist()
    [[1.0, -1.0], [-1.0, 1.0]]
    """
    y = _centred(x)
    y = y.reshape(-1, y.shape[2])
    spread = np.sqrt(np.square(y).mean(0))
    if not spread.all():
        raise ValueError(f"sensor_correlations: sensor {int(spread.argmin())} is constant")
    y = y / spread
    return y.T @ y / len(y)


def space_time_spectrum(x: ArrayLike) -> np.ndarray:
    """Return each wave's share of the power: [frames, sensors], frequencies by wave numbers.

    Formula  mean over samples of |FFT of x over frames and sensors|^2, scaled to sum 1; both axes
             in the order of ``numpy.fft.fftfreq``. A real wave stands at (f, k) and (-f, -k)
    Sees     lengths, speeds and directions of waves, and means; not whether one sample mixes them
    Raises   ValueError like `time_autocorrelation`, constant series allowed; for series of zeros

    >>> still = [[[1.0, -1.0], [1.0, -1.0]]]
    >>> space_time_spectrum(still).tolist()
    [[0.0, 1.0], [0.0, 0.0]]
    """
    power = _power(_series(x)).mean(0)
    if not power.sum() > 0:
        raise ValueError("space_time_spectrum: all values are 0, so there is no power to share")
    return power / power.sum()


def running_shares(spectrum: ArrayLike) -> tuple[float, float]:
    """Return the shares of a `space_time_spectrum` in waves that run right, and left.

    Right is towards the next sensor: frequency and wave number of opposite signs. What stands
    still, is the same everywhere or turns by half a cycle belongs to neither.

    >>> t, s = np.mgrid[:8, :8]
    >>> right = np.cos(2 * np.pi * (s - t) / 8)
    >>> [round(share, 9) for share in running_shares(space_time_spectrum([right]))]
    [1.0, 0.0]
    """
    spectrum = np.asarray(spectrum, float)
    f, k = (_signs(n) for n in spectrum.shape)
    way = np.multiply.outer(f, k)
    return float(spectrum[way < 0].sum()), float(spectrum[way > 0].sum())


def series_distances(a: ArrayLike, b: ArrayLike) -> dict[str, float]:
    """Return how far apart two sets of series are, by what is seen in each; 0 for a set and itself.

    ``autocorrelation``      root mean square difference of `time_autocorrelation`, lag 0 left out
    ``sensor_correlations``  the same of `sensor_correlations`, the diagonal left out
    ``spectrum``             half the sum of absolute differences of `space_time_spectrum`: the
                             share of power in other waves, 0 to 1
    Floor  not 0 but `series_floors`, which falls like 1 / sqrt(n)
    Raises ValueError as those do, and for sets of different frames or sensors
    """
    a, b = _pair("series_distances", a, b)
    if a.shape[1] < 2 or a.shape[2] < 2:
        raise ValueError(f"series_distances: expected 2 frames and sensors or more, got {a.shape}")
    apart = ~np.eye(a.shape[2], dtype=bool)
    lags = time_autocorrelation(a)[1:] - time_autocorrelation(b)[1:]
    sensors = (sensor_correlations(a) - sensor_correlations(b))[apart]
    power = space_time_spectrum(a) - space_time_spectrum(b)
    return {
        "autocorrelation": float(np.sqrt(np.square(lags).mean())),
        "sensor_correlations": float(np.sqrt(np.square(sensors).mean())),
        "spectrum": float(np.abs(power).sum() / 2),
    }


def series_floors(
    real: ArrayLike, n: int | None = None, draws: int = 8, seed: int = 0
) -> dict[str, float]:
    """Return the `series_distances` that n series of one law keep from n others of it, on average.

    The mean over ``draws`` of two random parts of ``real`` without a series in common, ``n`` each,
    half of ``real`` by default: what a perfect generator would score against ``n`` real series.
    Raises ValueError when ``real`` has fewer than 2 n series.
    """
    real = _series(real)
    n = len(real) // 2 if n is None else n
    if not 1 <= n <= len(real) // 2 or draws < 1:
        raise ValueError(
            f"series_floors: {draws} draws of two parts of {n} from {len(real)} series; expected "
            "one draw or more, and parts of 1 or more that have no series in common"
        )
    rng = np.random.default_rng(seed)
    orders = [rng.permutation(len(real)) for _ in range(draws)]
    found = [series_distances(real[o[:n]], real[o[n : 2 * n]]) for o in orders]
    return {name: float(np.mean([one[name] for one in found])) for name in found[0]}


def discriminative_score(fake: ArrayLike, real: ArrayLike) -> float:
    """Return how well a small classifier tells fakes from real series: held-out accuracy less 1/2.

    Features  a series' values, and ln of its power in each wave (plus 1e-6 of the mean real power)
    Formula   ridge regression on the label, features scaled to variance 1, penalty 0.1; learnt on
              every other series, judged on the others, and the other way round
    Sees      all that single series show, such as standing waves among running ones; 0.5 when every
              series is told, 0 for one law, with a standard error of 0.6 / sqrt(n + m) (measured)
    Source    Yoon, Jarrett & van der Schaar 2019, with a recurrent network in this place
    Raises    ValueError for unlike shapes, values that are not finite, under four series a side
    """
    fake, real = _pair("discriminative_score", fake, real)
    if min(len(fake), len(real)) < 4:
        raise ValueError(
            f"discriminative_score: expected four series a side or more, got {len(fake)} fake and "
            f"{len(real)} real"
        )
    floor = 1e-6 * _power(real).mean()
    sides = [_features(x, floor) for x in (real, fake)]
    right = []
    for taught, judged in ((0, 1), (1, 0)):
        rows = [side[taught::2] for side in sides]
        x, label = np.concatenate(rows), np.repeat([1.0, -1.0], [len(r) for r in rows])
        share = np.repeat([0.5 / len(r) for r in rows], [len(r) for r in rows])  # sides weigh alike
        mean = share @ x
        spread = np.sqrt(share @ np.square(x - mean))
        scale = np.divide(1.0, spread, out=np.zeros_like(spread), where=spread > 0)
        z = (x - mean) * scale
        gram = (z.T * share) @ z + SHRINKAGE * np.eye(z.shape[1])
        weight = np.linalg.solve(gram, (z.T * share) @ label)
        for side, sign in zip(sides, (1, -1), strict=True):
            score = sign * (((side[judged::2] - mean) * scale) @ weight)
            right.append((score > 0).mean() + (score == 0).mean() / 2)
    return float(np.mean(right)) - 0.5


def forecast_error(learnt: ArrayLike, judged: ArrayLike, lags: int = 2) -> float:
    """Return the error of forecasts of the next frame, as a share of the variance of frames.

    Formula  ridge regression of frame t on frames t - 1 to t - ``lags``, learnt on one set of
             series; squared error over squared deviation from the mean frame, on the other set
    Sees     how what comes next follows from what was; with two lags a wave's next frame follows
             whichever way it runs, with one lag only if all run the same way
    Raises   ValueError for unlike shapes, values that are not finite, or no frame to forecast

    >>> ticking = [[[1.0], [-1.0], [1.0], [-1.0]], [[-1.0], [1.0], [-1.0], [1.0]]]
    >>> round(forecast_error(ticking, ticking, lags=1), 5)
    0.0
    """
    learnt, judged = _pair("forecast_error", learnt, judged)
    frames = learnt.shape[1]
    if not 1 <= lags < frames:
        raise ValueError(
            f"forecast_error: lags {lags!r} must be 1 to {frames - 1}, the frames less 1"
        )
    past, following = _windows(learnt, lags)
    means = past.mean(0), following.mean(0)
    past, following = past - means[0], following - means[1]
    gram = past.T @ past
    penalty = RIDGE * max(gram.trace() / len(gram), np.finfo(float).tiny)
    weight = np.linalg.solve(gram + penalty * np.eye(len(gram)), past.T @ following)
    past, following = _windows(judged, lags)
    variance = np.square(following - following.mean(0)).mean()
    if not variance > 0:
        raise ValueError("forecast_error: the series to judge by are constant")
    error = following - means[1] - (past - means[0]) @ weight
    return float(np.square(error).mean() / variance)


def train_synthetic_test_real(fake: ArrayLike, real: ArrayLike, lags: int = 2) -> Forecast:
    """Return the `forecast_error` on real series after learning on fakes, and after real ones.

    Every other real series is judged; from the rest, and from as many fakes, is learnt. The two
    errors agree when fakes teach what real series teach.

    Source  Esteban, Hyland & Ratsch 2017
    Raises  ValueError as `forecast_error` does, and for fewer fakes than half the real series
    """
    fake, real = _pair("train_synthetic_test_real", fake, real)
    judged, learnt = real[::2], real[1::2]
    if not 1 <= len(learnt) <= len(fake):
        raise ValueError(
            f"train_synthetic_test_real: {len(fake)} fakes for {len(real)} real series; expected "
            f"two real ones or more, and half as many fakes or more"
        )
    return Forecast(
        forecast_error(fake[: len(learnt)], judged, lags), forecast_error(learnt, judged, lags)
    )


def _series(x: ArrayLike) -> np.ndarray:
    x = np.asarray(x, float)
    if x.ndim != 3 or not x.size:
        raise ValueError(f"expected series [n, frames, sensors], got {list(x.shape)}")
    if not np.isfinite(x).all():
        first = tuple(int(i) for i in np.argwhere(~np.isfinite(x))[0])
        raise ValueError(f"series must be finite; (sample, frame, sensor) {first} is {x[first]}")
    return x


def _pair(what: str, a: ArrayLike, b: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    a, b = _series(a), _series(b)
    if a.shape[1:] != b.shape[1:]:
        raise ValueError(
            f"{what}: series of {a.shape[1]} frames of {a.shape[2]} sensors, and of "
            f"{b.shape[1]} of {b.shape[2]}"
        )
    return a, b


def _centred(x: ArrayLike) -> np.ndarray:
    x = _series(x)
    y = x - x.mean((0, 1))
    if not y.any():
        raise ValueError("the series are constant, so nothing in them is correlated")
    return y


def _power(x: np.ndarray) -> np.ndarray:
    return np.square(np.abs(np.fft.fft2(x)))


def _signs(n: int) -> np.ndarray:
    """Return the signs of the frequencies; half a cycle has none, or rather both."""
    signs = np.sign(np.fft.fftfreq(n))
    if n % 2 == 0:
        signs[n // 2] = 0
    return signs


def _features(x: np.ndarray, floor: float) -> np.ndarray:
    power = _power(x)[:, :, : x.shape[2] // 2 + 1]  # the rest mirrors it
    tiny = np.finfo(float).tiny  # of zeros alone, the logarithm is that of nothing
    return np.concatenate([a.reshape(len(x), -1) for a in (x, np.log(power + floor + tiny))], 1)


def _windows(x: np.ndarray, lags: int) -> tuple[np.ndarray, np.ndarray]:
    """Return what is read and what follows: [rows, lags * sensors], [rows, sensors]."""
    frames, sensors = x.shape[1:]
    past = np.stack([x[:, k : frames - lags + k] for k in range(lags)], 2)
    return past.reshape(-1, lags * sensors), x[:, lags:].reshape(-1, sensors)
