"""Whole files: after a kill, a full disk or a power cut a path holds all of it, or the old."""

import errno
import os
import secrets
from pathlib import Path

BINARY = getattr(os, "O_BINARY", 0)  # Windows would turn line feeds into two bytes


def write(path: str | Path, content: bytes | memoryview) -> Path:
    """Replace the file at ``path`` by ``content``, atomically and durably; return the path.

    Written beside its place, flushed to the disk, then moved over; several writers do not mix.
    Raises OSError (disk full, no right to write), which names ``path``, with the old file intact
    and no scratch file left; if only the folder could not be flushed, the new file is in place.
    """
    path = Path(path)
    try:
        _replace(path, content)
    except OSError as error:
        # a full disk does not say which file it refused, and a scratch file's name tells nobody
        raise OSError(error.errno, error.strerror, str(path)) from error
    return path


def move(source: str | Path, path: str | Path) -> Path:
    """Move a file over ``path``, in the same folder, as durably as `write`; return the path.

    For a file that something else has written. Raises OSError, which names ``path``.
    """
    path = Path(path)
    try:
        with open(source, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(source, path)
        _flush(path.parent)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
    return path


def _replace(path: Path, content: bytes | memoryview) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    # made as any file is: who may read the folder's other files may read this one
    handle = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL | BINARY, 0o666)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(scratch, path)
    except BaseException:
        scratch.unlink(missing_ok=True)  # gone where the move was made, and then we were stopped
        raise
    _flush(path.parent)


def _flush(folder: Path) -> None:
    """Let the names in a folder reach the disk, where the system can; Windows opens no folders."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno != errno.EINVAL:  # how some network file systems say that they cannot
            raise
    finally:
        os.close(handle)
