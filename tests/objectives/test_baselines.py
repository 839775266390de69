"""Baselines: none changes the expected gradient, but for the one that is not shipped."""

import copy
import itertools

import pytest
import torch
from gradients import (
    SLOTS,
    Tabular,
    draws,
    flat,
    judge_of,
    language,
    objective,
    players,
    standard_errors_off,
)
from languages import TinyLanguage, seeded

from textgan_lab.models import DISCRIMINATORS, GENERATORS, Rollout
from textgan_lab.objectives import ESTIMATORS, LOSSES
from textgan_lab.objectives.estimators import CONTROLS, Baseline, Reinforce

torch.set_num_threads(1)
LOSS = LOSSES["non_saturating"]


def rollout(ids):
    return Rollout(torch.as_tensor(ids), torch.as_tensor(ids))


class BatchMean(Baseline):
    """The known mistake: the mean of the batch, each sentence's own return included."""

    def __call__(self, returns, rollout):
        return returns.mean(0)


@pytest.fixture(scope="module")
def small():
    """Eight or fifteen sentences, so that batches of two or three can be enumerated."""
    data = TinyLanguage(words=2, length=2, eos=True, pool=10)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        g = GENERATORS.make("lstm", {"embedding": 3, "hidden": 4}, data=data).double()
        sizes = {"embedding": 4, "hidden": 6}
        ds = {n: DISCRIMINATORS.make(n, sizes, data=data).double() for n in ("cnn", "lstm")}
    with torch.no_grad():
        for d in ds.values():
            d.requires_grad_(False).head.weight.mul_(8)
    return data, g, {n: judge_of(d, data.vocab_size) for n, d in ds.items()}


def expectation(estimator, g, judge, data, m):
    """The exact mean of the gradient over all batches of m sentences."""
    q, total = g.log_prob(data.playable).exp().detach(), 0.0
    for rows in itertools.product(range(len(q)), repeat=m):
        rows = list(rows)
        value = copy.deepcopy(estimator).loss(g.score(data.playable[rows]), judge, LOSS)
        total = total + q[rows].prod() * flat(value, g)
    return total


@pytest.mark.parametrize("m", [2, 3])
@pytest.mark.parametrize("baseline", ["none", {"constant": {"value": 0.7}}, "leave_one_out", "own"])
def test_only_a_sentence_s_own_return_scales_the_gradient(small, baseline, m):
    """With the batch's mean, E (R_i - mean R) grad ln q_i = (1 - 1/m) E R_i grad ln q_i."""
    data, g, judges = small
    estimator = Reinforce(baseline="none" if baseline == "own" else baseline)
    factor = 1.0
    if baseline == "own":
        estimator.reference, factor = BatchMean(), 1 - 1 / m
    s = judges["cnn"](data.playable)
    exact = flat(objective("reinforce", estimator, g, s, LOSS, data), g)
    found = expectation(estimator, g, judges["cnn"], data, m)
    assert exact.norm() > 0.01
    assert (found - factor * exact).norm() < 1e-10 * exact.norm()


def test_leave_one_out_does_not_bias_returns_of_single_tokens(small):
    data, g, judges = small
    estimator = ESTIMATORS.make("dense_reinforce", {"discount": 1.0, "baseline": "leave_one_out"})
    s = judges["lstm"](data.playable)
    exact = flat(objective("dense_reinforce", estimator, g, s, LOSS, data), g)
    found = expectation(estimator, g, judges["lstm"], data, 2)
    assert (found - exact).norm() < 1e-10 * exact.norm()


def test_leave_one_out_by_hand():
    """Of 1, 2, 6 the others' means are 4, 3.5, 1.5; where a sentence is over, nobody counts it."""
    found = CONTROLS["leave_one_out"]()(torch.tensor([1.0, 2.0, 6.0]), rollout([[4]] * 3))
    assert found.tolist() == [4.0, 3.5, 1.5]
    ids = [[4, 4, 2], [4, 2, 0], [2, 0, 0]]
    returns = torch.tensor([[1.0, 3.0, 5.0], [2.0, 4.0, 99.0], [6.0, 99.0, 99.0]])
    found = CONTROLS["leave_one_out"]()(returns, rollout(ids))
    counted = found[rollout(ids).mask].tolist()
    assert counted == [4.0, 4.0, 0.0, 3.5, 3.0, 1.5]
    with pytest.raises(ValueError, match="two sentences or more"):
        CONTROLS["leave_one_out"]()(torch.ones(1), rollout([[4]]))


class BaselineWithThisBatch(Baseline):
    """A moving average, read after the batch has moved it."""

    def __init__(self, inner):
        self.inner = inner

    def begin(self):
        self.inner.begin()

    def __call__(self, returns, rollout):
        self.inner(returns, rollout)
        return self.inner.average


@pytest.mark.parametrize("with_this_batch, factor", [(False, 1.0), (True, 0.5)])
def test_a_baseline_of_past_batches_does_not_scale_the_gradient(with_this_batch, factor):
    """With batches of two and no memory, a baseline with the batch in it would halve it."""
    estimator, data = Reinforce(baseline_decay=0.0), language()
    if with_this_batch:
        estimator.reference = BaselineWithThisBatch(estimator.reference)
    g, d = players("cnn")
    judge = judge_of(d, data.vocab_size)
    exact = flat(objective("reinforce", estimator, g, judge(data.playable), LOSS, data), g)
    gradients, _ = draws(estimator, g, judge, LOSS, repeats=700, batch=2)
    gradients = gradients[1:]  # the first batch has no baseline yet
    assert standard_errors_off(gradients, factor * exact).max() < 4
    other = 1.5 - factor
    assert standard_errors_off(gradients, other * exact)[0] > 4


def test_a_baseline_lowers_the_variance_where_all_rewards_are_high():
    g, d = players("cnn")
    d = copy.deepcopy(d)
    d.head.bias.add_(2 - d(language().playable).mean())
    judge, spread = judge_of(d, language().vocab_size), {}
    for baseline in ("none", "moving", "leave_one_out", "critic"):
        estimator = Reinforce(baseline=baseline)
        gradients, _ = draws(estimator, g, judge, LOSS, repeats=180, batch=16)
        spread[baseline] = gradients[80:].var(0).sum()
    assert max(v for name, v in spread.items() if name != "none") < 0.7 * spread["none"]


def test_the_baseline_ignores_a_batch_that_is_not_finite_and_survives_a_checkpoint():
    estimator = Reinforce()
    estimator.reference(torch.tensor([1.0, 3.0]), rollout([[4], [4]]))
    assert estimator.baseline.item() == pytest.approx(0.2)
    estimator.begin(None)
    estimator.reference(torch.tensor([float("nan")]), rollout([[4]]))
    assert estimator.baseline.item() == pytest.approx(0.2)
    state = estimator.state()
    assert list(state) == ["baseline"]
    estimator.reference(torch.tensor([1.0, 3.0]), rollout([[4], [4]]))
    other = Reinforce()
    other.load_state(state)
    assert other.baseline.item() == pytest.approx(0.2)
    other.load_state(Reinforce().state())
    assert other.baseline is None


def test_batches_of_one_update_subtract_the_same_and_move_the_average_once():
    """Means 2, 4, 9 of three batches: 0.1 times 5, not 0.9 (0.9 * 0.2 + 0.4) + 0.9."""
    estimator = Reinforce()
    for update, before in ((1, 0.0), (2, 0.5)):
        estimator.begin(None)
        for earned in ([1.0, 3.0], [4.0, 4.0], [9.0, 9.0]):
            found = estimator.reference(torch.tensor(earned), rollout([[4], [4]]))
            assert found.item() == pytest.approx(before)
        assert estimator.baseline.item() == pytest.approx(5 * (1 - 0.9**update))


# --- the critic ----------------------------------------------------------------------------------


def test_the_critic_learns_the_mean_return_after_each_prefix():
    """G writes all 27 sentences equally often, so one of each is a batch without noise, on which

    V goes to E [R | x_<t], the plain mean over the sentences that begin that way.
    """
    everything, g = language().playable, Tabular(language())
    reward = torch.randn(27, generator=seeded(2), dtype=torch.float64)
    estimator = Reinforce(reward="loss", baseline="critic")
    estimator.play(g, 4, seeded(1), SLOTS)
    for _ in range(600):
        estimator.loss(g.score(everything), lambda x: reward, LOSSES["wasserstein"])
    value = estimator.credit.returns - estimator.credit.advantage
    for row, found in zip(everything, value, strict=True):
        for t in range(3):
            alike = (everything[:, :t] == row[:t]).all(1)
            assert found[t].item() == pytest.approx(reward[alike].mean().item(), abs=0.02)


def test_nothing_flows_between_critic_and_players():
    data = language()
    g, d = players("cnn")
    judge = judge_of(d, data.vocab_size)
    estimator, noise = Reinforce(baseline="critic"), seeded(1)
    for _ in range(3):
        loss = estimator.loss(estimator.play(g, 8, noise, SLOTS), judge, LOSS)
    critic = estimator.reference.network
    flows = torch.autograd.grad(loss, critic.weights, allow_unused=True, retain_graph=True)
    assert flows == (None,) * 4
    assert not estimator.reference.table.requires_grad
    moved = [w.abs().sum().item() for w in critic.weights]
    assert min(moved) > 0 and all(w.grad is None for w in [*critic.weights, *g.parameters()])
    # the same sentences and returns, without a critic: what G gets differs by V grad ln q alone
    played = estimator.play(g, 8, noise, SLOTS)
    ours = flat(estimator.loss(played, judge, LOSS), g)
    value = estimator.credit.returns - estimator.credit.advantage
    again = g.score(played.ids)
    plain = flat(Reinforce(baseline="none").loss(again, judge, LOSS), g)
    again = g.score(played.ids)
    part = flat((value * again.log_q).sum(1).mean(), g)
    assert torch.allclose(ours, plain + part, atol=1e-12)


def test_the_critic_survives_a_checkpoint_and_a_batch_that_is_not_finite():
    data = language()
    g, d = players("cnn")
    judge, noise = judge_of(d, data.vocab_size), seeded(1)
    estimator = Reinforce(baseline="critic")
    assert estimator.state() == {}
    for _ in range(3):
        estimator.loss(estimator.play(g, 8, noise, SLOTS), judge, LOSS)
    state = estimator.state()
    estimator.loss(estimator.play(g, 8, noise, SLOTS), lambda x: judge(x) * torch.nan, LOSS)
    assert all(torch.equal(x, state[n]) for n, x in estimator.state().items())
    other = Reinforce(baseline="critic")
    other.load_state(state)
    played = estimator.play(g, 8, noise, SLOTS)
    other.play(g, 8, seeded(9), SLOTS)
    values = [e.loss(g.score(played.ids), judge, LOSS).item() for e in (estimator, other)]
    assert values[0] == values[1] and torch.equal(
        estimator.credit.advantage, other.credit.advantage
    )
    assert all(torch.equal(x, estimator.state()[n]) for n, x in other.state().items())
    other.load_state({})
    assert other.reference.network is None
    with pytest.raises(ValueError, match="let the estimator play first"):
        Reinforce(baseline="critic").loss(g.score(played.ids), judge, LOSS)


def test_what_is_no_baseline_is_refused_with_advice():
    for baseline, said in (
        (
            "best",
            "unknown control variate 'best'; known: none, constant, moving, leave_one_out, critic",
        ),
        ({"constant": {"worth": 1}}, "no option 'worth'; its options: value"),
        ({"none": {}, "moving": {}}, "expected one name with its options"),
        ({"moving": {"decay": 0.5}}, "no option 'decay'; its options: none"),
    ):
        with pytest.raises(ValueError, match=said):
            Reinforce(baseline=baseline)
    with pytest.raises(ValueError, match="baseline_decay 0.5 is of baseline 'moving', not of 'non"):
        Reinforce(baseline="none", baseline_decay=0.5)
