"""Optimisers against torch's own, and against plain sums where torch's go wrong."""

import math

import pytest
import torch
from languages import seeded

from textgan_lab.training import OPTIMISERS

torch.set_num_threads(1)
STOCK = {
    "adam": lambda p, s: torch.optim.Adam(p, s["lr"], (s["beta1"], s["beta2"])),
    "sgd": lambda p, s: torch.optim.SGD(p, s["lr"], momentum=s["momentum"]),
    "rmsprop": lambda p, s: torch.optim.RMSprop(p, s["lr"], alpha=s["alpha"]),
}
SETTINGS = {
    "adam": {"lr": 0.05, "beta1": 0.8, "beta2": 0.95},
    "sgd": {"lr": 0.01, "momentum": 0.7},
    "rmsprop": {"lr": 0.02, "alpha": 0.9},
}
LRS = [0.05, 0.002, 0.0, 0.3, 0.01]


def parameters():
    g = seeded(0)
    return [torch.randn(s, generator=g, dtype=torch.float64) for s in ((3, 4), (5,), ())]


def gradients(params, t):
    """A noisy bowl, with a direction whose gradient is exactly zero."""
    g = seeded(100 + t)
    grads = [p + torch.randn(p.shape, generator=g, dtype=torch.float64) for p in params]
    grads[1][0] = 0.0
    return grads


def build(name, params, settings):
    slots = {n: torch.tensor(v, dtype=torch.float64) for n, v in settings.items()}
    return OPTIMISERS.make(name, params=params, slots=slots), slots


def test_every_optimiser_has_a_stock_counterpart_here():
    assert set(STOCK) == set(SETTINGS) == set(OPTIMISERS)


@pytest.mark.parametrize("name", OPTIMISERS)
def test_equals_torch_over_300_steps_with_the_step_size_turned_five_times(name):
    ours, theirs = parameters(), [p.requires_grad_() for p in parameters()]
    optimiser, slots = build(name, ours, SETTINGS[name])
    stock = STOCK[name](theirs, SETTINGS[name])
    for t in range(300):
        if t % 60 == 0:
            slots["lr"].fill_(LRS[t // 60])
            stock.param_groups[0]["lr"] = LRS[t // 60]
        optimiser.step(gradients(ours, t))
        for p, g in zip(theirs, gradients([p.detach() for p in theirs], t), strict=True):
            p.grad = g
        stock.step()
    for p, q, start in zip(ours, theirs, parameters(), strict=True):
        torch.testing.assert_close(p, q.detach(), rtol=0, atol=1e-12)
        assert (p - start).abs().max() > 0.01


@pytest.mark.parametrize("momentum", [[0.9, 0.0, 0.5]])
def test_sgd_follows_a_turn_of_momentum(momentum):
    """b <- momentum b + g with g = 1: 1; 1.9 | 1 (memory off) | 1.5, at step size 1."""
    p = [torch.zeros((), dtype=torch.float64)]
    optimiser, slots = build("sgd", p, {"lr": 1.0, "momentum": 0.9})
    seen = []
    for kept in (0.9, 0.9, 0.0, 0.5):
        slots["momentum"].fill_(kept)
        before = p[0].item()
        optimiser.step([torch.ones((), dtype=torch.float64)])
        seen.append(before - p[0].item())
    assert seen == pytest.approx([1.0, 1.9, 1.0, 1.5], abs=1e-15)


def test_rmsprop_follows_a_turn_of_its_memory():
    """g = 2, then 1: v = .1 * 4 = .4, then at alpha .5 v = .2 + .5 = .7; steps g / sqrt(v)."""
    p = [torch.zeros((), dtype=torch.float64)]
    optimiser, slots = build("rmsprop", p, {"lr": 1.0, "alpha": 0.9})
    optimiser.step([torch.tensor(2.0, dtype=torch.float64)])
    first = p[0].item()
    assert first == pytest.approx(-2 / math.sqrt(0.4), rel=1e-7)
    slots["alpha"].fill_(0.5)
    optimiser.step([torch.tensor(1.0, dtype=torch.float64)])
    assert p[0].item() - first == pytest.approx(-1 / math.sqrt(0.7), rel=1e-7)


def plain_adam(betas, grads, lr):
    """Adam on one number, with the weights of each past gradient written out as sums."""
    p = 0.0
    for t in range(len(grads)):
        weight1 = [
            (1 - betas[s][0]) * math.prod(betas[r][0] for r in range(s + 1, t + 1))
            for s in range(t + 1)
        ]
        weight2 = [
            (1 - betas[s][1]) * math.prod(betas[r][1] for r in range(s + 1, t + 1))
            for s in range(t + 1)
        ]
        m = sum(w * g for w, g in zip(weight1, grads, strict=False)) / sum(weight1)
        v = sum(w * g * g for w, g in zip(weight2, grads, strict=False)) / sum(weight2)
        p -= lr * m / (math.sqrt(v) + 1e-8)
    return p


def test_adam_stays_an_exact_weighted_mean_while_its_betas_turn():
    values = [(0.9, 0.999), (0.5, 0.9), (0.0, 0.99), (0.99, 0.5), (0.3, 0.999)]
    betas = [values[t // 12] for t in range(60)]
    grads = torch.randn(60, generator=seeded(2), dtype=torch.float64).tolist()
    p = [torch.zeros((), dtype=torch.float64)]
    optimiser, slots = build("adam", p, {"lr": 0.01, "beta1": 0.9, "beta2": 0.999})
    theirs = torch.zeros((), dtype=torch.float64, requires_grad=True)
    stock = torch.optim.Adam([theirs], 0.01, (0.9, 0.999))
    for (beta1, beta2), grad in zip(betas, grads, strict=True):
        slots["beta1"].fill_(beta1)
        slots["beta2"].fill_(beta2)
        stock.param_groups[0]["betas"] = (beta1, beta2)
        g = torch.tensor(grad, dtype=torch.float64)
        optimiser.step([g])
        theirs.grad = g
        stock.step()
    expected = plain_adam(betas, grads, 0.01)
    assert p[0].item() == pytest.approx(expected, abs=1e-10)
    assert abs(theirs.item() - expected) > 1e-3


def test_the_worked_example_where_torch_steps_too_far():
    """Ten steps at beta2 = .999, then one at .9, all with gradient 1.

    The weights in v sum to 1 - .999^10 * .9 = .109; torch divides by 1 - .9^11 = .686, so that its
    step is sqrt(.686 / .109) = 2.51 times too large. Ours is exactly lr, as for any constant
    gradient.
    """
    p = [torch.zeros((), dtype=torch.float64)]
    optimiser, slots = build("adam", p, {"lr": 1.0, "beta1": 0.0, "beta2": 0.999})
    theirs = torch.zeros((), dtype=torch.float64, requires_grad=True)
    stock = torch.optim.Adam([theirs], 1.0, (0.0, 0.999))
    one = torch.ones((), dtype=torch.float64)
    for t in range(11):
        if t == 10:
            slots["beta2"].fill_(0.9)
            stock.param_groups[0]["betas"] = (0.0, 0.9)
            before = p[0].item(), theirs.item()
        optimiser.step([one])
        theirs.grad = one
        stock.step()
    assert 1 - optimiser.product2.item() == pytest.approx(1 - 0.999**10 * 0.9, rel=1e-12)
    assert optimiser.v[0].item() == pytest.approx(0.108960, abs=1e-6)
    assert before[0] - p[0].item() == pytest.approx(1.0, abs=1e-6)
    too_far = math.sqrt((1 - 0.9**11) / (1 - 0.999**10 * 0.9))
    assert before[1] - theirs.item() == pytest.approx(too_far, abs=1e-6)
    assert too_far == pytest.approx(2.51, abs=0.005)


# --- refused updates -----------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize("first", [0, 7])
@pytest.mark.parametrize("name", OPTIMISERS)
def test_a_refused_update_moves_nothing_at_any_step_and_leaves_no_trace(name, first, bad):
    """Three refused updates before step ``first``: then as if nobody had asked for them."""
    ours, untouched = parameters(), parameters()
    optimiser, _ = build(name, ours, SETTINGS[name])
    reference, _ = build(name, untouched, SETTINGS[name])
    yes, no = torch.tensor(True), torch.tensor(False)
    for t in range(20):
        if t == first:
            kept = [x.clone() for x in [*ours, *optimiser.state()]]
            for _ in range(3):
                optimiser.step([torch.full_like(p, bad) for p in ours], no)
                now = [*ours, *optimiser.state()]
                assert all(torch.equal(x, y) for x, y in zip(now, kept, strict=True))
        optimiser.step(gradients(ours, t), yes)
        reference.step(gradients(untouched, t))
    assert all(torch.equal(p, q) for p, q in zip(ours, untouched, strict=True))


@pytest.mark.parametrize("name", OPTIMISERS)
def test_a_state_put_back_goes_on_bit_for_bit(name):
    ours = parameters()
    optimiser, _ = build(name, ours, SETTINGS[name])
    for t in range(5):
        optimiser.step(gradients(ours, t))
    state, then = [x.clone() for x in optimiser.state()], [p.clone() for p in ours]
    for t in range(5, 9):
        optimiser.step(gradients(ours, t))
    other, _ = build(name, then, SETTINGS[name])
    for now, kept in zip(other.state(), state, strict=True):
        now.copy_(kept)
    for t in range(5, 9):
        other.step(gradients(then, t))
    assert all(torch.equal(p, q) for p, q in zip(ours, then, strict=True))


@pytest.mark.parametrize("name", OPTIMISERS)
def test_settings_become_knobs_of_a_player(name):
    knobs = {k.name: k for k in OPTIMISERS[name].knobs("d", 0.003)}
    assert knobs["d_lr"].default == 0.003
    assert set(knobs) == {f"d_{setting}" for setting in SETTINGS[name]}
    assert all(k.player == "d" and k.meaning for k in knobs.values())
    for knob in knobs.values():
        if knob.name != "d_lr":
            assert knob.bounds[1] < 1  # a memory of 1 would never correct its start
