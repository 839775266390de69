"""Likelihoods without all logits at once: the same numbers and gradients as the plain way."""

import math
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from languages import EOS, PAD, chi_square, seeded

from textgan_lab.models import GENERATORS
from textgan_lab.models.linear_nll import LARGE, linear_nll, token_law

torch.set_num_threads(1)
WAYS = {
    "token_law": lambda h, w, b, y, k: -(token_law(h, w, b, y, k != 0)[0] * k).sum(),
    "linear_nll": linear_nll,
}


def problem(vocab=300, shape=(9, 21), size=7, dtype=torch.float64):
    """More rows than are worked on at a time, the last part of them incomplete."""
    g = seeded(vocab)
    h = torch.randn(*shape, size, generator=g, dtype=dtype)
    w, b = torch.randn(vocab, size, generator=g, dtype=dtype), torch.randn(vocab, generator=g)
    y = torch.randint(vocab, shape, generator=g)
    leaves = [x.to(dtype).requires_grad_() for x in (h, w, b)]
    return leaves, y, torch.randn(shape, generator=g, dtype=dtype)


def plain(h, w, b, y, k):
    """Return what PyTorch makes of it."""
    rows = F.cross_entropy(F.linear(h, w, b).flatten(0, -2), y.flatten(), reduction="none")
    return (rows * k.flatten()).sum()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("dtype, relative", [(torch.float64, 9e-14), (torch.float32, 3e-6)])
def test_value_and_gradients_are_those_of_cross_entropy(way, dtype, relative):
    leaves, y, share = problem(dtype=dtype)
    expected, value = plain(*leaves, y, share), WAYS[way](*leaves, y, share)
    assert value.item() == pytest.approx(expected.item(), rel=relative)
    grads = zip(
        torch.autograd.grad(3 * value, leaves), torch.autograd.grad(3 * expected, leaves),
        strict=True,
    )  # fmt: skip
    for ours, theirs in grads:
        assert (ours - theirs).abs().max() <= relative * theirs.abs().max()


def test_logits_that_are_told_are_not_worked_out_again():
    (h, w, b), y, _ = problem()
    told = [(torch.tensor([3]), torch.zeros(1, len(b)).double())]
    log_q, entropy = token_law(h, w, b, y, torch.arange(y.numel()).view(y.shape) == 3, told)
    assert log_q[0, 3].item() == pytest.approx(-math.log(len(b)))
    assert entropy[0, 3].item() == pytest.approx(math.log(len(b)))


def test_two_tokens_by_hand():
    """Logits (0, ln 3), so p = (1/4, 3/4): nll ln 4 and ln 4/3; d nll / d logits = p - one-hot."""
    h, w = torch.ones(2, 1).double(), torch.zeros(2, 1).double()
    b = torch.tensor([0.0, 3.0]).double().clamp(min=1).log().requires_grad_()
    y, share = torch.tensor([0, 1]), torch.tensor([1.0, 2.0]).double()
    log_q, entropy = token_law(h, w, b, y, y >= 0)
    assert (-log_q).tolist() == pytest.approx([1.3862943611, 0.2876820725])
    assert entropy.tolist() == pytest.approx([0.5623351446] * 2)  # ln 4 - 3/4 ln 3
    (grad,) = torch.autograd.grad(entropy[0], b)  # -p_v (ln p_v + H) = -+ 3/16 ln 3, from both
    assert grad.tolist() == pytest.approx([0.2059898041, -0.2059898041])
    for way in WAYS.values():
        loss = way(h, w, b, y, share)
        assert loss.item() == pytest.approx(1.3862943611 + 2 * 0.2876820725)
        (grad,) = torch.autograd.grad(loss, b)
        assert grad.tolist() == pytest.approx([-0.75 + 2 * 0.25, 0.75 - 2 * 0.25])


@pytest.mark.parametrize("dtype, relative", [(torch.float64, 2e-13), (torch.float32, 2e-5)])
@pytest.mark.parametrize("parts", [(1.0, 0.0), (0.0, 1.0), (-2.0, 0.7)])
@pytest.mark.parametrize("drawn", [False, True])
def test_law_and_gradients_are_those_of_the_log_softmax(dtype, relative, parts, drawn):
    """Of log q, of the entropy and of both; some positions do not count, one word cannot be."""
    leaves, y, share = problem(dtype=dtype)
    h, w, b = leaves
    never = torch.zeros_like(b)
    never[5] = -1e9
    y = y.masked_fill(y == 5, 6)
    counted, k = share > -0.5, torch.randn(y.shape, generator=seeded(9), dtype=dtype)
    told = None
    if drawn:  # in another order, and in pieces of other sizes
        at = counted.flatten().nonzero().squeeze(1).flip(0)
        logits = (F.linear(h, w, b + never).detach().flatten(0, -2))[at]
        told = list(zip(at.split(50), logits.split(50), strict=True))
    found = token_law(h, w, b + never, y, counted, told)
    log_p = (F.linear(h, w, b) + never).log_softmax(2)
    log_q = log_p.gather(2, y[..., None]).squeeze(2) * counted
    entropy = -(log_p.exp() * log_p).sum(2) * counted
    for ours, theirs in zip(found, (log_q, entropy), strict=True):
        assert (ours - theirs).abs().max() <= relative * theirs.abs().max()
        assert not ours[~counted].any()

    def gradients(log_q, entropy):
        terms = zip(parts, (log_q * share, entropy * k), strict=True)
        return torch.autograd.grad(sum(p * x.sum() for p, x in terms if p), leaves)

    for ours, theirs in zip(gradients(*found), gradients(log_q, entropy), strict=True):
        assert (ours - theirs).abs().max() <= relative * theirs.abs().max()


@pytest.mark.parametrize("way", WAYS)
def test_a_token_that_cannot_be_and_does_not_count_leaves_everything_finite(way):
    (h, w, b), y, share = problem()
    never = torch.zeros_like(b)
    never[5] = -1e9
    y[0, 0], share[0, 0] = 5, 0.0
    value = WAYS[way](h, w, b + never, y, share)
    assert value.isfinite()
    grads = torch.autograd.grad(value, (h, w, b))
    assert all(g.isfinite().all() for g in grads)
    assert torch.equal(grads[0][0, 0], torch.zeros(7).double())
    assert torch.equal(grads[1][5], torch.zeros(7).double())  # nor does it learn anything


@pytest.mark.parametrize("way", WAYS)
def test_a_second_derivative_is_refused_and_not_wrong(way):
    """Of the gradient of w, one of two factors: the other would pass for a constant."""
    (h, w, b), y, share = problem()
    value = WAYS[way](h, (2 * w).tanh(), b, y, share)
    with pytest.raises(RuntimeError, match="no second derivative"):
        torch.autograd.grad(value, w, create_graph=True)


def test_without_gradient_the_value_is_the_same():
    leaves, y, share = problem()
    with torch.no_grad():
        value = linear_nll(*leaves, y, share)
        found = token_law(*leaves, y, share > 0)
    for ours, theirs in zip(found, token_law(*leaves, y, share > 0), strict=True):
        assert torch.equal(ours, theirs) and not ours.requires_grad and theirs.requires_grad
    assert value.item() == pytest.approx(linear_nll(*leaves, y, share).item(), rel=1e-15)


# ---- generators with large vocabularies --------------------------------------------------------


def generator(vocab, length=4, words=None, dtype=torch.float64):
    support = torch.arange(vocab) >= 4
    support[EOS] = True
    if words is not None:
        support[:] = False
        support[words] = True
    data = SimpleNamespace(length=length, vocab_size=vocab, support=support)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made = GENERATORS.make("lstm", {"embedding": 8, "hidden": 8}, data=data)
    return made.to(dtype)


IDS = torch.tensor([[4, 1000, 7, 9], [1100, EOS, PAD, PAD], [5, 6, 1099, EOS]])


def test_a_large_vocabulary_is_scored_as_a_small_one_is():
    g = generator(LARGE + 200)
    rollout, weights = g.score(IDS), list(g.parameters())
    log_p = g.logits(IDS).log_softmax(2)
    by_hand = log_p.gather(2, IDS[..., None]).squeeze(2) * (IDS != PAD)
    torch.testing.assert_close(rollout.log_q, by_hand, rtol=0, atol=1e-12)
    entropy = -(log_p.exp() * log_p).sum(2) * (IDS != PAD)
    torch.testing.assert_close(rollout.entropy, entropy, rtol=0, atol=1e-12)
    assert "log_p" not in vars(rollout)  # all the logits at once were never asked for
    advantage = torch.randn(IDS.shape, generator=seeded(), dtype=torch.float64)
    ours = torch.autograd.grad((advantage * rollout.log_q).sum(), weights)
    theirs = torch.autograd.grad((advantage * by_hand).sum(), weights)
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-12)
    torch.testing.assert_close(g.log_prob(IDS), by_hand.sum(1), rtol=0, atol=1e-12)


def test_what_is_played_from_a_large_vocabulary_is_scored_by_what_it_was_drawn_from():
    """As `score` does it, and at once: later weights do not change what was played."""
    g = generator(LARGE + 200, words=torch.tensor([EOS, 4, 9, 1100]))
    rollout, weights = g.play(90, seeded(3)), list(g.parameters())
    assert (rollout.ids == PAD).any() and "log_p" not in vars(rollout)
    again, k = g.score(rollout.ids), torch.randn(2, *rollout.ids.shape, generator=seeded(4))
    for ours, theirs in ((rollout.log_q, again.log_q), (rollout.entropy, again.entropy)):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-12)
    losses = ((k[0] * r.log_q + k[1] * r.entropy).sum() for r in (rollout, again))
    ours, theirs = (torch.autograd.grad(x, weights, retain_graph=True) for x in losses)
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-11)
    rollout = g.play(90, seeded(3))
    for p in weights:
        p.data.mul_(2)
    (later,) = torch.autograd.grad((k[0] * rollout.log_q).sum(), g.head.weight)
    for p in weights:
        p.data.div_(2)
    (before,) = torch.autograd.grad((k[0] * again.log_q).sum(), g.head.weight)
    torch.testing.assert_close(later, before, rtol=0, atol=1e-11)


def test_maximum_likelihood_of_a_large_vocabulary_is_that_of_a_small_one():
    g = generator(LARGE + 200)
    weights, counted = list(g.parameters()), IDS != PAD
    by_hand = g.logits(IDS).log_softmax(2).gather(2, IDS[..., None]).squeeze(2)
    by_hand = -(by_hand * counted).sum() / counted.sum()
    loss = g.nll_loss(IDS, seeded(), torch.arange(3))
    assert loss.item() == pytest.approx(by_hand.item(), rel=1e-13)
    ours, theirs = (torch.autograd.grad(x, weights) for x in (loss, by_hand))
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-13)


@pytest.mark.parametrize("vocab", [200, 256])  # no multiple of the sampler's blocks, and one
def test_sentences_and_completions_of_a_large_vocabulary_follow_the_law(vocab):
    """Three words far apart, so that every sentence can be listed; every other word never comes."""
    words = torch.tensor([4, 100, vocab - 1])
    g = generator(vocab, length=3, words=words)
    with torch.no_grad():
        for p in g.parameters():
            p.mul_(4)
    every = torch.cartesian_prod(words, words, words)
    q = g.log_prob(every).exp().detach()
    assert q.sum().item() == pytest.approx(1, abs=1e-12) and q.max() > 2 / len(q)
    n = 20_000
    hits = (g.float().sample(n, seeded(1))[:, None] == every).all(2)
    assert hits.any(1).all() and chi_square(hits.sum(0), n * q) > 1e-4
    sentences = every[[5, 20]]
    found = g.complete(sentences, 6000, seeded(2))
    assert found.shape == (2, 6000, 2, 3)
    for kept, drawn in enumerate(found, 1):
        for row, own in zip(sentences, drawn.unbind(1), strict=True):
            hits = (own[:, None] == every).all(2)
            assert hits.any(1).all() and (own[:, :kept] == row[:kept]).all()
            fits = q * (every[:, :kept] == row[:kept]).all(1)
            assert chi_square(hits.sum(0), 6000 * fits / fits.sum()) > 1e-4
