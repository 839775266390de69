"""Divergences between two laws whose log-probabilities are known exactly."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike


@dataclass(frozen=True)
class Comparison:
    """How far q lies from p, estimated on samples of each with exact log-probabilities.

    ``js`` in nats (ceiling ln 2) with its standard error ``js_se``; ``bayes_accuracy``, the share
    that the optimal discriminator p/(p+q) judges right, is 0.5 when p = q.
    """

    js: float
    js_se: float
    bayes_accuracy: float
    n_p: int
    n_q: int


def compare_laws(
    log_p_at_p: ArrayLike, log_q_at_p: ArrayLike, log_p_at_q: ArrayLike, log_q_at_q: ArrayLike
) -> Comparison:
    """Estimate JS(p, q) and the Bayes accuracy from samples of both laws.

    Shapes   [n_p], [n_p], [n_q], [n_q]; ``log_q_at_p`` is log q at the samples of p, maybe -inf
    Formula  JS = 1/2 E_p ln(2p/(p+q)) + 1/2 E_q ln(2q/(p+q)), evaluated as ln 2 - E softplus(.)
    Raises   ValueError when there are no samples, or a sample is impossible under its own law

    >>> same = compare_laws([-1.0, -2.0], [-1.0, -2.0], [-1.0], [-1.0])
    >>> same.js, same.bayes_accuracy
    (0.0, 0.5)
    >>> inf = float("inf")
    >>> apart = compare_laws([-1.0], [-inf], [-inf], [-1.0])
    >>> round(apart.js, 4), apart.bayes_accuracy
    (0.6931, 1.0)
    """
    p_own, p_other = np.asarray(log_p_at_p, float), np.asarray(log_q_at_p, float)
    q_own, q_other = np.asarray(log_q_at_q, float), np.asarray(log_p_at_q, float)
    if not (len(p_own) and len(q_own)):
        raise ValueError("compare_laws: needs at least one sample of each law")
    if not (np.isfinite(p_own).all() and np.isfinite(q_own).all()):
        raise ValueError("compare_laws: a sample has probability 0 under the law it came from")
    p_ratio, q_ratio = p_other - p_own, q_other - q_own  # -inf where the other law has no mass
    at_p, at_q = np.log(2) - np.logaddexp(0, p_ratio), np.log(2) - np.logaddexp(0, q_ratio)
    right = [(r < 0).mean() + 0.5 * (r == 0).mean() for r in (p_ratio, q_ratio)]
    spread = sum(x.var() / len(x) for x in (at_p, at_q))
    return Comparison(
        js=float((at_p.mean() + at_q.mean()) / 2),
        js_se=float(np.sqrt(spread) / 2),
        bayes_accuracy=float(sum(right) / 2),
        n_p=len(p_own),
        n_q=len(q_own),
    )
