"""Cells: a fixed partition of what can be sampled, made from real data, to count samples in.

Counting needs no law and no model, so it serves every corpus alike: a histogram that loses cells
has lost modes, and one that changes from look to look rotates.
"""

from typing import Any

import torch
from torch import Tensor

from ..data.law import PAD, seed

TOKENS = 255  # the most frequent tokens have a cell each, all others share one
PROTOTYPES = 32  # cells of points
SCOUTED = 4096  # real points among which the prototypes are chosen


class Cells:
    """A partition: of tokens by how frequent they are, of points by the nearest prototype.

    The prototypes are real points, each the farthest from those before it (Gonzalez 1985), so that
    no region with data is left without one. ``names`` has one entry a cell.
    """

    def __init__(self, data: Any, device: torch.device):
        self._text = data.kind == "text"
        if self._text:
            counts = torch.bincount(data.train.flatten(), minlength=data.vocab_size)
            counts[PAD] = 0
            frequent = counts.argsort(descending=True, stable=True)[
                : min(TOKENS, (counts > 0).sum())
            ]
            self.names = [*(data.vocabulary[i] for i in frequent.tolist()), "(others)"]
            cell = torch.full((data.vocab_size,), len(frequent))
            cell[frequent] = torch.arange(len(frequent))
            self._cell = cell.to(device)
        else:
            source = torch.Generator().manual_seed(seed("cells"))
            scouted = data.train[torch.randperm(len(data.train), generator=source)[:SCOUTED]]
            self._prototypes = _spread(scouted, PROTOTYPES).to(device)
            self.names = [str(i) for i in range(len(self._prototypes))]

    def count(self, x: Tensor) -> Tensor:
        """Return how often each cell occurs in each sample: ids or points -> int64 [n, cells]."""
        if self._text:
            cell, counted = self._cell[x], (x != PAD).long()
        else:
            cell, counted = torch.cdist(x, self._prototypes).argmin(1, keepdim=True), 1
        counts = torch.zeros(len(x), len(self.names), dtype=torch.int64, device=x.device)
        return counts.scatter_add_(1, cell, counted * torch.ones_like(cell))


def _spread(points: Tensor, k: int) -> Tensor:
    """Return at most ``k`` distinct points, the first one and then always the farthest."""
    chosen = [points[0]]
    nearest = (points - chosen[0]).square().sum(1)
    while len(chosen) < k and nearest.max() > 0:
        chosen.append(points[nearest.argmax()])
        nearest = torch.minimum(nearest, (points - chosen[-1]).square().sum(1))
    return torch.stack(chosen)
