"""The VAE's loss by hand: KL, annealing, hidden words, free nats, and what collapse looks like."""

import math

import pytest
import torch
from languages import EOS, PAD, UNK, TinyLanguage, seeded

from textgan_lab.baselines.vae import VAE, gaussian_kl

torch.set_num_threads(1)
DATA = TinyLanguage(eos=True)
IDS = torch.tensor([[4, 5, EOS], [6, EOS, PAD], [4, 4, 6]])  # 8 tokens
ROWS = torch.arange(3)


def build(**options):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        options = {"latent": 2, "embedding": 4, "hidden": 6, "annealing": 0, **options}
        return VAE(DATA, **options).double()


def test_the_divergence_of_gaussians():
    mean, log_std = torch.tensor([1.5, -0.3]).double(), torch.tensor([-0.7, 0.4]).double()
    q = torch.distributions.Normal(mean, log_std.exp())
    p = torch.distributions.Normal(torch.zeros(2).double(), torch.ones(2).double())
    expected = torch.distributions.kl_divergence(q, p)
    torch.testing.assert_close(gaussian_kl(mean, log_std), expected, rtol=1e-12, atol=0)


def test_the_loss_is_minus_the_bound_a_token():
    g = build()
    value = g.nll_loss(IDS, seeded(1), ROWS)
    mean, log_std = g.posterior(IDS)
    z = mean + log_std.exp() * torch.randn(3, 2, generator=seeded(1), dtype=torch.float64)
    p = torch.distributions.Normal(0, 1)
    kl = torch.distributions.kl_divergence(torch.distributions.Normal(mean, log_std.exp()), p)
    expected = (kl.sum() - g.decoder.under(z).log_prob(IDS).sum()) / 8
    assert value.item() == pytest.approx(expected.item(), rel=1e-12)
    # and on average over codes that is `elbo`, whose price of a code is drawn
    n = 4000
    elbo = g.elbo(IDS.repeat(n, 1), seeded(2)).sum().item() / (8 * n)
    losses = g.nll_loss(IDS.repeat(n, 1), seeded(3), ROWS).item()
    assert losses == pytest.approx(-elbo, abs=0.02)


def test_annealing_counts_batches_and_weighs_only_the_divergence():
    g = build(annealing=4)
    seen = []
    for _ in range(6):
        seen.append((g.beta.item(), g.nll_loss(IDS, seeded(1), ROWS).item()))
    betas, losses = zip(*seen, strict=True)
    assert betas == (0, 0.25, 0.5, 0.75, 1, 1)
    kl = gaussian_kl(*g.posterior(IDS)).sum().item() / 8
    for beta, loss in seen:
        assert loss - losses[0] == pytest.approx(beta * kl, rel=1e-9, abs=1e-12)
    assert losses[4] == build().nll_loss(IDS, seeded(1), ROWS).item()
    assert build().beta == 1


def test_free_nats_are_free_and_push_nothing():
    """With the encoder silent KL is 0, and 0.3 nats a coordinate and sentence are paid for it."""
    g, plain = build(free_nats=0.3), build()
    for made in (g, plain):
        torch.nn.init.zeros_(made.encoder.head.weight)
        torch.nn.init.zeros_(made.encoder.head.bias)
    more = g.nll_loss(IDS, seeded(1), ROWS) - plain.nll_loss(IDS, seeded(1), ROWS)
    assert more.item() == pytest.approx(0.3 * 2 * 3 / 8, rel=1e-12)
    with torch.no_grad():  # coordinate 0 now costs 2 nats, coordinate 1 none
        for made in (g, plain):
            made.encoder.head.bias[0] = 2.0
    more = g.nll_loss(IDS, seeded(1), ROWS) - plain.nll_loss(IDS, seeded(1), ROWS)
    assert more.item() == pytest.approx(0.3 * 3 / 8, rel=1e-9)


def test_hidden_words_are_inputs_only_and_their_share_is_the_option():
    g = build(word_dropout=0.3)
    ids = torch.tensor([[4, 5, EOS], [6, EOS, PAD]]).repeat(4000, 1)
    shown = g._with_gaps(ids, seeded(1))
    counts = ids != PAD
    assert torch.equal(shown[~counts], ids[~counts])
    hidden = shown != ids
    assert (shown[hidden] == UNK).all()
    share = hidden[counts].double().mean().item()
    assert abs(share - 0.3) < 4 * math.sqrt(0.21 / counts.sum().item())


def test_all_words_hidden_leaves_the_code_and_the_place():
    """Inputs are <bos> and blanks, and every target is still the true word."""
    g = build(word_dropout=1.0)
    value = g.nll_loss(IDS, seeded(2), ROWS)
    noise = seeded(2)
    mean, log_std = g.posterior(IDS)
    z = mean + log_std.exp() * torch.randn(3, 2, generator=noise, dtype=torch.float64)
    blanks = torch.full_like(IDS, UNK)
    log_p = g.decoder.under(z).logits(blanks).log_softmax(2)
    said = log_p.gather(2, IDS[..., None]).squeeze(2)[IDS != PAD].sum()
    expected = (gaussian_kl(mean, log_std).sum() - said) / 8
    assert value.item() == pytest.approx(expected.item(), rel=1e-12)


def test_collapse_is_seen():
    g = build()
    told = g.examine(DATA.train, seeded(1))
    assert told["kl"] > 0
    for p in g.encoder.head.parameters():
        torch.nn.init.zeros_(p)  # r(z | x) = p(z): the code tells nothing
    told = g.examine(DATA.train, seeded(1))
    assert told["kl"].abs() < 1e-12 and told["active_units"] == 0
    with torch.no_grad():
        g.encoder.head.weight[0] = 5.0  # one coordinate of the mean now moves with the sentence
    assert g.examine(DATA.train, seeded(1))["active_units"] == 1


@pytest.mark.parametrize(
    "option, value", [("word_dropout", 1.5), ("free_nats", -1.0), ("annealing", 0.5)]
)
def test_options_that_mean_nothing_are_refused(option, value):
    with pytest.raises(ValueError, match=f"vae: {option} must .*{value}"):
        build(**{option: value})
