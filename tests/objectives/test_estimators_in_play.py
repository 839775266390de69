"""Every estimator in a run: it trains, resumes bit for bit, is taken apart, and steers nothing."""

import pytest
import torch
from languages import TinyLanguage

from textgan_lab.knobs import Schedule
from textgan_lab.objectives import ESTIMATORS
from textgan_lab.training import Spec, Trainer
from textgan_lab.training.slow_motion import trace

torch.set_num_threads(1)
PLAYS = [  # estimator, options, D
    ("rollouts", {"completions": 3}, "cnn"),
    ("rollouts", {"policy": "delayed", "completions": 2}, "cnn"),
    ("rollouts", {"completions": 2, "baseline": "critic"}, "lstm"),
    ("regs", {}, "lstm"),
    ("maligan", {}, "cnn"),
    ("bgan", {"group": 4}, "cnn"),
    ("mixed_maligan", {"prefix": 1}, "cnn"),
    ("relax", {}, "cnn"),
    ("relax", {}, "lstm"),
    ("reinforce", {"baseline": "critic"}, "cnn"),
    ("reinforce", {"baseline": "leave_one_out"}, "lstm"),
    ("dense_reinforce", {"baseline": "critic"}, "lstm"),
    ("professor_forcing", {}, "behaviour"),
]
CREDITED = PLAYS[:-1]  # the last one's D knows states, and credits no words


def play_id(play):
    return "-".join([play[0], *(f"{k}={v}" for k, v in play[1].items()), play[2]])


def run(play, steps, schedule=None, **fields):
    name, options, discriminator = play
    spec = Spec(
        data="given", estimator={name: options}, discriminator=discriminator, mle_steps=1,
        batch_size=8, probe_every=5, probe_size=16, device="cpu", **fields,
    )  # fmt: skip
    trainer = Trainer(spec, schedule, data=TinyLanguage(eos=True, pool=50))
    list(trainer.steps(steps))
    return trainer


def state(trainer):
    kept = trainer.snapshot()
    tensors = [kept["g"], kept["d"], *kept["estimator"].values(), *kept["streams"].values()]
    return list(kept["estimator"]), tensors


def same(one, other):
    (names, tensors), (others, more) = state(one), state(other)
    return names == others and all(map(torch.equal, tensors, more))


def test_every_new_estimator_is_played():
    elsewhere = {"pathwise", "argmax", "gumbel", "autoencoding"}  # which asks for a G that reads
    assert {play[0] for play in PLAYS} == set(ESTIMATORS) - elsewhere


@pytest.mark.parametrize("play", PLAYS, ids=play_id)
def test_a_run_resumes_bit_for_bit_and_looking_leaves_no_trace(play, tmp_path):
    straight = run(play, 9)
    parted = run(play, 5)
    parted.g_gradient(n=4)
    resumed = Trainer.resume(parted.save(tmp_path / "x"), data=parted.data)
    list(resumed.steps(4))
    assert same(straight, resumed)
    start = run(play, 1)
    assert not torch.equal(start.game.g.flat, straight.game.g.flat)
    assert not straight.diverged
    row = straight.telemetry.rows[-1]
    measured = {"maligan": ["ess"], "bgan": ["ess", "log_weight", "log_weight_var"],
                "mixed_maligan": ["ess"]}.get(play[0], [])  # fmt: skip
    assert [n for n in row if n.startswith(("ess", "log_weight"))] == measured
    assert all(1 <= row["ess"] <= 8 for _ in measured[:1])


@pytest.mark.parametrize(
    "play", [PLAYS[1], ("reinforce", {}, "cnn"), ("dense_reinforce", {}, "lstm")], ids=play_id
)
def test_several_batches_an_update_resume_bit_for_bit_too(play, tmp_path):
    straight, parted = run(play, 6, accumulate=3), run(play, 4, accumulate=3)
    parted.g_gradient(n=4)
    resumed = Trainer.resume(parted.save(tmp_path / "x"), data=parted.data)
    list(resumed.steps(2))
    assert same(straight, resumed)


@pytest.mark.parametrize("accumulate", [1, 4])
def test_a_delayed_policy_follows_once_an_update_however_many_batches_make_it(accumulate):
    """It stands where G stood at G's first update, and then goes a fifth of the way to it."""
    play = ("rollouts", {"policy": "delayed", "completions": 1, "rate": 0.8}, "cnn")
    first = run(play, 1, accumulate=accumulate).game.g.flat  # after the warm-up
    trainer = run(play, 2, accumulate=accumulate)
    second = trainer.game.g.flat.clone()
    list(trainer.steps(1))
    copy = torch.cat([p.reshape(-1) for p in trainer.estimator.state().values()][-len(
        trainer.game.g.params):])  # fmt: skip
    assert not torch.equal(first, second)
    assert torch.allclose(copy, first.lerp(second, 0.2), atol=1e-7)


@pytest.mark.parametrize("play", CREDITED, ids=play_id)
def test_slow_motion_tells_the_credit_that_the_step_gave(play):
    trainer, twin = run(play, 4), run(play, 4)
    phases = trace(trainer)
    list(twin.steps(1))
    assert same(trainer, twin)
    credit = next(p for p in phases if p.name == "credit")
    (line,) = credit.lines
    given = twin.estimator.credit.advantage[0, : len(line.words)].tolist()
    assert list(line.under["credit"]) == given and len(given) == len(line.words) > 0
    assert credit.said.startswith(twin.estimator.explained)
    loss = next(p for p in phases if (p.player, p.name) == ("g", "loss"))
    total = trainer.telemetry.rows[-1]["g_loss"]
    assert loss.values["g_loss"] == pytest.approx(total, abs=1e-6)
    if play[0] in ("maligan", "bgan", "mixed_maligan"):
        assert "weight * ln q" in loss.formula
    else:
        assert "mean reward" in loss.formula


def test_a_schedule_shrinks_what_mixed_maligan_keeps():
    shrink = Schedule.following("prefix", lambda t: 3 - t, range(4))
    trainer = run(("mixed_maligan", {"prefix": 3}, "cnn"), 0, shrink)
    kept, play = [], trainer.estimator.play

    def keeping(*args):
        rollout = play(*args)
        kept.append(int(rollout.real.sum()))
        return rollout

    trainer.estimator.play = keeping
    list(trainer.steps(4))
    assert kept == [2, 1, 0]  # the first step is of likelihood
    with pytest.raises(ValueError, match="prefix: expected a whole number"):
        trainer.knobs.set(prefix=1.5)


def test_d_s_share_of_the_stream_is_drawn_for_regs_alone():
    noise = {}
    for play in (PLAYS[3], ("dense_reinforce", {}, "lstm")):
        trainer = run(play, 4)
        fresh = run(play, 0)
        kept, start = (t.streams["d_noise"].get_state() for t in (trainer, fresh))
        noise[play[0]] = not torch.equal(kept, start)
    assert noise == {"regs": True, "dense_reinforce": False}
