"""The pair of likelihoods: the law scores the fakes, the generator scores real text."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike


@dataclass(frozen=True)
class NLLPair:
    """Negative log-likelihoods in nats per token, each with its standard error.

    ``oracle_nll``: the true law on ``n_fake`` generated sentences. It sees quality only: one likely
    sentence over and over scores better than real text does. ``held_out_nll``: the generator on
    ``n_real`` sentences that it was not trained on. It sees what is missing, and forgives nothing
    that is. Read both, at temperature 1.
    """

    oracle_nll: float
    oracle_nll_se: float
    held_out_nll: float
    held_out_nll_se: float
    n_fake: int
    n_real: int


def nll(log_prob: ArrayLike, tokens: ArrayLike) -> tuple[float, float]:
    """Return the negative log-likelihood per token and its standard error, in nats.

    Shapes   log_prob [n] of whole sentences, -inf allowed; tokens [n], or one number for all:
             scored tokens a sentence, the <eos> counted, padding not
    Formula  nll = -sum_i log_prob_i / sum_i tokens_i, a ratio of means;
             se^2 = sum_i (-log_prob_i - nll tokens_i)^2 / (n (n - 1) mean(tokens)^2). With a
             sentence of probability 0 the nll is inf and the se NaN, as for one sentence alone
    Raises   ValueError for no sentences, shapes that do not fit, NaN or +inf, or no token

    >>> nll([-2.0, -6.0], [2, 2])
    (2.0, 1.0)
    """
    log_prob = np.asarray(log_prob, float)
    tokens = np.asarray(tokens, float)
    if log_prob.ndim != 1 or not len(log_prob) or tokens.shape not in ((), log_prob.shape):
        raise ValueError(
            f"nll: expected log_prob [n] and tokens [n] or a number, got {list(log_prob.shape)} "
            f"and {list(tokens.shape)}"
        )
    if np.isnan(log_prob).any() or (log_prob == np.inf).any():
        raise ValueError("nll: a log-probability is NaN or +inf")
    if not (np.isfinite(tokens).all() and (tokens >= 1).all()):
        raise ValueError(f"nll: a sentence has at least one token, its <eos>; got {tokens.min()}")
    n = len(log_prob)
    tokens = np.broadcast_to(tokens, log_prob.shape)
    value = -log_prob.sum() / tokens.sum()
    if n == 1 or not np.isfinite(value):
        return float(value), float("nan")
    rest = -log_prob - value * tokens
    return float(value), float(np.sqrt((rest**2).sum() / (n * (n - 1))) / tokens.mean())


def nll_pair(
    law_at_fake: ArrayLike, fake_tokens: ArrayLike, generator_at_real: ArrayLike,
    real_tokens: ArrayLike,
) -> NLLPair:  # fmt: skip
    """Return the two-sided likelihood of a text generator.

    Shapes   law_at_fake [n_fake]: log p of generated sentences under the true law;
             generator_at_real [n_real]: log q of held-out real sentences under the generator, both
             of whole sentences in nats; tokens as in `nll`
    Floor    real text's own: `nll` of the law at held-out sentences, for both numbers
    Source   Texygen's NLL-oracle and NLL-test (Zhu et al. 2018); the pair: Caccia et al. 2020
    Raises   ValueError as `nll`

    >>> pair = nll_pair([-1.0, -1.0], 2, [-8.0, -4.0], [2, 2])
    >>> pair.oracle_nll, pair.held_out_nll
    (0.5, 3.0)
    """
    oracle, oracle_se = nll(law_at_fake, fake_tokens)
    held_out, held_out_se = nll(generator_at_real, real_tokens)
    n_fake, n_real = len(np.asarray(law_at_fake)), len(np.asarray(generator_at_real))
    return NLLPair(oracle, oracle_se, held_out, held_out_se, n_fake, n_real)
