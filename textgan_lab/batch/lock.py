"""Locks of run folders: the runner's and its kernel's, free as soon as their holder is gone."""

import os
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

LOCK = ".lock"  # in a run's folder: the kernel's
PATIENCE = 15.0  # seconds; a kernel whose runner died goes within one, a process in swap later

_held: weakref.WeakSet[Any] = weakref.WeakSet()  # the files of this process' locks


class Lock:
    """A lock that is held until `release`, the end of a ``with``, or that of the process."""

    def __init__(self, release: Callable[[], Any]):
        self.release = release

    def __enter__(self) -> "Lock":
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def take_lock(folder: str | Path, patience: float, name: str = LOCK) -> Lock | None:
    """Return the lock ``name`` of a folder, or None: another held it for all of ``patience``.

    It is not held by the process' children. Another call in the same process is "another" too.

    Args:
        folder: where the lock is a file; it stays there, empty, when the lock is free.
        patience: seconds to wait; with 0 it is tried once.
        name: that of the file.

    Raises:
        OSError: no such folder, no right to write there, or a file system without locks.
    """
    path = os.path.join(folder, name)
    try:
        import fcntl
    except ImportError:  # Windows, where nothing forks
        from filelock import FileLock, Timeout

        lock = FileLock(path)
        try:
            lock.acquire(timeout=patience, poll_interval=0.1)
        except Timeout:
            return None
        return Lock(lock.release)
    file = open(path, "wb", buffering=0)  # noqa: SIM115  (open as long as the lock is held)
    _held.add(file)
    deadline = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return Lock(file.close)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                file.close()
                return None
            time.sleep(0.1)
        except OSError as error:
            file.close()
            raise OSError(
                error.errno,
                f"cannot be locked ({error.strerror}); some network file systems have no locks: "
                f"keep runs on another one",
                path,
            ) from None
        except BaseException:  # stopped by hand while it waits
            file.close()
            raise


def _let_go() -> None:
    """Close, in a forked child, the files of its parent's locks.

    A lock belongs to the open file, which a child (a worker that loads data) shares and would keep
    open after its parent was killed; closed there, it is the parent's alone.
    """
    for file in list(_held):
        file.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go)
