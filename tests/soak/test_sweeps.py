"""Sweeps under fire: workers and kernels killed all the time, schedulers and drivers restarted.

Every run ends done once, with the weights of an undisturbed pass.
"""

import json
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from dask_processes import free_port, scheduler, workers
from waiting import until

from textgan_lab.batch.cluster import Cluster
from textgan_lab.batch.grid import make_grid
from textgan_lab.batch.sweep import sweep
from textgan_lab.training import checkpoint

pytestmark = pytest.mark.slow

RUNS, KILLS = 200, 50  # kills of workers; kernels come on top
SHORT = {"STEPS": 40, "SAVE_EVERY": 10}


def grid_of(n):
    return make_grid("09_one_run", parameters=SHORT, seeds=n)


def done(root):
    return len(list(Path(root).glob("*/run.json")))


def weights(root):
    """Return key -> both players' weights at the end of every run under ``root``."""
    ends = {}
    for record in Path(root).glob("*/run.json"):
        last = max(record.parent.glob("checkpoints/*.pt"))
        state = checkpoint.read(last)
        assert state["t"] == SHORT["STEPS"], last
        ends[record.parent.name] = torch.cat([state["g"], state["d"]])
    return ends


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The weights of every run where nobody was killed."""
    root = tmp_path_factory.mktemp("undisturbed")
    made = sweep(grid_of(RUNS), root=root)
    assert set(made.states.values()) == {"done"}
    return weights(root)


class Background(threading.Thread):
    """Does something now and then for as long as a block lasts, however that ends."""

    def __init__(self):
        super().__init__(daemon=True)
        self.over = threading.Event()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.join()


class Killer(Background):
    """Kills random workers, and half as many kernels, as the sweep gets on; counts whom.

    At any pace of the machine: `KILLS` workers by the time that four runs in five are done.
    """

    def __init__(self, of, root, runs, seed=0):
        super().__init__()
        self.of, self.root, self.runs = psutil.Process(of), root, runs
        self.dice, self.killed = random.Random(seed), {"worker": 0, "kernel": 0}

    def run(self):
        while not self.over.wait(self.dice.uniform(0.2, 2)):
            wanted = 1 + KILLS * done(self.root) / (0.8 * self.runs)
            kinds = {"worker": wanted, "kernel": wanted / 2}
            for kind in (kind for kind, number in kinds.items() if self.killed[kind] < number):
                victims = [child for child in self._descendants() if self._kind(child) == kind]
                if victims:
                    self._kill(kind, self.dice.choice(victims))

    def _kill(self, kind, victim):
        try:
            victim.kill()
        except psutil.NoSuchProcess:  # it ended by itself just now
            return
        self.killed[kind] += 1

    def _descendants(self):
        try:
            return self.of.children(recursive=True)
        except psutil.NoSuchProcess:
            return []

    @staticmethod
    def _kind(process):
        try:
            line = " ".join(process.cmdline())
        except psutil.Error:
            return ""
        if "textgan_lab.batch.kernel" in line:
            return "kernel"
        ours = "textgan_lab.batch.pool" in line
        dasks = "multiprocessing.spawn import spawn_main" in line  # what a nanny starts
        return "worker" if ours or dasks else ""


class Watch(Background):
    """Sees every commit: a run that was committed twice has had two different records."""

    def __init__(self, root):
        super().__init__()
        self.root, self.seen = Path(root), {}

    def run(self):
        while not self.over.wait(0.05):
            self.look()
        self.look()

    def look(self):
        for record in self.root.glob("*/run.json"):
            at = record.stat()
            self.seen.setdefault(record.parent.name, set()).add((at.st_ino, at.st_mtime_ns))


@pytest.mark.parametrize("engine", ["pool", "dask"])
def test_200_runs_are_each_done_once_though_workers_and_kernels_are_killed(
    engine, undisturbed, tmp_path, record_property
):
    root, start = tmp_path / "runs", time.monotonic()
    with ExitStack() as stack:
        if engine == "dask":
            port = free_port()
            stack.enter_context(scheduler(port))
            nannies = stack.enter_context(workers(port, 2, "--local-directory", str(tmp_path)))
            cluster = stack.enter_context(Cluster(f"tcp://127.0.0.1:{port}"))
            of = nannies.pid
        else:
            cluster, of = None, os.getpid()
        watch = stack.enter_context(Watch(root))
        killer = stack.enter_context(Killer(of, root, RUNS))
        made = sweep(grid_of(RUNS), root=root, workers=2, engine=cluster, retries=1000)
    counts = f"{engine}: {killer.killed} killed in {time.monotonic() - start:.0f} s"
    record_property("seeds", counts)
    assert killer.killed["worker"] >= KILLS and killer.killed["kernel"], counts
    assert len(made.states) == RUNS and not made.failed, made.errors
    assert {key: len(records) for key, records in watch.seen.items()} == dict.fromkeys(
        made.states, 1
    )
    ends = weights(root)
    assert ends.keys() == undisturbed.keys()
    assert all(torch.equal(ends[key], undisturbed[key]) for key in ends)


def in_background(call: Callable[[], Any]) -> Future:
    """Return the future of a call in a thread that nobody waits for when a test has failed."""
    future = Future()

    def work():
        try:
            future.set_result(call())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=work, daemon=True).start()
    return future


def test_a_scheduler_that_is_killed_and_restarted_costs_no_run(tmp_path):
    port, root = free_port(), tmp_path / "runs"
    spare = ("--local-directory", str(tmp_path))

    def drive():
        with Cluster(f"tcp://127.0.0.1:{port}", patience=120) as cluster:
            return sweep(grid_of(8), root=root, engine=cluster, retries=0)

    with scheduler(port) as first, workers(port, 2, *spare):
        driver = in_background(drive)
        until(lambda: driver.done() or done(root) >= 2)
        first.kill()
        first.wait()
    assert not driver.done(), driver.result()
    with scheduler(port), workers(port, 2, *spare):
        made = driver.result(300)
    assert len(made.states) == 8 and not made.failed, made.errors
    assert len(weights(root)) == 8


@contextmanager
def driving(root, grid):
    """Have the command make the sweep, for as long as the block lasts and no longer."""
    command = [sys.executable, "-m", "textgan_lab.cli", "sweep", str(grid), "--root", str(root)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as driver:
        try:
            yield driver
        finally:
            driver.kill()


@pytest.fixture
def grid_file(tmp_path):
    path = tmp_path / "grid.yaml"
    path.write_text(f"notebook: 09_one_run\nparameters: {json.dumps(SHORT)}\nseeds: 12\n")
    return path


def life_of_a_driver(root, grid):
    """Kill it as soon as it has done three runs; return its status and words if it ended before."""
    goal = done(root) + 3
    with driving(root, grid) as driver:
        until(lambda: driver.poll() is not None or done(root) >= goal)
        return None if driver.poll() is None else (driver.returncode, driver.stdout.read())


def test_a_driver_killed_again_and_again_in_mid_sweep_ends_with_every_run_once(grid_file, tmp_path):
    root, kills = tmp_path / "runs", 0
    with Watch(root) as watch:
        while (ended := life_of_a_driver(root, grid_file)) is None:
            kills += 1
    status, said = ended
    assert status == 0, said
    assert kills >= 2 and "12 runs of 09_one_run.ipynb" in said
    assert len(weights(root)) == 12 and all(len(seen) == 1 for seen in watch.seen.values())


def test_two_drivers_on_one_root_make_every_run_once(grid_file, tmp_path):
    root = tmp_path / "runs"
    with Watch(root) as watch, driving(root, grid_file) as one, driving(root, grid_file) as other:
        said = [driver.communicate(timeout=600)[0] for driver in (one, other)]
    assert one.returncode == other.returncode == 0, said
    assert len(weights(root)) == 12 and all(len(seen) == 1 for seen in watch.seen.values())
