"""The live lab without a browser: its threads, its buttons' commands, and what it promises."""

import json
import math
import random
import threading
import time

import pytest
import torch

from textgan_lab.dashboard import LiveLab
from textgan_lab.dashboard import lab as labs
from textgan_lab.dashboard.controls import Controls
from textgan_lab.knobs import Schedule
from textgan_lab.training import Spec, Trainer

TURNS = Schedule([[3, "d_lr", 5e-3], [7, "d_noise", 0.3], [7, "g_beta1", 0.2], [15, "d_steps", 2]])


def weights(trainer):
    return torch.cat([trainer.game.g.flat, trainer.game.d.flat]).clone()


def names():
    return [thread.name for thread in threading.enumerate()]


def alone(trainer, n):
    for _ in trainer.steps(n):
        pass
    return weights(trainer)


# --- display -------------------------------------------------------------------------------------


def test_watching_never_changes_training(make):
    expected = alone(make(TURNS), 60)
    watched = LiveLab(make(TURNS), steps=60, snapshot_every=7)
    watched._widget = Controls(watched)
    watched.start()
    watched.wait()
    assert torch.equal(weights(watched.trainer), expected)
    unseen = LiveLab(make(TURNS), steps=60, live=False)
    unseen.start()
    assert torch.equal(weights(unseen.trainer), expected)


def test_headless_starts_no_thread_and_shows_its_last_frame(make, monkeypatch):
    before = names()
    lab = LiveLab(make(), steps=12, live=False)
    lab.start()
    lab.wait()
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda html: shown.append(html.data))
    lab._ipython_display_()
    assert names() == before
    assert (lab.trainer.t, lab.state) == (12, "finished")
    assert 'data-state="finished" data-t="12"' in shown[0]
    assert "<svg" in shown[0] and "what G writes after 10 steps" in shown[0]  # noqa: PT018
    lab.start()  # what was planned is done
    assert lab.trainer.t == 12


# --- errors --------------------------------------------------------------------------------------


class Broken(Exception):
    pass


def break_at(trainer, t, monkeypatch):
    play = trainer.game.play

    def broken():
        if trainer.t == t:
            raise Broken("no memory left")
        return play()

    monkeypatch.setattr(trainer.game, "play", broken)


def test_headless_start_raises_what_training_raised(make, monkeypatch):
    lab = LiveLab(make(), steps=20, live=False)
    break_at(lab.trainer, 7, monkeypatch)
    with pytest.raises(Broken):
        lab.start()
    assert (lab.trainer.t, lab.state) == (7, "failed")


def test_live_wait_raises_what_training_raised_and_the_status_says_it(make, monkeypatch):
    lab = LiveLab(make(), steps=20)
    break_at(lab.trainer, 7, monkeypatch)
    lab.start()
    for _ in range(2):
        with pytest.raises(Broken):
            lab.wait()
    assert lab.state == "failed"
    assert "Broken: no memory left" in lab.frame()["news"]
    monkeypatch.undo()
    lab.start()  # the thread lives on, and so does the run
    lab.wait()
    assert (lab.trainer.t, lab.state) == (20, "finished")


def test_a_snapshot_that_fails_is_not_lost(make, monkeypatch):
    lab = LiveLab(make(), steps=20, snapshot_every=5)
    monkeypatch.setattr(lab, "_keep", lambda: 1 / 0)
    lab.start()
    with pytest.raises(ZeroDivisionError):
        lab.wait()


def test_a_button_s_error_is_on_the_status_line(make, until):
    lab = LiveLab(make(mle_steps=5))
    controls = Controls(lab)
    controls.buttons["step D"].click()
    until(lambda: "warm-up" in controls.html["news"].value)
    assert lab.state == "paused"
    lab._do(lab._rewind, -1, wait=False)
    until(lambda: "no snapshot at or before step -1" in controls.html["news"].value)


def test_a_view_that_fails_stops_and_says_so_while_training_goes_on(make, monkeypatch, until):
    lab = LiveLab(make())
    controls = Controls(lab)
    lab.start()
    monkeypatch.setattr("textgan_lab.dashboard.charts.strip", lambda *a: 1 / 0)
    until(lambda: not controls._view.is_alive())
    assert isinstance(controls.error, ZeroDivisionError)
    assert "the view stopped: ZeroDivisionError" in controls.html["news"].value
    t = lab.trainer.t
    until(lambda: lab.trainer.t > t)
    assert lab.state == "running"


@pytest.mark.parametrize(
    "options, message",
    [({"live": False}, "give steps="), ({"snapshot_every": 0}, "snapshot_every must be 1 or more")],
)
def test_a_lab_that_cannot_work_is_refused(make, options, message):
    with pytest.raises(ValueError, match=message):
        LiveLab(make(), **options)


def test_a_run_that_diverges_pauses_and_says_so(make):
    lab = LiveLab(make(knobs={"d_lr": 0.0}), steps=50, live=False)
    lab.trainer.game.d.flat[0] = math.nan
    lab.start()
    assert lab.trainer.diverged
    assert "not finite" in lab.frame()["news"]
    assert lab.state == "paused"


# --- start, pause, step --------------------------------------------------------------------------


def test_a_lab_of_the_same_name_stops_the_old_one(make, until):
    old = LiveLab(make(), name="twice")
    controls = old._widget = Controls(old)
    old.start()
    new = LiveLab(make(), name="twice")
    assert names().count("twice: train") == 1
    assert "twice: view" not in names()
    assert old.state == "closed"
    assert 'data-state="closed"' in controls.html["status"].value
    assert all(w.disabled for w in (*controls.buttons.values(), *controls.sliders.values()))
    t = old.trainer.t
    new.start()
    until(lambda: new.trainer.t > 3)
    assert old.trainer.t == t
    with pytest.raises(RuntimeError, match="closed"):
        old.start()
    other = LiveLab(make(), name="beside")
    assert new.state == "running"
    other.close()


def test_pauses_leave_no_trace(make, until):
    lab = LiveLab(make(TURNS))
    for stop in (5, 11, 30):
        lab.start()
        lab.start()  # harmless
        until(lambda stop=stop: lab.trainer.t >= stop)
        assert lab.state == "running"
        lab.pause()
        t = lab.trainer.t
        assert lab.state == "paused"
        time.sleep(0.02)
        assert lab.trainer.t == t
    assert torch.equal(weights(lab.trainer), alone(make(TURNS), lab.trainer.t))


def test_what_is_planned_ends_by_itself_and_start_goes_on_from_there(make, until):
    lab = LiveLab(make(), steps=12)
    lab.start()
    lab.wait()
    assert (lab.trainer.t, lab.state) == (12, "finished")
    lab.start()
    until(lambda: lab.trainer.t > 12)
    assert lab.state == "running"


@pytest.mark.parametrize(
    "who, moved", [("d", [False, True]), ("g", [True, False]), ("both", [True, True])]
)
def test_a_single_step_moves_whom_it_names(make, who, moved):
    lab = LiveLab(make())
    trainer = lab.trainer
    before = trainer.game.g.flat.clone(), trainer.game.d.flat.clone()
    lab.step(who)
    after = trainer.game.g.flat, trainer.game.d.flat
    assert [not torch.equal(a, b) for a, b in zip(before, after, strict=True)] == moved
    assert (trainer.t, lab.state) == (1, "paused")
    with pytest.raises(ValueError, match="expected 'd', 'g' or 'both', got 'D'"):
        lab.step("D")


def test_a_step_pauses_a_running_lab(make, until):
    lab = LiveLab(make())
    lab.start()
    until(lambda: lab.trainer.t > 2)
    lab.step()
    assert lab.state == "paused"


# --- rewind, branch, export ----------------------------------------------------------------------


def test_rewound_and_repeated_gives_the_same_weights(make):
    lab = LiveLab(make(TURNS), steps=30, live=False, snapshot_every=10)
    lab.start()
    expected = weights(lab.trainer)
    rows = list(lab.trainer.telemetry.rows)
    assert lab.snapshots == [0, 10, 20, 30]
    lab.rewind(19)
    assert lab.trainer.t == 10
    assert lab.snapshots == [0, 10]
    lab.start()
    assert torch.equal(weights(lab.trainer), expected)
    assert lab.trainer.telemetry.rows == rows
    with pytest.raises(ValueError, match=r"no snapshot at or before step -1; there are \[0, 10"):
        lab.rewind(-1)


def test_a_branch_leaves_its_parent_alone(make):
    lab = LiveLab(make(), snapshot_every=10)
    parent = lab.trainer
    for _ in range(25):
        lab.step()
    before, rows, t = weights(parent), list(parent.telemetry.rows), parent.t
    child = lab.branch()
    assert child is lab.trainer is not parent
    assert "branched at step 25" in lab.notice
    assert torch.equal(weights(child), before)
    child.knobs.set(d_lr=0.5)
    lab.step()
    assert not torch.equal(weights(child), before)
    assert torch.equal(weights(parent), before)
    assert (parent.t, parent.telemetry.rows) == (t, rows)
    assert parent.knobs["d_lr"] != 0.5
    assert lab.parent is parent.telemetry
    grandchild = lab.branch(0)
    assert grandchild.t == 0
    assert torch.equal(weights(grandchild), weights(make()))


def test_snapshots_thin_out_but_the_start_and_the_newest_stay(make):
    lab = LiveLab(make(probe_every=0), steps=40, live=False, snapshot_every=1)
    lab.start()
    assert len(lab.snapshots) <= labs.KEPT
    assert (lab.snapshots[0], lab.snapshots[-1]) == (0, 40)


def test_a_live_session_of_many_turns_replays_bit_for_bit(make, tmp_path, until):
    lab = LiveLab(make())
    sliders = Controls(lab).sliders
    turned = ["d_lr", "g_lr", "d_beta1", "d_noise", "d_dropout", "temperature"]
    lab.start()
    draw = random.Random(0)
    for i in range(60):
        slider = sliders[turned[i % 6]]
        values = [value for _, value in slider.options if value != slider.value and value > 0]
        slider.value = draw.choice(values)
        until(lambda i=i: len(lab.trainer.telemetry.turns) == i + 1)
    path = lab.export(tmp_path / "session.json")
    lab.pause()
    session = json.loads(path.read_text())
    assert len(session["schedule"]) >= 40
    assert {name for _, name, _ in session["schedule"]} == set(turned)
    assert [[name, value] for _, name, value in session["arrived"]] == [
        [turn.name, turn.new] for turn in lab.trainer.telemetry.turns
    ]
    assert all(
        t <= turn.step <= t + 2
        for (t, *_), turn in zip(session["arrived"], lab.trainer.telemetry.turns, strict=True)
    )
    replay = Trainer(Spec(**session["spec"]), Schedule.load(path))
    alone(replay, lab.trainer.t)
    assert torch.equal(weights(replay), weights(lab.trainer))
    assert replay.telemetry.rows == lab.trainer.telemetry.rows


def test_headless_a_session_replays_to_its_end_on_its_own_spec(make, tmp_path):
    lab = LiveLab(make(), steps=30, live=False)
    lab.start()
    lab.trainer.knobs.set(d_lr=0.01)
    lab.step("d")
    path = lab.export(tmp_path / "session.json")
    replay = LiveLab(Trainer(lab.trainer.spec, Schedule.load(path)), live=False)
    replay.trainer.run(7)  # a notebook may have run a part of it before its lab
    replay.start()
    assert (replay.trainer.t, replay.state) == (31, "finished")
    assert torch.equal(weights(replay.trainer), weights(lab.trainer))
    other = lab.trainer.spec.model_copy(update={"seed": 99})
    with pytest.raises(ValueError, match=r"seed=0 \(here 99\)"):
        Trainer(other, Schedule.load(path))


def test_wait_returns_also_when_pausing_fails(make, monkeypatch):
    lab = LiveLab(make())

    def fail():
        raise RuntimeError("the device is lost")

    monkeypatch.setattr(lab.trainer, "flush", fail)
    lab.start()
    with pytest.raises(RuntimeError, match="the device is lost"):
        lab.wait()
    assert lab.state == "failed"


def test_a_cell_may_train_and_look_while_the_lab_runs(make):
    lab = LiveLab(make(probe_every=5))
    lab.start()
    for _ in range(20):
        list(lab.trainer.steps(3))
        lab.trainer.show()
        lab.trainer.flush()
    lab.pause()
    rows = lab.trainer.telemetry.rows
    assert [row["step"] for row in rows] == list(range(lab.trainer.t))
    alone(replay := make(probe_every=5), lab.trainer.t)
    assert torch.equal(weights(replay), weights(lab.trainer))


@pytest.mark.parametrize(
    "call, error",
    [
        (lambda t: LiveLab(t.spec), "LiveLab: expected a Trainer, got Spec"),
        (lambda t: LiveLab(t, steps=-1), "steps must be 0 or more"),
        (lambda t: LiveLab(t, live=False), "give steps="),
    ],
)
def test_misuse_is_explained(make, call, error):
    with pytest.raises((TypeError, ValueError), match=error):
        call(make())
