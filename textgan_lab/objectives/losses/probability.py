"""Losses of a D whose logit is that of a probability: a classifier, whose optimum is ln p/q."""

import torch.nn.functional as F
from torch import Tensor

from .contract import LOSSES, Loss


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


@LOSSES.register("reverse_kl")
class ReverseKL(Loss):
    """G minimises -E s; at D* its gradient is that of KL(q, p), which seeks modes.

    Formula     D as for saturating, generator -s; at equilibrium D 2 ln 2 nats, G 0
    Fails when  q has left p's support: KL(q, p) is infinite there, and so is the wish of s
    Names       RelGAN's code calls this loss KL, TaylorGAN's RKL: the two mean the same -s
    Paper       Sonderby et al. 2017; Arjovsky & Bottou 2017 for the divergence
    """

    real = Saturating.real
    fake = Saturating.fake

    @staticmethod
    def generator(s: Tensor) -> Tensor:
        """-s."""
        return -s


@LOSSES.register("forward_kl")
class ForwardKL(Loss):
    """G minimises -E e^s, minus the density ratio; at D* its gradient is that of KL(p, q).

    That is the direction of maximum likelihood, which covers modes. The ratio is cut at e^10 =
    22026: beyond it a fake is worth no more, and its slope is 0.

    Formula     D as for saturating, generator -exp(min(s, 10)); at equilibrium D 2 ln 2 nats, G -1
    Fails when  D is confident: d generator / d s = -e^s dies as D(fake) -> 0, like saturating's; or
                a few fakes are far ahead: they alone make the batch's gradient
    Names       TaylorGAN's code calls this loss KL, and RelGAN's KL is `reverse_kl`
    Paper       Nowozin, Cseke & Tomioka 2016 for the divergence; the cut is ours
    """

    LARGEST = 10.0  # logit; e^10 is a ratio that no batch can tell from infinite

    real = Saturating.real
    fake = Saturating.fake

    @classmethod
    def generator(cls, s: Tensor) -> Tensor:
        """-D / (1 - D)."""
        return -s.clamp(max=cls.LARGEST).exp()


@LOSSES.register("boundary_seeking")
class BoundarySeeking(Loss):
    """G minimises E s^2: it moves each sample to D's boundary, where real and fake are as likely.

    The other losses push a sample on for as long as D has a slope, past the boundary into what D
    takes for surely real; here the push ends where p = q, so that G does not overshoot a D that
    lags behind. For samples that move, points or relaxed sentences.

    Formula     D as for saturating, generator s^2; nats^2; at equilibrium D 2 ln 2 nats, G 0
    At D*       the gradient of E_q ln^2(p/q) - 2 KL(q, p), which q = p makes stationary but not
                least: paid out as a reward it calls for less of what G writes too seldom (s > 0)
    Fails when  the estimator is a score function, for that reason: use bgan there
    Paper       Hjelm et al. 2018 (BGAN), section for continuous data, with s^2 / 2
    """

    real = Saturating.real
    fake = Saturating.fake

    @staticmethod
    def generator(s: Tensor) -> Tensor:
        """s^2."""
        return s.square()
