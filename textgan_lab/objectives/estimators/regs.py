"""REGS: the reward of a prefix, from a D that learned on one prefix of each sentence."""

import torch

from .contract import ESTIMATORS
from .score_function import DenseReinforce


@ESTIMATORS.register("regs")
class Regs(DenseReinforce):
    """Every prefix is paid for itself, with nothing for what follows: credit without completions.

    Objective  -E_q (1/T) sum_t Q_t, Q_t from D's logit on the prefix x_<=t, 0 after <eos>
    Gradient   -(1/T) sum_t (Q_t - b_t) grad ln q(x_t | x_<t); biased: that a token also decides
               which prefixes come later is left out, as in dense_reinforce at discount 0
    D learns   on one prefix a sentence, real or fake: those of one sentence are alike, and a D that
               is shown them all learns them by heart. Its end is drawn evenly among all T positions
               after the prompt; a sentence that is over by then is read whole. So how often a
               prefix is shown depends on nothing that follows it, and D* = ln p(x_<=t) / q(x_<=t).
               A position drawn among those of the sentence itself shows beginnings of short ones
               more often, and D could tell real from fake by the length to come
    Paper      Li et al. 2017, Adversarial Learning for Neural Dialogue Generation, section 3
    """

    def __init__(
        self,
        *,
        reward: str = "probability",
        baseline: str | dict = "moving",
        baseline_decay: float = 0.9,
    ):
        super().__init__(
            discount=0.0, reward=reward, baseline=baseline, baseline_decay=baseline_decay
        )

    states = False  # the state that writes a word knows the words before it only
    pays = "Each word is paid what D says of the sentence so far"

    def judged(self, mask, noise, given=0):
        """Return one position a row: one drawn after the prompt, or the last one before it."""
        n, length = mask.shape
        drawn = torch.randint(length - given, (n,), generator=noise, device=mask.device)
        which = given + torch.minimum(drawn, mask.sum(1) - 1)
        return mask & (torch.arange(length, device=mask.device) == which[:, None])
