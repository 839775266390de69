"""Continuations of every prefix, for Monte-Carlo rewards: kept prefixes, and the law after them."""

import pytest
import torch
from dialogues import TinyDialogue
from languages import EOS, PAD, TinyLanguage, chi_square, seeded

from textgan_lab.models import GENERATORS

torch.set_num_threads(1)
WRITERS = [n for n, part in GENERATORS.items() if part.kind == "text" and part.likelihood]
PLAIN = [n for n in WRITERS if not hasattr(GENERATORS[n], "paired")]
N = 3000


def build(name, data, seed=0):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        generator = GENERATORS.make(name, data=data)
    with torch.no_grad():
        for p in generator.parameters():
            p.mul_(1.4 if name == "transformer" else 2.5)  # far from uniform, yet open
    return generator


def languages():
    for eos in (False, True):
        yield TinyLanguage(eos=eos), torch.tensor([[5, 4, 6], [6, 5, 4]])
        yield TinyDialogue(eos=eos), torch.tensor([[4, 5, 6, 4, 5], [0, 4, 5, 5, 4]])


@pytest.mark.parametrize(
    "name, data, ids",
    [(n, data, ids) for data, ids in languages() for n in WRITERS
     if n in PLAIN or data.name.startswith("dialogue")],
    ids=lambda x: x if isinstance(x, str) else getattr(x, "name", ""),
)  # fmt: skip
def test_completions_keep_their_prefix_and_follow_the_law_after_it(name, data, ids):
    """Two sentences side by side, so that one's continuations cannot be taken for the other's."""
    given = getattr(data, "given", 0)
    generator = build(name, data)
    found = generator.complete(ids, N, seeded(1))
    assert found.shape == (data.length - given - 1, N, 2, data.length)
    assert found.dtype == torch.int64 and not found.requires_grad
    every = data.playable.flatten(0, -2)
    q = generator.double().log_prob(every).exp().detach()
    for k, drawn in enumerate(found):
        kept = given + k + 1
        assert torch.equal(drawn[..., :kept], ids[:, :kept].expand(N, -1, -1))
        for row, own in zip(ids, drawn.unbind(1), strict=True):
            fits = (every[:, :kept] == row[:kept]).all(1).double()
            hits = (own[:, None] == every).all(2)
            assert hits.any(1).all(), "what cannot be written"
            expected = N * q * fits / (q * fits).sum()
            assert (expected > 5).sum() >= 3
            assert chi_square(hits.sum(0), expected) > 1e-4


@pytest.mark.parametrize("name", PLAIN)
def test_a_sentence_that_ended_is_not_written_on(name):
    data = TinyLanguage(length=4, eos=True)
    ids = torch.tensor([[4, EOS, PAD, PAD], [4, 5, 6, 4], [EOS, PAD, PAD, PAD]])
    found = build(name, data).complete(ids, 50, seeded(2))
    assert (found[1:, :, 0] == ids[0]).all() and (found[:, :, 2] == ids[2]).all()
    ended = (found == EOS).cumsum(3) - (found == EOS).long() > 0
    assert torch.equal(found == PAD, ended) and ended.any()


@pytest.mark.parametrize("name", WRITERS)
def test_an_end_in_the_prompt_ends_no_reply(name):
    data = TinyDialogue(eos=True)
    ids = torch.tensor([[4, EOS, 5, 6, 4], [4, EOS, EOS, PAD, PAD]])
    found = build(name, data).complete(ids, 50, seeded(3))
    assert (found[:, :, 0, 2] == 5).all() and (found[0, :, 0, 3] != PAD).all()
    assert (found[:, :, 1] == ids[1]).all()


@pytest.mark.parametrize("name", PLAIN)
def test_continuations_differ_and_depend_on_their_stream_alone(name):
    data = TinyLanguage(words=5, length=6)
    generator, ids = build(name, data), torch.randint(4, 9, (8, 6), generator=seeded(4))
    before = torch.get_rng_state()
    a, b, c = (generator.complete(ids, 4, seeded(s)) for s in (1, 1, 2))
    assert torch.equal(a, b) and not torch.equal(a, c)
    assert torch.equal(torch.get_rng_state(), before)
    assert not torch.equal(a[:, 0], a[:, 1]) and not torch.equal(a[0, ..., -1], a[1, ..., -1])


@pytest.mark.parametrize("name", PLAIN)
def test_a_sentence_of_one_token_has_no_prefix_to_continue(name):
    data = TinyLanguage(length=1)
    found = build(name, data).complete(data.playable, 5, seeded())
    assert found.shape == (0, 5, 3, 1)
