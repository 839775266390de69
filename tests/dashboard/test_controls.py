"""The widgets without a page: what they set, what they leave alone, where they stop."""

import ast
import threading
from pathlib import Path

import pytest

import textgan_lab.dashboard
from textgan_lab.dashboard import LiveLab
from textgan_lab.dashboard.controls import Controls, stops
from textgan_lab.knobs import Knob

FOLDER = Path(textgan_lab.dashboard.__file__).parent


@pytest.fixture
def lab(make):
    lab = LiveLab(make(remedies={"gradient_penalty": {"weight": 0.0}}, knobs={"d_lr": 3.3e-4}))
    lab._widget = Controls(lab)
    return lab


# --- knobs ---------------------------------------------------------------------------------------


def test_there_is_a_slider_for_every_knob_at_its_value(lab):
    knobs = lab.trainer.knobs
    assert {n: s.value for n, s in lab._widget.sliders.items()} == dict(knobs.read().values)
    assert knobs["d_lr"] == 3.3e-4, "between two stops, and kept"
    assert knobs["gradient_penalty.weight"] == 0, "below what its log slider covers, and kept"
    assert lab.arrived == []


def test_a_slider_sets_its_knob_and_the_next_step_uses_it(lab):
    lab._widget.sliders["d_noise"].value = 0.25
    lab._widget.sliders["d_steps"].value = 2
    assert lab.trainer.knobs["d_noise"] == 0.25
    assert lab.arrived == [(0, "d_noise", 0.25), (0, "d_steps", 2)]
    lab.step()
    turns = [(turn.step, turn.name, turn.old, turn.new) for turn in lab.trainer.telemetry.turns]
    assert sorted(turns) == [(0, "d_noise", 0, 0.25), (0, "d_steps", 1, 2)]
    assert lab.trainer.telemetry.turns[0].source == "slider"


def test_a_lab_on_a_run_under_way_goes_back_to_where_it_began(make, until):
    trainer = make()
    list(trainer.steps(7))
    lab = LiveLab(trainer, snapshot_every=5)
    controls = lab._widget = Controls(lab)
    lab.step()
    controls.buttons["⟲ rewind"].click()
    until(lambda: lab.trainer.t == 7)
    assert lab.notice == "rewound to step 7"
    for _ in range(3):
        lab.step()
    lab._do(lab._keep)
    until(lambda: list(controls.back_to.box.options) == [10, 7])
    assert controls.error is None
    assert controls.back_to.value == controls.back_to.box.value == 10


@pytest.mark.parametrize("value", [4.4e-4, 1.0, 0.1])
def test_sliders_follow_what_is_turned_elsewhere_and_turn_nothing_themselves(lab, until, value):
    lab.trainer.knobs.set({"d_lr": value, "d_dropout": 0.5})
    sliders = lab._widget.sliders
    until(lambda: (sliders["d_lr"].value, sliders["d_dropout"].value) == (value, 0.5))
    assert lab.trainer.knobs["d_lr"] == value
    assert lab.trainer.knobs.read().version == 1
    assert lab.arrived == []


def test_sliders_follow_a_rewind(lab, until):
    slider = lab._widget.sliders["d_noise"]
    slider.value = 0.5
    lab.step()
    lab.rewind(0)
    until(lambda: slider.value == 0)
    assert lab.arrived == []  # the rewind forgot the turn, and following it made none


def test_a_turn_while_sliders_follow_is_not_lost(lab, monkeypatch, until):
    entered, go_on = threading.Event(), threading.Event()
    follow = lab._widget._follow

    def slow(snapshot):
        entered.set()
        assert go_on.wait(5)
        follow(snapshot)

    monkeypatch.setattr(lab._widget, "_follow", slow)
    lab.trainer.knobs.set(d_lr=0.01)
    assert entered.wait(5)
    lab._widget.sliders["d_noise"].value = 0.5
    go_on.set()
    assert lab.trainer.knobs["d_noise"] == 0.5
    until(lambda: lab._widget.sliders["d_lr"].value == 0.01)
    until(lambda: lab._widget.sliders["d_noise"].value == 0.5)


def test_a_slider_says_its_knob_s_name_and_meaning_escaped(lab, make, until):
    slider = lab._widget.sliders["d_noise"]
    assert slider.description == "<b>d_noise</b> <span>noise on what D reads [std]</span>"
    assert slider.tooltip == "d_noise: noise on what D reads [std]"
    bad = lab._widget._slider(Knob("d_noise", 0, (0, 1), "<img src=x> & co"), "red")
    assert "<span>&lt;img src=x&gt; &amp; co</span>" in bad.description


@pytest.mark.parametrize(
    "knob, value, some, count",
    [
        (Knob("k", 1, (0, 100), "", slider=(0, 10), integer=True), 1, [0, 1, 10], 11),
        (Knob("k", 1, (0, 100), "", slider=(0, 10), integer=True), 12, [0, 10, 12], 12),
        # a hundred places of 0.01 and 0.999, 0.9999 and the end
        (Knob("k", 0.5, (0.0, 0.99999), ""), 0.5, [0, 0.5, 0.99, 0.999, 0.9999, 0.99999], 103),
        (Knob("k", 0.5, (0.0, 0.9999), ""), 0.5, [0, 0.5, 0.99, 0.999, 0.9999], 102),
        (Knob("k", 0.5, (0.0, 10.0), "", slider=(0.0, 1.0)), 0.123, [0, 0.01, 0.123, 1], 102),
        # 0, then six a decade from 1e-3 to 7e-1, then 1
        (Knob("k", 1, (0, 9), "", scale="log", slider=(1e-3, 1)), 0.5, [0, 1e-3, 0.7, 1], 20),
        (Knob("k", 1, (0.01, 9), "", scale="log", slider=(0.05, 5)), 2, [0.05, 0.07, 0.1, 5], 13),
    ],
)  # fmt: skip
def test_stops_are_round_and_hold_the_value(knob, value, some, count):
    found = stops(knob, value)
    assert found == sorted(found)
    assert set(some) | {value} <= set(found)
    assert len(found) == count
    assert (found[0], found[-1]) == (min(some), max(some))


# --- buttons -------------------------------------------------------------------------------------


def test_buttons_only_leave_commands_with_the_lab(lab, monkeypatch):
    left = []
    monkeypatch.setattr(
        lab, "_do", lambda action, *args, wait: left.append((action.__name__, *args, wait))
    )
    lab._widget.scenario.value = "static-collapse"
    for button in lab._widget.buttons.values():
        button.click()
    (export,) = (command for command in left if command[0] == "_export")
    left.remove(export)
    assert left == [
        ("_load", "static-collapse", False), ("_cure", True, False), ("_start", False),
        ("_pause", False), ("_step", "d", False), ("_step", "g", False), ("_step", "both", False),
        ("_slow", False), ("_next_phase", False), ("_rewind", 0, False), ("_branch", None, False),
    ]  # fmt: skip
    assert export[1].name.startswith("session-")
    assert export[2] is False


def test_rewind_offers_the_newest_snapshot_and_branch_offers_now(lab, until):
    back_to, branch_at = lab._widget.back_to, lab._widget.branch_at
    lab._snapshots.update({t: lab._snapshots[0] for t in (10, 20)})
    until(lambda: list(branch_at.box.options) == ["now", 20, 10, 0])
    assert (back_to.box.options, back_to.box.value, back_to.value) == ((20, 10, 0), 20, 20)
    assert branch_at.box.value == branch_at.value == "now"
    lab._snapshots[30] = lab._snapshots[0]
    until(lambda: back_to.box.value == back_to.value == 30)
    until(lambda: branch_at.box.options[1] == 30)
    assert branch_at.value == "now"
    branch_at.box.value = 10
    lab._widget.buttons["⎇ branch"].click()
    until(lambda: "branched at step 0" in lab.notice)  # where that snapshot really stands


def test_the_step_to_go_back_to_stays_chosen_while_snapshots_come_and_go(lab, until):
    pick = lab._widget.back_to
    until(lambda: list(pick.box.options) == [0])
    lab._snapshots.update({t: lab._snapshots[0] for t in (10, 20)})
    until(lambda: list(pick.box.options) == [20, 10, 0])
    pick.box.value = 10
    lab._snapshots = {t: lab._snapshots[0] for t in (0, 10, 20, 30)}
    until(lambda: list(pick.box.options) == [30, 20, 10, 0])
    assert pick.box.value == pick.value == 10
    lab._snapshots = {t: lab._snapshots[0] for t in (0, 20, 30)}
    until(lambda: list(pick.box.options) == [30, 20, 0])
    assert pick.box.value == pick.value == 0  # the nearest before the one that is gone


# --- another run under the same sliders ----------------------------------------------------------


def test_sliders_are_those_of_the_run_on_show(lab, make, until):
    controls = lab._widget
    old = controls.sliders["d_lr"]
    lab._do(lambda: setattr(lab, "trainer", make(knobs={"d_lr": 0.05}, estimator="reinforce")))
    until(lambda: "temperature" not in controls.sliders)
    knobs = lab.trainer.knobs
    assert {n: s.value for n, s in controls.sliders.items()} == dict(knobs.read().values)
    assert controls.sliders["d_lr"] is not old
    shown = [s for column in controls.knobs.children for s in column.children[1].children]
    assert set(shown) == set(controls.sliders.values())
    controls.sliders["d_noise"].value = 0.25
    assert knobs["d_noise"] == 0.25
    assert controls.error is None


def test_a_slider_that_is_gone_turns_nothing_and_says_so(lab, make, until):
    gone = lab._widget.sliders["temperature"]
    lab._do(lambda: setattr(lab, "trainer", make(estimator="reinforce")))
    gone.value = 0.5
    assert "no knob temperature" in lab.notice
    assert lab.trainer.knobs.read().version == 0
    assert lab.arrived == []


def test_a_run_with_the_same_knobs_keeps_its_sliders(lab, until):
    slider = lab._widget.sliders["d_noise"]
    lab.branch()
    lab.trainer.knobs.set(d_noise=0.5)
    until(lambda: slider.value == 0.5)
    assert lab._widget.sliders["d_noise"] is slider


# --- what live code must not do ------------------------------------------------------------------


def parsed(name):
    return list(ast.walk(ast.parse((FOLDER / name).read_text(encoding="utf-8"))))


LIVE = ("charts.py", "controls.py", "lab.py", "scenes.py", "view.py")


@pytest.mark.parametrize("name", LIVE)
def test_no_torch_no_pyplot_no_output_widget_in_the_lab_s_code(name):
    imported = {
        alias.name.split(".")[0]
        for node in parsed(name)
        if isinstance(node, ast.Import | ast.ImportFrom) and not getattr(node, "level", 0)
        for alias in ([ast.alias(node.module)] if isinstance(node, ast.ImportFrom) else node.names)
    }
    assert not imported & {"torch", "numpy", "matplotlib", "seaborn"}
    words = {node.attr for node in parsed(name) if isinstance(node, ast.Attribute)}
    words |= {node.id for node in parsed(name) if isinstance(node, ast.Name)}
    assert not words & {"torch", "pyplot", "Output", "print"}


def test_the_view_s_thread_reads_and_never_steps():
    """The names that controls.py takes from a trainer are those that only read, and `knobs`."""
    taken = {
        node.attr
        for node in parsed("controls.py")
        if isinstance(node, ast.Attribute)
        and "trainer" in (getattr(node.value, "attr", ""), getattr(node.value, "id", ""))
    }
    assert taken == {"knobs", "t"}
