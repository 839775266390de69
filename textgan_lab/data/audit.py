"""Whether a split is honest: is the test text drawn like the training text."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from ..metrics.ngrams import ngram_js
from .law import EOS

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True)
class Audit:
    """Whether test is drawn like train: Jensen-Shannon divergences of n-grams, n = 1, 2, 3, nats.

    ``halves`` compares train with itself, ``test`` compares train with test, ``size`` distinct
    sentences a side; ``shared`` counts distinct sentences that stand in both.
    """

    LIMIT = 1.1  # test / halves at which a split counts as another text (ours)
    FEWEST = 50  # sentences a side below which the ratio is mostly chance (ours)

    name: str
    size: int
    halves: tuple[float, ...]
    test: tuple[float, ...]
    shared: int

    @property
    def ratios(self) -> tuple[float, ...]:
        """Test over halves, per n: 1 for one law, larger for two."""
        pairs = zip(self.test, self.halves, strict=True)
        return tuple(t / h if h else (math.inf if t else 1.0) for t, h in pairs)

    @property
    def verdict(self) -> str:
        """One of "same law", "another law", "leaked", "cannot tell"."""
        if self.shared:
            return "leaked"
        if self.size < self.FEWEST:
            return "cannot tell"
        # NaN (no sentence that long) is above nothing
        return "another law" if any(r > self.LIMIT for r in self.ratios) else "same law"

    def frame(self) -> "pandas.DataFrame":
        """Return one row per n: both divergences in nats, and their ratio."""
        import pandas

        columns = {"n": [1, 2, 3], "halves": self.halves, "test": self.test, "ratio": self.ratios}
        return pandas.DataFrame(columns).set_index("n")

    def __repr__(self) -> str:
        why = {
            "leaked": f"{self.shared:,} test sentences stand in train too",
            "cannot tell": f"{self.size} sentences a side; {self.FEWEST} are needed",
            "another law": f"a ratio above {self.LIMIT}: scores on test say little about train",
            "same law": f"no ratio above {self.LIMIT}, no shared sentence",
        }[self.verdict]
        rows = zip((1, 2, 3), self.halves, self.test, self.ratios, strict=True)
        table = [f"  {n}  {h:12.4f}  {t:12.4f}  {r:5.2f}" for n, h, t, r in rows]
        return "\n".join([
            f"Audit of {self.name!r}: {self.verdict} ({why})",
            f"  n-gram JS in nats, {self.size:,} distinct sentences a side",
            "  n  train halves  train - test  ratio",
            *table,
        ])  # fmt: skip


def audit(name: str, train: Tensor, test: Tensor, *, repeats: int = 8, seed: int = 0) -> Audit:
    """Compare the rows of two splits, ids [n, T] that end with <eos>.

    Distinct sentences are compared, ``size`` a side: halves of train drawn ``repeats`` times,
    and as many draws of train against test. One law gives both the same divergence.
    """
    ours, theirs = ([_words(row) for row in ids.unique(dim=0).tolist()] for ids in (train, test))
    size = min(len(ours) // 2, len(theirs))
    generator = torch.Generator().manual_seed(seed)
    measured = {(pair, n): [] for pair in ("halves", "test") for n in (1, 2, 3)}
    for _ in range(repeats):
        order = torch.randperm(len(ours), generator=generator).tolist()
        first, second = ([ours[i] for i in part] for part in (order[:size], order[size : 2 * size]))
        held_out = [theirs[i] for i in torch.randperm(len(theirs), generator=generator)[:size]]
        for n in (1, 2, 3):
            measured["halves", n].append(_js(first, second, n))
            measured["test", n].append(_js(first, held_out, n))
    mean = {key: float(np.mean(values)) for key, values in measured.items()}
    return Audit(
        name=name,
        size=size,
        halves=tuple(mean["halves", n] for n in (1, 2, 3)),
        test=tuple(mean["test", n] for n in (1, 2, 3)),
        shared=len(set(map(tuple, ours)) & set(map(tuple, theirs))),
    )


def _words(row: list[int]) -> list[int]:
    """Return a row's ids as far as its <eos>, which is a word of the sentence."""
    return row[: row.index(EOS) + 1]


def _js(a: list[list[int]], b: list[list[int]], n: int) -> float:
    """Return the n-gram divergence, NaN where all sentences are too short to have one."""
    long_enough = all(any(len(sentence) >= n for sentence in side) for side in (a, b))
    return ngram_js(a, b, n) if long_enough else float("nan")
