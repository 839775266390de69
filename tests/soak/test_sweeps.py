"""Sweeps under fire: workers and kernels killed all the time, schedulers and drivers restarted.

Every run ends done once, with the weights of an undisturbed pass.
"""

import json
import random
import signal
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest
import torch
from dask_processes import free_port, scheduler, workers

from textgan_lab.batch.cluster import Cluster
from textgan_lab.batch.grid import make_grid
from textgan_lab.batch.sweep import sweep
from textgan_lab.training import checkpoint

pytestmark = pytest.mark.slow

RUNS, KILLS = 200, 50
SHORT = {"STEPS": 40, "SAVE_EVERY": 10}


def grid_of(n):
    return make_grid("09_one_run", parameters=SHORT, seeds=n)


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


class Killer(threading.Thread):
    """Kills a random worker, or a random kernel, every few seconds; counts whom."""

    def __init__(self, of, seed=0):
        super().__init__(daemon=True)
        self.of, self.dice, self.over = psutil.Process(of), random.Random(seed), threading.Event()
        self.killed = {"worker": 0, "kernel": 0}

    def run(self):
        while not self.over.wait(self.dice.uniform(2, 6)):
            kind = self.dice.choice(list(self.killed))
            victims = [child for child in self._descendants() if self._kind(child) == kind]
            if victims:
                self.dice.choice(victims).kill()
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


class Watch(threading.Thread):
    """Sees every commit: a run that was committed twice has had two different records."""

    def __init__(self, root):
        super().__init__(daemon=True)
        self.root, self.over, self.seen = Path(root), threading.Event(), {}

    def run(self):
        while not self.over.wait(0.05):
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
            killer = Killer(nannies.pid)
        else:
            cluster, killer = None, Killer(psutil.Process().pid)
        watch = Watch(root)
        watch.start(), killer.start()
        made = sweep(grid_of(RUNS), root=root, workers=2, engine=cluster, retries=1000)
        killer.over.set(), killer.join(), watch.over.set(), watch.join()
    watch.look()
    counts = f"{engine}: {killer.killed} killed in {time.monotonic() - start:.0f} s"
    record_property("seeds", counts)
    assert sum(killer.killed.values()) >= KILLS, counts
    assert len(made.states) == RUNS and not made.failed, made.errors
    assert {key: len(records) for key, records in watch.seen.items()} == dict.fromkeys(
        made.states, 1
    )
    ends = weights(root)
    assert ends.keys() == undisturbed.keys()
    assert all(torch.equal(ends[key], undisturbed[key]) for key in ends)


def test_a_scheduler_that_is_killed_and_restarted_costs_no_run(tmp_path):
    port, root = free_port(), tmp_path / "runs"
    spare = ("--local-directory", str(tmp_path))
    result = {}

    def drive():
        with Cluster(f"tcp://127.0.0.1:{port}", patience=120) as cluster:
            result["made"] = sweep(grid_of(8), root=root, engine=cluster, retries=0)

    driver = threading.Thread(target=drive)
    with scheduler(port) as first, workers(port, 2, *spare):
        driver.start()
        until(lambda: len(list(root.glob("*/run.json"))) >= 2)
        first.kill()
        first.wait()
    assert driver.is_alive()
    with scheduler(port), workers(port, 2, *spare):
        driver.join(300)
    assert not driver.is_alive()
    assert len(result["made"].states) == 8 and not result["made"].failed, result["made"].errors
    assert len(weights(root)) == 8


def until(holds, seconds=120.0):
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"waited {seconds} s"
        time.sleep(0.05)


def drive(root, grid):
    command = [sys.executable, "-m", "textgan_lab.cli", "sweep", str(grid), "--root", str(root)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


@pytest.fixture
def grid_file(tmp_path):
    path = tmp_path / "grid.yaml"
    path.write_text(f"notebook: 09_one_run\nparameters: {json.dumps(SHORT)}\nseeds: 12\n")
    return path


def test_a_driver_killed_again_and_again_in_mid_sweep_ends_with_every_run_once(grid_file, tmp_path):
    root, kills = tmp_path / "runs", 0
    watch = Watch(root)
    watch.start()
    while True:
        before = len(list(root.glob("*/run.json")))
        with drive(root, grid_file) as driver:
            while driver.poll() is None and len(list(root.glob("*/run.json"))) < before + 3:
                time.sleep(0.05)
            if driver.poll() is not None:
                said = driver.stdout.read()
                break
            driver.send_signal(signal.SIGKILL)
            kills += 1
    watch.over.set(), watch.join()
    assert driver.returncode == 0, said
    assert kills >= 2 and "12 runs of 09_one_run.ipynb" in said
    assert len(weights(root)) == 12 and all(len(seen) == 1 for seen in watch.seen.values())


def test_two_drivers_on_one_root_make_every_run_once(grid_file, tmp_path):
    root = tmp_path / "runs"
    watch = Watch(root)
    watch.start()
    with drive(root, grid_file) as one, drive(root, grid_file) as other:
        said = [driver.communicate(timeout=600)[0] for driver in (one, other)]
    watch.over.set(), watch.join()
    assert one.returncode == other.returncode == 0, said
    assert len(weights(root)) == 12 and all(len(seen) == 1 for seen in watch.seen.values())
