"""Players of points that are frames of sensors on a ring: convolutions in time and around it."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .discriminators import DISCRIMINATORS
from .generators import GENERATORS
from .layers import Dropout
from .sampling import Rollout


class RingConv(nn.Conv2d):
    """A 3 x 3 convolution over [batch, channels, frames, sensors].

    The last sensor is a neighbour of the first; before the first frame and after the last there is
    nothing (zeros). ``stride`` skips frames, never sensors.
    """

    def __init__(self, inputs: int, outputs: int, stride: int = 1):
        super().__init__(inputs, outputs, 3, stride=(stride, 1), padding=(1, 0))

    def forward(self, x: Tensor) -> Tensor:
        """Return the features of every sensor, in every ``stride``-th frame."""
        return super().forward(torch.cat([x[..., -1:], x, x[..., :1]], -1))


@GENERATORS.register("series_cnn")
class SeriesGenerator(nn.Module):
    """A CNN that unfolds Gaussian noise into frames of sensors on a ring; density not known.

    A latent code is unfolded over frames and sensors, joined by a noise of its own at each place,
    and smoothed by two convolutions. ``latent`` counts the code, ``hidden`` the units that read it,
    ``channels`` the features a place.
    Raises ValueError for points without a ``shape`` (frames, sensors).
    """

    kind, likelihood, given = "points", False, 0

    def __init__(self, data, *, latent: int = 16, hidden: int = 64, channels: int = 8):
        super().__init__()
        self.shape, self.latent, self.channels = _shape(self, data), latent, channels
        self.code = nn.Linear(latent, hidden)
        self.unfold = nn.Linear(hidden, channels * data.dim)
        self.smooth = RingConv(channels + 1, channels)
        self.out = RingConv(channels, 1)

    def play(self, n: int, generator: torch.Generator, given: None = None) -> Rollout:
        """Draw a rollout of n points, differentiable in the weights."""
        frames, sensors = self.shape
        noise = torch.randn(
            n, self.latent + frames * sensors, generator=generator, device=self.code.weight.device
        )
        code = F.leaky_relu(self.code(noise[:, : self.latent]), 0.2)
        features = self.unfold(code).view(n, self.channels, frames, sensors)
        places = noise[:, self.latent :].view(n, 1, frames, sensors)
        features = F.leaky_relu(torch.cat([features, places], 1), 0.2)
        return Rollout(self.out(F.leaky_relu(self.smooth(features), 0.2)).flatten(1))

    @torch.no_grad()
    def sample(self, n: int, generator: torch.Generator, given: None = None) -> Tensor:
        """Draw points [n, dim]."""
        return self.play(n, generator).x


@DISCRIMINATORS.register("series_cnn")
class SeriesDiscriminator(nn.Module):
    """A CNN on frames of sensors on a ring, one logit a point, the same however the ring is turned.

    Three convolutions, the later two on every second frame, and the mean over sensors.
    Raises ValueError for points without a ``shape`` (frames, sensors).
    """

    kind, per_token = "points", False

    def __init__(self, data, *, channels: int = 16):
        super().__init__()
        self.shape = _shape(self, data)
        self.convolutions = nn.ModuleList(
            [
                RingConv(1, channels),
                RingConv(channels, channels, 2),
                RingConv(channels, channels, 2),
            ]
        )
        self.dropout = Dropout()
        self.head = nn.Linear(channels * -(-self.shape[0] // 4), 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map points [batch, dim] to logits [batch]."""
        x = x.view(len(x), 1, *self.shape)
        for convolution in self.convolutions:
            x = F.leaky_relu(convolution(x), 0.2)
        return self.head(self.dropout(x.mean(3).flatten(1))).squeeze(1)


def _shape(part: nn.Module, data) -> Sequence[int]:
    shape = getattr(data, "shape", None)
    if shape is None:
        raise ValueError(
            f"{type(part).name!r} plays frames of sensors, and {data.name!r} has no "
            f"shape (frames, sensors); use 'mlp', or data like 'waves'"
        )
    return shape
