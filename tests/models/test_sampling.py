"""Drawing tokens: frequencies against the softmax, by chi-square."""

import math

import pytest
import torch
from languages import chi_square, seeded

from textgan_lab.models.sampling import IMPOSSIBLE, NextToken, Rollout, draw, gumbel

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


@pytest.mark.parametrize("vocab", [7, 200, 320])
def test_several_draws_of_a_row_follow_its_softmax_and_are_independent(vocab):
    logits = torch.full((2, vocab), IMPOSSIBLE)  # two rows of four tokens, of different blocks
    places = torch.tensor([0, 1, vocab // 2, vocab - 1])
    logits[:, places] = torch.tensor([[0.0, 1.0, 2.0, -1.0], [1.0, -1.0, 0.0, 0.5]])
    ids = draw(logits, torch.rand(N, 3, 2, 2, generator=seeded(vocab)))
    assert ids.shape == (N, 3, 2)
    token = torch.searchsorted(places, ids.contiguous())
    for row in (0, 1):
        p = logits[row, places].double().softmax(0)
        for a, b in ((0, 1), (1, 2)):
            joint = torch.bincount(4 * token[:, a, row] + token[:, b, row], minlength=16)
            assert chi_square(joint, N * torch.outer(p, p).flatten()) > 1e-4


def law(vocab, temperature=1.0, size=5, scale=1.0):
    """A linear head of double precision that never says the first two and every seventh token."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(vocab)
        head = torch.nn.Linear(size, vocab).double().requires_grad_(False)
    head.weight.mul_(scale)
    never = torch.zeros(vocab, dtype=torch.float64)
    never[:2] = never[::7] = IMPOSSIBLE
    return NextToken(head, never, temperature), lambda h: (head(h) + never) / temperature


@pytest.mark.parametrize("vocab", [40, 128, 129, 192, 200])
@pytest.mark.parametrize("temperature", [1.0, 0.5, 3.0])
def test_the_next_token_is_drawn_as_from_all_logits(vocab, temperature):
    """More rows than are worked on at a time, each with its own features and uniforms."""
    following, logits = law(vocab, temperature, scale=3.0)
    h = torch.randn(150, 5, generator=seeded(1), dtype=torch.float64)
    for shape in ((2, 150), (4, 2, 150)):
        u = torch.rand(shape, generator=seeded(2), dtype=torch.float64)
        assert torch.equal(following.draw(h, u), draw(logits(h), u))


@pytest.mark.parametrize("share", [0.0, 0.01, 0.7, 1.0])
def test_rows_that_are_not_wanted_change_nothing_for_the_others(share):
    """As many draws as with all rows, and each of them from the logits that are told."""
    following, logits = law(200)
    h = torch.randn(150, 5, generator=seeded(1), dtype=torch.float64)
    wanted = torch.arange(150) < share * 150
    wanted = wanted[torch.randperm(150, generator=seeded(3))]
    for shape in ((2, 150), (4, 2, 150)):
        u, told = torch.rand(shape, generator=seeded(2), dtype=torch.float64), []
        ids = following.draw(h, u, wanted, told)
        assert torch.equal(ids[..., wanted], draw(logits(h), u)[..., wanted])
        assert not ids[..., ~wanted].any()
        if share:
            rows, read = map(torch.cat, zip(*told, strict=True))
            assert torch.equal(rows, wanted.nonzero().squeeze(1))
            torch.testing.assert_close(read, logits(h)[rows], rtol=1e-14, atol=1e-14)
        else:
            assert not told


@pytest.mark.parametrize("vocab", [129, 192, 200, 700])
def test_next_tokens_follow_the_softmax(vocab):
    following, logits = law(vocab, scale=4.0)
    h = torch.randn(1, 5, generator=seeded(3), dtype=torch.float64)
    u = torch.rand(200, 2, 100, generator=seeded(4), dtype=torch.float64)
    ids = following.draw(h.expand(100, -1), u)
    assert ids.shape == (200, 100)
    counts = torch.bincount(ids.flatten(), minlength=vocab)
    assert len(counts) == vocab  # what pads the last block is no token
    assert chi_square(counts, N * logits(h)[0].softmax(0)) > 1e-4


@pytest.mark.parametrize("vocab", [40, 200])
def test_at_temperature_zero_the_likeliest_token_is_next(vocab):
    following, _ = law(vocab, temperature=0)
    _, logits = law(vocab)
    h = torch.randn(150, 5, generator=seeded(5), dtype=torch.float64)
    for shape in ((2, 150), (3, 2, 150)):
        u = torch.rand(shape, generator=seeded(6), dtype=torch.float64)
        assert torch.equal(following.draw(h, u), logits(h).argmax(1).expand(*shape[:-2], -1))


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


def test_a_rollout_takes_a_law_that_costs_less_and_keeps_its_mask():
    ids = torch.tensor([[4, 2, 0], [5, 4, 4]])
    calls, law = [], torch.randn(2, 2, 3, generator=seeded())
    rollout = Rollout(ids, ids)
    rollout.law = lambda: calls.append(1) or tuple(law)
    assert not calls
    expected = law.clone()
    expected[:, 0, 2] = 0
    assert torch.equal(rollout.log_q, expected[0]) and torch.equal(rollout.entropy, expected[1])
    assert len(calls) == 1


def test_a_rollout_of_points_has_no_token_probabilities():
    rollout = Rollout(torch.zeros(3, 2))
    assert rollout.ids is None and rollout.mask is None
    with pytest.raises(TypeError, match="no token probabilities"):
        _ = rollout.log_q
