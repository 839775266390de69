"""Optimisation leads nowhere: the loss misleads, the gradient is noise, or numbers are lost."""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ...metrics.correlation import rank_correlation
from ..detectors import DETECTORS, Detector, limit
from ..signals import NotApplicable

DRAWS = 200  # resamples of a correlation at every look: an interval right to some hundredths


@DETECTORS.register("misleading-loss")
@dataclass(frozen=True, kw_only=True)
class MisleadingLoss(Detector):
    """G's loss does not follow the distance from real data, or runs the other way.

    Reads       g_loss.adversarial; held_out_nll or, without it, cells_js
    Formula     rho = rank correlation, over the newest measurements, of G's loss (median since the
                measurement before) with the distance from real data, and its 95 % interval
                (`metrics.rank_correlation`); change = range of the middle 80 % of the distance /
                its median
    Rule        upper end of the interval <= rho_max, and change >= change_min
    Means       each loss is measured against an opponent that moves too: it says who is ahead, not
                how good G is, so it must not choose the checkpoint
    Try         gradient_penalty, wasserstein
    Fails when  the distance itself is mostly noise, hence the change that is asked for; a loss that
                follows the distance is no sign of health
    Paper       Arjovsky, Chintala & Bottou 2017
    """

    severity: ClassVar[str] = "tip"
    notebook: ClassVar[str] = "05_misleading_loss"
    # below .6 a loss must not choose the checkpoint (ours): so it is when the whole interval is
    rho_max: float = limit(0.6, "upper end of the rank correlation of G's loss with distance")
    change_min: float = limit(0.1, "change of the distance (share)")

    def scores(self, signals):
        """Return the upper end of the interval and the change of the distance."""
        loss, distance = signals.series("g_loss.adversarial", signals.quality)
        low, high = np.quantile(distance, [0.1, 0.9])
        middle = float(np.median(distance))
        found = rank_correlation(loss, distance, draws=DRAWS)
        if math.isnan(found.high):
            raise NotApplicable(f"G's loss (x) and {signals.quality} (y): {found.reason}")
        change = float(high - low) / middle if middle else 0.0
        return {"rho_max": found.high, "change_min": change}


@DETECTORS.register("noisy-gradient")
@dataclass(frozen=True, kw_only=True)
class NoisyGradient(Detector):
    """G's gradient points another way at every update: noise outweighs the signal.

    Reads       g_grad_cosine, g_grad_norm
    Formula     cosine = mean over the window of the cosine of two gradients in a row, which is
                SNR^2 / (1 + SNR^2) while weights move little
    Rule        cosine_min <= cosine <= cosine_max
    Means       an update is nearly all chance; the mean over many would be small
    Try         larger batch_size, lower g_lr, higher temperature, dense_reinforce
    Fails when  G has converged: then there is no signal to find
    Paper       none: ours
    """

    severity: ClassVar[str] = "tip"
    notebook: ClassVar[str] = "02_argmax_wall"
    cosine_max: float = limit(0.05, "cosine of G's gradients in a row")
    cosine_min: float = limit(-0.1, "cosine of G's gradients in a row")

    def scores(self, signals):
        """Return the mean cosine, once for each of its limits."""
        if not signals.latest("g_grad_norm"):
            raise NotApplicable("G's gradient is 0 and has no direction")
        cosine = float(signals.recent("g_grad_cosine").mean())
        return {"cosine_max": cosine, "cosine_min": cosine}


@DETECTORS.register("divergence")
@dataclass(frozen=True, kw_only=True)
class Divergence(Detector):
    """Numbers grow without bound, or are none any more.

    Reads       every loss and gradient norm; d_grad_norm; d_logit_real, d_logit_fake
    Formula     lost = how many losses and norms were not finite; growth = median d_grad_norm in the
                newest quarter of play / in the first; logit = the larger of the median sizes of
                both logits in the newest quarter
    Rule        lost >= lost_min, growth >= growth_min or logit >= logit_min
    Means       step size and slope feed one another; from here on nothing is learned
    Try         lower d_lr, lower g_lr, gradient_penalty, r1
    Fails when  D starts from weights where it says nothing: growth is then that of learning
    Paper       Mescheder, Geiger & Nowozin 2018
    """

    notebook: ClassVar[str] = "04_imbalance"
    any_of: ClassVar[bool] = True
    momentary: ClassVar[bool] = True
    patience: int = 1  # a run ends where numbers are lost
    lost_min: float = limit(1, "losses and norms that are not finite")
    growth_min: float = limit(100, "growth of D's gradient since the first quarter of play (times)")
    logit_min: float = limit(1e3, "size of D's logits")

    def scores(self, signals):
        """Return how many numbers were lost and, where recorded, growth and size of logits."""
        found = {"lost_min": float(signals.lost)}
        if signals.has("d_grad_norm"):
            norms = signals.history("d_grad_norm")
            before = float(np.median(norms[: max(1, len(norms) // 4)]))
            found["growth_min"] = float(np.median(norms[-len(norms) // 4 :])) / (before or math.inf)
        if signals.has("d_logit_real"):
            logits = [signals.history(f"d_logit_{side}") for side in ("real", "fake")]
            found["logit_min"] = max(float(np.median(abs(x[-len(x) // 4 :]))) for x in logits)
        return found
