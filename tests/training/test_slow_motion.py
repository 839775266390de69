"""Slow motion: the step it shows is the step the run takes, and its numbers are that step's."""

import math

import pytest
import torch

from textgan_lab.data.law import PAD
from textgan_lab.training import Spec, Trainer
from textgan_lab.training.slow_motion import trace

torch.set_num_threads(1)
TINY = {
    "data": "mini",
    "generator": {"lstm": {"hidden": 8}},
    "discriminator": {"cnn": {"filters": 8}},
    "batch_size": 8,
    "probe_every": 5,
    "probe_size": 16,
    "device": "cpu",
}
LSTM_D = {"lstm": {"hidden": 8}}
RUNS = {
    "straight-through": {},
    "soft": {
        "estimator": {"gumbel": {"straight_through": False}},
        "knobs": {"temperature": 0.5, "d_noise": 0.2, "d_dropout": 0.3},
    },
    "several": {"knobs": {"d_steps": 3, "g_steps": 2}, "remedies": {"gradient_penalty": {}}},
    "only G": {"knobs": {"d_steps": 0}},
    "only D": {"knobs": {"g_steps": 0}, "remedies": {"r1": {}}},
    "argmax": {"estimator": "argmax"},
    "reinforce": {"estimator": "reinforce", "remedies": {"entropy": {}}},
    "reinforce, a logit a token": {"estimator": "reinforce", "discriminator": LSTM_D},
    "dense": {"estimator": "dense_reinforce", "discriminator": LSTM_D},
    "critic": {"estimator": {"reinforce": {"reward": "loss"}}, "loss": "wasserstein"},
    "hinge": {"loss": "hinge", "d_optimiser": "sgd"},
    "warm-up": {"mle_steps": 50},
    "points": {
        "data": "ring", "generator": "mlp", "discriminator": "mlp", "estimator": "pathwise",
        "knobs": {"d_noise": 0.1},
    },
}  # fmt: skip


def made(name, steps=4):
    trainer = Trainer(Spec(**{**TINY, **RUNS[name]}))
    list(trainer.steps(steps))
    return trainer


def everything(trainer):
    """All that a continuation needs, flat, and all that was recorded but for the clock."""
    kept = trainer.snapshot()
    tensors = [kept["g"], kept["d"], kept["g_direction"], kept["d_direction"]]
    tensors += [x for side in kept["optimisers"].values() for x in side]
    tensors += [*kept["streams"].values(), *kept["estimator"].values()]
    record = trainer.telemetry
    rest = [kept[name] for name in ("t", "applied", "wanted", "sources", "diverged")]
    return tensors, [*rest, repr([record.rows, record.turns, record.samples, record.events])]


def same(a, b):
    (xs, rest), (ys, others) = everything(a), everything(b)
    return len(xs) == len(ys) and all(map(torch.equal, xs, ys)) and rest == others


@pytest.mark.parametrize("name", RUNS)
def test_slow_motion_is_an_ordinary_step_bit_for_bit(name):
    slow, plain = made(name), made(name)
    for trainer in (slow, plain):
        trainer.knobs.set(g_lr=2e-3)  # a turn due at the step
    for _ in range(2):  # the first of them is measured
        phases = trace(slow)
        list(plain.steps(1))
        assert same(slow, plain)
    assert slow.t == 6
    assert [turn.name for turn in slow.telemetry.turns] == ["g_lr"]
    for phase in phases:  # what is shown is plain enough to print and to keep
        assert phase.said.strip().endswith(".")
        assert repr(phase).startswith(f"{phase.player.upper()}: {phase.title}\n")
    list(slow.steps(3))
    list(plain.steps(3))
    assert same(slow, plain), "and the run goes on as if nothing had happened"


D_HALF = ["d.samples", "d.score", "d.loss", "d.update"]
G_HALF = ["g.noise", "g.tokens", "g.score", "g.loss", "g.credit", "g.update"]


@pytest.mark.parametrize(
    "name, order",
    [
        ("straight-through", D_HALF + G_HALF),
        ("only G", G_HALF),
        ("only D", D_HALF),
        ("points", [*D_HALF, "g.noise", "g.points", *G_HALF[2:]]),
        ("warm-up", ["g.samples", "g.loss", "g.update"]),
    ],
)
def test_phases_come_in_order(name, order):
    assert [f"{phase.player}.{phase.name}" for phase in trace(made(name))] == order


def of(phases, player, name):
    (phase,) = (p for p in phases if (p.player, p.name) == (player, name))
    return phase


@pytest.mark.parametrize("name", [name for name in RUNS if name != "warm-up"])
def test_the_numbers_are_those_of_the_recorded_row(name):
    trainer = made(name)
    phases = trace(trainer)
    row = trainer.telemetry.rows[-1]
    for player in {phase.player for phase in phases}:
        loss, update = of(phases, player, "loss").values, of(phases, player, "update").values
        assert loss[f"{player}_loss"] == pytest.approx(row[f"{player}_loss"], rel=1e-6)
        assert update["grad_norm"] == pytest.approx(row[f"{player}_grad_norm"], rel=1e-6)
    if "d_loss" in row:
        parts = of(phases, "d", "loss").values
        adversarial = parts["real"] + parts["fake"]
        assert adversarial == pytest.approx(row["d_loss.adversarial"], rel=1e-5)


def test_the_formula_has_the_loss_s_own_terms_and_its_numbers():
    trainer = made("several")
    phase = of(trace(trainer), "d", "loss")
    row = trainer.telemetry.rows[-1]
    first, second, third = phase.formula.splitlines()
    assert first == (
        "d_loss = mean over real of -ln D + mean over fake of -ln(1 - D) + gradient_penalty"
    )
    numbers = [float(x) for x in second.replace("=", "+").split("+") if x.strip()]
    assert sum(numbers[:3]) == pytest.approx(row["d_loss"], rel=1e-2)
    assert numbers[2] == pytest.approx(row["d_loss.gradient_penalty"], rel=1e-2)
    assert numbers[3] == pytest.approx(row["d_loss"], rel=1e-2)
    assert third.startswith("this pair: ")
    assert "last of 3 moves of D" in of(trace(trainer), "d", "samples").said


def softplus(s):
    return math.log1p(math.exp(s))


@pytest.mark.parametrize("name", ["straight-through", "soft", "points", "argmax"])
def test_the_first_pair_s_own_loss_is_that_of_its_logits(name):
    phases = trace(made(name))
    s, loss = of(phases, "d", "score").values, of(phases, "d", "loss").values
    assert loss["real.first"] == pytest.approx(softplus(-s["s_real"]), rel=1e-5)
    assert loss["fake.first"] == pytest.approx(softplus(s["s_fake"]), rel=1e-5)
    s = of(phases, "g", "score").values["s"]
    assert of(phases, "g", "loss").values["first"] == pytest.approx(softplus(-s), rel=1e-5)


def ids_of(trainer, words):
    ids = torch.full((1, trainer.data.length), PAD)
    ids[0, : len(words)] = torch.tensor([trainer.data.vocabulary.index(w) for w in words])
    return ids


@pytest.mark.parametrize("name", ["straight-through", "soft", "several", "reinforce", "dense"])
def test_before_and_after_are_the_run_before_and_after(name):
    trainer = made(name)
    before = trainer.branch()
    phases = trace(trainer)
    update = of(phases, "g", "update")
    ids = ids_of(trainer, update.lines[0].words)
    if name != "several":  # else "before" lies between two moves of one step
        assert update.values["log_q"] == pytest.approx(
            before.generator.log_prob(ids).item(), rel=1e-6
        )
    assert update.values["log_q_after"] == pytest.approx(
        trainer.generator.log_prob(ids).item(), rel=1e-6
    )
    score = of(phases, "d", "update")
    real = ids_of(trainer, score.lines[0].words)

    def logit(ids):
        trainer.game.drop_out(False)
        s = trainer.discriminator(ids)
        return (s if s.dim() == 1 else s[:, (ids[0] != PAD).sum() - 1]).item()

    assert score.values["s_real_after"] == pytest.approx(logit(real), rel=1e-5)
    fake = ids_of(trainer, score.lines[1].words)
    assert score.values["s_fake_after"] == pytest.approx(logit(fake), rel=1e-5)


def test_an_sgd_step_has_the_length_of_rate_times_gradient():
    trainer = made("hinge")
    update = of(trace(trainer), "d", "update").values
    assert update["step_norm"] == pytest.approx(1e-3 * update["grad_norm"], rel=1e-3)


# --- words chosen --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["straight-through", "soft", "reinforce", "argmax", "dense"])
def test_one_word_is_chosen_at_each_position_and_the_noise_explains_it(name):
    trainer = made(name)
    phases = trace(trainer)
    tokens, words = of(phases, "g", "tokens"), of(phases, "g", "score").lines[0].words
    assert len(tokens.choices) == len(words)
    for at, word in zip(tokens.choices, words, strict=True):
        assert [c.word for c in at if c.chosen] == [word]
        assert all(0 <= c.probability <= 1 for c in at)
        noise = {c.word: c.noise for c in at if c.noise is not None}
        if name in ("straight-through", "soft"):
            sums = {c.word: math.log(c.probability) + noise[c.word] for c in at}
            assert max(sums, key=sums.get) == word
        else:
            assert list(noise) == [word]
            assert 0 <= noise[word] < 1
    under = of(phases, "g", "noise").lines[0].under["noise"]
    assert under == tuple(c.noise for at in tokens.choices for c in at if c.chosen)


def test_noise_that_does_not_explain_the_words_is_not_shown(monkeypatch):
    trainer = made("straight-through")
    monkeypatch.setattr(
        "textgan_lab.training.slow_motion.sentences.gumbel", lambda shape, *_: torch.zeros(shape)
    )
    phases = trace(trainer)
    assert all(c.noise is None for at in of(phases, "g", "tokens").choices for c in at)
    assert of(phases, "g", "noise").lines[0].under == {}


# --- credit --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["reinforce", "reinforce, a logit a token"])
def test_one_reward_for_all_words(name):
    phases = trace(made(name))
    line = of(phases, "g", "credit").lines[0]
    reward, baseline, credit = (line.under[row] for row in ("reward", "baseline", "credit"))
    assert len(set(reward)) == len(set(baseline)) == 1
    assert baseline[0] != 0, "four batches have moved it"
    assert credit == pytest.approx([r - b for r, b in zip(reward, baseline, strict=True)], abs=1e-5)
    if name == "reinforce":  # paid 2 D - 1 on the whole sentence
        s = of(phases, "g", "score").values["s"]
        assert reward[0] == pytest.approx(2 / (1 + math.exp(-s)) - 1, abs=1e-5)
        assert of(phases, "g", "loss").values["first"] == pytest.approx(-reward[0], abs=1e-5)


def test_a_word_is_credited_with_what_follows():
    phases = trace(made("dense"))
    line = of(phases, "g", "credit").lines[0]
    reward, baseline, credit = (line.under[row] for row in ("reward", "baseline", "credit"))
    returns, total = [], 0.0
    for r in reversed(reward):  # discount 0.5
        total = r + 0.5 * total
        returns.insert(0, total)
    assert credit == pytest.approx(
        [g - b for g, b in zip(returns, baseline, strict=True)], abs=1e-5
    )
    read = of(phases, "g", "score").lines[0].under["D so far"]
    assert reward == pytest.approx([2 * d - 1 for d in read], abs=1e-5)


@pytest.mark.parametrize("name", ["straight-through", "argmax"])
def test_credit_is_the_slope_of_the_loss_towards_the_average_word(name):
    trainer = made(name)
    twin = trainer.branch()
    twin._turn()
    twin.game.d_update()
    rollout = twin.game.rollout(twin.estimator.play, twin.game.batch)
    line = of(trace(trainer), "g", "credit").lines[0]
    x = torch.nn.functional.one_hot(rollout.ids, twin.data.vocab_size).double()
    d = twin.discriminator.double()
    average = twin.data.support.double() / twin.data.support.sum()

    def loss(t, target, eps):
        moved = x.clone()
        moved[0, t] += eps * (target - x[0, t])
        with torch.no_grad():
            return len(x) * twin.loss.g(d(moved)).item()

    for t in range(len(line.words)):
        slope = (loss(t, average, 1e-6) - loss(t, average, -1e-6)) / 2e-6
        assert line.under["credit"][t] == pytest.approx(slope, abs=1e-5)
        wish = torch.zeros(twin.data.vocab_size, dtype=torch.double)
        wish[twin.data.vocabulary.index(line.under["D would like"][t])] = 1
        gain = -(loss(t, wish, 1e-6) - loss(t, wish, -1e-6)) / 2e-6
        assert line.under["gain"][t] == pytest.approx(gain, abs=1e-5)
        assert gain >= -1e-6


def test_behind_the_wall_nothing_moves():
    phases = trace(made("argmax"))
    assert "None of it reaches G" in of(phases, "g", "credit").said
    update = of(phases, "g", "update").values
    assert update["grad_norm"] == update["step_norm"] == 0
    assert update["log_q"] == update["log_q_after"]
    assert any(c != 0 for c in of(phases, "g", "credit").lines[0].under["credit"])


# --- points --------------------------------------------------------------------------------------


def test_points_move_as_the_run_moves_them():
    trainer = made("points")
    before = trainer.branch()
    phases = trace(trainer)
    update = of(phases, "g", "update").plane
    noise = before.streams["g_noise"]
    before._turn()
    before.game.d_update()
    now = noise.get_state()
    there = before.generator.sample(8, noise)
    noise.set_state(now)
    after = trainer.generator.sample(8, noise)
    assert torch.tensor(update.dots["before"]).equal(there)
    assert torch.tensor(update.dots["fake"]).equal(after)
    moved = (after - there).norm(dim=1).mean().item()
    assert of(phases, "g", "update").values["moved"] == pytest.approx(moved, rel=1e-5)


def test_arrows_start_at_the_points_and_the_ground_is_d():
    trainer = made("points")
    phases = trace(trainer)
    plane = of(phases, "g", "credit").plane
    assert [arrow[:2] for arrow in plane.arrows] == list(plane.dots["fake"])
    assert (len(plane.grid), len(plane.grid[0])) == (25, 25)
    corner = torch.tensor([[-plane.size, plane.size]])  # the last row is the top
    p = trainer.discriminator(corner).sigmoid().item()
    assert plane.grid[-1][0] == pytest.approx(p, abs=1e-5)
    assert of(phases, "g", "points").plane.grid == ()


# --- what cannot be shown ------------------------------------------------------------------------


def test_a_step_in_which_nobody_moves_is_refused_before_anything_moves():
    trainer, other = made("straight-through"), made("straight-through")
    for t in (trainer, other):
        t.knobs.set(d_steps=0, g_steps=0)
    with pytest.raises(ValueError, match="nobody moves"):
        trace(trainer)
    assert same(trainer, other)


def test_a_run_that_diverged_can_be_looked_at():
    trainer = made("straight-through")
    with torch.no_grad():
        trainer.game.d.flat[0] = math.nan
    phases = trace(trainer)
    assert trainer.diverged
    assert math.isnan(of(phases, "d", "loss").values["d_loss"])
    assert "nan" in of(phases, "d", "loss").formula


def test_a_d_that_reads_states_is_not_taken_apart():
    parts = {"discriminator": "behaviour", "estimator": "professor_forcing"}
    trainer = Trainer(Spec(**{**TINY, **parts}))
    start = trainer.game.g.flat.clone()
    with pytest.raises(ValueError, match="'behaviour' reads G's states"):
        trace(trainer)
    assert trainer.t == 0 and torch.equal(trainer.game.g.flat, start)
