"""The contract of estimators, and the catalogue that they are filed in."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ...catalogue import Catalogue
from ...knobs import Knob
from ...models.sampling import Rollout

ESTIMATORS = Catalogue("estimator")


Batch = Callable[[], Tensor]  # draws real rows, as many as are played


def prompts(generator: nn.Module, real: Batch | None) -> Tensor | None:
    """Return what real rows give a generator of replies; None for one that writes from nothing."""
    return real()[:, : generator.given] if generator.given else None


class Credit(NamedTuple):
    """What a loss held each token worth, [batch, time] each.

    ``reward``     what was paid for it
    ``returns``    what it was credited with for that and for what follows
    ``advantage``  the same over a baseline: the factor of grad ln q of this token
    """

    reward: Tensor
    returns: Tensor
    advantage: Tensor


class Estimator:
    """The contract. ``slots`` are the device's knobs; ``loss_part`` is an entry of LOSSES.

    ``measured`` holds what the newest loss was worth knowing besides its value: 0-dim tensors on
    the device, recorded under their names. ``credit`` is what it held each token worth, where that
    is how the estimator works, and ``explained`` says in words how it came to that.
    """

    kind = "text"
    unbiased = True
    blocked = False  # no gradient passes at all
    per_token: bool | None = None  # the kind of D it needs; None takes either
    states: bool | None = None  # it needs a D that reads G's states, or (False) what G wrote
    likelihood = False  # it needs a generator whose log q is known
    needs: Mapping[str, str] = {}  # what other parts must have, as of `Remedy`
    log_odds = False  # it needs a D whose logit tends to ln p/q: a binary loss and honest labels
    knobs: tuple[Knob, ...] = ()
    measured: Mapping[str, Tensor] = {}
    credit: Credit | None = None
    explained = ""

    def check(self, loss_part: type) -> None:
        """Raise ValueError when this estimator cannot serve that loss."""

    def begin(self, generator: nn.Module) -> None:
        """Prepare for an update of G: called once before it, however many batches make it.

        What an estimator remembers of past updates moves here, or once between two such calls.
        """

    def play(
        self,
        generator: nn.Module,
        n: int,
        noise: torch.Generator,
        slots: Mapping[str, Tensor],
        real: Batch | None = None,
    ) -> Rollout:
        """Let the generator play a batch of n; ``real`` is asked only by what needs real rows."""
        return generator.play(n, noise, prompts(generator, real))

    def fakes(
        self,
        generator: nn.Module,
        n: int,
        noise: torch.Generator,
        slots: Mapping[str, Tensor],
        real: Batch | None = None,
    ) -> Rollout:
        """Let the generator play what D learns from: the same as `play`, but for few."""
        return self.play(generator, n, noise, slots, real)

    def judged(self, mask: Tensor | None, noise: torch.Generator, given: int = 0) -> Tensor | None:
        """Return which of the positions under ``mask``, real or fake, D learns from: all of them.

        Shapes  [batch, time] bool, None for points; the first ``given`` positions are a prompt
        """
        return mask

    def loss(self, rollout: Rollout, judge: Callable[[Tensor], Tensor], loss_part: type) -> Tensor:
        """Return G's objective, a scalar; ``judge`` maps what G played to D's logits."""
        return loss_part.g(judge(rollout.x), rollout.mask)

    def state(self) -> dict[str, Tensor]:
        """Return what a checkpoint must keep."""
        return {}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Take back what `state` returned."""
