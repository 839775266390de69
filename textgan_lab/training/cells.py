"""Cells on the device: real data and fakes of a trainer, counted where they are."""

from typing import Any

import torch
from torch import Tensor

from ..data.law import PAD, seed
from ..metrics.cells import OTHERS, TOKENS, prototypes

SCOUTED = 4096  # real points among which the prototypes are chosen


class Cells:
    """A partition: of written tokens by how frequent they are, of points by the nearest prototype.

    ``names`` has one entry a cell.
    """

    def __init__(self, data: Any, device: torch.device):
        self._text = data.kind == "text"
        if self._text:
            written = data.train[:, getattr(data, "given", 0) :]
            counts = torch.bincount(written.flatten(), minlength=data.vocab_size)
            counts[PAD] = 0
            frequent = counts.argsort(descending=True, stable=True)[
                : min(TOKENS, (counts > 0).sum())
            ]
            self.names = [*(data.vocabulary[i] for i in frequent.tolist()), OTHERS]
            cell = torch.full((data.vocab_size,), len(frequent))
            cell[frequent] = torch.arange(len(frequent))
            self._cell = cell.to(device)
        else:
            source = torch.Generator().manual_seed(seed("cells"))
            scouted = data.train[torch.randperm(len(data.train), generator=source)[:SCOUTED]]
            self._prototypes = torch.as_tensor(prototypes(scouted), device=device)
            self.names = [str(i) for i in range(len(self._prototypes))]

    def count(self, x: Tensor) -> Tensor:
        """Return how often each cell occurs in each sample: ids or points -> int64 [n, cells]."""
        if self._text:
            cell, counted = self._cell[x], (x != PAD).long()
        else:
            cell, counted = torch.cdist(x, self._prototypes).argmin(1, keepdim=True), 1
        counts = torch.zeros(len(x), len(self.names), dtype=torch.int64, device=x.device)
        return counts.scatter_add_(1, cell, counted * torch.ones_like(cell))
