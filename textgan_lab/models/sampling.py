"""Drawing tokens, and what a generator hands to a discriminator."""

from collections.abc import Callable
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor

from ..data.law import counted

IMPOSSIBLE = -1e9  # a logit whose softmax is exactly 0, yet 0 * log-probability stays finite


class Rollout:
    """A batch that a generator played.

    ``x``     what D reads: ids [batch, time], simplex points [batch, time, vocab], or
              points [batch, dim]
    ``ids``   the tokens [batch, time], None for points
    ``given`` how many leading tokens were not written but given: a prompt, a prefix
    ``mask``  which tokens count (written, up to and including the first <eos>), None for points
    ``log_p`` the log-softmax [batch, time, vocab] at each position, computed when first asked for
    ``complete``  draws other ends of the prefixes of ``ids``, where whoever played provides it:
              ids [prefixes, n, batch, time], as `Autoregressive.complete`
    """

    complete: Callable[[], Tensor] | None = None

    def __init__(
        self,
        x: Tensor,
        ids: Tensor | None = None,
        score: Callable[[], Tensor] | None = None,
        given: int = 0,
    ):
        self.x, self.ids, self._score, self.given = x, ids, score, given
        self.mask = None if ids is None else counted(ids, given)

    @cached_property
    def log_p(self) -> Tensor:
        """Log-probability of every token at every position, nats."""
        if self._score is None:
            raise TypeError("this generator has no token probabilities: its samples are points")
        return self._score()

    @property
    def log_q(self) -> Tensor:
        """Log-probability of each token played, [batch, time], 0 where padded, nats."""
        return self.log_p.gather(2, self.ids[..., None]).squeeze(2) * self.mask

    @property
    def entropy(self) -> Tensor:
        """Entropy of the next token at each position, [batch, time], 0 where padded, nats."""
        return -(self.log_p.exp() * self.log_p).sum(2) * self.mask


def draw(logits: Tensor, uniforms: Tensor, block: int = 64) -> Tensor:
    """Draw one token a row by inverse CDF in two levels: first a block of tokens, then inside it.

    A uniform for each level keeps full float32 resolution for rare tokens; no token of probability
    0 is ever drawn; the cost is that of one softmax, where `torch.multinomial` pays an exponential
    draw per vocabulary entry.

    Shapes  logits [n, vocab], uniforms [2, n] in [0, 1) -> ids [n]
    """
    n, vocab = logits.shape
    weights = (logits - logits.amax(1, keepdim=True)).exp()
    if vocab <= 2 * block:
        return _invert(weights, uniforms[0])
    weights = F.pad(weights, (0, -vocab % block)).view(n, -1, block)
    chosen = _invert(weights.sum(2), uniforms[0])
    inside = weights.gather(1, chosen.view(n, 1, 1).expand(n, 1, block)).squeeze(1)
    return chosen * block + _invert(inside, uniforms[1])


def _invert(weights: Tensor, u: Tensor) -> Tensor:
    cumulative = weights.cumsum(1)
    # right=True passes over entries of weight 0; rounding may reach the total, hence the last
    # entry that still adds weight
    found = torch.searchsorted(cumulative, (u[:, None] * cumulative[:, -1:]), right=True)
    last = (cumulative < cumulative[:, -1:]).sum(1, keepdim=True)
    return torch.minimum(found, last).squeeze(1)


def gumbel(shape: tuple[int, ...], generator: torch.Generator, dtype: torch.dtype) -> Tensor:
    """Draw standard Gumbel noise, -log(-log u), on the generator's device."""
    u = torch.rand(shape, generator=generator, device=generator.device, dtype=dtype)
    tiny = torch.finfo(dtype).tiny
    return -(-(u.clamp(min=tiny)).log()).clamp(min=tiny).log()
