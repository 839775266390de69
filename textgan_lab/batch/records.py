"""Run folders: what a run is called, who may write it, and when it is done.

A run lives in ``<root>/<key>/``. Its key is a hash of its `identity`: parameters and the files that
they name, the notebook's code, this library, torch, the kind of device. So the same work is never
done twice, and changed code never meets an old result; what is not in it, such as a module beside
the notebook, must not change between runs. ``run.json`` is written last and atomically: a run is
done when that file exists, and nothing else says so.
"""

import hashlib
import importlib.metadata
import json
import os
import platform
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .. import atomic
from .lock import PATIENCE, take_lock

RUN_FOLDER = "TEXTGAN_LAB_RUN"  # set in the kernel of a headless run: its folder
TAKEN = ("steps", "metrics", "findings", "result")  # of result.json, taken into run.json
PACKAGE = Path(__file__).resolve().parents[1]
CHECKOUT = PACKAGE.parent


class Busy(RuntimeError):
    """Another process is writing the same run."""


def canonical(value: Any) -> str:
    """Return ``value`` as JSON that has one spelling: sorted keys, no spaces, no NaN."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def source_hash() -> str:
    """Return the sha256 of this library's code and of the grammars that it ships."""
    files = [*PACKAGE.rglob("*.py"), *PACKAGE.rglob("*.yaml")]
    if (CHECKOUT / "pyproject.toml").exists():
        files += (CHECKOUT / "data").glob("*.yaml")
    digest = hashlib.sha256()
    for file in sorted(files):
        digest.update(file.relative_to(CHECKOUT).as_posix().encode() + b"\0")
        digest.update(file.read_bytes() + b"\0")
    return digest.hexdigest()


def device_class() -> str:
    """Return what ``device="auto"`` finds on this machine: ``cuda`` or ``cpu``."""
    if importlib.metadata.version("torch").endswith("+cpu"):  # it says so; importing it takes 1 s
        return "cpu"
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def surroundings() -> dict[str, str]:
    """Return what decides the results of all runs on this machine: library, torch, device."""
    return {
        "library": source_hash(),
        "torch": importlib.metadata.version("torch"),
        "device": device_class(),
    }


def identity(
    parameters: Mapping[str, Any],
    code: str,
    files: Mapping[str, str] | None = None,
    around: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return everything that decides the result of a run on this machine.

    Args:
        parameters: every parameter, those left at their defaults included.
        code: sha256 of the notebook's code cells.
        files: sha256 of each file that a parameter only names.
        around: `surroundings`, where many identities are asked for.
    """
    return {
        "parameters": dict(parameters),
        "code": code,
        "files": dict(files or {}),
        **(surroundings() if around is None else around),
    }


def key(identity: Mapping[str, Any]) -> str:
    """Return the name of a run: the first 16 hex digits of the sha256 of its canonical JSON.

    >>> key({"a": 1, "b": [2.5]}) == key({"b": [2.5], "a": 1}) != key({"a": 1, "b": [2.6]})
    True
    """
    return hashlib.sha256(canonical(identity).encode()).hexdigest()[:16]


def write_json(path: Path, content: Any, *, nan: bool = False) -> None:
    """Write ``content`` so that, whatever happens, ``path`` holds all of it or what it held.

    ``nan`` lets measured values be NaN or infinite; else that is a ValueError.
    """
    text = json.dumps(content, indent=1, sort_keys=True, allow_nan=nan)
    atomic.write(path, f"{text}\n".encode())


class Run:
    """The folder of one run: ``params.json``, what the run leaves, then ``run.json``."""

    def __init__(self, root: str | Path, identity: Mapping[str, Any]):
        self.identity = dict(identity)
        self.key = key(identity)
        self.folder = Path(root).absolute() / self.key

    @property
    def done(self) -> bool:
        """Whether the run was committed."""
        return (self.folder / "run.json").exists()

    def record(self) -> dict[str, Any]:
        """Return what ``run.json`` says; FileNotFoundError when the run is not done."""
        return json.loads((self.folder / "run.json").read_text(encoding="utf-8"))

    @contextmanager
    def writing(self, patience: float = 5.0) -> Iterator[None]:
        """Hold the right to write this run; the kernel of the system frees it if we die.

        Raises:
            Busy: another process held it for all of ``patience`` seconds.
            OSError: no right to write there, or a file system without locks; names the file.
        """
        # Beside the folders, not inside: `set_aside` renames the folder while the lock is held.
        locks = self.folder.parent / ".locks"
        locks.mkdir(parents=True, exist_ok=True)
        lock = take_lock(locks, patience, self.key)
        if lock is None:
            raise Busy(
                f"{self.folder}: another process is writing this run; wait for it, or stop it"
            )
        with lock:
            yield

    def set_aside(self) -> None:
        """Rename the folder to ``<key>.old-N``: repeating a run deletes nothing.

        Raises:
            Busy: a kernel whose runner died still writes there.
        """
        if not self.folder.exists():
            return
        lock = take_lock(self.folder, PATIENCE)
        if lock is None:
            raise Busy(f"{self.folder}: a kernel is still writing this run; stop it")
        with lock:
            number = 1
            while (old := self.folder.with_name(f"{self.key}.old-{number}")).exists():
                number += 1
            if os.name != "posix":  # Windows renames no folder in which a file is open
                lock.release()
            self.folder.rename(old)

    def begin(self) -> None:
        """Write ``params.json`` and forget an earlier outcome; files for a resume stay."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for outcome in ("error.json", "result.json"):
            (self.folder / outcome).unlink(missing_ok=True)
        write_json(self.folder / "params.json", self.identity)

    def fail(self, **error: Any) -> None:
        """Write ``error.json``: a failed run is not done, and says why."""
        write_json(self.folder / "error.json", error)

    def commit(self, **result: Any) -> None:
        """Write ``run.json``, last of all; what ``result.json`` says under `TAKEN` is in it."""
        kept = self.folder / "result.json"
        if kept.exists():
            said = json.loads(kept.read_text(encoding="utf-8"))
            result |= {name: said[name] for name in TAKEN if name in said}
        machine = {"python": platform.python_version(), "platform": platform.platform()}
        write_json(
            self.folder / "run.json",
            {**self.identity, "key": self.key, "finished": time.time(), **machine, **result},
            nan=True,
        )
