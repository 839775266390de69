"""The flow: its inverse, its determinant by autograd, and that it follows and does not lead."""

import pytest
import torch
from languages import TinyLanguage, TwoClouds, seeded

from textgan_lab.baselines.flow import Flow, RealNVP
from textgan_lab.baselines.latent import standard_normal

torch.set_num_threads(1)


def bent(dim, layers=5, seed=0):
    """Build a flow far from the identity, which it begins as."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        flow = RealNVP(dim, layers=layers, hidden=8)
        for net in flow.nets:
            torch.nn.init.normal_(net[-1].weight, std=0.7)
    return flow.double()


@pytest.mark.parametrize("dim", [2, 3, 16])
def test_the_inverse_is_exact_and_every_coordinate_is_moved(dim):
    flow, x = bent(dim), torch.randn(200, dim, generator=seeded(1), dtype=torch.float64)
    u, _ = flow(x)
    assert ((u - x).abs().amax(0) > 0.1).all()
    torch.testing.assert_close(flow.inverse(u), x, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(flow(flow.inverse(x))[0], x, rtol=1e-9, atol=1e-9)
    single = flow.float()
    again = single.inverse(single(x.float())[0])
    torch.testing.assert_close(again, x.float(), rtol=0, atol=1e-3)


@pytest.mark.parametrize("dim, layers", [(2, 2), (3, 5), (6, 4)])
def test_the_determinant_is_that_of_the_jacobian(dim, layers):
    flow = bent(dim, layers)
    x = torch.randn(20, dim, generator=seeded(2), dtype=torch.float64)
    _, log_det = flow(x)
    for point, found in zip(x, log_det, strict=True):
        jacobian = torch.autograd.functional.jacobian(lambda p: flow(p[None])[0][0], point)
        _, expected = torch.linalg.slogdet(jacobian)
        assert found.item() == pytest.approx(expected.item(), abs=1e-10)
    assert log_det.std() > 0.1


def test_the_density_integrates_to_one():
    flow = bent(2)
    side = torch.linspace(-12, 12, 801, dtype=torch.float64)
    with torch.no_grad():
        p = flow.log_prob(torch.cartesian_prod(side, side)).exp()
    assert p.sum().item() * (side[1] - side[0]).item() ** 2 == pytest.approx(1, abs=2e-3)


def test_it_begins_as_the_identity():
    flow, x = RealNVP(4), torch.randn(10, 4, generator=seeded(3))
    u, log_det = flow(x)
    assert torch.equal(u, x) and torch.equal(log_det, torch.zeros(10))
    assert torch.equal(flow.log_prob(x), standard_normal(x))


def test_two_clouds_are_learned_by_likelihood():
    """Of the clouds' own entropy: 2 (ln 0.1 + 1.4189) + ln 2 = -1.0742 nats, one Gaussian 0.53."""
    data = TwoClouds()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        flow = RealNVP(2, hidden=32)
    optimiser = torch.optim.Adam(flow.parameters(), 5e-3)
    for _ in range(200):
        optimiser.zero_grad()
        (-flow.log_prob(data.train).mean()).backward()
        optimiser.step()
    with torch.no_grad():
        held_out = -flow.log_prob(data.validation).mean().item()
    assert held_out < -0.5


def test_a_flow_needs_two_halves():
    for what, kwargs in (("latent", {"dim": 1}), ("layers", {"dim": 2, "layers": 1})):
        with pytest.raises(ValueError, match=f"flow: {what} must be a whole number of at least 2"):
            RealNVP(**kwargs)
    with pytest.raises(ValueError, match="flow: noise must be above 0, got 0.0"):
        Flow(TinyLanguage(), noise=0.0)


# --- over codes of sentences ---------------------------------------------------------------------


def sentences(**options):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        return Flow(TinyLanguage(eos=True), latent=4, embedding=4, hidden=6, **options).double()


def test_codes_lie_on_a_sphere_and_their_noise_is_the_option():
    g, ids = sentences(noise=0.25), TinyLanguage(eos=True).train[:50]
    mean, log_std = g.posterior(ids)
    torch.testing.assert_close(mean.square().sum(1), torch.full((50,), 4.0).double())
    z = torch.stack([g.infer(ids, seeded(i))[0] for i in range(200)])
    assert (z - mean).std().item() == pytest.approx(0.25, rel=0.02)
    assert log_std.exp().unique().item() == pytest.approx(0.25)


def test_the_loss_is_minus_the_bound_a_token():
    g, ids = sentences(), TinyLanguage(eos=True).train[:20]
    value = g.nll_loss(ids, seeded(2), None)
    tokens = (ids != 0).sum()
    assert value.item() == pytest.approx(-(g.elbo(ids, seeded(2)).sum() / tokens).item(), rel=1e-9)


def test_the_flow_follows_the_codes_and_does_not_shape_them():
    """The encoder's gradient is the same under any flow; the flow's own is that of its density."""
    g, ids = sentences(), TinyLanguage(eos=True).train[:20]
    encoder = list(g.encoder.parameters())
    grads = []
    for std in (0.0, 0.5):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(2)
            for net in g.prior.nets:
                torch.nn.init.normal_(net[-1].weight, std=std)
        loss = g.nll_loss(ids, seeded(3), None)
        grads.append(torch.autograd.grad(loss, encoder, retain_graph=True))
    for one, other in zip(*grads, strict=True):
        assert torch.equal(one, other)
    assert grads[0][0].abs().sum() > 0
    z = g.infer(ids, seeded(3))[0].detach()
    of_density = -g.prior.log_prob(z).sum() / (ids != 0).sum()
    prior = list(g.prior.parameters())
    for one, other in zip(
        torch.autograd.grad(loss, prior), torch.autograd.grad(of_density, prior), strict=True
    ):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-12)
