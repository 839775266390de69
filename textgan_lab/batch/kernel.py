"""The kernel of a headless run: while it lives, no other kernel writes the run's folder.

``python -m textgan_lab.batch.kernel -f CONNECTION_FILE`` is an ordinary Python kernel that first
takes a lock in the folder which the environment names. The runner has a lock of its own, but when
it is killed its kernel trains on for a moment: only the kernel can say that it is gone. By then a
new runner may have begun the run again, that is, have written ``params.json`` and removed the
earlier outcome; its kernel waits.
"""

import os
import sys

if __name__ == "__main__" and sys.path[0] == os.getcwd():
    del sys.path[0]  # a json.py where somebody works is not Python's; IPython puts the folder last

import threading
import time

from .lock import PATIENCE, take_lock
from .records import RUN_FOLDER

BUSY = 75  # exit status: another kernel is writing the run (EX_TEMPFAIL of sysexits.h)


def end_with_parent() -> None:
    """End this process, at once, when the one that started it has ended (not on Windows).

    The kernel's own look at its parent begins late: a parent that is gone by then it takes for
    another one, and stays for ever where orphans are not given to process 1.
    """
    parent = int(os.environ.get("JPY_PARENT_PID") or 0)
    if not parent or os.name != "posix":
        return

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1.0)
        os._exit(1)

    threading.Thread(target=watch, name="end with parent", daemon=True).start()


def main() -> int:
    """Be the kernel of the run whose folder the environment names, until told to go."""
    if RUN_FOLDER not in os.environ:
        sys.stderr.write(f"{RUN_FOLDER} is not set: it names the folder of the run\n")
        return 2
    end_with_parent()
    folder = os.environ[RUN_FOLDER]
    try:
        lock = take_lock(folder, PATIENCE)
    except OSError as error:
        sys.stderr.write(f"{error.filename}: {error.strerror}\n")
        return 1
    if lock is None:
        sys.stderr.write(f"{folder}: another kernel is writing this run, {PATIENCE:g} s long\n")
        return BUSY
    from ipykernel.kernelapp import launch_new_instance

    launch_new_instance()
    return 0


if __name__ == "__main__":
    sys.exit(main())
