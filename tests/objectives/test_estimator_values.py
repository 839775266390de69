"""What an estimator returns besides a gradient: its value, its direction, the credit it tells."""

import copy

import pytest
import torch
from gradients import CASES, SLOTS, WEIGHTED, case_id, draws, language, made, objective
from languages import seeded

from textgan_lab.objectives.estimators import Relax

torch.set_num_threads(1)
PATHWISE = (
    "argmax",
    "gumbel",
    "professor_forcing",
)  # D's logit is differentiated, no word credited


@pytest.mark.parametrize(
    "case",
    [c for c in CASES if c[1] != {"straight_through": False} and c[0] not in WEIGHTED],
    ids=case_id,
)
@pytest.mark.parametrize("eos", [False, True], ids=["cut", "eos"])
def test_the_value_is_the_objective(case, eos):
    if eos and case[0] in PATHWISE and case[2] != "cnn":
        eos = False  # a mean over counted tokens is a ratio there
    estimator, g, judge, loss, exact = made(case, eos)
    _, values = draws(estimator, g, judge, loss, repeats=40, batch=256, seed=1)
    assert abs(values.mean() - exact.item()) < 4 * values.std() / len(values) ** 0.5
    assert values.std() > 0


@pytest.mark.parametrize("case", [c for c in CASES if c[0] != "argmax"], ids=case_id)
def test_one_step_down_its_gradient_lowers_what_an_estimator_minimises(case):
    """Signs: a reward that is minimised, or a baseline that is added, climbs instead."""
    name, _, _, loss = case
    estimator, g, judge, loss, before = made(case)
    g, s = copy.deepcopy(g), judge(language().playable)
    real = language().sample if name == "mixed_maligan" else None
    gradients, _ = draws(estimator, g, judge, loss, repeats=40, batch=64, real=real)
    step = gradients.mean(0)
    held = g.log_prob(language().playable).exp().detach() * s.exp() if name in WEIGHTED else None
    with torch.no_grad():
        offset, size = 0, 0.1 / step.norm()
        for p in g.parameters():
            p -= size * step[offset : offset + p.numel()].view_as(p)
            offset += p.numel()
        if held is None:
            if estimator.states:  # what D reads has moved with G
                s = judge(g.features(language().playable))
            after = objective(name, estimator, g, s, loss, language())
        else:
            after = -(held / held.sum() * g.log_prob(language().playable)).sum()
    assert after < before - 1e-4


@pytest.mark.parametrize("case", [c for c in CASES if c[0] not in PATHWISE], ids=case_id)
@pytest.mark.parametrize("eos", [False, True], ids=["cut", "eos"])
def test_the_credit_told_is_the_factor_of_the_gradient(case, eos):
    estimator, g, judge, loss, _ = made(case, eos)
    noise, n = seeded(3), 12
    real = (lambda: language(eos).sample(n, noise)) if case[0] == "mixed_maligan" else None
    rollout = estimator.play(g, n, noise, SLOTS, real)
    (slope,) = torch.autograd.grad(estimator.loss(rollout, judge, loss), rollout.log_p)
    told = estimator.credit.advantage * rollout.mask
    told = told / {"dense_reinforce": n * 3, "regs": n * 3, "maligan": 1, "bgan": 6}.get(case[0], n)
    found = -slope.gather(2, rollout.ids[..., None]).squeeze(2)
    if isinstance(estimator, Relax):  # the rest comes from c itself; untrained, it is still 0
        assert estimator.network.taken == 1
    assert torch.allclose(found, told, rtol=1e-9, atol=1e-12)
    assert told.abs().max() > 0 and (eos or rollout.mask.all())
