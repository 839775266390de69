"""Detectors: each knows one illness, what it looks like in a record, and what helps.

The interface. A detector is a frozen dataclass whose fields, but for ``patience``, are thresholds
named ``<quantity>_max`` or ``<quantity>_min``; a detector of its own is one class under
``@DETECTORS.register("its-code")``.

    detector.scores(signals)    {field: number}: what is compared with each threshold, read at the
                                newest moment of the signals; raises NotApplicable(reason)
    detector.holds(scores)      whether the rule holds: all limits are kept (any, with ``any_of``)
    readings(telemetry)         {code: [Reading(step, scores, reason)]}, one a moment of the run;
                                they do not depend on thresholds, so these can be moved afterwards
    detector.examine(readings)  a Finding when the rule held at the last ``patience`` moments; its
                                ``since`` is the first step from which it held to the end; None
                                when it did not; raises NotApplicable when the last has a reason

Thresholds are initial ones, ours, set on short runs of seeds that no test of them uses. They are
moved with ``dataclasses.replace(detector, accuracy_min=0.9)``; `Detector.limits` says what each of
them is compared with. No detector reads what only a known law can tell (`signals.TRUTH`);
exposure-bias alone needs a law, and says so.
"""

import inspect
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar

import numpy as np

from ..catalogue import Catalogue
from ..metrics.correlation import autocorrelation, detrended, rank_correlation
from ..telemetry import Telemetry
from .signals import NotApplicable, Signals

DETECTORS = Catalogue("detector")
BLOCKS = 128  # block means that an autocorrelation is taken of, at most
DRAWS = 200  # resamples of a correlation at every look: an interval right to some hundredths
PERIODS = 3  # of an oscillation fit into its window, at least


@dataclass(frozen=True)
class Reading:
    """What a detector read at one moment: its scores, or the reason why it could not."""

    step: int
    scores: Mapping[str, float] | None
    reason: str = ""


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with a run (an ``issue``) or to be read with care (a ``tip``).

    ``value`` and ``threshold`` are those of the limit that decided; ``evidence`` has them all.
    """

    code: str
    severity: str
    since: int
    value: float
    threshold: float
    evidence: str
    means: str
    remedies: tuple[str, ...]
    notebook: str


def limit(default: float, what: str) -> Any:
    """Return a field that is a threshold; ``what`` says, with its unit, what is compared."""
    return field(default=default, metadata={"what": what})


@dataclass(frozen=True, kw_only=True)
class Detector:
    """The contract; see the head of this module. Means and Try are read from the docstring."""

    severity: ClassVar[str] = "issue"
    notebook: ClassVar[str]
    any_of: ClassVar[bool] = False  # one limit kept is enough
    name: ClassVar[str]

    patience: int = 2  # moments in a row; one alone may be noise (ours)

    @classmethod
    def limits(cls) -> dict[str, str]:
        """Return what each threshold is compared with, in words and with its unit."""
        limits = [f for f in fields(cls) if f.name.endswith(("_max", "_min"))]
        return {f.name: f.metadata.get("what", f.name[:-4]) for f in limits}

    def scores(self, signals: Signals) -> dict[str, float]:
        """Return what is compared with each threshold at the newest moment.

        A limit that the record cannot tell, but the rule can do without, is left out.
        Raises NotApplicable when the record does not tell.
        """
        raise NotImplementedError

    def keeps(self, scores: Mapping[str, float]) -> dict[str, bool]:
        """Return for each limit whether the score is on the ill side of it."""
        return {
            name: score <= getattr(self, name) if name.endswith("_max")
            else score >= getattr(self, name)
            for name, score in scores.items()
        }  # fmt: skip

    def holds(self, scores: Mapping[str, float]) -> bool:
        """Return whether the rule holds."""
        kept = self.keeps(scores).values()
        return any(kept) if self.any_of else all(kept)

    def examine(self, readings: Sequence[Reading]) -> Finding | None:
        """Return what the readings of a run, oldest first, amount to.

        Raises NotApplicable when there is none, or the newest one could not be taken.
        """
        if not readings:
            raise NotApplicable("no moment of play was measured")
        newest = readings[-1]
        if newest.scores is None:
            raise NotApplicable(newest.reason)
        stretch = 0
        for reading in reversed(readings):
            if reading.scores is None or not self.holds(reading.scores):
                break
            stretch += 1
        if stretch < self.patience:
            return None
        return self.finding(readings[-stretch].step, newest.scores)

    def finding(self, since: int, scores: Mapping[str, float]) -> Finding:
        """Return the finding with its evidence in words."""
        kept = [name for name, kept in self.keeps(scores).items() if kept]
        what = self.limits()
        evidence = "; ".join(
            f"{what[name]}: {scores[name]:.3g} {'≤' if name.endswith('_max') else '≥'} "
            f"{getattr(self, name):.3g}"
            for name in kept
        )
        said = labelled(type(self))
        return Finding(
            self.name, self.severity, since, scores[kept[0]], getattr(self, kept[0]), evidence,
            said["Means"], tuple(part.strip() for part in said["Try"].split(",")), self.notebook,
        )  # fmt: skip


def labelled(part: type) -> dict[str, str]:
    """Return the labelled lines of a docstring, label to text.

    >>> labelled(DETECTORS["blocked-gradient"])["Try"]
    'gumbel, reinforce, dense_reinforce'
    """
    found, label = {}, ""
    for line in (inspect.getdoc(part) or "").splitlines()[1:]:
        head, gap, rest = line.partition("  ")
        if head and gap:
            label = head
            found[label] = rest.strip()
        elif label and line.startswith(" "):
            found[label] += f" {line.strip()}"
    return found


def readings(
    telemetry: Telemetry, detectors: Iterable[Detector] | None = None
) -> dict[str, list[Reading]]:
    """Return what each detector reads at every moment of a run, code to readings."""
    signals, taken = Signals(telemetry), {}
    detectors = [d() for d in DETECTORS.values()] if detectors is None else list(detectors)
    taken = {detector.name: [] for detector in detectors}
    while signals.advance():
        for detector in detectors:
            taken[detector.name].append(read(detector, signals))
    return taken


def read(detector: Detector, signals: Signals) -> Reading:
    """Return what a detector reads at the newest moment, or why it cannot."""
    try:
        return Reading(signals.step, detector.scores(signals))
    except NotApplicable as error:
        return Reading(signals.step, None, str(error))


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
            found["diversity_min"] = _diversity(signals)
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
    patience: int = 1  # exact, no estimate
    zeros_min: float = limit(10, "updates of G in a row whose gradient is exactly 0")

    def scores(self, signals):
        """Return the length of the newest run of zeros."""
        norms = signals.newest("g_grad_norm")
        moved = np.flatnonzero(norms)
        zeros = len(norms) - 1 - moved[-1] if len(moved) and not signals.blocked else len(norms)
        return {"zeros_min": float(zeros)}


def _diversity(signals: Signals) -> float:
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


@DETECTORS.register("mode-collapse")
@dataclass(frozen=True, kw_only=True)
class ModeCollapse(Detector):
    """G writes a few things only, and always the same few.

    Reads       text: unique_ratio, distinct_2; points: cells_entropy; the floors; counts in cells
    Formula     diversity = median over the window of the smaller of unique_ratio and distinct_2,
                each over that of real data (text), of exp(entropy - that of real data) (points);
                turnover = mean JS between the histograms of successive looks, less its floor
    Rule        diversity <= diversity_max and turnover <= turnover_max
    Means       many noises are mapped to one output: D is fooled, or silent, at a few points and
                nothing in its opinion of one sample says that all samples are alike
    Try         gradient_penalty, r1, r2, d_noise, entropy
    Fails when  real data are themselves few: diversity is then measured against little
    Paper       Goodfellow et al. 2014; Salimans et al. 2016
    """

    notebook: ClassVar[str] = "03_mode_collapse"
    diversity_max: float = limit(0.5, "diversity of fakes (real data: 1)")
    turnover_max: float = limit(0.1, "change of the cells from look to look (JS, nats)")

    def scores(self, signals):
        """Return diversity and turnover."""
        return {
            "diversity_max": _diversity(signals),
            "turnover_max": signals.turnover(),
        }


@DETECTORS.register("rotating-collapse")
@dataclass(frozen=True, kw_only=True)
class RotatingCollapse(Detector):
    """At every moment G writes a few things only, but other ones as time goes on.

    Reads       as mode-collapse
    Formula     as mode-collapse
    Rule        diversity <= diversity_max and turnover >= turnover_min
    Means       cat and mouse: G piles onto what D likes most, D comes after, G moves on; over time
                G visits much of the data, at any one time it covers little of it
    Try         higher d_lr, more d_steps, r1, r2
    Fails when  looks are rarer than the rotation: one look cannot tell rotating from static
    Paper       Metz et al. 2017; Mescheder, Geiger & Nowozin 2018
    """

    notebook: ClassVar[str] = "03_mode_collapse"
    diversity_max: float = limit(0.5, "diversity of fakes (real data: 1)")
    turnover_min: float = limit(0.1, "change of the cells from look to look (JS, nats)")

    def scores(self, signals):
        """Return diversity and turnover."""
        return {
            "diversity_max": _diversity(signals),
            "turnover_min": signals.turnover(),
        }


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


@DETECTORS.register("discriminator-overfits")
@dataclass(frozen=True, kw_only=True)
class DiscriminatorOverfits(Detector):
    """D knows its training data by heart.

    Reads       d_memory
    Formula     d_memory = (mean logit of real data that D may have seen - of held-out real data)
                / their pooled standard deviation
    Rule        median in the window >= memory_min
    Means       D likes what it has seen, not what is real; G is pushed to copy it
    Try         d_dropout, d_noise, r1
    Fails when  training and held-out data are not of one law
    Paper       Karras et al. 2020
    """

    notebook: ClassVar[str] = "04_imbalance"
    memory_min: float = limit(0.5, "seen above unseen real data (standard deviations)")

    def scores(self, signals):
        """Return D's memory."""
        return {"memory_min": signals.typical("d_memory")}


@DETECTORS.register("exposure-bias")
@dataclass(frozen=True, kw_only=True)
class ExposureBias(Detector):
    """G continues its own sentences worse than real ones. Needs a law with next-token truth.

    Reads       exposure_gap, exposure_gap_se
    Formula     z = mean gap over the window / mean standard error: looks share their real
                sentences, so that more of them make the mean no surer
    Rule        gap >= gap_min and z >= z_min
    Means       G was trained on real prefixes and meets its own; mistakes feed mistakes
    Try         dense_reinforce, reinforce
    Fails when  the law is not known: no real corpus tells
    Paper       Bengio et al. 2015; Caccia et al. 2020 for how little it may matter
    """

    severity: ClassVar[str] = "tip"
    notebook: ClassVar[str] = "05_misleading_loss"
    gap_min: float = limit(0.05, "own prefixes above real ones (nats a token)")
    z_min: float = limit(3.0, "the same in standard errors")

    def scores(self, signals):
        """Return the mean gap, in nats and in standard errors."""
        gap = float(signals.measured("exposure_gap").mean())
        error = float(signals.measured("exposure_gap_se").mean())
        return {"gap_min": gap, "z_min": gap / error if error else math.copysign(math.inf, gap)}
