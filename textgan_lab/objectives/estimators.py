"""Estimators: how the gradient of G's loss reaches the generator through discrete tokens.

An estimator decides how the generator plays (`play`) and returns a scalar (`loss`) whose *value* is
the objective and whose *gradient* is its estimate. ``unbiased`` is a claim about that gradient for
the objective stated in the class, with D held fixed; the contract tests check every claim by
enumeration.
"""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from ..catalogue import Catalogue
from ..knobs import Knob
from ..models.sampling import Rollout

ESTIMATORS = Catalogue("estimator")


Batch = Callable[[], Tensor]  # draws real rows, as many as are played


def prompts(generator: nn.Module, real: Batch | None) -> Tensor | None:
    """Return what real rows give a generator of replies; None for one that writes from nothing."""
    return real()[:, : generator.given] if generator.given else None


class Estimator:
    """The contract. ``slots`` are the device's knobs; ``loss_part`` is an entry of LOSSES.

    ``measured`` holds what the newest loss was worth knowing besides its value: 0-dim tensors on
    the device, recorded under their names.
    """

    kind = "text"
    unbiased = True
    blocked = False  # no gradient passes at all
    per_token: bool | None = None  # the kind of D it needs; None takes either
    likelihood = False  # it needs a generator whose log q is known
    knobs: tuple[Knob, ...] = ()
    measured: Mapping[str, Tensor] = {}

    def check(self, loss_part: type) -> None:
        """Raise ValueError when this estimator cannot serve that loss."""

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

    def loss(self, rollout: Rollout, judge: Callable[[Tensor], Tensor], loss_part: type) -> Tensor:
        """Return G's objective, a scalar; ``judge`` maps what G played to D's logits."""
        return loss_part.g(judge(rollout.x), rollout.mask)

    def state(self) -> dict[str, Tensor]:
        """Return what a checkpoint must keep."""
        return {}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Take back what `state` returned."""


@ESTIMATORS.register("pathwise")
class Pathwise(Estimator):
    """Differentiate through the sample itself: x = G(z). For points, where nothing is discrete.

    Objective  E_z generator(s(G(z))); unbiased
    """

    kind = "points"


@ESTIMATORS.register("argmax")
class Argmax(Estimator):
    """Hand D the chosen tokens and differentiate: the naive way, whose gradient is exactly zero.

    A token is a step function of the logits: its derivative is 0 almost everywhere, so nothing of
    D's opinion comes back. It stands here to be looked at.

    Objective  E_q generator(s(x)), of which it estimates the gradient as 0; biased
    """

    unbiased = False
    blocked = True

    def play(self, generator, n, noise, slots, real=None):
        """Let the generator play n sentences of hard tokens."""
        with torch.no_grad():
            return super().play(generator, n, noise, slots, real)


@ESTIMATORS.register("gumbel")
class Gumbel(Estimator):
    """Relax the choice of a token: softmax((logits + Gumbel noise) / temperature), differentiable.

    Objective    E_q generator(s(x)) over hard sentences; biased for it at every temperature
    Trade        low temperature: less bias, variance that explodes; high: the reverse
    straight_through  D sees the one-hot argmax, the gradient is that of the soft point
    Paper        Jang, Gu & Poole 2017; Maddison, Mnih & Teh 2017
    """

    unbiased = False
    knobs = (
        Knob(
            "temperature",
            1.0,
            (0.01, 100.0),
            "Gumbel softmax: lower is closer to hard tokens",
            player="g",
            scale="log",
            slider=(0.05, 5.0),
        ),
    )

    def __init__(self, *, straight_through: bool = True):
        self.straight_through = straight_through

    def play(self, generator, n, noise, slots, real=None):
        """Let the generator play n relaxed sentences at the temperature of the knob."""
        given = prompts(generator, real)
        return generator.relax(n, noise, slots["temperature"], self.straight_through, given)


REWARDS: dict[str, Callable[[Tensor, type], Tensor]] = {
    "probability": lambda s, loss_part: 2 * s.sigmoid() - 1,  # 2D - 1, in (-1, 1)
    "loss": lambda s, loss_part: -loss_part.generator(s),
}


class ScoreFunction(Estimator):
    """What REINFORCE and its dense form share: rewards, and a running baseline.

    ``reward``: "probability" pays 2D - 1 (bounded, ScratchGAN); "loss" pays minus the generator's
    loss. The baseline is an average over *past* batches, so that it does not bias the gradient.
    """

    likelihood = True

    def __init__(self, reward: str, baseline_decay: float):
        if reward not in REWARDS:
            raise ValueError(f"reward {reward!r}: expected one of {', '.join(REWARDS)}")
        if not 0 <= baseline_decay <= 1:
            raise ValueError(f"baseline_decay {baseline_decay!r}: expected 0 to 1")
        self.reward, self.baseline_decay = reward, baseline_decay
        self.baseline: Tensor | None = None

    def check(self, loss_part):
        """Raise ValueError when D's logit is no log-odds and the reward wants a probability."""
        if self.reward == "probability" and not loss_part.binary:
            raise ValueError(
                f"reward 'probability' needs a binary loss, and {loss_part.name!r} is none: "
                f"give the estimator the option reward='loss'"
            )

    def state(self):
        """Return the running baseline."""
        return {} if self.baseline is None else {"baseline": self.baseline.clone()}

    def load_state(self, state):
        """Take the running baseline back."""
        self.baseline = state["baseline"].clone() if "baseline" in state else None

    def _rewards(self, rollout: Rollout, judge, loss_part: type) -> Tensor:
        with torch.no_grad():
            return REWARDS[self.reward](judge(rollout.x), loss_part)

    def _advantage(self, returns: Tensor, mean: Tensor) -> Tensor:
        """Subtract the baseline as it was before this batch, then let the batch move it."""
        if self.baseline is None:
            self.baseline = torch.zeros_like(mean)
        advantage = returns - self.baseline
        moved = self.baseline.lerp(mean, 1 - self.baseline_decay)
        self.baseline = torch.where(moved.isfinite(), moved, self.baseline)
        return advantage


@ESTIMATORS.register("reinforce")
class Reinforce(ScoreFunction):
    """The score function: reward of the whole sentence times grad ln q of the whole sentence.

    Objective  -E_q R(x), R from D's logit on x (its mean over time for a per-token D)
    Gradient   -mean_b (R_b - baseline) grad sum_t ln q(x_bt | x_b<t); unbiased
    Paper      Williams 1992
    """

    def __init__(self, *, reward: str = "probability", baseline_decay: float = 0.9):
        super().__init__(reward, baseline_decay)

    def loss(self, rollout, judge, loss_part):
        """Return -mean reward, with the score-function gradient attached."""
        reward = self._rewards(rollout, judge, loss_part)
        if reward.dim() == 2:
            reward = (reward * rollout.mask).sum(1) / reward.shape[1]
        advantage = self._advantage(reward, reward.mean())
        surrogate = -(advantage * rollout.log_q.sum(1)).mean()
        return surrogate - surrogate.detach() - reward.mean()


@ESTIMATORS.register("dense_reinforce")
class DenseReinforce(ScoreFunction):
    """A reward for every prefix, from a causal D, so that each token is credited with what follows.

    Objective  -E_q (1/T) sum_t r_t, r_t from D's logit on the prefix x_<=t, 0 after <eos>
    Gradient   -(1/T) sum_t A_t grad ln q(x_t | x_<t), A_t = sum_{s>=t} discount^(s-t) r_s - b_t
    Bias       none at discount 1; a discount below 1 trades bias for variance (it is then the
               gradient of no objective at all, Nota & Thomas 2020)
    Paper      de Masson d'Autume et al. 2019 (ScratchGAN)
    """

    per_token = True

    def __init__(
        self,
        *,
        discount: float = 0.5,
        reward: str = "probability",
        baseline_decay: float = 0.9,
    ):
        super().__init__(reward, baseline_decay)
        if not 0 <= discount <= 1:
            raise ValueError(f"discount {discount!r}: expected 0 to 1")
        self.discount = discount

    @property
    def unbiased(self) -> bool:
        """Whether rewards are undiscounted."""
        return self.discount == 1

    def loss(self, rollout, judge, loss_part):
        """Return -mean reward per position, with the policy gradient attached."""
        reward = self._rewards(rollout, judge, loss_part) * rollout.mask
        total, returns = torch.zeros_like(reward[:, 0]), []
        for r in reward.unbind(1)[::-1]:
            total = r + self.discount * total
            returns.append(total)
        returns = torch.stack(returns[::-1], 1)
        playing = rollout.mask.sum(0)  # sentences still going on at each position
        mean = (returns * rollout.mask).sum(0) / playing.clamp(min=1)
        advantage = self._advantage(returns, mean)
        surrogate = -(advantage * rollout.log_q).mean()
        return surrogate - surrogate.detach() - reward.mean()
