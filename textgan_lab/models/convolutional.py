"""A generator that writes all positions at once from one draw of noise."""

import torch
from torch import Tensor, nn

from ..data.law import EOS, PAD
from .generators import GENERATORS
from .residual import ResidualBlock
from .sampling import IMPOSSIBLE, Rollout


@GENERATORS.register("convolutional")
class ConvolutionalGenerator(nn.Module):
    """Residual convolutions from Gaussian noise z to a sentence of simplex points (WGAN-GP).

    All chance is in z: no token is drawn, the sentence is the argmax at every position, and so
    ln q is not known. D reads softmax(logits), the inside of the simplex, where real text are its
    corners: a critic of bounded slope is needed, for any other tells them by their sharpness.
    As everywhere, tokens outside the data's ``support`` never come, and once the argmax is <eos>,
    every later point is the one-hot <pad>, without gradient.

    Estimator  `gumbel` with straight_through=False: it asks `relax`, whose temperature divides the
               logits; no Gumbel noise is added, so at temperature 1 it is the softmax of the paper
    Paper      Gulrajani et al. 2017 (128 numbers of noise, 5 blocks of 512 channels)
    Raises     ValueError for data that give a prompt
    """

    kind, likelihood, given = "text", False, 0

    def __init__(self, data, *, latent: int = 64, channels: int = 64, blocks: int = 5):
        super().__init__()
        if getattr(data, "given", 0):
            raise ValueError(
                f"generator 'convolutional' writes from noise alone, and the data {data.name!r} "
                f"gives a prompt: use 'attention', 'lstm' or another that writes token by token"
            )
        self.length, self.vocab_size, self.latent = data.length, data.vocab_size, latent
        never = torch.zeros(data.vocab_size).masked_fill_(~data.support, IMPOSSIBLE)
        self.register_buffer("never", never, persistent=False)
        self.spread = nn.Linear(latent, data.length * channels)
        self.blocks = nn.Sequential(*(ResidualBlock(channels) for _ in range(blocks)))
        self.head = nn.Linear(channels, data.vocab_size)

    def forward(self, z: Tensor) -> Tensor:
        """Map noise [n, latent] to logits [n, time, vocab]."""
        x = self.spread(z).view(len(z), -1, self.length)
        return self.head(self.blocks(x).transpose(1, 2)) + self.never

    def relax(
        self,
        n: int,
        generator: torch.Generator,
        temperature: Tensor,
        straight_through: bool,
        given: None = None,
    ) -> Rollout:
        """Draw a rollout of simplex points softmax(logits / temperature).

        Straight-through hands on the one-hot argmax and lets the gradient of the point through.
        """
        logits = self(self._noise(n, generator))
        y = (logits / temperature.to(logits.dtype)).softmax(2)
        ids, done = self._written(logits)
        if straight_through:
            y = torch.zeros_like(y).scatter_(2, ids[..., None], 1.0) + (y - y.detach())
        pad = torch.zeros_like(self.never, dtype=y.dtype)
        pad[PAD] = 1
        return Rollout(torch.where(done[..., None], pad, y), ids)

    def play(self, n: int, generator: torch.Generator, given: None = None) -> Rollout:
        """Draw a rollout of the points softmax(logits), differentiable in the weights."""
        return self.relax(n, generator, torch.ones_like(self.never[0]), False)

    @torch.no_grad()
    def sample(
        self,
        n: int,
        generator: torch.Generator,
        temperature: float = 1.0,
        given: None = None,
    ) -> Tensor:
        """Draw ids [n, time]: the likeliest token at every position.

        Raises ValueError for a temperature that is not 1: there is no law of tokens to sharpen.
        """
        if temperature != 1:
            raise ValueError(
                f"temperature: generator 'convolutional' draws noise and no tokens, so only 1 has "
                f"a meaning, got {temperature!r}"
            )
        return self._written(self(self._noise(n, generator)))[0]

    def _noise(self, n: int, generator: torch.Generator) -> Tensor:
        weight = self.spread.weight
        return torch.randn(
            n, self.latent, generator=generator, device=weight.device, dtype=weight.dtype
        )

    @staticmethod
    def _written(logits: Tensor) -> tuple[Tensor, Tensor]:
        """Return the tokens, padded after <eos>, and where that is."""
        ids = logits.argmax(2)
        ends = ids == EOS
        done = ends.cumsum(1) - ends.long() > 0
        return ids.masked_fill(done, PAD), done
