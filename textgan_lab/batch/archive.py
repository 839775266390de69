"""Archives: the telemetry of many runs in one small file, as far as diagnoses and truths read it.

An archive is an ``.npz`` (a zip of arrays, compressed with LZMA): one array a column, the runs one
after the other, floats rounded to four significant digits and their bytes sorted by rank, because
signs and exponents repeat and last digits do not. The rows of play alone are kept; sentences,
points and the clock are left out.
"""

import json
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from .. import atomic
from ..telemetry import Telemetry

STEPWISE = (
    "d_loss", "d_loss.adversarial", "g_loss", "g_loss.adversarial", "d_accuracy", "d_logit_real",
    "d_logit_fake", "d_grad_norm", "g_grad_norm", "g_grad_cosine",
)  # fmt: skip
DROPPED_BITS = 11  # of a float32's 23 of fraction: the rounding error is at most 2^-13


@dataclass(frozen=True)
class Run:
    """A finished run: the setting and seed it was made with, its record, and facts of its data."""

    setting: str
    seed: int
    telemetry: Telemetry
    facts: Mapping[str, Any] = field(default_factory=dict)


def write(path: str | Path, runs: Iterable[Run]) -> Path:
    """Write runs as an archive; return its path."""
    index, columns, counts = [], {}, []
    for run in runs:
        rows = [row for row in run.telemetry.rows if row["phase"] == "adversarial"]
        measured = [row for row in rows if "d_accuracy_held_out" in row]
        looks = [s for s in run.telemetry.samples if "cells" in s and s["step"] > rows[0]["step"]]
        same = [
            name for name in STEPWISE
            if name.endswith(".adversarial")
            and all(row.get(name) == row.get(name.partition(".")[0]) for row in rows)
        ]  # fmt: skip
        since = {n: _since(n, rows) for n in STEPWISE if n not in same and n in rows[-1]}
        probes = [n for n in measured[-1] if n not in _stepwise(rows)] if measured else []
        for name, first in since.items():
            columns.setdefault(name, []).append([row[name] for row in rows[first:]])
        for name in probes:
            columns.setdefault(f"probe {name}", []).append([row[name] for row in measured])
        counts += [np.asarray(look["cells"]) for look in looks]
        start = next(e for e in run.telemetry.events if e["event"] == "start")
        index.append({
            "setting": run.setting, "seed": run.seed, "facts": dict(run.facts),
            "steps": [rows[0]["step"], rows[-1]["step"] + 1], "since": since, "same": same,
            "measured": [row["step"] for row in measured], "probes": probes,
            "looks": [look["step"] for look in looks],
            "cells": len(looks[0]["cells"]) if looks else 0,
            "start": {n: start[n] for n in ("spec", "floors") if n in start},
            "events": [e for e in run.telemetry.events if e["event"] != "start"],
        })  # fmt: skip
    arrays = {f"column {n}": _planes(np.concatenate(parts)) for n, parts in columns.items()}
    arrays["counts"] = np.concatenate([*counts, np.zeros(0, int)]).astype("<u2")
    arrays["index"] = np.frombuffer(json.dumps(index).encode(), np.uint8)
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_LZMA) as archive:
        for name, array in arrays.items():
            member = BytesIO()
            np.save(member, array)
            # a fixed date: the same runs make the same bytes
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), member.getvalue(), zipfile.ZIP_LZMA)
    return atomic.write(path, buffer.getvalue())


def read(path: str | Path) -> list[Run]:
    """Return the runs that `write` wrote.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a file that is no archive of runs.
    """
    try:
        with np.load(path) as archive:
            index = json.loads(archive["index"].tobytes())
            arrays = {name: archive[name] for name in archive.files if name != "index"}
    except (KeyError, ValueError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path}: no archive of runs ({error})") from None
    counts = arrays.pop("counts")
    columns = {n.removeprefix("column "): _numbers(planes) for n, planes in arrays.items()}
    taken = dict.fromkeys(columns, 0)

    def take(name: str, n: int) -> list[float]:
        taken[name] += n
        return columns[name][taken[name] - n : taken[name]].tolist()

    runs, used = [], 0
    for entry in index:
        telemetry, (begin, end) = Telemetry(), entry["steps"]
        telemetry.rows += [{"step": t, "phase": "adversarial"} for t in range(begin, end)]
        for name, first in entry["since"].items():
            for row, value in zip(
                telemetry.rows[first:], take(name, end - begin - first), strict=True
            ):
                row[name] = value
        for name in entry["same"]:
            for row in telemetry.rows[entry["since"].get(name.partition(".")[0], end) :]:
                row[name] = row[name.partition(".")[0]]
        for name in entry["probes"]:
            for step, value in zip(
                entry["measured"], take(f"probe {name}", len(entry["measured"])), strict=True
            ):
                telemetry.rows[step - begin][name] = value
        for step in entry["looks"]:
            cells = counts[used : used + entry["cells"]].tolist()
            telemetry.samples.append({"step": step, "cells": cells})
            used += entry["cells"]
        cells = [str(i) for i in range(entry["cells"])]
        start = {"event": "start", "step": 0, **entry["start"], "cells": cells}
        telemetry.events += [start, *entry["events"]]
        runs.append(Run(entry["setting"], entry["seed"], telemetry, entry["facts"]))
    return runs


def _since(name: str, rows: list[dict]) -> int:
    """Return from which row on a column is there: G may rest at first, not in between."""
    first = next(i for i, row in enumerate(rows) if name in row)
    gap = [row["step"] for row in rows[first:] if name not in row]
    if gap:
        raise ValueError(f"column {name}: missing at step {gap[0]}, after it had begun")
    return first


def _stepwise(rows: list[dict]) -> set[str]:
    """Return the columns that are recorded at every step, not measured now and then."""
    return {name for row in rows if "d_accuracy_held_out" not in row for name in row}


def _planes(values: np.ndarray) -> np.ndarray:
    """Return float32 values, rounded, as their four bytes sorted by rank: uint8 [4, n]."""
    bits = np.asarray(values, np.float32).view(np.uint32)
    finite = np.isfinite(values)
    dropped = np.uint32((1 << DROPPED_BITS) - 1)
    rounded = (bits + (dropped >> np.uint32(1))) & ~dropped
    bits = np.where(finite, rounded, bits).astype("<u4")
    return np.ascontiguousarray(bits.view(np.uint8).reshape(-1, 4).T)


def _numbers(planes: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(planes.T).view("<f4").reshape(-1).astype(float)
