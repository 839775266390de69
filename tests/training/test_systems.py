"""Named systems: each is built of catalogue parts, plays, and has the test it claims."""

import ast
import math
from pathlib import Path

import pytest
import torch
from dialogues import TinyDialogue
from languages import Frames, TinyLanguage

from textgan_lab.training import SYSTEMS, Trainer
from textgan_lab.training.systems import UPDATES

torch.set_num_threads(1)
TESTS = Path(__file__).parents[1]
DATA = {
    "captions": lambda: TinyLanguage(eos=True, length=6, words=2),
    "dialogue": lambda: TinyDialogue(eos=True),
    "captions-by-scene": lambda: TinyDialogue(eos=True),
    "waves": Frames,
}


@pytest.mark.parametrize("name", SYSTEMS)
def test_the_test_of_its_gradient_exists(name):
    file, _, function = SYSTEMS.make(name).exact.partition("::")
    tree = ast.parse((TESTS / file).read_text(encoding="utf-8"))
    assert function in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("name", SYSTEMS)
def test_it_plays(name):
    system = SYSTEMS.make(name, {"seed": 3, "device": "cpu"})
    assert system.name == name and system.spec.seed == 3
    short = {"mle_steps": 2, "d_first_steps": 2} if system.spec.mle_steps else {}
    small = {"batch_size": 4, "accumulate": min(2, system.spec.accumulate), "probe_every": 3}
    spec = system.spec.model_copy(update=short | small)
    trainer = Trainer(spec, data=DATA[spec.data]())
    phases = [step.phase for step in trainer.steps(6)]
    assert phases[-1] == "adversarial" and not trainer.diverged
    assert all(math.isfinite(v) for v in trainer.telemetry.rows[-2].values() if v != phases[-1])
    assert {"g_loss", "d_loss"} <= set(trainer.telemetry.rows[-1])


@pytest.mark.parametrize("name", SYSTEMS)
def test_its_budget_holds_some_play_unless_it_knows_none(name):
    system = SYSTEMS.make(name)
    prepared = system.spec.mle_steps + system.spec.d_first_steps
    rival = name in {"mle", "mle-transformer", "vae", "flow", "glo"}
    assert system.steps == prepared if rival else system.steps == prepared + UPDATES
    assert all(step <= system.steps for step, *_ in system.schedule.content())


def test_a_head_start_ends_when_d_is_right_as_often_as_asked():
    system = SYSTEMS.make("csgan-nmt", {"device": "cpu"})
    easy = system.spec.model_copy(update={"mle_steps": 1, "batch_size": 8})
    trainer = Trainer(easy, data=TinyDialogue(eos=True))
    list(trainer.steps(400))
    (begun,) = [e for e in trainer.telemetry.events if e["event"] == "play"]
    first = [row["step"] for row in trainer.telemetry.rows if row["phase"] == "d_first"]
    assert begun["step"] == first[-1] + 1 and begun["d_accuracy"] >= 0.82
    window = [r["d_accuracy"] for r in trainer.telemetry.rows if r["step"] in first][-10:]
    assert begun["d_accuracy"] == pytest.approx(sum(window[-easy.probe_every :]) / len(window))


def test_options_are_data_seed_and_device():
    for name in SYSTEMS:
        assert list(SYSTEMS.options(name)) == ["data", "seed", "device"]
        assert SYSTEMS.make(name, {"data": "mini"}).spec.data == "mini"
