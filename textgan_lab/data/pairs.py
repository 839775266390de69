"""Pairs as rows of token ids: [prompt | reply], with the prompt padded on its left.

The first ``given`` positions of a row are the prompt, so that every reply begins in one column and
a reader meets the prompt's last word right before it.
"""

import itertools
from collections.abc import Iterable, Sequence

import torch

from .law import EOS, PAD

BETWEEN = "|"  # what stands between prompt and reply wherever a pair is written out


def pair_rows(
    pairs: Iterable[tuple[Sequence[int], Sequence[int]]], given: int, length: int
) -> torch.Tensor:
    """Return rows [n, length] of (prompt, reply) ids, each reply closed by <eos>.

    The caller has seen to it that a prompt has at most ``given`` tokens, a reply fewer than
    ``length - given``.
    """
    rows = [
        [PAD] * (given - len(prompt)) + [*prompt, *reply, EOS]
        + [PAD] * (length - given - len(reply) - 1)
        for prompt, reply in pairs
    ]  # fmt: skip
    return torch.tensor(rows, dtype=torch.int64).view(-1, length)


def pair_text(row: torch.Tensor, given: int, vocabulary: Sequence[str], joiner: str) -> str:
    """Return ``prompt | reply`` of one row, without padding and what follows the reply's <eos>."""
    ids = row.tolist()
    prompt = itertools.dropwhile(lambda i: i == PAD, ids[:given])
    reply = itertools.takewhile(lambda i: i != EOS, ids[given:])
    sides = (joiner.join(vocabulary[i] for i in side) for side in (prompt, reply))
    return f" {BETWEEN} ".join(sides)
