"""Conditions: which illnesses a run has, by its truth, never by how it was set up.

For each illness a run is ill, clearly not ill, or neither: two thresholds a condition (the second
one in brackets), and what lies between them counts nowhere. They are read off the `truth`: JS and
Bayes accuracy, the shares of the modes, KL(p || q) (text: held-out NLL less the entropy of the
language) and the entropy of G, which no detector reads. Of what detectors read as well, only D's
accuracy on fresh data, the size of losses and gradients, and which words G wrote are used, where
an illness is one *of* these.

Numbers are means over the last third of the measurements of play (``late``), at least four.
Thresholds are ours.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ..diagnostics.truth import Truth, third
from ..telemetry import Telemetry

Verdict = bool | None  # ill, clearly not, neither


def truth_of(telemetry: Telemetry, facts: Mapping[str, Any]) -> Truth:
    """Return the truth about a run as conditions read it; ``facts`` as in an `archive.Run`."""
    return Truth(telemetry, facts, looks=lambda n: max(4, n // 3), steps=third)


Judge = Callable[[Truth], Verdict]
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
def mode_collapse(o: Truth) -> Verdict:
    """Breadth at most .4 (clearly not: .75) and turnover at most .15 nats (clearly not: .3)."""
    return both(between(o.breadth, 0.4, 0.75), between(o.turnover, 0.15, 0.3))


@_condition("rotating-collapse", lambda o: o.breadth is not None)
def rotating_collapse(o: Truth) -> Verdict:
    """Breadth at most .4 (clearly not: .75) and turnover at least .3 nats (clearly not: .15)."""
    return both(between(o.breadth, 0.4, 0.75), between(o.turnover, 0.3, 0.15))


@_condition("false-equilibrium", lambda o: not o.critic)
def false_equilibrium(o: Truth) -> Verdict:
    """Bayes accuracy .95 (.85), and above D's by .25 (.15), D's at most .75 (.85).

    Of points only a bound below is known: .85 (.7), and a small gap to it says nothing.
    """
    gap, best = o.bayes - o.accuracy, between(o.bayes, 0.95, 0.85)
    undecided = between(o.accuracy, 0.75, 0.85)
    if o.text:
        return both(best, between(gap, 0.25, 0.15), undecided)
    return both(between(o.bayes, 0.85, 0.7), True if gap >= 0.25 else None, undecided)


@_condition("discriminator-overpowers", lambda o: not o.critic)
def discriminator_overpowers(o: Truth) -> Verdict:
    """D's accuracy .97 (.92), and no progress in the last half: .02 (.1) at most."""
    return both(between(o.accuracy, 0.97, 0.92), between(o.progress(0.5), 0.02, 0.1))


@_condition("vanishing-gradient")
def vanishing_gradient(o: Truth) -> Verdict:
    """G's gradient at most 1e-3 (1e-2) but not 0, D right at .9 (.75), no progress: .02 (.1)."""
    norm = o.median("g_grad_norm")
    dead = norm > 0 and between(norm, 1e-3, 1e-2)
    return both(dead, between(o.accuracy, 0.9, 0.75), between(o.progress(0), 0.02, 0.1))


@_condition("blocked-gradient", lambda o: o.text)
def blocked_gradient(o: Truth) -> Verdict:
    """G's gradient was exactly 0 at every step of the last third."""
    return not o.recorded("g_grad_norm").any()


@_condition("divergence")
def divergence(o: Truth) -> Verdict:
    """Numbers lost, or D's loss 1e4 (clearly not: 1e2): no distance in these data is so large."""
    return o.broke or between(float(np.median(np.abs(o.recorded("d_loss")))), 1e4, 1e2)


@_condition("oscillation", lambda o: not o.text)
def oscillation(o: Truth) -> Verdict:
    """Points: distance with deviation .15 (.07), crossing its mean 4 times (2) in the last half.

    Neither where little is covered (breadth .75) and it changes (turnover .15): what turns from
    mode to mode may circle at one distance.
    """
    deviation, crossings = o.swing
    if o.breadth is not None and o.breadth < 0.75 and o.turnover > 0.15:
        return None
    return both(between(deviation, 0.15, 0.07), between(crossings, 4, 2))


@_condition("discriminator-overfits")
def discriminator_overfits(o: Truth) -> Verdict:
    """D's logits on real data it saw above those on real data it did not: .75 sd (.3).

    The detector reads the same column, so that this says who is not healthy, and validates nothing.
    """
    return between(o.late("d_memory"), 0.75, 0.3)


def conditions(o: Truth) -> dict[str, Verdict]:
    """Return the verdict on every condition that can be told, and on ``healthy``.

    Healthy: no condition holds or may hold, and G is near the truth (KL at most .25 nats a token;
    TV at most .4) or came nearer by .15 since play began. Clearly not: some condition holds.
    """
    found = {code: judge(o) for code, (judge, told) in CONDITIONS.items() if told(o)}
    if True in found.values():
        healthy: Verdict = False
    else:
        near = o.far <= (0.25 * o.tokens if o.text else 0.4)
        doubt = None in found.values()
        healthy = True if not doubt and (near or o.progress(0) >= 0.15) else None
    return {**found, "healthy": healthy}
