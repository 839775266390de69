"""VAE-GAN as a composition: what each term is, and which weights it may move."""

import pytest
import torch
from languages import TinyLanguage, seeded

from textgan_lab.models import DISCRIMINATORS
from textgan_lab.objectives import REMEDIES
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
