"""Outcomes: what became of a run, by what is known exactly, never by how it was set up.

For each illness a run is ill, clearly not ill, or neither: two thresholds a condition (the second
one in brackets), and what lies between them counts nowhere. The truth is that of the language or
the mixture: JS and Bayes accuracy, the shares of the modes, KL(p || q) (text: held-out NLL less the
entropy of the language) and the entropy of G, which no detector reads. Of what detectors read as
well, only D's accuracy on fresh data, the size of losses and gradients, and which words G wrote are
used, where an illness is one *of* these.

Numbers are means over the last third of the measurements of play (``late``), at least four.
Thresholds are ours.
"""

import math
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import numpy as np

from ..metrics.modes import histogram_entropy, temporal_js
from ..telemetry import Telemetry

Verdict = bool | None  # ill, clearly not, neither


class Outcome:
    """One finished run, read by its truth; ``facts`` are those of its data (`archive.Run`)."""

    def __init__(self, telemetry: Telemetry, facts: Mapping[str, Any]):
        rows = [row for row in telemetry.rows if row["phase"] == "adversarial"]
        self.measured = [row for row in rows if "d_accuracy_held_out" in row]
        if len(self.measured) < 4:
            raise ValueError(f"{len(self.measured)} measurements of play: expected 4 or more")
        self.facts, self.text = facts, "held_out_nll" in self.measured[0]
        self.broke = any(event["event"] == "divergence" for event in telemetry.events)
        self._rows = rows
        start = next(event for event in telemetry.events if event["event"] == "start")
        self._fakes = start["spec"]["probe_size"]
        self.critic = start["spec"]["loss"] == "wasserstein"  # its score has no "real" and "fake"
        looks = [s["cells"] for s in telemetry.samples if s["step"] > rows[0]["step"]]
        self._cells = np.array(looks, float)

    @property
    def third(self) -> int:
        """How many measurements are the late ones."""
        return max(4, len(self.measured) // 3)

    def late(self, name: str) -> float:
        """Return the mean of a measured column over the last third."""
        return float(np.mean([row[name] for row in self.measured[-self.third :]]))

    def recorded(self, name: str) -> np.ndarray:
        """Return what every step of the last third recorded."""
        rows = self._rows[-(len(self._rows) // 3) :]
        return np.array([row[name] for row in rows if name in row])

    @property
    def accuracy(self) -> float:
        """D's accuracy, in play or on fresh data, whichever is better."""
        return max(float(self.recorded("d_accuracy").mean()), self.late("d_accuracy_held_out"))

    @cached_property
    def shares(self) -> np.ndarray:
        """Shares of the modes among fakes, the last one that of none: [looks, K + 1]."""
        names = [name for name in self.measured[0] if name.startswith("mode.")]
        return np.array([[row[name] for name in names] for row in self.measured])

    @cached_property
    def distance(self) -> np.ndarray:
        """How far G is from the truth, look by look: KL(p || q), nats (text); TV of modes (points).

        TV = 1/2 sum |share - true share|, "none" included, at most that of the laws themselves.
        """
        if self.text:
            nll = np.array([row["held_out_nll.sentence"] for row in self.measured])
            return nll - self.facts["entropy"]
        true = np.array([*self.facts["shares"], 0.0])
        return np.abs(self.shares - true).sum(1) / 2

    @property
    def far(self) -> float:
        """The late distance."""
        return float(self.distance[-self.third :].mean())

    def progress(self, share: float) -> float:
        """By which share the distance fell since that share of play (0: its begin) was over."""
        begin = min(round(share * len(self.distance)), len(self.distance) - self.third)
        before = float(self.distance[begin : begin + 2].mean())
        return 1 - self.far / before if before else 0.0

    @property
    def bayes(self) -> float:
        """Accuracy of the best discriminator; for points at least this: 1/2 + TV/2."""
        return self.late("bayes_accuracy") if self.text else 0.5 + self.far / 2

    @property
    def breadth(self) -> float | None:
        """How much of the truth G covers at one look, 0 to 1; None when nothing is told.

        The smaller of (exp(H) - 1) / (K - 1), H the entropy of shares among K modes, and for text
        H(q) / H(p), the exact entropies of G and of the language.
        """
        late, found = self.shares[-self.third :], []
        modes = late.shape[1] - 1
        if modes > 1:
            present = [look[:-1] for look in late if look[:-1].sum() >= 0.1]
            if len(present) >= len(late) / 2:
                effective = math.exp(np.mean([histogram_entropy(look) for look in present]))
                found.append((effective - 1) / (modes - 1))
        if self.text:
            found.append(self.late("g_entropy") * self.tokens / self.facts["entropy"])
        return min(found, default=None)

    @property
    def tokens(self) -> float:
        """The mean number of tokens in a fake sentence, late."""
        return float(self._cells[-self.third :].sum(1).mean()) / self._fakes

    @property
    def turnover(self) -> float:
        """How much what G covers changed over the last half: temporal JS, nats.

        H(mean of the histograms) - mean of their H: of modes and, for text, of words; the larger.
        """
        half = len(self.measured) // 2
        over = [self.shares[half:]] if self.shares.shape[1] > 2 else []
        over += [self._cells[half:]] if self.text else []
        return max((temporal_js(histograms) for histograms in over), default=0.0)

    @property
    def swing(self) -> tuple[float, int]:
        """Of the distance in the last half: its standard deviation, and crossings of its mean."""
        x = self.distance[len(self.distance) // 2 :]
        above = x > x.mean()
        return float(x.std()), int((above[1:] != above[:-1]).sum())


Judge = Callable[[Outcome], Verdict]
CONDITIONS: dict[str, tuple[Judge, Judge]] = {}  # code -> (judge, whether it can be told)


def _condition(code: str, told: Judge = lambda o: True) -> Callable[[Judge], Judge]:
    def file(judge: Judge) -> Judge:
        CONDITIONS[code] = judge, told
        return judge

    return file


def between(value: float, ill: float, well: float) -> Verdict:
    """Return True at ``ill`` and beyond, False at ``well`` and beyond, None between them."""
    if ill > well:
        return True if value >= ill else False if value <= well else None
    return True if value <= ill else False if value >= well else None


def both(*verdicts: Verdict) -> Verdict:
    """Return True when all are, False as soon as one is, None otherwise."""
    if False in verdicts:
        return False
    return None if None in verdicts else True


@_condition("mode-collapse", lambda o: o.breadth is not None)
def mode_collapse(o: Outcome) -> Verdict:
    """Breadth at most .4 (clearly not: .75) and turnover at most .15 nats (clearly not: .3)."""
    return both(between(o.breadth, 0.4, 0.75), between(o.turnover, 0.15, 0.3))


@_condition("rotating-collapse", lambda o: o.breadth is not None)
def rotating_collapse(o: Outcome) -> Verdict:
    """Breadth at most .4 (clearly not: .75) and turnover at least .3 nats (clearly not: .15)."""
    return both(between(o.breadth, 0.4, 0.75), between(o.turnover, 0.3, 0.15))


@_condition("false-equilibrium", lambda o: not o.critic)
def false_equilibrium(o: Outcome) -> Verdict:
    """Bayes accuracy .95 (.85), and above D's by .25 (.15), D's at most .75 (.85).

    Of points only a bound below is known: .85 (.7), and a small gap to it says nothing.
    """
    gap, best = o.bayes - o.accuracy, between(o.bayes, 0.95, 0.85)
    undecided = between(o.accuracy, 0.75, 0.85)
    if o.text:
        return both(best, between(gap, 0.25, 0.15), undecided)
    return both(between(o.bayes, 0.85, 0.7), True if gap >= 0.25 else None, undecided)


@_condition("discriminator-overpowers", lambda o: not o.critic)
def discriminator_overpowers(o: Outcome) -> Verdict:
    """D's accuracy .97 (.92), and no progress in the last half: .02 (.1) at most."""
    return both(between(o.accuracy, 0.97, 0.92), between(o.progress(0.5), 0.02, 0.1))


@_condition("vanishing-gradient")
def vanishing_gradient(o: Outcome) -> Verdict:
    """G's gradient at most 1e-3 (1e-2) but not 0, D right at .9 (.75), no progress: .02 (.1)."""
    norm = float(np.median(o.recorded("g_grad_norm")))
    dead = norm > 0 and between(norm, 1e-3, 1e-2)
    return both(dead, between(o.accuracy, 0.9, 0.75), between(o.progress(0), 0.02, 0.1))


@_condition("blocked-gradient", lambda o: o.text)
def blocked_gradient(o: Outcome) -> Verdict:
    """G's gradient was exactly 0 at every step of the last third."""
    return not o.recorded("g_grad_norm").any()


@_condition("divergence")
def divergence(o: Outcome) -> Verdict:
    """Numbers lost, or D's loss 1e4 (clearly not: 1e2): no distance in these data is so large."""
    return o.broke or between(float(np.median(np.abs(o.recorded("d_loss")))), 1e4, 1e2)


@_condition("oscillation", lambda o: not o.text)
def oscillation(o: Outcome) -> Verdict:
    """Points: distance with deviation .15 (.07), crossing its mean 4 times (2) in the last half.

    Neither where little is covered (breadth .75) and it changes (turnover .15): what turns from
    mode to mode may circle at one distance.
    """
    deviation, crossings = o.swing
    if o.breadth is not None and o.breadth < 0.75 and o.turnover > 0.15:
        return None
    return both(between(deviation, 0.15, 0.07), between(crossings, 4, 2))


@_condition("discriminator-overfits")
def discriminator_overfits(o: Outcome) -> Verdict:
    """D's logits on real data it saw above those on real data it did not: .75 sd (.3).

    The detector reads the same column, so that this says who is not healthy, and validates nothing.
    """
    return between(o.late("d_memory"), 0.75, 0.3)


def conditions(telemetry: Telemetry, facts: Mapping[str, Any]) -> dict[str, Verdict]:
    """Return the verdict on every condition that can be told, and on ``healthy``.

    Healthy: no condition holds or may hold, and G is near the truth (KL at most .25 nats a token;
    TV at most .4) or came nearer by .15 since play began. Clearly not: some condition holds.
    """
    o = Outcome(telemetry, facts)
    found = {code: judge(o) for code, (judge, told) in CONDITIONS.items() if told(o)}
    if True in found.values():
        healthy: Verdict = False
    else:
        near = o.far <= (0.25 * o.tokens if o.text else 0.4)
        doubt = None in found.values()
        healthy = True if not doubt and (near or o.progress(0) >= 0.15) else None
    return {**found, "healthy": healthy}
