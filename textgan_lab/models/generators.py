"""Generators: of sentences, with exact likelihood, and of points."""

import torch
from torch import Tensor, nn

from ..catalogue import Catalogue
from ..data.law import BOS
from .autoregressive import Autoregressive
from .layers import LSTM
from .sampling import Rollout

GENERATORS = Catalogue("generator")


@GENERATORS.register("lstm")
class LSTMGenerator(Autoregressive):
    """An LSTM that writes a sentence token by token; q(x) = prod_t q(x_t | x_<t) is known exactly.

    Sizes are numbers of units. ``init_std``: all weights start from N(0, init_std^2), as SeqGAN's
    do (0.1); None: as torch starts each layer.
    """

    one_pass = True

    def __init__(
        self, data, *, embedding: int = 32, hidden: int = 64, init_std: float | None = None
    ):
        super().__init__(data)
        self.embed = nn.Embedding(data.vocab_size, embedding)
        self.lstm = LSTM(embedding, hidden)
        self.head = nn.Linear(hidden, data.vocab_size)
        if init_std is not None:
            if not init_std > 0:
                raise ValueError(f"init_std: expected a number above 0, or None, got {init_std!r}")
            for p in self.parameters():
                nn.init.normal_(p, std=init_std)

    def features(self, ids):
        """Return the hidden states [batch, time, hidden]."""
        before = torch.cat([torch.full_like(ids[:, :1], BOS), ids[:, :-1]], 1)
        return self.lstm(self.embed(before))

    def start(self, n, given):
        """Return hidden and cell state, zero."""
        zeros = self.embed.weight.new_zeros(n, self.lstm.hidden_size)
        return zeros, zeros

    def feed(self, embedded):
        """Return the input's side of the gates."""
        return self.lstm.gates(embedded)

    def step(self, x, state):
        """Advance the cell."""
        state = self.lstm.cell(x, *state)
        return state[0], state


@GENERATORS.register("mlp")
class MLPGenerator(nn.Module):
    """A multilayer perceptron that maps Gaussian noise z to points; its density is not known."""

    kind, likelihood, given = "points", False, 0

    def __init__(self, data, *, latent: int = 16, hidden: int = 128):
        super().__init__()
        self.latent = latent
        self.net = nn.Sequential(
            nn.Linear(latent, hidden),
            nn.LeakyReLU(0.2),
            nn.Linear(hidden, hidden),
            nn.LeakyReLU(0.2),
            nn.Linear(hidden, data.dim),
        )

    def play(self, n: int, generator: torch.Generator, given: None = None) -> Rollout:
        """Draw a rollout of n points, differentiable in the weights."""
        device = self.net[0].weight.device
        return Rollout(self.net(torch.randn(n, self.latent, generator=generator, device=device)))

    @torch.no_grad()
    def sample(self, n: int, generator: torch.Generator, given: None = None) -> Tensor:
        """Draw points [n, dim]."""
        return self.play(n, generator).x
