"""Generators: of sentences, with exact likelihood, and of points."""

import torch
from torch import Tensor, nn

from ..catalogue import Catalogue
from ..data.law import BOS, EOS, PAD
from .layers import LSTM
from .sampling import IMPOSSIBLE, Rollout, draw, gumbel

GENERATORS = Catalogue("generator")


@GENERATORS.register("lstm")
class LSTMGenerator(nn.Module):
    """An LSTM that writes a sentence token by token, q(x) = prod_t q(x_t | x_<t), known exactly.

    Tokens outside the data's ``support`` (always <pad> and <bos>) have probability 0. After <eos>
    only <pad> follows, with probability 1.

    ``data`` follows the data contract; sizes are numbers of units.
    """

    kind = "text"

    def __init__(self, data, *, embedding: int = 32, hidden: int = 64):
        super().__init__()
        self.length, self.vocab_size = data.length, data.vocab_size
        self.embed = nn.Embedding(data.vocab_size, embedding)
        self.lstm = LSTM(embedding, hidden)
        self.head = nn.Linear(hidden, data.vocab_size)
        never = torch.zeros(data.vocab_size).masked_fill_(~data.support, IMPOSSIBLE)
        self.register_buffer("never", never, persistent=False)

    def logits(self, ids: Tensor) -> Tensor:
        """Return next-token logits [batch, time, vocab] for ids [batch, time], teacher-forced."""
        before = torch.cat([torch.full_like(ids[:, :1], BOS), ids[:, :-1]], 1)
        return self.head(self.lstm(self.embed(before))) + self.never

    def score(self, ids: Tensor) -> Rollout:
        """Return given sentences as a rollout, whose ``log_q`` is exact and differentiable."""
        return Rollout(ids, ids, lambda: self.logits(ids).log_softmax(2))

    def log_prob(self, ids: Tensor) -> Tensor:
        """Return exact log q of whole sentences, [batch], nats, float64 sums."""
        return self.score(ids).log_q.double().sum(1)

    @torch.no_grad()
    def sample(self, n: int, generator: torch.Generator, temperature: float = 1.0) -> Tensor:
        """Draw ids [n, time]; ``temperature`` divides the logits (0 plays the likeliest token).

        Raises ValueError for a temperature below 0.
        """
        if not temperature >= 0:
            raise ValueError(f"temperature: expected 0 or more, got {temperature!r}")
        device = self.never.device
        u = torch.rand(2, self.length, n, generator=generator, device=device)
        table = self.lstm.gates(self.embed.weight)  # input side of every token, once a call
        h = c = torch.zeros(n, self.lstm.hidden_size, device=device, dtype=table.dtype)
        token = torch.full((n,), BOS, device=device)
        done, ids = torch.zeros(n, dtype=torch.bool, device=device), []
        for t in range(self.length):
            h, c = self.lstm.cell(table[token], h, c)
            logits = self.head(h) + self.never
            token = logits.argmax(1) if temperature == 0 else draw(logits / temperature, u[:, t])
            token = token.masked_fill(done, PAD)
            done = done | (token == EOS)
            ids.append(token)
        return torch.stack(ids, 1)

    def play(self, n: int, generator: torch.Generator) -> Rollout:
        """Draw a rollout of hard tokens; its ``log_q`` carries the gradient for score functions."""
        return self.score(self.sample(n, generator))

    def relax(
        self, n: int, generator: torch.Generator, temperature: Tensor, straight_through: bool
    ) -> Rollout:
        """Draw a rollout of simplex points y = softmax((logits + Gumbel noise) / temperature).

        Straight-through hands on the one-hot argmax of y and lets the gradient of y through. Fed
        back as the next input, so the gradient flows through time. Once the argmax was <eos>, every
        later point is the one-hot <pad>, without gradient. Jang et al. 2017, Maddison et al. 2017.
        """
        weight = self.embed.weight
        noise = gumbel((self.length, n, self.vocab_size), generator, weight.dtype)
        pad = torch.zeros(self.vocab_size, device=weight.device, dtype=weight.dtype)
        pad[PAD] = 1
        h = c = weight.new_zeros(n, self.lstm.hidden_size)
        x = weight[BOS].expand(n, -1)
        done = torch.zeros(n, dtype=torch.bool, device=weight.device)
        points, ids, log_p = [], [], []
        for t in range(self.length):
            h, c = self.lstm.cell(self.lstm.gates(x), h, c)
            logits = self.head(h) + self.never
            log_p.append(logits.log_softmax(1))
            y = ((logits + noise[t]) / temperature.to(logits.dtype)).softmax(1)
            token = y.argmax(1)
            if straight_through:
                y = torch.zeros_like(y).scatter_(1, token[:, None], 1.0) + (y - y.detach())
            y = torch.where(done[:, None], pad, y)
            token = token.masked_fill(done, PAD)
            done = done | (token == EOS)
            points.append(y)
            ids.append(token)
            x = y @ weight
        return Rollout(torch.stack(points, 1), torch.stack(ids, 1), lambda: torch.stack(log_p, 1))


@GENERATORS.register("mlp")
class MLPGenerator(nn.Module):
    """A multilayer perceptron that maps Gaussian noise z to points; its density is not known."""

    kind = "points"

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

    def play(self, n: int, generator: torch.Generator) -> Rollout:
        """Draw a rollout of n points, differentiable in the weights."""
        device = self.net[0].weight.device
        return Rollout(self.net(torch.randn(n, self.latent, generator=generator, device=device)))

    @torch.no_grad()
    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """Draw points [n, dim]."""
        return self.play(n, generator).x
