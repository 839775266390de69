"""Signals: what is known of a run up to one moment, as arrays that grow as the run does.

A *moment* is a measured row of play, one `STRIDE` rows after the moment before it, or the first
with a number that was lost (not finite).
Whatever is read at a moment depends on nothing later, so that a run is judged alike while it runs
and when it is over. What only a known law can tell (`TRUTH`) is not taken in: no diagnosis can lean
on what a real corpus lacks.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..metrics.modes import histogram_js, histogram_js_floor
from ..telemetry import Telemetry

STRIDE = 50  # rows between moments where nothing is measured
TRUTH = ("js", "js_se", "bayes_accuracy", "possible", "oracle_nll", "modes")  # and mode.<name>
MEASURED = ("cells_entropy", "d_accuracy_held_out", "held_out_nll", "unique_ratio")
HISTORY = 2048  # rows of a history at most, so that a look costs the same in a long run
WINDOW_SHARE = 0.5  # of play so far; a window is its newest part
SERIES = 64  # newest measurements that are correlated
WINDOW = (4, 20)  # moments: fewer say nothing about time, more would outlive a cure for long


class NotApplicable(Exception):
    """A diagnosis cannot tell; the message says what is missing."""


@dataclass(frozen=True)
class Family:
    """What is fixed by the loss: D's value at equilibrium, and how G's gradient is weighed.

    ``balance`` is D's adversarial loss when it tells nothing apart, the sum of both halves in nats,
    None without a scale of its own; ``weight`` the size of the derivative of the generator's loss
    by the logit s of a fake.
    """

    balance: float | None = None
    weight: Callable[[float], float] = lambda s: 1.0


def _sigmoid(s: float) -> float:
    return 0.5 * (1 + math.tanh(s / 2))


FAMILIES: Mapping[str, Family] = {
    "saturating": Family(2 * math.log(2), _sigmoid),
    "non_saturating": Family(2 * math.log(2), lambda s: _sigmoid(-s)),
    "reverse_kl": Family(2 * math.log(2)),
    "forward_kl": Family(2 * math.log(2), lambda s: math.exp(s) if s <= 10 else 0.0),
    "boundary_seeking": Family(2 * math.log(2), lambda s: 2 * abs(s)),
    "least_squares": Family(weight=lambda s: 2 * abs(s - 1)),  # its scale starts at 1/2, not 0
    "wasserstein": Family(),
    "hinge": Family(2.0),
    "total_variation": Family(weight=lambda s: 1 - math.tanh(s) ** 2),  # balanced at 0: no share
    "relativistic": Family(math.log(2), lambda s: _sigmoid(-s)),  # s is a lead over real rows
    "relativistic_average": Family(2 * math.log(2), lambda s: 2 * _sigmoid(-s)),  # as there
}


def started(telemetry: Telemetry) -> Mapping[str, Any]:
    """Return the event that says how a run was begun; empty when there is none."""
    return next((e for e in telemetry.events if e["event"] == "start"), {})


def histograms(telemetry: Telemetry, of: str = "cells") -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Return what fakes were like over time: steps [W], shares [W, K] and the names of the K.

    Args:
        of: "cells", counted without any law, or "modes", those of a known law, "none" last.

    Raises KeyError when the record has none of these, ValueError for another ``of``.
    """
    if of not in ("cells", "modes"):
        raise ValueError(f"histograms of {of!r}: expected 'cells' or 'modes'")
    if of == "cells":
        start = started(telemetry)
        looks = [sample for sample in telemetry.samples if "cells" in sample]
        if not looks or "cells" not in start:
            raise KeyError("this record has no counts in cells: was probe_every 0?")
        counts, names = np.array([look["cells"] for look in looks], float), start["cells"]
        steps = [look["step"] - 1 for look in looks]  # as the row that the look was taken at
        return np.array(steps), counts / counts.sum(1, keepdims=True), list(names)
    names = [name for name in telemetry.columns() if name.startswith("mode.")]
    rows = [row for row in telemetry.rows if names and names[0] in row]
    if not rows:
        raise KeyError("this record has no modes: its data have no law with named modes")
    shares = np.array([[row[name] for name in names] for row in rows])
    return np.array([r["step"] for r in rows]), shares, [n.removeprefix("mode.") for n in names]


FINITE = ("d_loss", "g_loss", "d_grad_norm", "g_grad_norm")


def _lost(row: Mapping[str, Any]) -> list[str]:
    return [name for name in FINITE if name in row and not math.isfinite(row[name])]


class Signals:
    """The arrays of one record up to the newest moment that `advance` reached.

    >>> telemetry = Telemetry()
    >>> telemetry.rows += [{"step": t, "phase": "adversarial", "d_loss": 1.0} for t in range(101)]
    >>> signals = Signals(telemetry)
    >>> signals.advance(), signals.step, signals.advance(), signals.step, signals.advance()
    (True, 49, True, 99, False)
    """

    def __init__(self, telemetry: Telemetry):
        self.telemetry = telemetry
        start = started(telemetry)
        choice = start.get("spec", {}).get("loss", "unknown")
        self.loss: str = choice if isinstance(choice, str) else next(iter(choice))
        self.family = FAMILIES.get(self.loss, Family())
        self.floors: Mapping[str, float] = start.get("floors", {})
        self._cells = "cells" in start
        self._seen: Any = None  # the row read last
        self._read = self._sampled = self._rows = 0  # records taken in so far
        self._index: dict[str, int] = {}
        self._table = np.full((256, 32), np.nan)
        self._counts: np.ndarray | None = None  # of the newest look, and ...
        self._changes: list[float] = []  # ... the JS from each look to the next, less its floor
        self._measured: list[int] = []  # rows of play, and ...
        self._moments: list[int] = []  # ... where those and the other moments are
        self._steps: list[int] = []
        self.lost = 0  # losses and norms of gradients that were NaN or infinite
        self._between: dict[str, list[float]] = {}  # medians between measurements
        self._cache: dict[Any, Any] = {}

    # ---- taking in ------------------------------------------------------------------------------

    @property
    def stale(self) -> bool:
        """Whether what was taken in is no longer the record's past: the run was rewound."""
        rows = self.telemetry.rows
        return self._read > 0 and (len(rows) < self._read or rows[self._read - 1] is not self._seen)

    def advance(self) -> bool:
        """Take in rows up to the next moment; False, with nothing taken in, if there is none yet.

        The newest row counts once it is measured or followed by another: what is measured at a
        step is added to its row later. One with a lost number counts at once, as not measured.
        """
        rows, since = self.telemetry.rows, self._moments[-1] if self._moments else -1
        end, play = self._read, self._rows
        while end < len(rows):
            row, newest = rows[end], end == len(rows) - 1
            if row["phase"] == "adversarial":
                lost = not self.lost and bool(_lost(row))
                measured = not lost and self._is_measured(row, newest)
                if lost or measured or (play - since == STRIDE and not newest):
                    break
                play += 1
            end += 1
        else:
            return False
        for row in rows[self._read : end + 1]:
            if row["phase"] == "adversarial":
                self._take(row)
        self._read, self._seen = end + 1, rows[end]
        self._moments.append(self._rows - 1)
        if measured:
            self._measured.append(self._rows - 1)
            self._count(self._seen["step"] + 1)
        self._cache.clear()
        return True

    def _is_measured(self, row: Mapping[str, Any], newest: bool) -> bool:
        if not any(name in row for name in MEASURED):
            return False
        samples = self.telemetry.samples  # the counts of a measurement are written after its row
        late = self._cells and (not samples or samples[-1]["step"] <= row["step"])
        return not (newest and late)

    def _take(self, row: Mapping[str, Any]) -> None:
        if self._rows == len(self._table):
            self._table = np.vstack([self._table, np.full_like(self._table, np.nan)])
        line = self._table[self._rows]
        for name, value in row.items():
            at = self._index.get(name)
            if at is None:
                at = self._add(name)
                line = self._table[self._rows]
            if at >= 0:
                line[at] = value
        self.lost += len(_lost(row))
        self._steps.append(row["step"])
        self._rows += 1

    def _add(self, name: str) -> int:
        known = name in ("step", "phase", *TRUTH) or name.startswith("mode.")
        at = -1 if known else 1 + max(self._index.values(), default=-1)
        if at == self._table.shape[1]:
            self._table = np.hstack([self._table, np.full_like(self._table, np.nan)])
        self._index[name] = at
        return at

    def _count(self, step: int) -> None:
        samples = self.telemetry.samples
        while self._sampled < len(samples) and samples[self._sampled]["step"] <= step:
            sample = samples[self._sampled]
            if sample["step"] == step and "cells" in sample:
                counts, before = np.asarray(sample["cells"], float), self._counts
                if before is not None:
                    cells = np.count_nonzero(counts + before)
                    floor = histogram_js_floor(cells, round(counts.sum()), round(before.sum()))
                    self._changes.append(histogram_js(before, counts) - floor)
                self._counts = counts
            self._sampled += 1

    # ---- reading --------------------------------------------------------------------------------

    @property
    def step(self) -> int:
        """The step of the newest moment."""
        return self._steps[self._moments[-1]]

    @property
    def blocked(self) -> bool:
        """Whether the run says of itself that no gradient reaches G."""
        return any(event["event"] == "blocked" for event in self.telemetry.events)

    @property
    def text(self) -> bool:
        """Whether what is generated are sentences."""
        return "unique_ratio" in self._index

    @property
    def quality(self) -> str:
        """The column that says how far fakes are from real data, without any law; 0 is best.

        Text with a likelihood: held_out_nll, nats a token; else cells_js, nats.
        """
        return "held_out_nll" if self.has("held_out_nll") else "cells_js"

    def floor(self, name: str) -> float:
        """Return what fresh real data score on ``name``; NotApplicable when it was not taken."""
        if name not in self.floors:
            raise NotApplicable(f"the record lacks what real data score on {name}")
        return self.floors[name]

    def has(self, name: str) -> bool:
        """Return whether a column was ever recorded in play."""
        return self._index.get(name, -1) >= 0

    def recent(self, name: str) -> np.ndarray:
        """Return the values of a column in the window of newest moments, oldest first."""
        return self._once("recent", name, lambda: self._values(name, self._begin(self._moments)))

    def history(self, name: str, less: str = "") -> np.ndarray:
        """Return a column in play up to now, evenly thinned out in a long run.

        ``less`` names one that is subtracted from it, row by row.
        """
        return self._once("history", (name, less), lambda: self._values(name, 0, less))

    def newest(self, name: str) -> np.ndarray:
        """Return the newest values of a column in play, `HISTORY` at most, with none left out."""
        begin = max(0, self._moments[-1] + 1 - HISTORY)
        return self._once("newest", name, lambda: self._values(name, begin))

    def measured(self, name: str, beside: str = "") -> np.ndarray:
        """Return what the measurements of the window found; NotApplicable with fewer than four.

        With ``beside``, two rows: also what the same measurements found of that, maybe NaN.
        """
        rows = self._measured[-self._width(self._measured) :]
        return self._once("measured", (name, beside), lambda: self._at(name, rows, beside))

    def series(self, *names: str) -> list[np.ndarray]:
        """Return columns side by side at all measurements: each the median since the one before.

        What is measured itself has one value there; what is recorded at every step has many.
        """
        return self._once("series", names, lambda: self._series(names))

    def turnover(self) -> float:
        """Return the mean JS between fakes' histograms of successive looks in the window, nats.

        Its sampling floor is taken off. Rotation changes the histogram from look to look; learning
        drifts, which would add up in a temporal JS over the whole window and hardly shows here.
        """
        return self._once("turnover", "", self._turnover)

    def latest(self, name: str) -> float:
        """Return the median of a column's window, one number against noise."""
        return self._once("latest", name, lambda: float(np.median(self.recent(name))))

    def typical(self, name: str) -> float:
        """Return the median of the window's measurements of a column."""
        return self._once("typical", name, lambda: float(np.median(self.measured(name))))

    @property
    def play(self) -> int:
        """How many steps of play were taken in."""
        return self._moments[-1] + 1

    def _once(self, kind: str, name: Any, compute: Callable[[], Any]) -> Any:
        key = kind, name
        if key not in self._cache:
            self._cache[key] = compute()
        return self._cache[key]

    def _width(self, moments: list) -> int:
        """Return how many of the moments make the window."""
        least, most = WINDOW
        return min(most, max(least, round(WINDOW_SHARE * len(moments))))

    def _begin(self, moments: list[int]) -> int:
        if len(moments) < WINDOW[0]:
            raise NotApplicable(f"play has {len(moments)} moments so far; {WINDOW[0]} are needed")
        width = self._width(moments)
        return 0 if width >= len(moments) else moments[-width - 1] + 1

    def _recorded(self, name: str) -> int:
        """Return where a column stands in the table; NotApplicable when it is nowhere."""
        at = self._index.get(name, -1)
        if at < 0:
            raise NotApplicable(f"{name} was not recorded")
        return at

    def _values(self, name: str, begin: int, less: str = "") -> np.ndarray:
        end = self._moments[-1] + 1
        stride = -(-(end - begin) // HISTORY)
        rows = slice(begin + (end - begin - 1) % stride, end, stride)
        values = self._table[rows, self._recorded(name)]
        if less:
            with np.errstate(invalid="ignore"):  # inf - inf is dropped below
                values = values - self._table[rows, self._recorded(less)]
        values = values[np.isfinite(values)]
        if not len(values):
            raise NotApplicable(f"{name} was not recorded lately")
        return values

    def _at(self, name: str, rows: list[int], beside: str = "") -> np.ndarray:
        at = self._index.get(name, -1)
        if at < 0:
            raise NotApplicable(f"{name} was not measured")
        values = self._table[rows, at]
        there = np.isfinite(values)
        if there.sum() < WINDOW[0]:
            raise NotApplicable(
                f"{name} was measured {there.sum()} times so far; {WINDOW[0]} are needed"
            )
        if not beside:
            return values[there]
        return np.stack([values, self._table[rows, self._recorded(beside)]])[:, there]

    def _turnover(self) -> float:
        width = self._width(self._measured) - 1  # so many changes between as many looks
        if len(self._changes) < WINDOW[0] - 1:
            raise NotApplicable(
                f"samples were counted {len(self._changes) + 1} times so far; "
                f"{WINDOW[0]} are needed"
            )
        return max(0.0, float(np.mean(self._changes[-width:])))

    def _series(self, names: tuple[str, ...]) -> list[np.ndarray]:
        sides = [self._medians(name) for name in names]
        there = np.isfinite(sides).all(0)
        if there.sum() < 2 * WINDOW[0]:
            raise NotApplicable(
                f"{' and '.join(names)} were measured together {there.sum()} times so far; "
                f"{2 * WINDOW[0]} are needed"
            )
        return [side[there] for side in sides]

    def _medians(self, name: str) -> np.ndarray:
        """Return medians of a column between the newest measurements, NaN without any value."""
        at = self._recorded(name)
        kept = self._between.setdefault(name, [])
        for i in range(len(kept), len(self._measured)):
            begin = self._measured[i - 1] + 1 if i else 0
            values = self._table[begin : self._measured[i] + 1, at]
            values = values[np.isfinite(values)]
            kept.append(float(np.median(values)) if len(values) else math.nan)
        return np.array(kept[-SERIES:])
