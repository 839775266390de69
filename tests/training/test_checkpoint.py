"""Checkpoints: whole or refused; killed, resumed, rewound and branched runs go on bit for bit."""

import errno
import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from unittest.mock import MagicMock

import pytest
import torch
from languages import TinyLanguage, TwoClouds

from textgan_lab.knobs import Schedule
from textgan_lab.training import DamagedCheckpoint, Spec, Trainer, checkpoint
from textgan_lab.training.checkpoint import Checkpoints

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


# --- a folder of checkpoints ---------------------------------------------------------------------


def saved(folder, *steps):
    """Save one trainer at several steps; return the folder and the trainer."""
    trainer, checkpoints = build(), Checkpoints(folder)
    for step in steps:
        turned_run(trainer, step)
        checkpoints.save(trainer)
    return checkpoints, trainer


def names(folder):
    return sorted(os.listdir(folder))


def flip(path, place=-100):
    damaged = bytearray(path.read_bytes())
    damaged[place] ^= 4
    path.write_bytes(damaged)


def test_the_last_two_are_kept(tmp_path):
    checkpoints, _ = saved(tmp_path / "deep" / "checkpoints", 2, 5, 9)
    assert names(checkpoints.folder) == ["step-000005.pt", "step-000009.pt"]
    path, state = checkpoints.newest()
    assert (path.name, state["t"]) == ("step-000009.pt", 9)
    assert checkpoints.newest(until=8)[1]["t"] == 5
    assert checkpoints.newest(until=4) is None
    assert Checkpoints(tmp_path / "absent").newest() is None


def test_steps_are_compared_as_numbers_and_other_files_are_left_alone(tmp_path):
    checkpoints, trainer = saved(tmp_path, 3)
    (tmp_path / "step-best.pt").touch()
    for step in (999_999, 1_000_000):
        trainer.t = step
        checkpoints.save(trainer)
    assert [p.name for p in checkpoints.paths()] == ["step-999999.pt", "step-1000000.pt"]
    assert (tmp_path / "step-best.pt").exists()


def test_what_was_saved_at_a_later_step_stays_until_that_is_passed(tmp_path):
    checkpoints, _ = saved(tmp_path, 5, 9)
    again = build()
    for step, left in ((2, [2, 5, 9]), (7, [5, 7, 9]), (9, [7, 9]), (11, [9, 11])):
        checkpoints.save(turned_run(again, step))
        assert names(tmp_path) == [f"step-{n:06d}.pt" for n in left]


def test_where_a_part_of_the_run_ended_stays(tmp_path):
    checkpoints, trainer = saved(tmp_path, 2, 3)
    checkpoints.ends |= {3}
    for step in (5, 7, 9):
        checkpoints.save(turned_run(trainer, step))
    assert names(tmp_path) == ["step-000003.pt", "step-000007.pt", "step-000009.pt"]
    assert checkpoints.newest(until=6)[1]["t"] == 3


@pytest.mark.parametrize("failing", ["fsync", "replace"])
def test_a_save_that_fails_removes_nothing_and_names_the_file(failing, tmp_path, monkeypatch):
    checkpoints, trainer = saved(tmp_path, 5, 9)
    turned_run(trainer, 12)

    def refuse(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, failing, refuse)
    with pytest.raises(OSError, match=r"No space left on device: '.*step-000012\.pt'"):
        checkpoints.save(trainer)
    assert names(tmp_path) == ["step-000005.pt", "step-000009.pt"]


def test_a_damaged_checkpoint_is_passed_over_and_named(tmp_path):
    checkpoints, _ = saved(tmp_path, 5, 9)
    flip(tmp_path / "step-000009.pt")
    said = r"step-000009\.pt is damaged, its checksum does not match: went on from step-000005\.pt"
    with pytest.warns(RuntimeWarning, match=said):
        path, state = checkpoints.newest()
    assert (path.name, state["t"]) == ("step-000005.pt", 5)
    checkpoints.save(turned_run(build(), 11))  # the damaged one is none of the last two
    assert names(tmp_path) == ["step-000005.pt", "step-000011.pt"]


def test_one_that_cannot_be_read_is_passed_over_and_named(tmp_path, monkeypatch):
    checkpoints, _ = saved(tmp_path, 5, 9)
    refuse(monkeypatch, errno.EIO, "step-000009.pt")
    with pytest.warns(RuntimeWarning, match=r"step-000009\.pt cannot be read \(Input.*: went on"):
        assert checkpoints.newest()[1]["t"] == 5


@pytest.mark.parametrize("code", [errno.EACCES, errno.ESTALE, errno.ETIMEDOUT])
def test_one_that_may_be_whole_is_not_passed_over(code, tmp_path, monkeypatch):
    checkpoints, trainer = saved(tmp_path, 5, 9)
    with monkeypatch.context() as patch:
        refuse(patch, code, "step-000009.pt")
        with pytest.raises(OSError, match=r"step-000009\.pt") as caught:
            checkpoints.newest()
    assert caught.value.errno == code
    assert checkpoints.newest()[1]["t"] == 9
    checkpoints.save(turned_run(trainer, 12))
    assert names(tmp_path) == ["step-000009.pt", "step-000012.pt"]


def refuse(patch, code, name):
    """Let reading the file of this name fail, though it can be opened."""
    opened = Path.open

    def failing(path, *how):
        file = opened(path, *how)
        if path.name == name:
            file.close()
            file = MagicMock()
            file.__enter__.return_value.readline.side_effect = OSError(code, os.strerror(code))
            file.__exit__.return_value = False
        return file

    patch.setattr(Path, "open", failing)


def test_where_only_later_ones_are_whole_there_is_none_until_then(tmp_path):
    checkpoints, _ = saved(tmp_path, 5, 9)
    flip(tmp_path / "step-000005.pt")
    with pytest.warns(RuntimeWarning, match=r"step-000005\.pt is damaged.*: went on without"):
        assert checkpoints.newest(until=6) is None


def test_where_none_is_whole_all_are_named(tmp_path):
    checkpoints, _ = saved(tmp_path, 5, 9)
    flip(tmp_path / "step-000005.pt")
    whole = (tmp_path / "step-000009.pt").read_bytes()
    (tmp_path / "step-000009.pt").write_bytes(whole[:20])
    with pytest.raises(DamagedCheckpoint) as caught:
        checkpoints.newest()
    for said in (str(tmp_path), "none of the checkpoints there is whole", "step-000009.pt is no",
                 "cut short", "step-000005.pt is damaged", "remove them"):  # fmt: skip
        assert said in str(caught.value)


def test_scratch_of_a_killed_writer_goes_with_the_next_save_and_no_other(tmp_path):
    dead = tmp_path / ".step-000003.pt.abc.tmp"
    dead.write_bytes(b"half")
    os.utime(dead, (time.time() - 1, time.time() - 1))
    checkpoints = Checkpoints(tmp_path)
    living = tmp_path / ".step-000004.pt.def.tmp"
    living.write_bytes(b"half")
    os.utime(living, (time.time() + 1, time.time() + 1))
    checkpoints.save(build())
    assert names(tmp_path) == [living.name, "step-000000.pt"]


@pytest.mark.parametrize("inner", ["", "checkpoints"])
def test_a_folder_stands_for_its_newest(inner, tmp_path):
    _, trainer = saved(tmp_path / "checkpoints", 5, 9)
    data = TinyLanguage(eos=True)
    assert_same(Trainer.resume(tmp_path / inner, data=data), trainer)
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="empty: no checkpoint"):
        Trainer.resume(tmp_path / "empty", data=data)


# --- into a trainer that is there ----------------------------------------------------------------


def test_loaded_into_a_trainer_that_has_trained_otherwise(tmp_path):
    path = turned_run(build(), 9).save(tmp_path / "x.ckpt")
    other = build()
    steps = other.steps(30)
    for _ in range(12):  # in mid-window: rows wait on the device
        next(steps)
        other.knobs.set(g_lr=0.5, d_dropout=0.9)
    assert other.load(path) is other
    steps.close()
    assert_same(turned_run(other, 22), turned_run(build(), 22))


@pytest.mark.parametrize(
    ("spec", "schedule", "said"),
    [
        ({"batch_size": 9}, None, r"of another run, made with batch_size=8 \(here 9\)"),
        ({"seed": 1, "mle_steps": 0}, None, r"mle_steps=4 \(here 0\), seed=0 \(here 1\)"),
        ({}, Schedule([[3, "d_lr", 0.5]]), r"the schedule \[\] \(here Schedule\(\[\[3, 'd_lr'"),
    ],
)
def test_another_run_is_refused_and_nothing_changed(spec, schedule, said, tmp_path):
    path = turned_run(build(), 9).save(tmp_path / "x.ckpt")
    other = build(SPEC.model_copy(update=spec), schedule)
    list(other.steps(2))
    weights, rows = other.game.g.flat.clone(), other.telemetry.lines("telemetry")
    with pytest.raises(ValueError, match=said):
        other.load(path)
    assert other.t == 2 and torch.equal(other.game.g.flat, weights)
    assert other.telemetry.lines("telemetry") == rows
    with pytest.raises(ValueError, match="was trained on other data"):
        Trainer(SPEC, data=TinyLanguage(eos=True, seed=1)).load(path)


def test_a_run_that_diverged_saves_a_finite_state(tmp_path):
    trainer = build(SPEC.model_copy(update={"mle_steps": 0}))
    list(trainer.steps(5))
    kept = trainer.discriminator.head.bias.detach().clone()
    trainer.discriminator.head.bias.data.fill_(float("nan"))
    list(trainer.steps(9))
    trainer.discriminator.head.bias.data.copy_(kept)
    assert trainer.diverged
    state = checkpoint.read(trainer.save(tmp_path / "x.ckpt"))
    tensors = [state["g"], state["d"]]  # not the directions: of the newest gradients, as they were
    tensors += [x for moments in state["optimisers"].values() for x in moments]
    tensors += [x for player in state["buffers"].values() for x in player.values()]
    tensors += state["estimator"].values()
    assert len(tensors) > 8 and all(x.isfinite().all() for x in tensors)
    assert Trainer.resume(tmp_path / "x.ckpt", data=TinyLanguage(eos=True)).diverged
