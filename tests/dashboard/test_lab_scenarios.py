"""Scenarios, findings and slow motion in the lab, live and headless."""

import json

import pytest
import torch

from textgan_lab.catalogue import UnknownName
from textgan_lab.dashboard import LiveLab
from textgan_lab.dashboard.controls import Controls
from textgan_lab.diagnostics.report import diagnose
from textgan_lab.knobs import Schedule
from textgan_lab.training import Spec, Trainer
from textgan_lab.training.scenarios import SCENARIOS, Scenario

from .conftest import TINY


def weights(trainer):
    return torch.cat([trainer.game.g.flat, trainer.game.d.flat]).clone()


def alone(spec, n, schedule=None):
    trainer = Trainer(spec, schedule)
    list(trainer.steps(n))
    return trainer


@pytest.fixture
def wall(make):
    """An illness of a second: no gradient passes; its cure relaxes the choice."""
    ill = Spec(**{**TINY, "estimator": "argmax"})
    return Scenario(
        name="wall", title="The wall", code="blocked-gradient", what="Nothing passes.",
        look_at="G's norm.", spec=ill, steps=60, schedule=Schedule([[5, "d_noise", 0.3]]),
        cure=Spec(**TINY), cure_schedule=Schedule([[7, "d_noise", 0.1]]), cure_text="Relax.",
    )  # fmt: skip


# --- scenarios -----------------------------------------------------------------------------------


def test_headless_a_scenario_and_its_cure_are_those_of_plain_trainers(wall):
    lab = LiveLab(scenario=wall, live=False)
    lab.start()
    assert (lab.trainer.t, lab.state) == (60, "finished")
    ill = lab.trainer
    assert torch.equal(weights(ill), weights(alone(wall.spec, 60, wall.schedule)))
    assert 'data-scenario="wall" data-cured="false"' in lab.frame()["scenario"]
    cured = lab.cure()
    assert cured is lab.trainer is not ill
    assert (cured.t, lab.snapshots, lab.state) == (0, [0], "paused")
    assert lab.parent is ill.telemetry
    lab.start()
    assert torch.equal(weights(cured), weights(alone(wall.cure, 60, wall.cure_schedule)))
    assert 'data-cured="true"' in lab.frame()["scenario"]
    assert ill.t == 60
    lab.cure()  # once more from the start, against the same ill run
    assert lab.parent is ill.telemetry


def test_loading_lets_the_old_run_go(make, wall):
    lab = LiveLab(make(), steps=30, live=False, snapshot_every=10)
    lab.start()
    lab.slow()
    lab.branch()
    trainer = lab.load(wall)
    assert trainer is lab.trainer
    assert (trainer.t, lab.snapshots, lab.parent, lab.arrived, lab.scenes) == (0, [0], None, [], [])
    assert lab.frame()["slow"] == ""
    lab.rewind(0)
    lab.start()
    assert lab.trainer.t == wall.steps


def test_a_scenario_by_name_with_a_seed(make):
    lab = LiveLab(make(), steps=1, live=False)
    name = next(iter(SCENARIOS))
    lab.load(name, seed=3)
    assert lab.trainer.spec == SCENARIOS.make(name, {"seed": 3}).spec
    assert lab.trainer.spec.seed == 3
    before = lab.trainer
    with pytest.raises(UnknownName, match="unknown scenario 'measles'; known: "):
        lab.load("measles")
    assert lab.trainer is before


def test_what_cannot_be_cured_is_said(make):
    lab = LiveLab(make(), steps=1, live=False)
    with pytest.raises(ValueError, match="no scenario is loaded"):
        lab.cure()
    healthy = lab.load("healthy")
    with pytest.raises(ValueError, match="healthy"):
        lab.cure()
    assert lab.trainer is healthy
    assert not lab.cured


@pytest.mark.parametrize("arguments", [{}, {"trainer": 3, "scenario": "healthy"}])
def test_a_lab_wants_a_trainer_or_a_scenario(arguments):
    with pytest.raises(TypeError, match="one of the two"):
        LiveLab(**arguments)


def test_the_session_of_a_loaded_scenario_replays(wall, tmp_path):
    lab = LiveLab(scenario=wall, live=False, steps=20)
    lab.start()
    lab.trainer.knobs.set(d_lr=0.01)
    lab.step()
    path = lab.export(tmp_path / "session.json")
    session = json.loads(path.read_text())
    replay = Trainer(Spec(**session["spec"]), Schedule.load(path))
    list(replay.steps(session["steps"]))
    assert session["steps"] == 21
    assert torch.equal(weights(replay), weights(lab.trainer))


def test_the_picker_loads_and_cures(make, wall, monkeypatch, until):
    monkeypatch.setitem(SCENARIOS._parts, "wall", lambda *, seed=0, device="auto": wall)
    lab = LiveLab(make())
    controls = Controls(lab)
    lab.start()
    controls.scenario.value = "wall"
    controls.buttons["load"].click()
    until(lambda: lab.trainer.spec == wall.spec and lab.state == "paused")
    until(lambda: "temperature" not in controls.sliders)
    assert "Nothing passes. G&#x27;s norm." in controls.html["scenario"].value
    controls.buttons["▶ run"].click()
    until(lambda: lab.state == "finished")
    controls.buttons["cure"].click()
    until(lambda: lab.cured and lab.state == "finished")
    until(lambda: "temperature" in controls.sliders and "b8b8b8" in controls.html["strip"].value)
    assert 'data-cured="true"' in controls.html["scenario"].value
    assert torch.equal(weights(lab.trainer), weights(alone(wall.cure, 60, wall.cure_schedule)))
    assert controls.error is None


def pickable(controls):
    return controls.scenario.value, [controls.buttons[b].disabled for b in ("load", "cure")]


def test_a_run_of_your_own_is_no_scenario_and_has_nothing_to_load_or_cure(make, until):
    controls = Controls(LiveLab(make()))
    assert controls.scenario.options[0] == controls.scenario.value == "a run of your own"
    assert pickable(controls)[1] == [True, True]
    controls.scenario.value = "static-collapse"
    until(lambda: pickable(controls) == ("static-collapse", [False, True]))
    assert controls.error is None


def test_the_picker_shows_what_is_loaded_and_cure_waits_for_an_illness(make, wall, until):
    lab = LiveLab(scenario="healthy")
    controls = Controls(lab)
    assert pickable(controls) == ("healthy", [False, True])
    controls.scenario.value = "oscillation"  # picked, not yet loaded: nothing takes it back
    t = lab.trainer.t
    lab.step()
    until(lambda: f'data-t="{t + 1}"' in controls.html["status"].value)
    assert pickable(controls) == ("oscillation", [False, True])
    lab.load("argmax-wall")
    until(lambda: pickable(controls) == ("argmax-wall", [False, False]))
    lab.load(wall)  # none of the catalogue's
    until(lambda: pickable(controls) == ("a run of your own", [True, False]))
    assert controls.error is None


# --- findings ------------------------------------------------------------------------------------


def test_the_lab_says_what_is_found_and_it_is_what_diagnose_says(wall):
    lab = LiveLab(scenario=wall, live=False)
    assert "Cannot tell" in lab.frame()["news"]
    lab.start()
    assert lab.report == diagnose(lab.trainer.telemetry)
    assert "blocked-gradient" in lab.report.codes
    frame = lab.frame()
    finding = lab.report["blocked-gradient"]
    assert f'data-code="{finding.code}"' in frame["strip"]
    assert "⚑" in frame["news"]
    assert frame["diagnosis"] == lab.report._repr_html_()
    assert list(frame)[-1] == "diagnosis", "headless it ends the last frame"
    lab.rewind(0)
    assert lab.report.codes == []


def test_the_diagnosis_is_folded_away_until_somebody_unfolds_it(wall, until):
    lab = LiveLab(scenario=wall)
    controls = Controls(lab)
    html = controls.html["diagnosis"]
    assert html.layout.display == "none"
    lab.start()
    lab.wait()
    until(lambda: "blocked-gradient" in html.value)
    assert html.layout.display == "none"
    controls.unfold.value = True
    assert html.layout.display == ""
    controls.unfold.value = False
    assert html.layout.display == "none"


# --- slow motion ---------------------------------------------------------------------------------


@pytest.mark.parametrize("live", [True, False])
def test_slow_motion_is_a_step_and_its_phases_come_one_by_one(make, live):
    lab = LiveLab(make(), steps=40, live=live)
    lab.step()
    scenes = lab.slow()
    assert lab.trainer.t == 2
    assert torch.equal(weights(lab.trainer), weights(alone(make().spec, 2)))
    assert [scene.place for scene in scenes] == list(range(10))
    for scene in scenes:
        assert lab.frame()["slow"] == scene._repr_html_()
        lab.next_phase()
    assert lab.frame()["slow"] == ""
    lab.next_phase()  # harmless
    lab.slow()
    lab.start()
    assert lab.frame()["slow"] == "", "going on puts it away"


def test_slow_motion_by_button(make, until):
    lab = LiveLab(make())
    controls = Controls(lab)
    lab.start()
    assert controls.buttons["next phase"].layout.display == "none"
    controls.buttons["slow motion"].click()
    until(lambda: 'data-phase="0"' in controls.html["slow"].value)
    until(lambda: controls.buttons["next phase"].layout.display == "")
    assert lab.state == "paused"
    t = lab.trainer.t
    controls.buttons["next phase"].click()
    until(lambda: 'data-phase="1"' in controls.html["slow"].value)
    assert lab.trainer.t == t
    lab.trainer.knobs.set(d_steps=0, g_steps=0)
    controls.buttons["slow motion"].click()
    until(lambda: "nobody moves" in controls.html["news"].value)
    assert lab.trainer.t == t
