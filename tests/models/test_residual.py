"""The critic of residual convolutions, and that a hundred layers of them still learn."""

import pytest
import torch
from languages import TinyLanguage, seeded

from textgan_lab.models import DISCRIMINATORS
from textgan_lab.models.residual import ResidualBlock
from textgan_lab.training import Spec, Trainer

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
def test_a_critic_of_101_layers_trains_in_play():
    """Captions against a G that begins to learn, under the loss of WGAN-GP: 60 moves of both.

    The critic tells them apart, its slope comes down to 1, and the gradient of its first block is
    never smaller than a sixth of the last one's.
    """
    spec = Spec(
        data="captions", discriminator={"residual": {"channels": 32, "blocks": 50}},
        loss="wasserstein", remedies={"gradient_penalty": {"weight": 10.0}}, batch_size=32,
        knobs={"g_lr": 1e-4, "d_lr": 1e-3, "d_beta2": 0.9}, probe_every=0, device="cpu",
    )  # fmt: skip
    trainer = Trainer(spec)
    d, g = trainer.discriminator, trainer.generator
    assert depth(d) == 101
    names = [name for name, _ in d.named_parameters()]
    first, last = (names.index(f"blocks.{i}.first.weight") for i in (0, 49))
    sizes, shares = [p.numel() for p in d.parameters()], []
    for _ in trainer.steps(60):
        parts = trainer.game.d.direction.split(sizes)
        shares.append((parts[first].norm() / parts[last].norm()).item())
    assert not trainer.diverged and min(shares) > 1 / 6
    penalties = [row["d_loss.gradient_penalty"] for row in trainer.telemetry.rows]
    assert sum(penalties[-20:]) / 20 < 1 < penalties[0], penalties  # 10 (slope - 1)^2
    with torch.no_grad():
        at_real, at_fake = d(trainer.data.validation[:200]), d(g.sample(200, seeded(1)))
    assert (at_real[:, None] > at_fake).double().mean() > 0.99
