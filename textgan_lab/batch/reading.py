"""One run folder, read: what its files say, and what state they leave the run in.

Read by whoever has only the folder: a run in work, a run that was killed, a copy cut short. What is
damaged is said, in the record itself, and never raised: the runs beside it are none the worse.
"""

import json
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

KEY = re.compile(r"[0-9a-f]{16}\Z")
PREFIX = re.compile(r"[0-9a-f]{4,16}\Z")
STATES = ("done", "failed", "unfinished", "unreadable")

# What a record may say, by its names in the files, and of which type.
_TYPES: dict[str, tuple[type, ...]] = {
    "parameters": (dict,), "files": (dict,), "metrics": (dict,), "result": (dict,),
    "findings": (list,), "notebook": (str,), "steps": (int,), "seconds": (int, float),
    "finished": (int, float),
}  # fmt: skip
_MOST = {"steps": 2**53, "seconds": 1e12, "finished": 9.2e9}  # pandas' clock ends in 2262


class UnknownRun(ValueError):
    """A key that no run has, or several, or that is no key."""


@dataclass(frozen=True)
class Recorded:
    """One folder as read: ``content`` is what its files say, under their names.

    ``state`` is one of `STATES`; ``error``, one line, says why a run failed or cannot be read.
    """

    folder: Path
    state: str
    error: str
    content: dict[str, Any]

    @property
    def key(self) -> str:
        """The name of the run."""
        return self.folder.name


def keys_in(root: Path) -> list[str]:
    """Return the keys of the run folders under ``root``; FileNotFoundError without ``root``."""
    if not root.is_dir():
        raise FileNotFoundError(
            f"{root}: no such folder of runs; textgan-lab run and sweep write into runs/, or "
            "where --root says"
        )
    return sorted(path.name for path in root.iterdir() if KEY.match(path.name) and path.is_dir())


def recorded(root: Path) -> list[Recorded]:
    """Return every run under ``root``, in the order in which they finished."""
    found = [record_of(root.absolute() / key) for key in keys_in(root)]
    # those without an end come last; keys stay in order where the clock does not tell
    return sorted(found, key=lambda record: record.content.get("finished", math.inf))


def record_of(folder: Path) -> Recorded:
    """Return what a run's folder says; a file that says nothing makes it unreadable."""
    damage: list[str] = []

    def part(name: str) -> dict[str, Any] | None:
        try:
            return _read(folder / name)
        except ValueError as error:
            damage.append(f"{name}: {error}")
            return None

    content = part("run.json")
    if content is not None:
        return Recorded(folder, "done", "", content)
    failure, given = part("error.json"), part("params.json")
    content = {**(part("result.json") or {}), **(failure or {}), **(given or {})}
    if given is None and not damage:
        damage.append("params.json: not there; the folder was not copied whole")
    if damage:
        return Recorded(folder, "unreadable", _line(damage[0]), content)
    if failure is None:
        return Recorded(folder, "unfinished", "", content)
    place = {"code cell": failure.get("cell"), "line": failure.get("line")}
    where = ", ".join(f"{what} {number}" for what, number in place.items() if number)
    said = [str(failure[name]) for name in ("error", "message") if failure.get(name)]
    return Recorded(folder, "failed", _line(": ".join(filter(None, [where, *said]))), content)


def _line(text: str) -> str:
    return next(iter(text.strip().splitlines()), "")


def _read(path: Path) -> dict[str, Any] | None:
    """Return the object in a file, None without the file; ValueError says what is wrong with it."""
    try:
        text = path.read_text(encoding="utf-8")
        content = json.loads(text)
        if "\\ud" in text.lower():  # JSON can spell half a character, which no table can hold
            json.dumps(content, ensure_ascii=False).encode()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror}") from None
    except RecursionError:
        raise ValueError("no record: nested too deeply") from None
    except ValueError as error:
        raise ValueError(f"not JSON in UTF-8: {error}") from None
    if not isinstance(content, dict):
        raise ValueError(f"expected an object, got {spelled(content)[:40]}")
    for name, kinds in _TYPES.items():
        if name in content and type(content[name]) not in kinds:
            kind = " or ".join(k.__name__ for k in kinds)
            raise ValueError(f"{name}: expected {kind}, got {spelled(content[name])[:40]}")
    if not all(isinstance(code, str) for code in content.get("findings", ())):
        raise ValueError(f"findings: expected codes, got {spelled(content['findings'])[:40]}")
    for name, most in _MOST.items():
        if not 0 <= content.get(name, 0) <= most:
            raise ValueError(f"{name}: expected 0 to {most:g}, got {spelled(content[name])[:40]}")
    return content


def find(root: str | Path, key: str) -> str:
    """Return the whole key of the one run that ``key``, 4 to 16 hex digits, is the start of.

    Raises:
        UnknownRun: no run, or more than one, or no key at all: a path, for one.
        FileNotFoundError: no such folder.
    """
    if not PREFIX.match(key):
        raise UnknownRun(f"{key!r} is no key of a run; expected 4 to 16 hex digits of one")
    found = [name for name in keys_in(Path(root)) if name.startswith(key)]
    if not found:
        raise UnknownRun(f"{root}: no run {key}; textgan-lab runs {root} lists them")
    if len(found) > 1:
        listed = ", ".join(found[:3]) + (", ..." if len(found) > 3 else "")
        raise UnknownRun(f"{root}: {key} is the start of {len(found)} runs: {listed}; write more")
    return found[0]


def spelled(value: Any) -> str:
    """Return text that tells values apart as JSON does, 1 from 1.0 and from true."""
    return json.dumps(value, sort_keys=True, default=str)
