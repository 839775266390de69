"""A training process killed without warning, over and over: nothing is lost but a little time."""

import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
import torch
from languages import TinyLanguage
from waiting import until

from textgan_lab.training import DamagedCheckpoint, Trainer, checkpoint
from textgan_lab.training.checkpoint import Checkpoints

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and SIGKILL"),
]
torch.set_num_threads(1)
RECORD = ("telemetry", "events", "samples")


class Nursery:
    """A process that has imported everything and forks, on request, one child that does ``work``.

    A kill then hits a process that trains, not one that imports torch for two seconds.
    """

    def __init__(self, work, *arguments, **environment):
        code = f"""\
import os, sys, traceback
sys.path.insert(0, {str(Path(__file__).parents[1])!r})
{textwrap.dedent(work)}
print("ready", flush=True)
for line in sys.stdin:
    child = os.fork()
    if child == 0:
        try:
            work(line.strip(), *sys.argv[1:])
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    print(child, flush=True)
    sys.stdin.readline()  # until then its number is nobody else's, though it may have ended
    print(os.waitpid(child, 0)[1], flush=True)
"""
        self.process = subprocess.Popen(
            [sys.executable, "-c", code, *map(str, arguments)], env=os.environ | environment,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
        )  # fmt: skip
        assert self.process.stdout.readline() == "ready\n"

    def start(self, said=""):
        """Fork a child; return its process id."""
        self.process.stdin.write(f"{said}\n")
        return int(self.process.stdout.readline())

    def ended(self):
        """Wait for the child; return 0 or, negative, the signal that killed it."""
        self.process.stdin.write("\n")
        return -int(self.process.stdout.readline())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


def scratch(folder):
    """Return what a killed writer left half-written."""
    return list(folder.rglob(".*.tmp"))


# ---- one training run, a hundred kills ----------------------------------------------------------

KILLS, STEPS, EVERY = 100, 2500, 10
TRAIN = """
import torch
from languages import TinyLanguage
from textgan_lab.batch.keeping import carry_on
from textgan_lab.knobs import Schedule
from textgan_lab.training import Spec, Trainer

torch.set_num_threads(1)
DATA = TinyLanguage(eos=True)

def build(seed):
    spec = Spec(
        data="given", discriminator="lstm", estimator="dense_reinforce",
        remedies={"entropy": {}, "gradient_penalty": {"weight": 0.5}},
        knobs={"d_dropout": 0.2, "d_noise": 0.1}, batch_size=8, probe_every=50, probe_size=32,
        mle_steps=30, device="cpu", seed=seed,
    )
    turns = [[t, "d_lr", 1e-3 / (1 + t)] for t in range(20, 9999, 40)]
    turns += [[t, "d_dropout", (t % 7) / 10] for t in range(7, 9999, 90)]
    return Trainer(spec, Schedule(turns), data=DATA)
"""
WORK = f"""{TRAIN}
from textgan_lab.batch import keeping
keeping.SHARE = 1.0  # a save is where a kill hurts, so let there be many

def work(seed):
    carry_on(build(int(seed)), {STEPS}, {EVERY})
"""


def test_a_hundred_kills_of_one_run(tmp_path, record_property):
    dice, kills, in_save, between, lives, finished = random.Random(0), 0, 0, 0, 0, 0
    while kills < KILLS:  # on a fast machine one run is over too soon, and another begins
        run = tmp_path / f"run-{finished}"
        run.mkdir()
        with Nursery(WORK, TEXTGAN_LAB_RUN=str(run)) as nursery:
            while True:
                lives += 1
                child = nursery.start(str(finished))
                if kills < KILLS:
                    time.sleep(dice.uniform(0.0, 0.8))
                    os.kill(child, signal.SIGKILL)
                status = nursery.ended()
                if status == 0:
                    break
                assert status == -signal.SIGKILL
                kills += 1
                newest = newest_step(run)
                in_save += bool(scratch(run))
                rows = run / "telemetry.jsonl"
                between += newest > 0 and (
                    not rows.exists() or rows.read_bytes().count(b"\n") < newest
                )
        assert not scratch(run)
        assert_undisturbed(run, finished)
        finished += 1
    told = (
        f"{kills} kills in {finished} run(s) of {STEPS} steps, {lives} lives: {in_save} left a "
        f"half-written file, {between} fell between two files of a save"
    )
    record_property("seeds", told)
    assert kills >= KILLS and in_save > 0


def newest_step(run):
    found = Checkpoints(run / "checkpoints").newest()
    return 0 if found is None else found[1]["t"]


def assert_undisturbed(run, seed):
    space = {}
    exec(TRAIN, space)
    whole = space["build"](seed).run(STEPS)
    trainer = Trainer.resume(run, data=TinyLanguage(eos=True))
    assert trainer.t == STEPS
    for side in ("g", "d"):
        ours, theirs = getattr(trainer.game, side), getattr(whole.game, side)
        assert torch.equal(ours.flat, theirs.flat)
    for side, optimiser in trainer.game.optimisers.items():
        pairs = zip(optimiser.state(), whole.game.optimisers[side].state(), strict=True)
        assert all(torch.equal(a, b) for a, b in pairs)
    for name, stream in trainer.streams.items():
        assert torch.equal(stream.get_state(), whole.streams[name].get_state())
    for name in RECORD:
        assert (run / f"{name}.jsonl").read_text() == whole.telemetry.lines(name), name
        assert trainer.telemetry.lines(name) == whole.telemetry.lines(name), name


# ---- kills inside a large save ------------------------------------------------------------------

BIG = """
import torch
from textgan_lab.training import checkpoint
from textgan_lab.training.checkpoint import Checkpoints

class Big:
    '''Stands for a trainer of 24 MB.'''
    def __init__(self, t):
        self.t = t
    def save(self, path):
        state = {"t": self.t, "x": torch.full((6_000_000,), float(self.t))}
        return checkpoint.write(state, path)

def work(_, folder):
    checkpoints = Checkpoints(folder)
    found = checkpoints.newest()
    big = Big(0 if found is None else found[1]["t"])
    while True:
        big.t += 1
        checkpoints.save(big)
"""


def half_written(folder, size):
    try:
        return any(path.stat().st_size > size for path in folder.glob(".*.tmp"))
    except FileNotFoundError:  # moved to its place while we looked
        return False


def test_twelve_kills_inside_a_save_of_24_mb(tmp_path, record_property):
    dice, inside, kills, newest = random.Random(1), 0, 0, 0
    with Nursery(BIG, tmp_path) as nursery:
        while inside < 12:
            assert kills < 60, f"{kills} kills, only {inside} of them inside a save"
            child = nursery.start()
            until(lambda: newest_step_in(tmp_path) > newest, 60)  # noqa: B023  (called at once)
            wanted = dice.uniform(0, 24e6)
            deadline = time.monotonic() + 60
            while not half_written(tmp_path, wanted):
                assert time.monotonic() < deadline, "the writer writes no more"
                time.sleep(0.001)  # 24 MB take longer, and the writer needs a core
            os.kill(child, signal.SIGKILL)
            assert nursery.ended() == -signal.SIGKILL
            kills += 1
            inside += bool(scratch(tmp_path))
            path, state = Checkpoints(tmp_path).newest()  # a warning of damage would be an error
            assert state["t"] > newest and (state["x"] == state["t"]).all()
            assert len(list(tmp_path.glob("step-*.pt"))) <= 3  # two, and one about to go
            newest = state["t"]
    record_property("seeds", f"{inside} of {kills} kills fell inside a save of 24 MB: 0 unreadable")


def newest_step_in(folder):
    return max((int(p.stem[5:]) for p in folder.glob("step-*.pt")), default=0)


# ---- damage -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["one flipped bit", "a truncation"])
def test_two_hundred_damages_are_noticed_and_the_one_before_is_used(kind, tmp_path):
    space = {}
    exec(TRAIN, space)
    trainer, checkpoints = space["build"](0), Checkpoints(tmp_path)
    for step in (40, 60):
        list(trainer.steps(step - trainer.t))
        newest = checkpoints.save(trainer)
    whole, dice = newest.read_bytes(), random.Random(2)
    for _ in range(200):
        place = dice.randrange(len(whole))
        damaged = bytearray(whole)
        if kind == "a truncation":
            del damaged[place:]
        else:
            damaged[place] ^= 1 << dice.randrange(8)
        newest.write_bytes(damaged)
        with pytest.raises(DamagedCheckpoint, match=r"step-000060\.pt"):
            checkpoint.read(newest)
        with pytest.warns(RuntimeWarning, match=r"000060\.pt .*: went on from step-000040\.pt"):
            assert Checkpoints(tmp_path).newest()[1]["t"] == 40
    newest.write_bytes(whole)
    assert Checkpoints(tmp_path).newest()[1]["t"] == 60
