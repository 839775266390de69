"""Drawing tokens: frequencies against the softmax, by chi-square."""

import math

import pytest
import torch
from languages import chi_square, seeded

from textgan_lab.models.sampling import IMPOSSIBLE, Rollout, draw, gumbel

torch.set_num_threads(1)
N = 20_000


@pytest.mark.parametrize("vocab", [3, 64, 128, 129, 192, 200, 700])  # one level up to 128
@pytest.mark.parametrize("scale", [0.0, 1.0, 4.0])
def test_draws_follow_the_softmax(vocab, scale):
    logits = scale * torch.randn(vocab, generator=seeded(vocab))
    u = torch.rand(2, N, generator=seeded(7))
    ids = draw(logits.expand(N, vocab), u)
    assert ids.dtype == torch.int64 and ids.shape == (N,)
    counts = torch.bincount(ids, minlength=len(logits))
    assert chi_square(counts, N * logits.double().softmax(0)) > 1e-4


def test_rows_are_drawn_each_from_their_own_logits():
    logits = torch.full((5, 300), IMPOSSIBLE)
    wanted = torch.tensor([0, 63, 64, 255, 299])
    logits[torch.arange(5), wanted] = 0.0
    for u in (0.0, 0.5, 1 - 2**-24):
        assert torch.equal(draw(logits, torch.full((2, 5), u)), wanted)


@pytest.mark.parametrize("vocab", [10, 128, 129, 200, 320])
def test_a_token_of_probability_zero_is_never_drawn(vocab):
    possible = torch.rand(vocab, generator=seeded(vocab)) < 0.2
    possible[vocab // 2] = True
    possible[:2] = possible[-3:] = False
    logits = torch.zeros(vocab).masked_fill(~possible, IMPOSSIBLE)
    edges = torch.tensor([0.0, 2**-24, 0.5, 1 - 2**-24, 1.0])  # 1: u * total may round to total
    corners = torch.cartesian_prod(edges, edges).T
    u = torch.cat([torch.rand(2, 20_000, generator=seeded(1)), corners], 1)
    ids = draw(logits.expand(u.shape[1], vocab), u)
    assert possible[ids].all()
    assert len(ids.unique()) == possible.sum()


def test_the_level_inside_a_block_has_a_uniform_of_its_own():
    """Tokens 64..127 of 256, each as likely: the first uniform chooses the block, only the second
    the token in it. With one uniform for both, a block's low half would come with its low quarter.
    """
    n = 64_000
    u = torch.rand(2, n, generator=seeded(3))
    ids = draw(torch.zeros(n, 256), u)
    assert torch.equal(ids // 64, (u[0] * 4).long())
    counts = torch.bincount(ids % 64, minlength=64)
    assert torch.equal(counts, torch.bincount((u[1] * 64).long(), minlength=64))


def test_gumbel_noise_has_its_mean_and_variance():
    g = gumbel((200_000,), seeded(2), torch.float64)
    # mean: Euler's constant; variance pi^2/6; standard error of the variance from kurtosis 5.4
    assert abs(g.mean().item() - 0.5772156649) < 4 * (math.pi**2 / 6 / len(g)) ** 0.5
    assert abs(g.var().item() - math.pi**2 / 6) < 4 * math.pi**2 / 6 * (4.4 / len(g)) ** 0.5
    assert g.isfinite().all()


def test_the_argmax_with_gumbel_noise_is_a_draw_from_the_softmax():
    logits = torch.tensor([0.0, 1.0, -2.0, 0.5])
    ids = (logits + gumbel((N, 4), seeded(4), torch.float32)).argmax(1)
    counts = torch.bincount(ids, minlength=len(logits))
    assert chi_square(counts, N * logits.double().softmax(0)) > 1e-4


def test_a_rollout_counts_up_to_eos_and_no_further():
    ids = torch.tensor([[4, 2, 0], [5, 4, 4]])
    log_p = torch.randn(2, 3, 6, generator=seeded(), dtype=torch.float64).log_softmax(2)
    calls = []
    rollout = Rollout(ids, ids, lambda: calls.append(1) or log_p)
    assert not calls  # scored when asked, once
    assert rollout.mask.tolist() == [[True, True, False], [True, True, True]]
    a, b = log_p
    expected = [a[0, 4], a[1, 2], 0.0, b[0, 5], b[1, 4], b[2, 4]]
    assert rollout.log_q.flatten().tolist() == pytest.approx([float(x) for x in expected])
    entropies = [-(row.exp() * row).sum().item() for row in a[:2]]
    assert rollout.entropy[0].tolist() == pytest.approx([*entropies, 0.0])
    assert len(calls) == 1


def test_a_rollout_of_points_has_no_token_probabilities():
    rollout = Rollout(torch.zeros(3, 2))
    assert rollout.ids is None and rollout.mask is None
    with pytest.raises(TypeError, match="no token probabilities"):
        _ = rollout.log_q
