"""The variational autoencoder of sentences."""

import torch
from torch import Tensor

from ..data.law import UNK, counted, whole
from ..models.generators import GENERATORS
from ..models.sampling import Rollout
from .coding import Decoder, Encoder
from .latent import Autoencoder, standard_normal


@GENERATORS.register("vae")
class VAE(Autoencoder):
    """An LSTM that writes under a Gaussian code, learned with an LSTM that reads: a bound on ln q.

    Formula     loss = -ln q(x | z) + beta KL(r(z | x) || N(0, I)), z ~ r(. | x); nats a token; at
                beta = 1, with no words dropped and no free nats, minus the ELBO
    Fails when  KL falls to 0 and the decoder ignores its code (posterior collapse): read ``kl`` and
                ``active_units``. Three things against it:
    annealing     beta rises from 0 to 1 over so many batches, counted on the device; 0: always 1
    word_dropout  share of the decoder's input words that it does not get to see, <unk> instead
    free_nats     KL a coordinate, a mean over the batch, below which nothing is paid
    Paper       Kingma & Welling 2014; text, annealing, word dropout: Bowman et al. 2016; free nats
                ("free bits"): Kingma et al. 2016
    """

    def __init__(
        self,
        data,
        *,
        latent: int = 16,
        embedding: int = 32,
        hidden: int = 64,
        annealing: int = 500,
        word_dropout: float = 0.0,
        free_nats: float = 0.0,
    ):
        super().__init__(Decoder(data, latent, embedding=embedding, hidden=hidden))
        if not 0 <= word_dropout <= 1:
            raise ValueError(f"vae: word_dropout must lie in 0 to 1, got {word_dropout!r}")
        if not free_nats >= 0:
            raise ValueError(f"vae: free_nats must be 0 or more, got {free_nats!r}")
        self.encoder = Encoder(data, 2 * latent, embedding=embedding, hidden=hidden)
        self.latent = latent
        self.annealing = whole("vae: annealing", annealing, 0)
        self.word_dropout, self.free_nats = word_dropout, free_nats
        self.register_buffer("batches", torch.zeros(()))

    @property
    def beta(self) -> Tensor:
        """The weight of the KL term now, on the device."""
        if not self.annealing:
            return torch.ones_like(self.batches)
        return (self.batches / self.annealing).clamp(max=1)

    def draw(self, n, noise):
        """Draw codes from N(0, I)."""
        weight = self.decoder.first.weight
        shape = (n, self.latent)
        return torch.randn(shape, generator=noise, device=weight.device, dtype=weight.dtype)

    def log_prior(self, z):
        """Return ln N(z; 0, I)."""
        return standard_normal(z)

    def posterior(self, ids):
        """Return what the encoder says."""
        return self.encoder(ids).chunk(2, 1)

    def nll_loss(self, ids, noise, rows=None):
        """Return reconstruction and beta * KL, nats a token, and count the batch."""
        mean, log_std = self.posterior(ids)
        n = torch.randn(mean.shape, generator=noise, device=mean.device, dtype=mean.dtype)
        writer = self.decoder.under(mean + log_std.exp() * n)
        said = writer.logits(self._with_gaps(ids, noise)).log_softmax(2)
        rollout = Rollout(ids, ids, lambda: said, self.given)
        kl = gaussian_kl(mean, log_std).mean(0).clamp(min=self.free_nats).sum() * len(ids)
        loss = (self.beta * kl - rollout.log_q.sum()) / rollout.mask.sum()
        self.batches.add_(1)
        return loss

    def _with_gaps(self, ids: Tensor, noise: torch.Generator) -> Tensor:
        """Hide words from the decoder; what was given stays."""
        if not self.word_dropout:
            return ids
        drop = torch.rand(ids.shape, generator=noise, device=ids.device) < self.word_dropout
        return torch.where(drop & counted(ids, self.given), UNK, ids)


def gaussian_kl(mean: Tensor, log_std: Tensor) -> Tensor:
    """Return KL(N(mean, std^2) || N(0, 1)) coordinate by coordinate, nats.

    >>> gaussian_kl(torch.tensor([0.0, 2.0]), torch.zeros(2))
    tensor([0., 2.])
    """
    return 0.5 * (mean.square() + (2 * log_std).exp() - 1) - log_std
