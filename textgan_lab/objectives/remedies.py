"""Remedies: terms and perturbations that hold a GAN upright. Each has a knob for its strength.

A remedy returns a term; only the trainer sums and steps. One whose strength is 0 is not run at all,
and its noise has a stream of its own, so that it then changes nothing, bit for bit.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..catalogue import Catalogue
from ..knobs import Knob
from ..models.sampling import Rollout
from .losses import mean

REMEDIES = Catalogue("remedy")


@dataclass
class Play:
    """What a D step has in hand: both inputs as D read them, its logits, and a source of noise."""

    d: nn.Module
    real: Tensor
    fake: Tensor
    real_logits: Tensor
    fake_logits: Tensor
    real_mask: Tensor | None
    vocab_size: int | None
    noise: torch.Generator
    fake_mask: Tensor | None = None
    given: int = 0  # leading positions that are a prompt


@dataclass
class Move:
    """What a G step has in hand: both players, what G played, real rows for the asking, noise."""

    g: nn.Module
    d: nn.Module
    rollout: Rollout
    real: Callable[[], Tensor]
    noise: torch.Generator


class Remedy:
    """The contract: a strength knob, and any of the four places where a remedy may act.

    Terms are returned unweighted; the trainer multiplies them by the strength. ``always`` says that
    every run has the remedy, at strength 0 unless asked for.
    """

    always = False
    binary_only = False
    kinds = ("text", "points")
    knob: Knob

    def on_input(
        self, x: Tensor, vocab_size: int | None, strength: Tensor, noise: torch.Generator
    ) -> Tensor:
        """Change what D reads, real and fake alike."""
        return x

    def d_term(self, play: Play) -> Tensor | None:
        """Return a term of D's loss."""
        return None

    def g_term(self, move: Move) -> Tensor | None:
        """Return a term of G's loss."""
        return None

    def on_weights(self, weights: Tensor, strength: Tensor) -> None:
        """Change D's weights, one flat tensor, in place: called after each of D's updates."""


def simplex(x: Tensor, vocab_size: int | None) -> Tensor:
    """Return ids as one-hot simplex points [batch, time, vocab]; anything else as it is."""
    if x.is_floating_point():
        return x
    points = torch.zeros(*x.shape, vocab_size, device=x.device)  # F.one_hot reads x on the host
    return points.scatter_(-1, x[..., None], 1.0)


@REMEDIES.register("input_noise")
class InputNoise(Remedy):
    """Gaussian noise on D's input, real and fake: it makes their supports overlap.

    Formula  D(x + sigma * n), n standard normal per coordinate of the simplex point
    Paper    Sonderby et al. 2017; Arjovsky & Bottou 2017
    """

    always = True

    def __init__(self, *, std: float = 0.0):
        self.knob = Knob(
            "d_noise",
            std,
            (0.0, 10.0),
            "noise on what D reads, real and fake",
            unit="std",
            player="d",
            slider=(0.0, 1.0),
        )

    def on_input(self, x, vocab_size, strength, noise):
        """Add the noise; ids become simplex points first."""
        x = simplex(x, vocab_size)
        n = torch.randn(x.shape, generator=noise, device=x.device, dtype=x.dtype)
        return x + strength.to(x.dtype) * n


@REMEDIES.register("label_smoothing")
class LabelSmoothing(Remedy):
    """One-sided label smoothing: real sentences carry the label 1 - epsilon.

    Formula  softplus(-s) + epsilon s, which is the cross-entropy with that label
    Paper    Salimans et al. 2016
    """

    always = True
    binary_only = True

    def __init__(self, *, epsilon: float = 0.0):
        self.knob = Knob(
            "label_smoothing",
            epsilon,
            (0.0, 0.5),
            "real label is 1 minus this",
            player="d",
        )

    def d_term(self, play):
        """Return the mean real logit, which epsilon then weighs."""
        return mean(play.real_logits, play.real_mask)


def _slope(d: nn.Module, x: Tensor) -> Tensor:
    """Return grad_x D(x) row by row, differentiable in D's weights; of a per-token D, its mean."""
    x = x.detach().requires_grad_()
    logits = d(x)
    score = logits.mean(1) if logits.dim() == 2 else logits
    return torch.autograd.grad(score.sum(), x, create_graph=True)[0]


@REMEDIES.register("gradient_penalty")
class GradientPenalty(Remedy):
    """Hold D's slope at 1 between real and fake points, sentence by sentence.

    Formula  E (||grad_x D(x)|| - 1)^2 at x = u real + (1 - u) fake, one u a sentence; the norm runs
             over time and vocabulary jointly; a per-token D counts with its mean over time
    Paper    Gulrajani et al. 2017 (weight 10 there)
    """

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
        # vector_norm has gradient 0, not NaN, where the slope is exactly 0
        return (torch.linalg.vector_norm(slope.flatten(1), dim=1) - 1).square().mean()


class Flatness(Remedy):
    """Half the mean squared slope of D at the points of one side; `R1` and `R2` say which.

    ``side`` is the field of `Play` that is read, and ``where`` the same in words.
    """

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


@REMEDIES.register("entropy")
class Entropy(Remedy):
    """A bonus for an undecided generator: minus the mean entropy of its next token.

    Formula  -mean over counted tokens of H(q(. | x_<t)), nats; its gradient goes through the
             softmax alone, not through which prefixes are reached: biased as an entropy gradient
    """

    kinds = ("text",)

    def __init__(self, *, weight: float = 0.02):
        self.knob = Knob(
            "entropy.weight",
            weight,
            (0.0, 100.0),
            "bonus for G's entropy",
            unit="per nat",
            player="g",
            scale="log",
            slider=(0.001, 1.0),
        )

    def g_term(self, move):
        """Return minus the entropy per counted token."""
        return -move.rollout.entropy.sum() / move.rollout.mask.sum()
