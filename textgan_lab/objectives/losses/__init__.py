"""Losses: three scalar functions of D's logit s. How their gradient reaches G is the estimator's.

    D minimises  E_real real(s) + E_fake fake(s)        the sum of two means
    G minimises  E_fake generator(s)

With D at its optimum D*, for most s = ln p/q, the generator's gradient is that of a divergence;
each class says which (the contract tests check it on an enumerable law), with p the law of real
data, q that of fakes, m their even mixture. Larger logit = more real, always.

The relativistic losses judge no logit alone but its lead over logits of the other side: `compared`
makes leads of logits, and G's side is bound to real rows by `against`.
"""

from .contract import LOSSES, Loss, mean
from .probability import BoundarySeeking, ForwardKL, NonSaturating, ReverseKL, Saturating
from .relativistic import Against, Relativistic, RelativisticAverage
from .score import Hinge, LeastSquares, TotalVariation, Wasserstein

__all__ = [
    "LOSSES", "Against", "BoundarySeeking", "ForwardKL", "Hinge", "LeastSquares", "Loss",
    "NonSaturating", "Relativistic", "RelativisticAverage", "ReverseKL", "Saturating",
    "TotalVariation", "Wasserstein", "mean",
]  # fmt: skip
