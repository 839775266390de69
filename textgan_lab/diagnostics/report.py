"""The report on a run: what was found, what could not be told, in text, HTML and as a table."""

import html
import textwrap
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from ..telemetry import Telemetry
from . import colours
from .detectors import DETECTORS, Detector, Finding, Reading, read
from .signals import NotApplicable, Signals

if TYPE_CHECKING:
    import pandas

WIDTH = 100  # of the plain text, characters


@dataclass(frozen=True)
class Report:
    """What `diagnose` makes of a record: findings, most severe and oldest first.

    ``step`` is the newest moment that was looked at, None when there was none; ``passed`` the codes
    that were looked for and not found, ``glances`` those of them that a glance decides (see
    `Detector.momentary`); ``untold`` code -> reason where the record does not tell. Two reports are
    equal when they say the same.
    """

    step: int | None
    findings: tuple[Finding, ...]
    passed: tuple[str, ...]
    untold: Mapping[str, str]
    glances: tuple[str, ...] = ()

    @property
    def codes(self) -> list[str]:
        """The codes found; ``["healthy"]`` when nothing was; empty when that cannot be told.

        Healthy needs more than glances: a detector that has looked at a stretch of play.
        """
        if self.findings:
            return [finding.code for finding in self.findings]
        return ["healthy"] if set(self.passed) - set(self.glances) else []

    @property
    def issues(self) -> list[Finding]:
        """The findings that are defects; the others are tips."""
        return [finding for finding in self.findings if finding.severity == "issue"]

    def __getitem__(self, code: str) -> Finding:
        """Return the finding with this code; KeyError, naming what was found, without it."""
        for finding in self.findings:
            if finding.code == code:
                return finding
        raise KeyError(f"{code!r} was not found; found: {', '.join(self.codes) or 'nothing'}")

    def __contains__(self, code: object) -> bool:
        return code in self.codes

    def frame(self) -> "pandas.DataFrame":
        """Return one row a code: found, passed or untold, with what is known of it."""
        import pandas

        columns = ["outcome", *(field.name for field in fields(Finding))]
        rows = [{"outcome": f.severity, **vars(f)} for f in self.findings]
        rows += [{"outcome": "passed", "code": code} for code in self.passed]
        rows += [
            {"outcome": "untold", "code": code, "evidence": reason}
            for code, reason in self.untold.items()
        ]
        return pandas.DataFrame(rows, columns=columns).set_index("code")

    @property
    def verdict(self) -> str:
        """What it comes to, in one line."""
        if self.step is None:
            return f"Cannot tell: {next(iter(self.untold.values()), 'no detector was asked')}"
        tips = len(self.findings) - len(self.issues)
        said = [
            f"{n} {word}{'s' * (n > 1)}"
            for n, word in ((len(self.issues), "issue"), (tips, "tip")) if n
        ]  # fmt: skip
        nothing = "healthy" if self.codes else "cannot tell, nothing found so far"
        return f"At step {self.step}: {' and '.join(said) or nothing}"

    def __repr__(self) -> str:
        lines = [self.verdict]
        for finding in self.findings:
            lines += ["", f"{finding.severity}  {finding.code}, since step {finding.since}"]
            for label, text in _said(finding):
                lines += textwrap.wrap(
                    text, WIDTH, initial_indent=f"  {label:<11}", subsequent_indent=" " * 13,
                    break_on_hyphens=False,
                )  # fmt: skip
        lines += [""] if self.passed and self.findings else []
        for label, text in self._notes():
            lines += textwrap.wrap(
                text, WIDTH, initial_indent=f"{label:<13}", subsequent_indent=" " * 13,
                break_on_hyphens=False,
            )  # fmt: skip
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        cards = [_card(finding) for finding in self.findings]
        small = "".join(
            f'<div style="font-size:85%;opacity:.75">{label}: {html.escape(text)}</div>'
            for label, text in self._notes()
        )
        return (
            f'<div style="max-width:50em;line-height:1.4"><b>{html.escape(self.verdict)}</b>'
            f"{''.join(cards)}{small}</div>"
        )

    def _notes(self) -> list[tuple[str, str]]:
        """Return what was looked for in vain, and each reason once with the codes it stands for."""
        if self.step is None:
            return []  # the verdict says it all
        codes: dict[str, list[str]] = {}
        for code, reason in self.untold.items():
            codes.setdefault(reason, []).append(code)
        told = [("not found", ", ".join(self.passed))] if self.passed else []
        return told + [("cannot tell", f"{', '.join(c)}: {r}") for r, c in codes.items()]


def _said(finding: Finding) -> list[tuple[str, str]]:
    return [
        ("evidence", finding.evidence),
        ("means", finding.means[:1].upper() + finding.means[1:]),
        ("try", ", ".join(finding.remedies)),
        ("taught in", finding.notebook),
    ]


def _card(finding: Finding) -> str:
    colour = colours.FINDING[finding.severity]
    rows = "".join(
        f'<div><span style="opacity:.6">{label}</span> {html.escape(text)}</div>'
        for label, text in _said(finding)
    )
    return (
        f'<div style="border-left:4px solid {colour};padding:.2em .8em;margin:.6em 0">'
        f'<b style="color:{colour}">{html.escape(finding.code)}</b> '
        f"<span>({finding.severity}, since step {finding.since})</span>{rows}</div>"
    )


class Online:
    """A diagnosis that follows a growing record and looks only at what is new.

    At any step it says what `diagnose` would say of the record up to there.

    >>> telemetry = Telemetry()
    >>> online = Online(telemetry)
    >>> online.report().codes
    []
    >>> telemetry.rows += [{"step": t, "phase": "adversarial", "g_grad_norm": 0.0}
    ...                    for t in range(301)]
    >>> online.report().codes
    ['blocked-gradient']

    Args:
        source: a record, or what returns the record to look at now: that of a trainer may be
            replaced, as by a branch.
        detectors: those to ask, with their thresholds; all by default.
    """

    def __init__(
        self,
        source: Telemetry | Callable[[], Telemetry],
        detectors: Iterable[Detector] | None = None,
    ):
        self._source = source if callable(source) else lambda: source
        self.detectors = chosen(detectors)
        self._begin()

    def _begin(self) -> None:
        self._signals = Signals(self._source())
        self._readings: dict[str, list[Reading]] = {d.name: [] for d in self.detectors}
        self._report: Report | None = None

    def report(self) -> Report:
        """Return the report on the record as it is now; the same object when nothing is new."""
        if self._source() is not self._signals.telemetry or self._signals.stale:
            self._begin()
        new = self._report is None
        while self._signals.advance():
            new = True
            for detector in self.detectors:
                _keep(detector, self._readings[detector.name], read(detector, self._signals))
        if new:
            self._report = judged(self.detectors, self._readings)
        return self._report


def _keep(detector: Detector, taken: list[Reading], reading: Reading) -> None:
    """Add a reading and drop those that `Detector.examine` can do without, however long a run."""
    if reading.scores is None or not detector.holds(reading.scores):
        taken.clear()  # a stretch has ended
    elif len(taken) > detector.patience + 1:
        taken.pop()  # it lay between the first and the newest of a stretch
    taken.append(reading)


def chosen(detectors: Iterable[Detector] | None) -> list[Detector]:
    """Return the detectors asked for, or all; TypeError for what is none."""
    found = [part() for part in DETECTORS.values()] if detectors is None else list(detectors)
    for detector in found:
        if not isinstance(detector, Detector):
            raise TypeError(
                f"diagnose: expected detectors, got {detector!r}; DETECTORS[code]() makes one"
            )
    return found


def judged(detectors: Iterable[Detector], readings: Mapping[str, list[Reading]]) -> Report:
    """Return the report that readings of a run, code to readings, amount to."""
    found, passed, glances, untold, steps = [], [], [], {}, []
    for detector in detectors:
        taken = readings[detector.name]
        steps += [taken[-1].step] if taken else []
        try:
            finding = detector.examine(taken)
        except NotApplicable as error:
            untold[detector.name] = str(error)
            continue
        if finding is None:
            passed.append(detector.name)
            glances += [detector.name] if detector.momentary else []
        else:
            found.append(finding)
    found.sort(key=lambda finding: (finding.severity, finding.since))  # "issue" before "tip"
    step = max(steps, default=None)
    return Report(step, tuple(found), tuple(passed), untold, tuple(glances))


def diagnose(telemetry: Telemetry, detectors: Iterable[Detector] | None = None) -> Report:
    """Return what is wrong with a run, read from its record alone.

    Args:
        telemetry: a record, from a trainer, a folder (`Telemetry.load`) or a `Watch`.
        detectors: those to ask, with their thresholds; all by default.

    >>> diagnose(Telemetry()).codes
    []
    """
    return Online(telemetry, detectors).report()
