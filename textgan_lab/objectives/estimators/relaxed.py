"""The choice of a token is softened until it can be differentiated."""

from collections.abc import Mapping

from ...knobs import Knob
from .contract import ESTIMATORS, Estimator, prompts

FED = ("point", "token")


@ESTIMATORS.register("gumbel")
class Gumbel(Estimator):
    """Relax the choice of a token: softmax((logits + Gumbel noise) / temperature), differentiable.

    Objective    E_q generator(s(x)) over hard sentences; biased for it at every temperature
    Trade        low temperature: less bias, variance that explodes; high: the reverse
    straight_through  D sees the one-hot argmax, the gradient is that of the soft point
    ``feed``     what G reads next: "point", what D reads, so that gradients flow through time, and
                 ln q of a soft rollout is that of no sentence; "token", the argmax, as RelGAN does:
                 ln q is that of the sentence, and a word's gradient stays at its own position
    Paper        Jang, Gu & Poole 2017; Maddison, Mnih & Teh 2017
    Raises       ValueError for another ``feed``
    """

    unbiased = False
    states = False  # a soft token, D's input, has none
    knobs = (
        Knob(
            "temperature",
            1.0,
            (0.01, 100.0),
            "lower is closer to hard tokens",
            player="g",
            scale="log",
            slider=(0.05, 5.0),
        ),
    )

    def __init__(self, *, straight_through: bool = True, feed: str = "point"):
        if feed not in FED:
            raise ValueError(f"feed {feed!r}: expected one of {', '.join(FED)}")
        self.straight_through, self.feed = straight_through, feed

    @property
    def needs(self) -> Mapping[str, str]:
        """What other parts must have: a token is fed only to what goes on word by word."""
        return {"generator": "step"} if self.feed == "token" else {}

    def play(self, generator, n, noise, slots, real=None):
        """Let the generator play n relaxed sentences at the temperature of the knob."""
        how = slots["temperature"], self.straight_through, prompts(generator, real)
        if self.feed == "token":
            return generator.relax(n, noise, *how, feed_tokens=True)
        return generator.relax(n, noise, *how)
