"""SeqGAN's discriminator: its published sizes, its highway, and judging by table."""

import math
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from languages import PAD, seeded

from textgan_lab.models import DISCRIMINATORS
from textgan_lab.models import highway_cnn as module
from textgan_lab.models.highway_cnn import Highway
from textgan_lab.models.tables import pooled, pooled_by_table, table_pays

torch.set_num_threads(1)
SMALL = {"embedding": 5, "widths": (1, 2, 4, 7), "filters": (3, 6, 4, 5)}


def data(vocab=30, length=7):
    return SimpleNamespace(vocab_size=vocab, length=length)


def build(options=SMALL, data=data()):  # noqa: B008
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return DISCRIMINATORS.make("seqgan_cnn", options, data=data)


def sentences(n, vocab=30, length=7):
    """Random sentences, padded from a random place on."""
    ids = torch.randint(4, vocab, (n, length), generator=seeded(1))
    ends = torch.randint(1, length + 1, (n, 1), generator=seeded(2))
    return ids.masked_fill(torch.arange(length) >= ends, PAD)


def by_conv2d(d, ids):
    """The same logits as published: convolutions over an image, then the highway and the head."""
    x = F.embedding(ids, d.embed.weight * d.embed.counts)[:, None]
    found = []
    for width, filters in zip(d.widths, d.filters, strict=True):
        kernel = filters.weight.view(-1, 1, width, x.shape[3])
        found.append(F.conv2d(x, kernel, filters.bias).relu().squeeze(3).amax(2))
    x = torch.cat(found, 1)
    h = F.linear(x, d.highway.transform.weight, d.highway.transform.bias)
    gate = h if d.highway.gate is None else d.highway.gate(x)
    x = gate.sigmoid() * h.relu() + (1 - gate.sigmoid()) * x
    return d.head(x).squeeze(1)


def test_its_sizes_are_the_published_ones():
    d = build({}, data(vocab=5000, length=20))
    assert sum(f.out_features for f in d.filters) == 1720 and d.widths[-2:] == [15, 20]
    words, filters, highway = 5000 * 64, 64 * 12_500 + 1720, 2 * (1720 * 1720 + 1720)
    assert sum(p.numel() for p in d.parameters()) == words + filters + highway + 1720 + 1
    shared = build({"gate": "shared"}, data(vocab=5000, length=20))
    assert sum(p.numel() for p in shared.parameters()) == words + filters + highway // 2 + 1721
    assert d.embed.weight.abs().max() <= 1 and d.filters[3].weight.abs().max() <= 0.2
    assert (d.highway.gate.bias == -2).all() and (d.filters[0].bias == 0.1).all()


def test_a_filter_wider_than_a_sentence_is_made_as_wide_as_it():
    d = build({}, data(length=7))
    assert d.widths == [1, 2, 3, 4, 5, 6, 7, 7, 7, 7, 7, 7]
    assert d(sentences(3)).shape == (3,)


def test_the_highway_by_hand():
    """x = 2, h = 3 x - 2 = 4, gate = sigmoid(x - 2) = 1/2: half of 4 and half of 2."""
    layer = Highway(1, shared=False)
    assert layer.gate.bias.item() == -2
    with torch.no_grad():
        layer.transform.weight.fill_(3.0)
        layer.transform.bias.fill_(-2.0)
        layer.gate.weight.fill_(1.0)
    assert layer(torch.tensor([[2.0]])).item() == pytest.approx(3.0)
    layer.gate = None  # then h is the gate as well: sigmoid(4) 4 + (1 - sigmoid(4)) 2
    g = 1 / (1 + math.exp(-4))
    assert layer(torch.tensor([[2.0]])).item() == pytest.approx(4 * g + 2 * (1 - g))


@pytest.mark.parametrize("gate", module.GATES)
def test_logits_are_those_of_convolutions(gate):
    d, ids = build({**SMALL, "gate": gate}).double(), sentences(40)
    torch.testing.assert_close(d(ids), by_conv2d(d, ids), rtol=0, atol=1e-13)


@pytest.mark.parametrize("width", [1, 3, 7])
def test_look_up_finds_what_the_product_finds(width):
    """More sentences than are read at a time; some of the filters' responses are negative."""
    words = torch.randn(30, 5, generator=seeded(), dtype=torch.float64)
    filters = torch.nn.Linear(width * 5, 4, dtype=torch.float64)
    with torch.no_grad():
        filters.weight.normal_(generator=seeded(width))
        filters.bias.normal_(generator=seeded(width)).sub_(3)
        ids = sentences(150)
        expected = pooled(words[ids], filters)
        assert (expected < 0).any() and (expected > 0).any()
        found = pooled_by_table(ids, words, filters)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-13)


@pytest.mark.parametrize("gate", module.GATES)
def test_many_sentences_are_judged_as_few_are(gate, monkeypatch):
    """Without gradient, the many by table and in parts; the few, or with gradient, by products."""
    monkeypatch.setattr(module, "ROWS", 64)
    read = []
    monkeypatch.setattr(module, "pooled_by_table", lambda *a: read.append(1) or pooled_by_table(*a))
    d, ids = build({**SMALL, "gate": gate}), sentences(150)
    with torch.no_grad():
        few = torch.cat([d(part) for part in ids.split(5)])
        assert not read
        many = d(ids)
        assert len(read) == len(d.widths)
    torch.testing.assert_close(many, few, rtol=0, atol=1e-6)
    torch.testing.assert_close(many, d(ids).detach(), rtol=0, atol=1e-6)
    assert many.std() > 1e-2


def test_tables_are_for_many_sentences_without_gradient_only(monkeypatch):
    monkeypatch.setattr(module, "pooled_by_table", lambda *a: pytest.fail("read by table"))
    d, ids = build(), sentences(150)
    d(ids).sum().backward()
    with torch.no_grad():
        d(F.one_hot(ids, 30).float())
    assert table_pays(ids, 30, 7) and not table_pays(ids, 30 * 150, 7)


def test_dropout_comes_after_the_highway():
    d, ids = build(), sentences(40)
    d.dropout.p, d.dropout.generator, d.dropout.active = torch.tensor(1.0), seeded(), True
    assert torch.equal(d(ids), d.head.bias.expand(40))  # nothing but the bias is left


@pytest.mark.parametrize(
    "options, message",
    [
        ({"gate": "open"}, "seqgan_cnn: gate 'open': expected one of own, shared"),
        ({"widths": (2, 3)}, "one number of filters for each width, got 12 filters for 2 widths"),
        ({"widths": (), "filters": ()}, "got 0 filters for 0 widths"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        build(options)
