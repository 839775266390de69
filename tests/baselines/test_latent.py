"""Latent codes: laws by numerical integration, bounds against them, and the contract of all."""

import pytest
import torch
from languages import PAD, TinyLanguage, chi_square, seeded
from numpy.polynomial.hermite_e import hermegauss
from torch.utils._python_dispatch import TorchDispatchMode

from textgan_lab.baselines import BASELINES
from textgan_lab.models import GENERATORS
from textgan_lab.training import Spec, Trainer

torch.set_num_threads(1)
LATENT = ["vae", "flow", "glo"]
AUTOENCODERS = ["vae", "flow"]
SMALL = {"latent": 2, "embedding": 4, "hidden": 6}
NODES = 24  # a side: the grid integrates polynomials to degree 47 exactly


def build(name, data, scale=2.0, **options):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        g = GENERATORS.make(name, {**SMALL, **options}, data=data)
        if name == "flow":  # which begins as the identity
            for net in g.prior.nets:
                torch.nn.init.normal_(net[-1].weight, std=0.1)
    with torch.no_grad():
        for p in g.decoder.parameters():
            p.mul_(scale)
    return g.double()


def grid():
    """Nodes [n, 2] and weights [n] of a standard normal in the plane."""
    x, w = (torch.tensor(v) for v in hermegauss(NODES))
    w = w / w.sum()
    return torch.cartesian_prod(x, x), torch.cartesian_prod(w, w).prod(1)


def codes_at(g, u):
    """Where the law of codes puts standard normal u."""
    if g.name == "vae":
        return u
    if g.name == "flow":
        return g.prior.inverse(u)
    codes = g.codes().detach()
    return codes.mean(0) + u @ torch.linalg.cholesky(torch.cov(codes.t(), correction=0)).t()


@torch.no_grad()
def integrated(g, ids):
    """Return ln q(x) = ln of the integral of p(z) q(x | z), [n] float64."""
    u, w = grid()
    z = codes_at(g, u)
    log_q = torch.stack([g.decoder.under(z).log_prob(x.expand(len(z), -1)) for x in ids], 1)
    return (log_q + w.log()[:, None]).logsumexp(0)


@pytest.fixture(params=LATENT)
def name(request):
    return request.param


def test_the_comparators_are_generators_by_the_same_name():
    assert list(BASELINES) == ["lstm", "transformer", *LATENT]
    assert all(GENERATORS[n] is part and part.name == n for n, part in BASELINES.items())
    assert [n for n, part in BASELINES.items() if part.likelihood] == ["lstm", "transformer"]


def test_frequencies_are_the_integrated_law(name):
    data = TinyLanguage(eos=True)
    g, n = build(name, data), 20_000
    q = integrated(g, data.playable).exp()
    assert q.sum().item() == pytest.approx(1, abs=1e-9) and q.min() < 0.5 / len(q)
    ids = g.sample(n, seeded(1))
    hits = (ids[:, None] == data.playable).all(2)
    assert hits.any(1).all()
    assert chi_square(hits.sum(0), n * q) > 1e-4
    soft = g.relax(n, seeded(2), torch.tensor(1.0), straight_through=True).ids
    hits = (soft[:, None] == data.playable).all(2)
    assert chi_square(hits.sum(0), n * q) > 1e-4


def test_codes_matter(name):
    """Or the tests of the integral would hold for a decoder that reads none."""
    data = TinyLanguage(eos=True)
    g = build(name, data)
    laws = [
        g.decoder.under(z.expand(len(data.playable), 2)).log_prob(data.playable).exp()
        for z in codes_at(g, grid()[0][[100, 450]])
    ]
    assert (laws[0] - laws[1]).abs().sum() > 0.1


def test_bounds_are_bounds_and_tighten(name):
    """Estimates from 1, 8 and 2,000 codes, and the truth, on every sentence of the language."""
    data = TinyLanguage(eos=True)
    g = build(name, data)
    ids, many = data.playable, data.playable.repeat(100, 1)
    exact, noise = integrated(g, ids), seeded(4)

    def mean(n):
        found = g.log_prob_estimate(many, n, noise).view(100, -1)
        return found.mean(0), found.std(0) / 10

    (one, se_one), (eight, se_eight) = mean(1), mean(8)
    assert (one - exact < 4 * se_one).all() and (eight - exact < 4 * se_eight).all()
    assert (exact - one).mean() > 2 * (exact - eight).mean() > 0
    close = g.log_prob_estimate(ids, 2000, noise)
    torch.testing.assert_close(close, exact, rtol=0, atol=0.3)
    assert (close - exact).abs().mean() < 0.1


@pytest.mark.parametrize("name", AUTOENCODERS)
def test_the_evidence_lower_bound_is_its_integral(name):
    """E over r(z | x) by quadrature around the encoder's mean, against the mean of draws."""
    data = TinyLanguage(eos=True)
    g = build(name, data)
    ids, (u, w) = data.playable[::5], grid()
    with torch.no_grad():
        mean, log_std = g.posterior(ids)
        exact = []
        for i in range(len(ids)):
            z = mean[i] + log_std[i].exp() * u
            r = torch.distributions.Normal(mean[i], log_std[i].exp()).log_prob(z).sum(1)
            said = g.decoder.under(z).log_prob(ids[i].expand(len(z), -1))
            exact.append((w * (said + g.log_prior(z) - r)).sum())
        exact = torch.stack(exact)
        draws = g.elbo(ids.repeat(2000, 1), seeded(5)).view(2000, -1)
    assert ((draws.mean(0) - exact).abs() < 4.5 * draws.std(0) / 2000**0.5).all()
    assert (exact < integrated(g, ids)).all()


def test_an_estimate_from_no_code_is_refused():
    g = build("vae", TinyLanguage())
    with pytest.raises(ValueError, match="log_prob_estimate: n must be a whole number of at"):
        g.log_prob_estimate(TinyLanguage().playable, 0, seeded())


def test_a_draw_depends_on_its_stream_alone(name):
    g, before = build(name, TinyLanguage(eos=True)), torch.get_rng_state()
    a, b, c = (g.sample(40, seeded(s)) for s in (1, 1, 2))
    assert torch.equal(a, b) and not torch.equal(a, c) and not a.requires_grad
    assert torch.equal(g.play(40, seeded(1)).ids, a)
    assert torch.equal(torch.get_rng_state(), before)


def test_what_is_played_is_scored_under_its_code(name):
    g = build(name, TinyLanguage(eos=True))
    rollout, source = g.play(30, seeded(6)), seeded(6)
    z = g.draw(30, source)
    assert torch.equal(rollout.log_q.sum(1), g.decoder.under(z).log_prob(rollout.ids))
    assert rollout.log_q.requires_grad


def test_temperature_zero_leaves_chance_to_the_code(name):
    g = build(name, TinyLanguage(eos=True))
    ids, z = g.sample(50, seeded(7), temperature=0), g.draw(50, seeded(7))
    best = g.decoder.under(z).logits(ids).argmax(2)
    counted = ids != PAD
    assert torch.equal(ids[counted], best[counted])


# --- in the trainer ------------------------------------------------------------------------------


class HostReads(TorchDispatchMode):
    def __init__(self):
        super().__init__()
        self.n = 0

    def __torch_dispatch__(self, op, types, args=(), kwargs=None):
        self.n += op is torch.ops.aten._local_scalar_dense.default
        return op(*args, **(kwargs or {}))


def trainer(name, data=None, options=None, **spec):
    spec = {"mle_steps": 4, "batch_size": 8, "probe_every": 0, "device": "cpu", **spec}
    generator = {name: {**SMALL, **(options or {})}}
    return Trainer(Spec(data="given", generator=generator, **spec), data=data or TinyLanguage())


def remedies(name):
    return {} if name == "glo" else {"elbo": {}, "feature_reconstruction": {}}


def test_no_step_reads_a_value_on_the_host(name):
    t = trainer(name, remedies=remedies(name))
    with HostReads() as reads:
        steps = t.steps()
        for _ in range(8):
            next(steps)
    assert reads.n == 0
    steps.close()
    assert not t.diverged and t.telemetry.rows[-1]["phase"] == "adversarial"


def test_the_likelihood_phase_reaches_a_small_language(name):
    """From some 4 nats a sentence at the start to within a fraction of the law's entropy."""
    data = TinyLanguage(eos=True, pool=400)
    t = trainer(name, data, {"hidden": 24, "embedding": 8}, mle_steps=250, batch_size=64)
    p = data.log_p.exp()
    before = -(p * t.generator.log_prob_estimate(data.sentences, 50, seeded(1))).sum().item()
    t.warm_up()
    after = -(p * t.generator.log_prob_estimate(data.sentences, 200, seeded(1))).sum().item()
    assert before > data.entropy + 0.5
    assert data.entropy - 0.03 < after < data.entropy + 0.15
    assert t.telemetry.rows[-1]["mle_loss"] < t.telemetry.rows[0]["mle_loss"]


def test_measurements_tell_the_bound(name):
    t = trainer(name, probe_every=4, probe_size=64)
    list(t.steps(4))
    row = t.telemetry.rows[-1]
    tokens = (t.data.validation[:64] != PAD).sum().item() / 64
    assert row["held_out_nll_bound"] * tokens == pytest.approx(row["held_out_nll_bound.sentence"])
    assert row["held_out_nll_bound.sentence"] > t.data.entropy - 0.5
    assert ("kl" in row) == ("active_units" in row) == (name in AUTOENCODERS)
    assert "held_out_nll" not in row and "js" not in row and "modes" in row
    exact = Trainer(Spec(data="given", probe_every=1, device="cpu"), data=TinyLanguage())
    list(exact.steps(1))
    assert "held_out_nll_bound" not in exact.telemetry.rows[-1]


def test_estimators_that_need_ln_q_refuse_a_code(name):
    with pytest.raises(ValueError, match=f"needs ln q, which generator '{name}' cannot tell"):
        trainer(name, estimator="reinforce")


def test_a_run_goes_on_from_a_checkpoint_bit_for_bit(name, tmp_path):
    options = {"annealing": 3} if name == "vae" else {}
    through = trainer(name, options=options, remedies=remedies(name))
    list(through.steps(7))
    for stop in (2, 5):
        first = trainer(name, options=options, remedies=remedies(name))
        list(first.steps(stop))
        resumed = Trainer.resume(first.save(tmp_path / "state"), data=TinyLanguage())
        list(resumed.steps(7 - stop))
        assert torch.equal(resumed.game.g.flat, through.game.g.flat)
        assert torch.equal(resumed.game.d.flat, through.game.d.flat)


# --- prompts -------------------------------------------------------------------------------------


class Prompted(TinyLanguage):
    """The first word is a prompt."""

    given = 1


def test_replies_have_a_law_for_every_prompt():
    data = Prompted()
    g = build("vae", data)
    q = integrated(g, data.playable).exp()
    for prompt in (4, 5, 6):
        of = data.playable[:, 0] == prompt
        assert q[of].sum().item() == pytest.approx(1, abs=1e-9)
    prompts = data.validation[:50, :1]
    for ids in (
        g.sample(50, seeded(1), given=prompts),
        g.relax(50, seeded(1), torch.tensor(1.0), True, prompts).ids,
        g.reconstruct(data.validation[:50], seeded(2), torch.tensor(1.0), True).ids,
    ):
        assert torch.equal(ids[:, :1], prompts)


@pytest.mark.parametrize("name", ["flow", "glo"])
def test_codes_that_would_tell_of_other_prompts_are_refused(name):
    with pytest.raises(ValueError, match=f"{name}: 'tiny-3-3' gives prompts"):
        build(name, Prompted())
