"""The generator that reads D's memory: its law is a sum over keys, its remedy a bound by hand."""

import copy

import pytest
import torch
import torch.nn.functional as F
from dialogues import TinyDialogue
from languages import TinyLanguage, chi_square, seeded
from torch.nn.utils import parameters_to_vector

from textgan_lab.baselines import KeyedGenerator
from textgan_lab.models import DISCRIMINATORS
from textgan_lab.objectives import REMEDIES
from textgan_lab.objectives.remedies import Move
from textgan_lab.training import Spec, Trainer

torch.set_num_threads(1)
MEMORY = {"slots": 6, "nearest": 3, "key": 4, "concentration": 3.0}
KEYED = {"key": 4, "embedding": 4, "hidden": 6}
COUNTS = torch.tensor([3.0, 5.0, 1.0, 0.5, 6.0, 2.0])  # slots 0, 2, 4 are of real sentences


def players(data):
    """A G in float64 that minds its key, and the D whose memory it reads."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(2)
        g = KeyedGenerator(data, **KEYED).double()
        d = DISCRIMINATORS.make("memory", MEMORY, data=data).double()
    with torch.no_grad():
        for p in g.parameters():
            p.mul_(2)
    d.counts.copy_(COUNTS)
    g.consult(d)
    return g, d


@pytest.fixture(params=[False, True], ids=["cut", "eos"])
def language(request):
    return TinyLanguage(eos=request.param)


def under_each(g, ids):
    """Ln q(x | K) of every key, [slots, n], and the weights of the real ones by hand."""
    each = [g.decoder.under(key.expand(len(ids), -1)).log_prob(ids) for key in g.memory.keys]
    return torch.stack(each), torch.tensor([0.3, 0, 0.1, 0, 0.6, 0], dtype=torch.float64)


def test_keys_come_from_real_slots_as_often_as_they_were_met():
    g, d = players(TinyLanguage())
    n = 20_000
    keys = g.draw(n, seeded(1))
    drawn = (keys[:, None] == d.keys).all(2)
    assert (drawn.sum(1) == 1).all()
    assert chi_square(drawn.sum(0), n * torch.tensor([0.3, 0, 0.1, 0, 0.6, 0])) > 1e-4
    assert d.log_prior.exp().tolist() == pytest.approx([0.3, 0, 0.1, 0, 0.6, 0], abs=1e-6)


def test_the_law_is_the_sum_over_keys(language):
    g, _ = players(language)
    ids = language.playable
    each, weights = under_each(g, ids)
    by_hand = (weights[:, None] * each.exp()).sum(0).log()
    torch.testing.assert_close(g.log_prob(ids), by_hand, rtol=0, atol=1e-6)
    assert by_hand.exp().sum().item() == pytest.approx(1, abs=1e-9)
    assert (each[0] - each[4]).abs().max() > 0.3  # so that keys matter here
    next_token = g.score(ids).log_p.exp().sum(2)
    torch.testing.assert_close(next_token, torch.ones_like(next_token), rtol=0, atol=1e-6)


def test_what_it_writes_follows_its_law(language):
    g, _ = players(language)
    n, ids = 20_000, language.playable
    q = g.log_prob(ids).exp()
    relaxed = g.relax(n, seeded(2), torch.tensor(1.0), straight_through=True)
    for drawn in (g.sample(n, seeded(1)), g.play(n, seeded(3)).ids, relaxed.ids):
        counts = (drawn[:, None] == ids).all(2).sum(0)
        assert counts.sum() == n and chi_square(counts, n * q) > 1e-4
    assert torch.equal(g.sample(50, seeded(1)), g.play(50, seeded(1)).ids)


def test_a_rollout_tells_the_key_of_each_row():
    g, _ = players(TinyLanguage(eos=True))
    for rollout in (
        g.play(40, seeded(1)), g.relax(40, seeded(1), torch.tensor(1.0), straight_through=True),
    ):  # fmt: skip
        assert torch.equal(rollout.key, g.draw(40, seeded(1)))
        own = g.decoder.under(rollout.key).score(rollout.ids).log_q
        torch.testing.assert_close(rollout.log_q, own)


def test_likelihood_is_learned_under_keys_drawn_for_writing():
    g, _ = players(TinyLanguage(eos=True))
    ids = TinyLanguage(eos=True).validation
    found, written = g.nll_loss(ids, seeded(4)), g.decoder.under(g.draw(100, seeded(4)))
    assert found == written.nll_loss(ids, None, None)
    each, weights = under_each(g, ids)
    assert (weights @ each < g.log_prob(ids)).all()  # in the mean no more than ln q


def test_it_reads_a_memory_and_owns_nothing_of_it():
    data = TinyLanguage(eos=True)
    g, d = players(data)
    ids = data.playable
    assert "memory" not in dict(g.named_modules()) and not set(g.buffers()) & set(d.buffers())
    weights, law = parameters_to_vector(g.parameters()).clone(), g.log_prob(ids)
    d.remember(data.train[:8], data.train[8:16], torch.tensor(True))
    assert torch.equal(parameters_to_vector(g.parameters()), weights)
    assert (g.log_prob(ids) - law).abs().max() > 1e-3
    pair = copy.deepcopy((g, d))
    assert pair[0].memory is pair[1] is not d


def test_without_real_slots_any_key_will_do():
    g, d = players(TinyLanguage())
    d.real.fill_(False)
    torch.testing.assert_close(d.log_prior.exp(), torch.full((6,), 1 / 6).double())
    assert g.log_prob(TinyLanguage().playable).exp().sum().item() == pytest.approx(1, abs=1e-6)


# --- the bound -----------------------------------------------------------------------------------


def test_the_bound_by_hand():
    g, d = players(TinyLanguage(eos=True))
    remedy, rollout = REMEDIES.make("key_information"), g.play(8, seeded(1))
    term = remedy.g_term(Move(g, d, rollout, None, seeded()))
    q = F.normalize(d.head(d.cnn(d.embed(rollout.ids))), dim=1)
    by_hand = -sum(3.0 * rollout.key[i] @ q[i] for i in range(8)) / 8
    assert term.item() == pytest.approx(by_hand.item(), rel=1e-9)
    d.query = lambda x: rollout.key
    assert remedy.g_term(Move(g, d, rollout, None, seeded())).item() == pytest.approx(-3)


def trainer(**spec):
    spec = {
        "generator": {"keyed": KEYED}, "discriminator": {"memory": MEMORY},
        "remedies": {"key_information": {"weight": 0.5}}, "batch_size": 8, "probe_every": 0,
        "device": "cpu", **spec,
    }  # fmt: skip
    return Trainer(Spec(data="given", **spec), data=TinyLanguage(eos=True))


@pytest.mark.parametrize("side", ["d", "g"])
def test_each_player_is_moved_by_the_bound_on_its_own_fakes(side):
    """The gradient is that of the adversarial part and of half the bound, under the same noise."""
    whole, plain = trainer(), trainer(remedies={})
    players = [
        (t, getattr(t.game, side), getattr(t.game, f"_{side}_objective")) for t in (whole, plain)
    ]
    (loss, values), (other, _) = (objective() for _, _, objective in players)
    gradient, without = (p.gradient(x) for (_, p, _), x in zip(players, (loss, other), strict=True))
    again = trainer()
    if side == "d":
        again.game.batch()
    given = (again.streams["g_noise"], again.mirror.slots["temperature"], True)
    rollout = again.generator.relax(8, *given)
    x = rollout.x.detach() if side == "d" else rollout.x
    bound = -3.0 * (rollout.key * again.discriminator.query(x)).sum(1).mean()
    assert values[f"{side}_loss.key_information"].item() == pytest.approx(
        bound.item() / 2, rel=1e-5
    )
    own = getattr(again.game, side).gradient(bound)
    assert own.norm() > 1e-3
    torch.testing.assert_close(gradient - without, own / 2, rtol=1e-3, atol=1e-6)


# --- in a run ------------------------------------------------------------------------------------


def run(steps, **spec):
    t = trainer(mle_steps=2, probe_every=5, probe_size=16, **spec)
    list(t.steps(steps))
    return t


def same(a, b):
    for x, y in ((a.game.g, b.game.g), (a.game.d, b.game.d)):
        assert torch.equal(x.flat, y.flat)
        assert all(torch.equal(now, y.buffers[name]) for name, now in x.buffers.items())
    assert a.telemetry.rows == b.telemetry.rows


def test_a_run_resumes_branches_and_rewinds_bit_for_bit(tmp_path):
    straight, parted = run(12), run(6)
    assert not straight.diverged
    parted.g_gradient(n=4), parted.show(), parted.measure()
    path, snapshot = parted.save(tmp_path / "run.ckpt"), parted.snapshot()
    branch, resumed = parted.branch(), Trainer.resume(path, data=parted.data)
    for t in (branch, resumed, parted):
        assert t.generator.memory is t.discriminator
        list(t.steps(6))
        same(t, straight)
    parted.restore(snapshot)
    list(parted.steps(6))
    same(parted, straight)


def test_a_reply_has_a_key_too():
    data = TinyDialogue(eos=True)
    spec = {"generator": {"keyed": KEYED}, "discriminator": {"memory": MEMORY}, "device": "cpu"}
    t = Trainer(Spec(data="given", batch_size=4, probe_every=3, probe_size=8, **spec), data=data)
    list(t.steps(3))
    assert not t.diverged and t.telemetry.rows[-1]["held_out_nll"] > 0
    for rows in data.playable:  # all replies to one prompt
        assert t.generator.log_prob(rows).exp().sum().item() == pytest.approx(1, abs=1e-4)


def test_probes_know_its_likelihood():
    t = run(5)
    row = t.telemetry.rows[-1]
    exact = -t.generator.log_prob(t.data.validation[:16]).mean().item()
    assert row["held_out_nll.sentence"] == pytest.approx(exact, rel=1e-6)
    assert 0 < row["js"] < 0.6931 and "held_out_nll_bound" not in row


@pytest.mark.parametrize(
    "spec, said",
    [
        ({"discriminator": "cnn"}, "generator 'keyed' needs 'remember' of the discriminator, which "
         "'cnn' lacks: memory"),
        ({"generator": "lstm"}, "remedy 'key_information' needs 'consult' of the generator, which "
         "'lstm' lacks: keyed"),
        ({"generator": "keyed"}, "reads keys of 32 numbers, and D's memory has keys of 4"),
        ({"estimator": "reinforce"}, "needs ln q, which generator 'keyed' cannot tell"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_with_what_would(spec, said):
    with pytest.raises(ValueError, match=said):
        trainer(**spec)


def test_it_cannot_write_before_it_has_a_memory():
    with pytest.raises(ValueError, match="has no memory to draw keys from"):
        KeyedGenerator(TinyLanguage()).sample(2, seeded())
