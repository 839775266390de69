"""Losses: slopes at the extremes, and what divergence the generator follows when D is optimal."""

import math

import pytest
import torch
from languages import TinyLanguage, TwoClouds, seeded

from textgan_lab.objectives import LOSSES
from textgan_lab.objectives.losses import Against, mean
from textgan_lab.training import Spec, Trainer

torch.set_num_threads(1)


ALONE = [n for n, loss in LOSSES.items() if not loss.needs_real]  # each logit counts by itself
COMPARING = [n for n, loss in LOSSES.items() if loss.needs_real]


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


def sp(s):
    return max(s, 0.0) + math.log1p(math.exp(-abs(s)))


def sg(s):
    return 0.5 * (1 + math.tanh(s / 2)) if s > -30 else math.exp(s)


CLASSIFIER = {  # value and slope at s, in plain numbers
    "real": lambda s: (sp(-s), -sg(-s)),
    "fake": lambda s: (sp(s), sg(s)),
}
LINEAR = lambda s: (-s, -1)  # noqa: E731
TO_ONE = lambda s: ((s - 1) ** 2, 2 * (s - 1))  # noqa: E731
CLOSED = {
    "saturating": CLASSIFIER | {"generator": lambda s: (-sp(s), -sg(s))},
    "non_saturating": CLASSIFIER | {"generator": CLASSIFIER["real"]},
    "reverse_kl": CLASSIFIER | {"generator": LINEAR},
    "forward_kl": CLASSIFIER | {
        "generator": lambda s: (-math.exp(min(s, 10)), -math.exp(s) if s < 10 else 0),
    },
    "boundary_seeking": CLASSIFIER | {"generator": lambda s: (s * s, 2 * s)},
    "least_squares": {"real": TO_ONE, "fake": lambda s: (s * s, 2 * s), "generator": TO_ONE},
    "wasserstein": {"real": LINEAR, "fake": lambda s: (s, 1), "generator": LINEAR},
    "hinge": {
        "real": lambda s: (max(0, 1 - s), -(s < 1)),
        "fake": lambda s: (max(0, 1 + s), s > -1),
        "generator": LINEAR,
    },
    "total_variation": {
        "real": lambda s: (-math.tanh(s), math.tanh(s) ** 2 - 1),
        "fake": lambda s: (math.tanh(s), 1 - math.tanh(s) ** 2),
        "generator": lambda s: (-math.tanh(s), math.tanh(s) ** 2 - 1),
    },
    "relativistic": {
        "real": lambda s: (sp(-s) / 2, -sg(-s) / 2),
        "fake": lambda s: (sp(s) / 2, sg(s) / 2),
        "generator": CLASSIFIER["real"],
    },
    "relativistic_average": CLASSIFIER | {"generator": lambda s: (2 * sp(-s), -2 * sg(-s))},
}  # fmt: skip


def test_every_loss_is_held_against_its_closed_form():
    assert set(CLOSED) == set(LOSSES)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("logit", [-50.0, -1.5, 0.0, 0.5, 50.0])
@pytest.mark.parametrize("dtype, rel", [(torch.float32, 1e-6), (torch.float64, 1e-13)])
def test_values_and_slopes_are_those_of_the_closed_form_even_far_out(name, logit, dtype, rel):
    for part, closed in CLOSED[name].items():
        s = torch.tensor(logit, dtype=dtype, requires_grad=True)
        value = getattr(LOSSES[name], part)(s)
        assert value.dtype == dtype and value.shape == ()
        expected = [pytest.approx(float(x), rel=rel, abs=1e-30) for x in closed(logit)]
        assert [value.item(), slope(value, s).item()] == expected, part


@pytest.mark.parametrize("name", LOSSES)
def test_larger_is_more_real(name):
    s = torch.linspace(-5, 5, 41, dtype=torch.float64, requires_grad=True)
    loss = LOSSES[name]
    short = s <= 1 if name == "least_squares" else torch.ones_like(s).bool()  # of its target
    up = s > 0 if name == "least_squares" else torch.ones_like(s).bool()
    assert (slope(loss.real(s).sum(), s)[short] <= 0).all()
    assert (slope(loss.fake(s).sum(), s)[up] >= 0).all()
    if name != "boundary_seeking":
        assert (slope(loss.generator(s).sum(), s)[short & (s < 1)] < 0).all()


def test_boundary_seeking_pulls_from_both_sides_and_rests_at_the_boundary():
    s = torch.tensor([-3.0, -1.0, 0.0, 2.0], requires_grad=True)
    pull = -slope(LOSSES["boundary_seeking"].generator(s).sum(), s)
    assert pull.tolist() == [6, 2, 0, -4]


def test_the_density_ratio_of_forward_kl_is_cut_where_it_says():
    s = torch.tensor([9.5, 10.5, 80.0, 1000.0], requires_grad=True)
    value = LOSSES["forward_kl"].generator(s)
    assert value.tolist() == pytest.approx([-math.exp(9.5), *[-22026.4657948] * 3], rel=1e-6)
    assert slope(value.sum(), s).tolist() == pytest.approx([-math.exp(9.5), 0, 0, 0], rel=1e-6)


def ratio(p, q):
    """The logit of an optimal classifier; here below 10, where forward_kl cuts it."""
    return (p / q).log()


def chi2(p, q):
    """chi2(p, m) against the even mixture m."""
    m = (p + q) / 2
    return (m * (p / m - 1).square()).sum()


def tv(p, q):
    return (p - q).abs().sum() / 2


DIVERGENCES = {  # a D that is held, and what the gradient of the generator's loss is that of
    "saturating": (ratio, lambda p, q: 2 * js(p, q)),
    "non_saturating": (ratio, lambda p, q: kl(q, p) - 2 * js(p, q)),
    # -E_q ln(p/q) with the logit held fixed: the score term of q ln q alone has mean zero
    "reverse_kl": (ratio, lambda p, q: kl(q, p)),
    "forward_kl": (ratio, lambda p, q: kl(p, q)),
    "boundary_seeking": (
        ratio, lambda p, q: (q * ratio(p, q).square()).sum() - 2 * kl(q, p)
    ),
    "least_squares": (
        lambda p, q: p / (p + q), lambda p, q: 2 * kl(p, (p + q) / 2) - chi2(p, q) / 2
    ),
    "wasserstein": (ratio, lambda p, q: kl(q, p)),  # its critic could be anything 1-Lipschitz
    "hinge": (lambda p, q: (p - q).sign(), lambda p, q: 2 * tv(p, q)),
    "total_variation": (lambda p, q: 50 * (p - q).sign(), lambda p, q: 2 * tv(p, q)),
}  # fmt: skip


@pytest.mark.parametrize("name", ALONE)
def test_the_generators_gradient_at_the_best_d_is_that_of_its_divergence(name, laws):
    p, theta = laws
    q = theta.softmax(0)
    best, divergence = DIVERGENCES[name]
    s = best(p, q).detach()  # a D that is optimal, and held
    ours = slope((q * LOSSES[name].generator(s)).sum(), theta)
    theirs = slope(divergence(p, q), theta)
    assert theirs.abs().max() > 1e-2
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-9)


def test_hinge_and_wasserstein_follow_one_divergence_where_their_d_is_a_classifier(laws):
    p, theta = laws
    q = theta.softmax(0)
    s = ratio(p, q).detach()
    for name in ("hinge", "wasserstein"):
        ours = slope((q * LOSSES[name].generator(s)).sum(), theta)
        torch.testing.assert_close(ours, slope(kl(q, p), theta), rtol=0, atol=1e-9)


def test_as_a_reward_the_boundary_calls_for_less_of_what_is_too_rare():
    """One symbol of three is too rare (s > 0), two are just right (s = 0): it gets rarer still."""
    theta = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    s = torch.tensor([1.0, 0.0, 0.0], dtype=torch.float64)
    rare = {}
    for name in ("boundary_seeking", "non_saturating"):
        down = -slope((theta.softmax(0) * LOSSES[name].generator(s)).sum(), theta)
        rare[name] = down[0].item()
    # -q_0 (1 - q_0) s^2 = -1/3 * 2/3
    assert rare["boundary_seeking"] == pytest.approx(-2 / 9) and rare["non_saturating"] > 0


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


def test_the_best_least_squares_d_is_a_probability_and_measures_chi2(laws):
    p, theta = laws
    q, loss = theta.softmax(0).detach(), LOSSES["least_squares"]
    s = (p / (p + q)).requires_grad_()
    least = d_loss(loss, p, q, s)
    assert slope(least, s).abs().max() < 1e-12
    assert least.item() == pytest.approx(0.5 - chi2(p, q).item() / 2, abs=1e-12)
    half = torch.full((5,), 0.5)
    assert (loss.d(half, half).item(), loss.g(half).item()) == (0.5, 0.25)


def test_the_best_tanh_scores_measure_the_total_variation(laws):
    p, theta = laws
    q, loss = theta.softmax(0).detach(), LOSSES["total_variation"]
    best = d_loss(loss, p, q, 50 * (p - q).sign())
    assert best.item() == pytest.approx(-2 * tv(p, q).item(), abs=1e-12)
    for seed in range(50):
        other = 2 * torch.randn(7, generator=seeded(seed), dtype=torch.float64)
        assert d_loss(loss, p, q, other) > best


def test_the_best_hinge_scores_are_plus_and_minus_one(laws):
    p, theta = laws
    q = theta.softmax(0).detach()
    best = d_loss(LOSSES["hinge"], p, q, (p - q).sign())
    assert best.item() == pytest.approx(2 - 2 * tv(p, q).item(), abs=1e-12)
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


@pytest.mark.parametrize("name", ALONE)
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


@pytest.mark.parametrize("name", ALONE)
def test_ds_loss_is_the_sum_of_two_means(name):
    real, fake = torch.randn(4, generator=seeded(3)), torch.randn(9, generator=seeded(4))
    loss = LOSSES[name]
    expected = loss.real(real).mean() + loss.fake(fake).mean()
    assert loss.d(real, fake).item() == pytest.approx(expected.item(), rel=1e-6)
    assert loss.g(fake).item() == pytest.approx(loss.generator(fake).mean().item(), rel=1e-6)


# --- comparing real rows with fakes --------------------------------------------------------------


def test_pairs_by_hand():
    """Leads 2 and -3 of real over fake: softplus(-2) = 0.126928, softplus(3) = 3.048587."""
    real, fake = torch.tensor([1.0, -1.0]), torch.tensor([-1.0, 2.0])
    loss = LOSSES["relativistic"]
    assert loss.d(real, fake).item() == pytest.approx((0.126928 + 3.048587) / 2, rel=1e-6)
    # G's leads are the reverse: softplus(2) = 2.126928, softplus(-3) = 0.048587
    assert loss.against(real).g(fake).item() == pytest.approx(1.0877575, rel=1e-6)


def test_leads_over_means_by_hand():
    """Means: real 1, fake 0; leads of real 2 and 0, of fakes -2 and 0."""
    real, fake = torch.tensor([2.0, 0.0]), torch.tensor([-1.0, 1.0])
    loss = LOSSES["relativistic_average"]
    # D: softplus(-2) = 0.126928, softplus(0) = 0.693147, and the same of the fakes
    assert loss.d(real, fake).item() == pytest.approx(0.126928 + 0.693147, rel=1e-6)
    # G: softplus(2) = 2.126928, softplus(0), and the same of the fakes
    assert loss.against(real).g(fake).item() == pytest.approx(2.126928 + 0.693147, rel=1e-6)


@pytest.mark.parametrize("name, level", [("relativistic", 1), ("relativistic_average", 2)])
def test_only_leads_count_and_at_equilibrium_each_side_pays_ln_two(name, level):
    loss = LOSSES[name]
    real, fake = (torch.randn(6, generator=seeded(i), dtype=torch.float64) for i in range(2))
    for value in (lambda r, f: loss.d(r, f), lambda r, f: loss.against(r).g(f)):
        assert value(real + 7, fake + 7).item() == pytest.approx(value(real, fake).item())
        assert value(real + 7, fake).item() != pytest.approx(value(real, fake).item())
        same = torch.full((3,), 4.0, dtype=torch.float64)
        assert value(same, same).item() == pytest.approx(level * math.log(2))
    # G wants exactly what D does not: its loss is D's with the sides exchanged
    assert loss.against(real).g(fake).item() == pytest.approx(loss.d(fake, real).item())


@pytest.mark.parametrize("name", COMPARING)
def test_gs_gradient_is_that_of_ds_loss_with_the_sides_exchanged(name):
    loss = LOSSES[name]
    real, fake = (torch.randn(6, generator=seeded(i), dtype=torch.float64) for i in range(2))
    fake.requires_grad_()
    ours, theirs = slope(loss.against(real).g(fake), fake), slope(loss.d(fake, real), fake)
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=0)
    assert (ours < 0).all()  # D's opinion of every fake should rise


@pytest.mark.parametrize("name", COMPARING)
def test_no_gradient_of_g_reaches_the_real_rows(name):
    real = torch.randn(4, generator=seeded(), requires_grad=True)
    fake = torch.randn(4, generator=seeded(1), requires_grad=True)
    value = LOSSES[name].against(real).g(fake)
    to_real, to_fake = torch.autograd.grad(value, [real, fake], allow_unused=True)
    assert to_real is None and to_fake.all()


@pytest.mark.parametrize("name", COMPARING)
def test_several_logits_a_row_are_compared_each_with_its_own(name):
    """Two representations, the second's scale a hundred times the first's."""
    loss, g = LOSSES[name], seeded(3)
    real, fake = (torch.randn(5, 2, generator=g) * torch.tensor([1.0, 100.0]) for _ in range(2))
    mask = torch.ones(5, 9).bool()  # tokens: no affair of these logits
    both = [loss.d(real, fake, mask, mask), loss.against(real).g(fake, mask)]
    single = [
        sum(f(real[:, i], fake[:, i]) for i in range(2)) / 2
        for f in (loss.d, lambda r, f: loss.against(r).g(f))
    ]
    for ours, theirs in zip(both, single, strict=True):
        assert ours.item() == pytest.approx(theirs.item(), rel=1e-6)


@pytest.mark.parametrize("name", COMPARING)
@pytest.mark.parametrize("shape", [(4,), (4, 2)])
def test_of_many_batches_each_is_held_against_the_real_rows_on_its_own(name, shape):
    real = torch.randn(shape, generator=seeded(1))
    many = torch.randn(3, 5, *shape, generator=seeded(2))
    bound = LOSSES[name].against(real)
    whole = bound.generator(many)
    for i, j in ((0, 0), (2, 4)):
        torch.testing.assert_close(whole[i, j], bound.generator(many[i, j]))


@pytest.mark.parametrize("name", COMPARING)
@pytest.mark.parametrize("shape", [(3,), (5, 3), (4, 1), ()])
def test_fakes_that_no_real_row_was_drawn_for_are_refused(name, shape):
    bound = LOSSES[name].against(torch.zeros(4))
    said = rf"loss '{name}': logits \[.*\] of fakes cannot be held against \[4\] of real rows"
    with pytest.raises(ValueError, match=said):
        bound.generator(torch.zeros(shape))


@pytest.mark.parametrize("name", COMPARING)
def test_a_comparing_loss_that_is_not_bound_refuses_to_judge_g(name):
    with pytest.raises(TypeError, match=rf"loss '{name}' compares fakes with real rows: use again"):
        LOSSES[name].g(torch.zeros(3))


def test_what_stands_in_for_a_comparing_loss_says_what_it_is():
    bound = LOSSES["relativistic"].against(torch.zeros(3))
    assert (bound.name, bound.binary, bound.centred) == ("relativistic", False, False)
    assert LOSSES["hinge"].against(torch.zeros(3)) is LOSSES["hinge"]


def pairs(p, q):
    """The laws of (real, fake) and (fake, real), independent of each other: [7, 7] each."""
    return p[:, None] * q, q[:, None] * p


def test_the_relativistic_d_is_best_at_the_log_odds_and_measures_js_of_pairs(laws):
    p, theta = laws
    q, loss = theta.softmax(0).detach(), LOSSES["relativistic"]

    def d(s):
        lead = s[:, None] - s
        return (pairs(p, q)[0] * (loss.real(lead) + loss.fake(-lead))).sum()

    s = (ratio(p, q) + 3).requires_grad_()  # up to a constant
    least = d(s)
    assert slope(least, s).abs().max() < 1e-12
    assert least.item() == pytest.approx(math.log(2) - js(*pairs(p, q)).item(), abs=1e-12)
    for seed in range(20):
        assert d(s + 0.3 * torch.randn(7, generator=seeded(seed), dtype=torch.float64)) > least


def test_the_relativistic_gradient_at_the_best_d_is_that_of_its_divergence(laws):
    p, theta = laws
    q = theta.softmax(0)
    s = ratio(p, q).detach()
    paid = LOSSES["relativistic"].generator(s, s[:, None])  # [real, fake]
    ours = slope((pairs(p, q)[0] * paid).sum(), theta)
    theirs = slope(kl(q, p) - js(*pairs(p, q)), theta)
    assert theirs.abs().max() > 1e-2
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-12)


def test_the_relativistic_average_gradient_at_the_log_odds_is_that_of_its_divergence():
    """Rows that hold each symbol as often as its law says, so that means over rows are exact."""
    often = {"p": torch.tensor([8, 4, 3, 1]), "q": torch.tensor([2, 5, 3, 6])}
    p, q = (n.double() / 16 for n in often.values())
    theta = q.log().requires_grad_()
    q = theta.softmax(0)
    s = ratio(p, q).detach()
    real, fake = (s.repeat_interleave(n) for n in often.values())
    paid = LOSSES["relativistic_average"].against(real).generator(fake)
    first = torch.cat([torch.zeros(1), often["q"].cumsum(0)[:-1]]).long()
    ours = slope((q * paid[first]).sum(), theta)  # paid out as a reward, symbol by symbol
    a, c = real.mean(), (real - fake.mean()).sigmoid().mean()
    mixture = (p + a.exp() * q) / (1 + a.exp())
    theirs = slope((1 + (-a).exp()) * kl(mixture, p) + c * kl(q, p), theta)
    assert theirs.abs().max() > 1e-2
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-12)


# --- in a run ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_plays(name):
    spec = Spec(
        data="given", generator="mlp", discriminator="mlp", estimator="pathwise", loss=name,
        batch_size=8, probe_every=0, device="cpu",
    )  # fmt: skip
    trainer = Trainer(spec, data=TwoClouds())
    list(trainer.steps(4))
    rows = trainer.telemetry.rows
    assert not trainer.diverged and all(math.isfinite(row["d_loss"]) for row in rows)
    assert len({row["g_loss"] for row in rows}) == 4 and all(row["g_grad_norm"] > 0 for row in rows)


@pytest.mark.parametrize("name", COMPARING)
def test_a_run_compares_fakes_with_what_d_says_of_real_rows(name, monkeypatch):
    spec = Spec(
        data="given", generator="mlp", discriminator="mlp", estimator="pathwise", loss=name,
        batch_size=8, probe_every=0, device="cpu",
    )  # fmt: skip
    trainer, bound, loss = Trainer(spec, data=TwoClouds()), [], LOSSES[name]
    rows = trainer.data.train[40:48]
    monkeypatch.setattr(trainer.game, "batch", lambda: rows)
    against = classmethod(lambda cls, real: bound.append(real) or Against(cls, real))
    monkeypatch.setattr(loss, "against", against)
    list(trainer.steps(1))  # D moves first, so it is now what G met
    with torch.no_grad():
        assert [real.tolist() for real in bound] == [trainer.discriminator(rows).tolist()]


@pytest.mark.parametrize("name", COMPARING)
def test_a_comparing_loss_refuses_a_logit_a_token(name):
    spec = Spec(data="given", discriminator="lstm", loss=name, device="cpu")
    said = rf"loss '{name}' needs a discriminator with one logit a sentence: cnn"
    with pytest.raises(ValueError, match=said):
        Trainer(spec, data=TinyLanguage())
