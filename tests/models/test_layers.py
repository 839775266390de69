"""Dropout and LSTM against the stock layers they stand in for."""

import pytest
import torch
from languages import seeded
from torch import nn

from textgan_lab.models import LSTM, Dropout

torch.set_num_threads(1)


def dropout(p, seed=0):
    layer = Dropout()
    layer.p, layer.generator, layer.active = torch.tensor(p), seeded(seed), True
    return layer


@pytest.mark.parametrize("p", [0.0, 0.2, 0.7])
def test_dropout_drops_a_share_p_and_keeps_the_mean(p):
    x = torch.full((200_000,), 3.0)
    y = dropout(p)(x)
    dropped = (y == 0).double().mean().item()
    assert abs(dropped - p) <= 4 * (p * (1 - p) / len(x)) ** 0.5
    torch.testing.assert_close(y[y != 0], torch.full_like(y[y != 0], 3 / (1 - p)))


def test_dropout_of_everything_gives_zeros():
    x = torch.ones(100, requires_grad=True)
    y = dropout(1.0)(x)
    y.sum().backward()
    assert torch.equal(y, torch.zeros(100)) and torch.equal(x.grad, torch.zeros(100))


def test_dropout_follows_a_turn_of_p_at_once():
    layer = dropout(0.0)
    slots = torch.zeros(2, dtype=torch.float64)
    layer.p = slots[1]
    x = torch.ones(1000)
    assert (layer(x) == 0).sum() == 0
    slots[1] = 0.5
    assert 400 < (layer(x) == 0).sum() < 600


def test_inactive_dropout_is_the_identity_and_draws_nothing():
    layer = dropout(0.5)
    layer.active = False
    before = layer.generator.get_state()
    x = torch.randn(10, generator=seeded())
    assert layer(x) is x
    assert torch.equal(layer.generator.get_state(), before)


def test_dropout_draws_from_its_own_stream_alone():
    before = torch.get_rng_state()
    a, b = (dropout(0.5, seed=3)(torch.ones(50)) for _ in range(2))
    assert torch.equal(a, b)
    assert not torch.equal(a, dropout(0.5, seed=4)(torch.ones(50)))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.fixture
def pair():
    ours = LSTM(3, 5).double()
    stock = nn.LSTM(3, 5, batch_first=True).double()
    values = seeded(1)
    with torch.no_grad():
        for p in ours.parameters():
            p.copy_(torch.randn(p.shape, generator=values, dtype=torch.float64))
    stock.load_state_dict(ours.state_dict())
    return ours, stock


def test_the_lstm_is_the_stock_one_layer_by_layer_and_cell_by_cell(pair):
    ours, stock = pair
    x = torch.randn(4, 6, 3, generator=seeded(2), dtype=torch.float64)
    expected, _ = stock(x)
    torch.testing.assert_close(ours(x), expected, rtol=0, atol=1e-14)
    h = c = torch.zeros(4, 5, dtype=torch.float64)
    for t in range(6):
        h, c = ours.cell(ours.gates(x[:, t]), h, c)
        torch.testing.assert_close(h, expected[:, t], rtol=0, atol=1e-14)


def test_the_lstm_has_a_second_derivative(pair):
    ours, _ = pair
    x = torch.randn(2, 3, 3, generator=seeded(3), dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(lambda x: ours(x).square().sum(), (x,))
