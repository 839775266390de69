"""Every scenario ends as it says, and its cure does not: judged by exact truth, over seeds.

What is quick runs on seed 0; ``slow`` runs the whole catalogue on five seeds and prints the counts.
"""

import math
from functools import cache

import numpy as np
import pytest
import torch

from textgan_lab.diagnostics.truth import Truth
from textgan_lab.knobs import Schedule
from textgan_lab.training import SCENARIOS, Scenario

torch.set_num_threads(1)

SEEDS = range(40, 45)  # recipes, promises and how they are read were settled on other seeds
LATE = 4  # measurements at the end that count as the outcome


def evenness(o: Truth) -> float:
    """Mean mode entropy at one look of the last half, over that of evenly many in each mode."""
    return float(o.entropies[o.half :].mean()) / math.log(o.shares.shape[1] - 1)


def astray(o: Truth) -> np.ndarray:
    """The share of no mode over the last half, look by look."""
    return o.shares[o.half :, -1]


def sound(o: Truth) -> dict[str, bool]:
    return {
        "JS < .5": o.late("js") < 0.5,
        "all scenes": o.late("modes") > 7,
        "possible sentences": o.late("possible") > 0.15,
        "Bayes accuracy < .95": o.late("bayes_accuracy") < 0.95,
    }


ILL = {
    "vanishing-gradient": lambda o: {
        "gradient < 1e-3": o.median("g_grad_norm") < 1e-3,
        "nothing learned": abs(o.gain) < 0.5,
        "much to learn": o.late("js") > 0.69,
    },
    "argmax-wall": lambda o: {
        "gradient 0": max(row["g_grad_norm"] for row in o.play) == 0,
        "nothing learned": o.gain == 0,
    },
    "static-collapse": lambda o: {
        "unique < .1": o.late("unique_ratio") < 0.1,
        "Bayes accuracy 1": o.late("bayes_accuracy") > 0.99,
        "D right": o.median("d_accuracy") > 0.98,
    },
    "rotating-collapse": lambda o: {
        "JS at its ceiling": o.late("js") > 0.68,
        "few scenes at a time": evenness(o) < 0.5,
        "others later": o.turnover > 0.4,
    },
    "false-equilibrium": lambda o: {
        "D no better than a guess": o.median("d_accuracy") < 0.7,
        "loss near 2 ln 2": abs(o.median("d_loss") - 2 * math.log(2)) < 0.25,
        "Bayes accuracy 1": o.late("bayes_accuracy") > 0.99,
    },
    "overpowering-discriminator": lambda o: {
        "D right": o.median("d_accuracy") > 0.98,
        "worse than at first": o.gain < -2,
        "Bayes accuracy 1": o.late("bayes_accuracy") > 0.99,
    },
    "ring-collapse": lambda o: {
        "few modes": o.late("modes") < 2.5,
        "uneven": evenness(o) < 0.4,
        "still": o.turnover < 0.3,
    },
    "oscillation": lambda o: {
        "off the mode": astray(o).mean() > 0.4,
        "coming and going": astray(o).std() > 0.1,
    },
    "divergence": lambda o: {"loss ran away": abs(o.median("d_loss")) > 1e6},
    "memorising-discriminator": lambda o: {
        "knows what it saw": o.late("d_memory") > 1,
        "right on what it saw": o.median("d_accuracy") - o.late("d_accuracy_held_out") > 0.05,
    },
    "misleading-loss": lambda o: {
        "G improves": o.gain > 5,
        "its loss rises": o.correlation("g_loss") < -0.6,
    },
}
WELL = {
    "vanishing-gradient": lambda o: {
        "gradient > .01": o.median("g_grad_norm") > 0.01,
        "something learned": o.gain > 1,
    },
    "argmax-wall": lambda o: {"gradient": o.median("g_grad_norm") > 0.01, "learns": o.gain > 6},
    "static-collapse": lambda o: {
        "unique > .9": o.late("unique_ratio") > 0.9,
        "scenes": o.late("modes") > 7,
        "learns": o.gain > 5,
    },
    "rotating-collapse": sound,
    "false-equilibrium": lambda o: {
        **sound(o),
        "D near its best": o.late("bayes_accuracy") - o.late("d_accuracy_held_out") < 0.25,
    },
    "overpowering-discriminator": lambda o: {
        "D unsure": o.median("d_accuracy") < 0.95,
        "G not worse": o.gain > 0,
    },
    "ring-collapse": lambda o: {"modes": o.late("modes") >= 4, "even": evenness(o) > 0.6},
    "oscillation": lambda o: {
        "on the mode": astray(o).mean() < 0.2,
        "at rest": astray(o).std() < 0.08,
    },
    "divergence": lambda o: {
        "loss bounded": abs(o.median("d_loss")) < 10,
        "learns": o.gain > 6,
    },
    "memorising-discriminator": lambda o: {"knows nobody": abs(o.late("d_memory")) < 0.5},
    "misleading-loss": lambda o: {
        "G improves": o.gain > 5,
        "critic's loss follows": o.correlation("d_loss") < -0.2,
    },
    "healthy": sound,
    "from-scratch": lambda o: {**sound(o), "JS < .3": o.late("js") < 0.3},
}


@cache
def outcome(name: str, seed: int, cured: bool) -> Truth:
    scenario = SCENARIOS.make(name, {"seed": seed, "device": "cpu"})
    trainer = scenario.trainer(cured=cured)
    for _ in trainer.steps(scenario.steps):
        pass
    return Truth(trainer.telemetry, looks=lambda n: LATE, steps=lambda n: math.ceil(n / 4))


def broken(name: str, seed: int, cured: bool) -> list[str]:
    """Return what a scenario's run, or its cure's, does not keep of its promise."""
    table = WELL if cured or name not in ILL else ILL
    return [claim for claim, kept in table[name](outcome(name, seed, cured)).items() if not kept]


QUICK = ["ring-collapse", "oscillation"]
TWINS = [(name, cured) for name in ILL for cured in (False, True)]
HEALTHY = [(name, False) for name in SCENARIOS if name not in ILL]


@pytest.mark.parametrize(("name", "cured"), [twin for twin in TWINS if twin[0] in QUICK])
def test_points_keep_their_promise(name, cured):
    assert not broken(name, 0, cured)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "cured"), [*TWINS, *HEALTHY])
def test_every_scenario_keeps_its_promise(name, cured, record_property):
    """On all seeds but at most one of the five: training is a matter of chance."""
    found = {seed: broken(name, seed, cured) for seed in SEEDS}
    kept = [seed for seed, claims in found.items() if not claims]
    missed = "; ".join(f"seed {s}: {', '.join(c)}" for s, c in found.items() if c)
    said = f"{len(kept)}/{len(SEEDS)}  {name}{', cured' * cured}{missed and f' ({missed})'}"
    record_property("seeds", said)  # shown at the end, see conftest.py
    assert len(kept) >= len(SEEDS) - 1, said


@pytest.mark.parametrize("name", SCENARIOS)
def test_scenarios_are_what_they_say(name):
    scenario = SCENARIOS.make(name, {"seed": 3, "device": "cpu"})
    assert isinstance(scenario, Scenario) and scenario.name == name
    assert scenario.spec.seed == 3 and scenario.spec.device == "cpu"
    assert scenario.title and scenario.what.endswith(".") and scenario.look_at.endswith(".")
    assert (scenario.code == "healthy") == (scenario.cure is None) == (name not in ILL)
    if scenario.cure is not None:
        assert scenario.cure.seed == 3 and scenario.cure_text.endswith(".")
        assert (scenario.cure, scenario.cure_schedule) != (scenario.spec, scenario.schedule)
    assert SCENARIOS.make(name) == SCENARIOS.make(name)  # and its seed by default is one seed


def test_every_scenario_is_judged():
    assert set(SCENARIOS) == {*ILL, *WELL}
    assert set(ILL) <= set(WELL)


def test_codes_are_those_of_detectors():
    from textgan_lab.diagnostics import DETECTORS

    assert {SCENARIOS.make(name).code for name in SCENARIOS} <= {*DETECTORS, "healthy"}


def test_a_live_cure_is_the_cure():
    scenario = SCENARIOS.make("static-collapse", {"device": "cpu"})
    assert scenario.turns == {"gradient_penalty.weight": 1.0}
    cured, turned = scenario.trainer(cured=True), scenario.trainer()
    turned.knobs.set(scenario.turns)
    rows = [trainer.run(2).telemetry.rows for trainer in (cured, turned)]
    assert rows[0] == rows[1]  # turned before the first step, it is the cured run itself
    assert rows[0] != scenario.trainer().run(2).telemetry.rows


def test_what_must_be_built_anew_is_no_turn():
    assert SCENARIOS.make("argmax-wall").turns == {}
    assert SCENARIOS.make("memorising-discriminator").turns == {}
    assert SCENARIOS.make("healthy").turns == {}


def test_a_head_start_is_part_of_illness_and_cure():
    scenario = SCENARIOS.make("vanishing-gradient")
    assert scenario.schedule == scenario.cure_schedule == Schedule([(400, "g_steps", 1)])
    assert scenario.spec.knobs["g_steps"] == scenario.cure.knobs["g_steps"] == 0


def test_health_has_no_cure():
    with pytest.raises(ValueError, match="'healthy' is healthy: it has no cure"):
        SCENARIOS.make("healthy").trainer(cured=True)
