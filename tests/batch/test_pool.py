"""The pool: calls in processes of their own, of which any may be killed at any moment."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from concurrent.futures import wait

import pytest
from waiting import gone, until

from textgan_lab.batch import pool as module
from textgan_lab.batch.pool import CallFailed, Pool, WorkerLost, cores, gpus


def test_calls_are_answered_by_at_most_so_many_other_processes():
    with Pool(2) as pool:
        futures = [pool.submit(divmod, n, 3) for n in range(8)]
        assert [f.result() for f in futures] == [divmod(n, 3) for n in range(8)]
        pids = {pool.submit(os.getpid).result() for _ in range(4)}
        assert pids <= set(pool.processes) and os.getpid() not in pids
        assert len(pool.processes) <= 2


def test_an_exception_comes_back_as_text_and_the_worker_goes_on():
    with Pool(1) as pool:
        pid = pool.submit(os.getpid).result()
        with pytest.raises(CallFailed, match="ZeroDivisionError"):
            pool.submit(divmod, 1, 0).result()
        assert pool.submit(os.getpid).result() == pid


def test_what_a_call_prints_is_no_answer():
    with Pool(1) as pool:
        assert pool.submit(print, "x" * 100_000).result() is None
        assert pool.submit(divmod, 7, 3).result() == (2, 1)


def test_a_killed_worker_loses_its_call_alone_and_is_replaced():
    with Pool(2) as pool:
        pids = {pool.submit(os.getpid).result() for _ in range(4)}
        asleep = [pool.submit(time.sleep, 60) for _ in range(2)]
        until(lambda: len(pool.processes) == 2 and all(f.running() for f in asleep))
        first = pool.processes[0]
        os.kill(first, signal.SIGKILL)
        done, others = wait(asleep, timeout=10, return_when="FIRST_COMPLETED")
        (lost,) = done
        with pytest.raises(WorkerLost, match=f"worker {first} was killed by signal 9"):
            lost.result()
        assert len(others) == 1 and pool.submit(divmod, 7, 3).result() == (2, 1)
        assert first not in pool.processes and pids


def test_closing_ends_what_runs_and_drops_what_waits():
    start = time.monotonic()
    pool = Pool(1)
    running, waiting = pool.submit(time.sleep, 60), pool.submit(time.sleep, 60)
    until(lambda: pool.processes)
    (pid,) = pool.processes
    pool.close()
    assert waiting.cancelled() and running.done() and gone(pid)
    assert isinstance(running.exception(), WorkerLost)
    assert time.monotonic() - start < 50  # and not when the calls had slept enough


def test_gpus_are_dealt_out_in_turn():
    with Pool(3, ["0", "1"]) as pool:
        tell = "sleep 0.3; echo $CUDA_VISIBLE_DEVICES"
        asked = [pool.submit(subprocess.getoutput, tell) for _ in range(3)]
        assert sorted(f.result() for f in asked) == ["0", "0", "1"]


def test_without_a_gpu_workers_see_what_we_see(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with Pool(1) as pool:
        assert pool.submit(os.getenv, "CUDA_VISIBLE_DEVICES").result() == ""


@pytest.mark.parametrize(
    "there, named, seen", [(False, "", []), (True, "", ["0", "1"]), (True, "3,5", ["3", "5"])]
)
def test_gpus_are_named_as_the_environment_names_them(there, named, seen, monkeypatch):
    import torch

    monkeypatch.setattr(module, "device_class", lambda: "cuda" if there else "cpu")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", named)
    assert gpus() == seen


def test_at_least_one_core_and_one_worker():
    assert 1 <= cores() <= os.cpu_count()
    with pytest.raises(ValueError, match="workers: expected 1 or more, got 0"):
        Pool(0)


def test_a_worker_finishes_its_call_when_we_are_killed(tmp_path):
    """And goes then: its standard input has closed."""
    begun, go, finished = (tmp_path / name for name in ("begun", "go", "finished"))
    wait_for_go = f"touch '{begun}'; until [ -e '{go}' ]; do sleep 0.05; done; touch '{finished}'"
    driver = textwrap.dedent(
        f"""
        import os
        from textgan_lab.batch.pool import Pool
        pool = Pool(1)
        print(pool.submit(os.getpid).result(), flush=True)
        pool.submit(os.system, {wait_for_go!r}).result()
        """
    )
    with subprocess.Popen([sys.executable, "-c", driver], stdout=subprocess.PIPE) as process:
        try:
            worker = int(process.stdout.readline())
            until(begun.exists)
            process.kill()
            process.wait()
            assert not gone(worker) and not finished.exists()
        finally:
            process.kill()
            go.touch()
    until(lambda: finished.exists() and gone(worker))


def test_an_interrupt_is_not_for_workers():
    with Pool(1) as pool:
        pid = pool.submit(os.getpid).result()
        os.kill(pid, signal.SIGINT)
        assert pool.submit(os.getpid).result() == pid
