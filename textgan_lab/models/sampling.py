"""Drawing tokens, and what a generator hands to a discriminator."""

from collections.abc import Callable
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..data.law import counted

IMPOSSIBLE = -1e9  # a logit whose softmax is exactly 0, yet 0 * log-probability stays finite
BLOCK = 64  # tokens that the first level of a draw chooses among as one


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
    ``law``   ln q of each token played and the entropy of its law, [batch, time] each, where they
              are had for less than ``log_p``
    ``key``   the key of D's memory under which each sentence was written, where one was read
    """

    complete: Callable[[], Tensor] | None = None
    law: Callable[[], tuple[Tensor, Tensor]] | None = None
    key: Tensor | None = None

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

    @cached_property
    def _told(self) -> tuple[Tensor, Tensor]:
        return self.law()

    @cached_property
    def _played(self) -> Tensor:
        return self.log_p.gather(2, self.ids[..., None]).squeeze(2)

    @property
    def log_q(self) -> Tensor:
        """Log-probability of each token played, [batch, time], 0 where padded, nats."""
        return (self._told[0] if self.law else self._played) * self.mask

    @property
    def entropy(self) -> Tensor:
        """Entropy of the next token at each position, [batch, time], 0 where padded, nats."""
        if self.law:
            return self._told[1] * self.mask
        return -(self.log_p.exp() * self.log_p).sum(2) * self.mask


def in_cache(device: torch.device) -> int:
    """Return how many rows of a large vocabulary's logits to work on at a time.

    On a CPU their cache is the limit: more are up to four times slower (measured at 5,000 tokens).
    A GPU wants few large kernels.
    """
    return 64 if device.type == "cpu" else 8192


class NextToken:
    """The law of the next token under a linear head, softmax((W h + b + never) / temperature).

    Made once for many draws. A large vocabulary is drawn from a few rows at a time, so that their
    logits stay in cache; see `draw`. Temperature 0 plays the likeliest token.
    """

    def __init__(self, head: nn.Linear, never: Tensor, temperature: float = 1.0):
        self.head, self.never, self.temperature = head, never, temperature
        self.rows = in_cache(never.device)
        self.large = len(never) > 2 * BLOCK and temperature > 0
        if self.large:
            pad = -len(never) % BLOCK
            self.weight = F.pad(head.weight, (0, 0, 0, pad)).t()
            self.bias = F.pad(head.bias + never, (0, pad), value=-torch.inf) / temperature

    def draw(
        self,
        features: Tensor,
        uniforms: Tensor,
        wanted: Tensor | None = None,
        told: list[tuple[Tensor, Tensor]] | None = None,
    ) -> Tensor:
        """Draw ids [..., n] for features [n, F] with uniforms [..., 2, n], as `draw`.

        Rows that are not ``wanted``, [n] bool, come out as anything: a CPU passes over them where
        the vocabulary is large (a GPU would have to be waited for). Then ``told`` receives which
        rows were drawn from which logits: [k] and [k, vocab], a few at a time.
        """
        if not self.large:
            logits = self.head(features) + self.never
            if self.temperature == 0:
                return logits.argmax(1).expand(*uniforms.shape[:-2], -1)
            return draw(logits / self.temperature, uniforms)
        if wanted is not None and not wanted.is_cuda:
            rows = wanted.nonzero().squeeze(1)
            ids = torch.zeros_like(uniforms[..., 0, :], dtype=torch.int64)
            if len(rows):
                ids[..., rows] = self._draw(features[rows], uniforms[..., rows], rows, told)
            return ids
        return self._draw(features, uniforms, torch.arange(len(features)), told)

    def _draw(self, features: Tensor, uniforms: Tensor, rows: Tensor, told: list | None) -> Tensor:
        first, second = _columns(uniforms)
        if self.temperature != 1:
            features = features / self.temperature
        levels = []
        for h, u, which in zip(*(x.split(self.rows) for x in (features, first, rows)), strict=True):
            logits = torch.addmm(self.bias, h, self.weight)
            levels.append(_block(logits, u))
            if told is not None:
                told.append((which.to(h.device), logits[:, : len(self.never)]))
        chosen, inside = map(torch.cat, zip(*levels, strict=True))
        return _within(chosen, inside, second).reshape(*uniforms.shape[:-2], -1)


def draw(logits: Tensor, uniforms: Tensor) -> Tensor:
    """Draw tokens by inverse CDF in two levels: first a block of tokens, then inside it.

    A uniform for each level keeps full float32 resolution for rare tokens; no token of probability
    0 is ever drawn; the cost is that of one softmax, where `torch.multinomial` pays an exponential
    draw per vocabulary entry. Several draws from one row share its softmax.

    Shapes  logits [n, vocab], uniforms [..., 2, n] in [0, 1) -> ids [..., n]
    """
    vocab = logits.shape[1]
    first, second = _columns(uniforms)
    if vocab <= 2 * BLOCK:
        weights = (logits - logits.amax(1, keepdim=True)).exp()
        ids = _invert(weights, first).t()
    else:
        logits = F.pad(logits, (0, -vocab % BLOCK), value=-torch.inf)
        ids = _within(*_block(logits, first), second)
    return ids.reshape(*uniforms.shape[:-2], -1)


def _columns(uniforms: Tensor) -> tuple[Tensor, Tensor]:
    """Return the uniforms of either level, [n, draws] each."""
    levels = uniforms.reshape(-1, *uniforms.shape[-2:]).permute(1, 2, 0).contiguous()
    return levels[0], levels[1]


def _block(logits: Tensor, u: Tensor) -> tuple[Tensor, Tensor]:
    """Choose a block for each draw, [n, draws]; return it with the weights that it holds."""
    weights = logits.softmax(1).unflatten(1, (-1, BLOCK))
    chosen = _invert(weights.sum(2), u)
    return chosen, weights[torch.arange(len(weights), device=u.device)[:, None], chosen]


def _within(chosen: Tensor, inside: Tensor, u: Tensor) -> Tensor:
    """Choose a token of each block: inside [n, draws, BLOCK] -> ids [draws, n]."""
    return (chosen * BLOCK + _invert(inside, u[..., None]).squeeze(2)).t()


def _invert(weights: Tensor, u: Tensor) -> Tensor:
    """Return the entries on which uniforms fall: weights [..., m], u [..., k] -> [..., k]."""
    cumulative = weights.cumsum(-1)
    total = cumulative[..., -1:]
    # right=True passes over entries of weight 0; rounding may reach the total, hence the last
    # entry that still adds weight
    found = torch.searchsorted(cumulative, u * total, right=True)
    return torch.minimum(found, (cumulative < total).sum(-1, keepdim=True))


def gumbel(shape: tuple[int, ...], generator: torch.Generator, dtype: torch.dtype) -> Tensor:
    """Draw standard Gumbel noise, -log(-log u), on the generator's device."""
    u = torch.rand(shape, generator=generator, device=generator.device, dtype=dtype)
    tiny = torch.finfo(dtype).tiny
    return -(-(u.clamp(min=tiny)).log()).clamp(min=tiny).log()
