"""Detectors: each knows one illness, what it looks like in a record, and what helps.

The interface. A detector is a frozen dataclass whose fields, but for ``patience``, are thresholds
named ``<quantity>_max`` or ``<quantity>_min``; a detector of its own is one class under
``@DETECTORS.register("its-code")``. Those of this library are in `illnesses`.

    detector.scores(signals)    {field: number}: what is compared with each threshold, read at the
                                newest moment of the signals; raises NotApplicable(reason)
    detector.holds(scores)      whether the rule holds: all limits are kept (any, with ``any_of``)
    readings(telemetry)         {code: [Reading(step, scores, reason)]}, one a moment of the run;
                                they do not depend on thresholds, so these can be moved afterwards
    detector.examine(readings)  a Finding when the rule held at the last ``patience`` moments; its
                                ``since`` is the first step from which it held to the end; None
                                when it did not; raises NotApplicable when the last has a reason

    detector.momentary          whether one moment decides: that it found nothing is not yet health

Thresholds are initial ones, ours, set on short runs of seeds that no test of them uses. They are
moved with ``dataclasses.replace(detector, accuracy_min=0.9)``; `Detector.limits` says what each of
them is compared with. No detector reads what only a known law can tell (`signals.TRUTH`);
exposure-bias alone needs a law, and says so.
"""

import inspect
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar

from ..catalogue import Catalogue
from ..telemetry import Telemetry
from .signals import NotApplicable, Signals

DETECTORS = Catalogue("detector")


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
    momentary: ClassVar[bool] = False  # see the head of this module
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
