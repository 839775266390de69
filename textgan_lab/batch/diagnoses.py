"""Diagnoses of many saved runs, each from its own record, side by side in lines."""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..diagnostics import diagnose
from ..diagnostics.report import Report
from ..telemetry import Telemetry
from .reading import KEY, PREFIX, find, record_of
from .runs import frame_of, varied
from .tables import UNTOLD, counted, short_keys, shown

RECORD = "telemetry.jsonl"


def resolve(given: str, root: str | Path) -> Path:
    """Return the folder that a user names: by path, or by the start of a key of a run in ``root``.

    Raises:
        UnknownRun, FileNotFoundError: see `find`.
    """
    if not Path(given).exists() and PREFIX.match(given):
        return Path(root) / find(root, given)
    return Path(given)


def recorded_in(folder: Path) -> tuple[list[Path], int]:
    """Return the runs with telemetry in ``folder``, or itself; and how many runs have none.

    Raises:
        FileNotFoundError: there is none.
    """
    if (folder / RECORD).exists():
        return [folder], 0
    inside = sorted(folder.iterdir()) if folder.is_dir() else []
    # a folder that may not be looked into is one more without a record, not the end of the others
    found = [one for one in inside if os.path.exists(one / RECORD) and ".old-" not in one.name]
    if not found:
        raise FileNotFoundError(
            f"{folder}: no {RECORD} there, nor in a folder in it; is it a run's folder?"
        )
    return found, sum(bool(KEY.match(one.name)) and one not in found for one in inside)


@dataclass(frozen=True)
class Line:
    """One run: its short name, what of its parameters differs, and its report, or why none."""

    name: str
    settings: str
    report: Report | None
    problem: str = ""

    @property
    def verdict(self) -> str:
        """Every code with the step since which it holds."""
        if self.report is None:
            return f"unreadable: {self.problem}"
        found = [f"{finding.code} since {finding.since}" for finding in self.report.findings]
        return ", ".join(found) or " ".join(self.report.codes) or self.report.verdict


def lines(folders: Sequence[Path]) -> Iterator[Line]:
    """Yield each run's diagnosis as it is made; names and settings are padded to one width."""
    frame = frame_of([record_of(folder) for folder in folders])
    differ = varied(frame)
    keys = short_keys({folder.name for folder in folders if KEY.match(folder.name)})
    names = [keys.get(folder.name, folder.name) for folder in folders]
    cells = [[(name, shown(value, None)) for value in frame[name]] for name in differ]
    settings = [
        " ".join(f"{name}={text}" for name, text in row if text)
        for row in (zip(*cells, strict=True) if cells else [()] * len(folders))
    ]
    widths = [max(map(len, texts)) for texts in (names, settings)]
    for folder, name, setting in zip(folders, names, settings, strict=True):
        report, problem = None, ""
        try:
            report = diagnose(Telemetry.load(folder))
        except (ValueError, OSError) as error:  # damaged; gone meanwhile, no right to look
            problem = str(error)
        yield Line(name.ljust(widths[0]), setting.ljust(widths[1]), report, problem)


def summary(made: Sequence[Line], without: int) -> str:
    """Return how many runs have each code, the most frequent first; ``without`` left no record."""
    codes = Counter(code for line in made if line.report for code in line.report.codes)
    untold = sum(line.report is not None and not line.report.codes for line in made)
    unreadable = sum(line.report is None for line in made)
    parts = [f"{code} {count}" for code, count in codes.most_common()]
    parts += [f"{word} {count}" for word, count in
              ((UNTOLD, untold), ("unreadable", unreadable)) if count]  # fmt: skip
    rest = f"; {counted(without, 'run')} without telemetry" if without else ""
    return f"{counted(len(made), 'run')}: {', '.join(parts)}{rest}"
