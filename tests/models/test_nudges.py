"""Nudges: the first-order rate against pairs summed by hand, and against counted changes."""

import pytest
import torch
from languages import TinyLanguage, seeded
from torch import nn

from textgan_lab.models import DISCRIMINATORS, GENERATORS
from textgan_lab.models.generators import MLPGenerator
from textgan_lab.models.nudges import _rate, nudge

torch.set_num_threads(1)


def players(eos=False, discriminator="cnn"):
    data = TinyLanguage(eos=eos, pool=10)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(2)
        g = GENERATORS.make("lstm", {"embedding": 3, "hidden": 4}, data=data)
        d = DISCRIMINATORS.make(discriminator, {"embedding": 4, "hidden": 6}, data=data)
    with torch.no_grad():
        for p in g.parameters():
            p.mul_(2)
    return g, d


class Table(nn.Module):
    """Every token has the weights for logits."""

    def __init__(self, probabilities):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(probabilities, dtype=torch.float64).log())

    def logits(self, ids):
        return self.weight.expand(*ids.shape, -1)


@pytest.mark.parametrize(
    ("probabilities", "direction", "expected"),
    [
        ([0.9, 0.1], [1.0, 0.0], 0.09),  # 0.9 * 0.1 * 1
        ([0.9, 0.1], [1.0, 1.0], 0.0),  # no difference moves
        ([0.5, 0.3, 0.2], [2.0, -1.0, 0.0], 0.5 * 0.3 * 3 + 0.5 * 0.2 * 2 + 0.3 * 0.2 * 1),
    ],
)
def test_the_rate_by_hand(probabilities, direction, expected):
    """One token, then two, then one and padding, which counts nowhere."""
    g = Table(probabilities)
    start, u = g.weight.detach().clone(), torch.tensor(direction, dtype=torch.float64)
    with torch.no_grad():
        rates = [_rate(g, start, u, torch.tensor([ids])).item() for ids in ([1], [1, 1], [1, 0])]
    assert rates == pytest.approx([expected, 2 * expected, expected], rel=1e-7, abs=1e-10)


@pytest.mark.parametrize("eos", [False, True])
def test_small_nudges_change_as_many_sentences_as_the_rate_says(eos):
    g, d = players(eos)
    n, directions, size = 2000, 4, 0.02
    found = nudge(g, d, [size], n=n, directions=directions, seed=1)
    for _, rows in found.groupby("direction"):
        expected = rows["rate"].mean() * size
        assert 0.002 < expected < 0.1
        error = (expected / n) ** 0.5
        # a tenth for the second order
        assert abs(rows["changed"].mean() - expected) < 4 * error + 0.1 * expected


def test_no_nudge_no_change_and_hard_scores_are_steps():
    g, d = players()
    found = nudge(g, d, [0.0, 1e-9, 0.3], n=300)
    rest, tiny, large = (found[found["size"] == size] for size in (0.0, 1e-9, 0.3))
    assert not rest["changed"].any() and not tiny["changed"].any()
    assert tiny["hard"].tolist() == rest["hard"].tolist()
    assert (tiny["soft"].to_numpy() != rest["soft"].to_numpy()).mean() > 0.9
    same = ~large["changed"].to_numpy()
    assert 0 < same.sum() < len(same)
    assert large["hard"].to_numpy()[same].tolist() == rest["hard"].to_numpy()[same].tolist()


def test_the_sentences_are_draws_of_g_and_tokens_count_up_to_the_end():
    g, d = players(eos=True)
    found = nudge(g, d, [0.0], n=3000)
    expected = g.sample(3000, seeded(5))
    lengths = (expected != 0).sum(1).double()
    error = 2**0.5 * lengths.std().item() / 3000**0.5
    assert abs(found["tokens"].mean() - lengths.mean().item()) < 4 * error


def test_a_per_token_d_scores_with_its_mean():
    g, d = players(eos=True, discriminator="lstm")
    found = nudge(g, d, [0.0], n=50)
    noise = seeded(0)
    ids = g.double().relax(50, noise, torch.tensor(1.0).double(), straight_through=True).ids
    with torch.no_grad():
        logits = d.double()(ids)
    mask = ids != 0
    expected = (logits * mask).sum(1) / mask.sum(1)
    assert found["hard"].tolist() == pytest.approx(expected.tolist(), abs=1e-10)


def test_nothing_that_is_passed_in_changes():
    g, d = players()
    before = [x.clone() for part in (g, d) for x in part.parameters()]
    stream = torch.get_rng_state()
    first = nudge(g, d, [0.1], n=20, seed=3)
    assert first.equals(nudge(g, d, [0.1], n=20, seed=3))
    assert not first.equals(nudge(g, d, [0.1], n=20, seed=4))
    after = [x for part in (g, d) for x in part.parameters()]
    assert all((a == b).all() and a.dtype == b.dtype for a, b in zip(before, after, strict=True))
    assert (torch.get_rng_state() == stream).all()


@pytest.mark.parametrize("sizes", [[], [float("nan")]])
def test_sizes_must_be_numbers(sizes):
    with pytest.raises(ValueError, match="sizes"):
        nudge(*players(), sizes)


def test_points_have_no_tokens():
    class Flat:
        dim = 2

    with pytest.raises(ValueError, match="points"):
        nudge(MLPGenerator(Flat()), players()[1], [0.1])
