"""The critic of residual convolutions, and that a hundred layers of them still learn."""

import math

import pytest
import torch
from languages import TinyLanguage, seeded

from textgan_lab.data import load_corpus
from textgan_lab.models import DISCRIMINATORS
from textgan_lab.models.residual import ResidualBlock
from textgan_lab.objectives import LOSSES
from textgan_lab.objectives.remedies import simplex

torch.set_num_threads(1)


def build(data, **options):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return DISCRIMINATORS.make("residual", options, data=data)


def test_a_block_by_hand():
    """One channel, all weights 1, no bias: f sums over two steps around, then over two again."""
    block = ResidualBlock(1)
    for p in block.parameters():
        p.data.fill_(float(p.dim() == 3))
    x = torch.tensor([[[1.0, -4.0, 2.0, 0.0, 0.0, 3.0]]])
    rectified = [1, 0, 2, 0, 0, 3]
    once = [sum(rectified[max(0, t - 2) : t + 3]) for t in range(6)]
    assert once == [3, 3, 3, 5, 5, 3]
    twice = [sum(once[max(0, t - 2) : t + 3]) for t in range(6)]
    expected = [a + 0.3 * b for a, b in zip(x[0, 0].tolist(), twice, strict=True)]
    assert block(x)[0, 0].tolist() == pytest.approx(expected, abs=1e-5)


def test_it_knows_where_a_word_stands():
    """Words that no filter sees together, swapped: the text CNN cannot tell, this one can."""
    data = TinyLanguage(words=2, length=9, pool=5)
    a, b = torch.tensor([[4, 4, 4, 4, 4, 4, 5, 4, 4]]), torch.tensor([[4, 4, 5, 4, 4, 4, 4, 4, 4]])
    d = build(data)
    assert (d(a) - d(b)).abs() > 1e-3


def depth(d):
    return sum(isinstance(m, (torch.nn.Conv1d, torch.nn.Linear)) for m in d.modules())


def test_any_depth_can_be_had():
    data = TinyLanguage(pool=5)
    for blocks in (0, 1, 50):
        d = build(data, channels=4, blocks=blocks)
        assert depth(d) == 2 * blocks + 1
        assert d(data.train).isfinite().all()


@pytest.mark.slow
def test_a_critic_of_101_layers_trains():
    """Captions against uniform text under the loss of WGAN-GP: told apart within 60 updates.

    Until 40 the penalty brings the slope down to 1. The gradient of the first block is never
    smaller than a third of the last one's.
    """
    data = load_corpus("captions")
    d = build(data, channels=32, blocks=50)
    assert depth(d) == 101
    loss, noise = LOSSES["wasserstein"], seeded(1)
    optimiser = torch.optim.Adam(d.parameters(), lr=1e-3, betas=(0.5, 0.9))
    words = data.support.nonzero()[:, 0]
    history, shares = [], []
    for _ in range(60):
        real = data.train[torch.randint(len(data.train), (32,), generator=noise)]
        fake = words[torch.randint(len(words), real.shape, generator=noise)]
        u = torch.rand(32, 1, 1, generator=noise)
        between = torch.lerp(*(simplex(x, data.vocab_size) for x in (fake, real)), u)
        score = d(between.requires_grad_()).sum()
        (slope,) = torch.autograd.grad(score, between, create_graph=True)
        penalty = (torch.linalg.vector_norm(slope.flatten(1), dim=1) - 1).square().mean()
        distance = loss.d(d(real), d(fake))
        optimiser.zero_grad()
        (distance + 10 * penalty).backward()
        first, last = (d.blocks[i].first.weight.grad.norm().item() for i in (0, -1))
        optimiser.step()
        history.append(distance.item())
        shares.append(first / last)
    assert all(map(math.isfinite, history)) and min(shares) > 1 / 3
    real = data.validation[:200]
    fake = words[torch.randint(len(words), real.shape, generator=noise)]
    with torch.no_grad():
        at_real, at_fake = d(real), d(fake)
    assert (at_real[:, None] > at_fake).double().mean() > 0.99, history
