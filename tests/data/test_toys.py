"""Mixtures of Gaussians, against scipy, hand-worked points and geometry."""

import math

import numpy as np
import pytest
import torch
from scipy import stats

from textgan_lab.data.sources import CORPORA
from textgan_lab.data.toys import GaussianMixture, gaussian_pair, grid, ring

torch.set_num_threads(1)
NAMES = ["ring", "grid", "gaussian-pair"]


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def uneven():
    return GaussianMixture([[0.0, 0.0], [1.0, 2.0], [-3.0, 1.0]], 0.5, [0.5, 0.3, 0.2])


def test_log_prob_equals_scipy():
    law = uneven()
    x = law.sample(200, seeded()).double()
    x[0] = torch.tensor([40.0, -40.0])  # far out: the density underflows, its logarithm does not
    parts = [
        math.log(w) + stats.multivariate_normal(c, 0.25 * np.eye(2)).logpdf(x.numpy())
        for c, w in zip(law.centres.numpy(), law.mode_probs, strict=True)
    ]
    expected = torch.from_numpy(np.logaddexp.reduce(parts))
    torch.testing.assert_close(law.log_prob(x), expected, rtol=1e-12, atol=1e-12)
    assert law.log_prob(x).dtype == torch.float64


def test_the_density_integrates_to_one():
    law = GaussianMixture([[0.0, 0.0], [1.0, 1.0]], 0.4, [0.25, 0.75])
    ticks = torch.arange(-3, 4, 0.02, dtype=torch.float64)
    points = torch.cartesian_prod(ticks, ticks)
    assert (law.log_prob(points).exp().sum() * 0.02**2).item() == pytest.approx(1, abs=1e-9)


def test_samples_follow_the_law():
    law = GaussianMixture([[-10.0, 0.0], [0.0, 5.0], [10.0, 0.0]], 0.5, [0.5, 0.3, 0.2])
    n = 40_000
    x = law.sample(n, seeded(1)).double()
    assert x.shape == (n, 2) and law.sample(1, seeded()).dtype == torch.float32
    nearest = torch.cdist(x, law.centres).argmin(1)
    counts = nearest.bincount(minlength=3).numpy()
    assert stats.chisquare(counts, n * np.array([0.5, 0.3, 0.2])).pvalue > 1e-3
    residual = ((x - law.centres[nearest]) / law.std).numpy()
    assert stats.kstest(residual[:, 0], "norm").pvalue > 1e-3
    assert stats.kstest(residual[:, 1], "norm").pvalue > 1e-3
    assert abs(np.corrcoef(residual.T)[0, 1]) < 4 / math.sqrt(n)


def test_samples_are_seeded_and_leave_global_randomness_alone():
    before = torch.get_rng_state()
    law = ring(dim=5)
    assert torch.equal(law.sample(9, seeded(1)), law.sample(9, seeded(1)))
    assert not torch.equal(law.sample(9, seeded(1)), law.sample(9, seeded(2)))
    assert torch.equal(before, torch.get_rng_state())


def test_the_ring_closes_without_repeating_its_first_centre():
    root = math.sqrt(0.5)
    by_hand = [[1, 0], [root, root], [0, 1], [-root, root], [-1, 0], [-root, -root], [0, -1],
               [root, -root]]  # fmt: skip
    expected = torch.tensor(by_hand, dtype=torch.float64)
    torch.testing.assert_close(ring().centres, expected, rtol=0, atol=1e-15)
    assert ring().mode_names == ["0°", "45°", "90°", "135°", "180°", "225°", "270°", "315°"]
    for modes in (1, 3, 8, 25):
        centres = ring(modes=modes, radius=2.0).centres
        gaps = (centres - centres.roll(-1, 0)).norm(dim=1)  # 2 r sin(pi / modes), all the same
        side = 4 * math.sin(math.pi / modes)
        torch.testing.assert_close(gaps, torch.full_like(gaps, side), rtol=0, atol=1e-14)


def test_the_grid_is_centred_and_even():
    law = grid()
    assert len(law.centres) == 25 and law.centres.sum() == 0
    assert sorted(set(law.centres.flatten().tolist())) == [-4, -2, 0, 2, 4]
    assert law.centres.unique(dim=0).shape == (25, 2)
    assert grid(side=2, spacing=1.0).centres.tolist() == [
        [-0.5, -0.5], [0.5, -0.5], [-0.5, 0.5], [0.5, 0.5],
    ]  # fmt: skip
    assert grid(side=2, spacing=1.0).mode_names[1] == "(0.5, -0.5)"


def test_the_pair_is_as_far_apart_as_it_says():
    law = gaussian_pair(separation=4.0, weight=0.25, dim=3)
    assert law.centres.tolist() == [[-2, 0, 0], [2, 0, 0]] and law.mode_probs == [0.25, 0.75]
    # at the left centre: .25 N(0) + .75 N(4 std away) in three dimensions
    by_hand = (0.25 + 0.75 * math.exp(-8)) / (2 * math.pi) ** 1.5
    assert law.log_prob(torch.tensor([[-2.0, 0, 0]])).exp().item() == pytest.approx(by_hand)


def test_a_point_has_a_mode_within_three_standard_deviations():
    law = ring(std=0.02)
    x = torch.tensor([[1.0, 0.0], [1.0, 0.0599], [1.0, 0.0601], [0.0, 1.0], [0.0, 0.0]])
    assert law.modes(x).tolist() == [0, 0, 8, 2, 8]
    found = law.modes(law.sample(40_000, seeded(3)))
    share = (found < 8).double().mean().item()  # 1 - exp(-9 / 2), standard error .0005
    assert share == pytest.approx(1 - math.exp(-4.5), abs=0.0022)


def test_the_embedding_is_orthonormal_and_keeps_distances():
    flat, law = ring(), ring().embed(20, seeded(1))
    assert law.dim == 20 and law.basis.shape == (20, 2) and flat.basis is None
    torch.testing.assert_close(
        law.basis.T @ law.basis, torch.eye(2, dtype=torch.float64), rtol=0, atol=1e-14
    )
    torch.testing.assert_close(
        torch.cdist(law.centres, law.centres), torch.cdist(flat.centres, flat.centres)
    )
    x, y = law.sample(500, seeded(2)), flat.sample(500, seeded(2))
    torch.testing.assert_close(torch.pdist(x), torch.pdist(y), rtol=0, atol=1e-5)
    assert torch.linalg.matrix_rank(x.double(), atol=1e-4) == 2
    assert law.modes(x).tolist() == flat.modes(y).tolist()
    assert not torch.equal(law.basis, ring().embed(20, seeded(2)).basis)


def test_the_embedded_density_lives_on_its_plane():
    flat, law = ring(), ring().embed(20, seeded(1))
    x, y = law.sample(500, seeded(2)), flat.sample(500, seeded(2))
    torch.testing.assert_close(law.log_prob(x), flat.log_prob(y), rtol=0, atol=1e-3)
    across = torch.randn(20, generator=seeded(3), dtype=torch.float64)
    across -= law.basis @ (law.basis.T @ across)  # a direction that leaves the plane at once
    across /= across.norm()
    centre = law.centres[:1]
    found = [law.log_prob(centre + step * across).item() for step in (0, 0.9e-4, 1.1e-4, 1.0)]
    at_centre = math.log(1 / 8 / (2 * math.pi * 0.02**2))
    assert found[:2] == pytest.approx([at_centre, at_centre])
    assert found[2:] == [-math.inf, -math.inf]
    # a mode, unlike a density, reaches 3 std off the plane too
    assert law.modes(centre + 0.059 * across).tolist() == [0]
    assert law.modes(centre + 0.061 * across).tolist() == [8]


@pytest.mark.parametrize("name", NAMES)
def test_the_data_contract(name):
    law = CORPORA.make(name, {"pool": 30, "dim": 6})
    assert (law.kind, law.law, law.dim, law.entropy) == ("points", law, 6, None)
    sets = law.train, law.validation, law.test
    assert [tuple(s.shape) for s in sets] == [(30, 6), (1000, 6), (1000, 6)]
    assert all(s.dtype == torch.float32 and s.device.type == "cpu" for s in sets)
    assert law.log_prob(law.train).isfinite().all()
    assert len(law.mode_names) == len(law.mode_probs) == len(law.centres)
    assert "in 6 dimensions" in repr(law)
    others = [{}, {"pool": 29}, {"seed": 1}, {"dim": 7}, {"std": 0.3}]
    prints = [CORPORA.make(name, {"pool": 30, "dim": 6, **o}).fingerprint for o in others]
    assert len(set(prints)) == len(others) and prints[0] == law.fingerprint


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ring(modes=0), "ring: modes must be a whole number of at least 1, got 0"),
        (lambda: grid(side=2.0), "grid: side must be a whole number"),
        (lambda: gaussian_pair(dim=0), "gaussian-pair: dim must be a whole number"),
        (lambda: gaussian_pair(weight=1.0), r"weights must be 2 positive numbers.*\[1.0, 0.0\]"),
        (lambda: ring(std=0), "ring: std must be above 0, got 0"),
        (lambda: ring(std=math.nan), "ring: std must be above 0, got nan"),
        (lambda: ring(radius=math.inf), "ring: centres must be finite"),
        (lambda: ring(dim=1), "ring: cannot embed 2 dimensions into 1"),
        (lambda: ring(dim=3).embed(4, seeded()), "cannot embed 3 dimensions into 4"),
        (lambda: ring(pool=0), "ring: pool must be a whole number of at least 1"),
        (lambda: GaussianMixture([1.0, 2.0], 1.0), r"centres must be finite.*\[2\]"),
        (lambda: GaussianMixture([[1.0], [2.0]], 1.0, [0.5, 0.6]), "sum to 1"),
        (lambda: GaussianMixture([[1.0]], 1.0, [0.5, 0.5]), "must be 1 positive numbers"),
        (lambda: GaussianMixture([[1.0]], 1.0, mode_names=["a", "b"]), "2 names for 1 centres"),
        (lambda: ring().log_prob(torch.zeros(4, 3)), r"expected points \[n, 2\], got \[4, 3\]"),
        (lambda: ring().modes(torch.zeros(2)), r"expected points \[n, 2\], got \[2\]"),
    ],
)
def test_what_makes_no_law_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
