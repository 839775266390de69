"""A normalising flow over the codes of a sentence autoencoder."""

import math

import torch
from torch import Tensor, nn

from ..data.law import whole
from ..models.generators import GENERATORS
from .coding import Decoder, Encoder
from .latent import Autoencoder, standard_normal

LARGEST = 2.0  # log-scale of one coupling: keeps the inverse well conditioned in float32 (ours)
SMALLEST = 1e-6  # norm that is divided by, so that a code of 0 stays one (ours)


class RealNVP(nn.Module):
    """An invertible map made of affine couplings, with a cheap exact determinant.

    Formula  one half of the coordinates, b, becomes b * exp(s(a)) + t(a), a the other half, which
             stays; the halves change roles from layer to layer; ln |det| = the sum of all s
    Paper    Dinh, Sohl-Dickstein & Bengio 2017
    """

    def __init__(self, dim: int, *, layers: int = 6, hidden: int = 64):
        super().__init__()
        whole("flow: latent", dim, 2)
        whole("flow: layers", layers, 2)
        self.sizes = [dim // 2, dim - dim // 2]
        self.nets = nn.ModuleList()
        for layer in range(layers):
            read, moved = (self.sizes[(layer + side) % 2] for side in (0, 1))
            net = nn.Sequential(
                nn.Linear(read, hidden), nn.LeakyReLU(0.2), nn.Linear(hidden, hidden),
                nn.LeakyReLU(0.2), nn.Linear(hidden, 2 * moved),
            )  # fmt: skip
            nn.init.zeros_(net[-1].weight)  # the whole begins as the identity
            nn.init.zeros_(net[-1].bias)
            self.nets.append(net)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map [n, dim] to u [n, dim] and ln |det du/dx| [n]."""
        halves, log_det = list(x.split(self.sizes, 1)), x.new_zeros(len(x))
        for layer, net in enumerate(self.nets):
            s, t = self._coupling(net, halves[layer % 2])
            halves[1 - layer % 2] = halves[1 - layer % 2] * s.exp() + t
            log_det = log_det + s.sum(1)
        return torch.cat(halves, 1), log_det

    def inverse(self, u: Tensor) -> Tensor:
        """Map u [n, dim] back to x."""
        halves = list(u.split(self.sizes, 1))
        for layer, net in reversed(list(enumerate(self.nets))):
            s, t = self._coupling(net, halves[layer % 2])
            halves[1 - layer % 2] = (halves[1 - layer % 2] - t) * (-s).exp()
        return torch.cat(halves, 1)

    @staticmethod
    def _coupling(net: nn.Module, read: Tensor) -> tuple[Tensor, Tensor]:
        s, t = net(read).chunk(2, 1)
        return LARGEST * (s / LARGEST).tanh(), t

    def log_prob(self, x: Tensor) -> Tensor:
        """Return the log-density of x when u is standard normal, [n], nats."""
        u, log_det = self(x)
        return standard_normal(u) + log_det


@GENERATORS.register("flow")
class Flow(Autoencoder):
    """A sentence autoencoder with noisy codes, and a RealNVP that learns where codes lie.

    Formula  z = sqrt(latent) e / |e| + noise * n, e = encoder(x), n standard normal; loss =
             -ln q(x | z) + ln r(z | x) - ln p(z), p the flow's density: minus the ELBO, nats a
             token. The flow sees codes detached: it follows the autoencoder and does not shape it
    Sample   u ~ N(0, I), z = flow^-1(u), then write under z
    Trade    ``noise``: less of it reconstructs better and leaves more for the flow to learn
    Paper    Dinh et al. 2017 for the flow; the rest is ours
    Raises   ValueError for paired data: codes of whole rows would tell of other prompts
    """

    def __init__(
        self,
        data,
        *,
        latent: int = 16,
        embedding: int = 32,
        hidden: int = 64,
        layers: int = 6,
        noise: float = 1.0,
    ):
        super().__init__(Decoder(data, latent, embedding=embedding, hidden=hidden))
        if self.given:
            raise ValueError(f"flow: {data.name!r} gives prompts; of these generators 'vae' can")
        if not noise > 0:
            raise ValueError(f"flow: noise must be above 0, got {noise!r}")
        self.encoder = Encoder(data, latent, embedding=embedding, hidden=hidden)
        self.prior = RealNVP(latent, layers=layers, hidden=hidden)
        self.latent, self.log_noise = latent, math.log(noise)

    def draw(self, n, noise):
        """Draw standard normal numbers and send them back through the flow."""
        weight = self.decoder.first.weight
        shape = (n, self.latent)
        u = torch.randn(shape, generator=noise, device=weight.device, dtype=weight.dtype)
        return self.prior.inverse(u)

    def log_prior(self, z):
        """Return the flow's log-density."""
        return self.prior.log_prob(z)

    def posterior(self, ids):
        """Return codes on a sphere, so that none can drown the noise, and the noise."""
        e = self.encoder(ids)
        norm = torch.linalg.vector_norm(e, dim=1, keepdim=True).clamp(min=SMALLEST)
        return e * (math.sqrt(self.latent) / norm), torch.full_like(e, self.log_noise)

    def nll_loss(self, ids, noise, rows=None):
        """Return minus the ELBO, nats a token; its prior sees codes without gradient."""
        mean, log_std = self.posterior(ids)
        n = torch.randn(mean.shape, generator=noise, device=mean.device, dtype=mean.dtype)
        z = mean + log_std.exp() * n
        price = standard_normal(n) - log_std.sum(1) - self.log_prior(z.detach())
        rollout = self.decoder.under(z).score(ids)
        return (price.sum() - rollout.log_q.sum()) / rollout.mask.sum()
