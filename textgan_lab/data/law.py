"""What every exactly known law shares as data to train on: sets drawn once, from seeds of their own."""

import hashlib
from functools import cached_property

import torch

SPECIALS = ["<pad>", "<bos>", "<eos>", "<unk>"]  # ids 0 to 3 of every vocabulary
PAD, BOS, EOS, UNK = range(4)


class DrawnData:
    """The data half of a law: ``train``, ``validation``, ``test``, drawn at first use and kept.

    A subclass has ``name``, ``seed``, ``pool`` (the size of ``train``) and
    ``sample(n, generator)``. Each set has a random stream of its own, so reading one neither costs
    nor changes another, and none repeats what a user draws with a small seed.
    """

    HELD_OUT = 1_000  # sentences or points in each of validation and test

    def _draw(self, split: str, n: int) -> torch.Tensor:
        digest = hashlib.sha256(f"{self.name}/{split}/{self.seed}".encode()).digest()
        generator = torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))
        return self.sample(n, generator)

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

    def _check_pool(self) -> None:
        """Raise ValueError unless ``pool`` and ``seed`` are whole numbers that make sense."""
        for name, value, least in (("pool", self.pool, 1), ("seed", self.seed, 0)):
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise ValueError(
                    f"{self.name}: {name} must be a whole number of at least {least}, got {value!r}"
                )
