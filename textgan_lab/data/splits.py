"""Rows dealt out to train, validation and test, so that nothing leaks from one into another."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from .reading import whole
from .sources import CorpusError

SPLITS = ("train", "validation", "test")
SHARES = (0.8, 0.1, 0.1)


@dataclass(frozen=True)
class Division:
    """Which share of the rows each split gets, and the seed that deals them.

    Raises CorpusError unless there are three positive shares that make a whole.
    """

    seed: int = 0
    split: Sequence[float] = SHARES

    def __post_init__(self):
        whole("seed", self.seed, 0)
        try:
            shares = [float(share) for share in self.split]
        except (TypeError, ValueError):
            shares = []
        if len(shares) != 3 or not all(s > 0 for s in shares) or abs(sum(shares) - 1) > 1e-6:
            raise CorpusError(
                f"split: expected three positive shares (train, validation, test) that sum to 1, "
                f"got {self.split!r}"
            )

    def of(
        self, name: str, rows: torch.Tensor, keys: torch.Tensor, apart: str, instead: str = ""
    ) -> dict[str, torch.Tensor]:
        """Return the rows of each split, shuffled; those with equal keys are never divided.

        ``apart`` says what keys are, ``instead`` how else to keep apart; both are for the error.

        Shapes  rows [n, length], keys [n, any]
        Raises  CorpusError: so few groups of equal keys that a split gets none.
        """
        generator = torch.Generator().manual_seed(self.seed)
        distinct, group, sizes = keys.unique(dim=0, return_inverse=True, return_counts=True)
        order = torch.randperm(len(distinct), generator=generator)
        ends = sizes[order].cumsum(0).double()
        middles = (ends - sizes[order] / 2) / len(rows)  # where a group stands from 0 to 1
        bounds = torch.tensor([*map(float, self.split)], dtype=torch.float64).cumsum(0)[:2]
        split_of = torch.empty(len(distinct), dtype=torch.int64)
        split_of[order] = torch.bucketize(middles, bounds)
        shuffled = torch.randperm(len(rows), generator=generator)
        dealt = split_of[group[shuffled]]
        splits = {split: rows[shuffled[dealt == i]] for i, split in enumerate(SPLITS)}
        for split, ids in splits.items():
            if not len(ids):
                raise CorpusError(
                    f"{name}: {len(distinct)} distinct {apart} leave nothing for {split}; equal "
                    f"ones are kept together, so give more different ones{instead}"
                )
        return splits
