"""VAE-GAN as a composition: what each term is, and which weights it may move."""

import pytest
import torch
from dialogues import TinyDialogue
from languages import TinyLanguage, seeded

from textgan_lab.models import DISCRIMINATORS, autoregressive
from textgan_lab.models.sampling import gumbel
from textgan_lab.objectives import ESTIMATORS, LOSSES, REMEDIES
from textgan_lab.objectives.remedies import Move
from textgan_lab.training import Spec, Trainer

torch.set_num_threads(1)
SMALL = {"latent": 2, "embedding": 4, "hidden": 6}


def trainer(generator="vae", remedies=None, **spec):
    if remedies is None:
        remedies = {"elbo": {"weight": 0.5}, "feature_reconstruction": {"weight": 0.25}}
    spec = {"batch_size": 16, "probe_every": 0, "device": "cpu", **spec}
    spec = Spec(data="given", generator={generator: SMALL}, remedies=remedies, **spec)
    return Trainer(spec, data=TinyLanguage(eos=True))


def term(name, t, real, seed=1, **options):
    move = Move(t.generator, t.discriminator, None, lambda: real, seeded(seed))
    return REMEDIES.make(name, options).g_term(move)


@pytest.mark.parametrize("generator", ["vae", "flow"])
def test_a_step_records_its_three_terms(generator):
    t = trainer(generator)
    (step,) = t.steps(1)
    parts = ["adversarial", "elbo", "feature_reconstruction"]
    values = [step.values[f"g_loss.{part}"] for part in parts]
    assert step.values["g_loss"] == pytest.approx(sum(values), rel=1e-5)
    assert min(values[1:]) > 0


def test_the_bound_is_the_generators_own_loss_on_real_rows():
    t = trainer()
    real = t.data.validation[:40]
    found = term("elbo", t, real)
    t.generator.batches.zero_()
    assert torch.equal(found, t.generator.nll_loss(real, seeded(1), None))


def test_the_distance_is_that_of_features():
    """Half the squared distance of D's features of real rows and of what their codes write."""
    t = trainer()
    real = t.data.validation[:40]
    found = term("feature_reconstruction", t, real, temperature=0.7)
    again = t.generator.reconstruct(real, seeded(1), torch.tensor(0.7), straight_through=True)
    assert not torch.equal(again.ids, real)
    f = t.discriminator.features
    by_row = [0.5 * (f(real[i : i + 1]) - f(again.ids[i : i + 1])).norm() ** 2 for i in range(40)]
    assert found.item() == pytest.approx((sum(by_row) / 40).item(), rel=1e-4)
    grads = torch.autograd.grad(found, list(t.generator.parameters()))
    assert all(g.abs().sum() > 0 for g in grads)  # the encoder's too


def test_a_perfect_reconstruction_costs_nothing():
    t = trainer()
    real = t.data.validation[:40]
    t.generator.reconstruct = lambda ids, *_, **__: t.generator.decoder.under(
        torch.zeros(len(ids), 2)
    ).score(ids)
    assert term("feature_reconstruction", t, real).item() == 0


def test_d_moves_the_decoder_and_not_the_encoder():
    """Sentences from the prior never saw the encoder: only the terms on real rows teach it."""
    t = trainer(remedies={})
    before = {n: p.detach().clone() for n, p in t.generator.named_parameters()}
    list(t.steps(3))
    moved = {n.split(".")[0] for n, p in t.generator.named_parameters()
             if not torch.equal(p, before[n])}  # fmt: skip
    assert moved == {"decoder"}


def test_reconstruction_moves_g_and_never_d():
    t = trainer(knobs={"d_steps": 0})
    d, encoder = (
        t.game.d.flat.clone(),
        [p.detach().clone() for p in t.generator.encoder.parameters()],
    )
    list(t.steps(3))
    assert torch.equal(t.game.d.flat, d)
    after = list(t.generator.encoder.parameters())
    assert all(not torch.equal(a, b) for a, b in zip(after, encoder, strict=True))


def test_the_terms_ask_for_parts_that_have_what_they_need():
    for generator, discriminator, what in (
        ("lstm", "cnn", "'reconstruct' of the generator, which 'lstm' lacks: flow, vae"),
        ("vae", "lstm", "'features' of the discriminator, which 'lstm' lacks: cnn"),
    ):
        spec = Spec(
            data="given", generator=generator, discriminator=discriminator, device="cpu",
            remedies={"feature_reconstruction": {}},
        )  # fmt: skip
        with pytest.raises(ValueError, match=f"remedy 'feature_reconstruction' needs {what}"):
            Trainer(spec, data=TinyLanguage())
    with pytest.raises(ValueError, match="temperature must be above 0, got 0"):
        REMEDIES.make("feature_reconstruction", {"temperature": 0})


def test_features_are_what_the_cnn_judges_by():
    data = TinyLanguage(eos=True)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        d = DISCRIMINATORS.make("cnn", {"widths": (2, 3), "filters": 5}, data=data)
    ids = data.validation
    f = d.features(ids)
    assert f.shape == (100, 10)
    by_hand = d.head(torch.nn.functional.leaky_relu(d.hidden(f), 0.2)).squeeze(1)
    assert torch.equal(d(ids), by_hand)
    points = torch.nn.functional.one_hot(ids, data.vocab_size).float()
    torch.testing.assert_close(d.features(points), f, rtol=0, atol=1e-5)


# --- reconstructions as fakes --------------------------------------------------------------------

LOSS, SLOTS = LOSSES["non_saturating"], {"temperature": torch.tensor(0.7)}


def by_player(loss, g):
    """The gradient of each part of G."""
    names, weights = zip(*g.named_parameters(), strict=True)
    grads = torch.autograd.grad(loss, weights, materialize_grads=True)
    found = {}
    for name, grad in zip(names, grads, strict=True):
        found.setdefault(name.split(".")[0], []).append(grad.flatten())
    return {player: torch.cat(parts) for player, parts in found.items()}


@pytest.mark.parametrize("n", [8, 7])
@pytest.mark.parametrize("generator", ["vae", "flow"])
def test_the_decoder_s_gradient_is_that_of_both_halves_and_the_encoder_s_is_zero(
    generator, n, monkeypatch
):
    """By hand: codes of the prior for one half, held codes of real rows for the other.

    Every row in a pass of its own, under the Gumbel noise that the batch has met.
    """
    t = trainer(generator)
    g, d, real = t.generator, t.discriminator, t.data.train[:n]
    estimator = ESTIMATORS.make("autoencoding")
    rollout = estimator.play(g, n, seeded(1), SLOTS, lambda: real)
    ours = by_player(estimator.loss(rollout, d, LOSS), g)

    noise, half = seeded(1), n - n // 2
    mean, log_std = g.posterior(real[half:])
    read = (mean + log_std.exp() * torch.randn(n // 2, 2, generator=noise)).detach()
    codes = [*g.draw(half, noise).split(1), *read.split(1)]
    met = gumbel((t.data.length, n, t.data.vocab_size), noise, torch.float32)
    cost = []
    for row, z in enumerate(codes):
        monkeypatch.setattr(autoregressive, "gumbel", lambda *_, row=row: met[:, row : row + 1])
        alone = g.decoder.under(z).relax(1, None, SLOTS["temperature"], straight_through=True)
        assert torch.equal(alone.ids[0], rollout.ids[row])
        cost.append(torch.nn.functional.softplus(-d(alone.x)))
    by_hand = by_player(sum(cost[:half]) / n + sum(cost[half:]) / n, g)

    assert set(ours) == {"decoder", "encoder"} | ({"prior"} if generator == "flow" else set())
    assert ours["encoder"].count_nonzero() == 0
    for part in set(ours) - {"encoder"}:
        assert by_hand[part].norm() > 1e-4
        torch.testing.assert_close(ours[part], by_hand[part], rtol=1e-4, atol=1e-7)


def test_d_reads_as_many_rows_written_again_as_made_up_and_they_are_of_its_own_batch():
    t = trainer(estimator="autoencoding", batch_size=16, remedies={})
    g, read, drawn, judged = t.generator, [], [], []
    infer, draw, judge = g.infer, g.draw, t.game.judged
    g.infer = lambda ids, noise: read.append(ids) or infer(ids, noise)
    t.game.judged = lambda *x: judged.append(x) or judge(*x)
    g.draw = lambda n, noise: drawn.append(n) or draw(n, noise)
    before = t.game.g.flat.clone()
    t.d_step()
    (real, fake, *_), (again,) = judged[0], read
    assert len(real) == len(fake) == 16 and drawn == [8]
    assert torch.equal(again, real[8:]) and not fake.requires_grad
    assert torch.equal(t.game.g.flat, before)
    t.g_step()
    assert drawn == [8, 8] and len(read) == 2 and not torch.equal(t.game.g.flat, before)


def test_under_a_prompt_both_halves_answer_prompts_of_real_rows():
    data = TinyDialogue(eos=True)
    t = Trainer(Spec(data="given", generator={"vae": SMALL}, device="cpu"), data=data)
    real = data.train[:6]
    rollout = ESTIMATORS.make("autoencoding").play(t.generator, 6, seeded(1), SLOTS, lambda: real)
    assert torch.equal(rollout.ids[:, : data.given], real[:, : data.given])
    assert rollout.given == data.given > 0 and not rollout.mask[:, : data.given].any()


def steps(n, **spec):
    t = trainer(estimator="autoencoding", mle_steps=2, **{"probe_every": 4, **spec})
    list(t.steps(n))
    return t


def same(a, b):
    assert torch.equal(a.game.g.flat, b.game.g.flat) and torch.equal(a.game.d.flat, b.game.d.flat)
    assert a.telemetry.rows == b.telemetry.rows


def test_a_run_resumes_branches_and_is_looked_at_without_a_trace(tmp_path):
    straight, parted = steps(9), steps(5)
    assert not straight.diverged
    parted.g_gradient(n=4), parted.show(), parted.measure()
    path, branch = parted.save(tmp_path / "run.ckpt"), parted.branch()
    for again in (parted, branch, Trainer.resume(path, data=parted.data)):
        list(again.steps(4))
        same(again, straight)


@pytest.mark.parametrize("loss", ["relativistic", "wasserstein"])
def test_it_plays_with_losses_and_remedies_that_pair_fakes_with_real_rows(loss):
    t = steps(6, loss=loss, remedies={"gradient_penalty": {}, "r2": {}}, knobs={"d_noise": 0.1})
    assert not t.diverged and "d_loss.gradient_penalty" in t.telemetry.rows[-1]


def test_it_asks_for_a_g_that_reads_and_for_two_rows():
    said = "estimator 'autoencoding' needs 'posterior' of the generator, which 'lstm' lacks: flow"
    with pytest.raises(ValueError, match=said):
        Trainer(Spec(data="given", estimator="autoencoding", device="cpu"), data=TinyLanguage())
    with pytest.raises(ValueError, match="expected a batch of at least 2 rows, got 1"):
        trainer(estimator="autoencoding", batch_size=1).g_step()
