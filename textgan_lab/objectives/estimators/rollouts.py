"""Rollouts: what a prefix is worth is found out by finishing its sentence many times."""

import copy

import torch
from torch import Tensor, nn

from ...data.law import counted
from ...models.sampling import Rollout
from .contract import ESTIMATORS, Estimator
from .score_function import REWARDS, ScoreFunction, sentence_reward

ROWS = 32_768  # sentences that D reads at a time: more may not fit, fewer make tables anew (ours)
POLICIES = ("live", "delayed")


@ESTIMATORS.register("rollouts")
class Rollouts(ScoreFunction):
    """Monte-Carlo search: a token is credited with the mean reward of N completions of its prefix.

    Objective  -E_q R(x), R from D's logit on x (its mean over time for a per-token D)
    Gradient   -mean_b sum_t (Q_bt - baseline_t) grad ln q(x_bt | x_b<t), Q_T = R(x) and before it
               Q_t = mean of R over N sentences that begin with x_<=t; 0 after <eos>
    Bias       none where the live G finishes the sentences. A delayed copy of it, policy
               "delayed", moves theta_b <- rate theta_b + (1 - rate) theta before each update of G,
               however many batches make it, and its Q are those of another policy
    Cost       N (T - 1) more sentences to write and judge for each one played
    Paper      Yu et al. 2017 (SeqGAN): N = 16, rate 0.8; its published code subtracts no baseline,
               and adds over the batch where this is a mean
    """

    pays = (
        "A word is paid what D says, on average, of sentences that begin as this one does up to "
        "there and are then finished at random; the last word what it says of the sentence itself"
    )
    fakes = Estimator.play  # D learns from plain sentences, and the copy does not move

    def __init__(
        self,
        *,
        completions: int = 16,
        policy: str = "live",
        rate: float = 0.8,
        reward: str = "probability",
        baseline: str | dict = "moving",
        baseline_decay: float = 0.9,
    ):
        super().__init__(reward, baseline, baseline_decay)
        if isinstance(completions, bool) or not isinstance(completions, int) or completions < 1:
            raise ValueError(f"completions {completions!r}: expected a whole number, 1 or more")
        if policy not in POLICIES:
            raise ValueError(f"policy {policy!r}: expected one of {', '.join(POLICIES)}")
        if not 0 <= rate <= 1:
            raise ValueError(f"rate {rate!r}: expected 0 to 1")
        self.completions, self.policy, self.rate = completions, policy, rate
        self._delayed: list[Tensor] | None = None
        self._copy: nn.Module | None = None

    @property
    def unbiased(self) -> bool:
        """Whether the live generator finishes the sentences."""
        return self.policy == "live"

    @torch.no_grad()
    def begin(self, generator):
        """Let the copy follow G some of the way; a copy that is new stands where G stands."""
        super().begin(generator)
        if self.policy == "delayed":
            for old, new in zip(self._weights(generator), generator.parameters(), strict=True):
                old.lerp_(new, 1 - self.rate)

    def play(self, generator, n, noise, slots, real=None):
        """Let the generator play n sentences, whose prefixes the policy will complete."""
        rollout = super().play(generator, n, noise, slots, real)
        policy = generator if self.policy == "live" else self._copied(generator)
        rollout.complete = lambda: policy.complete(rollout.ids, self.completions, noise)
        return rollout

    def _weights(self, generator: nn.Module) -> list[Tensor]:
        """Return the copy's weights."""
        if self._delayed is None:
            self._delayed = [p.detach().clone() for p in generator.parameters()]
        return self._delayed

    def _copied(self, generator: nn.Module) -> nn.Module:
        """Return the copy of G, which has its own weights."""
        if self._copy is None:
            self._copy = copy.deepcopy(generator).requires_grad_(False)
        for p, own in zip(self._copy.parameters(), self._weights(generator), strict=True):
            p.data = own
        return self._copy

    def loss(self, rollout, judge, loss_part):
        """Return -mean reward of the sentences, with the policy gradient attached."""
        values = self._values(rollout, judge, loss_part)
        # D is asked about the sentences themselves last, as all others ask it
        reward = sentence_reward(self._rewards(rollout, judge, loss_part), rollout.mask)
        values = torch.cat([values, reward[:, None]], 1)
        advantage = self._advantage(rollout, values, values)
        surrogate = -(advantage * rollout.log_q).sum(1).mean()
        return surrogate - surrogate.detach() - reward.mean()

    @torch.no_grad()
    def _values(self, rollout: Rollout, judge, loss_part: type) -> Tensor:
        """Return Q_t of all positions but the last, [batch, time - 1]; 0 in a prompt.

        Entry k of the completions begins with the tokens up to position given + k.
        """
        if rollout.complete is None:
            raise ValueError("rollouts: these sentences come with no completions; use play()")
        ends = rollout.complete()  # [prefixes, n, batch, time]
        rows = ends.flatten(0, 2)
        s = torch.cat([judge(part) for part in rows.split(ROWS)]).unflatten(0, ends.shape[:3])
        mask = counted(rows, rollout.given).view(ends.shape)
        q = sentence_reward(REWARDS[self.reward](s, loss_part), mask).mean(1).T  # [batch, prefixes]
        early = q.new_zeros(len(q), rollout.given)
        return torch.cat([early, q], 1)

    def state(self):
        """Return what the baseline has learned, and the delayed copy."""
        copied = enumerate(self._delayed or ())
        return {**super().state(), **{f"delayed.{i}": p.clone() for i, p in copied}}

    def load_state(self, state):
        """Take both back."""
        super().load_state(state)
        count = sum(name.startswith("delayed.") for name in state)
        self._delayed = [state[f"delayed.{i}"].clone() for i in range(count)] or None
