"""Nudging the weights of a generator: when does a chosen token change, and what does D say.

The same noise is used before and after, so that a sentence is a function of the weights: hard
tokens are argmax_i (logit_i + Gumbel noise_i), a step function; soft ones the softmax of the same.
"""

import copy
import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from ..data.law import PAD

if TYPE_CHECKING:
    import pandas

SMALL = 1e-6  # of the weights' norm: the step of the central difference, in float64 (ours)


@torch.no_grad()
def nudge(
    generator: nn.Module,
    discriminator: nn.Module,
    sizes: Iterable[float],
    *,
    n: int = 256,
    directions: int = 1,
    temperature: float = 1.0,
    seed: int = 0,
) -> "pandas.DataFrame":
    """Return what happens to n sentences when G's weights move a little along random directions.

    One row per direction, size and sentence:
        direction, size, sentence   which; ``size`` is the length of the move over the weights' norm
        changed                     whether any token differs from the unmoved sentence
        hard, soft                  D's logit on the tokens, and on the softmax at ``temperature``;
                                    of a D with one logit a token, the mean over tokens
        rate, tokens                changes per unit of size, to first order, and counted tokens

    Formula  rate = sum_t sum_{i<j} p_i p_j |d_i - d_j|, with p the next-token law at position t and
             d the logits' derivative along the direction. p_i p_j is the density of a tie between i
             and j at the top of logits + Gumbel noise, so this is exact as the size goes to 0; for
             small moves P(changed) = rate * size.
    Raises   ValueError for no sizes, a size that is not finite, or a generator without a law
             of tokens

    All in float64, on copies: nothing that is passed in changes.
    """
    import pandas

    sizes = [float(size) for size in sizes]
    if not sizes or not all(map(math.isfinite, sizes)):
        raise ValueError(f"nudge: sizes must be finite numbers, at least one, got {sizes}")
    if generator.kind != "text":
        raise ValueError("nudge: this generator plays points, of which no token can change")
    if not generator.likelihood:
        raise ValueError(
            f"nudge: generator {generator.name!r} has no law of tokens, whose changes are counted; "
            f"use one that writes token by token"
        )
    g, d = copy.deepcopy(generator).double(), copy.deepcopy(discriminator).double()
    start = parameters_to_vector(g.parameters())
    tau = torch.tensor(temperature, dtype=torch.float64, device=start.device)

    def play(weights: Tensor, hard: bool):
        vector_to_parameters(weights, g.parameters())
        noise = torch.Generator(start.device).manual_seed(seed)
        return g.relax(n, noise, tau, straight_through=hard)

    still, frames = play(start, hard=True).ids, []
    counted = still != PAD
    draws = torch.Generator(start.device).manual_seed(seed + 1)
    for direction in range(directions):
        u = torch.randn(start.shape, generator=draws, dtype=start.dtype, device=start.device)
        u *= start.norm() / u.norm()
        rate = _rate(g, start, u, still)
        for size in sizes:
            hard, soft = (play(start + size * u, kind) for kind in (True, False))
            frames.append(pandas.DataFrame({
                "direction": direction,
                "size": size,
                "sentence": range(n),
                "changed": (hard.ids != still).any(1).cpu(),
                "hard": _score(d, hard.ids, hard.mask).cpu(),
                "soft": _score(d, soft.x, soft.mask).cpu(),
                "rate": rate.cpu(),
                "tokens": counted.sum(1).cpu(),
            }))  # fmt: skip
    return pandas.concat(frames, ignore_index=True)


def _rate(g: nn.Module, start: Tensor, u: Tensor, ids: Tensor) -> Tensor:
    """Return the first-order rate at which each of the sentences ``ids`` changes along u, [n]."""
    logits = []
    for size in (SMALL, -SMALL, 0.0):
        vector_to_parameters(start + size * u, g.parameters())
        logits.append(g.logits(ids))
    slope = (logits[0] - logits[1]) / (2 * SMALL)
    slope, order = slope.sort(2)
    below = logits[2].softmax(2).gather(2, order).cumsum(2)[..., :-1]
    # sum_{i<j} p_i p_j |d_i - d_j| = the integral of F (1 - F), F the law of d under p
    ties = (below * (1 - below) * slope.diff(dim=2)).sum(2)
    return (ties * (ids != PAD)).sum(1)


def _score(d: nn.Module, x: Tensor, mask: Tensor) -> Tensor:
    logits = d(x)
    return logits if logits.dim() == 1 else (logits * mask).sum(1) / mask.sum(1)
