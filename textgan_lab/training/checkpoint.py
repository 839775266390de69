"""Checkpoints: a file is either whole or refused; a folder keeps the last two, and ends.

A file begins with the sha256 of what follows, because torch does not notice flipped bits.
"""

import errno
import hashlib
import io
import re
import time
import warnings
from pathlib import Path
from typing import Any

import torch

from .. import atomic

MAGIC = b"textgan_lab checkpoint 1 sha256 "
FOLDER = "checkpoints"  # in a run's folder
KEPT = 2  # the newest, and one more should that be damaged


class DamagedCheckpoint(ValueError):
    """A file that is no checkpoint, or not what was once written; ``reason`` says which."""

    def __init__(self, message: str, reason: str = ""):
        super().__init__(message)
        self.reason = reason


def write(state: dict[str, Any], path: str | Path) -> Path:
    """Write ``state`` (tensors and plain Python values) to ``path``, atomically and durably."""
    payload = io.BytesIO()
    torch.save(state, payload)
    body = payload.getvalue()
    return atomic.write(path, MAGIC + hashlib.sha256(body).hexdigest().encode() + b"\n" + body)


def read(path: str | Path) -> dict[str, Any]:
    """Return the state in ``path``; no code in the file is ever run.

    Raises:
        FileNotFoundError: no such file.
        OSError: it cannot be read; names it.
        DamagedCheckpoint: the bytes are not those that were written.
    """
    try:
        with Path(path).open("rb") as file:
            header = file.readline(len(MAGIC) + 65)
            whole = header.startswith(MAGIC) and header.endswith(b"\n")
            body = file.read() if whole else b""
    except OSError as error:  # reading, unlike opening, does not say what
        raise OSError(error.errno, error.strerror, str(path)) from error
    if not whole:
        reason = "is no checkpoint of textgan_lab, or cut short"
    elif hashlib.sha256(body).hexdigest().encode() != header[len(MAGIC) : -1]:
        reason = "is damaged, its checksum does not match"
    else:
        return torch.load(io.BytesIO(body), map_location="cpu", weights_only=True)
    raise DamagedCheckpoint(f"{path} {reason}; go on from an earlier one", reason)


class Checkpoints:
    """A folder with the last two checkpoints of a run, ``step-000120.pt``, written by one process.

    ``ends`` are the steps at which a part of the run ended, where another part began: those
    checkpoints stay too, because whoever repeats the run goes through its parts in turn. What was
    half-written before ``since`` (unix seconds), by a writer that was killed, goes with the next
    save.
    """

    def __init__(self, folder: str | Path):
        self.folder = Path(folder)
        self.since = time.time()
        self.ends: set[int] = set()
        self._damaged: set[Path] = set()

    def paths(self) -> list[Path]:
        """Return the files, oldest step first."""
        return sorted((p for p in self.folder.glob("step-*.pt") if _step(p) >= 0), key=_step)

    def save(self, trainer: Any) -> Path:
        """Write where ``trainer`` stands; then, once that is on the disk, remove what is too old.

        What was saved at a later step, by a life of the run that had come further, stays until
        this one has passed it.
        """
        clear_scratch(self.folder, self.since)
        path = trainer.save(self.folder / f"step-{trainer.t:06d}.pt")
        self._damaged.discard(path)
        earlier = [p for p in self.paths() if _step(p) < trainer.t]
        whole = [p for p in earlier if p not in self._damaged]
        kept = {*whole[1 - KEPT :], *(p for p in whole if _step(p) in self.ends)}
        for other in earlier:
            if other not in kept:
                other.unlink()
        return path

    def newest(self, until: int | None = None) -> tuple[Path, dict[str, Any]] | None:
        """Return the newest whole one and its state; None when there is no file at all.

        One that is damaged is passed over with a warning that names it. ``until`` leaves out those
        of later steps, and then None means that there is no whole one among the others.

        Raises:
            DamagedCheckpoint: there are files, and none is whole; names them all.
            OSError: one cannot be read though nothing says that it is damaged: no right to, or a
                file server that is away.
        """
        paths = [p for p in self.paths() if until is None or _step(p) <= until]
        passed = []
        for path in reversed(paths):
            try:
                state = read(path)
            except DamagedCheckpoint as error:
                reason = error.reason
            except OSError as error:
                if error.errno != errno.EIO:  # a bad block of a disk
                    raise
                reason = f"cannot be read ({error.strerror})"
            else:
                _warn(passed, f"went on from {path.name}")
                return path, state
            passed.append((path, reason))
            self._damaged.add(path)
        if until is not None:
            _warn(passed, "went on without")
        if not passed or until is not None:
            return None
        named = "; ".join(f"{path.name} {reason}" for path, reason in passed)
        raise DamagedCheckpoint(
            f"{self.folder}: none of the checkpoints there is whole: {named}. Put back a copy, or "
            f"remove them to begin anew"
        )


def _warn(damaged: list[tuple[Path, str]], instead: str) -> None:
    for path, reason in damaged:
        warnings.warn(f"{path} {reason}: {instead}", RuntimeWarning, stacklevel=3)


def _step(path: Path) -> int:
    """Return the step in a checkpoint's name, -1 where the name is no checkpoint's."""
    named = re.fullmatch(r"step-(\d{6,})\.pt", path.name)
    return int(named[1]) if named else -1


def find(path: str | Path) -> tuple[Path, dict[str, Any]]:
    """Return a checkpoint and its state: ``path`` itself or, in a folder, the newest whole one.

    A folder is a run's or that of its checkpoints. Raises what `read` and `Checkpoints.newest`
    raise; FileNotFoundError when a folder holds none.
    """
    path = Path(path)
    if not path.is_dir():
        return path, read(path)
    folder = path / FOLDER if (path / FOLDER).is_dir() else path
    found = Checkpoints(folder).newest()
    if found is None:
        raise FileNotFoundError(f"{folder}: no checkpoint (step-000120.pt) there")
    return found


def clear_scratch(folder: Path, before: float) -> None:
    """Remove what writers that were killed left half-written in a folder.

    A file that was touched at or after ``before`` (unix seconds) may be some living writer's.
    """
    for scratch in folder.glob(".*.tmp"):
        if scratch.stat().st_mtime < before:
            scratch.unlink()
