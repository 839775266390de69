"""RELAX: unbiased whatever its control variate is, and quieter than REINFORCE once that learned."""

import pytest
import torch
from gradients import (
    SLOTS,
    draws,
    flat,
    judge_of,
    language,
    objective,
    players,
    standard_errors_off,
)
from languages import seeded

from textgan_lab.objectives import ESTIMATORS, LOSSES
from textgan_lab.objectives.estimators import Reinforce, Relax

torch.set_num_threads(1)
LOSS = LOSSES["non_saturating"]


def game(eos=False):
    data = language(eos)
    g, d = players("cnn", eos)
    judge = judge_of(d, data.vocab_size)
    exact = flat(objective("relax", Relax(), g, judge(data.playable), LOSS, data), g)
    return g, judge, exact


def ready(relax, g, judge, scale):
    """A control variate of arbitrary weights, large enough to matter, that learns no more."""
    relax.loss(relax.play(g, 2, seeded(0), SLOTS), judge, LOSS)
    with torch.no_grad():
        for i, w in enumerate(relax.network.weights):
            w.copy_(scale * torch.randn(w.shape, generator=seeded(i), dtype=w.dtype))
    relax.network.lr = 0.0
    return relax


@pytest.mark.parametrize("eos", [False, True], ids=["cut", "eos"])
def test_any_control_variate_leaves_the_mean_alone(eos):
    g, judge, exact = game(eos)
    relax = ready(Relax(tau=0.5), g, judge, 0.3)
    gradients, _ = draws(relax, g, judge, LOSS, repeats=250, batch=256)
    assert standard_errors_off(gradients, exact).max() < 4
    plain, _ = draws(Reinforce(baseline="none"), g, judge, LOSS, repeats=50, batch=256)
    assert gradients.var(0).sum() > 1.5 * plain.var(0).sum()  # so it was no small matter


class OtherToken(Relax):
    """The known mistake: z~ is conditioned on a token drawn anew, not on the one that was paid."""

    def _chosen(self, log_p, ids):
        if log_p.requires_grad:
            ids = torch.multinomial(
                log_p.detach().exp().flatten(0, 1), 1, generator=self._noise
            ).view(ids.shape)
        return super()._chosen(log_p, ids)


def test_conditioned_on_another_token_it_is_biased():
    g, judge, exact = game()
    wrong = ready(OtherToken(tau=0.5), g, judge, 0.3)
    gradients, _ = draws(wrong, g, judge, LOSS, repeats=150, batch=256)
    assert standard_errors_off(gradients, exact).max() > 4


def test_the_noise_chooses_the_tokens_that_were_played():
    """z has its largest entry at the token, and the law of ln q + Gumbel noise given that."""
    relax = Relax()
    relax._noise = seeded(1)
    log_p = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64).log().expand(20_000, 1, 3)
    for token in range(3):
        ids = torch.full((20_000, 1), token)
        z = relax._chosen(log_p, ids)[:, 0]
        assert (z.argmax(1) == token).all()
        u = torch.rand(60_000, 3, generator=seeded(2), dtype=torch.float64)
        free = log_p[0, 0] - (-u.log()).log()
        same = free[free.argmax(1) == token]
        for mine, theirs in zip(z.T, same.T, strict=True):
            error = (mine.var() / len(mine) + theirs.var() / len(theirs)).sqrt()
            assert (mine.mean() - theirs.mean()).abs() < 4 * error
            assert mine.std().item() == pytest.approx(theirs.std().item(), rel=0.05)


def test_once_it_has_learned_it_is_quieter_than_reinforce_with_any_baseline():
    g, judge, exact = game()
    relax, spread = Relax(), {}
    draws(relax, g, judge, LOSS, repeats=400, batch=64, seed=5)  # it learns
    for name, estimator in (
        ("relax", relax),
        ("none", Reinforce(baseline="none")),
        ("leave_one_out", Reinforce(baseline="leave_one_out")),
    ):
        gradients, _ = draws(estimator, g, judge, LOSS, repeats=150, batch=64)
        spread[name] = gradients.var(0).sum().item()
        assert standard_errors_off(gradients, exact).max() < 4
    assert spread["relax"] < 0.8 * min(spread["none"], spread["leave_one_out"]), spread


def test_neither_player_s_loss_moves_the_control_variate():
    g, judge, _ = game()
    relax = Relax()
    for _ in range(2):
        loss = relax.loss(relax.play(g, 8, seeded(1), SLOTS), judge, LOSS)
    weights = relax.network.weights
    assert torch.autograd.grad(loss, weights, allow_unused=True) == (None,) * 4
    assert all(w.abs().sum() > 0 and w.grad is None for w in weights)


def test_the_control_variate_survives_a_checkpoint():
    g, judge, _ = game()
    relax, noise = Relax(), seeded(1)
    assert relax.state() == {}
    for _ in range(3):
        relax.loss(relax.play(g, 8, noise, SLOTS), judge, LOSS)
    kept, stream, found = relax.state(), noise.get_state(), []
    other = Relax()
    other.load_state(kept)
    for estimator in (relax, other):
        noise.set_state(stream)
        value = estimator.loss(estimator.play(g, 8, noise, SLOTS), judge, LOSS)
        found.append((flat(value, g), estimator.state()))
    assert torch.equal(found[0][0], found[1][0])
    assert all(torch.equal(x, found[1][1][n]) for n, x in found[0][1].items())
    other.load_state({})
    assert other.network is None
    with pytest.raises(ValueError, match="let the estimator play first"):
        Relax().loss(g.score(language().playable), judge, LOSS)
    with pytest.raises(ValueError, match="tau 0: expected more than 0"):
        ESTIMATORS.make("relax", {"tau": 0})
