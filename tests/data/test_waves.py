"""Travelling waves: the formula by hand, the density against scipy, directions, entropy."""

import math

import numpy as np
import pytest
import torch
from languages import seeded
from scipy import stats

from textgan_lab.data import TravellingWaves, load_corpus, shipped

torch.set_num_threads(1)
SMALL = {"frames": 3, "sensors": 5, "waves": 2, "speed": 0.7, "noise": 0.5}


def small(**options):
    return TravellingWaves(**{**SMALL, **options})


def test_the_formula_by_hand():
    law = small()
    v1, v2 = 1 / (1 + 1 / 4), (1 / 4) / (1 + 1 / 4)
    for way, sign in enumerate((-1, 1)):  # right with the upper sign: phase - omega t
        columns = []
        for part, k, v in ((0, 1, v1), (0, 2, v2), (1, 1, v1), (1, 2, v2)):
            turn = 2 * math.pi * k / 5
            phases = [turn * s + sign * turn * 0.7 * t for t in range(3) for s in range(5)]
            # Re((u + i v) e^(i phase)) = u cos(phase) - v sin(phase)
            wave = [-math.sin(p) if part else math.cos(p) for p in phases]
            columns.append([math.sqrt(v) * y for y in wave])
        expected = torch.tensor(columns, dtype=torch.float64).T
        torch.testing.assert_close(law.bases[way], expected, rtol=0, atol=1e-14)


def test_a_pattern_that_runs_right_moves_to_the_next_sensor():
    law = TravellingWaves(noise=0.01)
    t, s = torch.meshgrid(torch.arange(12), torch.arange(12), indexing="ij")
    bump = (2 * math.pi * (s - t) / 12).cos() + (4 * math.pi * (s - t) / 12 + 1).cos()
    torch.testing.assert_close(bump[1], bump[0].roll(1))
    x = torch.stack([bump, bump.flip(1), bump + bump.flip(1), torch.zeros(12, 12)]).flatten(1)
    assert law.modes(x).tolist() == [0, 1, 2, 2]
    shares = law.energies(x)
    expected = [[1.0, 0.0], [0.0, 1.0], [0.5, 0.5], [0.0, 0.0]]
    torch.testing.assert_close(
        shares, torch.tensor(expected, dtype=torch.float64), rtol=0, atol=1e-6
    )
    first, second = law.log_prob(x)[:2], law.log_prob(x)[2:3]
    assert first[0].item() == pytest.approx(first[1].item()) and first.min() > second[0]


@pytest.mark.parametrize("right", [0.5, 0.2, 1.0])
def test_log_prob_equals_scipy(right):
    law = small(right=right)
    x = law.sample(100, seeded()).double()
    x[0] = 30.0  # far out: the density underflows, its logarithm does not
    with np.errstate(divide="ignore"):
        weights = np.log([right, 1 - right])
    parts = [
        w + stats.multivariate_normal(np.zeros(15), c).logpdf(x.numpy())
        for w, c in zip(weights, law.covariances.numpy(), strict=True)
    ]
    expected = torch.from_numpy(np.logaddexp(*parts))
    torch.testing.assert_close(law.log_prob(x), expected, rtol=1e-11, atol=1e-11)
    assert law.log_prob(x.float()).dtype == torch.float64


def test_samples_follow_the_law():
    law, n = small(right=0.3), 40_000
    x = law.sample(n, seeded(1))
    assert x.shape == (n, 15) and x.dtype == torch.float32
    expected = 0.3 * law.covariances[0] + 0.7 * law.covariances[1]
    # the entries' standard errors are at most sqrt(2) 1.25 / sqrt(n) = .009
    assert ((x.double().T @ x.double()) / n - expected).abs().max() < 0.04
    ways = TravellingWaves(right=0.3).sample(n, seeded(2))
    counts = TravellingWaves().modes(ways).bincount(minlength=3)
    assert counts[2] < 0.002 * n
    assert stats.binomtest(int(counts[0]), int(counts[:2].sum()), 0.3).pvalue > 1e-3


def test_neither_a_sensor_nor_a_frame_tells_the_direction():
    law = small()
    right, left = law.covariances.view(2, 3, 5, 3, 5)
    for s in range(5):
        torch.testing.assert_close(right[:, s, :, s], left[:, s, :, s], rtol=0, atol=1e-14)
    for t in range(3):
        torch.testing.assert_close(right[t, :, t], left[t, :, t], rtol=0, atol=1e-14)
    assert (right - left).abs().max() > 0.5
    assert law.covariances.diagonal(dim1=1, dim2=2).unique().tolist() == pytest.approx(
        [1.25] * len(law.covariances.diagonal(dim1=1, dim2=2).unique()), abs=1e-14
    )


def test_entropy_lies_between_its_bounds():
    for law in (small(), small(right=0.1), TravellingWaves(noise=0.3)):
        low, high = law.entropy_bounds
        told = -law.log_prob(law.sample(20_000, seeded(3)))
        se = (told.std() / math.sqrt(len(told))).item()
        assert low <= high and low - 4 * se < told.mean().item() < high + 4 * se
        assert high - low < 0.5
    one = small(right=1.0)
    exact = stats.multivariate_normal(np.zeros(15), one.covariances[0].numpy()).entropy()
    assert one.entropy_bounds == pytest.approx((exact, exact), abs=1e-10)
    low, high = TravellingWaves().entropy_bounds  # far apart: their entropy and a bit of direction
    c = TravellingWaves().covariances[0]
    within = (torch.linalg.slogdet(2 * math.pi * math.e * c).logabsdet / 2).item()
    assert low == pytest.approx(within + math.log(2), abs=1e-6) == high


def test_the_data_contract():
    law = load_corpus("waves", pool=50)
    assert (law.name, law.kind, law.law, law.entropy) == ("waves", "points", law, None)
    assert (law.dim, law.shape, law.mode_names) == (144, (12, 12), ["right", "left"])
    assert [len(x) for x in (law.train, law.validation, law.test)] == [50, 1000, 1000]
    assert law.train.device.type == "cpu" and law.log_prob(law.train).isfinite().all()
    before = torch.get_rng_state()
    assert torch.equal(law.sample(5, seeded(1)), law.sample(5, seeded(1)))
    assert not torch.equal(law.sample(5, seeded(1)), law.sample(5, seeded(2)))
    assert torch.equal(before, torch.get_rng_state())
    others = [{}, {"pool": 49}, {"seed": 1}, {"frames": 11}, {"sensors": 13}, {"waves": 2},
              {"speed": 0.5}, {"noise": 0.2}, {"right": 0.4}]  # fmt: skip
    prints = [load_corpus("waves", **{"pool": 50, **o}).fingerprint for o in others]
    assert len(set(prints)) == len(others) and prints[0] == law.fingerprint
    assert "12 frames of 12 sensors" in repr(law)


def test_the_data_card_states_what_is_measured():
    low, high = TravellingWaves().entropy_bounds
    assert f"{low:.4f}" == f"{high:.4f}" and high - low < 1e-7
    assert f"Differential entropy {low:.4f} nats" in shipped("README.md").read_text("utf-8")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"frames": 1}, "waves: frames must be a whole number of at least 2, got 1"),
        ({"sensors": 2}, "waves: sensors must be a whole number of at least 3"),
        ({"waves": 0}, "waves: waves must be a whole number of at least 1"),
        ({"waves": 6}, "waves: 12 sensors tell waves 1 to 5 apart, got waves=6"),
        ({"speed": 2.0}, "above 0 and below 2, got 2.0"),
        ({"speed": 0.0}, "above 0 and below 2, got 0.0"),
        ({"speed": math.nan}, "got nan"),
        ({"noise": 0.0}, "waves: noise must be above 0, or there is no density, got 0.0"),
        ({"noise": math.inf}, "got inf"),
        ({"right": 1.1}, "waves: right is a probability, got 1.1"),
        ({"pool": 0}, "waves: pool must be"),
    ],
)
def test_impossible_waves_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        load_corpus("waves", **options)


def test_other_shapes_are_refused():
    with pytest.raises(ValueError, match=r"expected points \[n, 15\] \(3 frames of 5 sensors\)"):
        small().log_prob(torch.zeros(4, 3, 5))
    with pytest.raises(ValueError, match=r"got \[4, 14\]"):
        small().modes(torch.zeros(4, 14))
