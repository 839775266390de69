"""RELAX: REINFORCE with a control variate that looks at how each token was chosen."""

import torch
from torch import Tensor

from ...models.sampling import gumbel
from .contract import ESTIMATORS
from .prefix_network import PrefixNetwork, prefixes
from .score_function import ScoreFunction, sentence_reward


@ESTIMATORS.register("relax")
class Relax(ScoreFunction):
    """REINFORCE, less a learned function of the relaxed token, plus that function's own gradient.

    A token is y = argmax z, z = ln q + Gumbel noise. At each position c_t reads softmax(z / tau)
    and what stands before; z~ is another z that chooses the same y.

    Objective  -E_q R(x), R from D's logit on x (its mean over time for a per-token D)
    Gradient   -mean_b sum_t [(R - c_t(z~_t)) grad ln q(y_t) + grad c_t(z_t) - grad c_t(z~_t)], the
               sentence that was played held fixed; unbiased whatever c is. One c of the whole
               relaxed sentence would not be: a later token's logits jump when an earlier one
               changes, and no gradient of c knows of that
    c          one hidden layer; its Adam minimises the squared gradient with respect to the logits,
               summed: one sample's estimate of the variance, for the mean does not depend on c
    z~         given y, with E exponential: z~_y = -ln E_y, z~_v = -ln(E_v / q_v + E_y)
    Paper      Grathwohl et al. 2018; tokens as in Tucker et al. 2017 (REBAR), appendix
    """

    pays = (
        "One reward for the whole sentence, less what a small network makes of how narrowly each "
        "word was chosen; that network's own slope is given back, and is 0 on average"
    )
    formula = ScoreFunction.formula + ", and of the gradients given back"

    def __init__(
        self,
        *,
        reward: str = "probability",
        tau: float = 1.0,
        hidden: int = 32,
        lr: float = 1e-2,
    ):
        super().__init__(reward)
        if not tau > 0:
            raise ValueError(f"tau {tau!r}: expected more than 0")
        self.tau, self.hidden, self.lr = tau, hidden, lr
        self.table: Tensor | None = None
        self.network: PrefixNetwork | None = None
        self._noise: torch.Generator | None = None

    def play(self, generator, n, noise, slots, real=None):
        """Let the generator play n sentences of hard tokens."""
        self.table, self._noise = generator.embed.weight.detach(), noise
        return super().play(generator, n, noise, slots, real)

    def loss(self, rollout, judge, loss_part):
        """Return -mean reward, with the gradient of RELAX attached."""
        if self.table is None:
            raise ValueError("relax reads G's embedding: let the estimator play first")
        reward = sentence_reward(self._rewards(rollout, judge, loss_part), rollout.mask)
        slope, expected = self._slope(reward, rollout)
        self._credit(rollout, reward, reward, reward[:, None] - expected)
        surrogate = -(slope * rollout.log_p).sum((1, 2)).mean()
        return surrogate - surrogate.detach() - reward.mean()

    @torch.enable_grad()
    def _slope(self, reward: Tensor, rollout) -> tuple[Tensor, Tensor]:
        """Return the gradient of each sentence's reward in ln q, and c(z~); c learns from it.

        Shapes  reward [batch] -> [batch, time, vocab], [batch, time]
        """
        log_p = rollout.log_p.detach().requires_grad_()
        features = prefixes(self.table, rollout.ids)
        if self.network is None:
            sizes = features.shape[2] + self.table.shape[1], features.shape[1]
            self.network = PrefixNetwork(*sizes, self.hidden, self.lr, features)
        z = self._chosen(log_p.detach(), rollout.ids)
        z = log_p + (z - log_p.detach())  # the noise that it took, held fixed
        free, bound = (
            self.network(torch.cat([features, (x / self.tau).softmax(2) @ self.table], 2))
            for x in (z, self._chosen(log_p, rollout.ids))
        )
        mask = rollout.mask
        (back,) = torch.autograd.grad(((free - bound) * mask).sum(), log_p, create_graph=True)
        played = torch.zeros_like(back).scatter(2, rollout.ids[..., None], 1.0)
        slope = (((reward[:, None] - bound) * mask)[..., None]) * played + back
        in_logits = slope - log_p.detach().exp() * slope.sum(2, keepdim=True)
        self.network.learn(in_logits.square().sum((1, 2)).mean())
        return slope.detach(), bound.detach()

    def _chosen(self, log_p: Tensor, ids: Tensor) -> Tensor:
        """Draw z = ln q + Gumbel noise, given that its largest entry is at ``ids``."""
        # -ln of an exponential is Gumbel noise; logarithms throughout, for q may be 0
        noise = -gumbel(tuple(log_p.shape), self._noise, log_p.dtype)  # ln E
        top = noise.gather(2, ids[..., None])
        below = -torch.logaddexp(noise - log_p, top)
        at = torch.zeros_like(log_p, dtype=torch.bool).scatter(2, ids[..., None], True)
        return torch.where(at, -top, below)

    def state(self):
        """Return c and its optimiser."""
        return {} if self.network is None else self.network.state("control")

    def load_state(self, state):
        """Take c and its optimiser back."""
        self.network = PrefixNetwork.of_state("control", state, self.lr)
