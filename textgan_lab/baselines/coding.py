"""From a sentence to a code, and from a code to sentences."""

import copy

import torch
from torch import Tensor, nn

from ..data.law import BOS, PAD
from ..models.autoregressive import Autoregressive
from ..models.layers import LSTM


class Encoder(nn.Module):
    """An LSTM that reads a sentence to its end: ids [batch, time] to [batch, outputs]."""

    def __init__(self, data, outputs: int, *, embedding: int, hidden: int):
        super().__init__()
        self.embed = nn.Embedding(data.vocab_size, embedding, padding_idx=PAD)
        self.lstm = LSTM(embedding, hidden)
        self.head = nn.Linear(hidden, outputs)

    def forward(self, ids: Tensor) -> Tensor:
        """Read what comes before the padding at the end."""
        states = self.lstm(self.embed(ids))
        last = ((ids != PAD) * torch.arange(ids.shape[1], device=ids.device)).amax(1)
        at = last.view(-1, 1, 1).expand(-1, 1, states.shape[2])
        return self.head(states.gather(1, at).squeeze(1))


class Decoder(Autoregressive):
    """An LSTM that writes under a code z: z makes its first state and is read again at each step.

    ``under(z)`` is the law of sentences under given codes, one a sentence: `Autoregressive` in
    full, with the exact ln q(x | z). One that does not read (``reads`` False) never sees the words
    that it wrote, so that the code alone must tell all of them.
    """

    code: Tensor | None = None

    def __init__(self, data, latent: int, *, embedding: int, hidden: int, reads: bool = True):
        super().__init__(data)
        self.reads = reads
        self.embed = nn.Embedding(data.vocab_size, embedding)
        self.first = nn.Linear(latent, 2 * hidden)
        self.lstm = LSTM(embedding + latent, hidden)
        self.head = nn.Linear(hidden, data.vocab_size)

    def under(self, z: Tensor) -> "Decoder":
        """Return this decoder, the same weights, bound to codes [n, latent]."""
        bound = copy.copy(self)
        bound.code = z
        return bound

    def logits(self, ids: Tensor) -> Tensor:
        """Return next-token logits [batch, time, vocab] for ids [batch, time], teacher-forced."""
        before = torch.cat([torch.full_like(ids[:, :1], BOS), ids[:, :-1]], 1)
        code = self.code[:, None].expand(-1, ids.shape[1], -1)
        h, c = (s[None].contiguous() for s in self._first())
        x = torch.cat([self._seen(self.embed(before)), code], 2)
        return self.head(self.lstm(x, (h, c))) + self.never

    def start(self, n, given):
        """Return hidden and cell state, and the code's share of the gates, the same all along."""
        from_code = self.code @ self.lstm.weight_ih_l0[:, self.embed.embedding_dim :].t()
        return *self._first(), from_code

    def feed(self, embedded):
        """Return the token's share of the gates."""
        weight = self.lstm.weight_ih_l0[:, : self.embed.embedding_dim]
        bias = self.lstm.bias_ih_l0 + self.lstm.bias_hh_l0
        return torch.addmm(bias, self._seen(embedded), weight.t())

    def step(self, x, state):
        """Advance the cell."""
        h, c, from_code = state
        h, c = self.lstm.cell(x + from_code, h, c)
        return h, (h, c, from_code)

    def _seen(self, embedded: Tensor) -> Tensor:
        return embedded if self.reads else self.embed.weight[BOS].expand_as(embedded)

    def _first(self) -> tuple[Tensor, Tensor]:
        return self.first(self.code).tanh().chunk(2, 1)
