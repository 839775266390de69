"""Writing under a latent code: what generators with q(x) = E_z q(x | z) have in common."""

import math

import torch
from torch import Tensor, nn

from ..data.law import whole
from ..models.sampling import Rollout
from .coding import Decoder, Encoder

ACTIVE = 0.01  # variance of a coordinate's posterior mean above which it is in use (Burda et al.)


class Latent(nn.Module):
    """The contract. A subclass says where codes come from; writing and bounds follow.

    ``draw(n, noise)``     codes to write under, [n, latent]: the law p(z)
    ``infer(ids, noise)``  codes that may have made these sentences, z ~ r(z | x), and their price
                           ln r(z | x) - ln p(z), [n]
    ``nll_loss``           what the likelihood phase minimises, as `Autoregressive.nll_loss`

    ln q(x) is an integral over z: it is bounded and estimated, not known.
    """

    kind = "text"
    likelihood = False

    def __init__(self, decoder: Decoder):
        super().__init__()
        self.decoder, self.given = decoder, decoder.given

    def draw(self, n: int, noise: torch.Generator) -> Tensor:
        """Return codes to write under, [n, latent]."""
        raise NotImplementedError

    def infer(self, ids: Tensor, noise: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return codes of given sentences, [n, latent], and their price in nats, [n]."""
        raise NotImplementedError

    def nll_loss(self, ids: Tensor, noise: torch.Generator, rows: Tensor) -> Tensor:
        """Return what the likelihood phase minimises on real sentences, nats a token."""
        raise NotImplementedError

    def elbo(self, ids: Tensor, noise: torch.Generator) -> Tensor:
        """Return ln q(x | z) - ln r(z | x) + ln p(z) at one z ~ r a sentence, [n] float64, nats.

        In expectation the evidence lower bound: at most ln q(x), by KL(r(z | x) || q(z | x)).
        """
        z, price = self.infer(ids, noise)
        return self.decoder.under(z).log_prob(ids) - price.double()

    @torch.no_grad()
    def log_prob_estimate(self, ids: Tensor, n: int, generator: torch.Generator) -> Tensor:
        """Return an estimate of ln q(x) from n codes a sentence, [batch] float64, nats.

        Formula  ln (1/n) sum_k q(x | z_k) p(z_k) / r(z_k | x), z_k ~ r; in expectation at most
                 ln q(x), and the closer the larger n; n = 1 is `elbo`
        Paper    Burda, Grosse & Salakhutdinov 2016
        Raises   ValueError for n below 1
        """
        whole("log_prob_estimate: n", n)
        # one pass a code, so that memory stays that of a batch
        weights = torch.stack([self.elbo(ids, generator) for _ in range(n)])
        return weights.logsumexp(0) - math.log(n)

    def examine(self, ids: Tensor, noise: torch.Generator) -> dict[str, Tensor]:
        """Return what there is to know of the code on these sentences, name to 0-dim tensor."""
        return {}

    @torch.no_grad()
    def sample(
        self,
        n: int,
        generator: torch.Generator,
        temperature: float = 1.0,
        given: Tensor | None = None,
    ) -> Tensor:
        """Draw ids [n, time]; ``temperature`` divides the logits of the tokens, not the code."""
        return self._writer(n, generator).sample(n, generator, temperature, given)

    def play(self, n: int, generator: torch.Generator, given: Tensor | None = None) -> Rollout:
        """Draw a rollout of hard tokens; its ``log_q`` is that of the tokens under their code."""
        return self._writer(n, generator).play(n, generator, given)

    def relax(
        self,
        n: int,
        generator: torch.Generator,
        temperature: Tensor,
        straight_through: bool,
        given: Tensor | None = None,
    ) -> Rollout:
        """Draw a rollout of simplex points, as `Autoregressive.relax`."""
        return self._writer(n, generator).relax(n, generator, temperature, straight_through, given)

    def _writer(self, n: int, generator: torch.Generator) -> Decoder:
        return self.decoder.under(self.draw(n, generator))


class Autoencoder(Latent):
    """Codes are read off sentences: r(z | x) is a Gaussian around what an encoder makes of x.

    A subclass says how wide it is (`posterior`), and gives p(z), which `draw` draws, a density.
    """

    encoder: Encoder

    def posterior(self, ids: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and log standard deviation of r(z | x), each [n, latent]."""
        raise NotImplementedError

    def log_prior(self, z: Tensor) -> Tensor:
        """Return ln p(z), [n], nats."""
        raise NotImplementedError

    def infer(self, ids, noise):
        """Draw z = mean + std * n, n standard normal, and price it."""
        mean, log_std = self.posterior(ids)
        n = torch.randn(mean.shape, generator=noise, device=mean.device, dtype=mean.dtype)
        z = mean + log_std.exp() * n
        return z, standard_normal(n) - log_std.sum(1) - self.log_prior(z)

    def reconstruct(
        self, ids: Tensor, noise: torch.Generator, temperature: Tensor, straight_through: bool
    ) -> Rollout:
        """Draw a sentence anew from the code of each, relaxed so that a gradient comes back."""
        z, _ = self.infer(ids, noise)
        given = ids[:, : self.given] if self.given else None
        return self.decoder.under(z).relax(len(ids), noise, temperature, straight_through, given)

    def examine(self, ids, noise):
        """Return how many nats the code tells of a sentence, and how many coordinates say it.

        ``kl``            mean of the price of a code; 0 after posterior collapse
        ``active_units``  coordinates whose posterior mean has variance above 0.01 over sentences
        """
        mean, _ = self.posterior(ids)
        _, price = self.infer(ids, noise)
        return {"kl": price.mean(), "active_units": (mean.var(0) > ACTIVE).sum()}


def standard_normal(z: Tensor) -> Tensor:
    """Return the log-density of rows under N(0, I): [n, dim] to [n], nats."""
    return -0.5 * (z.square() + math.log(2 * math.pi)).sum(1)
