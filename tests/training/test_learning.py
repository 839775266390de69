"""Learning from scratch, held against the exact truth."""

import math

import pytest
import torch

from textgan_lab.knobs import Schedule
from textgan_lab.training import Spec, Trainer

torch.set_num_threads(1)


def recipe(data, seed, **more):
    """Dense rewards with an entropy bonus: the recipe that learns text without a warm-up."""
    spec = {
        "discriminator": "lstm",
        "estimator": {"dense_reinforce": {"discount": 0.5}},
        "remedies": {"entropy": {"weight": 0.02}},
        "knobs": {"g_lr": 5e-3, "d_lr": 5e-3},
        "device": "cpu",
    }
    return Spec(data=data, seed=seed, **{**spec, **more})


def test_a_small_language_is_learnt_from_scratch():
    trainer = Trainer(recipe("mini", 0, batch_size=32, probe_every=50))
    for _ in trainer.steps(500):
        pass
    js = trainer.telemetry.frame()["js"].dropna().tolist()
    assert js[0] > 0.6  # at first it shares next to nothing with the language: ln 2 = .693
    sentences, log_p = trainer.data.enumerate()
    log_q = trainer.generator.log_prob(sentences).detach()
    p, q = log_p.exp(), log_q.exp()
    m = (p + q) / 2
    # outside the language p is 0, so there q's half of the divergence is its mass times ln 2
    outside = 1 - q.sum()
    exact = ((p * (p / m).log()).sum() + (q * (q / m).log()).sum() + outside * math.log(2)) / 2
    assert exact < 0.45
    assert q.sum() > 0.3  # grammatical
    newest = trainer.telemetry.rows[-1]
    assert abs(newest["js"] - exact) < 4 * newest["js_se"]
    assert trainer.telemetry.latest("held_out_nll.sentence") < 12


@pytest.mark.slow
def test_captions_are_learnt_from_scratch_by_four_seeds_of_five():
    decay = Schedule.following("g_lr", lambda t: 5e-3 * (1200 / t) ** 2, range(1200, 2400, 10))
    outcomes = {}
    for seed in range(5):
        trainer = Trainer(recipe("captions", seed), decay)
        for _ in trainer.steps(2400):
            pass
        measured = trainer.telemetry.frame().dropna(subset=["js"]).tail(5)
        outcomes[seed] = measured["js"].mean(), measured["modes"].iloc[-1]
    learnt = [seed for seed, (js, modes) in outcomes.items() if js < 0.55 and modes == 8]
    assert len(learnt) >= 4, outcomes
