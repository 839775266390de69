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
    D learns   on one position a sentence, real or fake, drawn evenly among those that count: the
               prefixes of one sentence are alike, and a D that is shown them all learns them by
               heart. A prefix of a longer sentence may be longer; D sees both kinds alike
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

    def counted(self, mask, noise):
        """Return one position a row, drawn evenly among those under ``mask``."""
        count = mask.sum(1)
        u = torch.rand(
            len(mask), generator=noise, device=mask.device, dtype=torch.float64
        )  # float64, so that u * count stays below count
        which = (u * count).long()
        return mask & (mask.cumsum(1) == which[:, None] + 1)
