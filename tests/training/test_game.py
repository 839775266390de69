"""The game: updates that are made of several batches, and lessons between moves."""

import pytest
import torch
from languages import TinyLanguage

from textgan_lab.training import Spec, Trainer

torch.set_num_threads(1)


def build(**spec):
    parts = {"batch_size": 8, "probe_every": 0, "device": "cpu", "estimator": "reinforce"}
    return Trainer(Spec(data="given", **{**parts, **spec}), data=TinyLanguage(eos=True))


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
    assert torch.allclose(moved, -sum(gradients) / 2, atol=1e-7)
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
