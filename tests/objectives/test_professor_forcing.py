"""Professor forcing: the gradient through G's states with the tokens held, and what it leaves out.

Three words and length three: whatever G can write is summed over, 27 strings (40 with <eos>).
"""

import copy
import functools

import pytest
import torch
from dialogues import TinyDialogue
from gradients import draws, flat, language, players, standard_errors_off
from languages import TinyLanguage
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from textgan_lab.objectives import ESTIMATORS, LOSSES
from textgan_lab.training import Spec, Trainer

torch.set_num_threads(1)
LOSS = LOSSES["non_saturating"]
ENDS = pytest.mark.parametrize("eos", [False, True], ids=["cut", "eos"])


@functools.cache
def opposed(eos=False):
    """A G, and a D on whose verdict it matters which words came before."""
    g, d = copy.deepcopy(players("behaviour", eos))
    with torch.no_grad():
        for p in d.lstm.parameters():
            p.mul_(8)
    return g, d


def paid(g, d, data):
    """What each string costs G, [strings]: the mean of D's verdict over the tokens that count."""
    s = d(g.features(data.playable))
    counted = data.playable != 0
    return (LOSS.generator(s) * counted).sum(1) / counted.sum(1)


def in_expectation(estimator, g, d, data, monkeypatch):
    """The estimator's expected gradient, every string in its turn a batch of one."""
    total = 0.0
    for row, weight in zip(data.playable, g.log_prob(data.playable).exp().detach(), strict=True):
        with monkeypatch.context() as only:
            only.setattr(g, "sample", lambda n, noise, given=None, row=row: row[None])
            rollout = estimator.play(g, 1, None, {})
        total = total + weight * flat(estimator.loss(rollout, d, LOSS), g)
    return total


@ENDS
def test_the_gradient_is_that_through_the_states_of_every_sentence(eos, monkeypatch):
    """sum_x q(x) d/dtheta loss(D(h(x))), each derivative a central difference, and q held."""
    g, d = opposed(eos)
    data, estimator = language(eos), ESTIMATORS.make("professor_forcing")
    q, step = g.log_prob(data.playable).exp().detach(), 1e-5
    theta = parameters_to_vector(g.parameters()).detach()

    @torch.no_grad()
    def cost(weights):
        vector_to_parameters(weights, g.parameters())
        return (q * paid(g, d, data)).sum()

    nudges = step * torch.eye(len(theta), dtype=theta.dtype)
    exact = torch.stack([cost(theta + u) - cost(theta - u) for u in nudges]) / (2 * step)
    vector_to_parameters(theta, g.parameters())
    assert exact.norm() > 0.02
    ours = in_expectation(estimator, g, d, data, monkeypatch)
    assert (ours - exact).norm() < 1e-7 * exact.norm()
    if eos:  # the mean over counted tokens of a batch is a ratio, and its mean another
        return
    gradients, values = draws(estimator, g, d, LOSS, repeats=200, batch=64)
    assert standard_errors_off(gradients, exact).max() < 4
    off = (values.mean() - (q * paid(g, d, data)).sum()) / (values.std() / len(values) ** 0.5)
    assert off.abs() < 4


def test_what_it_leaves_out_is_the_score_function_s_share(monkeypatch):
    """With q free to move the gradient is another one; REINFORCE is exactly the difference."""
    g, d = opposed()
    data = language()
    full = flat((g.log_prob(data.playable).exp() * paid(g, d, data)).sum(), g)
    states = in_expectation(ESTIMATORS.make("professor_forcing"), g, d, data, monkeypatch)
    score = ESTIMATORS.make("reinforce", {"reward": "loss", "baseline": "none"})
    score = in_expectation(score, g, d, data, monkeypatch)
    bias = (states - full).norm() / full.norm()
    assert bias > 0.05, bias
    assert (states + score - full).norm() < 1e-10 * full.norm()


def test_the_way_from_states_to_words_gets_no_gradient(monkeypatch):
    g, d = opposed()
    estimator = ESTIMATORS.make("professor_forcing")
    gradient = in_expectation(estimator, g, d, language(), monkeypatch)
    sizes = [p.numel() for p in g.parameters()]
    by_name = dict(zip((n for n, _ in g.named_parameters()), gradient.split(sizes), strict=True))
    zero = {name for name, part in by_name.items() if not part.any()}
    assert zero == {"head.weight", "head.bias"}


# --- in a run ------------------------------------------------------------------------------------


def run(data=None, **fields):
    fields = {"estimator": "professor_forcing", "discriminator": "behaviour", **fields}
    spec = {"data": "given", "batch_size": 8, "probe_every": 0, "device": "cpu", **fields}
    return Trainer(Spec(**spec), data=TinyLanguage(eos=True) if data is None else data)


def test_a_player_s_update_moves_that_player_alone(monkeypatch):
    trainer = run()
    g, d = trainer.game.g.flat, trainer.game.d.flat
    features, graphs = trainer.generator.features, []

    def watched(ids):
        found = features(ids)
        graphs.append(found.requires_grad)
        return found

    monkeypatch.setattr(trainer.generator, "features", watched)
    before = g.clone(), d.clone()
    trainer.d_step()
    assert torch.equal(g, before[0]) and not torch.equal(d, before[1])
    assert graphs == [False]  # once for both sides, and nothing is kept for G's derivative
    before = g.clone(), d.clone()
    trainer.g_step()
    assert not torch.equal(g, before[0]) and torch.equal(d, before[1])
    assert graphs == [False, True]


def test_a_twin_has_a_d_that_reads_its_own_g():
    data = TinyDialogue(eos=True)
    trainer = run(data, generator="attention", teacher_steps=1, mle_steps=2, probe_every=5)
    list(trainer.steps(4))
    twin = trainer.branch()
    assert twin.discriminator.generator is twin.generator is not trainer.generator
    there = trainer.game.g.flat.clone()
    list(twin.steps(6))
    assert torch.equal(trainer.game.g.flat, there)
    list(trainer.steps(6))
    assert torch.equal(trainer.game.g.flat, twin.game.g.flat)
    assert torch.equal(trainer.game.d.flat, twin.game.d.flat)
    assert trainer.telemetry.rows == twin.telemetry.rows and not trainer.diverged
    assert "d_noise" not in trainer.knobs.table and "label_smoothing" in trainer.knobs.table


@pytest.mark.parametrize(
    "spec, said",
    [
        ({"discriminator": "lstm"}, "estimator 'professor_forcing' needs.*G's states: behaviour$"),
        ({"estimator": "gumbel"}, "estimator 'gumbel' needs.* words, not G's states: cnn, lstm"),
        ({"estimator": "regs"}, "estimator 'regs' needs.* words, not G's states: cnn, lstm"),
        ({"remedies": {"input_noise": {}}}, "remedy 'input_noise' needs.*not G's states: cnn"),
        ({"remedies": {"r1": {}}}, "remedy 'r1' needs .* words, not G's states: cnn"),
        ({"generator": "relational"}, "'relational' does not give: lstm, attention, transformer"),
        ({"knobs": {"d_noise": 0.1}}, "unknown knob 'd_noise'; this run has"),
    ],
)
def test_what_cannot_act_on_states_is_refused_with_what_would(spec, said):
    with pytest.raises(ValueError, match=said):
        run(**spec)


@pytest.mark.parametrize("estimator", ["reinforce", "dense_reinforce", "rollouts", "relax"])
def test_rewards_may_come_from_a_d_that_reads_states(estimator):
    """It is asked about ids then, so that G's states are part of the verdict and are not moved."""
    trainer = run(estimator=estimator)
    before = trainer.game.g.flat.clone()
    list(trainer.steps(2))
    assert not torch.equal(trainer.game.g.flat, before) and not trainer.diverged


@pytest.mark.parametrize("remedy", ["gradient_penalty", "dragan", "r2"])
def test_no_slope_can_be_asked_for(remedy):
    with pytest.raises(ValueError, match=f"remedy '{remedy}' needs a discriminator that reads"):
        run(remedies={remedy: {}})
