"""A remedy of a G that writes under keys of D's memory: what it writes must tell its key."""

from ...knobs import Knob
from .contract import REMEDIES, Remedy


@REMEDIES.register("key_information")
class KeyInformation(Remedy):
    """Have G write what D files under the key that it was given, and D file it there.

    Formula  I(K; x) >= H(K) + E ln r(K | x); r(. | x) is von Mises-Fisher around D's query q(x), so
             that minus the bound is -E concentration K q(x), but for what no weight can change.
             Both players minimise it, on fakes: G by x, D by q
    Watch    near minus the concentration every fake lies on its key, and the cheapest way there is
             for D to file all sentences in one place and tell nothing any more (seen at 0.1)
    Paper    Kim, Kim & Kim 2018 (weight 0.01); the bound is that of Chen et al. 2016
    """

    kinds = ("text",)
    needs = {"generator": "consult", "discriminator": "remember"}

    def __init__(self, *, weight: float = 0.01):
        self.knob = Knob(
            "key_information.weight",
            weight,
            (0.0, 1000.0),
            "how well fakes must tell the key they were written under",
            unit="per nat",
            scale="log",
            slider=(0.001, 100.0),
        )

    def g_term(self, move):
        """Return minus the bound's moving part, on what G played."""
        return _unlike(move.d, move.rollout.x, move.rollout.key)

    def d_term(self, play):
        """Return the same, on the fakes as D read them."""
        return _unlike(play.d, play.fake, play.rollout.key)


def _unlike(d, x, key):
    return -d.concentration * (key * d.query(x)).sum(1).mean()
