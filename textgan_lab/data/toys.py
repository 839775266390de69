"""Toy laws on points: mixtures of Gaussians whose density, modes and supports are known exactly.

The ring and the grid are the standard pictures of mode collapse (Metz et al. 2017; Srivastava et
al. 2017). Embedded in more dimensions they fill a plane only, the case in which the supports of
data and generator do not overlap (Arjovsky & Bottou 2017).
"""

import hashlib
import math
from collections.abc import Sequence
from functools import cached_property

import torch

from .law import DrawnData, whole
from .sources import CORPORA


class GaussianMixture(DrawnData):
    """Gaussians of one spread around ``centres``, in all dimensions or on an embedded plane.

    Shapes   points [n, dim] float; centres [modes, dim] float64; ``basis`` None, or [dim, flat]
             with orthonormal columns that span the plane holding all points
    Formula  log_prob(x) = log sum_k weights_k N(y; c_k, std^2 I), nats; y = x, or the coordinates
             ``x basis`` on the plane: a density per unit of area of the plane, and -inf off it
    Rule     a point belongs to its nearest centre if that is within 3 ``std``, measured in all
             ``dim`` dimensions; otherwise to none. In two dimensions 1 - exp(-4.5) = 98.9 % of the
             mixture's own points belong to a mode.

    Raises ValueError for centres, weights or a spread that make no density.
    """

    kind = "points"
    entropy = None  # no closed form; estimate it by the mean of -log_prob over samples
    REACH = 3.0  # standard deviations from a centre that still count as its mode
    FLATNESS = 1e-4  # distance off the plane, over the mixture's extent, that rounding explains

    def __init__(
        self,
        centres: Sequence[Sequence[float]] | torch.Tensor,
        std: float,
        weights: Sequence[float] | torch.Tensor | None = None,
        *,
        mode_names: Sequence[str] | None = None,
        name: str = "gaussian-mixture",
        seed: int = 0,
        pool: int = 30_000,
    ):
        self.name = name
        self._set_draws(seed, pool)
        flat = torch.as_tensor(centres, dtype=torch.float64)
        if flat.dim() != 2 or not flat.numel() or not flat.isfinite().all():
            raise ValueError(
                f"{name}: centres must be finite numbers [modes, dim], got {list(flat.shape)}"
            )
        if not (math.isfinite(std) and std > 0):
            raise ValueError(f"{name}: std must be above 0, got {std!r}")
        shares = torch.full((len(flat),), 1 / len(flat), dtype=torch.float64)
        if weights is not None:
            shares = torch.as_tensor(weights, dtype=torch.float64)
        if shares.shape != (len(flat),) or not (shares > 0).all() or abs(shares.sum() - 1) > 1e-9:
            raise ValueError(
                f"{name}: weights must be {len(flat)} positive numbers that sum to 1, "
                f"got {shares.tolist()}"
            )
        self.std = float(std)
        self.mode_names = [*(mode_names or map(str, range(len(flat))))]
        if len(self.mode_names) != len(flat):
            raise ValueError(f"{name}: {len(self.mode_names)} names for {len(flat)} centres")
        self.mode_probs = shares.tolist()
        self.basis: torch.Tensor | None = None
        self._flat, self._weights = flat, shares
        self._tables: dict[torch.device, tuple] = {}

    def embed(self, dim: int, generator: torch.Generator) -> "GaussianMixture":
        """Return this mixture on a random plane through the origin of ``dim`` dimensions.

        The basis is the orthogonal factor of a Gaussian matrix (QR, columns signed so that it is
        unique and uniform); distances between points stay as they are.

        Raises:
            ValueError: fewer dimensions than the mixture has, or a mixture already embedded.
        """
        flat = self._flat.shape[1]
        if self.basis is not None or dim < flat:
            raise ValueError(f"{self.name}: cannot embed {self.dim} dimensions into {dim}")
        other = GaussianMixture(
            self._flat, self.std, self._weights, mode_names=self.mode_names, name=self.name,
            seed=self.seed, pool=self.pool,
        )  # fmt: skip
        matrix = torch.randn(
            dim, flat, dtype=torch.float64, generator=generator, device=generator.device
        )
        q, r = torch.linalg.qr(matrix.cpu())
        other.basis = q * r.diagonal().sign()
        return other

    @property
    def dim(self) -> int:
        """Numbers in a point."""
        return self._flat.shape[1] if self.basis is None else len(self.basis)

    @cached_property
    def centres(self) -> torch.Tensor:
        """The centres among the points: [modes, dim] float64 on the CPU."""
        return self._flat if self.basis is None else self._flat @ self.basis.T

    def log_prob(self, x: torch.Tensor) -> torch.Tensor:
        """Return the exact log-density: [n, dim] -> [n] float64, nats (see the class for planes).

        Off the plane means farther from it than 1e-4 of the mixture's extent, the larger of
        ``std`` and the farthest centre's distance from the origin.
        """
        x = self._checked(x).double()
        flat, weights, basis, _ = self._on(x.device)
        y = x if basis is None else x @ basis
        squares = (y[:, None] - flat).square().sum(2) / self.std**2
        constant = flat.shape[1] * math.log(self.std * math.sqrt(2 * math.pi))
        log_prob = (weights.log() - squares / 2).logsumexp(1) - constant
        if basis is None:
            return log_prob
        off_plane = torch.linalg.vector_norm(x - y @ basis.T, dim=1)
        extent = max(self.std, float(self._flat.norm(dim=1).max()))
        return torch.where(off_plane <= self.FLATNESS * extent, log_prob, -torch.inf)

    def modes(self, x: torch.Tensor) -> torch.Tensor:
        """Return each point's mode: [n, dim] -> int64 [n]; ``len(mode_names)`` means none.

        The nearest centre, if within 3 ``std`` in all dimensions; equally near, the first.
        """
        x = self._checked(x).double()
        centres = self._on(x.device)[3]
        squares = (x[:, None] - centres).square().sum(2)
        nearest, mode = squares.min(1)
        return torch.where(nearest <= (self.REACH * self.std) ** 2, mode, len(self.mode_names))

    def sample(self, n: int, generator: torch.Generator) -> torch.Tensor:
        """Draw ``n`` points on the generator's device: [n, dim] float32."""
        flat, weights, basis, _ = self._on(generator.device)
        drawn = {"dtype": torch.float64, "generator": generator, "device": generator.device}
        edges = weights.cumsum(0)[:-1]  # the last mode takes what is left
        mode = torch.searchsorted(edges, torch.rand(n, **drawn), right=True)
        y = flat[mode] + self.std * torch.randn(n, flat.shape[1], **drawn)
        return (y if basis is None else y @ basis.T).float()

    @cached_property
    def fingerprint(self) -> str:
        """The sha256 of centres, spread, weights, basis, seed and pool.

        Numbers count to nine digits (the basis to six): sines and factorisations differ in the
        last ones between machines.
        """
        basis = [] if self.basis is None else self.basis.flatten().tolist()
        numbers = [f"{v:.9g}" for v in (*self._flat.flatten().tolist(), self.std, *self.mode_probs)]
        content = [numbers, [f"{v + 0.0:.6f}" for v in basis], self.mode_names]
        return hashlib.sha256(repr([*content, self.seed, self.pool]).encode()).hexdigest()

    def _checked(self, x: torch.Tensor) -> torch.Tensor:
        if x.dim() != 2 or x.shape[1] != self.dim:
            raise ValueError(f"{self.name}: expected points [n, {self.dim}], got {list(x.shape)}")
        return x

    def _on(self, device: torch.device) -> tuple:
        if device not in self._tables:
            tables = self._flat, self._weights, self.basis, self.centres
            self._tables[device] = tuple(None if t is None else t.to(device) for t in tables)
        return self._tables[device]

    def __repr__(self) -> str:
        plane = "" if self.basis is None else f", on a plane of {self._flat.shape[1]}"
        return (
            f"GaussianMixture {self.name!r}: {len(self.mode_names)} modes of std {self.std:g} in "
            f"{self.dim} dimensions{plane}"
        )


def _in_space(mixture: GaussianMixture, dim: int) -> GaussianMixture:
    """Return the mixture, or its embedding where ``dim`` asks for more dimensions than it has."""
    if dim == mixture.dim:
        return mixture
    return mixture.embed(dim, torch.Generator().manual_seed(mixture.seed))


@CORPORA.register("ring")
def ring(
    *, modes: int = 8, radius: float = 1.0, std: float = 0.02, dim: int = 2, seed: int = 0,
    pool: int = 30_000,
) -> GaussianMixture:  # fmt: skip
    """Gaussians evenly around a circle, at the angles k 2 pi / modes for k < modes."""
    angles = [2 * math.pi * k / modes for k in range(whole("ring: modes", modes))]
    centres = [[radius * math.cos(a), radius * math.sin(a)] for a in angles]
    names = [f"{360 * k / modes:g}°" for k in range(modes)]
    mixture = GaussianMixture(centres, std, mode_names=names, name="ring", seed=seed, pool=pool)
    return _in_space(mixture, dim)


@CORPORA.register("grid")
def grid(
    *, side: int = 5, spacing: float = 2.0, std: float = 0.05, dim: int = 2, seed: int = 0,
    pool: int = 30_000,
) -> GaussianMixture:  # fmt: skip
    """Gaussians on a square grid of side x side centres around the origin."""
    ticks = [spacing * (k - (side - 1) / 2) for k in range(whole("grid: side", side))]
    centres = [[x, y] for y in ticks for x in ticks]
    names = [f"({x:g}, {y:g})" for x, y in centres]
    mixture = GaussianMixture(centres, std, mode_names=names, name="grid", seed=seed, pool=pool)
    return _in_space(mixture, dim)


@CORPORA.register("gaussian-pair")
def gaussian_pair(
    *, separation: float = 6.0, std: float = 1.0, weight: float = 0.5, dim: int = 2, seed: int = 0,
    pool: int = 30_000,
) -> GaussianMixture:  # fmt: skip
    """Two full-dimensional Gaussians, ``separation`` apart; the left one has share ``weight``."""
    rest = [0.0] * (whole("gaussian-pair: dim", dim) - 1)
    centres = [[-separation / 2, *rest], [separation / 2, *rest]]
    return GaussianMixture(
        centres, std, [weight, 1 - weight], mode_names=["left", "right"], name="gaussian-pair",
        seed=seed, pool=pool,
    )  # fmt: skip
