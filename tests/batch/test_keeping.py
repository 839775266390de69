"""What a headless run leaves as it goes: enough to go on from, bit for bit, after any kill."""

import json
import math
import os
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from languages import TinyLanguage

from textgan_lab.batch import keeping
from textgan_lab.batch.keeping import carry_on, keep
from textgan_lab.diagnostics import Watch, diagnose
from textgan_lab.knobs import Schedule
from textgan_lab.telemetry import Telemetry
from textgan_lab.training import DamagedCheckpoint, Spec, Trainer, checkpoint

torch.set_num_threads(1)
DATA = TinyLanguage(eos=True)
SPEC = Spec(
    data="given", discriminator="lstm", estimator="dense_reinforce", remedies={"entropy": {}},
    knobs={"d_dropout": 0.2, "d_noise": 0.1}, batch_size=8, probe_every=7, probe_size=32,
    mle_steps=4, device="cpu",
)  # fmt: skip
TURNS = Schedule([[3, "d_lr", 1e-3], [9, "d_beta1", 0.3], [14, "d_lr", 2e-3]])
END = 24


def build(spec=SPEC, schedule=TURNS, data=DATA):
    return Trainer(spec, schedule, data=data)


@pytest.fixture(scope="module")
def undisturbed():
    return build().run(END)


@pytest.fixture
def run(tmp_path, monkeypatch):
    """The folder of a headless run, in which saving may take all the time it likes."""
    monkeypatch.setenv("TEXTGAN_LAB_RUN", str(tmp_path / "run"))
    monkeypatch.setattr(keeping, "SHARE", math.inf)
    return tmp_path / "run"


def assert_same(trainer, other):
    assert trainer.t == other.t
    for a, b in zip((trainer.game.g, trainer.game.d), (other.game.g, other.game.d), strict=True):
        assert torch.equal(a.flat, b.flat)
    assert_same_record(trainer, other)


def assert_same_record(trainer, other):
    for name in ("telemetry", "events", "samples"):
        assert trainer.telemetry.lines(name) == other.telemetry.lines(name), name


def interrupted(trainer, at, **wanted):
    """Let a run be torn down in the middle of step ``at``; what it had not saved is lost."""
    whole = trainer._step

    def step():
        if trainer.t == at:
            raise InterruptedError
        return whole()

    trainer._step = step
    with pytest.raises(InterruptedError):
        carry_on(trainer, END, **wanted)


def kept(run):
    return sorted(os.listdir(run / "checkpoints"))


# ---- keep ---------------------------------------------------------------------------------------


def test_what_is_kept_at_the_end(run):
    trainer = build().run(END)
    trainer.telemetry.rows[-1]["d_loss"] = math.nan
    assert keep(trainer, bleu=[0.5, math.nan], name="x", table={"a": None}) == run
    assert sorted(os.listdir(run)) == [
        "checkpoints", "events.jsonl", "result.json", "samples.jsonl", "telemetry.jsonl",
        "timings.jsonl",
    ]  # fmt: skip
    assert kept(run) == ["step-000024.pt"]
    assert_same(Trainer.resume(run, data=DATA), trainer)
    assert_same_record(SimpleNamespace(telemetry=Telemetry.load(run)), trainer)
    left = json.loads((run / "result.json").read_text())
    assert set(left) == {"steps", "metrics", "findings", "result"}
    assert left["steps"] == 24
    assert left["findings"] == diagnose(trainer.telemetry).codes != []
    assert left["result"]["name"] == "x" and left["result"]["table"] == {"a": None}
    assert left["result"]["bleu"][0] == 0.5 and math.isnan(left["result"]["bleu"][1])
    metrics, rows = left["metrics"], trainer.telemetry.rows
    assert set(metrics) == set(trainer.telemetry.columns())
    assert math.isnan(metrics["d_loss"])  # measured, and it was NaN: not the last good one
    assert metrics["g_loss"] == rows[23]["g_loss"]
    assert metrics["js"] == rows[20]["js"] and "js" not in rows[23]  # probed after step 20


def test_of_a_loop_of_ones_own_the_record_is_kept(run):
    watch = Watch("hinge")
    for step in range(0, 1000, 10):
        watch.log(step, d_loss=2.0, g_loss=0.1 * step, g_grad_norm=0.0)
    assert keep(watch, source="mine") == run
    assert not (run / "checkpoints").exists()
    assert diagnose(Telemetry.load(run)) == diagnose(watch.telemetry)
    left = json.loads((run / "result.json").read_text())
    assert (left["steps"], left["findings"]) == (991, ["blocked-gradient"])
    assert left["metrics"]["g_loss"] == 99.0 and left["result"] == {"source": "mine"}


def test_a_page_without_a_record_keeps_results(run):
    assert keep(bleu=0.5) == run
    assert os.listdir(run) == ["result.json"]
    assert json.loads((run / "result.json").read_text()) == {"result": {"bleu": 0.5}}


def test_what_is_kept_twice_is_put_together(run):
    keep(build().run(10), bleu=0.1, name="x")
    keep(bleu=0.5)
    left = json.loads((run / "result.json").read_text())
    assert left["steps"] == 10 and "g_loss" in left["metrics"]
    assert left["result"] == {"bleu": 0.5, "name": "x"}


def test_what_a_killed_writer_of_a_loops_record_left_goes(run):
    run.mkdir()
    for name, ago in (("dead", 60), ("alive", -60)):
        (run / f".telemetry.jsonl.{name}.tmp").touch()
        os.utime(run / f".telemetry.jsonl.{name}.tmp", (keeping.BEGAN - ago,) * 2)
    keep(Watch("hinge"))
    assert [path.name for path in run.glob(".*.tmp")] == [".telemetry.jsonl.alive.tmp"]


def test_what_has_no_record_is_refused_before_anything_is_written(run):
    with pytest.raises(TypeError, match="expected a Trainer or a Watch, got dict"):
        keep({"bleu": 0.5})
    assert not run.exists()


def test_in_a_notebook_that_somebody_works_in_nothing_is_kept(tmp_path, monkeypatch, undisturbed):
    monkeypatch.delenv("TEXTGAN_LAB_RUN", raising=False)
    monkeypatch.chdir(tmp_path)
    assert keep(undisturbed, bleu=0.5) is None
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"bleu": np.float32(0.5)}, "bleu: .*is a float32, not plain data"),
        ({"bleu": [1.0, np.arange(2)]}, r"bleu\[1\]: .*is a ndarray"),
        ({"bleu": {"a": torch.ones(1)}}, r"bleu\['a'\]: .*is a Tensor"),
        ({"bleu": (1, 2)}, "bleu: .*is a tuple"),
        ({"bleu": {1: 2.0}}, "bleu: key 1: expected str"),
        ({"a b": 1}, "'a b' cannot name a result"),
    ],
)
def test_what_is_no_plain_data_is_refused_before_anything_is_written(given, said, run):
    with pytest.raises(ValueError, match=said):
        keep(build(), **given)
    assert not run.exists()


# ---- carry_on -----------------------------------------------------------------------------------


def test_by_hand_it_is_a_run(tmp_path, monkeypatch, undisturbed):
    monkeypatch.delenv("TEXTGAN_LAB_RUN", raising=False)
    monkeypatch.chdir(tmp_path)
    assert_same(carry_on(build().run(5), END), undisturbed)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("every", [1, 5, 7, 100])
def test_saving_changes_nothing(every, run, undisturbed):
    trainer = build()
    assert carry_on(trainer, END, every) is trainer
    assert_same(trainer, undisturbed)
    assert_same(Trainer.resume(run, data=DATA), undisturbed)
    assert_same_record(SimpleNamespace(telemetry=Telemetry.load(run)), undisturbed)
    assert kept(run)[:-1] == {1: ["step-000023.pt"], 5: ["step-000020.pt"],
                              7: ["step-000021.pt"], 100: []}[every]  # fmt: skip


@pytest.mark.parametrize(("every", "kills"), [(1, [2, 3, 8, 15]), (5, [3, 7, 11, 12, 23])])
def test_torn_down_again_and_again_it_ends_as_if_never(every, kills, run, undisturbed, capsys):
    for at in kills:
        interrupted(build(), at, every=every)
    last = carry_on(build(), END, every)
    assert_same(last, undisturbed)
    assert f"Went on from step {kills[-1] // every * every}\n" in capsys.readouterr().err
    assert_same(carry_on(build(), END, every), undisturbed)  # done: nothing is left to train
    assert "play: 0 steps" in capsys.readouterr().err


def test_the_progress_line_of_a_first_run_says_nothing_of_going_on(run, capsys):
    carry_on(build(), 6)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("warm-up and play: 6 steps in ") and "Went on" not in line


def test_turns_that_the_page_makes_on_the_way(run):
    def page(tear=None):
        trainer = build()
        if tear is not None and tear < 10:
            return interrupted(trainer, tear, every=3)
        assert carry_on(trainer, 10, every=3).t == 10  # also when a later step was saved
        trainer.knobs.set(g_lr=0.02)
        if tear is not None:
            return interrupted(trainer, tear, every=3)
        return carry_on(trainer, END, every=3)

    whole = build().run(10)
    whole.knobs.set(g_lr=0.02)
    whole.run(END - 10)
    for tear in (5, 11, 17, 22):
        page(tear)
    assert_same(page(), whole)


def two_stages(tear=None):
    """Be a page that trains twice; return its trainer, or, torn down, the steps that it took."""
    trainer, taken = build(), []
    whole = trainer._step

    def step():
        if trainer.t == tear:
            raise InterruptedError
        taken.append(trainer.t)
        return whole()

    trainer._step = step
    try:
        carry_on(trainer, 10, every=3)
        trainer.knobs.set(g_lr=0.02)
        carry_on(trainer, END, every=3)
    except InterruptedError:
        return taken
    return trainer


def test_killed_in_its_second_call_a_page_goes_on_there(run):
    assert two_stages(tear=20) == list(range(20))
    assert kept(run) == ["step-000010.pt", "step-000015.pt", "step-000018.pt"]
    assert two_stages(tear=19) == [18]
    assert two_stages(tear=23) == [18, 19, 20, 21, 22]
    assert kept(run) == ["step-000010.pt", "step-000018.pt", "step-000021.pt"]
    last = two_stages()
    whole = build().run(10)
    whole.knobs.set(g_lr=0.02)
    assert_same(last, whole.run(END - 10))
    assert kept(run) == ["step-000010.pt", "step-000021.pt", "step-000024.pt"]
    keep(last)
    assert kept(run) == ["step-000010.pt", "step-000021.pt", "step-000024.pt"]


@pytest.mark.parametrize("damage", ["gone", "damaged"])
def test_without_the_end_of_its_first_call_a_page_still_goes_on_in_its_second(damage, run):
    two_stages(tear=20)
    end = run / "checkpoints" / "step-000010.pt"
    if damage == "gone":
        end.unlink()
        assert two_stages(tear=20) == [*range(10), 18, 19]
    else:
        end.write_bytes(b"")
        with pytest.warns(RuntimeWarning, match=r"step-000010\.pt .*: went on without"):
            assert two_stages(tear=20) == [*range(10), 18, 19]
    assert two_stages(tear=23) == [18, 19, 20, 21, 22]
    assert kept(run) == ["step-000010.pt", "step-000018.pt", "step-000021.pt"]


def test_the_ends_of_all_calls_stay(run):
    trainer = build()
    for until in (4, 8, 12, 16):
        carry_on(trainer, until, every=1)
    assert kept(run) == [f"step-{n:06d}.pt" for n in (4, 8, 12, 15, 16)]


def test_going_on_reads_one_file_once(run, monkeypatch):
    interrupted(build(), 12, every=5)
    seen, read = [], checkpoint.read
    monkeypatch.setattr(checkpoint, "read", lambda path: (seen.append(path.name), read(path))[1])
    carry_on(build(), END, every=5)
    assert seen == ["step-000010.pt"]


def test_a_checkpoint_that_nobody_may_read_now_is_neither_passed_over_nor_removed(run, monkeypatch):
    interrupted(build(), 12, every=5)

    def refused(path):
        raise PermissionError(13, "Permission denied", str(path))

    trainer = build()
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "read", refused)
        with pytest.raises(PermissionError, match="step-000010.pt"):
            carry_on(trainer, END)
    assert trainer.t == 0 and kept(run) == ["step-000005.pt", "step-000010.pt"]


def test_a_damaged_checkpoint_costs_time_and_nothing_else(run, undisturbed):
    interrupted(build(), 17, every=5)
    newest = run / "checkpoints" / "step-000015.pt"
    newest.write_bytes(newest.read_bytes()[:-1])
    with pytest.warns(RuntimeWarning, match="step-000015.pt .*: went on from step-000010.pt"):
        last = carry_on(build(), END, every=8)
    assert_same(last, undisturbed)
    assert kept(run) == ["step-000016.pt", "step-000024.pt"]


def test_where_all_are_damaged_nothing_is_begun_anew(run):
    interrupted(build(), 12, every=5)
    for path in (run / "checkpoints").iterdir():
        path.write_bytes(b"")
    trainer = build()
    with pytest.raises(DamagedCheckpoint, match="step-000010.pt .*; step-000005.pt"):
        carry_on(trainer, END)
    assert trainer.t == 0 and kept(run) == ["step-000005.pt", "step-000010.pt"]


@pytest.mark.parametrize("until", [END, 4])  # ahead of the other's newest, and behind it
def test_another_trainers_checkpoints_are_refused_and_kept(until, run):
    interrupted(build(), 12, every=5)
    with pytest.raises(ValueError, match=r"step-000010.pt: is of another run.*batch_size=8 \(her"):
        carry_on(build(SPEC.model_copy(update={"batch_size": 4})), until)
    with pytest.raises(ValueError, match="the schedule"):
        carry_on(build(schedule=Schedule()), until)
    with pytest.raises(ValueError, match="other data"):
        carry_on(build(data=TinyLanguage(eos=True, seed=1)), until)
    assert kept(run) == ["step-000005.pt", "step-000010.pt"]


@pytest.mark.parametrize(("until", "every", "said"), [(3, 0, "every=0"), (2, 1, "until=2 was pas")])
def test_what_makes_no_sense_is_refused(until, every, said, run):
    trainer = build()
    list(trainer.steps(3))
    with pytest.raises(ValueError, match=said):
        carry_on(trainer, until, every)


def diverging(at=9):
    trainer = build()
    whole = trainer._step

    def step():
        if trainer.t == at:
            trainer.discriminator.head.bias.data.fill_(math.nan)
        return whole()

    trainer._step = step
    return trainer


def test_it_stops_where_training_stops(run, capsys):
    whole = diverging().run(END)
    assert (whole.t, whole.diverged) == (14, True)  # at the end of the window
    trainer = carry_on(diverging(), END, every=1)
    assert (trainer.t, trainer.diverged) == (14, True)
    assert_same_record(trainer, whole)
    assert kept(run) == ["step-000009.pt", "step-000014.pt"]  # the last good one is still there
    capsys.readouterr()
    again = carry_on(diverging(), END, every=1)
    assert (again.t, again.diverged) == (14, True)
    assert_same_record(again, whole)
    said = capsys.readouterr().err
    assert "Went on from step 14. Stopped: loss or gradient not finite at step 9" in said


def test_saving_takes_a_twentieth_of_the_time(run, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(keeping, "SHARE", 0.05)
    monkeypatch.setattr(keeping, "time", SimpleNamespace(perf_counter=lambda: clock[0]))
    saves, whole = [], keeping._save

    def save(trainer, *rest):
        saves.append(trainer.t)
        clock[0] += 0.5
        whole(trainer, *rest)

    monkeypatch.setattr(keeping, "_save", save)
    trainer = build()
    step = trainer._step

    def second():
        clock[0] += 1.0
        return step()

    trainer._step = second
    carry_on(trainer, END, every=2)
    # the first when it may; after half a second of saving ten must have passed; then twenty
    assert saves == [2, 10, 20, 24]


# ---- a disk that refuses ------------------------------------------------------------------------


@pytest.mark.parametrize("failing", ["fsync", "replace", "open"])
def test_a_disk_that_refuses_is_named_and_the_old_state_stays(
    failing, run, undisturbed, monkeypatch
):
    interrupted(build(), 12, every=5)
    before = {p: p.read_bytes() for p in run.rglob("*") if p.is_file()}

    def refuse(*_, **__):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(f"os.{failing}", refuse)
        with pytest.raises(OSError, match=r"No space left on device: '.*step-000015\.pt'"):
            carry_on(build(), END, every=5)
        with pytest.raises(OSError, match=r"No space left on device: '.*step-000000\.pt'"):
            keep(build())
    assert {p: p.read_bytes() for p in run.rglob("*") if p.is_file()} == before
    assert_same(carry_on(build(), END, every=5), undisturbed)
