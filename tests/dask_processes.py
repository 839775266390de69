"""A Dask scheduler and its workers as processes of their own on the loopback device."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress

Running = AbstractContextManager[subprocess.Popen]


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def scheduler(port: int) -> Running:
    return _running("scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard")


def workers(port: int, number: int = 1, *options: str, **environment: str) -> Running:
    """Workers of one thread each, under nannies, in one process group."""
    address = f"tcp://127.0.0.1:{port}"
    counts = ("--nworkers", str(number), "--nthreads", "1")
    return _running("worker", address, *counts, "--no-dashboard", *options, **environment)


@contextmanager
def _running(*command: str, **environment: str) -> Iterator[subprocess.Popen]:
    process = subprocess.Popen(
        [sys.executable, "-m", "dask", *command],
        env={**os.environ, **environment},
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        process.terminate()  # a nanny takes its worker along
        with suppress(subprocess.TimeoutExpired):
            process.wait(20)
        with suppress(ProcessLookupError):  # they went with it, as they should
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
