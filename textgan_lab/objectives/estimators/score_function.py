"""Score functions: D's opinion is a reward, and credits the tokens that earned it."""

from collections.abc import Callable

import torch
from torch import Tensor

from ...models.sampling import Rollout
from .baselines import made
from .contract import ESTIMATORS, Credit, Estimator

REWARDS: dict[str, Callable[[Tensor, type], Tensor]] = {
    "probability": lambda s, loss_part: 2 * s.sigmoid() - 1,  # 2D - 1, in (-1, 1)
    "loss": lambda s, loss_part: -loss_part.generator(s),
}


def sentence_reward(reward: Tensor, mask: Tensor) -> Tensor:
    """Return one reward a sentence: of one a token, the sum over counted ones over the length."""
    if reward.dim() < mask.dim():
        return reward
    return (reward * mask).sum(-1) / reward.shape[-1]


class ScoreFunction(Estimator):
    """What REINFORCE and its kin share: rewards, and a baseline.

    ``reward``: "probability" pays 2D - 1 (bounded, ScratchGAN); "loss" pays minus the generator's
    loss. ``baseline`` is one of `CONTROLS`, which says what it subtracts; ``baseline_decay`` is
    the memory of "moving". None of them biases the gradient.
    """

    likelihood = True
    formula = "-mean over sentences, of the sum over words, of credit * gradient of ln q(word)"
    pays: str  # how a word comes to its return

    def __init__(self, reward: str, baseline: str | dict = "none", baseline_decay: float = 0.9):
        if reward not in REWARDS:
            raise ValueError(f"reward {reward!r}: expected one of {', '.join(REWARDS)}")
        self.reward = reward
        self.reference = made(baseline, baseline_decay)

    @property
    def baseline(self) -> Tensor | None:
        """The running average, where that is the baseline."""
        return getattr(self.reference, "average", None)

    @property
    def explained(self) -> str:
        """How a token's credit comes about."""
        minus = self.reference.in_words
        return f"{self.pays}{f', minus {minus}' if minus else ''}."

    def check(self, loss_part):
        """Raise ValueError when D's logit is no log-odds and the reward wants a probability."""
        if self.reward == "probability" and not loss_part.binary:
            raise ValueError(
                f"reward 'probability' needs a binary loss, and {loss_part.name!r} is none: "
                f"give the estimator the option reward='loss'"
            )

    def begin(self, generator):
        """Let the baseline know that an update of G begins."""
        self.reference.begin()

    def play(self, generator, n, noise, slots, real=None):
        """Let the generator play n sentences of hard tokens."""
        self.reference.meet(generator)
        return super().play(generator, n, noise, slots, real)

    def state(self):
        """Return what the baseline has learned."""
        return self.reference.state()

    def load_state(self, state):
        """Take back what the baseline had learned."""
        self.reference.load_state(state)

    def _rewards(self, rollout: Rollout, judge, loss_part: type) -> Tensor:
        with torch.no_grad():
            return REWARDS[self.reward](judge(rollout.x), loss_part)

    def _advantage(self, rollout: Rollout, reward: Tensor, returns: Tensor) -> Tensor:
        """Subtract the baseline from the returns, one a sentence or one a token."""
        baseline = self.reference(returns, rollout)
        if baseline.dim() > returns.dim():
            returns = returns[:, None]
        advantage = returns - baseline
        self._credit(rollout, reward, returns, advantage)
        return advantage

    def _credit(self, rollout: Rollout, *columns: Tensor) -> None:
        """Keep what each token was held worth."""
        shape = rollout.mask.shape
        self.credit = Credit(*((x if x.dim() == 2 else x[:, None]).expand(shape) for x in columns))


@ESTIMATORS.register("reinforce")
class Reinforce(ScoreFunction):
    """The score function: reward of the whole sentence times grad ln q of the whole sentence.

    Objective  -E_q R(x), R from D's logit on x (its mean over time for a per-token D)
    Gradient   -mean_b (R_b - baseline) grad sum_t ln q(x_bt | x_b<t); unbiased
    Paper      Williams 1992
    """

    pays = "One reward for the whole sentence, so every word of it gets the same"

    def __init__(
        self,
        *,
        reward: str = "probability",
        baseline: str | dict = "moving",
        baseline_decay: float = 0.9,
    ):
        super().__init__(reward, baseline, baseline_decay)

    def loss(self, rollout, judge, loss_part):
        """Return -mean reward, with the score-function gradient attached."""
        reward = sentence_reward(self._rewards(rollout, judge, loss_part), rollout.mask)
        advantage = self._advantage(rollout, reward, reward)
        if advantage.dim() == 1:  # the same for all words
            surrogate = -(advantage * rollout.log_q.sum(1)).mean()
        else:
            surrogate = -(advantage * rollout.log_q).sum(1).mean()
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
    formula = "-mean over positions of credit * gradient of ln q(word)"

    def __init__(
        self,
        *,
        discount: float = 0.5,
        reward: str = "probability",
        baseline: str | dict = "moving",
        baseline_decay: float = 0.9,
    ):
        super().__init__(reward, baseline, baseline_decay)
        if not 0 <= discount <= 1:
            raise ValueError(f"discount {discount!r}: expected 0 to 1")
        self.discount = discount

    @property
    def unbiased(self) -> bool:
        """Whether rewards are undiscounted."""
        return self.discount == 1

    @property
    def pays(self) -> str:
        """How a word comes to its return."""
        return (
            f"Each prefix has a reward; a word is credited with its own and those that follow, "
            f"each {self.discount:.3g} times the one before"
        )

    def loss(self, rollout, judge, loss_part):
        """Return -mean reward per position, with the policy gradient attached."""
        reward = self._rewards(rollout, judge, loss_part) * rollout.mask
        total, returns = torch.zeros_like(reward[:, 0]), []
        for r in reward.unbind(1)[::-1]:
            total = r + self.discount * total
            returns.append(total)
        advantage = self._advantage(rollout, reward, torch.stack(returns[::-1], 1))
        surrogate = -(advantage * rollout.log_q).mean()
        return surrogate - surrogate.detach() - reward.mean()
