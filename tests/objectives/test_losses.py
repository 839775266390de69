"""Losses: slopes at the extremes, and what divergence the generator follows when D is optimal."""

import math

import pytest
import torch
from languages import seeded

from textgan_lab.objectives import LOSSES
from textgan_lab.objectives.losses import mean

torch.set_num_threads(1)


@pytest.fixture
def laws():
    """Two laws over seven symbols: p fixed, q the softmax of free parameters."""
    p = torch.randn(7, generator=seeded(0), dtype=torch.float64).softmax(0)
    theta = torch.randn(7, generator=seeded(1), dtype=torch.float64, requires_grad=True)
    return p, theta


def kl(a, b):
    return (a * (a / b).log()).sum()


def js(a, b):
    m = (a + b) / 2
    return (kl(a, m) + kl(b, m)) / 2


def slope(value, at):
    return torch.autograd.grad(value, at, retain_graph=True)[0]


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("logit", [-50.0, -1.0, 0.0, 1.0, 50.0])
def test_values_and_slopes_stay_finite_far_out(name, logit):
    for part in (LOSSES[name].real, LOSSES[name].fake, LOSSES[name].generator):
        s = torch.tensor(logit, requires_grad=True)  # float32, as in training
        value = part(s)
        assert value.isfinite() and abs(value) < 60 and slope(value, s).isfinite()


@pytest.mark.parametrize("name", LOSSES)
def test_larger_is_more_real(name):
    s = torch.linspace(-5, 5, 41, dtype=torch.float64, requires_grad=True)
    loss = LOSSES[name]
    assert (slope(loss.real(s).sum(), s) <= 0).all()
    assert (slope(loss.fake(s).sum(), s) >= 0).all()
    assert (slope(loss.generator(s).sum(), s) < 0).all()


DIVERGENCES = {  # at s = ln p/q, the gradient of the generator's loss is that of ...
    "saturating": lambda p, q: 2 * js(p, q),
    "non_saturating": lambda p, q: kl(q, p) - 2 * js(p, q),
    # -E_q ln(p/q) with the logit held fixed: the score term of q ln q alone has mean zero
    "wasserstein": lambda p, q: kl(q, p),
    "hinge": lambda p, q: kl(q, p),
}


@pytest.mark.parametrize("name", LOSSES)
def test_the_generators_gradient_at_the_log_odds_is_that_of_its_divergence(name, laws):
    p, theta = laws
    q = theta.softmax(0)
    s = (p / q).log().detach()  # a D that is optimal, and held
    ours = slope((q * LOSSES[name].generator(s)).sum(), theta)
    theirs = slope(DIVERGENCES[name](p, q), theta)
    assert theirs.abs().max() > 1e-2
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-9)


def d_loss(loss, p, q, s):
    return (p * loss.real(s)).sum() + (q * loss.fake(s)).sum()


@pytest.mark.parametrize("name", [n for n, loss in LOSSES.items() if loss.binary])
def test_a_binary_loss_of_d_is_least_at_the_log_odds_and_measures_js(name, laws):
    p, theta = laws
    q = theta.softmax(0).detach()
    s = (p / q).log().requires_grad_()
    least = d_loss(LOSSES[name], p, q, s)
    assert slope(least, s).abs().max() < 1e-12
    assert least.item() == pytest.approx(2 * math.log(2) - 2 * js(p, q).item(), abs=1e-12)
    for seed in range(20):
        other = s + 0.3 * torch.randn(7, generator=seeded(seed), dtype=torch.float64)
        assert d_loss(LOSSES[name], p, q, other) > least


def test_equal_laws_leave_d_with_two_ln_two():
    zeros = torch.zeros(5)
    for name in ("saturating", "non_saturating"):
        assert LOSSES[name].d(zeros, zeros).item() == pytest.approx(2 * math.log(2), abs=1e-6)


def test_the_best_hinge_scores_are_plus_and_minus_one(laws):
    p, theta = laws
    q = theta.softmax(0).detach()
    total_variation = (p - q).abs().sum() / 2
    best = d_loss(LOSSES["hinge"], p, q, (p - q).sign())
    assert best.item() == pytest.approx((2 - 2 * total_variation).item(), abs=1e-12)
    for seed in range(50):
        other = 2 * torch.randn(7, generator=seeded(seed), dtype=torch.float64)
        assert d_loss(LOSSES["hinge"], p, q, other) >= best


def test_the_hinge_stops_teaching_d_beyond_its_margin_but_never_g():
    s = torch.tensor([-3.0, -1.5, -0.5, 0.5, 1.5, 3.0], requires_grad=True)
    hinge = LOSSES["hinge"]
    assert slope(hinge.fake(s).sum(), s).tolist() == [0, 0, 1, 1, 1, 1]
    assert slope(hinge.real(s).sum(), s).tolist() == [-1, -1, -1, -1, 0, 0]
    assert slope(hinge.generator(s).sum(), s).tolist() == [-1] * 6


def test_wasserstein_is_linear_and_blind_to_a_shift_of_the_scores():
    real, fake = torch.tensor([1.0, 4.0]), torch.tensor([0.5, -2.0, 3.0])
    w = LOSSES["wasserstein"]
    # mean real 2.5, mean fake 0.5: minus the distance is -2
    assert w.d(real, fake).item() == pytest.approx(-2.0)
    assert w.d(real + 7, fake + 7).item() == pytest.approx(-2.0, abs=1e-5)
    assert w.d(3 * real, 3 * fake).item() == pytest.approx(-6.0)
    assert w.g(fake).item() == pytest.approx(-0.5)


def test_who_starves_when_d_is_sure_of_the_fakes():
    s = torch.tensor(-20.0, dtype=torch.float64, requires_grad=True)
    # d generator / d s: saturating -sigmoid(s), non-saturating -sigmoid(-s)
    assert slope(LOSSES["saturating"].generator(s), s).item() == pytest.approx(-2.061e-9, rel=1e-3)
    assert slope(LOSSES["non_saturating"].generator(s), s).item() == pytest.approx(-1, abs=1e-8)


# --- means and masks -----------------------------------------------------------------------------


def test_a_mean_over_counted_values_by_hand():
    values = torch.tensor([[1.0, 2.0, 9.0], [3.0, 9.0, 9.0]])
    mask = torch.tensor([[True, True, False], [True, False, False]])
    assert mean(values, mask).item() == pytest.approx(2.0)  # (1 + 2 + 3) / 3
    assert mean(values).item() == pytest.approx(33 / 6)
    assert mean(torch.tensor([1.0, 5.0]), mask).item() == 3.0  # one logit a sentence: all count


@pytest.mark.parametrize("name", LOSSES)
def test_padded_positions_count_nowhere(name):
    g = seeded(2)
    real, fake = (torch.randn(6, 5, generator=g).requires_grad_() for _ in range(2))
    lengths = (torch.randint(1, 5, (6, 1), generator=g) for _ in range(2))
    real_mask, fake_mask = (torch.arange(5) < n for n in lengths)
    loss = LOSSES[name]
    d, judged = loss.d(real, fake, real_mask, fake_mask), loss.g(fake, fake_mask)
    assert (slope(d, real)[~real_mask] == 0).all() and (slope(d, fake)[~fake_mask] == 0).all()
    assert (slope(judged, fake)[~fake_mask] == 0).all()
    other_real, other_fake = real + 9 * ~real_mask, fake - 9 * ~fake_mask
    assert loss.d(other_real, other_fake, real_mask, fake_mask).item() == d.item()
    assert loss.g(other_fake, fake_mask).item() == judged.item()
    by_hand = loss.real(real)[real_mask].mean() + loss.fake(fake)[fake_mask].mean()
    assert d.item() == pytest.approx(by_hand.item(), rel=1e-5)


@pytest.mark.parametrize("name", LOSSES)
def test_ds_loss_is_the_sum_of_two_means(name):
    real, fake = torch.randn(4, generator=seeded(3)), torch.randn(9, generator=seeded(4))
    loss = LOSSES[name]
    expected = loss.real(real).mean() + loss.fake(fake).mean()
    assert loss.d(real, fake).item() == pytest.approx(expected.item(), rel=1e-6)
    assert loss.g(fake).item() == pytest.approx(loss.generator(fake).mean().item(), rel=1e-6)
