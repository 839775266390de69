"""Residual convolutions over time, and the critic that is made of them."""

import torch
from torch import Tensor, nn

from .discriminators import DISCRIMINATORS, TokenEmbedding
from .layers import Dropout


class ResidualBlock(nn.Module):
    """x + 0.3 f(x), f two convolutions of width 5 over time, each after a rectifier.

    The small factor keeps the sum near the identity however many blocks there are (Gulrajani et
    al. 2017).
    """

    def __init__(self, channels: int):
        super().__init__()
        self.first, self.second = (nn.Conv1d(channels, channels, 5, padding=2) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        """Map [batch, channels, time] to the same shape."""
        return x + 0.3 * self.second(self.first(x.relu()).relu())


@DISCRIMINATORS.register("residual")
class ResidualDiscriminator(nn.Module):
    """A stack of residual convolutions of any depth, one logit a sentence: the critic of WGAN-GP.

    ``blocks`` of two convolutions each stand between the embedding and one product over all
    positions, which knows where a word stands, as the maximum over time of a text CNN does not.

    Paper  Gulrajani et al. 2017 (5 blocks of 512 channels; 101 layers are 50 blocks)
    """

    kind, per_token = "text", False

    def __init__(self, data, *, channels: int = 64, blocks: int = 5):
        super().__init__()
        self.embed = TokenEmbedding(data.vocab_size, channels)
        self.blocks = nn.Sequential(*(ResidualBlock(channels) for _ in range(blocks)))
        self.dropout = Dropout()
        self.head = nn.Linear(data.length * channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map ids or simplex points to logits [batch]."""
        x = self.blocks(self.embed(x).transpose(1, 2))
        return self.head(self.dropout(torch.flatten(x, 1))).squeeze(1)
