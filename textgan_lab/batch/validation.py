"""Validation: how often diagnoses are right, on settings that no threshold was set on.

The runs of the `collection` are labelled by what became of each (`conditions`), their records are
diagnosed, and the two are compared. Thresholds may only be tightened, by healthy runs of the
calibrating settings: a share ``ALPHA`` of such runs at most may raise any false alarm (a conformal
quantile for each detector, Bonferroni over detectors); where the runs are too few for that
quantile, the threshold moves beyond all of them. The runs of one setting share code and data, so
settings are counted beside runs; intervals are exact binomial ones (Clopper & Pearson 1934) over
runs, 95 %.
"""

import dataclasses
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .. import atomic
from ..diagnostics.detectors import DETECTORS, Detector, Reading, readings
from ..diagnostics.signals import NotApplicable
from .archive import Run
from .collection import FAMILIES, SHIPPED, runs
from .conditions import CONDITIONS, Verdict, conditions, truth_of
from .records import CHECKOUT
from .settings import SEEDS, SETTINGS

RESULT = CHECKOUT / "tests" / "benchmarks" / "results" / "detectors.md"
ALPHA = 0.05
# validated elsewhere: one is exact, of the other the truth is the very column that is read
TRIVIAL = ("blocked-gradient", "discriminator-overfits")
COUNTED = (*(code for code in CONDITIONS if code not in TRIVIAL), "healthy")


# ---- truth and diagnosis ------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """A run with its true conditions, what its detectors read, and what naive rules would."""

    setting: str
    seed: int
    truth: Mapping[str, Verdict]
    readings: Mapping[str, list[Reading]]
    steps: tuple[int, int]  # of play: the first, and the one after the last
    accuracy: float  # D's, median over the last third of play
    loss: float  # D's, likewise

    @property
    def family(self) -> str:
        """The family of its setting."""
        return SETTINGS[self.setting].family

    @property
    def calibrates(self) -> bool:
        """Whether thresholds may be set on it."""
        return SETTINGS[self.setting].calibrates


def case(run: Run) -> Case:
    """Return what is known of a run."""
    truth = truth_of(run.telemetry, run.facts)
    issues = [DETECTORS[code]() for code in DETECTORS if code in CONDITIONS]
    return Case(
        run.setting, run.seed, conditions(truth), readings(run.telemetry, issues), truth.steps,
        truth.median("d_accuracy"), truth.median("d_loss"),
    )  # fmt: skip


Diagnosis = dict[str, int]  # code -> the step at which the alarm that lasted was raised


def diagnose(detectors: Iterable[Detector], known: Case) -> Diagnosis:
    """Return the findings of some detectors at the end of a run, ``healthy`` without any.

    An alarm is raised ``patience`` moments after its condition began to hold.
    """
    found = {}
    for detector in detectors:
        taken = known.readings[detector.name]
        try:
            finding = detector.examine(taken)
        except NotApplicable:
            continue
        if finding is not None:
            held = [reading.step for reading in taken if reading.step >= finding.since]
            found[detector.name] = held[detector.patience - 1]
    return found or {"healthy": known.steps[0]}


def ever(detectors: Iterable[Detector], known: Case) -> bool:
    """Return whether some detector raised an alarm at any moment of a run, lasting or not."""
    for detector in detectors:
        stretch = 0
        for reading in known.readings[detector.name]:
            holds = reading.scores is not None and detector.holds(reading.scores)
            stretch = stretch + 1 if holds else 0
            if stretch == detector.patience:
                return True
    return False


# ---- calibration --------------------------------------------------------------------------------


def level(detector: Detector, name: str, taken: Sequence[Reading]) -> float:
    """Return the strictest threshold ``name`` that still alarms at a run's end.

    -inf for a maximum (inf for a minimum) that would always alarm, the opposite when none does:
    the other limits, as they are, do not hold.
    """
    newest, worst = taken[-detector.patience :], -math.inf if name.endswith("_max") else math.inf
    never = -worst
    if len(newest) < detector.patience or any(r.scores is None for r in newest):
        return never
    for reading in newest:
        kept = detector.keeps(reading.scores)
        mine = kept.pop(name, None)
        if mine is None or not (detector.any_of or all(kept.values())):
            return never
        score = reading.scores[name]
        worst = max(worst, score) if name.endswith("_max") else min(worst, score)
    return worst


def calibrated(detector: Detector, healthy: Sequence[Case], alpha: float) -> Detector:
    """Return the detector, tightened to alarm on a share ``alpha`` of healthy runs at most.

    The first limit moves (each one where any is enough): to the quantile (n + 1) alpha of the
    levels at which healthy runs would alarm, or beyond all of them.
    """
    names = list(detector.limits())
    for name in names if detector.any_of else names[:1]:
        upper = name.endswith("_max")
        levels = [level(detector, name, known.readings[detector.name]) for known in healthy]
        levels.sort(reverse=not upper)  # the first alarms first as the threshold is loosened
        k = math.floor((len(levels) + 1) * alpha)
        if k >= len(levels):
            continue
        bound = np.nextafter(levels[k], -math.inf if upper else math.inf)
        now = getattr(detector, name)
        moved = min(now, float(bound)) if upper else max(now, float(bound))
        detector = dataclasses.replace(detector, **{name: moved})
    return detector


def calibrate(cases: Iterable[Case]) -> list[Detector]:
    """Return the detectors of all conditions, tightened on the healthy ones of these runs."""
    healthy = [known for known in cases if known.truth["healthy"]]
    detectors = [DETECTORS[code]() for code in DETECTORS if code in CONDITIONS]
    return [calibrated(d, healthy, ALPHA / len(detectors)) for d in detectors]


# ---- comparison ---------------------------------------------------------------------------------


def interval(k: int, n: int) -> tuple[float, float]:
    """Return the exact 95 % interval of a share, k of n; (0, 1) when n is 0."""
    from scipy.stats import binomtest

    if n == 0:
        return 0.0, 1.0
    found = binomtest(k, n).proportion_ci(method="exact")
    return float(found.low), float(found.high)


@dataclass
class Tally:
    """How a code fared: runs that have it and were told so, and so on; settings that have it."""

    hits: int = 0
    misses: int = 0
    alarms: int = 0  # false ones
    settings: frozenset[str] = frozenset()
    leads: tuple[float, ...] = ()  # share of play that was left when the alarm was raised

    @property
    def precision(self) -> float:
        """Of those told, the share that have it; 0 when none was told."""
        return self.hits / (self.hits + self.alarms) if self.hits + self.alarms else 0.0

    @property
    def recall(self) -> float:
        """Of those that have it, the share that were told."""
        return self.hits / (self.hits + self.misses) if self.hits + self.misses else 0.0

    @property
    def f1(self) -> float:
        """The harmonic mean of precision and recall."""
        return 2 * self.hits / max(1, 2 * self.hits + self.misses + self.alarms)


def tallies(cases: Sequence[Case], found: Sequence[Diagnosis]) -> dict[str, Tally]:
    """Return how each code fared; runs that are neither ill nor clearly not do not count."""
    table = {code: Tally() for code in (*CONDITIONS, "healthy")}
    for known, told in zip(cases, found, strict=True):
        for code, true in known.truth.items():
            tally = table[code]
            if true:
                tally.hits += code in told
                tally.misses += code not in told
                tally.settings |= {known.setting}
                if code in told and code != "healthy":
                    begin, end = known.steps
                    tally.leads += ((end - told[code]) / (end - begin),)
            elif true is False:
                tally.alarms += code in told
    return table


def macro_f1(table: Mapping[str, Tally]) -> float:
    """Return the mean F1 of the codes that count and that some run has."""
    scores = [table[code].f1 for code in COUNTED if table[code].hits + table[code].misses]
    return sum(scores) / len(scores) if scores else 0.0


RULES: dict[str, Callable[[Case], bool]] = {
    "D's accuracy outside .4 to .8": lambda known: not 0.4 <= known.accuracy <= 0.8,
    "D's loss below .5": lambda known: known.loss < 0.5,
    "always healthy": lambda known: False,
}


@dataclass(frozen=True)
class Alarm:
    """How a rule that only says "something is wrong" fared: ill and healthy runs it alarmed at."""

    hits: int
    ill: int
    alarms: int
    healthy: int

    @classmethod
    def of(cls, cases: Iterable[Case], alarmed: Iterable[bool]) -> "Alarm":
        """Count; runs that are neither ill nor healthy do not count."""
        pairs = [(k.truth["healthy"], a) for k, a in zip(cases, alarmed, strict=True)]
        ill, healthy = ([a for truth, a in pairs if truth is which] for which in (False, True))
        return cls(sum(ill), len(ill), sum(healthy), len(healthy))

    @property
    def precision(self) -> float:
        """Of the alarms, the share at ill runs; 0 without any."""
        return self.hits / (self.hits + self.alarms) if self.hits + self.alarms else 0.0

    @property
    def recall(self) -> float:
        """Of the ill runs, the share alarmed at."""
        return self.hits / self.ill if self.ill else 0.0


# ---- the report ---------------------------------------------------------------------------------


def report(folder: str | Path = SHIPPED) -> str:
    """Return what validation finds, as the Markdown page that is stored."""
    cases = [case(run) for run in runs(folder)]
    left_out = [known for known in cases if not known.calibrates]
    text = [known for known in cases if known.family != "toy"]
    fitted = calibrate(known for known in cases if known.calibrates)
    on_toys = calibrate(known for known in cases if known.family == "toy")
    settings = {known.setting for known in cases}
    lines = [
        "# How often diagnoses are right",
        "",
        f"`textgan-lab detectors validate`: {len(cases)} runs of {len(settings)} settings, "
        f"{len(SEEDS)} seeds each, in the families {', '.join(FAMILIES)}. A run's conditions are "
        "its outcome by exact truth (`batch/conditions.py`), never its setting; runs that are "
        "neither ill nor clearly not do not count. Thresholds were tightened on healthy runs of "
        f"calibrating settings alone (at most {ALPHA:.0%} false alarms a run, over all detectors). "
        "In brackets: exact binomial 95 % intervals over runs; the runs of one setting are no "
        "independent draws, so the number of settings stands beside. The rules themselves were "
        "made on short runs of other seeds, some of them of recipes that are settings here.",
        "",
        *_section("Settings left out of calibration", left_out, fitted),
        *_section("Text, with thresholds set on points alone", text, on_toys),
        "## What the corpus holds",
        "",
        *_table(
            ("condition", "ill", "clearly not", "neither", "settings with it"),
            [
                (code, *(sum(k.truth.get(code, "") is v for k in cases)
                         for v in (True, False, None)),
                 len({k.setting for k in cases if k.truth.get(code)}))
                for code in (*CONDITIONS, "healthy")
            ],
        ),
        "## Thresholds after calibration",
        "",
        *_table(("detector", "threshold", "initial", "calibrated", "on points"), _moved(
            fitted, on_toys
        )),
    ]  # fmt: skip
    return "\n".join(lines)


def _section(title: str, cases: Sequence[Case], detectors: Sequence[Detector]) -> list[str]:
    found = [diagnose(detectors, known) for known in cases]
    initial = [type(detector)() for detector in detectors]
    before = tallies(cases, [diagnose(initial, known) for known in cases])
    table = tallies(cases, found)
    rows = []
    for code, tally in table.items():
        if not tally.hits + tally.misses + tally.alarms:
            continue
        told, ill = tally.hits + tally.alarms, tally.hits + tally.misses
        rows.append((
            code + ("*" if code in TRIVIAL else ""),
            f"{ill} / {len(tally.settings)}",
            _share(tally.hits, told), _share(tally.hits, ill), f"{tally.f1:.2f}",
            f"{np.median(tally.leads):.0%}" if tally.leads else "",
        ))  # fmt: skip
    alarms = {
        "diagnosis": Alarm.of(cases, ("healthy" not in told for told in found)),
        **{name: Alarm.of(cases, map(rule, cases)) for name, rule in RULES.items()},
    }
    healthy = [known for known in cases if known.truth["healthy"]]
    passing = sum(ever(detectors, known) for known in healthy)
    return [
        f"## {title}",
        "",
        f"{len(cases)} runs of {len({known.setting for known in cases})} settings. **Macro-F1 "
        f"{macro_f1(table):.2f}** (with initial thresholds {macro_f1(before):.2f}). * not in the "
        f"mean. Lead: the share of play left when the alarm was raised (median).",
        "",
        *_table(("code", "ill: runs / settings", "precision", "recall", "F1", "lead"), rows),
        "Is anything wrong at all?",
        "",
        *_table(
            ("rule", "precision", "recall", "false alarms on healthy runs"),
            [
                (name, _share(a.hits, a.hits + a.alarms), _share(a.hits, a.ill),
                 _share(a.alarms, a.healthy))
                for name, a in alarms.items()
            ],
        ),
        f"Diagnoses are compared at the end of a run. At some moment of play, perhaps gone later, "
        f"{passing} of {len(healthy)} healthy runs raised an alarm.",
        "",
        "Rows: what is true; columns: what was found (runs; a run may have several of each).",
        "",
        *_confusion(cases, found),
    ]  # fmt: skip


def _confusion(cases: Sequence[Case], found: Sequence[Diagnosis]) -> list[str]:
    codes = (*CONDITIONS, "healthy")
    counts = Counter(
        (true, told)
        for known, diagnosis in zip(cases, found, strict=True)
        for true in codes if known.truth.get(true)
        for told in diagnosis
    )  # fmt: skip
    rows = [
        (true, *(counts[true, told] or "" for told in codes))
        for true in codes
        if any(counts[true, told] for told in codes)
    ]
    return _table(("", *codes), rows)


def _moved(*sets: Sequence[Detector]) -> list[tuple[str, ...]]:
    return [
        (first.name, name, f"{getattr(type(first)(), name):.3g}",
         *(f"{getattr(d, name):.3g}" for d in same))
        for first, *others in zip(*sets, strict=True)
        for same in [(first, *others)]
        for name in first.limits()
    ]  # fmt: skip


def _share(k: int, n: int) -> str:
    if n == 0:
        return "none told"
    low, high = interval(k, n)
    return f"{k / n:.2f} [{low:.2f}, {high:.2f}] of {n}"


def _table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    return [*("| " + " | ".join(map(str, line)) + " |" for line in lines), ""]


def store(text: str, path: str | Path = RESULT) -> Path:
    """Write the page; return its path."""
    return atomic.write(path, text.encode())
