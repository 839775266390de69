"""The D that reads G's states: whose they are, what has a gradient, what is copied with what."""

import copy

import pytest
import torch
import torch.nn.functional as F
from dialogues import TinyDialogue
from languages import TinyLanguage, seeded

from textgan_lab.models import DISCRIMINATORS, GENERATORS

torch.set_num_threads(1)
WRITERS = {"lstm": TinyLanguage, "transformer": TinyLanguage, "attention": TinyDialogue}


def players(generator="lstm"):
    data = WRITERS[generator](eos=True)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(4)
        g = GENERATORS.make(generator, data=data)
        d = DISCRIMINATORS.make("behaviour", {"hidden": 8}, data=data, generator=g)
    return data, g, d


@pytest.mark.parametrize("generator", WRITERS)
def test_a_g_that_is_led_through_its_sentence_has_the_states_that_wrote_it(generator, monkeypatch):
    data, g, d = players(generator)
    given = data.train[:20, : g.given] if g.given else None
    written, step = [], g.step

    def kept(x, state):
        written.append(step(x, state))
        return written[-1]

    monkeypatch.setattr(g, "step", kept)
    ids = g.sample(20, seeded(1), given=given)
    free = torch.stack([features for features, _ in written], 1)
    assert free.shape[1] == data.length - g.given
    led = g.features(ids)
    torch.testing.assert_close(free, led[:, g.given :], rtol=0, atol=1e-6)
    behaviour = torch.cat([led[:, : g.given], free], 1)
    torch.testing.assert_close(d(behaviour), d(ids), rtol=0, atol=1e-6)


def test_states_have_a_gradient_and_ids_have_none():
    data, g, d = players()
    ids = data.train[:16]
    by_ids, by_states = d(ids), d(g.features(ids))
    assert by_ids.shape == ids.shape and torch.equal(by_ids, by_states)
    weights = list(g.parameters())
    grads = torch.autograd.grad(by_ids.sum(), weights, allow_unused=True)
    assert all(grad is None for grad in grads)
    grads = dict(zip(
        (name for name, _ in g.named_parameters()),
        torch.autograd.grad(by_states.sum(), weights, allow_unused=True), strict=True,
    ))  # fmt: skip
    assert {name for name, grad in grads.items() if grad is None} == {"head.weight", "head.bias"}
    for grad in torch.autograd.grad(d(ids).square().sum(), list(d.parameters())):
        assert grad.abs().sum() > 0


def test_g_is_held_and_not_owned():
    data, g, d = players()
    assert d.generator is g and g not in set(d.modules())
    own = {"lstm.weight_ih_l0", "lstm.weight_hh_l0", "lstm.bias_ih_l0", "lstm.bias_hh_l0",
           "head.weight", "head.bias"}  # fmt: skip
    assert set(d.state_dict()) == own == {name for name, _ in d.named_parameters()}
    logits = d(data.train[:16])
    d.double()
    assert all(p.dtype == torch.float32 for p in g.parameters())
    torch.testing.assert_close(d(data.train[:16]), logits.double(), rtol=0, atol=1e-6)


def test_d_follows_its_g_and_a_deep_copy_keeps_the_g_of_then():
    data, g, d = players()
    ids, before = data.train[:16], d(data.train[:16])
    alone, (g_too, together) = copy.deepcopy(d), copy.deepcopy((g, d))
    assert alone.generator is not g and together.generator is g_too
    with torch.no_grad():
        for p in g.parameters():
            p.mul_(1.5)
    assert not torch.allclose(d(ids), before)
    assert torch.equal(alone(ids), before) and torch.equal(together(ids), before)
    with torch.no_grad():
        for p in g_too.parameters():
            p.mul_(1.5)
    assert torch.equal(together(ids), d(ids))


def test_a_logit_has_read_the_tokens_before_it_and_no_more():
    data, _, d = players()
    ids = data.playable[(data.playable > 3).all(1)]
    before = d(ids)
    for t in range(data.length):
        changed = ids.clone()
        changed[:, t] = torch.where(ids[:, t] == 4, 5, 4)
        after = d(changed)
        assert torch.equal(after[:, : t + 1], before[:, : t + 1])
        assert (after[:, t + 1 :] != before[:, t + 1 :]).all()


def test_simplex_points_are_refused():
    data, _, d = players()
    points = F.one_hot(data.train[:4], data.vocab_size).float()
    with pytest.raises(ValueError, match=r"states \[.*64\] of.*not simplex.*\[4, 3, 7\]"):
        d(points)
