"""The players of frames of sensors: a ring has no first sensor, time has a first frame."""

import pytest
import torch
from languages import seeded

from textgan_lab.data import TravellingWaves, load_corpus
from textgan_lab.metrics import series_distances
from textgan_lab.models import DISCRIMINATORS, GENERATORS
from textgan_lab.models.series import RingConv
from textgan_lab.training import Spec, Trainer

torch.set_num_threads(1)
DATA = TravellingWaves(frames=7, sensors=5, waves=2, pool=200)


def build(catalogue, data=DATA, **options):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return catalogue.make("series_cnn", options, data=data)


def test_a_ring_convolution_by_hand():
    layer = RingConv(1, 1)
    kernel = torch.arange(1.0, 10.0).view(
        1, 1, 3, 3
    )  # earlier frame 1 2 3, this 4 5 6, later 7 8 9
    with torch.no_grad():
        layer.weight.copy_(kernel), layer.bias.zero_()
    x = torch.zeros(1, 1, 3, 4)
    x[0, 0, 1, 0] = 1.0  # sensor 0, whose neighbours are 3 and 1
    expected = torch.tensor([[8.0, 7, 0, 9], [5, 4, 0, 6], [2, 1, 0, 3]])
    assert torch.equal(layer(x)[0, 0], expected)
    skipping = RingConv(1, 1, stride=2)
    skipping.load_state_dict(layer.state_dict())
    assert torch.equal(skipping(x)[0, 0], expected[::2])


def turned(x, frames=0, sensors=0):
    return x.view(-1, *DATA.shape).roll((frames, sensors), (1, 2)).flatten(1)


def test_d_says_the_same_however_the_ring_is_turned_and_not_so_in_time():
    d, x = build(DISCRIMINATORS).double(), DATA.train[:50].double()
    logits = d(x)
    assert logits.shape == (50,) and logits.std() > 1e-3
    for sensors in range(1, 5):
        torch.testing.assert_close(d(turned(x, sensors=sensors)), logits, rtol=0, atol=1e-14)
    mirrored = x.view(-1, *DATA.shape).flip(2).flatten(1)  # running the other way
    for other in (turned(x, frames=1), mirrored):
        assert (d(other) - logits).abs().mean() > 0.01 * logits.std()


def test_g_draws_points_that_its_weights_and_stream_decide():
    g, before = build(GENERATORS), torch.get_rng_state()
    rollout = g.play(32, seeded(1))
    assert rollout.x.shape == (32, 35) and rollout.ids is None
    grads = torch.autograd.grad(rollout.x.square().sum(), list(g.parameters()))
    assert all(grad.abs().sum() > 0 for grad in grads)
    a, b = g.sample(32, seeded(1)), g.sample(32, seeded(2))
    assert torch.equal(a, rollout.x) and not torch.equal(a, b) and not a.requires_grad
    assert torch.equal(torch.get_rng_state(), before)


def test_each_place_has_a_noise_of_its_own():
    g = build(GENERATORS)
    with torch.no_grad():
        g.code.weight.zero_()  # every series has the same code
    x = g.sample(2000, seeded(1)).double()
    correlation = torch.corrcoef(x.T).view(*DATA.shape, *DATA.shape)
    assert x.std(0).min() > 1e-3
    assert correlation[3, 2, 3, 3].abs() > 0.1  # two convolutions reach two places
    assert correlation[0, 0, 6, 2].abs() < 0.1


@pytest.mark.parametrize("shape", [(1, 2), (2, 3), (9, 4)])
def test_any_shape_will_do(shape):
    class Data:
        name, dim = "any", shape[0] * shape[1]

    Data.shape = shape
    g, d = build(GENERATORS, Data, latent=3, hidden=4, channels=2), build(DISCRIMINATORS, Data)
    logits = d(g.sample(4, seeded()))
    assert logits.shape == (4,) and logits.isfinite().all()
    grads = torch.autograd.grad(d(g.play(9, seeded()).x).sum(), list(d.parameters()))
    assert all(grad.abs().sum() > 0 for grad in grads)


@pytest.mark.parametrize("catalogue", [GENERATORS, DISCRIMINATORS])
def test_points_without_a_shape_are_refused(catalogue):
    with pytest.raises(ValueError, match=r"'series_cnn' plays frames.*'ring' has no shape.*'mlp'"):
        build(catalogue, load_corpus("ring", pool=5))


def test_d_can_be_differentiated_twice():
    d, x = build(DISCRIMINATORS), DATA.train[:8].clone().requires_grad_()
    (slope,) = torch.autograd.grad(d(x).sum(), x, create_graph=True)
    grads = torch.autograd.grad(slope.square().sum(), [layer.weight for layer in d.convolutions])
    assert all(grad.abs().sum() > 0 for grad in grads)


def test_the_spectrum_comes_nearer_to_the_truth_in_120_steps():
    spec = Spec(
        data={"waves": {"frames": 8, "sensors": 8, "waves": 1, "pool": 3000}},
        generator="series_cnn", discriminator="series_cnn", estimator="pathwise",
        knobs={"g_lr": 2e-3, "d_lr": 2e-3}, probe_every=0, device="cpu",
    )  # fmt: skip
    trainer = Trainer(spec)
    real = trainer.data.test.numpy().reshape(-1, 8, 8)

    def distance():
        fake = trainer.generator.sample(1000, seeded(5)).numpy().reshape(-1, 8, 8)
        return series_distances(fake, real)["spectrum"]

    before = distance()
    for _ in trainer.steps(120):
        pass
    assert before > 0.8 and distance() < 0.6
