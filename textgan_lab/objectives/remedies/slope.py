"""Penalties on D's slope: how fast its logit may change with what it reads."""

import torch
from torch import Tensor, nn

from ...knobs import Knob
from .contract import REMEDIES, Remedy, simplex


def _slope(d: nn.Module, x: Tensor) -> Tensor:
    """Return grad_x D(x) row by row, differentiable in D's weights; of a per-token D, its mean."""
    x = x.detach().requires_grad_()
    logits = d(x)
    score = logits.mean(1) if logits.dim() == 2 else logits
    return torch.autograd.grad(score.sum(), x, create_graph=True)[0]


def _distance_from_one(slope: Tensor) -> Tensor:
    """Return the mean over rows of (norm - 1)^2."""
    # vector_norm has gradient 0, not NaN, where the slope is exactly 0
    return (torch.linalg.vector_norm(slope.flatten(1), dim=1) - 1).square().mean()


@REMEDIES.register("gradient_penalty")
class GradientPenalty(Remedy):
    """Hold D's slope at 1 between real and fake points, sentence by sentence.

    Formula  E (||grad_x D(x)|| - 1)^2 at x = u real + (1 - u) fake, one u a sentence; the norm runs
             over time and vocabulary jointly; a per-token D counts with its mean over time
    Paper    Gulrajani et al. 2017 (weight 10 there)
    """

    states = False

    def __init__(self, *, weight: float = 10.0):
        self.knob = Knob(
            "gradient_penalty.weight",
            weight,
            (0.0, 1000.0),
            "how hard D's slope is held at 1",
            player="d",
            scale="log",
            slider=(0.01, 100.0),
        )

    def d_term(self, play):
        """Return the mean squared distance of D's slope from 1."""
        real, fake = (simplex(x, play.vocab_size) for x in (play.real, play.fake))
        u = torch.rand(len(real), generator=play.noise, device=real.device, dtype=real.dtype)
        slope = _slope(play.d, torch.lerp(fake, real, u.view(-1, *[1] * (real.dim() - 1))))
        return _distance_from_one(slope)


@REMEDIES.register("dragan")
class Dragan(Remedy):
    """Hold D's slope at 1 around real points: no steep peak there for G to be lost beside.

    Formula  E (||grad_x D(x + a d)|| - 1)^2 over real x, d = reach * std * u; std is one number,
             that of all coordinates of the batch; u uniform in (-1, 1) at each of them, a uniform
             in (0, 1), one a row; the norm as in gradient_penalty
    centred  False draws u from (0, 1), as the published code does: then points do not surround x
             but lie on one side of it
    Paper    Kodali et al. 2017 (reach 0.5, weight 10)
    Raises   ValueError for a reach that is not above 0
    """

    states = False

    def __init__(self, *, weight: float = 10.0, reach: float = 0.5, centred: bool = True):
        if not reach > 0:
            raise ValueError(f"dragan: reach must be above 0, got {reach!r}")
        self.reach, self.centred = reach, centred
        self.knob = Knob(
            "dragan.weight",
            weight,
            (0.0, 1000.0),
            "how hard D's slope is held at 1 around real data",
            player="d",
            scale="log",
            slider=(0.01, 100.0),
        )

    def d_term(self, play):
        """Return the mean squared distance of D's slope from 1."""
        x = self.around(simplex(play.real, play.vocab_size), play.noise)
        return _distance_from_one(_slope(play.d, x))

    def around(self, x: Tensor, noise: torch.Generator) -> Tensor:
        """Return a point near each row of ``x``."""
        u = torch.rand(x.shape, generator=noise, device=x.device, dtype=x.dtype)
        a = torch.rand(len(x), generator=noise, device=x.device, dtype=x.dtype)
        u = 2 * u - 1 if self.centred else u
        return x + a.view(-1, *[1] * (x.dim() - 1)) * self.reach * x.std(correction=0) * u


class Flatness(Remedy):
    """Half the mean squared slope of D at the points of one side; `R1` and `R2` say which.

    ``side`` is the field of `Play` that is read, and ``where`` the same in words.
    """

    states = False
    side: str
    where: str

    def __init__(self, *, weight: float = 1.0):
        self.knob = Knob(
            f"{self.name}.weight",
            weight,
            (0.0, 1000.0),
            f"how flat D is held on {self.where}",
            player="d",
            scale="log",
            slider=(0.001, 100.0),
        )

    def d_term(self, play):
        """Return half the mean over rows of ||grad_x D(x)||^2, differentiable in D's weights."""
        x = simplex(getattr(play, self.side), play.vocab_size)
        return _slope(play.d, x).square().flatten(1).sum(1).mean() / 2


@REMEDIES.register("r1")
class R1(Flatness):
    """Hold D flat on real data: with it the game converges where D* has no slope.

    Formula  1/2 E_real ||grad_x D(x)||^2, the squares summed over time and vocabulary; a per-token
             D counts with its mean over time
    Paper    Mescheder, Geiger & Nowozin 2018, whose code leaves the 1/2 out
    """

    side, where = "real", "real data"


@REMEDIES.register("r2")
class R2(Flatness):
    """Hold D flat on fakes, as `R1` does on real data; the two together bound it on both sides.

    Formula  1/2 E_fake ||grad_x D(x)||^2, the squares summed over time and vocabulary; a per-token
             D counts with its mean over time
    Paper    Mescheder, Geiger & Nowozin 2018; both at once: Huang et al. 2024 (R3GAN)
    """

    side, where = "fake", "fakes"
