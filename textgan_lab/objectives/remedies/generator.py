"""Remedies that give G something to follow besides D."""

from ...knobs import Knob
from .contract import REMEDIES, Remedy


@REMEDIES.register("entropy")
class Entropy(Remedy):
    """A bonus for an undecided generator: minus the mean entropy of its next token.

    Formula  -mean over counted tokens of H(q(. | x_<t)), nats; its gradient goes through the
             softmax alone, not through which prefixes are reached: biased as an entropy gradient
    """

    kinds = ("text",)
    needs = {"generator": "likelihood"}

    def __init__(self, *, weight: float = 0.02):
        self.knob = Knob(
            "entropy.weight",
            weight,
            (0.0, 100.0),
            "bonus for G's entropy",
            unit="per nat",
            player="g",
            scale="log",
            slider=(0.001, 1.0),
        )

    def g_term(self, move):
        """Return minus the entropy per counted token."""
        return -move.rollout.entropy.sum() / move.rollout.mask.sum()


@REMEDIES.register("likelihood")
class Likelihood(Remedy):
    """Hold G to the likelihood of real data while it plays: an objective of both, mixed.

    The other way to mix is a lesson, an update of its own after each move (`Spec.teacher_steps`).

    Formula  -ln q(x) over a fresh batch of real rows, nats a token; with weight w, G minimises
             its adversarial loss + w E_real[-ln q]
    Watch    both parts are recorded, and this one usually has the longer gradient: a GAN whose
             weight is large is maximum likelihood under another name
    """

    kinds = ("text",)
    needs = {"generator": "likelihood"}

    def __init__(self, *, weight: float = 1.0):
        self.knob = Knob(
            "likelihood.weight",
            weight,
            (0.0, 1000.0),
            "how hard G is held to the likelihood of real data",
            unit="per nat a token",
            player="g",
            scale="log",
            slider=(0.001, 100.0),
        )

    def g_term(self, move):
        """Return the mean of -ln q over the counted tokens of real rows."""
        rollout = move.g.score(move.real())
        return -rollout.log_q.sum() / rollout.mask.sum()
