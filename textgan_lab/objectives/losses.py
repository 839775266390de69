"""Losses: three scalar functions of D's logit s. How their gradient reaches G is the estimator's.

    D minimises  E_real real(s) + E_fake fake(s)        the sum of two means
    G minimises  E_fake generator(s)

With D at its optimum, s = ln p/q, the generator's gradient is that of a divergence; each class says
which (the contract tests check it on an enumerable law). Larger logit = more real, always.
"""

import torch.nn.functional as F
from torch import Tensor

from ..catalogue import Catalogue

LOSSES = Catalogue("loss")


def mean(values: Tensor, mask: Tensor | None = None) -> Tensor:
    """Return the mean of ``values``, over those under ``mask`` if there is one."""
    if mask is None or mask.shape != values.shape:  # one value a sentence: all of them count
        return values.mean()
    return (values * mask).sum() / mask.sum()


class Loss:
    """What the losses have in common: means over the batch (over counted tokens for per-token D).

    ``binary`` says that the logit is that of a probability, sigmoid(s) = D; ``centred`` that D says
    "real" above 0, which a critic's arbitrary scale does not.
    """

    binary = True
    centred = True
    needs_real = False  # G's loss compares fakes with real data: ask `against`

    @classmethod
    def d(
        cls,
        real: Tensor,
        fake: Tensor,
        real_mask: Tensor | None = None,
        fake_mask: Tensor | None = None,
    ) -> Tensor:
        """Return D's loss, a scalar, from logits [batch] or [batch, time]."""
        return mean(cls.real(real), real_mask) + mean(cls.fake(fake), fake_mask)

    @classmethod
    def against(cls, real: Tensor) -> "type[Loss]":
        """Return the loss of a G whose fakes are compared with real rows of these logits."""
        return cls

    @classmethod
    def g(cls, fake: Tensor, fake_mask: Tensor | None = None) -> Tensor:
        """Return G's loss, a scalar, from D's logits on what G played."""
        return mean(cls.generator(fake), fake_mask)


@LOSSES.register("saturating")
class Saturating(Loss):
    """The minimax loss: G minimises E ln(1 - D); at D* its gradient is that of 2 JS(p, q).

    Formula     real -ln D, fake -ln(1 - D), generator ln(1 - D); nats, D at equilibrium 2 ln 2
    Fails when  D is confident: d generator / d s = -sigmoid(s), which dies as D(fake) -> 0
    Paper       Goodfellow et al. 2014
    """

    @staticmethod
    def real(s: Tensor) -> Tensor:
        """-ln D."""
        return F.softplus(-s)

    @staticmethod
    def fake(s: Tensor) -> Tensor:
        """-ln(1 - D)."""
        return F.softplus(s)

    @staticmethod
    def generator(s: Tensor) -> Tensor:
        """ln(1 - D)."""
        return -F.softplus(s)


@LOSSES.register("non_saturating")
class NonSaturating(Loss):
    """G minimises E -ln D; at D* its gradient is that of KL(q, p) - 2 JS(p, q).

    Formula     real -ln D, fake -ln(1 - D), generator -ln D; nats, D at equilibrium 2 ln 2
    Fails when  D is confident: the slope stays 1 but its direction is noise
    Paper       Goodfellow et al. 2014; Arjovsky & Bottou 2017 for the divergence
    """

    real = Saturating.real
    fake = Saturating.fake

    @staticmethod
    def generator(s: Tensor) -> Tensor:
        """-ln D."""
        return F.softplus(-s)


@LOSSES.register("wasserstein")
class Wasserstein(Loss):
    """Linear in the critic's score: G minimises -E s, an estimate of W1 when D is 1-Lipschitz.

    Formula     real -s, fake s, generator -s; D's loss is minus the estimated distance
    Fails when  nothing bounds the slope of D: add gradient_penalty
    Paper       Arjovsky, Chintala & Bottou 2017
    """

    binary = False
    centred = False

    @staticmethod
    def real(s: Tensor) -> Tensor:
        """-s."""
        return -s

    @staticmethod
    def fake(s: Tensor) -> Tensor:
        """+s."""
        return s

    @staticmethod
    def generator(s: Tensor) -> Tensor:
        """-s."""
        return -s


@LOSSES.register("hinge")
class Hinge(Loss):
    """D stops at a margin of 1: real max(0, 1 - s), fake max(0, 1 + s); G minimises -E s.

    Formula     at the best D, whose scores are +-1, D's loss is 2 - 2 TV(p, q)
    Fails when  all fakes lie beyond the margin: D learns nothing more, G keeps pushing
    Paper       Lim & Ye 2017
    """

    binary = False

    @staticmethod
    def real(s: Tensor) -> Tensor:
        """max(0, 1 - s)."""
        return F.relu(1 - s)

    @staticmethod
    def fake(s: Tensor) -> Tensor:
        """max(0, 1 + s)."""
        return F.relu(1 + s)

    @staticmethod
    def generator(s: Tensor) -> Tensor:
        """-s."""
        return -s
