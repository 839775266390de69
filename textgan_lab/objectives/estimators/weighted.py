"""Weighted likelihood: D's logit, as ln p/q, says how much more often a fake should be written."""

import torch
from torch import Tensor

from ...knobs import Knob
from ...models.sampling import Rollout
from .contract import ESTIMATORS, Credit, Estimator, prompts


class Weighted(Estimator):
    """What the three have in common: maximum likelihood on fakes, weighted by e^s = D / (1 - D).

    Weights are normalised within groups of sentences, w = softmax(s): never D / (1 - D) itself,
    which float32 cannot hold beyond s = 17, and never D / sum D, which is another law.

    Objective  -sum_x r(x) ln q(x), r = q e^s / Z held fixed: the cross-entropy of G to the law that
               D would have; at the best D, s = ln p/q, that law is p
    Gradient   that of -ln E_q e^s; at the best D exactly that of maximum likelihood
    Bias       the batch's own Z in place of the true one: O(1/m) in the group's size m
    Measured   ``ess`` = 1 / sum w^2, mean over groups: how many sentences the weights are worth
    """

    unbiased = False
    per_token = False
    likelihood = True
    log_odds = True
    formula = "-sum over a group's sentences, and their words, of credit * gradient of ln q(word)"
    explained = (
        "Fakes of a group share out a weight of 1 as e^s, so that they stand for real sentences; "
        "all words of a sentence get its weight as credit."
    )

    def check(self, loss_part):
        """Raise ValueError when D's logit would not tend to ln p/q."""
        if not loss_part.binary or loss_part.needs_real:
            raise ValueError(
                f"estimator {self.name!r} reads D's logit as ln p/q, which needs a binary loss "
                f"that asks about one sentence at a time; {loss_part.name!r} is none, "
                f"'non_saturating' and 'saturating' are"
            )

    def groups(self, n: int) -> int:
        """Return how many groups ``n`` sentences make."""
        return 1

    def loss(self, rollout, judge, loss_part):
        """Return the weighted -ln q a group, with the gradient of its estimate attached."""
        with torch.no_grad():
            s = judge(rollout.x)
        n, groups = len(s), self.groups(len(s))
        size = -(-n // groups)  # of the largest
        group, first = _alike(n, groups, s.device)
        place = group * size + torch.arange(n, device=s.device) - first
        padded = s.new_full((groups * size,), -torch.inf).scatter(0, place, s)
        weights = padded.view(groups, size).softmax(1)
        self.measured = {"ess": (1 / weights.square().sum(1)).mean(), **self._measured(s)}
        returns, advantage = self._paid(weights.flatten()[place], rollout)
        self.credit = Credit(returns, returns, advantage)
        log_q = rollout.log_q
        surrogate = -(advantage * log_q).sum() / groups
        return surrogate - surrogate.detach() - (returns * log_q.detach()).sum() / groups

    def _paid(self, weights: Tensor, rollout: Rollout) -> tuple[Tensor, Tensor]:
        """Return the weight of each token, and its credit, [batch, time] both."""
        returns = weights[:, None].expand(rollout.mask.shape)
        return returns, returns

    def _measured(self, s: Tensor) -> dict[str, Tensor]:
        return {}


def _alike(n: int, groups: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Cut n sentences, in order, into groups of sizes that differ by 1 at most.

    Returns the group of each, [n], and the first sentence of that group, [n].
    """
    group = torch.arange(n, device=device) * groups // n
    return group, (group * n + groups - 1) // groups


@ESTIMATORS.register("maligan")
class MaliGAN(Weighted):
    """Maximum likelihood on fakes, each weighted by its share of e^s in the batch.

    Gradient   -sum_i (w_i - 1/m) grad ln q(x_i), w = softmax(s) over the batch of m, which is not
               divided by m again; 1/m is a baseline, E grad ln q = 0
    Objective, bias, measured   as in `Weighted`, one group; a D of prefixes does not do
    Paper      Che et al. 2017
    """

    def _paid(self, weights, rollout):
        returns = weights[:, None].expand(rollout.mask.shape)
        return returns, returns - 1 / len(weights)


@ESTIMATORS.register("bgan")
class BGAN(Weighted):
    """Boundary seeking: maximum likelihood on fakes, weighted within small groups.

    Gradient   -mean over groups of sum_i w_i grad ln q(x_i), w = softmax(s) within the group
    ``group``  is the largest group; a batch is cut into groups as equal as can be, 7 by 3 into 3, 2
               and 2. The weight of one alone, as of 3 by 2, is 1 whatever D says. Where G answers
               prompts, the fakes of a group answer the same one
    Raises     ValueError for a group below 2
    Objective, bias   as in `Weighted`: the bias is that of the group, not of the batch
    Measured   ``ess``, and mean and variance of the batch's log-weights s
    Paper      Hjelm et al. 2018, for discrete data; groups of 20 there
    """

    fakes = Estimator.play  # D learns from one fake a prompt

    def __init__(self, *, group: int = 20):
        if isinstance(group, bool) or not isinstance(group, int) or group < 2:
            raise ValueError(f"group {group!r}: expected a whole number, 2 or more")
        self.group = group

    def groups(self, n):
        """Return the number of groups of at most ``group``."""
        return -(-n // self.group)

    def play(self, generator, n, noise, slots, real=None):
        """Let the generator play n sentences, one prompt a group where it answers prompts."""
        given = prompts(generator, real)
        if given is not None:
            given = given[_alike(n, self.groups(n), given.device)[1]]
        return generator.play(n, noise, given)

    def _measured(self, s):
        return {"log_weight": s.mean(), "log_weight_var": s.var(correction=0)}


class Continued(Rollout):
    """Sentences whose first ``kept`` tokens, 0-dim, are those of real ones; G wrote the rest."""

    def __init__(self, generator, ids: Tensor, kept: Tensor):
        super().__init__(
            ids, ids, lambda: generator.logits(ids).log_softmax(2), generator.given
        )  # fmt: skip
        self.kept = kept
        self.real = torch.arange(ids.shape[1], device=ids.device) - generator.given < kept  # [time]


@ESTIMATORS.register("mixed_maligan")
class MixedMaliGAN(Weighted):
    """MaliGAN on the ends of real sentences, plain maximum likelihood on their beginnings.

    Of each real sentence the first N tokens are kept, and G finishes it M times.

    Gradient   -mean_i [sum_j (w_ij - 1/M) grad ln q(x_ij,>N | x_i,<=N) + grad ln q(x_i,<=N)],
               w = softmax(s) over the M sentences that begin alike; at the best D, and for M large,
               that of maximum likelihood whatever N is
    ``prefix`` N: a knob, for a schedule to shrink. It counts tokens after a prompt; one beyond the
               end of all sentences leaves maximum likelihood alone, 0 MaliGAN in groups of M
    Bias, measured   as in `Weighted`, a group is a prefix
    Cost       M sentences to write and judge for each real one
    Paper      Che et al. 2017, section 3.2; there N shrinks from the whole length on. M: ours
    """

    explained = (
        "The words of a real sentence get full credit, shared by its continuations. These share "
        "out a weight of 1 as e^s, which credits the words that G wrote."
    )

    def __init__(self, *, prefix: int = 5, completions: int = 5):
        if isinstance(completions, bool) or not isinstance(completions, int) or completions < 2:
            raise ValueError(f"completions {completions!r}: expected a whole number, 2 or more")
        self.completions = completions
        self.knobs = (
            Knob(
                "prefix", prefix, (0, 10_000), "first words kept of a real sentence",
                unit="tokens", player="g", slider=(0, 40), integer=True,
            ),
        )  # fmt: skip

    fakes = Estimator.play  # D learns from sentences that are G's own

    def groups(self, n):
        """Return how many beginnings ``n`` sentences have."""
        return n // self.completions

    @torch.no_grad()
    def play(self, generator, n, noise, slots, real=None):
        """Let the generator finish n real sentences, each as often as asked: [n M, time]."""
        if real is None:
            raise ValueError("mixed_maligan continues real sentences: pass real=")
        rows, kept = real().repeat_interleave(self.completions, 0), slots["prefix"]
        return Continued(generator, generator.continue_from(rows, kept, noise), kept)

    def _paid(self, weights, rollout):
        share = 1 / self.completions
        free = weights[:, None].expand(rollout.mask.shape)
        returns = torch.where(rollout.real, share, free)
        return returns, torch.where(rollout.real, share, free - share)
