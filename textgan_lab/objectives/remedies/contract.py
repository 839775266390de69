"""What every remedy is, and what it has in hand when it acts."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ...catalogue import Catalogue
from ...knobs import Knob
from ...models.sampling import Rollout

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
    rollout: Rollout | None = None  # what the fakes came from


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
    every run has the remedy, at strength 0 unless asked for; ``needs`` what "data", "generator" or
    "discriminator" must have, as {"generator": "likelihood"}: an attribute, not empty or false.
    ``states`` false says that it needs a D that reads simplex points, true one of G's states;
    ``log_odds`` false that D's logit no longer tends to ln p/q, which some estimators read.
    """

    always = False
    binary_only = False
    log_odds = True
    states: bool | None = None
    kinds = ("text", "points")
    needs: Mapping[str, str] = {}
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
