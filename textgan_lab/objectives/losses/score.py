"""Losses of a D whose output is a score: a target, a margin or a distance, not a probability."""

import torch.nn.functional as F
from torch import Tensor

from .contract import LOSSES, Loss


@LOSSES.register("least_squares")
class LeastSquares(Loss):
    """Squared distance of the raw logit from targets: real 1, fake 0, and 1 for what G plays.

    Formula     real (s - 1)^2, fake s^2, generator (s - 1)^2, no factor 1/2; D* = p / (p + q), with
                which D's loss is 1/2 - chi2(p, m) / 2; at equilibrium s = 1/2: D 1/2, G 1/4
    At D*       the gradient of 2 KL(p, m) - chi2(p, m) / 2, with chi2(p, m) = E_m (p/m - 1)^2; it
                is a Pearson chi2 for targets -1, 1, 0 only
    Fails when  D is sure of the fakes: s = 0 is its target and the slope stays 2, but the direction
                is noise, and a fake beyond 1 is pushed back
    Paper       Mao et al. 2017
    """

    binary = False  # s is D's probability itself, not its logit
    centred = False  # D is level at 1/2

    @staticmethod
    def real(s: Tensor) -> Tensor:
        """(s - 1)^2."""
        return (s - 1).square()

    @staticmethod
    def fake(s: Tensor) -> Tensor:
        """s^2."""
        return s.square()

    @staticmethod
    def generator(s: Tensor) -> Tensor:
        """(s - 1)^2."""
        return (s - 1).square()


@LOSSES.register("wasserstein")
class Wasserstein(Loss):
    """Linear in the critic's score: G minimises -E s, an estimate of W1 when D is 1-Lipschitz.

    Formula     real -s, fake s, generator -s; D's loss is minus the estimated distance
    Fails when  nothing bounds the slope of D: add gradient_penalty or weight_clipping
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


@LOSSES.register("total_variation")
class TotalVariation(Loss):
    """Linear in tanh s, a score held between -1 and 1; at D* the gradient of G is that of 2 TV.

    Formula     real -tanh s, fake tanh s, generator -tanh s; at the best D, whose scores are +-1,
                D's loss is -2 TV(p, q); at equilibrium both are 0
    Fails when  D is confident, whichever way: 1 - tanh^2 s is 0 at both ends, for D as for G
    Paper       Nowozin, Cseke & Tomioka 2016; Nie, Narodytska & Patel 2019 (RelGAN's tv)
    """

    binary = False

    @staticmethod
    def real(s: Tensor) -> Tensor:
        """-tanh s."""
        return -s.tanh()

    @staticmethod
    def fake(s: Tensor) -> Tensor:
        """+tanh s."""
        return s.tanh()

    @staticmethod
    def generator(s: Tensor) -> Tensor:
        """-tanh s."""
        return -s.tanh()
