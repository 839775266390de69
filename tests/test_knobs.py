"""Knobs: ranges, all-or-none turns, threads; schedules."""

import json
import math
import sys
import threading

import pytest

from textgan_lab.catalogue import UnknownName
from textgan_lab.knobs import Knob, Knobs, Schedule, Turn


@pytest.fixture
def knobs():
    return Knobs(
        [
            Knob("d_lr", 1e-3, (0.0, 10.0), "step size", player="d", scale="log", unit="1/step"),
            Knob("d_noise", 0.0, (0.0, 1.0), "noise", slider=(0.0, 0.5)),
            Knob("d_steps", 1, (0, 100), "updates", integer=True),
        ]
    )


@pytest.mark.parametrize("value", [0.0, 10.0, 3, 1e-300])
def test_bounds_are_legal_values_themselves(knobs, value):
    knobs.set(d_lr=value)
    assert knobs["d_lr"] == value and type(knobs["d_lr"]) is float


@pytest.mark.parametrize("value", [-1e-9, 10.0000001, math.inf, -math.inf, math.nan])
def test_a_value_outside_is_refused_with_name_value_and_range(knobs, value):
    with pytest.raises(ValueError) as error:
        knobs.set(d_lr=value)
    assert str(error.value) == f"knob d_lr: {value!r} is outside [0, 10]"
    assert knobs["d_lr"] == 1e-3


@pytest.mark.parametrize("value", ["0.1", None, True, [1.0], 1j])
def test_what_is_no_number_is_refused(knobs, value):
    with pytest.raises(TypeError, match="knob d_lr: expected a number, got"):
        knobs.set(d_lr=value)


def test_a_count_is_a_whole_number(knobs):
    knobs.set(d_steps=5.0)
    assert knobs["d_steps"] == 5 and type(knobs["d_steps"]) is int
    with pytest.raises(ValueError, match="knob d_steps: expected a whole number, got 2.5"):
        knobs.set(d_steps=2.5)


def test_an_unknown_knob_lists_those_of_the_run(knobs):
    with pytest.raises(UnknownName) as error:
        knobs.set(lr=1.0)
    assert str(error.value) == "unknown knob 'lr'; this run has: d_lr, d_noise, d_steps"


@pytest.mark.parametrize("bad", [{"d_noise": 2.0}, {"nonsense": 1.0}, {"d_steps": 0.5}])
def test_one_bad_value_changes_nothing_at_all(knobs, bad):
    before = knobs.read()
    with pytest.raises(ValueError):
        knobs.set({"d_lr": 0.5, **bad})
    assert knobs.read() is before


def test_a_snapshot_is_immutable_numbered_and_says_who(knobs):
    first = knobs.read()
    knobs.set(d_lr=0.5, d_noise=0.25, source="schedule")
    second = knobs.read()
    assert (first.version, set(first.sources.values()), first.values["d_lr"]) == (
        0, {"default"}, 1e-3
    )  # fmt: skip
    assert second.version == 1
    assert dict(second.sources) == {"d_lr": "schedule", "d_noise": "schedule", "d_steps": "default"}
    assert dict(second.values) == {"d_lr": 0.5, "d_noise": 0.25, "d_steps": 1}
    with pytest.raises(TypeError):
        second.values["d_lr"] = 1.0


def test_an_attribute_is_no_knob(knobs):
    with pytest.raises(AttributeError):
        knobs.d_lr = 0.5


def test_initial_values_are_checked_like_turns():
    table = [Knob("d_lr", 1e-3, (0.0, 1.0), "step size")]
    assert Knobs(table, {"d_lr": 0.5})["d_lr"] == 0.5
    with pytest.raises(ValueError, match="knob d_lr: 2"):
        Knobs(table, {"d_lr": 2.0})
    with pytest.raises(UnknownName, match="unknown knob 'g_lr'; this run has: d_lr"):
        Knobs(table, {"g_lr": 0.5})
    with pytest.raises(ValueError, match="knob d_lr: 5"):  # a default must be legal, too
        Knobs([Knob("d_lr", 5.0, (0.0, 1.0), "step size")])


def test_a_slider_covers_its_own_range_or_all_that_is_legal(knobs):
    assert knobs.table["d_noise"].shown == (0.0, 0.5)
    assert knobs.table["d_lr"].shown == (0.0, 10.0)


def test_the_repr_is_a_table_of_values_and_meanings(knobs):
    knobs.set(d_noise=0.25)
    assert list(knobs) == ["d_lr", "d_noise", "d_steps"]
    lines = repr(knobs).splitlines()
    assert lines[0].split() == ["d_lr", "0.001", "step", "size", "[1/step]"]
    assert lines[1].split() == ["d_noise", "0.25", "noise"]


@pytest.fixture
def restless():
    """Let Python change threads as often as it can, so that a race shows."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual)


def test_two_threads_lose_none_of_each_others_turns(knobs, restless):
    def turn(name, values, torn):
        for value in values:
            knobs.set({name: value})
            if knobs[name] != value:  # only this thread turns this knob
                torn.append(value)

    torn = []
    noise, lr = [i / 3000 for i in range(3000)], [i / 1000 for i in range(3000)]
    threads = [
        threading.Thread(target=turn, args=("d_noise", noise, torn)),
        threading.Thread(target=turn, args=("d_lr", lr, torn)),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not torn
    assert knobs.read().version == 6000
    assert (knobs["d_noise"], knobs["d_lr"]) == (noise[-1], lr[-1])


def test_a_reader_never_sees_half_a_change(knobs, restless):
    halves, stop = [], threading.Event()

    def watch():
        while not stop.is_set():
            values = knobs.read().values
            if values["d_noise"] != values["d_lr"] and values["d_lr"] != 1e-3:
                halves.append(dict(values))

    watcher = threading.Thread(target=watch)
    watcher.start()
    for i in range(3000):
        knobs.set(d_noise=i / 3000, d_lr=i / 3000)
    stop.set()
    watcher.join()
    assert not halves


# --- schedules -----------------------------------------------------------------------------------


def test_a_schedule_is_ordered_by_step_and_the_later_entry_wins():
    schedule = Schedule([[5, "a", 1.0], [2, "a", 2.0], [5, "b", 3.0], [5, "a", 4.0]])
    steps = [(2, "a", 2.0), (5, "a", 1.0), (5, "b", 3.0), (5, "a", 4.0)]
    assert list(schedule) == steps and len(schedule) == 4
    assert schedule.due(5) == {"a": 4.0, "b": 3.0}
    assert schedule.due(2) == {"a": 2.0} and schedule.due(3) == {}


@pytest.mark.parametrize(
    "entry",
    [[1, "a"], [1, "a", 1.0, 2.0], [1.0, "a", 1.0], [-1, "a", 1.0], [True, "a", 1.0], [1, 2, 1.0],
     [1, "a", "b"], [1, "a", None], [1, "a", True]],
)  # fmt: skip
def test_a_malformed_entry_is_shown(entry):
    with pytest.raises(ValueError) as error:
        Schedule([[0, "a", 1.0], entry])
    assert str(error.value) == f"schedule: expected [step, knob, value], got {entry!r}"


def test_schedules_survive_files_in_both_forms(tmp_path):
    schedule = Schedule([[3, "gradient_penalty.weight", 0.1], [7, "d_steps", 5]])
    schedule.save(tmp_path / "a.json")
    assert Schedule.load(tmp_path / "a.json") == schedule
    session = {"spec": {"seed": 1}, "data": "ab12", "steps": 9}
    content = {**session, "schedule": [list(e) for e in schedule], "arrived": []}
    (tmp_path / "b.json").write_text(json.dumps(content))
    loaded = Schedule.load(tmp_path / "b.json")
    assert (loaded, loaded.session) == (schedule, session)
    loaded.save(tmp_path / "c.json")
    assert Schedule.load(tmp_path / "c.json").session == session
    assert eval(repr(schedule)) == schedule != Schedule()


def test_a_session_without_a_field_says_which(tmp_path):
    (tmp_path / "old.json").write_text('{"schedule": [], "spec": {}, "steps": 3}')
    with pytest.raises(ValueError, match="no data: export the session again"):
        Schedule.load(tmp_path / "old.json")


@pytest.mark.parametrize("content", ["{}", "[[1, 2]]", "not json", "3"])
def test_a_file_that_holds_no_schedule_is_named(tmp_path, content):
    (tmp_path / "bad.json").write_text(content)
    with pytest.raises(ValueError, match=r"bad\.json: not a session or schedule"):
        Schedule.load(tmp_path / "bad.json")


def test_a_session_replays_on_its_own_spec_and_data_only():
    made_on = {"seed": 1, "widths": [2, 3], "device": "cuda"}
    schedule = Schedule([[0, "a", 0.5]], {"spec": made_on, "data": "ab12", "steps": 9})
    knobs = Knobs([Knob("a", 0.0, (0.0, 1.0), "")])
    schedule.check(knobs, {"seed": 1, "widths": (2, 3), "device": "cpu"}, "ab12")
    with pytest.raises(ValueError, match=r"with seed=1 \(here 2\), widths=\[2, 3\] \(here None"):
        schedule.check(knobs, {"seed": 2}, "ab12")
    with pytest.raises(ValueError, match=r"data's sha256='ab12' \(here 'cd34'\)"):
        schedule.check(knobs, made_on, "cd34")
    Schedule(list(schedule)).check(knobs, {"seed": 2}, "cd34")


def test_schedules_add_up():
    both = Schedule([[3, "a", 1.0]]) + Schedule([[1, "b", 2.0], [3, "a", 5.0]])
    assert both.entries == [(1, "b", 2.0), (3, "a", 1.0), (3, "a", 5.0)]
    assert both.due(3) == {"a": 5.0}


def test_a_decay_follows_its_formula():
    decay = Schedule.following("g_lr", lambda t: 5e-3 * (1200 / t) ** 2, range(1200, 2401, 600))
    # (1200/1800)^2 = 4/9, (1200/2400)^2 = 1/4
    assert [e[2] for e in decay] == pytest.approx([5e-3, 5e-3 * 4 / 9, 5e-3 / 4], rel=1e-12)
    assert [e[0] for e in decay] == [1200, 1800, 2400]


def test_a_turn_says_everything():
    assert Turn(3, "d_lr", 0.1, 0.2) == Turn(3, "d_lr", 0.1, 0.2, "user")
