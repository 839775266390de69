"""The truth about a finished run: what became of it, by which detectors and scenarios are judged.

It stands on what only a known law can tell: JS and Bayes accuracy, the shares of the modes, the
held-out NLL less the entropy of the language. No diagnosis reads any of these. What detectors read
as well (D's accuracy, losses, gradients) is here over the same window, and the reader chooses which
part of the run that is: what counts as *late*.
"""

import math
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import numpy as np

from ..metrics import histogram_entropy, temporal_js
from ..telemetry import Telemetry
from .agreement import loss_correlations
from .signals import MEASURED, started

NLL = "held_out_nll.sentence"
Window = Callable[[int], int]  # of n, how many are late


def third(n: int) -> int:
    """Return a third of n, rounded down."""
    return n // 3


class Truth:
    """One finished run, read by its truth: ``measured`` are its measurements of play, or *looks*.

    ``facts`` are those of its data, which `distance` and what builds on it need: the ``entropy`` of
    a language, nats a sentence, or the ``shares`` of a mixture's modes. ``looks`` and ``steps``
    give how many of n looks, and of n steps of play, are late; without ``steps``, all since the
    first late look.

    Raises ValueError when so few looks were taken that none, or more than all, would be late.
    """

    def __init__(
        self,
        telemetry: Telemetry,
        facts: Mapping[str, Any] | None = None,
        looks: Window = third,
        steps: Window | None = None,
    ):
        rows = [row for row in telemetry.rows if any(name in row for name in MEASURED)]
        self.measured = [row for row in rows if row["phase"] == "adversarial"]
        n, self.looks = len(self.measured), looks(len(self.measured))
        if not 1 <= self.looks <= n:
            raise ValueError(
                f"{n} measurements of play, of which {self.looks} would be late: expected more; "
                "train longer, or measure more often"
            )
        self.telemetry, self.facts = telemetry, facts or {}
        self.start = rows[max(0, len(rows) - n - 1)]  # the last look before play, or its first
        self.text = "held_out_nll" in self.start
        self.broke = any(event["event"] == "divergence" for event in telemetry.events)
        self.play = [row for row in telemetry.rows if row["phase"] == "adversarial"]
        since = self.play.index(self.measured[-self.looks])
        self._late = self.play[-steps(len(self.play)) :] if steps else self.play[since:]

    @property
    def steps(self) -> tuple[int, int]:
        """The steps of play: the first, and the one after the last."""
        return self.play[0]["step"], self.play[-1]["step"] + 1

    @property
    def half(self) -> int:
        """The look at which the last half begins."""
        return len(self.measured) // 2

    @property
    def critic(self) -> bool:
        """Whether D's score has no "real" and "fake"."""
        return started(self.telemetry)["spec"]["loss"] == "wasserstein"

    # ---- columns ---------------------------------------------------------------------------------

    def late(self, name: str) -> float:
        """Return the mean of a measured column over the late looks."""
        return float(np.mean([row[name] for row in self.measured[-self.looks :]]))

    def recorded(self, name: str) -> np.ndarray:
        """Return what every late step recorded; empty when none did."""
        return np.array([row[name] for row in self._late if name in row])

    def median(self, name: str) -> float:
        """Return the median of what late steps recorded."""
        return float(np.median(self.recorded(name)))

    def correlation(self, loss: str) -> float:
        """Return the rank correlation of a loss with the held-out NLL (`loss_correlations`)."""
        return loss_correlations(self.telemetry)[loss].rho

    @property
    def accuracy(self) -> float:
        """D's accuracy, in play or on fresh data, whichever is better."""
        return max(float(self.recorded("d_accuracy").mean()), self.late("d_accuracy_held_out"))

    @property
    def bayes(self) -> float:
        """Accuracy of the best discriminator; for points at least this: 1/2 + TV/2."""
        return self.late("bayes_accuracy") if self.text else 0.5 + self.far / 2

    # ---- distance from the truth -----------------------------------------------------------------

    @cached_property
    def distance(self) -> np.ndarray:
        """How far G is from the truth, look by look: KL(p || q), nats (text); TV of modes (points).

        TV = 1/2 sum |share - true share|, "none" included, at most that of the laws themselves.
        """
        if self.text:
            return np.array([row[NLL] for row in self.measured]) - self.facts["entropy"]
        true = np.array([*self.facts["shares"], 0.0])
        return np.abs(self.shares - true).sum(1) / 2

    @property
    def gain(self) -> float:
        """By how much the held-out NLL fell since the first look, nats a sentence."""
        return self.measured[0][NLL] - self.late(NLL)

    @property
    def far(self) -> float:
        """The late distance."""
        return float(self.distance[-self.looks :].mean())

    def progress(self, share: float) -> float:
        """By which share the distance fell since that share of play (0: its begin) was over."""
        begin = min(round(share * len(self.distance)), len(self.distance) - self.looks)
        before = float(self.distance[begin : begin + 2].mean())
        return 1 - self.far / before if before else 0.0

    @property
    def swing(self) -> tuple[float, int]:
        """Of the distance in the last half: its standard deviation, and crossings of its mean."""
        x = self.distance[self.half :]
        above = x > x.mean()
        return float(x.std()), int((above[1:] != above[:-1]).sum())

    # ---- what G covers ---------------------------------------------------------------------------

    @cached_property
    def shares(self) -> np.ndarray:
        """Shares of the modes among fakes, the last one that of none: [looks, K + 1]."""
        names = [name for name in self.measured[0] if name.startswith("mode.")]
        return np.array([[row[name] for name in names] for row in self.measured])

    @cached_property
    def entropies(self) -> np.ndarray:
        """Entropy of the shares among the K modes, nats; 0 where no fake is of any: [looks]."""
        modes = self.shares[:, :-1]
        return np.array([histogram_entropy(look) if look.any() else 0.0 for look in modes])

    @property
    def breadth(self) -> float | None:
        """How much of the truth G covers at one look, 0 to 1; None when nothing is told.

        The smaller of (exp(H) - 1) / (K - 1), H the entropy of shares among K modes, and for text
        H(q) / H(p), the exact entropies of G and of the language.
        """
        late, found = self.shares[-self.looks :, :-1], []
        modes = late.shape[1]
        if modes > 1:
            present = late.sum(1) >= 0.1
            if present.sum() >= len(late) / 2:
                effective = math.exp(self.entropies[-self.looks :][present].mean())
                found.append((effective - 1) / (modes - 1))
        if self.text:
            found.append(self.late("g_entropy") * self.tokens / self.facts["entropy"])
        return min(found, default=None)

    @property
    def turnover(self) -> float:
        """How much what G covers changed over the last half: temporal JS, nats.

        H(mean of the histograms) - mean of their H: of modes and, for text, of words; the larger.
        """
        over = [self.shares[self.half :]] if self.shares.shape[1] > 2 else []
        over += [self._cells[self.half :]] if self.text else []
        return max((temporal_js(histograms) for histograms in over), default=0.0)

    @property
    def tokens(self) -> float:
        """The mean number of tokens in a fake sentence, late."""
        fakes = started(self.telemetry)["spec"]["probe_size"]
        return float(self._cells[-self.looks :].sum(1).mean()) / fakes

    @cached_property
    def _cells(self) -> np.ndarray:
        """Counts of words among the fakes: [looks, words]."""
        looks = [s for s in self.telemetry.samples if s["step"] > self.steps[0]]
        return np.array([look["cells"] for look in looks], float)
