"""The game between D and G: one has won it, only seems level, or both circle."""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ...metrics.correlation import autocorrelation, detrended
from ..detectors import DETECTORS, Detector, limit
from ..signals import NotApplicable

BLOCKS = 128  # block means that an autocorrelation is taken of, at most
PERIODS = 3  # of an oscillation fit into its window, at least


@DETECTORS.register("discriminator-overpowers")
@dataclass(frozen=True, kw_only=True)
class DiscriminatorOverpowers(Detector):
    """D judges all but everything right, with certainty, and G does not get better.

    Reads       d_accuracy, d_loss.adversarial; held_out_nll or, without it, cells_js
    Formula     rest = median d_loss.adversarial / its value when D tells nothing apart;
                improvement = 1 - newest third / oldest third of the quality in the window (medians)
    Rule        accuracy >= accuracy_min, rest <= rest_max and improvement <= improvement_max
    Means       the game is lost for G: under the saturating loss nothing comes back from D, under
                the others a strong push without a direction
    Try         lower d_lr, d_noise, gradient_penalty, r1, r2
    Fails when  the loss has no scale of its own (wasserstein): then it does not apply
    Paper       Arjovsky & Bottou 2017
    """

    notebook: ClassVar[str] = "04_imbalance"
    accuracy_min: float = limit(0.95, "D's accuracy (share)")
    rest_max: float = limit(0.2, "D's loss (share of its value at equilibrium)")
    improvement_max: float = limit(0.02, "improvement of G in the window (share)")

    def scores(self, signals):
        """Return accuracy, what is left of D's loss, and how much G improved."""
        balance = signals.family.balance
        if balance is None:
            raise NotApplicable(f"D's loss {signals.loss!r} has no known value at equilibrium")
        quality = signals.measured(signals.quality)
        third = max(1, len(quality) // 3)
        before, after = float(np.median(quality[:third])), float(np.median(quality[-third:]))
        return {
            "accuracy_min": signals.latest("d_accuracy"),
            "rest_max": signals.latest("d_loss.adversarial") / balance,
            "improvement_max": 1 - after / before if before else 0.0,
        }


@DETECTORS.register("false-equilibrium")
@dataclass(frozen=True, kw_only=True)
class FalseEquilibrium(Detector):
    """D sits near one half although real and fake are easily told apart.

    Reads       d_accuracy, d_accuracy_held_out, cells_accuracy
    Formula     best = the larger of D's two median accuracies, on its batch and on fresh data;
                gap = median cells_accuracy - best: counting in cells beats D by that much
    Rule        gap >= gap_min and best <= accuracy_max
    Means       accuracy one half and D's loss at its equilibrium value say that D sees no
                difference; here there is one, so D is fooled or lags behind: no equilibrium
    Try         higher d_lr, more d_steps
    Fails when  what is wrong cannot be seen in single cells; then the gap is only a lower bound
    Paper       Arora et al. 2017; Lopez-Paz & Oquab 2017
    """

    notebook: ClassVar[str] = "04_imbalance"
    gap_min: float = limit(0.15, "accuracy of counting above D's (share)")
    accuracy_max: float = limit(0.75, "D's accuracy (share)")

    def scores(self, signals):
        """Return the gap and D's better accuracy."""
        best = signals.latest("d_accuracy")
        if signals.has("d_accuracy_held_out"):  # a foreign record may lack it
            best = max(best, signals.typical("d_accuracy_held_out"))
        return {"gap_min": signals.typical("cells_accuracy") - best, "accuracy_max": best}


def _circling(values: np.ndarray) -> tuple[float, float, float]:
    """Return (swing, steadiness, growth) of a series: see `Oscillation`."""
    size = max(1, len(values) // BLOCKS)
    blocks = len(values) // size
    if blocks < BLOCKS // 2:
        raise NotApplicable(f"{len(values)} steps are half of play; {BLOCKS // 2} are needed")
    x = detrended(values[len(values) - blocks * size :].reshape(blocks, size).mean(1))
    if x.std() <= 1e-9 * np.abs(values).max():  # of a constant, only rounding is left
        return 0.0, 0.0, 0.0
    older, newer = (half.std() for half in np.array_split(x, 2))
    r = autocorrelation(x)[: blocks // PERIODS + 1]
    trough = r.argmin()
    swing, growth = float(r[trough:].max() - r[trough]), float(newer / older) if older else math.inf
    return swing, _steadiness(x), growth


def _steadiness(x: np.ndarray) -> float:
    """Return how evenly a series of mean 0 turns: mean over root mean square of its frequency.

    The frequency is the turn, from one point to the next, of the analytic signal (Gabor 1946), a
    turn weighing as much as the signal's square there.
    """
    n, spectrum = len(x), np.fft.fft(x)
    spectrum[1 : (n + 1) // 2] *= 2
    spectrum[n // 2 + 1 :] = 0
    z = np.fft.ifft(spectrum)
    turn, weight = np.angle(z[1:] * z[:-1].conj()), np.abs(z[1:]) ** 2
    return float((weight @ turn) / math.sqrt(weight.sum() * (weight @ turn**2)))


@DETECTORS.register("oscillation")
@dataclass(frozen=True, kw_only=True)
class Oscillation(Detector):
    """The players circle one another and the circles do not shrink.

    Reads       d_logit_real, d_logit_fake; g_grad_norm for whether G moves at all
    Formula     gap = d_logit_real - d_logit_fake, by how much D is ahead, over the newest half of
                play in at most 128 block means, detrended; r its autocorrelation over lags up to a
                third of that; swing = how far r rises again after its lowest point, 2 for an
                endless wave, about 1.2 for one whose frequency doubles; steadiness = mean / root
                mean square of the frequency, 1 for a wave, 0.98 for one whose frequency doubles;
                growth = amplitude in the newer half / in the older one
    Rule        swing >= swing_min, steadiness >= steadiness_min and growth >= growth_min
    Means       the field turns: at the equilibrium its eigenvalues are imaginary, so that small
                steps circle it or spiral away, and averaging helps but waiting does not
    Try         r1, r2, d_noise, lower d_beta1, lower g_beta1
    Fails when  steps of the players are scheduled periodically: that period is seen too
    Paper       Mescheder, Geiger & Nowozin 2018
    """

    notebook: ClassVar[str] = "04_imbalance"
    # calibrated: 20 seeds of the scenario end at 0.7 to 1.5, 2 of each other and cure below 0.55
    swing_min: float = limit(0.65, "rise of the autocorrelation of D's lead after its trough")
    # noise with a memory swings that far in up to 7 of 100 windows; this leaves 3, of long ones 1
    steadiness_min: float = limit(0.75, "evenness of its frequency (mean over root mean square)")
    # circles of one run differ by as much as twice; those that friction stops fall to nothing
    growth_min: float = limit(0.3, "amplitude, newer half over older half")

    def scores(self, signals):
        """Return swing, steadiness and growth of D's lead."""
        if signals.has("g_grad_norm") and not signals.recent("g_grad_norm").any():
            raise NotApplicable("G's gradient is 0: it takes two to circle")
        gap = signals.history("d_logit_real", less="d_logit_fake")
        swing, steadiness, growth = _circling(gap[len(gap) // 2 :])
        return {"swing_min": swing, "steadiness_min": steadiness, "growth_min": growth}
