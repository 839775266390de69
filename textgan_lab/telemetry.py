"""Telemetry: the record of a run, and all that plots and diagnoses ever read. No torch.

A run leaves five lists. ``rows`` has one mapping a step; ``turns`` the knob changes; ``samples``
generated sentences with D's opinion of each token; ``events`` what happened to the run itself (its
start, a divergence); ``timings`` what the clock said. All but ``timings``, and the ``source`` of a
turn, are functions of spec and schedule alone: byte for byte the same in a replay on CPU.
"""

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import atomic
from .knobs import Schedule, Turn

if TYPE_CHECKING:
    import pandas


PHASES = ("mle", "d_first", "adversarial")  # of a step, in their order


def check_phase(phase: str | None) -> None:
    """Raise ValueError unless ``phase`` is one of `PHASES`, or None: all of them."""
    if phase not in (None, *PHASES):
        raise ValueError(f"phase={phase!r}: expected one of {', '.join(PHASES)}")


class Step:
    """One step of a run: ``t`` (from 0), ``phase``, the ``turns`` applied before it, ``values``.

    ``values`` live on the device until the next flush; reading them earlier costs one device sync.
    """

    __slots__ = ("_read", "phase", "t", "turns")

    def __init__(self, t: int, phase: str, turns: tuple[Turn, ...], read: Callable[[int], dict]):
        self.t, self.phase, self.turns, self._read = t, phase, turns, read

    @property
    def values(self) -> dict[str, float]:
        """What was measured at this step, name to number."""
        return self._read(self.t)

    def __repr__(self) -> str:
        return f"Step(t={self.t}, phase={self.phase!r}, turns={list(self.turns)!r})"


class Telemetry:
    """Everything a run recorded.

    >>> telemetry = Telemetry()
    >>> telemetry.rows.append({"step": 0, "phase": "adversarial", "d_loss": 1.4})
    >>> telemetry.turns.append(Turn(0, "d_lr", 2e-4, 1e-3))
    >>> telemetry.schedule(), float(telemetry.frame()["d_loss"][0])
    (Schedule([[0, 'd_lr', 0.001]]), 1.4)
    """

    FILES = ("telemetry", "samples", "events", "timings")  # <name>.jsonl in a run's folder

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self.turns: list[Turn] = []
        self.samples: list[dict[str, Any]] = []
        self.events: list[dict[str, Any]] = []
        self.timings: list[dict[str, Any]] = []

    def frame(self, phase: str | None = None) -> "pandas.DataFrame":
        """Return one row a step, NaN where a value was not measured; ``phase`` keeps one phase.

        ``tokens_per_second`` is joined from the clock at the steps where it was read.
        ValueError for what is no phase.
        """
        import pandas

        check_phase(phase)
        rows = [row for row in self.rows if phase in (None, row["phase"])]
        frame = pandas.DataFrame(rows, columns=None if rows else ["step", "phase"])
        if self.timings:
            clock = pandas.DataFrame(self.timings)[["step", "tokens_per_second"]]
            frame = frame.merge(clock, on="step", how="left")
        return frame.dropna(axis="columns", how="all") if rows else frame

    def latest(self, name: str) -> float:
        """Return the newest measured value of column ``name``; KeyError when there is none."""
        if name not in ("step", "phase"):
            for row in reversed(self.rows):
                if not math.isnan(row.get(name, math.nan)):
                    return row[name]
        raise KeyError(f"{name!r} was not measured in this run")

    def columns(self) -> list[str]:
        """Return the names of all measured values, in order of first appearance."""
        seen = dict.fromkeys(name for row in self.rows for name in row)
        return [name for name in seen if name not in ("step", "phase")]

    def schedule(self) -> Schedule:
        """Return the turns that were applied, as a schedule that replays this run."""
        return Schedule((turn.step, turn.name, turn.new) for turn in self.turns)

    def truncate(self, step: int) -> None:
        """Forget everything at or after step ``step``: what a rewind does."""
        self.rows = [row for row in self.rows if row["step"] < step]
        self.turns = [turn for turn in self.turns if turn.step < step]
        self.timings = [clock for clock in self.timings if clock["step"] < step]
        # a sample stamped t was taken after t steps, so the one at `step` belongs to the past
        self.samples = [sample for sample in self.samples if sample["step"] <= step]
        whole_run = ("start", "blocked")
        self.events = [
            e for e in self.events
            if e["step"] < step or e["event"] in whole_run
            or (e["event"] == "branch" and e["step"] == step)
        ]  # fmt: skip

    def _records(self, name: str) -> Iterable[Mapping[str, Any]]:
        if name == "telemetry":
            return self.rows
        if name == "events":
            turns = [{"event": "turn", **asdict(turn)} for turn in self.turns]
            return sorted([*self.events, *turns], key=lambda record: record["step"])
        return getattr(self, name)

    def lines(self, name: str) -> str:
        """Return the text of ``<name>.jsonl``."""
        return "".join(json.dumps(record) + "\n" for record in self._records(name))

    def text(self) -> dict[str, str]:
        """Return the text of all files, as `parse` takes it."""
        return {name: self.lines(name) for name in self.FILES}

    def save(self, folder: str | Path) -> Path:
        """Write ``telemetry.jsonl``, ``events.jsonl``, ``samples.jsonl``, ``timings.jsonl``.

        NaN is written as ``NaN``, which pandas and DuckDB read. Each file is replaced whole.
        """
        folder = Path(folder)
        for name in self.FILES:
            atomic.write(folder / f"{name}.jsonl", self.lines(name).encode())
        return folder

    @classmethod
    def load(cls, folder: str | Path) -> "Telemetry":
        """Read what `save` wrote; a torn last line (a killed writer) is dropped."""
        folder = Path(folder)
        if not (folder / "telemetry.jsonl").exists():
            raise FileNotFoundError(f"{folder}: no telemetry.jsonl there; is it a run's folder?")
        files = {name: folder / f"{name}.jsonl" for name in cls.FILES}
        text = {n: f.read_text(encoding="utf-8") for n, f in files.items() if f.exists()}
        try:
            return cls.parse(text)
        except ValueError as error:
            raise ValueError(f"{folder}: {error}") from None

    @classmethod
    def parse(cls, text: Mapping[str, str]) -> "Telemetry":
        """Build telemetry from the text of its files, ``{"telemetry": ..., "events": ...}``.

        Raises ValueError, which names file and line, where one says what `save` never writes.
        """
        telemetry = cls()
        telemetry.rows = _parsed(text, "telemetry")
        telemetry.samples = _parsed(text, "samples")
        telemetry.timings = _parsed(text, "timings")
        for record in _parsed(text, "events"):
            if record["event"] == "turn":
                record.pop("event")
                telemetry.turns.append(Turn(**record))
            else:
                telemetry.events.append(record)
        counted = [r for r in (*telemetry.samples, *telemetry.events) if "cells" in r]
        if len(sizes := {len(r["cells"]) for r in counted}) > 1:
            said = " and ".join(map(str, sorted(sizes)))
            raise ValueError(f"samples.jsonl, events.jsonl: one run counted in {said} cells")
        return telemetry

    def __len__(self) -> int:
        return len(self.rows)

    def __repr__(self) -> str:
        counts = {"steps": len(self.rows), "turns": len(self.turns), "samples": len(self.samples)}
        notes = [e["event"] for e in self.events if e["event"] != "start"]
        said = ", ".join(f"{n} {kind}" for kind, n in counts.items())
        return f"Telemetry({said}{', ' + ', '.join(notes) if notes else ''})"


def _parsed(text: Mapping[str, str], name: str) -> list[dict[str, Any]]:
    records = []
    lines = text.get(name, "").split("\n")[:-1]  # what follows the last newline is torn, or empty
    for number, line in enumerate(lines, 1):
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{name}.jsonl, line {number}: not JSON ({error})") from None
        for field, kind, holds in _fields(name, record):
            if not holds:
                got = repr(record.get(field) if field else record)[:40]
                where = f"{field[:40]}: " if field else ""
                raise ValueError(f"{name}.jsonl, line {number}: {where}expected {kind}, got {got}")
        records.append(record)
    return records


def _fields(name: str, record: Any) -> Iterator[tuple[str, str, bool]]:
    """Yield what a line of ``<name>.jsonl`` must hold: the field, of which kind, whether it does.

    Only what anything reads as a number, a name or a mapping without asking.
    """
    yield "", "an object", isinstance(record, dict)
    yield "step", "a step, from 0", _number(record.get("step")) is int and record["step"] >= 0
    if name == "telemetry":
        yield "phase", "a name", isinstance(record.get("phase"), str)
        for field, value in record.items():
            yield field, "a number", field == "phase" or _number(value) is not None
    if name == "timings":
        yield "tokens_per_second", "a number", _number(record.get("tokens_per_second")) is not None
    if name == "samples" and "cells" in record:
        cells = record["cells"]
        yield "cells", "counts", _numbers(cells) and all(0 <= n < math.inf for n in cells)
    if name == "events":
        yield "event", "a name", isinstance(record.get("event"), str)
        if record["event"] == "turn":
            fields = {"event", *Turn.__dataclass_fields__}
            yield "", f"the fields {', '.join(sorted(fields))}", set(record) == fields
            yield "name", "a name", isinstance(record["name"], str)
            yield "old", "a number", _number(record["old"]) is not None
            yield "new", "a number", _number(record["new"]) is not None
        elif "cells" in record:
            yield "cells", "a list", isinstance(record["cells"], list)
        if record["event"] == "start":
            spec, floors = record.get("spec", {}), record.get("floors", {})
            yield "spec", "an object", isinstance(spec, dict)
            loss = spec.get("loss", "")
            named = isinstance(loss, str) or (isinstance(loss, dict) and len(loss) > 0)
            yield "spec", "a loss by name", named
            by_name = isinstance(floors, dict) and _numbers(list(floors.values()))
            yield "floors", "numbers by name", by_name


def _number(value: Any) -> type | None:
    """Return int or float, None where a value is no number or an int that no float can tell."""
    kind = type(value)
    return kind if kind is float or (kind is int and abs(value) <= 2**53) else None


def _numbers(values: Any) -> bool:
    return isinstance(values, list) and all(_number(value) is not None for value in values)
