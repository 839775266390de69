"""What tests of G's gradient share: tiny players, the objective as a sum, draws against it."""

import functools

import torch
import torch.nn.functional as F
from languages import TinyLanguage, seeded
from torch import nn

from textgan_lab.models import DISCRIMINATORS, GENERATORS
from textgan_lab.models.autoregressive import Autoregressive
from textgan_lab.objectives import ESTIMATORS, LOSSES
from textgan_lab.objectives.estimators import REWARDS

SLOTS = {
    "temperature": torch.tensor(0.5, dtype=torch.float64),
    "prefix": torch.tensor(0.0, dtype=torch.float64),
}


@functools.cache
def language(eos=False):
    return TinyLanguage(eos=eos, pool=10)


@functools.cache
def players(discriminator="cnn", eos=False):
    """A tiny generator and a frozen D with opinions strong enough to matter."""
    data = language(eos)
    of_states = getattr(DISCRIMINATORS[discriminator], "states", False)
    sizes = {"hidden": 6} if of_states else {"embedding": 4, "hidden": 6}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        g = GENERATORS.make("lstm", {"embedding": 3, "hidden": 4}, data=data).double()
        whose = {"generator": g} if of_states else {}
        d = DISCRIMINATORS.make(discriminator, sizes, data=data, **whose).double()
    with torch.no_grad():
        for p in g.parameters():
            p.mul_(2)
        d.head.weight.mul_(8)
    return g, d.requires_grad_(False)


class Tabular(Autoregressive):
    """Next-token logits straight from a table, a row for each prefix: no two share a weight."""

    def __init__(self, data, *, spread=0.0, seed=0):
        super().__init__(data)
        self.embed = nn.Embedding.from_pretrained(torch.eye(self.vocab_size).double(), freeze=False)
        rows = self.vocab_size**data.length
        table = torch.randn(rows, self.vocab_size, generator=seeded(seed), dtype=torch.float64)
        self.table = nn.Parameter(spread * table)
        self.head = nn.Identity()

    def start(self, n, given):
        return (torch.zeros(n, dtype=torch.int64),)

    def step(self, x, state):
        place = state[0] * self.vocab_size + x.argmax(1) - 1  # <bos> leads to row 0
        return self.table[place], (place + 1,)


def judge_of(d, vocab_size):
    if getattr(d, "states", False):
        return d
    return lambda x: d(x if x.is_floating_point() else F.one_hot(x, vocab_size).double())


def objective(name, estimator, g, s, loss, data):
    """The objective that the estimator's class states, summed over every string it can write.

    ``s`` are D's logits on those, in the order of ``data.playable``.
    """
    ids = data.playable
    mask = ids != 0
    log_q = g.log_prob(ids)
    q = log_q.exp()
    if name in ("argmax", "gumbel", "professor_forcing"):
        value = loss.generator(s)
        if s.dim() == 1:
            return (q * value).sum()
        assert mask.all(), "a mean over counted tokens is a ratio; use the language without <eos>"
        return (q * value.mean(1)).sum()
    if name in ("reinforce", "dense_reinforce", "rollouts", "regs", "relax"):
        reward = REWARDS[estimator.reward](s, loss)
        if s.dim() == 2:
            reward = (reward * mask).sum(1) / data.length
        return -(q * reward).sum()
    if name in ("maligan", "bgan", "mixed_maligan"):  # the last with nothing kept
        target = (q * s.exp()).detach()
        return -(target / target.sum() * log_q).sum()
    raise AssertionError(f"state the objective of estimator {name!r} here, as its class does")


def flat(loss, g):
    if not loss.requires_grad:  # D is frozen here: what does not reach G has no graph at all
        return torch.zeros(sum(p.numel() for p in g.parameters()), dtype=torch.float64)
    grads = torch.autograd.grad(loss, list(g.parameters()), materialize_grads=True)
    return torch.cat([x.reshape(-1) for x in grads])


def draws(estimator, g, judge, loss, *, repeats, batch, seed=0, real=None):
    """Return the gradients and values of many independent batches, an update each."""
    noise = seeded(seed)
    gradients, values = [], []
    for _ in range(repeats):
        asked = None if real is None else functools.partial(real, batch, noise)
        estimator.begin(g)
        value = estimator.loss(estimator.play(g, batch, noise, SLOTS, asked), judge, loss)
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
    ("gumbel", {"feed": "token"}, "cnn", "non_saturating"),
    ("gumbel", {}, "lstm", "wasserstein"),
    ("reinforce", {}, "cnn", "non_saturating"),
    ("reinforce", {}, "lstm", "saturating"),
    ("reinforce", {"reward": "loss"}, "cnn", "hinge"),
    ("dense_reinforce", {"discount": 1.0}, "lstm", "non_saturating"),
    ("dense_reinforce", {"discount": 1.0, "reward": "loss"}, "lstm", "wasserstein"),
    ("dense_reinforce", {"discount": 0.5}, "lstm", "non_saturating"),
    ("reinforce", {"baseline": "leave_one_out"}, "cnn", "saturating"),
    ("reinforce", {"baseline": "critic"}, "cnn", "non_saturating"),
    ("dense_reinforce", {"discount": 1.0, "baseline": "leave_one_out"}, "lstm", "saturating"),
    ("dense_reinforce", {"discount": 1.0, "baseline": "critic"}, "lstm", "saturating"),
    ("rollouts", {"completions": 2}, "cnn", "non_saturating"),
    ("rollouts", {"completions": 2, "reward": "loss"}, "lstm", "wasserstein"),
    ("regs", {}, "lstm", "non_saturating"),
    ("maligan", {}, "cnn", "non_saturating"),
    ("bgan", {"group": 2}, "cnn", "non_saturating"),
    ("mixed_maligan", {"prefix": 0, "completions": 2}, "cnn", "saturating"),
    ("relax", {}, "cnn", "non_saturating"),
    ("relax", {"reward": "loss"}, "lstm", "hinge"),
    ("professor_forcing", {}, "behaviour", "non_saturating"),
]
WEIGHTED = ("maligan", "bgan", "mixed_maligan")


def case_id(case):
    return "-".join([case[0], *(f"{k}={v}" for k, v in case[1].items()), *case[2:]])


def made(case, eos=False):
    """The estimator of a case, G, D's judge, the loss, and the objective's value and gradient."""
    name, options, discriminator, loss = case
    estimator, loss, data = ESTIMATORS.make(name, options), LOSSES[loss], language(eos)
    g, d = players(discriminator, eos)
    judge = judge_of(d, data.vocab_size)
    read = g.features(data.playable) if estimator.states else data.playable
    exact = objective(name, estimator, g, judge(read), loss, data)
    return estimator, g, judge, loss, exact
