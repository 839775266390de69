"""Waiting for what threads and other processes do; the limits only end what will never come."""

import time
from collections.abc import Callable

import psutil


def until(holds: Callable[[], object], seconds: float = 120.0) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"waited {seconds} s"
        time.sleep(0.02)


def gone(pid: int) -> bool:
    """Return whether a process has ended; one that nobody asked how has."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
