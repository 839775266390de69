"""G's half of a step: what sentences and points have in common."""

from torch import Tensor

from ...objectives.estimators import REWARDS, ScoreFunction, Weighted
from .half import Half, math_of
from .phase import Phase, short


class GHalf(Half):
    """What G's two kinds of half have in common."""

    player = "g"
    observed = ("rollout", "on_input", "judge")

    def _logit(self) -> float:
        s = self.seen["judge"][-1].detach()
        if s.dim() == 1:
            return s[0].item()
        return s[0, int(self.seen["rollout"][-1].mask[0].sum()) - 1].item()

    def _loss(self) -> Phase:
        estimator, loss = self.twin.estimator, self.twin.loss
        adversarial = self.values["g_loss.adversarial"]
        terms, total = self._terms(), self.values["g_loss"]
        if isinstance(estimator, ScoreFunction):
            reward = {"probability": "2 D - 1", "loss": f"minus {math_of(loss.generator)}"}
            term = f"-(mean reward), reward = {reward[estimator.reward]}"
            said = "G cannot differentiate through words, so D's opinion is paid out as a reward."
        elif isinstance(estimator, Weighted):
            term = "-(sum over a group's fakes of weight * ln q), weight = its share of e^s"
            said = "G learns its own sentences by heart, the more the better D finds them."
        else:
            term = f"mean over fakes of {math_of(loss.generator)}"
            said = "G is paid for what D takes for real."
        names = [term, *(name for name, _ in terms)]
        numbers = [adversarial, *(value for _, value in terms)]
        first = self._first()
        formula = (
            f"g_loss = {' + '.join(names)}\n       = {' + '.join(map(short, numbers))}"
            + (f" = {short(total)}" if terms else "")
            + f"\nthis {'sentence' if self._text else 'first point'}: {short(first)}"
        )
        values = {"g_loss": total, "adversarial": adversarial, "first": first}
        return self._phase("loss", "G's loss", said, formula=formula, values=values)

    def _first(self) -> float:
        """Return what the first sentence or point contributes."""
        rollout, estimator = self.seen["rollout"][-1], self.twin.estimator
        if isinstance(estimator, Weighted):
            return -(estimator.credit.returns[0] * rollout.log_q[0]).sum().item()
        return self._alone(self._paid, self.seen["judge"][-1], rollout.mask)

    def _paid(self, s: Tensor) -> Tensor:
        """Return what G minimises on each logit: minus its reward, or the loss itself."""
        estimator, loss = self.twin.estimator, self.twin.loss
        if isinstance(estimator, ScoreFunction):
            return -REWARDS[estimator.reward](s, loss)
        return loss.generator(s)
