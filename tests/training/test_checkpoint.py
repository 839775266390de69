"""Checkpoints: whole or refused; killed, resumed, rewound and branched runs go on bit for bit."""

import os
import random
import signal
import subprocess
import sys
import textwrap
import time

import pytest
import torch
from languages import TinyLanguage, TwoClouds

from textgan_lab.training import DamagedCheckpoint, Spec, Trainer, checkpoint

torch.set_num_threads(1)
SPEC = Spec(
    data="given", discriminator="lstm", estimator="dense_reinforce",
    remedies={"entropy": {}, "gradient_penalty": {"weight": 0.5}},
    knobs={"d_dropout": 0.2, "d_noise": 0.1}, batch_size=8, probe_every=7, probe_size=32,
    mle_steps=4, device="cpu",
)  # fmt: skip


def build(spec=SPEC, schedule=None):
    return Trainer(spec, schedule, data=TinyLanguage(eos=True))


def turned_run(trainer, until):
    """Train to step ``until``, turning a knob every five steps."""
    for step in trainer.steps(until - trainer.t):
        if step.t % 5 == 4:
            trainer.knobs.set(d_lr=1e-3 / (step.t + 1), d_beta1=0.3)
    return trainer


def assert_same(a, b):
    assert a.t == b.t
    assert torch.equal(a.game.g.flat, b.game.g.flat) and torch.equal(a.game.d.flat, b.game.d.flat)
    for side, optimiser in a.game.optimisers.items():
        assert all(
            torch.equal(x, y)
            for x, y in zip(optimiser.state(), b.game.optimisers[side].state(), strict=True)
        )
    for name in ("telemetry", "events", "samples"):
        assert a.telemetry.lines(name) == b.telemetry.lines(name), name
    for name, stream in a.streams.items():
        assert torch.equal(stream.get_state(), b.streams[name].get_state()), name


# --- resume --------------------------------------------------------------------------------------


@pytest.mark.parametrize("k", [0, 2, 4, 7, 13])  # in the warm-up and after; measured or not
def test_saved_and_resumed_equals_never_stopped(k, tmp_path):
    path = turned_run(build(), k).save(tmp_path / "deep" / "run.ckpt")
    resumed = Trainer.resume(path, data=TinyLanguage(eos=True))
    assert (resumed.t, resumed.spec) == (k, SPEC)
    assert_same(turned_run(resumed, 22), turned_run(build(), 22))


@pytest.mark.parametrize("optimiser", ["sgd", "rmsprop"])
def test_points_and_other_optimisers_resume(optimiser, tmp_path):
    spec = Spec(
        data="given", generator="mlp", discriminator="mlp", estimator="pathwise",
        g_optimiser=optimiser, d_optimiser=optimiser, batch_size=8, probe_every=4, device="cpu",
    )  # fmt: skip
    whole = Trainer(spec, data=TwoClouds()).run(9)
    path = Trainer(spec, data=TwoClouds()).run(5).save(tmp_path / "x")
    assert_same(Trainer.resume(path, data=TwoClouds()).run(4), whole)


def test_turns_that_wait_for_the_next_step_are_kept_with_who_made_them(tmp_path):
    one = build(SPEC.model_copy(update={"mle_steps": 0})).run(2)
    one.d_step()  # leaves the counts to be turned back
    resumed = Trainer.resume(one.save(tmp_path / "x"), data=TinyLanguage(eos=True))
    assert_same(one.run(2), resumed.run(2))


def test_an_unlimited_clip_survives_a_checkpoint(tmp_path):
    try:
        spec = Spec(data="given", g_clip=float("inf"), device="cpu", probe_every=0)
    except ValueError:
        return  # refused from the start: as good
    path = build(spec).save(tmp_path / "x")
    assert Trainer.resume(path, data=TinyLanguage(eos=True)).spec == spec


def test_other_data_is_refused(tmp_path):
    path = build().save(tmp_path / "x")
    with pytest.raises(ValueError, match="was trained on other data"):
        Trainer.resume(path, data=TinyLanguage(eos=True, seed=1))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nothing.ckpt"):
        Trainer.resume(tmp_path / "nothing.ckpt")


def test_killed_in_mid_training_and_resumed_equals_never_stopped(tmp_path):
    """The child saves after every few steps and is killed, without warning, at its own pace."""
    path = tmp_path / "run.ckpt"
    child = textwrap.dedent(
        f"""
        import importlib.util, sys
        sys.path.insert(0, {os.path.dirname(os.path.dirname(__file__))!r})
        spec = importlib.util.spec_from_file_location("checkpoints", {__file__!r})
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        trainer = module.build()
        while True:
            module.turned_run(trainer, trainer.t + 3).save({str(path)!r})
            print(trainer.t, flush=True)
        """
    )
    process = subprocess.Popen([sys.executable, "-c", child], stdout=subprocess.PIPE, text=True)
    with process:
        for line in process.stdout:
            if int(line) >= 9:
                time.sleep(0.01)
                process.send_signal(signal.SIGKILL)
                break
    assert process.returncode == -signal.SIGKILL
    resumed = Trainer.resume(path, data=TinyLanguage(eos=True))
    assert resumed.t >= 9 and resumed.t % 3 == 0
    until = resumed.t + 10
    assert_same(turned_run(resumed, until), turned_run(build(), until))


def half_written(folder):
    """Whether a file of over 30 MB lies beside the checkpoint; it may vanish while one looks."""
    try:
        return any(p.stat().st_size > 30_000_000 for p in folder.glob(".*.tmp"))
    except FileNotFoundError:
        return False


def test_killed_while_writing_the_old_checkpoint_is_whole(tmp_path):
    """60 MB a write, and killed as soon as half of one is on the disk."""
    path = tmp_path / "big.ckpt"
    child = textwrap.dedent(
        f"""
        import torch
        from textgan_lab.training import checkpoint
        for n in range(1000):
            checkpoint.write({{"n": n, "x": torch.full((15_000_000,), float(n))}}, {str(path)!r})
            print(n, flush=True)
        """
    )
    for _ in range(5):
        process = subprocess.Popen([sys.executable, "-c", child], stdout=subprocess.PIPE, text=True)
        with process:
            written = int(process.stdout.readline())
            deadline = time.monotonic() + 10
            while time.monotonic() < deadline and not half_written(tmp_path):
                pass
            process.kill()
        torn = list(tmp_path.glob(".*.tmp"))
        state = checkpoint.read(path)
        assert state["n"] >= written and (state["x"] == state["n"]).all()
        if torn:
            return
    pytest.fail("no kill of five fell into a write: the test has shown nothing")


# --- damage --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    path = tmp_path_factory.mktemp("checkpoint") / "run.ckpt"
    trainer = Trainer(Spec(data="given", device="cpu"), data=TinyLanguage(eos=True))
    return trainer.save(path).read_bytes()


HEADER = len(checkpoint.MAGIC) + 65


def refused(path, data):
    path.write_bytes(data)
    with pytest.raises(DamagedCheckpoint, match="x.ckpt"):
        checkpoint.read(path)


def test_a_single_flipped_bit_is_noticed_anywhere(written, tmp_path):
    dice = random.Random(0)
    places = [*range(HEADER), *(dice.randrange(HEADER, len(written)) for _ in range(50))]
    for place in places:
        damaged = bytearray(written)
        damaged[place] ^= 1 << dice.randrange(8)
        refused(tmp_path / "x.ckpt", bytes(damaged))


def test_a_file_cut_short_or_grown_is_noticed(written, tmp_path):
    dice = random.Random(1)
    lengths = [0, 1, HEADER - 1, HEADER, len(written) - 1]
    for length in lengths + [dice.randrange(len(written)) for _ in range(50)]:
        refused(tmp_path / "x.ckpt", written[:length])
    refused(tmp_path / "x.ckpt", written + b"\0")
    refused(tmp_path / "x.ckpt", b"PK\x03\x04 some other file")


def test_a_whole_file_reads_back(written, tmp_path):
    (tmp_path / "x.ckpt").write_bytes(written)
    assert checkpoint.read(tmp_path / "x.ckpt")["t"] == 0


class Refusing:
    """A file on a disk that is full after a hundred bytes."""

    def __init__(self, file):
        self.file = file

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()

    def write(self, data):
        self.file.write(bytes(data[:100]))
        if len(data) > 100:
            raise OSError(28, "No space left on device")


@pytest.mark.parametrize("failing", ["write", "fsync", "replace"])
def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(failing, tmp_path, monkeypatch):
    path = checkpoint.write({"n": 1}, tmp_path / "x.ckpt")
    old = path.read_bytes()

    def refuse(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        if failing == "write":
            opened = os.fdopen
            patch.setattr(os, "fdopen", lambda *a: Refusing(opened(*a)))
        else:
            patch.setattr(os, failing, refuse)
        with pytest.raises(OSError, match="No space left"):
            checkpoint.write({"n": 2, "x": torch.zeros(1000)}, path)
    assert path.read_bytes() == old and os.listdir(tmp_path) == ["x.ckpt"]
    assert checkpoint.read(path) == {"n": 1}
    checkpoint.write({"n": 2}, path)
    assert checkpoint.read(path) == {"n": 2}


def test_no_code_in_a_file_is_run(tmp_path):
    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "sprung"),)

    path = checkpoint.write({"n": Trap()}, tmp_path / "x.ckpt")
    with pytest.raises(Exception, match="(?i)weights.only"):
        checkpoint.read(path)
    assert not (tmp_path / "sprung").exists()


# --- rewinding and branching ---------------------------------------------------------------------


def test_rewound_and_trained_again_equals_the_first_time():
    trainer = turned_run(build(), 9)
    snapshot = trainer.snapshot()
    turned_run(trainer, 20)
    first = (
        trainer.game.g.flat.clone(),
        trainer.game.d.flat.clone(),
        trainer.telemetry.lines("telemetry"),
    )
    for _ in range(2):  # a snapshot can be used again
        trainer.restore(snapshot)
        assert trainer.t == 9 and len(trainer.telemetry.rows) == 9
        turned_run(trainer, 20)
        assert torch.equal(first[0], trainer.game.g.flat) and torch.equal(
            first[1], trainer.game.d.flat
        )
        assert first[2] == trainer.telemetry.lines("telemetry")
    assert_same(trainer, turned_run(build(), 20))


def test_a_rewind_in_mid_window_drops_what_waits_on_the_device():
    trainer = build()
    steps = trainer.steps(30)
    for _ in range(9):
        next(steps)
    snapshot = trainer.snapshot()
    for _ in range(3):
        next(steps)
    trainer.restore(snapshot)
    for _ in range(5):
        next(steps)
    trainer.flush()
    assert [r["step"] for r in trainer.telemetry.rows] == list(range(14))
    assert trainer.telemetry.frame()["step"].tolist() == list(range(14))


def test_a_frame_after_a_rewind_has_one_row_a_step():
    trainer = build().run(3)
    snapshot = trainer.snapshot()
    for _ in range(2):
        trainer.restore(snapshot)
        trainer.run(1)
    assert trainer.telemetry.frame()["step"].tolist() == [0, 1, 2, 3]


def test_a_step_that_was_undone_says_so():
    trainer = build().run(2)
    snapshot = trainer.snapshot()
    (step,) = trainer.steps(1)
    trainer.restore(snapshot)
    with pytest.raises((KeyError, LookupError), match="2"):
        _ = step.values


def test_a_branch_stands_where_its_parent_stands_and_never_touches_it():
    parent, reference = build(), build()
    steps = parent.steps(30)
    for _ in range(9):
        next(steps)
    parent.knobs.set(g_lr=0.01)  # made, but not yet used
    branch = parent.branch()
    assert [r["step"] for r in branch.telemetry.rows] == list(range(9))
    branch.knobs.set(d_lr=0.5)
    branch.run(5)
    list(reference.steps(9))
    reference.knobs.set(g_lr=0.01)
    for _ in range(6):
        next(steps)
    parent.flush()
    assert_same(parent, reference.run(6))
    assert not torch.equal(branch.game.d.flat, parent.game.d.flat)


def test_a_branch_left_alone_repeats_its_parent():
    parent = turned_run(build(), 9)
    branch = parent.branch()
    assert_same(turned_run(branch, 20), turned_run(parent, 20))


def test_a_rewind_before_a_divergence_forgets_it():
    trainer = build().run(6)
    snapshot = trainer.snapshot()
    kept = trainer.discriminator.head.bias.detach().clone()
    trainer.discriminator.head.bias.data.fill_(float("nan"))
    trainer.run(3)
    assert trainer.diverged and trainer.telemetry.events[-1]["event"] == "divergence"
    trainer.restore(snapshot)
    assert torch.equal(trainer.discriminator.head.bias, kept)
    assert not trainer.diverged
    assert [e["event"] for e in trainer.telemetry.events] == ["start"]
    assert_same(trainer.run(3), build().run(9))


def test_a_checkpoint_goes_on_only_on_its_kind_of_device(tmp_path):
    path = build().save(tmp_path / "x.ckpt")
    state = checkpoint.read(path)
    checkpoint.write({**state, "device": "cuda"}, path)
    with pytest.raises(ValueError, match="was saved on cuda, this run is on cpu"):
        Trainer.resume(path, data=TinyLanguage(eos=True))
