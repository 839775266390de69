"""A Transformer that writes: it attends to all that was written instead of remembering it."""

import torch
from torch import Tensor, nn

from ..data.law import BOS
from .attention import attend
from .autoregressive import Autoregressive
from .generators import GENERATORS
from .sampling import IMPOSSIBLE


class Block(nn.Module):
    """Attention to what came before, then a feed-forward net; each added to what it has read.

    Each norm stands before its layer, so that gradients pass unchanged (Xiong et al. 2020).
    """

    def __init__(self, size: int, heads: int, hidden: int):
        super().__init__()
        self.size, self.heads = size, heads
        self.norm_attention = nn.LayerNorm(size)
        self.project = nn.Linear(size, 3 * size, bias=False)  # a bias of keys would have no effect
        self.join = nn.Linear(size, size)
        self.norm_net = nn.LayerNorm(size)
        self.net = nn.Sequential(nn.Linear(size, hidden), nn.GELU(), nn.Linear(hidden, size))

    def forward(self, x: Tensor, past: Tensor) -> tuple[Tensor, Tensor]:
        """Read new positions [n, t, E] after those of ``past``, their keys and values [n, s, 2 E].

        Returns features [n, t, E], and keys and values of all [n, s + t, 2 E].
        """
        new, seen = x.shape[1], past.shape[1]
        query, own = self.project(self.norm_attention(x)).split([self.size, 2 * self.size], 2)
        past = torch.cat([past, own], 1)
        future = torch.full((new, seen + new), IMPOSSIBLE, device=x.device).triu(seen + 1)
        x = x + self.join(attend(query, *past.chunk(2, 2), self.heads, future))
        return x + self.net(self.norm_net(x)), past


@GENERATORS.register("transformer")
class TransformerGenerator(Autoregressive):
    """A causal Transformer that writes token by token; q(x) is known exactly.

    Learned positions; a step keeps the keys and values of what it has read, so that writing costs
    one position at a time and scoring one pass. ``embedding`` is the width of every layer.

    Paper   Vaswani et al. 2017; decoder only: Radford et al. 2018
    Raises  ValueError when ``heads`` does not divide ``embedding``
    """

    one_pass = True

    def __init__(
        self, data, *, embedding: int = 32, heads: int = 2, layers: int = 2, hidden: int = 64
    ):
        super().__init__(data)
        if embedding % heads:
            raise ValueError(
                f"generator 'transformer': embedding {embedding} must be a multiple of heads, "
                f"which is {heads}"
            )
        self.embed = nn.Embedding(data.vocab_size, embedding)
        self.positions = nn.Embedding(data.length, embedding)
        self.blocks = nn.ModuleList(Block(embedding, heads, hidden) for _ in range(layers))
        self.norm = nn.LayerNorm(embedding)
        self.head = nn.Linear(embedding, data.vocab_size)

    def features(self, ids):
        """Return what the last layer says at all positions, [batch, time, embedding]."""
        before = torch.cat([torch.full_like(ids[:, :1], BOS), ids[:, :-1]], 1)
        return self._read(self.embed(before), self.start(len(ids), None))[0]

    def start(self, n, given):
        """Return keys and values of nothing, layer by layer."""
        nothing = self.embed.weight.new_zeros(n, 0, 2 * self.embed.embedding_dim)
        return (nothing,) * len(self.blocks)

    def step(self, x, state):
        """Read one more position; its number is how many were read before."""
        features, state = self._read(x[:, None], state)
        return features[:, 0], state

    def _read(self, x: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        seen, after = state[0].shape[1], []
        x = x + self.positions.weight[seen : seen + x.shape[1]]
        for block, past in zip(self.blocks, state, strict=True):
            x, past = block(x, past)
            after.append(past)
        return self.norm(x), tuple(after)
