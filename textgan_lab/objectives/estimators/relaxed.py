"""The choice of a token is softened until it can be differentiated."""

from ...knobs import Knob
from .contract import ESTIMATORS, Estimator, prompts


@ESTIMATORS.register("gumbel")
class Gumbel(Estimator):
    """Relax the choice of a token: softmax((logits + Gumbel noise) / temperature), differentiable.

    Objective    E_q generator(s(x)) over hard sentences; biased for it at every temperature
    Trade        low temperature: less bias, variance that explodes; high: the reverse
    straight_through  D sees the one-hot argmax, the gradient is that of the soft point
    Paper        Jang, Gu & Poole 2017; Maddison, Mnih & Teh 2017
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

    def __init__(self, *, straight_through: bool = True):
        self.straight_through = straight_through

    def play(self, generator, n, noise, slots, real=None):
        """Let the generator play n relaxed sentences at the temperature of the knob."""
        given = prompts(generator, real)
        return generator.relax(n, noise, slots["temperature"], self.straight_through, given)
