"""Filters over tokens by look-up: for many sentences, cheaper than a product for each of them.

A filter of width f adds up W_j e(x_{t+j}), j = 0..f-1, and of each W_j e(v) there are no more than
words v. Tabulated once, a window costs f additions a filter instead of f times the embedding.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .sampling import in_cache


def pooled(x: Tensor, filters: nn.Linear) -> Tensor:
    """Return each filter's largest response: [n, time, E] -> [n, filters].

    ``filters`` reads windows, width times E numbers; nothing is squashed yet.
    """
    width = filters.in_features // x.shape[2]
    windows = x.unfold(1, width, 1).transpose(2, 3).flatten(2)  # [n, windows, width * E]
    return filters(windows).amax(1)


def pooled_by_table(ids: Tensor, words: Tensor, filters: nn.Linear) -> Tensor:
    """Return the same, up to rounding, for ids [n, time] that embed as rows of words [vocab, E]."""
    (vocab, size), many = words.shape, filters.out_features
    offsets = filters.weight.view(many, -1, size).permute(1, 2, 0)
    table = torch.matmul(words, offsets).flatten(0, 1)  # row j * vocab + v: W_j e(v)
    width = len(offsets)
    starts = vocab * torch.arange(width, device=ids.device)
    found = []
    for part in ids.split(in_cache(ids.device)):
        windows = part.unfold(1, width, 1) + starts
        sums = F.embedding_bag(windows.reshape(-1, width), table, mode="sum")
        found.append(sums.view(len(part), -1, many).amax(1))
    return torch.cat(found) + filters.bias


def table_pays(ids: Tensor, vocab: int, width: int) -> bool:
    """Return whether reading ids [n, time] costs more than tabulating ``width`` offsets.

    Both cost the same number of operations, one a window, the other a word of the vocabulary; the
    factor is for the additions that look-up still needs, and for the table's memory.
    """
    return len(ids) * (ids.shape[1] - width + 1) > 2 * vocab
