"""Estimators: each claim of bias or none, held against the gradient summed over all sentences.

The language has three words and length three, D is random and frozen, so that the objective and its
gradient are sums over 27 strings (40 with <eos>).
"""

import copy
import functools

import pytest
import torch
import torch.nn.functional as F
from languages import TinyLanguage, seeded
from torch import nn

from textgan_lab.models import DISCRIMINATORS, GENERATORS, Rollout
from textgan_lab.models.generators import MLPGenerator
from textgan_lab.objectives import ESTIMATORS, LOSSES
from textgan_lab.objectives.estimators import REWARDS, DenseReinforce, Reinforce

torch.set_num_threads(1)
SLOTS = {"temperature": torch.tensor(0.5, dtype=torch.float64)}
TEXT = [name for name, part in ESTIMATORS.items() if part.kind == "text"]


@functools.cache
def language(eos=False):
    return TinyLanguage(eos=eos, pool=10)


@functools.cache
def players(discriminator="cnn", eos=False):
    """A tiny generator and a frozen D with opinions strong enough to matter."""
    data = language(eos)
    sizes = {"embedding": 4, "hidden": 6}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        g = GENERATORS.make("lstm", {"embedding": 3, "hidden": 4}, data=data).double()
        d = DISCRIMINATORS.make(discriminator, sizes, data=data).double()
    with torch.no_grad():
        for p in g.parameters():
            p.mul_(2)
        d.head.weight.mul_(8)
    return g, d.requires_grad_(False)


def judge_of(d, vocab_size):
    return lambda x: d(x if x.is_floating_point() else F.one_hot(x, vocab_size).double())


def objective(name, estimator, g, d, loss, data):
    """The objective that the estimator's class states, summed over every string it can write."""
    ids = data.playable
    mask = ids != 0
    q = g.log_prob(ids).exp()
    s = judge_of(d, data.vocab_size)(ids)
    if name in ("argmax", "gumbel"):
        value = loss.generator(s)
        if s.dim() == 1:
            return (q * value).sum()
        assert mask.all(), "a mean over counted tokens is a ratio; use the language without <eos>"
        return (q * value.mean(1)).sum()
    if name in ("reinforce", "dense_reinforce"):
        reward = REWARDS[estimator.reward](s, loss)
        if s.dim() == 2:
            reward = (reward * mask).sum(1) / data.length
        return -(q * reward).sum()
    raise AssertionError(f"state the objective of estimator {name!r} here, as its class does")


def flat(loss, g):
    if not loss.requires_grad:  # D is frozen here: what does not reach G has no graph at all
        return torch.zeros(sum(p.numel() for p in g.parameters()), dtype=torch.float64)
    grads = torch.autograd.grad(loss, list(g.parameters()), materialize_grads=True)
    return torch.cat([x.reshape(-1) for x in grads])


def draws(estimator, g, d, loss, data, *, repeats, batch, seed=0):
    """Return the gradients and values of many independent batches."""
    noise, judge = seeded(seed), judge_of(d, data.vocab_size)
    gradients, values = [], []
    for _ in range(repeats):
        value = estimator.loss(estimator.play(g, batch, noise, SLOTS), judge, loss)
        gradients.append(flat(value, g))
        values.append(value.item())
    return torch.stack(gradients), torch.tensor(values, dtype=torch.float64)


def standard_errors_off(samples, exact):
    """How many standard errors the mean of ``samples`` lies from ``exact``, along 1 + 6 directions:

    that of the exact gradient, in which a wrong scale or a bias shows best, and random ones.
    """
    size = len(exact)
    random = torch.randn(6, size, generator=seeded(99), dtype=torch.float64)
    directions = F.normalize(torch.cat([exact[None], random]), dim=1)
    along = samples @ directions.T
    error = along.std(0) / len(along) ** 0.5
    return (along.mean(0) - directions @ exact).abs() / error


CASES = [  # estimator, options, D, loss
    ("argmax", {}, "cnn", "non_saturating"),
    ("argmax", {}, "lstm", "saturating"),
    ("gumbel", {}, "cnn", "non_saturating"),
    ("gumbel", {"straight_through": False}, "cnn", "non_saturating"),
    ("gumbel", {}, "lstm", "wasserstein"),
    ("reinforce", {}, "cnn", "non_saturating"),
    ("reinforce", {}, "lstm", "saturating"),
    ("reinforce", {"reward": "loss"}, "cnn", "hinge"),
    ("dense_reinforce", {"discount": 1.0}, "lstm", "non_saturating"),
    ("dense_reinforce", {"discount": 1.0, "reward": "loss"}, "lstm", "wasserstein"),
    ("dense_reinforce", {"discount": 0.5}, "lstm", "non_saturating"),
]


def case_id(case):
    return "-".join([case[0], *(f"{k}={v}" for k, v in case[1].items()), *case[2:]])


def test_every_estimator_of_text_has_a_case():
    assert {case[0] for case in CASES} == set(TEXT)


@pytest.mark.parametrize("case", CASES, ids=case_id)
def test_the_claim_about_bias_holds(case):
    name, options, discriminator, loss = case
    estimator, loss, data = ESTIMATORS.make(name, options), LOSSES[loss], language()
    g, d = players(discriminator)
    exact = flat(objective(name, estimator, g, d, loss, data), g)
    assert exact.norm() > 0.02
    if estimator.blocked:
        gradients, _ = draws(estimator, g, d, loss, data, repeats=3, batch=64)
        assert (gradients == 0).all() and not estimator.unbiased
        return
    # the bias of a discount is small beside the noise, so it gets more batches
    repeats = 300 if name != "dense_reinforce" or estimator.unbiased else 500
    gradients, _ = draws(estimator, g, d, loss, data, repeats=repeats, batch=64)
    off = standard_errors_off(gradients, exact)
    if estimator.unbiased:
        assert off.max() < 4, off
    else:
        assert off.max() > 4, off


@pytest.mark.parametrize(
    "case", [c for c in CASES if c[1] != {"straight_through": False}], ids=case_id
)
@pytest.mark.parametrize("eos", [False, True], ids=["cut", "eos"])
def test_the_value_is_the_objective(case, eos):
    name, options, discriminator, loss = case
    if eos and name in ("argmax", "gumbel") and discriminator == "lstm":
        eos = False  # a mean over counted tokens is a ratio there
    estimator, loss, data = ESTIMATORS.make(name, options), LOSSES[loss], language(eos)
    g, d = players(discriminator, eos)
    exact = objective(name, estimator, g, d, loss, data).item()
    _, values = draws(estimator, g, d, loss, data, repeats=40, batch=256, seed=1)
    assert abs(values.mean() - exact) < 4 * values.std() / len(values) ** 0.5
    assert values.std() > 0


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
@pytest.mark.parametrize("case", [c for c in CASES if "reinforce" in c[0]], ids=case_id)
def test_score_functions_in_expectation(case, baseline, eos):
    name, options, discriminator, loss = case
    estimator, loss, data = ESTIMATORS.make(name, options), LOSSES[loss], language(eos)
    g, d = players(discriminator, eos)
    if baseline is not None:  # any constant, also one per position
        shape = (data.length,) if name == "dense_reinforce" else ()
        estimator.baseline = baseline + torch.arange(data.length).double()[: sum(shape) or 1]
        estimator.baseline = estimator.baseline.reshape(shape)
    exact = flat(objective(name, estimator, g, d, loss, data), g)
    ours = expected_gradient(estimator, g, d, loss, data)
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


class BaselineWithThisBatch(Reinforce):
    """The common mistake: the batch's own mean is part of its baseline."""

    def _advantage(self, returns, mean):
        super()._advantage(returns, mean)
        return returns - self.baseline


@pytest.mark.parametrize("estimator, factor", [(Reinforce, 1.0), (BaselineWithThisBatch, 0.5)])
def test_a_baseline_of_past_batches_does_not_scale_the_gradient(estimator, factor):
    """With batches of two and no memory, a baseline with the batch in it would halve the gradient:

    E (R_b - (R_1 + R_2) / 2) grad ln q_b = (1 - 1/2) E R_b grad ln q_b.
    """
    estimator, loss, data = estimator(baseline_decay=0.0), LOSSES["non_saturating"], language()
    g, d = players("cnn")
    exact = flat(objective("reinforce", estimator, g, d, loss, data), g)
    gradients, _ = draws(estimator, g, d, loss, data, repeats=1500, batch=2)
    gradients = gradients[1:]  # the first batch has no baseline yet
    assert standard_errors_off(gradients, factor * exact).max() < 4
    other = 1.5 - factor
    assert standard_errors_off(gradients, other * exact)[0] > 4


def test_a_baseline_lowers_the_variance_where_all_rewards_are_high():
    loss, data = LOSSES["non_saturating"], language()
    g, d = players("cnn")
    d = copy.deepcopy(d)
    d.head.bias.add_(2 - d(data.playable).mean())
    spread = []
    for decay in (0.9, 1.0):  # 1.0: it stays at zero
        estimator = Reinforce(baseline_decay=decay)
        gradients, _ = draws(estimator, g, d, loss, data, repeats=200, batch=16)
        spread.append(gradients[50:].var(0).sum())
    assert spread[0] < 0.7 * spread[1]


def test_the_baseline_ignores_a_batch_that_is_not_finite_and_survives_a_checkpoint():
    estimator = Reinforce()
    estimator._advantage(torch.tensor([1.0, 3.0]), torch.tensor(2.0))
    assert estimator.baseline.item() == pytest.approx(0.2)
    estimator._advantage(torch.tensor([1.0]), torch.tensor(float("nan")))
    assert estimator.baseline.item() == pytest.approx(0.2)
    state = estimator.state()
    estimator._advantage(torch.tensor([1.0, 3.0]), torch.tensor(2.0))
    other = Reinforce()
    other.load_state(state)
    assert other.baseline.item() == pytest.approx(0.2)
    other.load_state(Reinforce().state())
    assert other.baseline is None


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

    def play(n, noise):
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
