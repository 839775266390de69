"""Telemetry: rows, files, rewinding, frames."""

import json
import math
import os

import pytest

from textgan_lab.knobs import Schedule, Turn
from textgan_lab.telemetry import Step, Telemetry


def row(step, **values):
    return {"step": step, "phase": "adversarial", **values}


@pytest.fixture
def telemetry():
    t = Telemetry()
    t.rows = [row(0, a=0.1), row(1, a=math.nan), row(2, a=math.inf, b=-0.5), row(3, a=-math.inf)]
    t.turns = [Turn(1, "d_lr", 1e-3, 2e-3), Turn(3, "d_lr", 2e-3, 1e-3, "schedule")]
    t.events = [{"event": "start", "step": 0}, {"event": "divergence", "step": 2}]
    t.samples = [{"step": 2, "sentences": [{"tokens": ["é", "<eos>"]}]}, {"step": 4, "points": []}]
    t.timings = [{"step": 1, "tokens_per_second": 10.0}, {"step": 3, "tokens_per_second": 20.0}]
    return t


def same(a, b):
    """Compare rows in which NaN stands."""
    return json.dumps(a) == json.dumps(b)


def test_a_folder_gives_back_what_was_saved(telemetry, tmp_path):
    folder = telemetry.save(tmp_path / "run" / "one")
    assert sorted(os.listdir(folder)) == [
        "events.jsonl", "samples.jsonl", "telemetry.jsonl", "timings.jsonl",
    ]  # fmt: skip
    back = Telemetry.load(folder)
    for name in ("rows", "samples", "events", "timings"):
        assert same(getattr(back, name), getattr(telemetry, name)), name
    assert back.turns == telemetry.turns
    assert math.isnan(back.rows[1]["a"]) and back.rows[2]["a"] == math.inf
    assert all(back.lines(name) == telemetry.lines(name) for name in Telemetry.FILES)


def test_events_and_turns_stand_in_one_file_in_order_of_step(telemetry):
    records = [json.loads(line) for line in telemetry.lines("events").splitlines()]
    assert [(r["step"], r["event"]) for r in records] == [
        (0, "start"), (1, "turn"), (2, "divergence"), (3, "turn"),
    ]  # fmt: skip
    assert records[1] == {
        "event": "turn", "step": 1, "name": "d_lr", "old": 1e-3, "new": 2e-3, "source": "user",
    }  # fmt: skip


@pytest.mark.parametrize("cut", range(1, 40))
def test_a_torn_last_line_is_dropped(telemetry, tmp_path, cut):
    telemetry.save(tmp_path)
    path = tmp_path / "telemetry.jsonl"
    whole = path.read_bytes()
    last = len(whole.splitlines(keepends=True)[-1])
    assert cut < last
    path.write_bytes(whole[:-cut])
    assert same(Telemetry.load(tmp_path).rows, telemetry.rows[:-1])


def test_a_damaged_line_in_the_middle_is_an_error_that_names_it(telemetry, tmp_path):
    telemetry.save(tmp_path)
    path = tmp_path / "telemetry.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text(lines[0] + '{"step": 1, "pha\n' + lines[2])
    with pytest.raises(ValueError, match=r"telemetry.jsonl.* line 2\b"):
        Telemetry.load(tmp_path)


def test_a_folder_without_a_run_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="no telemetry.jsonl there; is it a run's folder"):
        Telemetry.load(tmp_path)


def test_saving_replaces_whole_files_and_a_failure_keeps_the_old_ones(
    telemetry, tmp_path, monkeypatch
):
    telemetry.save(tmp_path)
    old = (tmp_path / "telemetry.jsonl").read_bytes()
    telemetry.rows.append(row(4, a=1.0))

    def refuse(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", refuse)
        with pytest.raises(OSError, match="No space left"):
            telemetry.save(tmp_path)
    assert (tmp_path / "telemetry.jsonl").read_bytes() == old
    telemetry.save(tmp_path)
    assert len(Telemetry.load(tmp_path).rows) == 5


def test_a_rewind_forgets_all_that_happened_at_or_after_its_step(telemetry):
    telemetry.truncate(2)  # steps 0 and 1 remain
    assert [r["step"] for r in telemetry.rows] == [0, 1]
    assert [t.step for t in telemetry.turns] == [1]
    assert [s["step"] for s in telemetry.samples] == [2]  # taken after two steps: before step 2
    assert [e["event"] for e in telemetry.events] == ["start"]  # step 2 has not diverged yet
    assert [t["step"] for t in telemetry.timings] == [1]


def test_a_rewind_to_the_start_keeps_what_happened_before_the_first_step():
    telemetry = Telemetry()
    telemetry.events = [{"event": "start", "step": 0}, {"event": "blocked", "step": 0}]
    telemetry.truncate(0)
    assert [e["event"] for e in telemetry.events] == ["start", "blocked"]


def test_a_rewind_leaves_one_clock_reading_per_step(telemetry):
    telemetry.truncate(3)
    telemetry.rows.append(row(3, a=1.0))  # the step done again, and the clock read again
    telemetry.timings.append({"step": 3, "tokens_per_second": 30.0})
    frame = telemetry.frame()
    assert frame["step"].tolist() == [0, 1, 2, 3]
    assert frame["tokens_per_second"].tolist()[3] == 30.0


def test_a_frame_has_one_row_a_step_and_nan_where_nothing_was_measured(telemetry):
    frame = telemetry.frame()
    assert list(frame.columns) == ["step", "phase", "a", "b", "tokens_per_second"]
    assert frame["step"].tolist() == [0, 1, 2, 3]
    assert frame["b"].isna().tolist() == [True, True, False, True]
    assert frame["tokens_per_second"].tolist()[1::2] == [10.0, 20.0]
    assert frame["tokens_per_second"].isna().tolist() == [True, False, True, False]


def test_a_frame_of_one_phase():
    telemetry = Telemetry()
    telemetry.rows = [{"step": 0, "phase": "mle", "mle_loss": 2.0}, row(1, d_loss=1.0)]
    assert list(telemetry.frame("mle").columns) == ["step", "phase", "mle_loss"]
    assert telemetry.frame("adversarial")["step"].tolist() == [1]
    assert len(telemetry.frame("d_first")) == 0
    with pytest.raises(ValueError, match="phase='play': expected one of mle, d_first, adv"):
        telemetry.frame("play")
    assert list(Telemetry().frame().columns) == ["step", "phase"]


def test_the_newest_value_that_is_one(telemetry):
    assert telemetry.latest("a") == -math.inf
    assert telemetry.latest("b") == -0.5
    telemetry.rows.append(row(4, a=math.nan))
    assert telemetry.latest("a") == -math.inf
    with pytest.raises(KeyError, match="'c' was not measured"):
        telemetry.latest("c")


def test_columns_in_order_of_appearance(telemetry):
    assert telemetry.columns() == ["a", "b"]


def test_the_schedule_of_the_turns(telemetry):
    assert telemetry.schedule() == Schedule([[1, "d_lr", 2e-3], [3, "d_lr", 1e-3]])


def test_the_repr_counts_and_warns(telemetry):
    assert repr(telemetry) == "Telemetry(4 steps, 2 turns, 2 samples, divergence)"
    assert len(telemetry) == 4


def test_a_step_reads_its_values_when_asked():
    asked = []

    def read(t):
        asked.append(t)
        return {"a": 1.0}

    step = Step(7, "adversarial", (), read)
    assert repr(step) == "Step(t=7, phase='adversarial', turns=[])" and not asked
    assert step.values == {"a": 1.0} and asked == [7]


@pytest.mark.parametrize(
    ("name", "line", "said"),
    [
        ("telemetry", "5", "expected an object, got 5"),
        ("telemetry", "[" * 100_000, "not JSON"),
        ("telemetry", '{"step": 1, "phase": "mle", "a": ' + "9" * 5000 + "}", "not JSON"),
        ("telemetry", '{"step": 0}', "phase: expected a name, got None"),
        ("telemetry", '{"phase": "mle"}', "step: expected a step, from 0, got None"),
        ("telemetry", '{"step": true, "phase": "mle"}', "step: .* got True"),
        ("telemetry", '{"step": -1, "phase": "mle"}', "step: .* got -1"),
        ("telemetry", '{"step": 1.0, "phase": "mle"}', "step: .* got 1.0"),
        ("telemetry", '{"step": 0, "phase": "mle", "a": null}', "a: expected a number, got None"),
        ("telemetry", '{"step": 0, "phase": "mle", "a": "1"}', "a: expected a number, got '1'"),
        ("telemetry", f'{{"step": 0, "phase": "mle", "a": {10**400}}}', "a: expected a number"),
        ("timings", '{"step": 0}', "tokens_per_second: expected a number, got None"),
        ("samples", '{"step": 0, "cells": 3}', "cells: expected counts, got 3"),
        ("samples", '{"step": 0, "cells": [1, -1]}', "cells: expected counts"),
        ("samples", '{"step": 0, "cells": [1, NaN]}', "cells: expected counts"),
        ("samples", "null", "expected an object, got None"),
        ("events", '{"step": 0}', "event: expected a name, got None"),
        ("events", '{"step": 0, "event": "turn", "name": "d_lr"}', "expected the fields event, na"),
        ("events", '{"step": 0, "event": "start", "spec": 3}', "spec: expected an object, got 3"),
        ("events", '{"step": 0, "event": "start", "spec": {"loss": {}}}', "spec: expected a loss"),
        ("events", '{"step": 0, "event": "start", "cells": 3}', "cells: expected a list"),
        ("events", '{"step": 0, "event": "start", "floors": {"a": null}}', "floors: expected numb"),
    ],
)  # fmt: skip
def test_a_line_that_was_never_written_is_refused_and_named(name, line, said, telemetry):
    text = telemetry.text()
    number = text[name].count("\n") + 1
    with pytest.raises(ValueError, match=rf"^{name}\.jsonl, line {number}: .*{said}"):
        Telemetry.parse({**text, name: f"{text[name]}{line}\n"})


def test_a_turn_of_a_knob_to_no_number_is_refused():
    turn = {"step": 1, "event": "turn", "name": "d_lr", "old": 0.1, "new": 0.2, "source": "user"}
    assert Telemetry.parse({"events": json.dumps(turn) + "\n"}).turns[0].new == 0.2
    for field, value in (("new", "x"), ("old", None), ("name", 3)):
        with pytest.raises(ValueError, match=f"line 1: {field}: expected a n"):
            Telemetry.parse({"events": json.dumps({**turn, field: value}) + "\n"})


def test_counts_of_other_cells_than_the_run_has_are_refused(telemetry):
    telemetry.events[0]["cells"] = ["a", "b"]
    telemetry.samples[1]["cells"] = [3, 4]
    assert len(Telemetry.parse(telemetry.text()).samples) == 2
    telemetry.samples[1]["cells"] = [3, 4, 5]
    with pytest.raises(ValueError, match="one run counted in 2 and 3 cells"):
        Telemetry.parse(telemetry.text())
