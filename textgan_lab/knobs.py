"""Knobs: what can be turned while a run goes on, and the schedule that a session of turns becomes.

Host side only; no torch. `training.live` mirrors the values on the device. Any thread may call
`Knobs.set`; the trainer reads one immutable snapshot at the head of each step.
"""

import json
import math
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from numbers import Real
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from . import atomic
from .catalogue import UnknownName


@dataclass(frozen=True)
class Knob:
    """One thing that can be turned: its default, what is legal, what a slider shows, and why.

    ``bounds`` are the legal values, both ends included; ``slider`` is the part of them a slider
    covers. An ``integer`` knob is a count that steers the host's loop.
    """

    name: str
    default: float
    bounds: tuple[float, float]
    meaning: str
    unit: str = ""
    player: Literal["d", "g", "both"] = "both"
    scale: Literal["linear", "log"] = "linear"
    slider: tuple[float, float] | None = None
    integer: bool = False

    @property
    def shown(self) -> tuple[float, float]:
        """The range a slider covers."""
        return self.slider or self.bounds

    def check(self, value: Any) -> float:
        """Return ``value`` as a number; raise ValueError or TypeError naming knob and range."""
        if isinstance(value, bool) or not isinstance(value, Real):
            raise TypeError(f"knob {self.name}: expected a number, got {value!r}")
        low, high = self.bounds
        if not (math.isfinite(value) and low <= value <= high):
            raise ValueError(f"knob {self.name}: {value!r} is outside [{low:g}, {high:g}]")
        if self.integer:
            if value != int(value):
                raise ValueError(f"knob {self.name}: expected a whole number, got {value!r}")
            return int(value)
        return float(value)


@dataclass(frozen=True)
class Snapshot:
    """The values of all knobs at one version, and who set each of them last."""

    version: int
    values: Mapping[str, float]
    sources: Mapping[str, str]


@dataclass(frozen=True)
class Turn:
    """Knob ``name`` went from ``old`` to ``new`` just before step ``step`` was computed."""

    step: int
    name: str
    old: float
    new: float
    source: str = "user"


class Knobs:
    """The host copy of every knob of a run.

    >>> knobs = Knobs([Knob("d_lr", 2e-4, (0, 1), "step size of D", player="d", scale="log")])
    >>> knobs.set(d_lr=1e-3); knobs["d_lr"], knobs.read().version
    (0.001, 1)
    >>> knobs.set(d_lr=2)
    Traceback (most recent call last):
    ValueError: knob d_lr: 2 is outside [0, 1]
    """

    __slots__ = ("_lock", "_snapshot", "table")  # knobs.d_lr = 1 must not pass for a turn

    def __init__(self, knobs: Iterable[Knob], values: Mapping[str, float] | None = None):
        self.table = {knob.name: knob for knob in knobs}
        start = {name: knob.check(knob.default) for name, knob in self.table.items()}
        start.update(self.check(values or {}))
        self._lock = threading.Lock()
        sources = dict.fromkeys(start, "default")
        self._snapshot = Snapshot(0, MappingProxyType(start), MappingProxyType(sources))

    def check(self, changes: Mapping[str, Any]) -> dict[str, float]:
        """Return the changes as numbers; raise what `set` raises, without turning anything."""
        for name in changes:
            if name not in self.table:
                raise UnknownName(f"unknown knob {name!r}; this run has: {', '.join(self.table)}")
        return {name: self.table[name].check(value) for name, value in changes.items()}

    def set(self, _changes: Mapping[str, float] | None = None, *, source: str = "user", **changes):
        """Turn knobs, all or none; the next step uses them. Safe from any thread.

        A dotted name goes into a mapping: ``knobs.set({"gradient_penalty.weight": 1.0})``.

        Raises:
            UnknownName: a name this run does not have.
            ValueError, TypeError: a value outside its range, or no number.
        """
        self.put({**(_changes or {}), **changes}, source)

    def put(self, changes: Mapping[str, float], source: str) -> Snapshot:
        """Do what `set` does, and return the snapshot that came of it."""
        checked = self.check(changes)
        with self._lock:
            old = self._snapshot
            values = MappingProxyType({**old.values, **checked})
            sources = MappingProxyType({**old.sources, **dict.fromkeys(checked, source)})
            self._snapshot = Snapshot(old.version + 1, values, sources)
            return self._snapshot

    def read(self) -> Snapshot:
        """Return the newest snapshot: one reference, no lock, never half a change."""
        return self._snapshot

    def __getitem__(self, name: str) -> float:
        return self._snapshot.values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.table)

    def __repr__(self) -> str:
        width = max(map(len, self.table), default=0)
        values = self._snapshot.values
        return "\n".join(
            f"{name:<{width}}  {values[name]:<10g} {knob.meaning}"
            + (f" [{knob.unit}]" if knob.unit else "")
            for name, knob in self.table.items()
        )


class Schedule:
    """Turns that are due: ``[step, name, value]`` triples, in order of step.

    A live session exports one; a notebook parameter or a JSON file holds one as it is. One that
    came from a ``session`` knows its spec, its data's fingerprint and its number of steps.

    >>> decay = Schedule.following("g_lr", lambda t: 5e-3 * (1200 / t) ** 2, range(1200, 1203))
    >>> Schedule([[0, "d_noise", 0.5]]).due(0), len(decay), decay.due(1200)
    ({'d_noise': 0.5}, 3, {'g_lr': 0.005})
    """

    def __init__(
        self,
        entries: Iterable[Iterable[Any]] = (),
        session: Mapping[str, Any] | None = None,
    ):
        self.session = session
        self.entries: list[tuple[int, str, float]] = []
        for entry in entries:
            entry = tuple(entry)
            if (
                len(entry) != 3
                or isinstance(entry[0], bool)
                or not isinstance(entry[0], int)
                or entry[0] < 0
                or not isinstance(entry[1], str)
                or isinstance(entry[2], bool)
                or not isinstance(entry[2], Real)
            ):
                raise ValueError(f"schedule: expected [step, knob, value], got {list(entry)!r}")
            self.entries.append(entry)
        self.entries.sort(key=lambda entry: entry[0])  # stable: later entries of a step win
        self._due: dict[int, dict[str, float]] = {}
        for step, name, value in self.entries:
            self._due.setdefault(step, {})[name] = value

    @classmethod
    def following(cls, name: str, value: Callable[[int], float], steps: Iterable[int]):
        """Turn knob ``name`` to ``value(t)`` at every ``t`` in ``steps``: a decay, an annealing."""
        return cls((t, name, value(t)) for t in steps)

    @classmethod
    def load(cls, path: str | Path) -> "Schedule":
        """Read the schedule in a file that `LiveLab.export` or `Schedule.save` wrote.

        Raises:
            FileNotFoundError: no such file.
            ValueError: a file that holds neither.
        """
        try:
            return cls.parse(json.loads(Path(path).read_text(encoding="utf-8")))
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{path}: not a session or schedule ({error})") from None

    @classmethod
    def parse(cls, content: Any) -> "Schedule":
        """Build a schedule from what `content` returned."""
        if isinstance(content, dict):
            missing = {"spec", "data", "steps", "schedule"} - set(content)
            if missing:
                raise ValueError(f"no {', '.join(sorted(missing))}: export the session again")
            session = {name: content[name] for name in ("spec", "data", "steps")}
            return cls(content["schedule"], session)
        return cls(content)

    def content(self) -> Any:
        """Return the schedule as lists, or, from a session, as a mapping; JSON holds it."""
        entries = [list(entry) for entry in self.entries]
        return entries if self.session is None else {**self.session, "schedule": entries}

    def save(self, path: str | Path) -> None:
        """Write `content` as JSON."""
        atomic.write(path, json.dumps(self.content(), indent=1).encode())

    def check(self, knobs: Knobs, spec: Mapping[str, Any], data: str) -> None:
        """Raise ValueError when a run with these knobs, spec and data fingerprint cannot follow.

        A session replays on its own spec and data only; the device may differ.
        """
        if self.session is not None:
            now = {**json.loads(json.dumps(spec)), "data's sha256": data[:12]}
            then = {**self.session["spec"], "data's sha256": self.session["data"][:12]}
            other = [
                f"{field}={then.get(field)!r} (here {now.get(field)!r})"
                for field in sorted({*now, *then} - {"device"})
                if now.get(field) != then.get(field)
            ]
            if other:
                raise ValueError(
                    f"this session was made with {', '.join(other)}; to make its turns on another "
                    f"run all the same, give Schedule(list(schedule))"
                )
        for step, name, value in self.entries:
            try:
                knobs.check({name: value})
            except (ValueError, TypeError) as error:
                raise ValueError(f"schedule, step {step}: {error}") from None

    def due(self, step: int) -> Mapping[str, float]:
        """Return the knobs to turn just before step ``step``."""
        return self._due.get(step, {})

    def __add__(self, other: "Schedule") -> "Schedule":
        return Schedule([*self.entries, *other.entries])

    def __len__(self) -> int:
        return len(self.entries)

    def __iter__(self) -> Iterator[tuple[int, str, float]]:
        return iter(self.entries)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Schedule) and self.entries == other.entries

    def __repr__(self) -> str:
        return f"Schedule({[list(entry) for entry in self.entries]!r})"
