"""The exact gradient: sums over all strings against central differences and hand-worked tables."""

import pytest
import torch
from languages import TinyLanguage

from textgan_lab.models import DISCRIMINATORS, GENERATORS
from textgan_lab.objectives import ESTIMATORS, LOSSES
from textgan_lab.objectives.enumeration import (
    _errors,
    best_judge,
    estimator_errors,
    exact_gradient,
    playable,
)

torch.set_num_threads(1)
LOSS = LOSSES["non_saturating"]


def players(eos=False, discriminator="cnn", **language):
    data = TinyLanguage(eos=eos, pool=10, **language)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        g = GENERATORS.make("lstm", {"embedding": 3, "hidden": 4}, data=data).double()
        d = DISCRIMINATORS.make(discriminator, {"embedding": 4, "hidden": 6}, data=data).double()
    with torch.no_grad():
        for p in g.parameters():
            p.mul_(2)
        d.head.weight.mul_(8)
    return data, g, d.requires_grad_(False)


@pytest.mark.parametrize("eos", [False, True])
@pytest.mark.parametrize("size", [{}, {"words": 2, "length": 4}])
def test_every_sentence_once(eos, size):
    data, g, _ = players(eos, **size)
    found = playable(g)
    assert sorted(found.tolist()) == sorted(data.playable.tolist())
    assert g.log_prob(found).exp().sum().item() == pytest.approx(1)


def test_a_language_too_large_is_refused_with_its_size():
    _, g, _ = players(True, words=3, length=3)
    with pytest.raises(ValueError, match="3 words and length 3 make 40 sentences"):
        playable(g, most=39)
    assert len(playable(g, most=40)) == 40


@pytest.mark.parametrize("loss", ["saturating", "non_saturating", "hinge"])
def test_the_gradient_is_the_slope_of_the_sum(loss):
    data, g, d = players(True)
    exact = exact_gradient(g, d, LOSSES[loss])

    def value():
        with torch.no_grad():
            s = d(data.playable)
            return (g.log_prob(data.playable).exp() * LOSSES[loss].generator(s)).sum().item()

    offset, step = 0, 1e-6
    for p in g.parameters():
        flat = p.data.view(-1)
        for i in (0, len(flat) // 2, len(flat) - 1):
            kept = flat[i].item()
            flat[i] = kept + step
            above = value()
            flat[i] = kept - step
            below = value()
            flat[i] = kept
            slope = (above - below) / (2 * step)
            assert exact[offset + i].item() == pytest.approx(slope, abs=1e-8)
        offset += len(flat)
    assert exact.norm() > 0.02


def test_the_table_by_hand():
    """Estimates (1, 0), (3, 0) of (1, 0): mean (2, 0), squares (1 + 1) / 1, errors (0 + 4) / 2."""
    drawn = torch.tensor([[1.0, 0.0], [3.0, 0.0]], dtype=torch.float64)
    found = _errors(drawn, torch.tensor([1.0, 0.0], dtype=torch.float64))
    assert found == pytest.approx(
        {"bias": 1.0, "bias_se": 1.0, "cosine": 1.0, "variance": 2.0, "rmse": 2**0.5}
    )


def test_bias_and_variance_are_where_theory_puts_them():
    _, g, d = players()
    make = ESTIMATORS.make
    found = estimator_errors(
        g, d, LOSS,
        {
            "argmax": make("argmax"),
            "plain": make("reinforce", {"reward": "loss", "baseline_decay": 1.0}),
            "baseline": make("reinforce", {"reward": "loss"}),
            "soft": make("gumbel", {"straight_through": False}),
        },
        temperatures=[0.1, 5.0], batch_size=32, draws=150,
    )  # fmt: skip
    assert found["estimator"].tolist() == ["argmax", "plain", "baseline", "soft", "soft"]
    argmax, plain, baseline, cold, hot = (row for _, row in found.iterrows())
    assert argmax["bias"] == pytest.approx(1) and argmax["variance"] == 0
    for row in (plain, baseline):
        assert row["bias"] < 3 * row["bias_se"] and row["cosine"] > 0.9
    assert baseline["variance"] < plain["variance"]
    assert hot["bias"] > 5 * hot["bias_se"] and hot["variance"] < cold["variance"] / 10
    assert torch.isnan(torch.tensor(argmax["temperature"])) and hot["temperature"] == 5
    # rmse^2 = bias^2 + variance (n - 1) / n, an identity of the table
    for row in (plain, baseline, cold, hot):
        assert row["rmse"] ** 2 == pytest.approx(row["bias"] ** 2 + row["variance"] * 149 / 150)


def test_a_batch_twice_as_large_has_half_the_variance():
    _, g, d = players()
    way = {"plain": ESTIMATORS.make("reinforce", {"reward": "loss", "baseline_decay": 1.0})}
    small, large = (
        estimator_errors(g, d, LOSS, way, batch_size=size, draws=250)["variance"].item()
        for size in (8, 32)
    )
    assert 3 < small / large < 5.3


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("reinforce", {}, "reward='loss'"),
        ("rollouts", {}, "reward='loss'"),
        ("dense_reinforce", {"reward": "loss"}, "for every prefix"),
        ("maligan", {}, "'non_saturating' has another objective"),
    ],
)
def test_another_objective_is_refused(name, options, said):
    _, g, d = players()
    with pytest.raises(ValueError, match=said):
        estimator_errors(g, d, LOSS, {"mine": ESTIMATORS.make(name, options)})


def test_a_gradient_of_0_is_refused():
    _, g, _ = players()
    with pytest.raises(ValueError, match="gradient is 0"):
        estimator_errors(g, lambda x: torch.zeros(len(x)).double(), LOSSES["wasserstein"], {})


# --- a judge of tokens ---------------------------------------------------------------------------


def test_the_gradient_under_a_judge_of_tokens_is_that_of_the_mean_over_the_length():
    data, g, d = players(True, "lstm")
    exact = exact_gradient(g, d, LOSSES["wasserstein"])
    ids = data.playable
    total = 0.0
    for row in ids:
        counted = [t for t in range(3) if row[t] != 0]
        cost = -sum(d(row[None])[0, t] for t in counted) / 3
        log_q = g.log_prob(row[None])[0]
        grads = torch.autograd.grad(log_q, list(g.parameters()), materialize_grads=True)
        total = total + log_q.detach().exp() * cost * torch.cat([x.reshape(-1) for x in grads])
    assert exact.norm() > 0.02
    assert torch.allclose(exact, total, atol=1e-12)


def test_estimators_for_a_judge_of_tokens_share_a_table():
    _, g, d = players(discriminator="lstm")
    make, paid = ESTIMATORS.make, {"reward": "loss"}
    found = estimator_errors(
        g, d, LOSS,
        {
            "whole": make("reinforce", paid),
            "dense": make("dense_reinforce", {**paid, "discount": 1.0}),
            "rollouts": make("rollouts", {**paid, "completions": 2}),
            "regs": make("regs", paid),
            "gumbel": make("gumbel"),
        },
        draws=100,
    ).set_index("estimator")  # fmt: skip
    sure = found["bias"] > 4 * found["bias_se"]
    assert sure.to_dict() == dict(whole=False, dense=False, rollouts=False, regs=True, gumbel=True)
    assert found["variance"]["dense"] < found["variance"]["whole"]
    assert found["variance"]["regs"] < found["variance"]["dense"]
    assert (found["seconds"] > 0).all() and found["seconds"]["rollouts"] > found["seconds"]["whole"]


def test_what_another_judge_would_need_is_refused():
    _, g, d = players(True, "lstm")
    with pytest.raises(ValueError, match="logit for whole sentences, .* has one a token"):
        estimator_errors(g, d, LOSS, {"mine": ESTIMATORS.make("maligan")})
    with pytest.raises(ValueError, match="use a language without <eos>"):
        estimator_errors(g, d, LOSS, {"mine": ESTIMATORS.make("gumbel")})


# --- the best judge ------------------------------------------------------------------------------


class Ratio(LOSSES["non_saturating"]):
    """A loss whose generator(s) is -e^s."""

    name = "ratio"

    @staticmethod
    def generator(s):
        return -s.exp()


def test_the_best_judge_is_a_table_of_log_odds():
    data, g, _ = players()
    judge = best_judge(g, data.law)
    s = data.law.log_prob(data.playable) - g.log_prob(data.playable).detach()
    assert torch.allclose(judge(data.playable), s)
    points = torch.nn.functional.one_hot(data.playable, data.vocab_size).double()
    assert torch.allclose(judge(points), s)
    between = (0.25 * points[:1] + 0.75 * points[-1:]).requires_grad_()
    rows = {tuple(row): x for row, x in zip(data.playable.tolist(), s, strict=True)}
    expected = sum(
        0.25 ** (3 - sum(pick)) * 0.75 ** sum(pick)
        * rows[tuple((data.playable[-1] if k else data.playable[0])[t].item()
                     for t, k in enumerate(pick))]
        for pick in [(a, b, c) for a in (0, 1) for b in (0, 1) for c in (0, 1)]
    )  # fmt: skip
    assert judge(between).item() == pytest.approx(expected.item())
    assert torch.autograd.grad(judge(between).sum(), between)[0].abs().sum() > 0
    with torch.no_grad():
        g.head.bias += torch.arange(7)  # it stands still while G moves on
    assert torch.allclose(judge(data.playable), s)


def test_all_kinds_of_estimator_share_a_table_at_the_best_judge():
    data, g, _ = players()
    judge, make, paid = best_judge(g, data.law), ESTIMATORS.make, {"reward": "loss"}
    found = estimator_errors(
        g, judge, Ratio,
        {
            "reinforce": make("reinforce", paid),
            "critic": make("reinforce", {**paid, "baseline": "critic"}),
            "rollouts": make("rollouts", {**paid, "completions": 4}),
            "relax": make("relax", paid),
            "maligan": make("maligan"),
            "small groups": make("bgan", {"group": 4}),
            "mixed": make("mixed_maligan", {"prefix": 2, "completions": 16}),
            "gumbel": make("gumbel", {"straight_through": False}),
            "argmax": make("argmax"),
        },
        draws=120, burn_in=40, law=data.law, batch_size=64, temperatures=[3.0],
    ).set_index("estimator")  # fmt: skip
    assert found["bias"]["argmax"] == pytest.approx(1)
    for name in ("reinforce", "critic", "rollouts", "relax"):
        assert found["bias"][name] < 4 * found["bias_se"][name], name
    for name in ("small groups", "gumbel"):
        assert found["bias"][name] > 4 * found["bias_se"][name], name
    assert found["bias"]["maligan"] < found["bias"]["small groups"]
    assert found["variance"]["mixed"] < found["variance"]["maligan"]
    assert found["cosine"]["mixed"] > 0.98


def test_weights_that_have_another_objective_are_refused():
    data, g, d = players()
    weighing = {"mine": ESTIMATORS.make("maligan")}
    with pytest.raises(ValueError, match="here E_q e.s = .*best_judge"):
        estimator_errors(g, d, Ratio, weighing)
    keeping = {"mine": ESTIMATORS.make("mixed_maligan", {"prefix": 1})}
    with pytest.raises(ValueError, match="pass law="):
        estimator_errors(g, best_judge(g, data.law), Ratio, keeping)
    other = TinyLanguage(pool=10, seed=7)
    with pytest.raises(ValueError, match="where s is ln p/q"):
        estimator_errors(g, best_judge(g, data.law), Ratio, keeping, law=other.law)


def test_a_law_that_cannot_say_what_g_writes_has_no_best_judge():
    data, g, _ = players(True)
    with pytest.raises(ValueError, match="not finite: the law cannot say it"):
        best_judge(g, data.law)
