"""No gradient reaches G: it has died, or none can pass."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..detectors import DETECTORS, Detector, limit
from ..signals import NotApplicable
from .diversity import diversity


@DETECTORS.register("vanishing-gradient")
@dataclass(frozen=True, kw_only=True)
class VanishingGradient(Detector):
    """G's gradient has died while D wins.

    Reads       g_grad_norm, d_accuracy, d_logit_fake
    Formula     strength = the smaller of median(g_grad_norm in the window) / its 95 % quantile over
                all of play, and |d generator's loss / d s| at the median logit s of fakes, which
                every fake's gradient is multiplied by (saturating: sigmoid(s))
    Rule        strength <= strength_max, median d_accuracy >= accuracy_min and, where samples are
                measured, diversity (as in mode-collapse) >= diversity_min: a G that has collapsed
                onto one output has no gradient either, for a reason of its own
    Means       D tells fakes apart so surely that its opinion no longer slopes: at the optimal D
                the saturating gradient is that of 2 JS, which is 0 on disjoint supports
    Try         non_saturating, d_noise, gradient_penalty
    Fails when  the run has converged: norms are small then too, hence the accuracy
    Paper       Arjovsky & Bottou 2017
    """

    notebook: ClassVar[str] = "01_vanishing_gradient"
    strength_max: float = limit(1e-2, "G's gradient relative to what it was or could be")
    accuracy_min: float = limit(0.9, "D's accuracy (share)")
    diversity_min: float = limit(0.1, "diversity of fakes (real data: 1)")

    def scores(self, signals):
        """Return strength, accuracy and, if measured, diversity."""
        norms = signals.history("g_grad_norm")
        typical = float(np.quantile(norms, 0.95))
        if not typical:
            raise NotApplicable("G's gradient was 0 all along")
        strength = signals.latest("g_grad_norm") / typical
        if signals.has("d_logit_fake"):
            strength = min(strength, signals.family.weight(signals.latest("d_logit_fake")))
        found = {"strength_max": strength, "accuracy_min": signals.latest("d_accuracy")}
        if signals.has("cells_entropy") and signals.floors:
            found["diversity_min"] = diversity(signals)
        return found


@DETECTORS.register("blocked-gradient")
@dataclass(frozen=True, kw_only=True)
class BlockedGradient(Detector):
    """No gradient reaches G at all: a step function stands between D and G.

    Reads       g_grad_norm; the estimator's own word that it passes no gradient
    Formula     zeros = how many of the newest updates of G (2048 at most) in a row had norm exactly
                0; all of them where the estimator says so, whatever other terms of G's loss do
    Rule        zeros >= zeros_min
    Means       G never changes: the choice of a token (argmax, sampling) was differentiated, and
                its derivative is 0 almost everywhere
    Try         gumbel, reinforce, dense_reinforce
    Fails when  G's gradient underflows to exactly 0 for another reason, a D far too sure of itself
    Paper       Huszar 2015
    """

    notebook: ClassVar[str] = "02_argmax_wall"
    momentary: ClassVar[bool] = True
    patience: int = 1  # exact, no estimate
    zeros_min: float = limit(10, "updates of G in a row whose gradient is exactly 0")

    def scores(self, signals):
        """Return the length of the newest run of zeros."""
        norms = signals.newest("g_grad_norm")
        moved = np.flatnonzero(norms)
        zeros = len(norms) - 1 - moved[-1] if len(moved) and not signals.blocked else len(norms)
        return {"zeros_min": float(zeros)}
