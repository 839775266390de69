"""The generator that writes all at once: points of the simplex, argmax tokens, gradients."""

import pytest
import torch
import torch.nn.functional as F
from languages import BOS, EOS, PAD, UNK, TinyLanguage, seeded

from textgan_lab.models import GENERATORS
from textgan_lab.models.nudges import nudge
from textgan_lab.training import Spec, Trainer

torch.set_num_threads(1)
SIZES = {"latent": 8, "channels": 8, "blocks": 2}
ONE = torch.tensor(1.0)


def build(data, scale=2.0, **sizes):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        generator = GENERATORS.make("convolutional", SIZES | sizes, data=data)
    with torch.no_grad():
        for p in generator.parameters():
            p.mul_(scale)
    return generator


@pytest.fixture(params=[False, True], ids=["cut", "eos"])
def data(request):
    return TinyLanguage(words=4, length=6, eos=request.param, pool=20)


def test_what_it_writes_follows_the_rules_of_text(data):
    ids = build(data).sample(500, seeded(1))
    ended = (ids == EOS).cumsum(1) - (ids == EOS).long() > 0
    assert torch.equal(ids == PAD, ended) and ended.any() == data.support[EOS]
    assert not ((ids == BOS) | (ids == UNK)).any() and data.support[ids[~ended]].all()
    assert len(ids.unique(dim=0)) > 50


def test_points_are_the_softmax_and_tokens_its_argmax(data):
    generator = build(data)
    rollout = generator.play(200, seeded(2))
    assert torch.equal(rollout.ids, generator.sample(200, seeded(2)))
    logits = generator(torch.randn(200, 8, generator=seeded(2)))
    written = rollout.mask[..., None]
    assert torch.equal(rollout.x * written, logits.softmax(2) * written)
    pad = F.one_hot(torch.tensor(PAD), data.vocab_size).float()
    assert (rollout.x[~rollout.mask] == pad).all() and (~rollout.mask).any() == data.support[EOS]
    with pytest.raises(TypeError, match="no token probabilities"):
        _ = rollout.log_q


def test_temperature_divides_the_logits_and_adds_no_noise(data):
    generator = build(data)
    cool = generator.relax(50, seeded(3), torch.tensor(0.5), False)
    logits = generator(torch.randn(50, 8, generator=seeded(3)))
    expected = (2 * logits).softmax(2)[cool.mask]
    torch.testing.assert_close(cool.x[cool.mask], expected, rtol=0, atol=1e-6)


def test_straight_through_hands_on_the_token_with_the_gradient_of_the_point(data):
    generator = build(data)
    hard, soft = (generator.relax(50, seeded(4), ONE, kind) for kind in (True, False))
    assert torch.equal(hard.x.detach(), F.one_hot(hard.ids, data.vocab_size).float())
    weights = torch.randn(hard.x.shape, generator=seeded(5))
    a, b = (
        torch.autograd.grad((r.x * weights).sum(), list(generator.parameters()))
        for r in (hard, soft)
    )
    for x, y in zip(a, b, strict=True):
        assert x.abs().sum() > 0
        torch.testing.assert_close(x, y, rtol=1e-5, atol=1e-6)


def test_no_gradient_comes_from_behind_the_end():
    data = TinyLanguage(words=4, length=6, eos=True, pool=20)
    generator = build(data)
    logits = []
    generator.head.register_forward_hook(lambda *x: logits.append(x[2].retain_grad() or x[2]))
    rollout = generator.play(200, seeded(6))
    weights = torch.randn(rollout.x.shape, generator=seeded(7))
    (rollout.x * weights).sum().backward()
    slope = logits[0].grad.abs().sum(2)
    assert (slope[~rollout.mask] == 0).all() and (slope[rollout.mask] > 0).all()
    assert (~rollout.mask).any()


def test_there_is_no_temperature_of_tokens(data):
    with pytest.raises(ValueError, match="draws noise and no tokens.*got 0.5"):
        build(data).sample(3, seeded(), temperature=0.5)


def test_what_needs_a_law_of_tokens_says_that_there_is_none(data):
    with pytest.raises(ValueError, match="cannot learn by likelihood"):
        Trainer(Spec(data="given", generator="convolutional", mle_steps=1), data=data)
    with pytest.raises(ValueError, match="needs ln q"):
        Trainer(Spec(data="given", generator="convolutional", estimator="reinforce"), data=data)
    generator = build(data)
    with pytest.raises(ValueError, match="'convolutional' has no law of tokens"):
        nudge(generator, torch.nn.Identity(), [0.1])


def test_it_learns_a_small_language_under_a_critic_of_bounded_slope():
    """Every string starts with the same word: after some updates so do the fakes."""
    data = TinyLanguage(words=3, length=4, pool=500)
    data.train = data.train[data.train[:, 0] == 5]
    spec = Spec(
        data="given", generator={"convolutional": SIZES | {"channels": 16}},
        discriminator={"residual": {"channels": 16, "blocks": 2}}, loss="wasserstein",
        estimator={"gumbel": {"straight_through": False}},
        remedies={"gradient_penalty": {"weight": 10.0}}, batch_size=32, probe_every=0,
        knobs={"d_steps": 3, "g_beta1": 0.5, "d_beta1": 0.5, "d_lr": 2e-3, "g_lr": 2e-3},
        device="cpu",
    )  # fmt: skip
    trainer = Trainer(spec, data=data)
    share = []
    for steps in (0, 60):
        list(trainer.steps(steps))
        share.append((trainer.generator.sample(500, seeded(8))[:, 0] == 5).double().mean().item())
    assert share[0] < 0.6 and share[1] > 0.95, share
