"""What the exactly known laws share as data to train on: sets drawn once, from private seeds."""

import hashlib
from functools import cached_property

import torch

SPECIALS = ["<pad>", "<bos>", "<eos>", "<unk>"]  # ids 0 to 3 of every vocabulary
PAD, BOS, EOS, UNK = range(4)


def counted(ids: torch.Tensor, given: int = 0) -> torch.Tensor:
    """Return which tokens count: no padding, none of the first ``given``, which are a prompt.

    Shapes  ids [n, time] -> bool [n, time]
    """
    mask = ids != PAD
    if given:
        mask[:, :given] = False
    return mask


def seed(*words: object) -> int:
    """Return a seed of 63 bits that depends on every word, the same on every machine."""
    digest = hashlib.sha256("/".join(map(str, words)).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def whole(what: str, value: int, least: int = 1) -> int:
    """Return ``value``; raise ValueError naming ``what`` unless it is a whole number >= least."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ValueError(f"{what} must be a whole number of at least {least}, got {value!r}")
    return value


class DrawnData:
    """The data half of a law: ``train``, ``validation``, ``test``, drawn at first use and kept.

    A subclass has ``sample(n, generator)``, and ``name`` from the start. Each set has a random
    stream of its own, so reading one neither costs nor changes another, and none repeats what a
    user draws with a small seed.
    """

    HELD_OUT = 1_000  # sentences or points in each of validation and test

    def _set_draws(self, seed: int, pool: int) -> None:
        """Keep the seed of the sets and the size of ``train``; raise ValueError if unusable."""
        self.seed = whole(f"{self.name}: seed", seed, 0)
        self.pool = whole(f"{self.name}: pool", pool)

    def _draw(self, split: str, n: int) -> torch.Tensor:
        return self.sample(n, torch.Generator().manual_seed(seed(self.name, split, self.seed)))

    @cached_property
    def train(self) -> torch.Tensor:
        """The ``pool`` samples that a run learns from, on the CPU."""
        return self._draw("train", self.pool)

    @cached_property
    def validation(self) -> torch.Tensor:
        """The 1,000 samples that settings are chosen on, on the CPU."""
        return self._draw("validation", self.HELD_OUT)

    @cached_property
    def test(self) -> torch.Tensor:
        """The 1,000 samples that results are reported on, on the CPU."""
        return self._draw("test", self.HELD_OUT)

    @property
    def law(self):
        """The truth about this data: the object itself."""
        return self
