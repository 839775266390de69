"""Divergences between two known laws on the line, and what they teach a generator that shifts.

The real law p is N(mean_p, std_p^2), the generated law q is N(mean_q, std_q^2), D is optimal. Far
apart, everything built on the Jensen-Shannon divergence dies like exp(-distance^2 / 8), below the
rounding of the divergence itself: so no divergence is ever differenced here. Every integrand is
written so that it keeps its digits where it is small, and is summed by Gauss-Legendre panels.
"""

import numpy as np
from numpy.typing import ArrayLike

LN2 = np.log(2)
# argmax of u J'(u), J(u) = JS(N(0, 1), N(u, 1)): how far apart, in widened stds, noise should bring
# two laws
BEST_DISTANCE = 2.4562822547796749

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(16)
_BULK = np.arange(-9.0, 10)  # stds between breaks around a law; beyond, density < 3e-18 of the peak
_EDGE = 2.0 ** np.arange(9)  # units of the logit around a point where p = q
_END = 39.0  # stds at which exp(-z^2/2) underflows


def gaussian_divergences(
    mean_p: ArrayLike, std_p: ArrayLike, mean_q: ArrayLike, std_q: ArrayLike
) -> dict[str, np.ndarray | float]:
    """Return the divergences between p = N(mean_p, std_p^2) and q = N(mean_q, std_q^2).

    Shapes   any that broadcast together -> each value that shape; numbers -> float
    Units    ``kl`` = KL(p||q), ``reverse_kl`` = KL(q||p), ``js``: nats; ``w1``, ``w2``: units of x
    Formula  kl = ln(std_q/std_p) + (std_p^2 + d^2) / (2 std_q^2) - 1/2, d = mean_q - mean_p;
             js = 1/2 KL(p||m) + 1/2 KL(q||m), m = (p+q)/2, by quadrature; w1 = E|d + (std_q -
             std_p) Z|, the mean of a folded normal; w2 = sqrt(d^2 + (std_q - std_p)^2)
    Floor    0, exactly, for p = q: these are laws, not samples
    Raises   ValueError for a mean that is not finite or a std that is not finite and above 0

    >>> {name: round(value, 4) for name, value in gaussian_divergences(0, 1, 2, 1).items()}
    {'kl': 2.0, 'reverse_kl': 2.0, 'js': 0.3368, 'w1': 2.0, 'w2': 2.0}
    """
    d, s, t = _checked(mean_p, std_p, mean_q, std_q)
    return {
        "kl": _float(_kl(d, s, t)),
        "reverse_kl": _float(_kl(d, t, s)),
        "js": _float(_js(d / t, s, t)),
        "w1": _float(_folded_mean(d, np.abs(t - s))),
        "w2": _float(np.hypot(d, t - s)),
    }


def gaussian_gradients(
    mean_p: ArrayLike, std_p: ArrayLike, mean_q: ArrayLike, std_q: ArrayLike
) -> dict[str, np.ndarray | float]:
    """Return d/d mean_q of each divergence, and of the generator's losses with D* held fixed.

    Shapes   any that broadcast together -> each value that shape; numbers -> float
    Units    nats per unit of x; ``w1`` and ``w2`` have none
    Formula  ``saturating`` = E_q d/dx ln(1 - D*), ``non_saturating`` = E_q d/dx (-ln D*), the
             pathwise gradients at D* = p/(p+q); ``js`` = 1/2 E_q [(x - mean_q)/std_q^2 ln(1 - D*)],
             the score-function form. Each is an integral of its own, and yet
             saturating = 2 js and saturating + non_saturating = reverse_kl
    Note     the Wasserstein distances have a kink at p = q, where 0 is returned
    Source   Goodfellow et al. 2014; Arjovsky & Bottou 2017
    Raises   ValueError for a mean that is not finite or a std that is not finite and above 0

    >>> g = gaussian_gradients(0, 1, 20, 1)  # far apart: only one of the losses still pulls
    >>> f"{g['saturating']:.3g} {g['non_saturating']:.3g} {g['w1']:.3g}"
    '2.39e-22 20 1'
    """
    d, s, t = _checked(mean_p, std_p, mean_q, std_q)
    spread = np.abs(t - s)
    distance = np.hypot(d, spread)
    saturating, non_saturating = _loss_gradients(d / t, s, t)
    return {
        "kl": _float(d / t**2),
        "reverse_kl": _float(d / s**2),
        "js": _float(_js_gradient(d / t, s, t)),
        "w1": _float(_folded_slope(d, spread)),
        "w2": _float(d / np.where(distance > 0, distance, 1)),
        "saturating": _float(saturating),
        "non_saturating": _float(non_saturating),
    }


def js_mean_gradient(mu: ArrayLike) -> np.ndarray | float:
    """Return d JS(N(0, 1), N(mu, 1)) / d mu, in nats per unit; odd in ``mu``.

    Bell-shaped for mu > 0, with its maximum between 1 and 2, then about sqrt(pi/8) exp(-mu^2 / 8):
    right to the last few digits until it underflows, near mu = 75.

    >>> f"{js_mean_gradient(1.5):.4f} {js_mean_gradient(20):.3g} {js_mean_gradient(-20):.3g}"
    '0.2322 1.19e-22 -1.19e-22'
    """
    return noisy_js_gradient(mu, 0.0)


def noisy_js_gradient(mu: ArrayLike, sigma: ArrayLike) -> np.ndarray | float:
    """Return d JS / d mu after noise N(0, sigma^2) was added to N(0, 1) and to N(mu, 1).

    Formula  J'(u) / sqrt(1 + sigma^2), u = mu / sqrt(1 + sigma^2), J' = `js_mean_gradient`
    Source   instance noise: Sonderby et al. 2017; Arjovsky & Bottou 2017
    Raises   ValueError for a negative sigma, or numbers that are not finite
    """
    sigma = np.asarray(sigma, float)
    if not (np.isfinite(sigma).all() and (sigma >= 0).all()):
        raise ValueError(f"noisy_js_gradient: sigma must be finite and 0 or more, got {sigma}")
    d, s, t = _checked(0.0, np.hypot(1, sigma), mu, np.hypot(1, sigma))
    return _float(_js_gradient(d / t, s, t))


def best_noise(mu: ArrayLike) -> tuple[np.ndarray | float, np.ndarray | float]:
    """Return the noise ``sigma`` that makes the gradient at ``mu`` largest, and that gradient.

    Formula  sigma = sqrt((mu / u*)^2 - 1) for |mu| > u* = `BEST_DISTANCE`, else 0: the nearer the
             laws come, the less noise they bear, which is why it is annealed

    >>> [f"{x:.3g}" for x in best_noise(20)], best_noise(1)[0]
    (['8.08', '0.024'], 0.0)
    """
    mu = np.asarray(mu, float)
    sigma = np.sqrt(np.maximum((mu / BEST_DISTANCE) ** 2 - 1, 0))
    return _float(sigma), noisy_js_gradient(mu, sigma)


def uniform_divergences(t: ArrayLike) -> dict[str, np.ndarray | float]:
    """Return the divergences between U[0, 1] and U[t, t + 1], in nats and units of x.

    Formula  kl = reverse_kl = inf unless t = 0; js = min(|t|, 1) ln 2; w1 = w2 = |t|: beyond 1 the
             JS is flat while the Wasserstein distances keep slope 1 (Arjovsky et al. 2017, ex. 1)

    >>> uniform_divergences(3)["w1"], round(uniform_divergences(3)["js"], 4)
    (3.0, 0.6931)
    """
    distance = np.abs(np.asarray(t, float))
    if not np.isfinite(distance).all():
        raise ValueError(f"uniform_divergences: the shift must be finite, got {t}")
    kl = _float(np.where(distance == 0, 0.0, np.inf))
    js, w = _float(np.minimum(distance, 1) * LN2), _float(distance)
    return {"kl": kl, "reverse_kl": kl, "js": js, "w1": w, "w2": w}


def _checked(mean_p, std_p, mean_q, std_q) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return mean_q - mean_p, std_p and std_q, broadcast."""
    given = {"mean_p": mean_p, "std_p": std_p, "mean_q": mean_q, "std_q": std_q}
    given = {name: np.asarray(value, float) for name, value in given.items()}
    for name, value in given.items():
        if not np.isfinite(value).all():
            raise ValueError(f"{name} must be finite, got {value}")
        if name.startswith("std") and not (value > 0).all():
            raise ValueError(f"{name} must be above 0, got {value}")
    d = given["mean_q"] - given["mean_p"]
    return np.broadcast_arrays(d, given["std_p"], given["std_q"])


def _float(value: np.ndarray) -> np.ndarray | float:
    return value if np.ndim(value) else float(value)


def _kl(d: np.ndarray, s: np.ndarray, t: np.ndarray) -> np.ndarray:
    # with r = s/t - 1 the terms that cancel near r = 0 are gathered in r - ln(1 + r)
    r = (s - t) / t
    w = r / (2 + r)  # ln(1 + r) = 2 artanh w = 2w + 2w^3/3 + ..., and r - 2w = r w
    series = r * w - 2 * sum(w ** (2 * k + 1) / (2 * k + 1) for k in range(1, 18))
    with np.errstate(divide="ignore"):
        rest = np.where(np.abs(r) < 0.5, series, r - np.log(s / t))
    return rest + (r**2 + (d / t) ** 2) / 2


def _folded_mean(d: np.ndarray, spread: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        peak = np.where(spread > 0, np.exp(-((d / spread) ** 2) / 2), 0)
    return spread * np.sqrt(2 / np.pi) * peak + d * _folded_slope(d, spread)


def _folded_slope(d: np.ndarray, spread: np.ndarray) -> np.ndarray:
    from scipy.special import erf  # slow to import

    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(d == 0, 0.0, erf(d / spread / np.sqrt(2)))


# Below, x = mean_q + std_q y: y counts stds of q, in which q is N(0, 1) and p is N(-e, rho^2) with
# e = d / std_q and rho = std_p / std_q. The logit is that of the optimal D, ln p - ln q.


def _js(e: np.ndarray, s: np.ndarray, t: np.ndarray) -> np.ndarray:
    """JS = E_m [ln 2 - H(D*)], H the entropy of the verdict: one sign everywhere, unlike KL's."""
    rho = s / t
    roots, scale = _crossings(e, s, t)
    ends = [np.minimum(-_END, -e - _END * rho), np.maximum(_END, -e + _END * rho)]
    breaks = _breaks(-e, rho, roots, scale, ends)
    wide = _wide(e, s, t)

    def parts(y):
        e, s, t = wide
        mean = (_density((y + e) * t / s) * t / s + _density(y)) / 2
        return mean * np.stack(_verdict(_logit(y, *wide)))

    js, rest = _integral(parts, breaks)
    return np.where(js < rest, js, LN2 - rest)  # js + rest = ln 2; the smaller one has the digits


def _js_gradient(e: np.ndarray, s: np.ndarray, t: np.ndarray) -> np.ndarray:
    """1/2 E_q [y/t ln(1 - D*)], each y paired with -y so that nothing cancels."""
    wide = _wide(np.abs(e), s, t)

    def paired(y):
        right, left, step = _logit_pair(y, *wide)
        # softplus(left) - softplus(right): for a small step, from the step itself
        near = step > -1
        small = np.log1p(np.expm1(np.where(near, step, 0)) * _sigmoid(left))
        gap = np.where(near, -small, np.logaddexp(0, left) - np.logaddexp(0, right))
        return _density(y) * y * gap

    return np.sign(e) * _integral(paired, _folded_breaks(e, s, t)) / (2 * t)


def _loss_gradients(e: np.ndarray, s: np.ndarray, t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """E_q [-D* logit'] and E_q [-(1 - D*) logit'], logit' = -(y + e)/(rho^2 t) + y/t."""
    wide = _wide(np.abs(e), s, t)

    def paired(y):
        e, s, t = wide
        right, left, step = _logit_pair(y, e, s, t)
        pull = e * (t / s) ** 2  # -t logit' is pull + stretch at y, pull - stretch at -y
        stretch = y * ((t - s) / s) * ((t + s) / s)
        gap = -np.expm1(step) * _sigmoid(left) * _sigmoid(-right)  # D*(left) - D*(right)
        saturating = pull * (_sigmoid(right) + _sigmoid(left)) - stretch * gap
        non_saturating = pull * (_sigmoid(-right) + _sigmoid(-left)) + stretch * gap
        return _density(y) * np.stack([saturating, non_saturating])

    both = _integral(paired, _folded_breaks(e, s, t))
    return tuple(np.sign(e) * both / t)


def _logit(y: np.ndarray, e: np.ndarray, s: np.ndarray, t: np.ndarray) -> np.ndarray:
    """-ln rho + (y^2 - z^2)/2, z = (y + e)/rho; factored, to keep its digits when p is nearly q."""
    r = (s - t) / t
    log_rho = np.where(np.abs(r) < 0.5, np.log1p(r), np.log(s / t))
    return (r * y - e) * ((2 + r) * y + e) * (t / s) ** 2 / 2 - log_rho


def _logit_pair(y, e, s, t) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the logits at y and at -y, and their difference, -2 e y / rho^2."""
    return _logit(y, e, s, t), _logit(-y, e, s, t), -2 * e * y * (t / s) ** 2


def _verdict(logit: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return ln 2 - H and H, the entropy of a verdict with these odds, each to its own digits."""
    size = np.abs(logit)
    odds = np.exp(-size)
    entropy = np.log1p(odds) + size * odds / (1 + odds)
    x = np.minimum(size, 1) / 2
    near = x * np.tanh(x) - np.log1p(np.sinh(x) ** 2) / 2  # x^2 - x^2/2: loses one bit at most
    return np.where(size < 1, near, LN2 - entropy), entropy


def _density(y: np.ndarray) -> np.ndarray:
    return np.exp(-(y**2) / 2) / np.sqrt(2 * np.pi)


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return np.exp(-np.logaddexp(0, -x))


def _crossings(e: np.ndarray, s: np.ndarray, t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return where p = q, [..., 2], and 1 / |logit'| there; 0 for a crossing that is not there."""
    rho, r = s / t, (s - t) / t
    log_rho = np.where(np.abs(r) < 0.5, np.log1p(r), np.log(rho))
    squared, linear = r * (2 + r) / (2 * rho**2), -e / rho**2
    constant = -log_rho - (e / rho) ** 2 / 2
    slope = np.hypot(e / rho, np.sqrt(4 * squared * log_rho))  # root of the discriminant
    sum_ = -(linear + np.copysign(slope, linear)) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        roots = np.stack([sum_ / squared, constant / sum_], -1)
        scale = 1 / slope
    return np.where(np.isfinite(roots), roots, 0), np.where(np.isfinite(scale), scale, 0)


def _breaks(centre, rho, roots, scale, ends) -> np.ndarray:
    """Return panel edges that resolve q, p (at ``centre``, ``rho`` wide) and the crossings."""
    edge = np.concatenate([-_EDGE, _EDGE])
    around = [
        np.broadcast_to(_BULK, (*rho.shape, len(_BULK))),
        centre[..., None] + rho[..., None] * _BULK,
        *(roots[..., i, None] + scale[..., None] * edge for i in (0, 1)),
        np.stack(ends, -1),
    ]
    inside = np.clip(np.concatenate(around, -1), ends[0][..., None], ends[1][..., None])
    return np.sort(inside, -1)


def _folded_breaks(e, s, t) -> np.ndarray:
    """Return panel edges for integrals over y > 0 of what happens at y and at -y, given |e|."""
    e, rho = np.abs(e), s / t
    roots, scale = _crossings(e, s, t)
    zero = np.zeros_like(rho)
    return _breaks(e, rho, np.abs(roots), scale, [zero, zero + _END])


def _wide(*parameters: np.ndarray) -> list[np.ndarray]:
    return [parameter[..., None, None] for parameter in parameters]  # beside [panel, node]


def _integral(integrand, breaks: np.ndarray) -> np.ndarray:
    half = np.diff(breaks)[..., None] / 2
    y = breaks[..., :-1, None] + half * (1 + _NODES)
    return (integrand(y) * (half * _WEIGHTS)).sum((-2, -1))
