"""The exact gradient: sums over all strings against central differences and hand-worked tables."""

import pytest
import torch
from languages import TinyLanguage

from textgan_lab.models import DISCRIMINATORS, GENERATORS
from textgan_lab.objectives import ESTIMATORS, LOSSES
from textgan_lab.objectives.enumeration import (
    _errors,
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
        ("dense_reinforce", {"reward": "loss"}, "for every prefix"),
    ],
)
def test_another_objective_is_refused(name, options, said):
    _, g, d = players()
    with pytest.raises(ValueError, match=said):
        estimator_errors(g, d, LOSS, {"mine": ESTIMATORS.make(name, options)})


def test_a_judge_of_tokens_and_a_gradient_of_0_are_refused():
    _, g, d = players(discriminator="lstm")
    with pytest.raises(ValueError, match="one logit a sentence"):
        exact_gradient(g, d, LOSS)
    with pytest.raises(ValueError, match="gradient is 0"):
        estimator_errors(g, lambda x: torch.zeros(len(x)).double(), LOSSES["wasserstein"], {})
