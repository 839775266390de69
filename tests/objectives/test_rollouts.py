"""Rollouts and REGS: each reward goes to the token that earned it."""

import copy
import itertools

import pytest
import torch
from dialogues import TinyDialogue
from gradients import (
    SLOTS,
    Tabular,
    draws,
    flat,
    judge_of,
    language,
    objective,
    players,
    standard_errors_off,
)
from languages import TinyLanguage, chi_square, seeded

from textgan_lab.models import Rollout
from textgan_lab.objectives import ESTIMATORS, LOSSES
from textgan_lab.objectives.estimators import Regs, Reinforce, Rollouts
from textgan_lab.training import Spec, Trainer

torch.set_num_threads(1)
LOSS = LOSSES["wasserstein"]  # with reward="loss" the reward is D's logit itself


def code(ids):
    """A sentence as a decimal number whose leading digits are its leading tokens."""
    place = 10.0 ** torch.arange(ids.shape[1] - 1, -1, -1, dtype=torch.float64)
    return (ids * place).sum(1)


@pytest.mark.parametrize("completions", [1, 4])
def test_every_prefix_gets_the_rewards_of_its_own_completions(completions):
    """D's logit spells the sentence; a mean over one prefix's completions still spells the prefix.

    All 3 x 4 prefixes of the batch differ, so a reward that went to another place would show.
    """
    data = TinyLanguage(words=4, length=4, pool=10)
    g = Tabular(data, spread=1.0)
    ids = torch.tensor([[4, 5, 6, 7], [5, 4, 4, 6], [7, 7, 5, 4]])
    estimator = Rollouts(completions=completions, reward="loss", baseline="none")
    played = Rollout(ids, ids, lambda: g.logits(ids).log_softmax(2))
    drawn = g.complete(ids, completions, seeded(1))
    played.complete = lambda: drawn
    loss = estimator.loss(played, code, LOSS)
    assert loss.item() == pytest.approx(-(4567 + 5446 + 7754) / 3)
    told = estimator.credit.reward
    for i, t in itertools.product(range(3), range(4)):
        own = ids if t == 3 else drawn[t, :, i]
        expected = code(ids)[i] if t == 3 else code(own).mean()
        assert told[i, t].item() == pytest.approx(expected.item()), (i, t)
        prefix = "".join(map(str, ids[i, : t + 1].tolist()))
        assert str(int(told[i, t].item())).startswith(prefix), (i, t)
    (slope,) = torch.autograd.grad(loss, played.log_p)
    found = -3 * slope.gather(2, ids[..., None]).squeeze(2)
    assert torch.allclose(found, told)


def test_a_prompt_is_given_and_what_follows_it_keeps_its_place():
    """Two tokens of four are given: two rewards, of the first reply word and of the whole."""
    data = TinyLanguage(words=4, length=4, pool=10)
    data.given = 2
    g = Tabular(data, spread=1.0)
    estimator = Rollouts(completions=3, reward="loss", baseline="none")
    real = data.sentences[[3, 77, 200]]
    played = estimator.play(g, 3, seeded(1), SLOTS, lambda: real)
    assert torch.equal(played.ids[:, :2], real[:, :2])
    (slope,) = torch.autograd.grad(estimator.loss(played, code, LOSS), played.log_p)
    told = estimator.credit.reward
    assert (slope[:, :2] == 0).all() and (told[:, :2] == 0).all()
    assert torch.equal(told[:, 3], code(played.ids))
    for row, worth in zip(played.ids, told[:, 2], strict=True):
        assert str(int(worth.item())).startswith("".join(map(str, row[:3].tolist())))


def test_what_d_says_of_a_prompt_is_paid_to_no_word():
    """D says 1000 at each token of the prompt, and at each other the token itself."""
    data = TinyLanguage(words=4, length=4, pool=10)
    data.given = 2
    g = Tabular(data, spread=1.0)
    estimator = Rollouts(completions=3, reward="loss", baseline="none")
    played = estimator.play(g, 5, seeded(1), SLOTS, lambda: data.sentences[::50][:5])
    ends = played.complete()  # [1, 3, 5, 4]: of the first word of each reply
    played.complete = lambda: ends

    def judge(x):
        return torch.cat([torch.full_like(x[:, :2], 1000), x[:, 2:]], 1).double()

    loss = estimator.loss(played, judge, LOSS)
    told = estimator.credit.reward
    replies = played.ids[:, 2:].sum(1) / 4  # a sum over the length of a row, its prompt included
    assert told[:, 3].tolist() == pytest.approx(replies.tolist())
    assert told[:, 2].tolist() == pytest.approx((ends[0, :, :, 2:].sum(2) / 4).mean(0).tolist())
    assert loss.item() == pytest.approx(-replies.mean().item())


def test_an_ended_sentence_earns_nothing_more_and_stands_for_itself_at_its_end():
    data = TinyLanguage(words=2, length=4, eos=True, pool=10)
    g = Tabular(data, spread=1.0)
    ids = torch.tensor([[4, 2, 0, 0], [5, 4, 4, 2]])
    estimator = Rollouts(completions=3, reward="loss", baseline="none")
    played = g.score(ids)
    played.complete = lambda: g.complete(ids, 3, seeded(1))
    (slope,) = torch.autograd.grad(estimator.loss(played, code, LOSS), played.log_p)
    assert (slope[0, 2:] == 0).all() and (slope[0, 1] != 0).any()
    told = estimator.credit.reward
    assert told[0, 1] == code(ids)[0] and told[1, 3] == code(ids)[1]
    assert (told[0, 0] != code(ids)[0]).all()


def test_d_reads_in_portions_and_the_sentences_last(monkeypatch):
    monkeypatch.setattr("textgan_lab.objectives.estimators.rollouts.ROWS", 7)
    g, _ = players("cnn")
    seen = []

    def judge(x):
        seen.append(x)
        return code(x)

    estimator = Rollouts(completions=5, reward="loss")
    played = estimator.play(g, 4, seeded(1), SLOTS)
    estimator.loss(played, judge, LOSS)
    assert [len(x) for x in seen] == [7, 7, 7, 7, 7, 5, 4]  # 2 prefixes x 5 x 4, then the 4
    assert torch.equal(seen[-1], played.ids)


def exact_moments(estimator, g, judge):
    """Mean gradient and mean squared norm over all sentences of two words, T = 3, and completions.

    One completion for each prefix, so an outcome is (x, ending of x_1, ending of x_1 x_2).
    """
    words, mean, square, total = (4, 5), 0.0, 0.0, 0.0
    for x in itertools.product(words, repeat=3):
        for a in itertools.product(words, repeat=2):
            for b in words:
                rows = torch.tensor([x, (x[0], *a), (*x[:2], b)])
                with torch.no_grad():
                    log_q = g.score(rows).log_q
                    chance = (log_q[0].sum() + log_q[1, 1:].sum() + log_q[2, 2]).exp()
                played = g.score(rows[:1])
                played.complete = lambda rows=rows: rows[1:, None, None]
                gradient = flat(estimator.loss(played, judge, LOSS), g)
                mean, square = mean + chance * gradient, square + chance * gradient.square().sum()
                total += chance
    assert total.item() == pytest.approx(1)
    return mean, square - mean.square().sum()


def test_for_a_table_one_rollout_has_the_variance_of_reinforce_exactly():
    """No two prefixes share a weight: the positions' terms are orthogonal, and each has a reward

    of the same law. The mean is the exact gradient for both.
    """
    data = TinyLanguage(words=2, length=3, pool=10)
    g = Tabular(data, spread=1.0)
    opinions = torch.randn(8, generator=seeded(4), dtype=torch.float64)
    worth = dict(zip(map(tuple, data.playable.tolist()), opinions, strict=True))

    def judge(x):
        return torch.stack([worth[tuple(row)] for row in x.tolist()])

    plain = exact_moments(Reinforce(reward="loss", baseline="none"), g, judge)
    ours = exact_moments(Rollouts(completions=1, reward="loss", baseline="none"), g, judge)
    states = judge(data.playable)
    estimator = Reinforce(reward="loss")
    exact = flat(objective("reinforce", estimator, g, states, LOSS, data), g)
    for mean, _ in (plain, ours):
        assert (mean - exact).norm() < 1e-12
    assert exact.norm() > 0.1
    assert ours[1].item() == pytest.approx(plain[1].item(), rel=1e-12)


# --- the delayed policy --------------------------------------------------------------------------


def test_the_copy_follows_some_of_the_way_and_only_when_g_plays():
    g = copy.deepcopy(players("cnn")[0])
    estimator, noise = Rollouts(policy="delayed", rate=0.8), seeded(1)
    start = g.head.bias.detach().clone()

    def update(estimator, batches=1):
        estimator.begin(g)
        for _ in range(batches):
            estimator.play(g, 4, noise, SLOTS)

    update(estimator)
    with torch.no_grad():
        g.head.bias += 1
    estimator.fakes(g, 4, noise, SLOTS)  # what D learns from
    update(estimator, batches=3)  # however many, it is one update
    assert torch.allclose(estimator._copy.head.bias, start + 0.2)
    state = estimator.state()
    update(estimator)
    assert torch.allclose(estimator._copy.head.bias, start + 0.36)
    assert not estimator._copy.head.bias.requires_grad
    other = Rollouts(policy="delayed")
    for again in (other, estimator):
        again.load_state(state)
        update(again)
        assert torch.allclose(again._copy.head.bias, start + 0.36)
    other.load_state({})
    update(other)
    assert torch.equal(other._copy.head.bias, g.head.bias)


def test_completions_are_those_of_the_copy():
    data = TinyLanguage(words=2, length=3, pool=10)
    g = Tabular(data)
    estimator, noise = Rollouts(policy="delayed", rate=1.0, completions=2), seeded(1)
    estimator.play(g, 4, noise, SLOTS)
    with torch.no_grad():
        g.table[:, 5] += 50  # G now writes the second word only, the copy still both
    played = estimator.play(g, 40, noise, SLOTS)
    assert (played.ids == 5).all()
    assert (played.complete()[0][..., 1:] == 4).double().mean().item() == pytest.approx(
        0.5, abs=0.15
    )


def test_a_delayed_policy_is_biased_and_a_live_one_is_not():
    g, d = players("cnn")
    g, data, loss = copy.deepcopy(g), language(), LOSSES["non_saturating"]
    judge, off = judge_of(d, data.vocab_size), {}
    s = judge(data.playable)
    kept = g.head.bias.detach().clone()
    for policy in ("delayed", "live"):
        estimator = Rollouts(completions=1, policy=policy, rate=1.0, baseline="none")
        with torch.no_grad():
            g.head.bias.copy_(kept + torch.linspace(-2, 2, 7))
        estimator.play(g, 4, seeded(1), SLOTS)  # where the copy is made
        with torch.no_grad():
            g.head.bias.copy_(kept)
        exact = flat(objective("rollouts", estimator, g, s, loss, data), g)
        gradients, _ = draws(estimator, g, judge, loss, repeats=120, batch=64)
        off[policy] = standard_errors_off(gradients, exact).max()
        assert estimator.unbiased == (policy == "live")
    assert off["delayed"] > 4 > off["live"], off


def test_what_is_no_rollout_is_refused_with_advice():
    for options, said in (
        ({"completions": 0}, "completions 0: expected a whole number, 1 or more"),
        ({"policy": "late"}, "policy 'late': expected one of live, delayed"),
        ({"rate": 2}, "rate 2: expected 0 to 1"),
        ({"reward": "gold"}, "reward 'gold'"),
    ):
        with pytest.raises(ValueError, match=said):
            ESTIMATORS.make("rollouts", options)
    g, _ = players("cnn")
    with pytest.raises(ValueError, match=r"no completions; use play\(\)"):
        Rollouts(reward="loss").loss(g.score(language().playable), code, LOSS)


# --- REGS ----------------------------------------------------------------------------------------


def test_regs_credits_each_word_with_its_own_prefix_only():
    """Rewards 1, 2, 4 of single prefixes are the credits, over T = 3; nothing comes from later."""
    ids = torch.tensor([[4, 5, 6]])
    log_p = torch.full((1, 3, 7), -1.0, dtype=torch.float64, requires_grad=True)
    estimator = Regs(reward="loss")
    logits = torch.tensor([[1.0, 2.0, 4.0]], dtype=torch.float64)
    loss = estimator.loss(Rollout(ids, ids, lambda: log_p), lambda x: logits, LOSS)
    (slope,) = torch.autograd.grad(loss, log_p)
    assert slope.gather(2, ids[..., None]).flatten().tolist() == pytest.approx(
        [-1 / 3, -2 / 3, -4 / 3]
    )
    assert loss.item() == pytest.approx(-7 / 3) and not estimator.unbiased


@pytest.mark.parametrize(
    ("given", "mask", "shares"),
    [
        (0, [[1, 1, 1, 1, 1], [1, 1, 1, 0, 0], [1, 0, 0, 0, 0]],
         [[1, 1, 1, 1, 1], [1, 1, 3, 0, 0], [5, 0, 0, 0, 0]]),
        (2, [[0, 0, 1, 1, 1], [0, 0, 1, 1, 0], [0, 0, 1, 0, 0]],
         [[0, 0, 1, 1, 1], [0, 0, 1, 2, 0], [0, 0, 3, 0, 0]]),
    ],
)  # fmt: skip
def test_d_learns_from_one_prefix_of_each_sentence_that_ends_anywhere_or_with_it(
    given, mask, shares
):
    mask, shares, n = torch.tensor(mask).bool(), torch.tensor(shares).double(), 6000
    found = Regs().judged(mask.repeat(n, 1), seeded(1), given)
    assert (found.sum(1) == 1).all()
    counts, expected = found.view(n, 3, 5).sum(0).double(), n * shares / (5 - given)
    assert (counts[~mask] == 0).all() and counts[2, given] == n
    for row in (0, 1):
        assert chi_square(counts[row][mask[row]], expected[row][mask[row]]) > 1e-4


def test_how_long_a_sentence_goes_on_tells_d_nothing_of_its_beginning():
    """Real sentences of two tokens, fakes of five, the first word's law the same. At the best D

    s of a prefix is ln p/q of how often each side shows it: 0 after the first word, as p = q there.
    """
    short = torch.tensor([[4, 2, 0, 0, 0], [5, 2, 0, 0, 0]])
    long = torch.tensor([[4, 4, 4, 4, 2], [5, 5, 5, 5, 2]])
    shown = [
        Regs().judged(x.repeat(20_000, 1) != 0, seeded(i), 0).view(20_000, 2, 5).double().mean(0)
        for i, x in enumerate((short, long))
    ]
    after_one_word = (shown[0][:, 0] / shown[1][:, 0]).log()
    assert after_one_word.abs().max() < 0.05  # ln 5/2 if drawn among a sentence's own positions


def test_all_others_leave_d_s_positions_alone_and_draw_nothing():
    mask = torch.tensor([[1, 1, 0]], dtype=torch.bool)
    for name in ESTIMATORS:
        if name != "regs":
            noise = seeded(1)
            assert ESTIMATORS.make(name).judged(mask, noise) is mask
            assert ESTIMATORS.make(name).judged(None, noise) is None
            assert torch.equal(noise.get_state(), seeded(1).get_state())


def test_the_game_shows_d_one_position_of_real_and_of_fake():
    data = TinyLanguage(eos=True, pool=50)
    spec = Spec(data="given", discriminator="lstm", estimator="regs", batch_size=32, probe_every=0,
                device="cpu")  # fmt: skip
    trainer = Trainer(spec, data=data)
    plays, judged = [], trainer.game.judged

    def keeping(*args):
        plays.append(judged(*args))
        return plays[-1]

    trainer.game.judged = keeping
    list(trainer.steps(3))
    for play in plays:
        for mask, x in ((play.real_mask, play.real), (play.fake_mask, play.fake)):
            assert (mask.sum(1) == 1).all() and (x[mask] != 0).all()
    assert len({tuple(play.fake_mask.sum(0).tolist()) for play in plays}) > 1
    real, fake = (
        torch.nn.functional.softplus(sign * s)[mask].mean().item()
        for sign, s, mask in ((-1, plays[-1].real_logits, plays[-1].real_mask),
                              (1, plays[-1].fake_logits, plays[-1].fake_mask))
    )  # fmt: skip
    assert trainer.telemetry.rows[-1]["d_loss"] == pytest.approx(real + fake, abs=1e-5)


def test_real_and_fake_positions_are_drawn_after_the_prompt():
    spec = Spec(data="given", discriminator="lstm", estimator="regs", batch_size=8, probe_every=0,
                device="cpu")  # fmt: skip
    trainer = Trainer(spec, data=TinyDialogue(eos=True))
    told, judged = [], trainer.estimator.judged
    trainer.estimator.judged = lambda *given: told.append(given[2]) or judged(*given)
    list(trainer.steps(1))
    assert told == [2, 2]
