"""Discriminators: larger logit = more real. They return logits; only losses and metrics squash.

A discriminator of text takes ids [batch, time] or simplex points [batch, time, vocab] and gives the
same logits for the same sentence. Padding embeds to zero, whatever is learned.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..catalogue import Catalogue
from ..data.law import PAD
from .layers import LSTM, Dropout

DISCRIMINATORS = Catalogue("discriminator")


class TokenEmbedding(nn.Module):
    """Embed ids by look-up, or simplex points by a product with the same table."""

    def __init__(self, vocab_size: int, size: int):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(vocab_size, size))
        counts = torch.ones(vocab_size, 1)
        counts[PAD] = 0
        self.register_buffer("counts", counts, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map ids [batch, time] or points [batch, time, vocab] to [batch, time, size]."""
        table = self.weight * self.counts
        return x @ table if x.is_floating_point() else F.embedding(x, table)


@DISCRIMINATORS.register("cnn")
class CNNDiscriminator(nn.Module):
    """A text CNN: filters of several widths, maximum over time, one logit a sentence (Kim 2014)."""

    kind, per_token = "text", False

    def __init__(
        self,
        data,
        *,
        embedding: int = 32,
        widths: tuple[int, ...] = (2, 3, 4),
        filters: int = 32,
        hidden: int = 64,
    ):
        super().__init__()
        self.embed = TokenEmbedding(data.vocab_size, embedding)
        self.filters = nn.ModuleList(nn.Linear(w * embedding, filters) for w in widths)
        self.widths = tuple(widths)
        self.dropout = Dropout()
        self.hidden = nn.Linear(len(self.widths) * filters, hidden)
        self.head = nn.Linear(hidden, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map ids or simplex points to logits [batch]."""
        features = self.dropout(self.features(x))
        return self.head(F.leaky_relu(self.hidden(features), 0.2)).squeeze(1)

    def features(self, x: Tensor) -> Tensor:
        """Map ids or simplex points to each filter's largest response, [batch, all filters]."""
        x = self.embed(x)
        x = F.pad(x, (0, 0, 0, max(0, max(self.widths) - x.shape[1])))
        banks = zip(self.widths, self.filters, strict=True)
        return torch.cat([self._pool(x, width, filter) for width, filter in banks], 1)

    @staticmethod
    def _pool(x: Tensor, width: int, filter: nn.Linear) -> Tensor:
        windows = x.unfold(1, width, 1).transpose(2, 3).flatten(2)  # [batch, windows, width * size]
        return F.leaky_relu(filter(windows).amax(1), 0.2)  # after the maximum: the same, cheaper


@DISCRIMINATORS.register("lstm")
class LSTMDiscriminator(nn.Module):
    """A causal LSTM with one logit per prefix: the logit at t has read tokens 0..t and no more."""

    kind, per_token = "text", True

    def __init__(self, data, *, embedding: int = 32, hidden: int = 64):
        super().__init__()
        self.embed = TokenEmbedding(data.vocab_size, embedding)
        self.lstm = LSTM(embedding, hidden)
        self.dropout = Dropout()
        self.head = nn.Linear(hidden, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map ids or simplex points to logits [batch, time]."""
        return self.head(self.dropout(self.lstm(self.embed(x)))).squeeze(2)


@DISCRIMINATORS.register("mlp")
class MLPDiscriminator(nn.Module):
    """A multilayer perceptron on points, one logit a point."""

    kind, per_token = "points", False

    def __init__(self, data, *, hidden: int = 128):
        super().__init__()
        self.dropout = Dropout()
        self.net = nn.Sequential(
            nn.Linear(data.dim, hidden),
            nn.LeakyReLU(0.2),
            nn.Linear(hidden, hidden),
            nn.LeakyReLU(0.2),
            self.dropout,
            nn.Linear(hidden, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map points [batch, dim] to logits [batch]."""
        return self.net(x).squeeze(1)
