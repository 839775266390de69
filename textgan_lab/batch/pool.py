"""Worker processes of this machine, one call at a time each, that may be killed at any moment.

`concurrent.futures` gives the whole pool up when one of its processes dies. Here the call that
died is told so, another process takes the dead one's place, and nobody else notices. A worker
imports what a run needs once; every run has a kernel of its own, so that nothing else is shared.
"""

import os
import sys

if __name__ == "__main__" and sys.path[0] == os.getcwd():
    del sys.path[0]  # a queue.py where somebody works is not Python's

import pickle
import queue
import subprocess
import threading
import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from .records import device_class


class WorkerLost(RuntimeError):
    """The process that worked on a call ended before it had answered."""


class CallFailed(RuntimeError):
    """A call raised; holds the traceback of the worker as text."""


class Pool:
    """At most ``workers`` calls at a time, each in a process that does one after the other.

    >>> with Pool(1) as pool:
    ...     pool.submit(divmod, 7, 3).result()
    (2, 1)

    Args:
        workers: processes; each starts with its first call.
        gpus: names for ``CUDA_VISIBLE_DEVICES``, dealt out in turn; none: workers see what we see.

    A worker outlives us if we are killed: it finishes its call and ends. SIGINT (Ctrl-C in a
    terminal reaches every process there) is for us alone; `close` ends the workers.
    """

    def __init__(self, workers: int, gpus: Sequence[str] = ()):
        if workers < 1:
            raise ValueError(f"workers: expected 1 or more, got {workers}")
        self._seats: queue.SimpleQueue[_Worker] = queue.SimpleQueue()
        self._workers = [_Worker(gpus[n % len(gpus)] if gpus else None) for n in range(workers)]
        for worker in self._workers:
            self._seats.put(worker)
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="pool")

    def submit(self, call: Callable, *args: Any) -> Future:
        """Return the future of ``call(*args)``; both must pickle.

        Its exception is `WorkerLost` when the worker was killed, `CallFailed` when the call raised.
        """
        return self._threads.submit(self._seated, call, args)

    def _seated(self, call: Callable, args: tuple) -> Any:
        worker = self._seats.get()
        try:
            return worker.ask(call, args)
        finally:
            self._seats.put(worker)

    @property
    def processes(self) -> list[int]:
        """The process ids of the workers that live now."""
        return [w.process.pid for w in self._workers if w.process and w.process.poll() is None]

    def close(self) -> None:
        """Drop the calls that wait, end the workers and what they are at."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        for worker in self._workers:
            worker.end()
        self._threads.shutdown(wait=True)
        for worker in self._workers:
            worker.release()

    def __enter__(self) -> "Pool":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Worker:
    """A place in the pool, and the process that fills it now, if any."""

    def __init__(self, gpu: str | None):
        self.process: subprocess.Popen | None = None
        self._closed, self._lock = False, threading.Lock()  # a start and an end do not cross
        self._environment = {} if gpu is None else {"CUDA_VISIBLE_DEVICES": gpu}

    def ask(self, call: Callable, args: tuple) -> Any:
        content = pickle.dumps((call, args))
        process = self._alive()
        try:
            process.stdin.write(content)
            process.stdin.flush()
            raised, value = pickle.load(process.stdout)
        except (OSError, EOFError, pickle.UnpicklingError):
            process.kill()
            status = process.wait()
            raise WorkerLost(f"worker {process.pid} {_how(status)}") from None
        if raised:
            raise CallFailed(value)
        return value

    def _alive(self) -> subprocess.Popen:
        with self._lock:
            if self._closed:
                raise WorkerLost("the pool is closed")
            if self.process is None or self.process.poll() is not None:
                self.release()
                self.process = subprocess.Popen(
                    [sys.executable, "-m", __name__],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    env={**os.environ, **self._environment},
                )
            return self.process

    def end(self) -> None:
        """Kill the process, and let no other take its place."""
        with self._lock:
            self._closed = True
            if self.process is not None:
                self.process.kill()
                self.process.wait()

    def release(self) -> None:
        """Close our ends of a dead process' pipes."""
        if self.process is not None:
            for pipe in (self.process.stdin, self.process.stdout):
                try:
                    pipe.close()
                except BrokenPipeError:  # what it had not read goes with it
                    continue


def cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):  # a container or a batch job may have few of many
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def gpus() -> list[str]:
    """Return the GPUs that torch sees, as ``CUDA_VISIBLE_DEVICES`` names them."""
    if device_class() == "cpu":
        return []
    import torch

    named = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    return named.split(",") if named else [str(n) for n in range(torch.cuda.device_count())]


def _how(status: int) -> str:
    return f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"


def serve() -> None:
    """Answer calls from standard input until it closes: the life of a worker."""
    import signal

    sys.modules.setdefault("rfc3987_syntax", None)  # as in `textgan_lab.cli.main`
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    calls = sys.stdin.buffer
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a call prints is no answer
    while True:
        try:
            call, args = pickle.load(calls)
        except EOFError:
            return
        try:
            answer = False, call(*args)
        except Exception:  # the caller has it to judge
            answer = True, traceback.format_exc()
        try:
            pickle.dump(answer, answers)
            answers.flush()
        except BrokenPipeError:  # nobody waits any more: the caller was killed
            return


if __name__ == "__main__":
    serve()
