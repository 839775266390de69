"""Estimators: each claim of bias or none, held against the gradient summed over all sentences.

The language has three words and length three, D is random and frozen, so that the objective and its
gradient are sums over 27 strings (40 with <eos>).
"""

import copy

import pytest
import torch
from gradients import (
    CASES,
    case_id,
    draws,
    flat,
    judge_of,
    language,
    made,
    players,
    standard_errors_off,
)
from languages import TinyLanguage, seeded
from torch import nn

from textgan_lab.models import Rollout
from textgan_lab.models.generators import MLPGenerator
from textgan_lab.objectives import ESTIMATORS, LOSSES
from textgan_lab.objectives.estimators import DenseReinforce
from textgan_lab.training import Spec, Trainer

torch.set_num_threads(1)
TEXT = [name for name, part in ESTIMATORS.items() if part.kind == "text"]


def test_every_estimator_of_text_has_a_case():
    reads = {"autoencoding"}  # G's own codes: baselines/test_autoencoding_gan.py
    assert {case[0] for case in CASES} == set(TEXT) - reads


@pytest.mark.parametrize("case", CASES, ids=case_id)
def test_the_claim_about_bias_holds(case):
    estimator, g, judge, loss, value = made(case)
    exact = flat(value, g)
    assert exact.norm() > 0.02
    if estimator.blocked:
        gradients, _ = draws(estimator, g, judge, loss, repeats=3, batch=64)
        assert (gradients == 0).all() and not estimator.unbiased
        return
    # the bias of a discount is small beside the noise, so it gets more batches; that of weights
    # falls with the group, so it gets a small one
    repeats = 500 if case[0] == "dense_reinforce" and not estimator.unbiased else 150
    batch = 4 if case[0] == "maligan" else 64
    real = language().sample if case[0] == "mixed_maligan" else None
    gradients, _ = draws(estimator, g, judge, loss, repeats=repeats, batch=batch, real=real)
    off = standard_errors_off(gradients, exact)
    if estimator.unbiased:
        assert off.max() < 4, off
    else:
        assert off.max() > 4, off


# --- score functions, exactly --------------------------------------------------------------------


def expected_gradient(estimator, g, d, loss, data):
    """The estimator's expected gradient without sampling: every sentence as a batch of one."""
    judge, total = judge_of(d, data.vocab_size), 0.0
    weights = g.log_prob(data.playable).exp().detach()
    for row, weight in zip(data.playable, weights, strict=True):
        lone = copy.deepcopy(estimator)  # so that no baseline moves
        total = total + weight * flat(lone.loss(g.score(row[None]), judge, loss), g)
    return total


@pytest.mark.parametrize("eos", [False, True], ids=["cut", "eos"])
@pytest.mark.parametrize("baseline", [None, 0.3])
@pytest.mark.parametrize(
    "case", [c for c in CASES if "reinforce" in c[0] and "baseline" not in c[1]], ids=case_id
)
def test_score_functions_in_expectation(case, baseline, eos):
    estimator, g, _, loss, value = made(case, eos)
    _, d = players(case[2], eos)
    if baseline is not None:  # any constant, also one per position
        each = baseline + torch.arange(language(eos).length).double()
        estimator.reference.average = each if case[0] == "dense_reinforce" else each[0]
    exact = flat(value, g)
    ours = expected_gradient(estimator, g, d, loss, language(eos))
    error = (ours - exact).norm() / exact.norm()
    if estimator.unbiased:
        assert error < 1e-10
    else:
        assert error > 0.02


def test_the_discount_by_hand():
    """Rewards 1, 2, 4 at discount .5: returns 1 + 1 + 1 = 3, 2 + 2 = 4, and 4."""
    log_p = torch.full((1, 3, 7), -1.0, dtype=torch.float64, requires_grad=True)
    ids = torch.tensor([[4, 5, 6]])
    estimator = DenseReinforce(discount=0.5, reward="loss")
    logits = torch.tensor([[1.0, 2.0, 4.0]], dtype=torch.float64)
    loss = estimator.loss(Rollout(ids, ids, lambda: log_p), lambda x: logits, LOSSES["wasserstein"])
    assert loss.item() == pytest.approx(-7 / 3)  # minus the mean reward
    (grad,) = torch.autograd.grad(loss, log_p)
    played = grad.gather(2, ids[..., None]).flatten().tolist()
    assert played == pytest.approx([-3 / 3, -4 / 3, -4 / 3])
    assert estimator.baseline.tolist() == pytest.approx([0.3, 0.4, 0.4])  # a tenth of the way


def test_nothing_is_earned_after_eos():
    log_p = torch.full((1, 3, 7), -1.0, dtype=torch.float64, requires_grad=True)
    ids = torch.tensor([[4, 2, 0]])
    logits = torch.tensor([[1.0, 2.0, 400.0]], dtype=torch.float64)
    estimator = DenseReinforce(discount=1.0, reward="loss")
    loss = estimator.loss(Rollout(ids, ids, lambda: log_p), lambda x: logits, LOSSES["wasserstein"])
    assert loss.item() == pytest.approx(-1.0)  # (1 + 2) / 3
    (grad,) = torch.autograd.grad(loss, log_p)
    assert grad[0, 2].abs().sum() == 0
    assert estimator.baseline.tolist() == pytest.approx([0.3, 0.2, 0.0])


@pytest.mark.parametrize("straight_through", [True, False])
def test_a_pathwise_loss_of_prefixes_leaves_padding_out(straight_through):
    """Sentences of 1 and of 3 tokens, a D whose logit is 1, 2, 4 times that of the token's weight:

    the mean is over 4 logits, -(2 * 1 + 4 * 1 + 5 * 2 + 2 * 4) / 4, and padding gets no slope.
    """
    ids = torch.tensor([[2, 0, 0], [4, 5, 2]])
    x = torch.nn.functional.one_hot(ids, 7).double().requires_grad_()
    weight, place = torch.arange(7.0).double(), torch.tensor([1.0, 2.0, 4.0]).double()
    estimator = ESTIMATORS.make("gumbel", {"straight_through": straight_through})
    loss = estimator.loss(
        Rollout(x, ids), lambda x: 100.0 * (x[..., 0] == 1) + x @ weight * place,
        LOSSES["wasserstein"],
    )  # fmt: skip
    assert loss.item() == pytest.approx(-(2 + 4 + 10 + 8) / 4)
    (slope,) = torch.autograd.grad(loss, x)
    expected = -weight * place[:, None] / 4
    assert (slope[0, 1:] == 0).all() and torch.equal(slope[0, 0], expected[0])
    assert torch.equal(slope[1], expected)


def test_gumbel_feeds_back_what_it_is_told_to():
    g, _ = players("cnn")
    slots = {"temperature": torch.tensor(0.7, dtype=torch.float64)}
    played = {
        feed: ESTIMATORS.make("gumbel", {"straight_through": False, "feed": feed}).play(
            g, 20, seeded(1), slots
        )
        for feed in ("point", "token")
    }
    off = {feed: (r.log_q - g.score(r.ids).log_q).abs().max() for feed, r in played.items()}
    assert off["token"] < 1e-12 < 1e-3 < off["point"]
    with pytest.raises(ValueError, match="feed 'word': expected one of point, token"):
        ESTIMATORS.make("gumbel", {"feed": "word"})
    spec = {"data": "x", "device": "cpu", "probe_every": 0, "generator": "convolutional"}
    said = "estimator 'gumbel' needs 'step' of the generator, which 'convolutional' lacks: lstm"
    with pytest.raises(ValueError, match=said):
        Trainer(Spec(**spec, estimator={"gumbel": {"feed": "token"}}), data=TinyLanguage())


def test_what_does_not_fit_is_refused_with_advice():
    with pytest.raises(ValueError, match="reward 'gold': expected one of probability, loss"):
        ESTIMATORS.make("reinforce", {"reward": "gold"})
    with pytest.raises(ValueError, match="baseline_decay 2: expected 0 to 1"):
        ESTIMATORS.make("reinforce", {"baseline_decay": 2})
    with pytest.raises(ValueError, match="discount -0.1: expected 0 to 1"):
        ESTIMATORS.make("dense_reinforce", {"discount": -0.1})
    with pytest.raises(ValueError, match="binary loss, and 'wasserstein' is none.*reward='loss'"):
        ESTIMATORS.make("reinforce").check(LOSSES["wasserstein"])
    ESTIMATORS.make("reinforce", {"reward": "loss"}).check(LOSSES["wasserstein"])


# --- points --------------------------------------------------------------------------------------


def test_pathwise_has_the_gradient_of_the_integral_over_its_noise():
    """One latent number makes the expectation an integral; the trapezoid rule is exact enough."""
    data = type("Line", (), {"dim": 2})
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        g = MLPGenerator(data, latent=1, hidden=8).double()
        d = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 1), nn.Flatten(0)).double()

    def play(n, noise, given=None):
        return Rollout(g.net(torch.randn(n, 1, generator=noise, dtype=torch.float64)))

    g.play = play
    z = torch.linspace(-9, 9, 40_001, dtype=torch.float64)
    weight = torch.exp(-z * z / 2)
    loss = LOSSES["non_saturating"]
    exact = flat((loss.generator(d(g.net(z[:, None]))) * weight / weight.sum()).sum(), g)
    estimator = ESTIMATORS.make("pathwise")
    assert estimator.unbiased
    noise, gradients = seeded(2), []
    for _ in range(300):
        gradients.append(flat(estimator.loss(estimator.play(g, 64, noise, {}), d, loss), g))
    assert standard_errors_off(torch.stack(gradients), exact).max() < 4


def test_pathwise_is_the_only_estimator_of_points():
    assert [name for name in ESTIMATORS if name not in TEXT] == ["pathwise"]
