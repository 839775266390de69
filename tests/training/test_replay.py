"""A live session is a schedule: replayed, it gives the same bits."""

import random
import threading

import pytest
import torch
from languages import TinyLanguage, TwoClouds

from textgan_lab.knobs import Schedule
from textgan_lab.training import Spec, Trainer

torch.set_num_threads(1)
RANGES = {
    "d_lr": (1e-4, 1e-2), "g_lr": (1e-4, 1e-2), "d_beta1": (0.0, 0.95), "g_beta2": (0.5, 0.999),
    "d_noise": (0.0, 0.5), "d_dropout": (0.0, 0.5), "entropy.weight": (0.0, 0.1),
}  # fmt: skip
SPECS = {
    "dense": Spec(
        data="given", discriminator="lstm", estimator="dense_reinforce", remedies={"entropy": {}},
        batch_size=8, probe_every=10, probe_size=32, mle_steps=5, device="cpu",
    ),
    "gumbel": Spec(
        data="given", remedies={"entropy": {}, "gradient_penalty": {"weight": 1.0}}, batch_size=8,
        probe_every=0, device="cpu",
    ),
}  # fmt: skip


def build(spec, schedule=None):
    return Trainer(spec, schedule, data=TinyLanguage(eos=True))


def assert_same_run(live, replay):
    assert torch.equal(live.game.g.flat, replay.game.g.flat)
    assert torch.equal(live.game.d.flat, replay.game.d.flat)
    for name in ("telemetry", "samples"):
        assert live.telemetry.lines(name) == replay.telemetry.lines(name)

    def turned(t):  # who turned is the one thing that a replay changes
        return [(x.step, x.name, x.old, x.new) for x in t.telemetry.turns]

    assert turned(live) == turned(replay)


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_a_session_of_turns_and_steps_by_hand_replays_bit_for_bit(spec):
    live, dice = build(spec), random.Random(0)
    list(live.steps(spec.mle_steps))  # by hand there is only D or G to step, after the warm-up
    while len(live.telemetry.turns) < 60 or live.t < 60:
        for _ in range(dice.randrange(4)):
            name = dice.choice(list(RANGES))
            live.knobs.set({name: dice.uniform(*RANGES[name])})
        what = dice.random()
        if what < 0.1:
            live.d_step()
        elif what < 0.2:
            live.g_step()
        else:
            list(live.steps(dice.randrange(1, 4)))
    replay = build(spec, live.telemetry.schedule()).run(live.t)
    assert_same_run(live, replay)
    assert len({turn.name for turn in live.telemetry.turns}) >= 8  # with d_steps, g_steps
    assert {turn.source for turn in replay.telemetry.turns} == {"schedule"}
    again = build(spec, replay.telemetry.schedule()).run(live.t)
    assert again.telemetry.lines("events") == replay.telemetry.lines("events")
    without = build(spec).run(live.t)
    assert not torch.equal(live.game.g.flat, without.game.g.flat)


def test_turns_by_another_thread_replay_bit_for_bit():
    spec, stop = SPECS["gumbel"], threading.Event()
    live = build(spec)

    def turn():
        dice = random.Random(1)
        while not stop.wait(0.001):
            names = dice.sample(list(RANGES), 2)
            live.knobs.set({name: dice.uniform(*RANGES[name]) for name in names})

    thread = threading.Thread(target=turn)
    thread.start()
    try:
        for _ in live.steps(80):
            pass
    finally:
        stop.set()
        thread.join()
    assert len({turn.step for turn in live.telemetry.turns}) >= 10
    replay = build(spec, live.telemetry.schedule()).run(80)
    assert_same_run(live, replay)


def test_points_replay_too():
    spec = Spec(
        data="given", generator="mlp", discriminator="mlp", estimator="pathwise",
        g_optimiser="rmsprop", d_optimiser="sgd", batch_size=16, probe_every=5, device="cpu",
    )  # fmt: skip
    live = Trainer(spec, data=TwoClouds())
    for step in live.steps(30):
        if step.t % 4 == 1:
            live.knobs.set(d_lr=1e-3 * (step.t + 1), d_momentum=0.5, g_alpha=0.9 - step.t / 100)
            live.g_step()
    replay = Trainer(spec, live.telemetry.schedule(), data=TwoClouds()).run(live.t)
    assert_same_run(live, replay)


def test_every_seed_is_a_run_of_its_own_and_the_same_seed_the_same_run():
    spec = SPECS["dense"]
    one, same, other = (build(spec.model_copy(update={"seed": seed})).run(12) for seed in (0, 0, 1))
    assert_same_run(one, same)
    assert one.telemetry.lines("events") == same.telemetry.lines("events")
    assert not torch.equal(one.game.d.flat, other.game.d.flat)


def test_training_neither_reads_nor_moves_the_global_streams():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    one = build(SPECS["dense"]).run(12)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(6)
    torch.rand(3)
    assert_same_run(one, build(SPECS["dense"]).run(12))


# --- what counts as a turn -----------------------------------------------------------------------


@pytest.fixture
def live():
    return build(SPECS["gumbel"])


def turns(t):
    return [(x.step, x.name, x.old, x.new, x.source) for x in t.telemetry.turns]


def test_a_turn_is_applied_at_the_next_step_and_recorded_with_it(live):
    list(live.steps(2))
    live.knobs.set(d_lr=0.5)
    assert turns(live) == [] and live.mirror.slots["d_lr"].item() == 1e-3
    (step,) = live.steps(1)
    assert turns(live) == [(2, "d_lr", 1e-3, 0.5, "user")]
    assert step.t == 2 and list(step.turns) == live.telemetry.turns
    assert live.mirror.slots["d_lr"].item() == 0.5
    (step,) = live.steps(1)
    assert step.turns == () and len(live.telemetry.turns) == 1


def test_every_knob_reaches_the_device(live):
    new = {}
    for knob in live.knobs.table.values():
        low, high = knob.shown
        new[knob.name] = 2 if knob.integer else (low + high) / 3
    live.knobs.set(new)
    list(live.steps(1))
    assert {name: slot.item() for name, slot in live.mirror.slots.items()} == new
    start, end = live.mirror.vector.data_ptr(), live.mirror.vector.nbytes
    for optimiser in live.game.optimisers.values():  # they read it there, not a copy
        for setting in optimiser.settings:
            assert 0 <= getattr(optimiser, setting.name).data_ptr() - start < end


def test_several_turns_between_two_steps_are_one(live):
    for value in (0.1, 0.2, 0.3):
        live.knobs.set(d_lr=value)
    live.knobs.set(g_lr=0.4)
    list(live.steps(1))
    assert turns(live) == [(0, "d_lr", 1e-3, 0.3, "user"), (0, "g_lr", 1e-3, 0.4, "user")]


def test_a_turn_there_and_back_leaves_no_turn(live):
    live.knobs.set(d_lr=0.1)
    live.knobs.set(d_lr=1e-3)
    live.knobs.set(g_lr=1e-3)
    list(live.steps(2))
    assert turns(live) == []


def test_a_step_by_hand_is_a_turn_of_the_counts(live):
    live.knobs.set(d_steps=3)
    list(live.steps(1))
    d, g = live.game.d.flat.clone(), live.game.g.flat.clone()
    live.d_step()
    assert not torch.equal(d, live.game.d.flat) and torch.equal(g, live.game.g.flat)
    d = live.game.d.flat.clone()
    live.g_step()
    assert torch.equal(d, live.game.d.flat) and not torch.equal(g, live.game.g.flat)
    list(live.steps(1))
    assert turns(live) == [
        (0, "d_steps", 1, 3, "user"),
        (1, "d_steps", 3, 1, "by hand"), (1, "g_steps", 1, 0, "by hand"),
        (2, "d_steps", 1, 0, "by hand"), (2, "g_steps", 0, 1, "by hand"),
        (3, "d_steps", 0, 3, "by hand"),
    ]  # fmt: skip
    assert live.t == 4


def test_by_hand_moves_nobody_else_during_the_warm_up():
    live = build(SPECS["dense"])
    g = live.game.g.flat.clone()
    try:
        live.d_step()
    except ValueError as error:
        assert "warm" in str(error)  # refused, with the way out
    assert torch.equal(g, live.game.g.flat)


def test_a_scheduled_turn_says_so_and_the_step_uses_it():
    live = build(SPECS["gumbel"], Schedule([[1, "d_lr", 0.0], [1, "g_lr", 0.0]]))
    list(live.steps(1))
    kept = live.game.g.flat.clone(), live.game.d.flat.clone()
    list(live.steps(3))
    assert torch.equal(kept[0], live.game.g.flat) and torch.equal(kept[1], live.game.d.flat)
    assert turns(live) == [(1, "d_lr", 1e-3, 0.0, "schedule"), (1, "g_lr", 1e-3, 0.0, "schedule")]


@pytest.mark.parametrize(
    "entry, said", [([7, "d_lrr", 1.0], "unknown knob 'd_lrr'"), ([7, "d_lr", 99.0], "99")]
)
def test_a_schedule_that_cannot_be_played_is_refused_before_the_first_step(entry, said):
    with pytest.raises(ValueError, match=said):
        build(SPECS["gumbel"], Schedule([entry]))
