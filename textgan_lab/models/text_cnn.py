"""The features of a text CNN, for the discriminators that read more than one thing."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .tables import pooled


class TextCNN(nn.Module):
    """Filters of several widths and their maximum over time (Kim 2014).

    A filter wider than the ``length`` positions that it reads is made as wide as they are.

    Shapes  embedded tokens [batch, time, inputs] -> [batch, size], size = widths times filters
    """

    def __init__(self, inputs: int, length: int, widths: Sequence[int], filters: int):
        super().__init__()
        self.widths = [min(width, length) for width in widths]
        self.filters = nn.ModuleList(nn.Linear(w * inputs, filters) for w in self.widths)
        self.size = len(self.widths) * filters

    def forward(self, x: Tensor) -> Tensor:
        """Return the features."""
        found = torch.cat([pooled(x, filters) for filters in self.filters], 1)
        return F.leaky_relu(found, 0.2)  # after the maximum: the same, cheaper
