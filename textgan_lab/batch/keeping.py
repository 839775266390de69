"""What a headless run leaves in its folder while it trains, and how it goes on after a kill.

In a notebook that somebody works in there is no such folder: nothing is written then.
"""

import json
import os
import time
import weakref
from pathlib import Path
from typing import Any

from ..diagnostics import Watch, diagnose
from ..telemetry import Telemetry
from ..training import Trainer
from ..training.checkpoint import FOLDER, Checkpoints, clear_scratch
from . import plain
from .records import RUN_FOLDER, write_json

SHARE = 0.05  # of the time that a run has taken so far: saving takes no more

BEGAN = time.time()  # the process; what was left half-written before is a dead one's

_checkpoints: weakref.WeakKeyDictionary[Any, Checkpoints] = weakref.WeakKeyDictionary()


def keep(source: Any = None, /, **result: Any) -> Path | None:
    """Leave a record and ``result.json`` in this headless run's folder; of a trainer a checkpoint.

    Returns the folder, or None, having written nothing, in a notebook that somebody works in.
    ``result.json`` holds ``result`` and, where there is a record, ``steps``; ``metrics``, the value
    of each column where it was last measured, NaN if that is what it was; and ``findings``, the
    codes of `diagnose`. A page may call it again: what is named again is replaced.

    Args:
        source: whose record it is: a trainer, a `Watch` of a loop of your own, or nobody.
        result: what else the page found, as plain data: numbers (NaN too), text, lists, dicts.

    Raises:
        TypeError: a source without a record.
        ValueError: a result that is not plain data, or whose name is no identifier; says which.
        OSError: the folder cannot be written; names the file.
    """
    if not isinstance(source, Trainer | Watch | None):
        raise TypeError(f"keep: expected a Trainer or a Watch, got {type(source).__name__}")
    for name, value in result.items():
        if not name.isidentifier():
            raise ValueError(f"keep: {name!r} cannot name a result; use letters, digits and _")
        plain.check(value, f"keep: {name}", nan=True)
    if RUN_FOLDER not in os.environ:
        return None
    folder = Path(os.environ[RUN_FOLDER])
    if isinstance(source, Trainer):
        _save(source, folder, _checkpoints_of(source, folder))
    elif source is not None:
        clear_scratch(folder, BEGAN)
        source.telemetry.save(folder)
    path = folder / "result.json"
    kept = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"result": {}}
    said = {} if source is None else _said(source.telemetry)
    write_json(path, {**kept, **said, "result": {**kept["result"], **result}}, nan=True)
    return folder


def carry_on(trainer: Any, until: int, every: int = 100) -> Any:
    """Train to step ``until``, going on from where this run was killed; return the trainer.

    In a headless run whose folder holds a checkpoint, the trainer first takes its place there:
    weights, moments, random streams, knobs, turns and record. Then, and while it trains, what is
    needed to go on again is saved. On CPU the run ends bit for bit as one that was never killed. It
    ends early where training stopped because it diverged. A page may call it again, to train on
    with other knobs: killed there, the run goes on there, and one checkpoint of each call stays.
    Without a run's folder it only trains.

    Args:
        trainer: as the page made it; a run has one.
        until: the step to reach, counted from the very first.
        every: save at multiples of it, but so seldom that saving takes at most a twentieth of the
            time; and at the end.

    Raises:
        ValueError: ``until`` was passed already; ``every`` below 1; or the checkpoint is of another
            spec, schedule, data or kind of device, which it names.
        DamagedCheckpoint: there are checkpoints, and none is whole.
        OSError: the folder cannot be written, or a checkpoint not read though it may be whole;
            names the file. What was saved before stays.
    """
    if every < 1:
        raise ValueError(f"carry_on: every={every}: expected 1 step or more")
    if until < trainer.t:
        raise ValueError(f"carry_on: until={until} was passed: the trainer is at step {trainer.t}")
    if RUN_FOLDER not in os.environ:
        return trainer.run(until - trainer.t)
    folder = Path(os.environ[RUN_FOLDER])
    checkpoints = _checkpoints_of(trainer, folder)
    note = _go_on(trainer, until, checkpoints)
    stopped = bool(note) and trainer.diverged
    begin, spent = time.perf_counter(), 0.0
    for _ in trainer.watched(0 if stopped else until - trainer.t, note=note):
        start = time.perf_counter()
        due = trainer.t % every == 0 and trainer.t < until
        if due and spent <= SHARE * (start - begin):
            trainer.flush()
            if not trainer.diverged:  # what it did before it stopped is not to be gone on from
                _save(trainer, folder, checkpoints)
            spent += time.perf_counter() - start
    _save(trainer, folder, checkpoints)
    checkpoints.ends.add(trainer.t)
    return trainer


def _checkpoints_of(trainer: Any, folder: Path) -> Checkpoints:
    """Return the trainer's checkpoints in a run's folder, which know where earlier calls ended."""
    known = _checkpoints.get(trainer)
    if known is None or known.folder != folder / FOLDER:
        known = _checkpoints[trainer] = Checkpoints(folder / FOLDER)
    return known


def _go_on(trainer: Any, until: int, checkpoints: Checkpoints) -> str:
    """Take the trainer to the run's newest checkpoint, if that is ahead of it; say so."""
    found = checkpoints.newest()
    if found is not None and found[1]["t"] > until:  # saved by a later call of the page
        trainer.check(found[1], found[0])
        found = checkpoints.newest(until)
    if found is None:
        return ""
    path, state = found
    if state["t"] <= trainer.t:
        trainer.check(state, path)
        return ""
    trainer.take(state, path)
    return f"Went on from step {trainer.t}"


def _save(trainer: Any, folder: Path, checkpoints: Checkpoints) -> None:
    clear_scratch(folder, checkpoints.since)
    checkpoints.save(trainer)
    trainer.telemetry.save(folder)


def _said(telemetry: Telemetry) -> dict[str, Any]:
    """Return what ``result.json`` holds of a record; NaN and infinity as they were measured."""
    latest = {}
    for row in telemetry.rows:
        latest.update(row)
    return {
        "steps": latest.get("step", -1) + 1,
        "metrics": {name: latest[name] for name in telemetry.columns()},
        "findings": diagnose(telemetry).codes,
    }
