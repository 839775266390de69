"""The game: who moves when, what D reads, updates of several batches, lessons between moves."""

import pytest
import torch
from dialogues import TinyDialogue
from languages import PAD, TinyLanguage

from textgan_lab.training import Spec, Trainer

torch.set_num_threads(1)


def build(data=None, **spec):
    parts = {"batch_size": 8, "probe_every": 0, "device": "cpu", "estimator": "reinforce"}
    return Trainer(Spec(data="given", **{**parts, **spec}), data=data or TinyLanguage(eos=True))


@pytest.mark.parametrize("side", ["d", "g"])
def test_an_accumulated_update_goes_down_the_mean_gradient(side):
    """SGD with step 1, unclipped: the weights move by minus the mean of what two batches say."""
    plain = {"g_optimiser": "sgd", "d_optimiser": "sgd", "g_clip": 1e9, "d_clip": 1e9}
    knobs = {"g_lr": 1.0, "d_lr": 1.0}
    whole, twin = (build(**plain, knobs=knobs, accumulate=n) for n in (2, 1))
    objective = getattr(twin.game, f"_{side}_objective")
    player = getattr(twin.game, side)
    gradients = [player.gradient(objective()[0]) for _ in range(2)]
    before = getattr(whole.game, side).flat.clone()
    values = getattr(whole.game, f"{side}_update")()
    moved = getattr(whole.game, side).flat - before
    assert torch.allclose(moved, -sum(gradients) / 2, atol=3e-7)  # weights of 2 are rounded
    assert values[f"{side}_grad_norm"].item() == pytest.approx(moved.norm().item(), rel=1e-4)


def test_what_is_recorded_of_accumulated_batches_is_their_mean():
    whole, twin = build(accumulate=3), build()
    losses = [twin.game._d_objective()[0].item() for _ in range(3)]
    values = whole.game.d_update()
    assert values["d_loss"].item() == pytest.approx(sum(losses) / 3, rel=1e-6)
    assert {"d_accuracy", "d_logit_real", "d_loss.adversarial"} <= set(values)


def test_a_lesson_follows_each_move_of_g_and_leaves_its_record_alone():
    taught, plain = build(teacher_steps=2, knobs={"mle_lr": 0.0}), build()
    list(taught.steps(3)), list(plain.steps(3))
    for with_lessons, without in zip(taught.telemetry.rows, plain.telemetry.rows, strict=True):
        assert {"mle_loss", "mle_grad_norm"} <= set(with_lessons) - set(without)
    first = taught.telemetry.rows[0], plain.telemetry.rows[0]
    assert first[0]["g_grad_norm"] == first[1]["g_grad_norm"]  # of play, not of the lesson
    taught.game.g_update()
    direction = taught.game.g.direction.clone()
    taught.game._lesson()
    assert torch.equal(taught.game.g.direction, direction)  # the next cosine is of play as well
    moved = build(teacher_steps=1, knobs={"g_lr": 0.0, "d_lr": 0.0, "mle_lr": 0.05})
    list(moved.steps(60))
    losses = [row["mle_loss"] for row in moved.telemetry.rows]
    assert sum(losses[-10:]) / 10 < sum(losses[:10]) / 10 - 0.1
    assert moved.telemetry.rows[-1]["phase"] == "adversarial"


def test_d_moves_first_and_a_lesson_follows_each_move_of_g():
    trainer = build(teacher_steps=2, knobs={"d_steps": 3, "g_steps": 2})
    sides, update = [], trainer.game._update
    trainer.game._update = lambda side, *rest: sides.append(side) or update(side, *rest)
    list(trainer.steps(1))
    assert sides == ["d"] * 3 + ["g", "mle", "mle"] * 2


@pytest.mark.parametrize("generator", ["lstm", "transformer"])
def test_the_warm_up_is_adam_with_its_published_betas_down_the_mean_nll(generator):
    """Four updates by torch.optim.Adam on -ln q of the same rows, over the tokens that count."""
    turned = {"mle_lr": 0.02, "g_beta1": 0.1, "g_beta2": 0.3}  # g_*: those of play
    trainer, twin = (
        build(generator=generator, mle_steps=4, g_clip=1e9, knobs=turned) for _ in range(2)
    )
    optimiser = torch.optim.Adam(twin.generator.parameters(), lr=0.02)
    for _ in range(4):
        rows = torch.randint(len(twin.data.train), (8,), generator=twin.streams["data"])
        ids = twin.data.train[rows]
        optimiser.zero_grad()
        (-twin.generator.log_prob(ids).sum() / (ids != PAD).sum()).backward()
        optimiser.step()
    list(trainer.steps(4))
    before = build(generator=generator).game.g.flat
    assert (trainer.game.g.flat - before).abs().max() > 0.05
    assert torch.allclose(trainer.game.g.flat, twin.game.g.flat, atol=1e-5)


@pytest.mark.parametrize("estimator", ["reinforce", "rollouts", "maligan"])
def test_nothing_of_d_is_dropped_when_it_judges_g(estimator):
    """D drops half of its features while it learns, just before."""
    trainer = build(estimator=estimator, knobs={"d_dropout": 0.5})
    game, (dropout,) = trainer.game, trainer.parts.dropouts
    judged, learning, judging = game.judged, [], []
    judge = game.judge
    game.judged = lambda *x: learning.append(dropout.active) or judged(*x)
    game.judge = lambda x: judging.append(dropout.active) or judge(x)
    list(trainer.steps(2))
    assert learning == [True] * 2 and judging and not any(judging)


@pytest.mark.parametrize("discriminator", ["cnn", "lstm", "pair_cnn", "pair_lstm"])
def test_fakes_answer_the_prompts_of_the_real_rows_and_only_replies_count(discriminator):
    trainer = build(data=TinyDialogue(eos=True), discriminator=discriminator)
    plays, judged = [], trainer.game.judged

    def keeping(*args):
        plays.append(judged(*args))
        return plays[-1]

    trainer.game.judged = keeping
    list(trainer.steps(2))
    assert len(plays) == 2
    for play in plays:
        assert len(play.real[:, :2].unique(dim=0)) > 1  # so that another batch's would differ
        assert torch.equal(play.fake[:, :2], play.real[:, :2])
        for x, mask in ((play.real, play.real_mask), (play.fake, play.fake_mask)):
            assert not mask[:, :2].any() and torch.equal(mask[:, 2:], x[:, 2:] != PAD)


def test_d_alone_moves_in_its_head_start():
    trainer = build(mle_steps=2, d_first_steps=3)
    list(trainer.steps(2))
    g, d = trainer.game.g.flat.clone(), trainer.game.d.flat.clone()
    list(trainer.steps(3))
    assert [row["phase"] for row in trainer.telemetry.rows] == ["mle"] * 2 + ["d_first"] * 3
    assert torch.equal(g, trainer.game.g.flat) and not torch.equal(d, trainer.game.d.flat)
    assert trainer.phase == "adversarial"
    with pytest.raises(ValueError, match="has 3 steps to go"):
        build(d_first_steps=3).d_step()
    assert build(mle_steps=2, d_first_steps=3).warm_up().t == 5
