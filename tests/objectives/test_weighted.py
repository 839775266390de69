"""Weighted likelihood: MaliGAN, its mixed form and BGAN, against maximum likelihood itself."""

import itertools
import math

import pytest
import torch
from dialogues import TinyDialogue
from gradients import SLOTS, Tabular, flat, language, players
from languages import TinyLanguage, chi_square, seeded

from textgan_lab.models import GENERATORS, Rollout
from textgan_lab.objectives import ESTIMATORS, LOSSES
from textgan_lab.objectives.estimators import BGAN, Continued, MaliGAN, MixedMaliGAN

torch.set_num_threads(1)
LOSS = LOSSES["non_saturating"]


def lone(rows=1, length=1):
    """Sentences of one word each with log-probabilities that can be differentiated."""
    ids = torch.full((rows, length), 4)
    log_p = torch.full((rows, length, 7), -1.5, dtype=torch.float64, requires_grad=True)
    return Rollout(ids, ids, lambda: log_p), log_p


def weights(estimator, s):
    """What multiplies grad ln q of each sentence."""
    rollout, log_p = lone(len(s))
    (slope,) = torch.autograd.grad(estimator.loss(rollout, lambda x: s, LOSS), log_p)
    return -slope[:, 0, 4]


def test_weights_are_the_softmax_of_the_logits():
    """Not D / sum D: at s = ln 1, ln 2, ln 5 the odds are 1 : 2 : 5, of D 1/2 : 2/3 : 5/6."""
    s = torch.tensor([1.0, 2.0, 5.0], dtype=torch.float64).log()
    assert weights(MaliGAN(), s).tolist() == pytest.approx(
        [1 / 8 - 1 / 3, 2 / 8 - 1 / 3, 5 / 8 - 1 / 3]
    )
    assert weights(BGAN(), s).tolist() == pytest.approx([1 / 8, 2 / 8, 5 / 8])
    d = s.sigmoid()
    assert weights(BGAN(), s).tolist() != pytest.approx((d / d.sum()).tolist(), abs=0.05)


def test_a_d_that_is_very_sure_does_not_overflow():
    for dtype in (torch.float32, torch.float64):
        found = weights(MaliGAN(), torch.tensor([500.0, 500.0, -500.0], dtype=dtype))
        assert found.tolist() == pytest.approx([1 / 6, 1 / 6, -1 / 3], abs=1e-6)


def test_what_is_measured_by_hand():
    """Weights 1/8, 2/8, 5/8: 1 / (30/64); two equal ones in another group: 2; logs 0, 1, ... ."""
    s = torch.tensor([1.0, 2.0, 5.0], dtype=torch.float64).log()
    estimator = MaliGAN()
    weights(estimator, s)
    assert list(estimator.measured) == ["ess"]
    assert estimator.measured["ess"].item() == pytest.approx(64 / 30)
    estimator = BGAN(group=2)
    weights(estimator, torch.tensor([0.0, 0.0, math.log(3), 0.0], dtype=torch.float64))
    found = {name: value.item() for name, value in estimator.measured.items()}
    mean = math.log(3) / 4
    assert found == pytest.approx({
        "ess": (2 + 1 / (9 / 16 + 1 / 16)) / 2,
        "log_weight": mean,
        "log_weight_var": (math.log(3) - mean) ** 2 / 4 + 3 * mean**2 / 4,
    })  # fmt: skip


@pytest.mark.parametrize(
    ("n", "group", "sizes"),
    [
        (6, 3, [3, 3]),
        (7, 3, [3, 2, 2]),
        (3, 2, [2, 1]),
        (8, 20, [8]),
        (64, 20, [16] * 4),
        (61, 20, [16] + [15] * 3),
    ],
)
def test_groups_share_out_a_weight_of_one_each(n, group, sizes):
    s = torch.randn(n, generator=seeded(1), dtype=torch.float64)
    found, start = weights(BGAN(group=group), s), 0
    for size in sizes:
        part = slice(start, start + size)
        assert torch.allclose(found[part], s[part].softmax(0) / len(sizes))
        start += size
    assert start == n


def test_the_value_is_the_weighted_cross_entropy():
    s = torch.tensor([1.0, 2.0, 5.0], dtype=torch.float64).log()
    rollout, _ = lone(3)
    for estimator in (MaliGAN(), BGAN()):
        assert estimator.loss(rollout, lambda x: s, LOSS).item() == pytest.approx(1.5)


# --- at the best D -------------------------------------------------------------------------------


def likelihood(g, data, everything):
    """The gradient of maximum likelihood, -sum_x p(x) grad ln q(x)."""
    return flat(-(data.law.log_prob(everything).exp() * g.log_prob(everything)).sum(), g)


@pytest.mark.parametrize("name", ["maligan", "bgan"])
def test_with_the_true_z_the_gradient_is_that_of_maximum_likelihood(name):
    """G writes all 27 sentences equally often; in a batch of one each, sum e^s = m Z exactly."""
    data = language()
    g, everything = Tabular(data), data.playable
    s = (data.law.log_prob(everything) - g.log_prob(everything)).detach()
    estimator = ESTIMATORS.make(name, {"group": 27} if name == "bgan" else {})
    ours = flat(estimator.loss(g.score(everything), lambda x: s, LOSS), g)
    exact = likelihood(g, data, everything)
    assert exact.norm() > 0.1
    if name == "bgan":  # without a baseline: it averages to 0 here, for all are written as often
        assert flat(g.log_prob(everything).mean(), g).norm() < 1e-12
    assert (ours - exact).norm() < 1e-12


@pytest.mark.parametrize("kept", [0, 1, 2, 3])
def test_mixed_maligan_is_maximum_likelihood_however_much_is_kept(kept):
    """All endings of a prefix once are its continuations without noise; prefixes come from p."""
    data = language()
    g, everything = Tabular(data), data.playable
    p = data.law.log_prob(everything).exp()
    log_p, log_q = p.log(), g.log_prob(everything).detach()
    total = 0.0
    for row, chance in zip(everything, p, strict=True):
        ends = everything[(everything[:, :kept] == row[:kept]).all(1)]
        if len(ends) == 1:
            ends = ends.repeat(2, 1)
        estimator = MixedMaliGAN(completions=len(ends))
        judge = {tuple(x.tolist()): s for x, s in zip(everything, log_p - log_q, strict=True)}
        rollout = Continued(g, ends, torch.tensor(float(kept)))
        s = torch.stack([judge[tuple(x)] for x in ends.tolist()])
        total = total + chance * flat(estimator.loss(rollout, lambda x, s=s: s, LOSS), g)
    exact = likelihood(g, data, everything)
    assert (total - exact).norm() < 1e-12 < exact.norm()


def exact_bias(m):
    """Bias of a batch of m over the exact gradient's norm, by enumeration of all such batches.

    Four sentences, so a batch is how often each occurs: a multinomial law.
    """
    data = TinyLanguage(words=2, length=2, pool=10)
    g = Tabular(data, spread=0.5)
    q = g.log_prob(data.playable).exp().detach()
    s = (data.law.log_prob(data.playable) - q.log()).detach()
    gradient = torch.stack([flat(g.log_prob(row[None]), g) for row in data.playable])
    total, norm = 0.0, 0.0
    for counts in itertools.product(range(m + 1), repeat=4):
        if sum(counts) != m:
            continue
        chance = math.factorial(m) * math.prod(
            x.item() ** k / math.factorial(k) for x, k in zip(q, counts, strict=True)
        )
        rows = torch.arange(4).repeat_interleave(torch.tensor(counts))
        total = total - chance * weights(MaliGAN(), s[rows]) @ gradient[rows]
        norm += chance
    assert norm == pytest.approx(1)
    exact = likelihood(g, data, data.playable)
    return ((total - exact).norm() / exact.norm()).item()


def test_the_bias_of_normalising_falls_as_one_over_m():
    bias = {m: exact_bias(m) for m in (2, 4, 8, 16)}
    assert bias[2] > 0.2
    assert bias[2] > bias[4] > bias[8] > bias[16]
    assert bias[8] / bias[16] == pytest.approx(2, abs=0.15), bias


# --- mixed MLE-Mali ------------------------------------------------------------------------------


def slots(prefix):
    return {**SLOTS, "prefix": torch.tensor(float(prefix), dtype=torch.float64)}


@pytest.mark.parametrize("eos", [False, True])
def test_beginnings_are_kept_and_ends_follow_g(eos):
    data = language(eos)
    g, _ = players("cnn", eos)
    noise, real = seeded(1), language(eos).sentences[:6]
    estimator = MixedMaliGAN(completions=3000)
    for kept in range(4):
        played = estimator.play(g, 6, noise, slots(kept), lambda: real)
        groups = played.ids.view(6, 3000, 3)
        assert (groups[:, :, :kept] == real[:, None, :kept]).all()
        for row, ends in zip(real, groups, strict=True):
            alike = data.playable[(data.playable[:, :kept] == row[:kept]).all(1)]
            q = g.log_prob(alike).exp()
            counts = (ends[:, None] == alike).all(2).sum(0)
            assert counts.sum() == 3000  # padded after <eos>: nothing that G could not write
            if len(alike) > 1:
                assert chi_square(counts, 3000 * q / q.sum()) > 1e-5


@pytest.mark.parametrize("eos", [False, True])
def test_after_a_prompt_it_is_words_of_the_reply_that_are_kept(eos):
    """Replies of three words to prompts of two: N = 1 keeps one word, not none."""
    data = TinyDialogue(eos=eos, pool=10)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        g = GENERATORS.make("lstm", {"embedding": 3, "hidden": 4}, data=data).double()
    real = data.rows[:, ::7].flatten(0, 1)[:8]
    assert len(real[:, :2].unique(dim=0)) > 1
    estimator = MixedMaliGAN(completions=2000)
    for kept in range(4):
        played = estimator.play(g, len(real), seeded(kept), slots(kept), lambda: real)
        groups = played.ids.view(len(real), 2000, 5)
        given = torch.arange(5) < 2 + kept
        assert (groups[:, :, given] == real[:, None, given]).all()
        assert torch.equal(played.real[2:], given[2:])  # what is not weighted
        for row, ends in zip(real, groups, strict=True):
            rows = data.playable.flatten(0, 1)
            alike = rows[(rows[:, given] == row[given]).all(1)]
            q = g.log_prob(alike).exp()
            counts = (ends[:, None] == alike).all(2).sum(0)
            assert counts.sum() == 2000
            if len(alike) > 1:
                assert chi_square(counts, 2000 * q / q.sum()) > 1e-5


def test_only_what_g_wrote_is_weighted():
    """Prefix of 1 of 3: full credit for it, shared by two copies; weights 1/4, 3/4 for the rest."""
    data = language()
    g, _ = players("cnn")
    ids = torch.tensor([[4, 5, 6], [4, 6, 6]])
    estimator = MixedMaliGAN(completions=2)
    s = torch.tensor([0.0, math.log(3)], dtype=torch.float64)
    rollout = Continued(g, ids, torch.tensor(1.0))
    loss = estimator.loss(rollout, lambda x: s, LOSS)
    (slope,) = torch.autograd.grad(loss, rollout.log_p, retain_graph=True)
    found = -slope.gather(2, ids[..., None]).squeeze(2)
    expected = [[1 / 2, 1 / 4 - 1 / 2, 1 / 4 - 1 / 2], [1 / 2, 3 / 4 - 1 / 2, 3 / 4 - 1 / 2]]
    assert torch.allclose(found, torch.tensor(expected, dtype=torch.float64))
    log_q = rollout.log_q.detach()
    value = log_q[0, 0] + log_q[0, 1:].sum() / 4 + log_q[1, 1:].sum() * 3 / 4
    assert loss.item() == pytest.approx(-value.item())
    assert estimator.measured["ess"].item() == pytest.approx(1 / (10 / 16))
    assert data.length == 3


def test_a_prefix_beyond_the_end_leaves_maximum_likelihood_alone():
    data = language(True)
    g, _ = players("cnn", True)
    real = data.sentences[:5]
    estimator = MixedMaliGAN()
    played = estimator.play(g, 5, seeded(1), slots(10), lambda: real)
    assert torch.equal(played.ids, real.repeat_interleave(5, 0))
    ours = flat(estimator.loss(played, lambda x: torch.randn(25).double(), LOSS), g)
    exact = flat(-g.score(real).log_q.sum(1).mean(), g)
    assert torch.allclose(ours, exact, atol=1e-12)


def test_d_learns_from_plain_sentences():
    g, _ = players("cnn")
    real = language().sentences[:6]
    for name in ("mixed_maligan", "bgan"):
        fakes = ESTIMATORS.make(name).fakes(g, 6, seeded(1), slots(3), lambda: real)
        assert torch.equal(fakes.ids, g.sample(6, seeded(1)))


def test_a_group_of_bgan_answers_one_prompt():
    """Sentences of five of which two tokens are given: groups of three begin alike, in order."""
    data = TinyLanguage(words=3, length=5, pool=10)
    data.given = 2
    g = Tabular(data)
    real = data.sentences[::40][:6]
    played = BGAN(group=3).play(g, 6, seeded(1), SLOTS, lambda: real)
    first, second = played.ids[:, :2].split(3)
    assert (first == real[0, :2]).all() and (second == real[3, :2]).all()
    assert not played.mask[:, :2].any() and played.mask[:, 2:].all()
    asked = BGAN(group=2).play(g, 5, seeded(1), SLOTS, lambda: real[:5]).ids[:, :2]
    assert torch.equal(asked, real[[0, 0, 2, 2, 4], :2])


def test_what_does_not_fit_is_refused_with_advice():
    for name in ("maligan", "bgan", "mixed_maligan"):
        estimator = ESTIMATORS.make(name)
        assert estimator.log_odds and estimator.per_token is False
        estimator.check(LOSSES["saturating"])
        with pytest.raises(ValueError, match="reads D's logit as ln p/q.*'wasserstein' is none"):
            estimator.check(LOSSES["wasserstein"])
        compared = type("Compared", (LOSSES["saturating"],), {"needs_real": True})
        with pytest.raises(ValueError, match="one sentence at a time"):
            estimator.check(compared)
    with pytest.raises(ValueError, match="group 1: expected a whole number, 2 or more"):
        BGAN(group=1)
    with pytest.raises(ValueError, match="completions 1: expected a whole number, 2 or more"):
        MixedMaliGAN(completions=1)
    with pytest.raises(ValueError, match="pass real="):
        MixedMaliGAN().play(players("cnn")[0], 4, seeded(1), slots(1))
