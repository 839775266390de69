"""Discriminators: ids and simplex points are one sentence; padding; causality; no hidden noise."""

import pytest
import torch
import torch.nn.functional as F
from dialogues import TinyDialogue
from languages import EOS, PAD, Frames, TinyLanguage, seeded

from textgan_lab.models import DISCRIMINATORS, GENERATORS, Dropout

torch.set_num_threads(1)
TEXT = [name for name, part in DISCRIMINATORS.items() if part.kind == "text"]
STATES = [name for name in TEXT if getattr(DISCRIMINATORS[name], "states", False)]
WORDS = [name for name in TEXT if name not in STATES]  # the others: see test_behaviour
PER_TOKEN = [name for name in TEXT if DISCRIMINATORS[name].per_token]
PAIRED = [name for name in TEXT if getattr(DISCRIMINATORS[name], "paired", False)]
LANGUAGES = {
    "short": TinyLanguage(eos=True),  # shorter than the widest filter of the text CNN
    "long": TinyLanguage(words=2, length=9, pool=5),
}
DIALOGUES = {  # for those that read prompt and reply apart; both parts shorter than a filter
    "short": TinyDialogue(eos=True),
    "long": TinyDialogue(words=2, reply=7, pool=5),
}


def language(name, size):
    return (DIALOGUES if name in PAIRED else LANGUAGES)[size]


def build(name, data, seed=0):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        whose = {"generator": GENERATORS.make("lstm", data=data)} if name in STATES else {}
        return DISCRIMINATORS.make(name, data=data, **whose)


def batch(data, n=40):
    """Random sentences that end anywhere, padded."""
    g = seeded(1)
    ids = torch.randint(4, data.vocab_size, (n, data.length), generator=g)
    end = torch.randint(0, data.length + 1, (n, 1), generator=g)
    t = torch.arange(data.length)
    return ids.masked_fill(t == end, EOS).masked_fill(t > end, PAD)


def test_every_discriminator_says_what_it_reads():
    for part in DISCRIMINATORS.values():
        assert part.kind in ("text", "points") and isinstance(part.per_token, bool)
    assert {"pair_cnn", "pair_lstm"} <= {*PAIRED} <= {*TEXT} and PER_TOKEN


@pytest.mark.parametrize("name", WORDS)
@pytest.mark.parametrize("size", LANGUAGES)
def test_ids_and_one_hot_points_get_the_same_logits(name, size):
    data = language(name, size)
    d, ids = build(name, data), batch(data)
    from_ids, from_points = d(ids), d(F.one_hot(ids, data.vocab_size).float())
    assert from_ids.shape == ((40, data.length) if d.per_token else (40,))
    torch.testing.assert_close(from_ids, from_points, rtol=0, atol=1e-5)
    assert from_ids.std() > 1e-3


@pytest.mark.parametrize("name", WORDS)
def test_every_weight_has_a_gradient_from_either_input(name):
    data = language(name, "long")
    d, ids = build(name, data), batch(data)
    for x in (ids, F.one_hot(ids, data.vocab_size).float()):
        grads = torch.autograd.grad(d(x).square().sum(), list(d.parameters()))
        assert all(g.abs().sum() > 0 for g in grads)


@pytest.mark.parametrize("name", WORDS)
def test_what_stands_in_the_padding_coordinate_is_not_read(name):
    data = language(name, "long")
    d = build(name, data)
    x = F.one_hot(batch(data), data.vocab_size).float()
    shifted = x.clone()
    shifted[..., PAD] += 3.0
    torch.testing.assert_close(d(x), d(shifted), rtol=0, atol=1e-6)
    slope = torch.autograd.grad(d(x.requires_grad_()).sum(), x)[0]
    assert torch.equal(slope[..., PAD], torch.zeros_like(slope[..., PAD]))


@pytest.mark.parametrize("name", [n for n in PER_TOKEN if n in WORDS])
def test_a_logit_has_read_its_prefix_and_no_more(name):
    data = language(name, "long")
    d, ids = build(name, data), batch(data)
    before = d(ids)
    for t in range(data.length):
        changed = ids.clone()
        changed[:, t] = torch.where(ids[:, t] == 4, 5, 4)
        after = d(changed)
        assert torch.equal(after[:, :t], before[:, :t])
        assert (after[:, t] != before[:, t]).all()


@pytest.mark.parametrize("name", PER_TOKEN)
def test_padding_changes_no_counted_logit(name):
    data = language(name, "long")
    d, ids = build(name, data), batch(data)
    longer = torch.cat([ids, torch.full((40, 4), PAD)], 1)
    torch.testing.assert_close(d(longer)[:, : data.length], d(ids), rtol=0, atol=0)


@pytest.mark.parametrize("name", TEXT)
def test_sentences_of_a_batch_do_not_see_each_other(name):
    data = language(name, "long")
    d, ids = build(name, data), batch(data)
    torch.testing.assert_close(d(ids)[:5], d(ids[:5]), rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", DISCRIMINATORS)
def test_judging_draws_no_random_numbers_and_says_the_same_twice(name):
    text = name in TEXT
    data = language(name, "short") if text else Frames()
    d = build(name, data)
    x = batch(data) if text else data.train[:40]
    stream = seeded(3)
    for layer in d.modules():
        if isinstance(layer, Dropout):
            layer.p, layer.generator = torch.tensor(0.5), stream
    own, before = stream.get_state(), torch.get_rng_state()
    assert torch.equal(d(x), d(x))
    assert torch.equal(stream.get_state(), own) and torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("name", DISCRIMINATORS)
def test_dropout_reaches_the_logits_when_it_is_on(name):
    text = name in TEXT
    data = language(name, "long") if text else Frames()
    d = build(name, data)
    x = batch(data) if text else data.train[:40]
    quiet = d(x)
    layers = [layer for layer in d.modules() if isinstance(layer, Dropout)]
    assert layers
    for layer in layers:
        layer.p, layer.generator, layer.active = torch.tensor(0.5), seeded(3), True
    assert not torch.allclose(d(x), quiet)


@pytest.mark.parametrize("name", [n for n in DISCRIMINATORS if n not in TEXT])
def test_points_get_one_logit_each(name):
    data = Frames()
    d = build(name, data)
    logits = d(data.train[:40])
    assert logits.shape == (40,) and logits.std() > 1e-4
    torch.testing.assert_close(logits[:5], d(data.train[:5]), rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", PAIRED)
def test_one_that_reads_pairs_refuses_data_without_prompts(name):
    with pytest.raises(ValueError, match=f"'{name}' reads a prompt.*'tiny-3-3-eos' has no prompts"):
        build(name, LANGUAGES["short"])


@pytest.mark.parametrize("name", TEXT)
def test_the_prompt_changes_what_a_difference_in_the_reply_is_worth(name):
    """No sum of an opinion on the prompt and one on the reply could say whether they match."""
    data = DIALOGUES["long"]
    d = build(name, data)
    rows = data.playable[:2, [0, 37]]  # two prompts, the same two replies
    logits = d(rows.flatten(0, 1))
    logits = (logits[:, -1] if d.per_token else logits).view(2, 2)
    worth = logits[:, 0] - logits[:, 1]
    assert (worth[0] - worth[1]).abs() > 1e-5


@pytest.mark.parametrize("name", WORDS)
def test_any_discriminator_of_text_can_be_differentiated_twice(name):
    """As a gradient penalty does: every weight that the slope depends on gets a gradient."""
    data = language(name, "long")
    d, ids = build(name, data), batch(data)
    x = F.one_hot(ids, data.vocab_size).float().requires_grad_()
    slope = torch.autograd.grad(d(x).sum(), x, create_graph=True)[0]
    penalty = (torch.linalg.vector_norm(slope.flatten(1), dim=1) - 1).square().mean()
    grads = torch.autograd.grad(penalty, list(d.parameters()), materialize_grads=True)
    assert all(g.isfinite().all() for g in grads)
    assert sum(g.abs().sum() for g in grads) > 0
