"""The discriminator with a memory: its probability by hand, its slots, and that they are kept."""

import math

import pytest
import torch
import torch.nn.functional as F
from languages import TinyLanguage, seeded

from textgan_lab.models import DISCRIMINATORS
from textgan_lab.training import Spec, Trainer

torch.set_num_threads(1)
OK = torch.tensor(True)
SPEC = Spec(
    data="given", discriminator={"memory": {"slots": 8, "nearest": 4, "key": 6}}, batch_size=8,
    knobs={"d_dropout": 0.3, "d_noise": 0.1, "d_lr": 0.01}, probe_every=5, probe_size=16,
    device="cpu",
)  # fmt: skip


def build(**options):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return DISCRIMINATORS.make("memory", options, data=TinyLanguage(eos=True))


def with_slots(keys, real, counts, ages=None, **options):
    """A memory of two dimensions, which looks up what it is handed."""
    d = build(slots=len(keys), key=2, **{"nearest": len(keys), **options})
    d.keys.copy_(torch.tensor(keys))
    d.real.copy_(torch.tensor(real))
    d.counts.copy_(torch.tensor(counts))
    d.ages.copy_(torch.tensor(ages or [0] * len(keys)))
    d.query = lambda x: x
    return d


RIGHT, UP, LEFT, DOWN = [1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]


def test_the_probability_by_hand():
    """P = e^2 (3), e^0 (1), e^-2 (5) over their sum; the first slot is real."""
    d = with_slots(
        [RIGHT, UP, LEFT], [True, False, False], [3.0, 1.0, 5.0],
        concentration=2.0, smoothing=0.0, floor=0.0,
    )  # fmt: skip
    odds = 3 * math.e**2 / (1 + 5 * math.e**-2)
    assert d(torch.tensor([RIGHT])).item() == pytest.approx(math.log(odds), rel=1e-5)


def test_only_the_nearest_slots_count_and_the_floor_keeps_the_logit_finite():
    d = with_slots([RIGHT, UP, LEFT], [True, True, False], [1.0, 1.0, 1.0], nearest=2, floor=0.01)
    logits = d(torch.tensor([RIGHT, LEFT]))
    assert logits[0].item() == pytest.approx(math.log(0.99 / 0.01), rel=1e-4)
    p = 1 / (1 + math.e**10)  # LEFT: itself, and UP at distance 1 in q K, concentration 10
    assert logits[1].item() == pytest.approx(math.log((0.01 + 0.98 * p) / (0.99 - 0.98 * p)), 1e-4)


def test_an_update_of_the_slots_by_hand():
    """Two real sentences at 0 degrees share the real slots at 0 and 90, a fake takes that at 180.

    Shares of a real one: 1 / (1 + 1/e) and 1 / (e + 1) at concentration 1, equal counts.
    """
    d = with_slots(
        [RIGHT, UP, LEFT, DOWN], [True, True, False, False], [2.0, 2.0, 4.0, 1.0],
        concentration=1.0, smoothing=0.0, decay=0.5,
    )  # fmt: skip
    d.remember(torch.tensor([RIGHT, RIGHT]), torch.tensor([LEFT]), OK)
    a, b = math.e / (math.e + 1), 1 / (math.e + 1)
    left = 4 * math.e / (4 * math.e + 1)  # against DOWN, which is at e^0 with count 1
    assert d.counts.tolist() == pytest.approx(
        [1 + 2 * a, 1 + 2 * b, 2 + left, 0.5 + 1 - left], rel=1e-5
    )
    up = torch.tensor([2 * b, 1.0])  # 0.5 * 2 * UP + 2 b * RIGHT
    assert d.keys[1].tolist() == pytest.approx((up / up.norm()).tolist(), rel=1e-5)
    assert d.keys[0].tolist() == pytest.approx(RIGHT) and d.keys[2].tolist() == pytest.approx(LEFT)
    assert d.real.tolist() == [True, True, False, False] and d.ages.tolist() == [0, 0, 0, 0]


def test_slots_that_were_not_met_stay_as_they_are_and_grow_old():
    d = with_slots(
        [RIGHT, UP, LEFT, DOWN], [True, True, False, False], [1.0] * 4, [0, 0, 0, 7], nearest=1
    )
    d.remember(torch.tensor([RIGHT]), torch.tensor([LEFT]), OK)
    assert d.ages.tolist() == [0, 1, 0, 8]
    assert d.counts.tolist() == pytest.approx([1.9, 1, 1.9, 1])
    assert d.keys[1].tolist() == UP and d.keys[3].tolist() == DOWN


def test_newcomers_take_the_slots_that_were_idle_longest():
    """All nearest slots are real: the first fake takes the oldest slot but one, a real one none."""
    d = with_slots(
        [RIGHT, RIGHT, UP, UP], [True, True, True, True], [1.0] * 4, [0, 0, 3, 5], nearest=2
    )
    d.remember(torch.tensor([RIGHT, RIGHT]), torch.tensor([LEFT, DOWN]), OK)
    assert d.real.tolist() == [True, True, False, True]
    assert d.keys[2].tolist() == LEFT and d.keys[3].tolist() == UP
    assert d.counts[2] == 1 and d.ages.tolist() == [0, 0, 0, 6]


def test_a_full_turn_of_kinds_both_newcomers_get_a_slot_of_their_own():
    d = with_slots([UP, UP, UP, UP], [True, False, True, False], [1.0] * 4, [9, 8, 0, 0], nearest=1)
    d.counts.copy_(torch.tensor([1.0, 1.0, 5.0, 1.0]))  # slot 2, real, is nearest to everything
    d.remember(torch.tensor([RIGHT]), torch.tensor([LEFT]), OK)
    assert d.keys[1].tolist() == LEFT and not d.real[1]  # the fake is new
    assert d.keys[0].tolist() == UP and d.ages[0] == 10  # the real one is not


def test_when_told_not_to_nothing_moves():
    d = build()
    before = {name: x.clone() for name, x in d.named_buffers()}
    ids = TinyLanguage(eos=True).train
    bad = torch.full((4, 3, 7), float("nan"))
    d.remember(bad, bad, torch.tensor(False))
    assert all(torch.equal(x, before[name]) for name, x in d.named_buffers())
    d.remember(ids[:8], ids[8:16], OK)
    assert not torch.equal(d.keys, before["keys"])


def test_an_old_slot_of_almost_no_count_keeps_a_unit_key():
    d = with_slots([RIGHT, UP, LEFT], [True, True, False], [1e-30, 1.0, 1.0], smoothing=1e-30)
    for _ in range(50):
        d.remember(torch.tensor([UP]), torch.tensor([LEFT]), OK)
    assert d.keys.norm(dim=1).tolist() == pytest.approx([1, 1, 1], abs=1e-5)
    assert d.keys.isfinite().all() and d.counts.isfinite().all()


def test_keys_stay_unit_vectors_and_it_tells_what_it_was_shown():
    """With the CNN as it was made: two fixed sets of strings, told apart by the slots alone."""
    data = TinyLanguage(words=5, length=6, pool=5)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        d = DISCRIMINATORS.make("memory", {"slots": 16, "nearest": 8}, data=data)
    real = torch.randint(4, 7, (64, 6), generator=seeded(1))
    fake = torch.randint(6, 9, (64, 6), generator=seeded(2))
    for _ in range(20):
        d.remember(real, fake, OK)
    torch.testing.assert_close(d.keys.norm(dim=1), torch.ones(16))
    right = ((d(real) > 0).double().mean() + (d(fake) < 0).double().mean()) / 2
    assert right > 0.9
    sums = F.normalize(d.query(real).sum(0), dim=0) @ d.keys.T  # real keys lie on the real side
    assert sums[d.real].mean() > sums[~d.real].mean()


def test_the_number_of_slots_must_make_sense():
    for options in ({"slots": 4, "nearest": 5}, {"slots": 1, "nearest": 1}, {"nearest": 0}):
        with pytest.raises(ValueError, match="discriminator 'memory': expected 2 slots or more"):
            build(**options)


# --- in a run ------------------------------------------------------------------------------------


def run(steps):
    trainer = Trainer(SPEC, data=TinyLanguage(eos=True))
    return trainer.run(steps)


def same(a, b):
    for x, y in ((a.game.g, b.game.g), (a.game.d, b.game.d)):
        assert torch.equal(x.flat, y.flat)
        assert all(torch.equal(now, y.buffers[name]) for name, now in x.buffers.items())
    assert a.telemetry.lines("telemetry") == b.telemetry.lines("telemetry")


def test_the_memory_learns_once_an_update_of_d_with_clean_queries():
    trainer = Trainer(SPEC, data=TinyLanguage(eos=True))
    calls, d = [], trainer.discriminator
    remember = d.remember
    d.remember = lambda *x: calls.append((d.dropout.active, *x)) or remember(*x)
    before = d.keys.clone()
    trainer.d_step()
    assert len(calls) == 1 and not torch.equal(d.keys, before)
    active, real, fake, ok = calls[0]
    assert not active and len(real) == len(fake) == 8 and ok
    trainer.g_step()
    assert len(calls) == 1


def test_what_it_learns_as_real_are_training_rows_and_as_fake_what_g_wrote():
    trainer, twin = (
        Trainer(
            SPEC.model_copy(update={"estimator": "reinforce", "knobs": {}}),
            data=TinyLanguage(eos=True),
        )
        for _ in range(2)
    )
    taught, d = [], trainer.discriminator
    d.remember = lambda real, fake, ok: taught.append((real, fake))
    trainer.d_step()
    rows = torch.randint(len(twin.data.train), (8,), generator=twin.streams["data"])
    ((real, fake),) = taught
    assert torch.equal(real, twin.data.train[rows])
    assert torch.equal(fake, twin.generator.sample(8, twin.streams["g_noise"]))
    assert not torch.equal(real, fake)


def test_saved_and_resumed_equals_never_stopped(tmp_path):
    path = run(7).save(tmp_path / "run.ckpt")
    resumed = Trainer.resume(path, data=TinyLanguage(eos=True))
    assert set(resumed.game.d.buffers) == {"keys", "real", "counts", "ages"}
    assert not resumed.game.g.buffers
    same(resumed.run(8), run(15))


def test_rewound_and_branched_runs_repeat_themselves():
    trainer = run(5)
    snapshot, branch = trainer.snapshot(), trainer.branch()
    trainer.run(6)
    same(branch.run(6), trainer)
    trainer.restore(snapshot)
    same(trainer.run(6), run(11))


def test_a_gradient_that_is_not_finite_leaves_the_memory_alone():
    trainer = run(5)
    before = {name: x.clone() for name, x in trainer.game.d.buffers.items()}
    trainer.discriminator.head.bias.data.fill_(float("nan"))
    list(trainer.steps(3))
    assert trainer.diverged
    assert all(torch.equal(x, before[name]) for name, x in trainer.game.d.buffers.items())
