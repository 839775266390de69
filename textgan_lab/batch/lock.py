"""The lock of a run's writer: held by its kernel, free as soon as that is gone, however it went."""

import os
import time
from pathlib import Path
from typing import Any

LOCK = ".lock"
PATIENCE = 15.0  # seconds; a kernel whose runner died goes within one, a process in swap later


def take_lock(folder: str | Path, patience: float) -> Any:
    """Return the writer's lock of a run's folder, or None: another held it for all of ``patience``.

    It is held until the object goes or the process ends, however it ends, and is not held by the
    process' children.

    Raises:
        OSError: no such folder, no right to write there, or a file system without locks.
    """
    path = os.path.join(folder, LOCK)
    try:
        import fcntl
    except ImportError:  # Windows, where nothing forks
        from filelock import FileLock, Timeout

        lock = FileLock(path)
        try:
            lock.acquire(timeout=patience, poll_interval=0.1)
        except Timeout:
            return None
        return lock
    file = open(path, "w")  # noqa: SIM115  (open as long as the lock is held)
    # the lock belongs to the open file, which a forked child (a worker that loads data) shares and
    # would keep open after we were killed; closed there, it is ours alone
    os.register_at_fork(after_in_child=file.close)
    deadline = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return file
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
