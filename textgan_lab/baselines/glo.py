"""Generative latent optimisation: codes are learned like weights, with no encoder and no D."""

import math

import torch
from torch import Tensor, nn

from ..models.generators import GENERATORS
from .coding import Decoder
from .latent import Latent

FLOOR = 1e-6  # added to the variance of the fitted Gaussian, so that flat directions have a root


@GENERATORS.register("glo")
class GLO(Latent):
    """One learned code a training sentence, in the unit ball; a Gaussian fitted to them is p(z).

    Formula      min over weights and codes of -ln q(x_i | z_i), nats a token, z_i = w_i / max(1,
                 |w_i|); sampling: z ~ N(mean, covariance of the z_i), then write under z
    learn_codes  False keeps the first, random codes: a pairing that tells the decoder nothing
    reads        False hides from the decoder what it wrote: the code alone must tell all of it
    code_rate    a factor on w: under Adam, codes learn this much faster than weights
    Fails when   the training set is large: a code learns only when its row is drawn, and Adam's
                 momentum moves it a little longer
    Bound        there is no encoder, so codes of given sentences are guessed from p(z): a valid
                 bound, but a loose one
    Paper        Bojanowski et al. 2018; cross-entropy in place of image losses is ours
    Raises       ValueError for paired data: codes of whole rows would tell of other prompts
    """

    def __init__(
        self,
        data,
        *,
        latent: int = 16,
        embedding: int = 32,
        hidden: int = 64,
        learn_codes: bool = True,
        reads: bool = True,
        code_rate: float = 1.0,
    ):
        super().__init__(Decoder(data, latent, embedding=embedding, hidden=hidden, reads=reads))
        if self.given:
            raise ValueError(f"glo: {data.name!r} gives prompts; of these generators 'vae' can")
        if not code_rate > 0:
            raise ValueError(f"glo: code_rate must be above 0, got {code_rate!r}")
        self.code_rate = code_rate
        table = torch.randn(len(data.train), latent) / (code_rate * math.sqrt(latent))
        if learn_codes:
            self.table = nn.Parameter(table)
        else:
            self.register_buffer("table", table, persistent=False)

    def codes(self, rows: Tensor | slice = slice(None)) -> Tensor:
        """Return the codes of these training rows, projected to the unit ball."""
        w = self.code_rate * self.table[rows]
        return w / torch.linalg.vector_norm(w, dim=1, keepdim=True).clamp(min=1)

    def draw(self, n, noise):
        """Draw codes from the Gaussian with mean and covariance of the learned ones."""
        codes = self.codes().detach()
        mean = codes.mean(0)
        floor = FLOOR * torch.eye(len(mean), device=codes.device, dtype=codes.dtype)
        covariance = (codes - mean).t() @ (codes - mean) / len(codes) + floor
        root = torch.linalg.cholesky_ex(covariance)[0]  # `cholesky` would wait for the device
        shape = (n, len(mean))
        u = torch.randn(shape, generator=noise, device=codes.device, dtype=codes.dtype)
        return mean + u @ root.t()

    def infer(self, ids, noise):
        """Guess codes from p(z) itself, whose price is 0."""
        z = self.draw(len(ids), noise)
        return z, z.new_zeros(len(z))

    def nll_loss(self, ids, noise, rows):
        """Return -ln q(x_i | z_i), nats a token, of training rows i."""
        rollout = self.decoder.under(self.codes(rows)).score(ids)
        return -(rollout.log_q.sum() / rollout.mask.sum())
