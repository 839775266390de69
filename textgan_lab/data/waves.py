"""A world that is no text: waves that run around a ring of sensors, one way or the other."""

import hashlib
import math
from functools import cached_property

import torch

from .law import DrawnData, whole
from .sources import CORPORA


class TravellingWaves(DrawnData):
    """Gaussian waves on a ring of sensors, all of a sample running right or all running left.

    Shapes   points [n, dim] float, dim = frames * sensors, row-major from ``shape`` = (frames,
             sensors)
    Formula  x[t, s] = sum_k Re(a_k exp(i (2 pi k s / sensors -+ omega_k t))) + noise, k = 1..waves,
             omega_k = 2 pi k speed / sensors: a pattern moves on by ``speed`` sensors a frame, to
             the right with the upper sign. Re a_k and Im a_k are N(0, v_k), v_k proportional to
             1 / k^2 with sum 1: every sensor has variance 1, noise apart, which is N(0, noise^2)
    Law      a mixture of two Gaussians of mean 0, covariances B B' + noise^2 I, weights ``right``
             and 1 - right. A sensor by itself, or a frame by itself, cannot tell one from the other
    Modes    the direction whose waves hold most of the sample's energy, if that is four fifths or
             more; else none: standing waves, noise

    Raises ValueError for waves too short for the sensors or too fast for the frames.
    """

    kind = "points"
    entropy = None  # no closed form; `entropy_bounds` hold it
    MOST = 0.8  # of a sample's energy that its direction's waves must hold (ours)

    def __init__(
        self,
        *,
        frames: int = 12,
        sensors: int = 12,
        waves: int = 3,
        speed: float = 1.0,
        noise: float = 0.1,
        right: float = 0.5,
        name: str = "waves",
        seed: int = 0,
        pool: int = 30_000,
    ):
        self.name = name
        self._set_draws(seed, pool)
        least = {"frames": (frames, 2), "sensors": (sensors, 3), "waves": (waves, 1)}
        for option, (value, fewest) in least.items():
            whole(f"{name}: {option}", value, fewest)
        if 2 * waves >= sensors:
            raise ValueError(
                f"{name}: {sensors} sensors tell waves 1 to {(sensors - 1) // 2} apart, got "
                f"waves={waves}"
            )
        if not 0 < 2 * waves * speed < sensors:
            raise ValueError(
                f"{name}: the shortest wave must turn by less than half a cycle a frame, so speed "
                f"lies above 0 and below {sensors / (2 * waves):g}, got {speed!r}"
            )
        if not (math.isfinite(noise) and noise > 0):
            raise ValueError(
                f"{name}: noise must be above 0, or there is no density, got {noise!r}"
            )
        if not 0 <= right <= 1:
            raise ValueError(f"{name}: right is a probability, got {right!r}")
        self.shape, self.dim = (frames, sensors), frames * sensors
        self.speed, self.noise = float(speed), float(noise)
        self.mode_names, self.mode_probs = ["right", "left"], [float(right), 1.0 - right]
        k = torch.arange(1, waves + 1, dtype=torch.float64)
        self.variances = k**-2 / (k**-2).sum()
        self._tables: dict[torch.device, tuple[torch.Tensor, ...]] = {}

    @cached_property
    def bases(self) -> torch.Tensor:
        """B of both directions, right first: float64 [2, dim, 2 waves], scaled by the spreads."""
        k = torch.arange(1, len(self.variances) + 1, dtype=torch.float64)
        t, s = (torch.arange(n, dtype=torch.float64) for n in self.shape)
        turn = 2 * math.pi / self.shape[1]  # of wave 1, from one sensor to the next
        moved = torch.stack([s - way * self.speed * t[:, None] for way in (1, -1)])  # [2, T, S]
        phase = turn * moved.flatten(1)[..., None] * k
        return torch.cat([phase.cos(), -phase.sin()], 2) * self.variances.sqrt().repeat(2)

    @cached_property
    def covariances(self) -> torch.Tensor:
        """The covariance of each direction, right first: float64 [2, dim, dim]."""
        eye = torch.eye(self.dim, dtype=torch.float64)
        return self.bases @ self.bases.mT + self.noise**2 * eye

    def log_prob(self, x: torch.Tensor) -> torch.Tensor:
        """Return the exact log-density: [n, dim] -> [n] float64, nats."""
        roots, constants, weights, _ = self._on(x.device)
        white = torch.linalg.solve_triangular(roots, self._checked(x).double().T, upper=False)
        return (weights.log()[:, None] - white.square().sum(1) / 2 - constants[:, None]).logsumexp(
            0
        )

    def sample(self, n: int, generator: torch.Generator) -> torch.Tensor:
        """Draw ``n`` samples on the generator's device: [n, dim] float32."""
        bases = self.bases.to(generator.device)
        drawn = {"dtype": torch.float64, "generator": generator, "device": generator.device}
        left = torch.rand(n, **drawn) >= self.mode_probs[0]
        amplitudes = torch.randn(n, bases.shape[2], **drawn)
        both = amplitudes @ bases.mT
        waves = torch.where(left[:, None], both[1], both[0])
        return (waves + self.noise * torch.randn(n, self.dim, **drawn)).float()

    def energies(self, x: torch.Tensor) -> torch.Tensor:
        """Return which share of each sample's energy the waves of a direction can explain.

        Shapes  [n, dim] -> float64 [n, 2], right first, in [0, 1]; they overlap a little where the
                frames hold no whole number of periods
        """
        x = self._checked(x).double()
        explained = (x @ self._on(x.device)[3]).square().sum(2)
        energy = x.square().sum(1)
        return (explained / energy.clamp(min=torch.finfo(energy.dtype).tiny)).T

    def modes(self, x: torch.Tensor) -> torch.Tensor:
        """Return where a sample's waves run: 0 right, 1 left, 2 neither; [n, dim] -> int64 [n]."""
        most, way = self.energies(x).max(1)
        return torch.where(most >= self.MOST, way, len(self.mode_names))

    @cached_property
    def entropy_bounds(self) -> tuple[float, float]:
        """What the differential entropy lies between, nats per sample.

        Formula  H(x | direction) - sum_i w_i ln sum_j w_j exp(-d_ij), from below with d the
                 Bhattacharyya distance, from above with d the KL divergence
        Source   Kolchinsky & Tracey 2017
        """
        # the directions mirror each other: one determinant, and one divergence either way
        right, left = self.covariances
        half = torch.linalg.slogdet(right).logabsdet.item() / 2
        apart = torch.linalg.slogdet((right + left) / 2).logabsdet.item() / 2 - half
        kl = (torch.linalg.solve(left, right).trace().item() - self.dim) / 2
        within = half + self.dim / 2 * math.log(2 * math.pi * math.e)
        low, high = (
            within - sum(w * math.log(w + (1 - w) * math.exp(-d)) for w in self.mode_probs if w)
            for d in (apart, kl)
        )
        return low, high

    @cached_property
    def fingerprint(self) -> str:
        """The sha256 of shape, waves, speed, noise, weights, seed and pool."""
        numbers = [f"{v:.9g}" for v in (self.speed, self.noise, *self.mode_probs)]
        content = ["waves", self.shape, len(self.variances), numbers, self.seed, self.pool]
        return hashlib.sha256(repr(content).encode()).hexdigest()

    def _checked(self, x: torch.Tensor) -> torch.Tensor:
        if x.dim() != 2 or x.shape[1] != self.dim:
            raise ValueError(
                f"{self.name}: expected points [n, {self.dim}] ({self.shape[0]} frames of "
                f"{self.shape[1]} sensors), got {list(x.shape)}"
            )
        return x

    def _on(self, device: torch.device) -> tuple[torch.Tensor, ...]:
        """Return roots of the covariances, constants, weights, orthonormal bases, on a device."""
        if device not in self._tables:
            roots = torch.linalg.cholesky(self.covariances)
            logs = roots.diagonal(dim1=1, dim2=2).log().sum(1)
            constants = logs + self.dim / 2 * math.log(2 * math.pi)
            weights = torch.tensor(self.mode_probs, dtype=torch.float64)
            tables = roots, constants, weights, torch.linalg.qr(self.bases).Q
            self._tables[device] = tuple(table.to(device) for table in tables)
        return self._tables[device]

    def __repr__(self) -> str:
        frames, sensors = self.shape
        return (
            f"TravellingWaves {self.name!r}: {frames} frames of {sensors} sensors, waves 1 to "
            f"{len(self.variances)} at {self.speed:g} sensors a frame, noise {self.noise:g}, "
            f"{self.mode_probs[0]:.0%} run right"
        )


@CORPORA.register("waves")
def waves(
    *, frames: int = 12, sensors: int = 12, waves: int = 3, speed: float = 1.0, noise: float = 0.1,
    right: float = 0.5, seed: int = 0, pool: int = 30_000,
) -> TravellingWaves:  # fmt: skip
    """Waves that run around a ring of sensors, to the right or to the left: no text."""
    return TravellingWaves(
        frames=frames, sensors=sensors, waves=waves, speed=speed, noise=noise, right=right,
        seed=seed, pool=pool,
    )  # fmt: skip
