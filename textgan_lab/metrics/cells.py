"""Cells: a fixed partition of what can be sampled, made from real data, to count samples in.

Counting needs no law and no model, so it serves every corpus alike: a histogram that loses cells
has lost modes, and one that changes from look to look rotates.
"""

import numpy as np
from numpy.typing import ArrayLike

from .modes import histogram_entropy, histogram_js
from .two_sample import two_sample_accuracy

TOKENS = 255  # the most frequent tokens have a cell each, all others share one
OTHERS = "(others)"  # its name
PROTOTYPES = 32  # cells of points: a point belongs to the nearest


def prototypes(points: ArrayLike, k: int = PROTOTYPES) -> np.ndarray:
    """Return at most ``k`` distinct points: the first one, then always the farthest from those.

    No region with data is left without one. Shapes [n, dim] -> [k or fewer, dim].

    Source   Gonzalez 1985

    >>> prototypes([[0.0], [1.0], [5.0], [5.0]], 2).tolist()
    [[0.0], [5.0]]
    """
    points = np.asarray(points)
    found = [points[0]]
    nearest = np.square(points - found[0]).sum(1)
    while len(found) < k and nearest.max() > 0:
        found.append(points[nearest.argmax()])
        nearest = np.minimum(nearest, np.square(points - found[-1]).sum(1))
    return np.stack(found)


def cell_scores(fake: ArrayLike, real: ArrayLike) -> dict[str, float]:
    """Return what counts in cells say of fakes: their entropy and JS from real data, in nats.

    Shapes   [n, cells] and [m, cells], how often each cell occurs in each sample
    ``cells_accuracy``   how well counting tells them apart (`two_sample_accuracy`)

    >>> cell_scores([[2, 0], [2, 0]], [[0, 3], [0, 1]])["cells_accuracy"]
    1.0
    """
    fake, real = np.asarray(fake), np.asarray(real)
    return {
        "cells_entropy": histogram_entropy(fake.sum(0)),
        "cells_js": histogram_js(fake.sum(0), real.sum(0)),
        "cells_accuracy": two_sample_accuracy(real, fake),
    }
