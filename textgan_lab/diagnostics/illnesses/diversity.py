"""How varied fakes are: what the collapses are told by, and a dead gradient from a collapse."""

import math

import numpy as np

from ..signals import Signals


def diversity(signals: Signals) -> float:
    """Return how varied fakes are, real data being 1: the median over the window.

    Text: the smaller of the shares of distinct sentences and of distinct pairs of words; the first
    alone where no sentence is long enough for a pair. The entropy of its words would also fall
    where G still learns how frequent words are. Points: the effective number of cells,
    exp(entropy).
    """
    if not signals.text:
        return math.exp(signals.typical("cells_entropy") - signals.floor("cells_entropy"))
    floors = np.array([[signals.floor("unique_ratio")], [signals.floor("distinct_2")]])
    shares = signals.measured("unique_ratio", beside="distinct_2") / floors
    return float(np.median(np.fmin(*shares)))
