"""Baselines, the control variates of a score function: they move its variance only.

A baseline may know everything but the token that it stands against and what comes of it: then
E b grad ln q = 0. The mean of the batch knows each token's own return, which multiplies the
expected gradient by 1 - 1/m; leaving the sentence out, or asking past batches, does not.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from ...catalogue import Catalogue
from ...models.sampling import Rollout
from .prefix_network import PrefixNetwork, prefixes

CONTROLS = Catalogue("control variate")


class Baseline:
    """The contract: a call returns what to subtract from ``returns``, then learns from them.

    Shapes  returns [batch], one a sentence, or [batch, time] -> anything that broadcasts to them,
            or [batch, time] in either case
    ``in_words`` says what it is, after "minus"; empty where nothing is subtracted.
    """

    in_words = ""

    def meet(self, generator: nn.Module) -> None:
        """Have a look at who plays."""

    def begin(self) -> None:
        """Prepare for an update of G, which several batches may make."""

    def __call__(self, returns: Tensor, rollout: Rollout) -> Tensor:
        """Return the baseline of this batch."""
        raise NotImplementedError

    def state(self) -> dict[str, Tensor]:
        """Return what a checkpoint must keep."""
        return {}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Take back what `state` returned."""


def made(choice: str | Mapping[str, Mapping], decay: float) -> Baseline:
    """Return the baseline that ``choice`` names, ``"name"`` or ``{"name": {option: value}}``.

    Raises ValueError for a name or option that is not known, and for a ``decay`` other than 0.9
    together with a baseline that has none.
    """
    if isinstance(choice, str):
        choice = {choice: {}}
    if not isinstance(choice, Mapping) or len(choice) != 1:
        raise ValueError(f"baseline: expected one name with its options, got {choice!r}")
    ((name, options),) = choice.items()
    if name == "moving":
        return CONTROLS.make(name, options, decay=decay)
    if decay != 0.9:
        raise ValueError(f"baseline_decay {decay!r} is of baseline 'moving', not of {name!r}")
    return CONTROLS.make(name, options)


@CONTROLS.register("none")
class Nothing(Baseline):
    """Subtract nothing."""

    def __call__(self, returns, rollout):
        """Return 0."""
        return returns.new_zeros(())


@CONTROLS.register("constant")
class Constant(Baseline):
    """Subtract a number that is known beforehand, such as the reward of an undecided D."""

    def __init__(self, *, value: float = 0.0):
        self.value = value
        self.in_words = f"{value:g}"

    def __call__(self, returns, rollout):
        """Return the number."""
        return torch.full_like(returns[:1].sum(), self.value)


@CONTROLS.register("moving")
class Moving(Baseline):
    """Subtract an exponential average over past updates, which the present one then moves.

    Formula  b <- decay b + (1 - decay) mean return, per position where returns are; 0 at first.
             Where several batches make an update, it is the mean over those of their means
    Raises   ValueError for a decay outside 0 to 1
    """

    in_words = "what past batches earned on average"
    average: Tensor | None = None
    _before: Tensor | None = None  # the average that all batches of this update subtract
    _mean: Tensor  # of this update's batches so far
    _batches = 0

    def __init__(self, decay: float):
        if not 0 <= decay <= 1:
            raise ValueError(f"baseline_decay {decay!r}: expected 0 to 1")
        self.decay = decay

    def begin(self):
        """Let the batches to come subtract what those before have made of the average."""
        self._before, self._batches = self.average, 0

    def __call__(self, returns, rollout):
        """Return the average as it was before this update, then let the batch move it."""
        if returns.dim() == 1:
            mean = returns.mean()
        else:
            playing = rollout.mask.sum(0)  # sentences still going on at each position
            mean = (returns * rollout.mask).sum(0) / playing.clamp(min=1)
        before = torch.zeros_like(mean) if self._before is None else self._before
        self._batches += 1
        self._mean = mean if self._batches == 1 else self._mean.lerp(mean, 1 / self._batches)
        moved = before.lerp(self._mean, 1 - self.decay)
        self.average = torch.where(moved.isfinite(), moved, before)
        return before

    def state(self):
        """Return the running average."""
        return {} if self.average is None else {"baseline": self.average.clone()}

    def load_state(self, state):
        """Take the running average back."""
        self.average = state["baseline"].clone() if "baseline" in state else None


@CONTROLS.register("leave_one_out")
class LeaveOneOut(Baseline):
    """Subtract the mean return of the batch's other sentences: no memory, no bias.

    Formula  b_i = (sum_j R_j - R_i) / (m - 1); per position where returns are, over the others that
             are still going on there, and 0 where there is none
    """

    in_words = "what the other sentences of the batch earned on average"

    def __call__(self, returns, rollout):
        """Return the others' mean, one a sentence or one a token."""
        if len(returns) < 2:
            raise ValueError("baseline 'leave_one_out' needs a batch of two sentences or more")
        counts = torch.ones_like(returns)
        if returns.dim() == 2:
            counts = rollout.mask.to(returns.dtype)
        returns = returns * counts
        others = (counts.sum(0) - counts).clamp(min=1)
        return (returns.sum(0) - returns) / others


@CONTROLS.register("critic")
class Critic(Baseline):
    """Subtract what a small network, trained on the way, expects after the words before.

    Formula  b_t = V(x_<t), V minimises the mean over counted tokens of (return - V(x_<t))^2
    V reads G's embedding of the prefix, of which it sees a copy without gradient; its Adam is its
    own. So neither player's loss moves it, and it moves neither player.
    """

    in_words = "what a critic expects after the words before it"

    def __init__(self, *, hidden: int = 32, lr: float = 1e-2):
        self.hidden, self.lr = hidden, lr
        self.table: Tensor | None = None
        self.network: PrefixNetwork | None = None

    def meet(self, generator):
        """Have a look at G's embedding; its values follow G's."""
        self.table = generator.embed.weight.detach()

    def __call__(self, returns, rollout):
        """Return V at each position as it was before this batch, then let the batch teach it."""
        if self.table is None:
            raise ValueError("baseline 'critic' reads G's embedding: let the estimator play first")
        features = prefixes(self.table, rollout.ids)
        if self.network is None:
            sizes = features.shape[2], features.shape[1]
            self.network = PrefixNetwork(*sizes, self.hidden, self.lr, features)
        with torch.enable_grad():
            value = self.network(features)
            miss = (returns if returns.dim() == 2 else returns[:, None]) - value
            self.network.learn((miss.square() * rollout.mask).sum() / rollout.mask.sum())
        return value.detach()

    def state(self):
        """Return V and its optimiser."""
        return {} if self.network is None else self.network.state("critic")

    def load_state(self, state):
        """Take V and its optimiser back."""
        self.network = PrefixNetwork.of_state("critic", state, self.lr)
