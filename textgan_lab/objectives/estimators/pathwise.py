"""The sample itself is differentiated: exact for points, a wall for tokens."""

import torch

from .contract import ESTIMATORS, Estimator


@ESTIMATORS.register("pathwise")
class Pathwise(Estimator):
    """Differentiate through the sample itself: x = G(z). For points, where nothing is discrete.

    Objective  E_z generator(s(G(z))); unbiased
    """

    kind = "points"


@ESTIMATORS.register("argmax")
class Argmax(Estimator):
    """Hand D the chosen tokens and differentiate: the naive way, whose gradient is exactly zero.

    A token is a step function of the logits: its derivative is 0 almost everywhere, so nothing of
    D's opinion comes back. It stands here to be looked at.

    Objective  E_q generator(s(x)), of which it estimates the gradient as 0; biased
    """

    unbiased = False
    blocked = True

    def play(self, generator, n, noise, slots, real=None):
        """Let the generator play n sentences of hard tokens."""
        with torch.no_grad():
            return super().play(generator, n, noise, slots, real)
