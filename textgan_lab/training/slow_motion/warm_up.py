"""A step of the likelihood warm-up, in phases."""

import torch
from torch import Tensor

from ..trainer import Trainer
from .half import Half, rows
from .phase import Line, Phase, short


class WarmUp(Half):
    """A likelihood update: no play yet, G is taught the words of real sentences."""

    player = "g"
    observed = ("draw",)

    def __init__(self, twin: Trainer):
        twin.game.g_update = twin.game.mle_update
        super().__init__(twin, 1)

    def _phases(self) -> list[Phase]:
        ids = self.twin.game.real[self.seen["draw"][-1][:1]]
        words = self._words(ids[0])

        @torch.no_grad()
        def log_q() -> Tensor:
            return self.twin.generator.score(ids).log_q[0].double()

        before, after = self._both(log_q)
        moved, lengths = self._moved()
        loss = self.values["mle_loss"]
        old, new = before.sum().item(), after.sum().item()
        q = {"q before": before.exp().tolist()[: len(words)]}
        both = q | {"q after": after.exp().tolist()[: len(words)]}
        return [
            self._phase(
                "samples", "a real sentence",
                "The warm-up has no D: G reads a real sentence and, word by word, says how likely "
                "it held the next one.",
                values={"log_q": old}, lines=(Line("real", words, (), rows(q)),),
            ),
            self._phase(
                "loss", "G's loss", "G is paid for having held the real words likely.",
                formula=f"mle_loss = mean over words of -ln q = {short(loss)}",
                values={"mle_loss": loss},
            ),
            self._phase(
                "update", "G moves",
                f"{moved} ln q of this sentence went from {old:.4g} to {new:.4g}.",
                values={**lengths, "log_q": old, "log_q_after": new},
                lines=(Line("real", words, (), rows(both)),),
            ),
        ]  # fmt: skip
