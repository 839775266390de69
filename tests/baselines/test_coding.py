"""Sentences under a code, codes of sentences: laws that are enumerated, and what is not read."""

import pytest
import torch
from languages import BOS, EOS, PAD, TinyLanguage, chi_square, seeded

from textgan_lab.baselines.coding import Decoder, Encoder
from textgan_lab.models.autoregressive import Autoregressive

torch.set_num_threads(1)
LANGUAGE = TinyLanguage(eos=True)
CODES = torch.tensor([[3.0, -2.0], [-4.0, 1.0], [0.0, 0.0]])


def decoder(reads=True, scale=2.0):
    """Build a decoder with weights so large that its laws are far from uniform."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made = Decoder(LANGUAGE, 2, embedding=5, hidden=6, reads=reads)
    with torch.no_grad():
        for p in made.parameters():
            p.mul_(scale)
    return made


def laws(made):
    """The exact law under each of CODES: [codes, sentences] float64."""
    made = made.double()
    rows = [made.under(z.double().expand(40, 2)).log_prob(LANGUAGE.playable) for z in CODES]
    return torch.stack(rows).exp()


@pytest.fixture(params=[True, False], ids=["reads", "blind"])
def made(request):
    return decoder(request.param)


def test_under_every_code_there_is_a_law_and_codes_change_it(made):
    q = laws(made)
    torch.testing.assert_close(q.sum(1), torch.ones(3).double(), rtol=0, atol=1e-12)
    for a, b in ((0, 1), (0, 2), (1, 2)):
        assert (q[a] - q[b]).abs().sum() > 0.1


def test_all_at_once_is_one_after_the_other(made):
    ids = LANGUAGE.playable[:30]
    writer = made.under(CODES.repeat(10, 1))
    stepped = Autoregressive.logits(writer, ids)
    torch.testing.assert_close(writer.logits(ids), stepped, rtol=1e-5, atol=1e-5)


def test_frequencies_under_a_code_are_its_probabilities(made):
    n = 20_000
    ids = made.under(CODES[:1].expand(n, 2)).sample(n, seeded(1))
    hits = (ids[:, None] == LANGUAGE.playable).all(2)
    assert hits.any(1).all()
    assert chi_square(hits.sum(0), n * laws(made)[0]) > 1e-4


def test_each_sentence_is_written_under_its_own_code():
    """Every row alone, and all in one batch: the same logits."""
    ids, made = LANGUAGE.playable[[3, 20, 39]], decoder()
    together = made.under(CODES).logits(ids)
    for i in range(3):
        alone = made.under(CODES[i : i + 1]).logits(ids[i : i + 1])
        torch.testing.assert_close(together[i], alone[0], rtol=1e-5, atol=1e-5)


def test_the_blind_one_writes_every_word_for_itself():
    one, other = torch.tensor([[4, 5, 6]]), torch.tensor([[6, 6, 4]])
    blind, seeing = decoder(reads=False).under(CODES[:1]), decoder().under(CODES[:1])
    assert torch.equal(blind.logits(one), blind.logits(other))
    assert not torch.allclose(seeing.logits(one)[:, 1:], seeing.logits(other)[:, 1:])
    first = torch.full_like(one, BOS)
    torch.testing.assert_close(blind.logits(one), seeing.logits(first), rtol=0, atol=0)


def test_binding_a_code_shares_the_weights_and_changes_nothing():
    made = decoder()
    one, other = made.under(CODES[:1]), made.under(CODES[1:2])
    assert made.code is None and torch.equal(one.code, CODES[:1])
    assert torch.equal(other.code, CODES[1:2])
    for p, q in zip(made.parameters(), one.parameters(), strict=True):
        assert p is q


def test_every_weight_and_the_code_get_a_gradient_through_time():
    made, z = decoder(), CODES.clone().requires_grad_()
    x = made.under(z).relax(3, seeded(2), torch.tensor(1.0), straight_through=True).x
    pull = torch.randn(x.shape, generator=seeded(3))
    for grad in torch.autograd.grad((x * pull).sum(), [z, *made.parameters()]):
        assert grad.abs().sum() > 0


def test_the_encoder_stops_at_the_padding_and_reads_all_before_it():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        read = Encoder(LANGUAGE, 4, embedding=5, hidden=6)
    ids = torch.tensor([[4, 5, EOS, PAD], [6, EOS, PAD, PAD]])
    longer = torch.cat([ids, torch.full((2, 3), PAD)], 1)
    codes = read(ids)
    assert codes.shape == (2, 4)
    torch.testing.assert_close(codes, read(longer), rtol=0, atol=1e-6)
    for at in (0, 1):
        changed = ids.clone()
        changed[0, at] = 6
        assert not torch.allclose(read(changed)[0], codes[0], atol=1e-4)
        torch.testing.assert_close(read(changed)[1], codes[1], rtol=0, atol=1e-6)
