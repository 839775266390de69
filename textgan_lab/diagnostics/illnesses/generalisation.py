"""A player does worse on what it was not trained on."""

import math
from dataclasses import dataclass
from typing import ClassVar

from ..detectors import DETECTORS, Detector, limit


@DETECTORS.register("discriminator-overfits")
@dataclass(frozen=True, kw_only=True)
class DiscriminatorOverfits(Detector):
    """D knows its training data by heart.

    Reads       d_memory
    Formula     d_memory = (mean logit of real data that D may have seen - of held-out real data)
                / their pooled standard deviation
    Rule        median in the window >= memory_min
    Means       D likes what it has seen, not what is real; G is pushed to copy it
    Try         d_dropout, d_noise, r1
    Fails when  training and held-out data are not of one law
    Paper       Karras et al. 2020
    """

    notebook: ClassVar[str] = "04_imbalance"
    memory_min: float = limit(0.5, "seen above unseen real data (standard deviations)")

    def scores(self, signals):
        """Return D's memory."""
        return {"memory_min": signals.typical("d_memory")}


@DETECTORS.register("exposure-bias")
@dataclass(frozen=True, kw_only=True)
class ExposureBias(Detector):
    """G continues its own sentences worse than real ones. Needs a law with next-token truth.

    Reads       exposure_gap, exposure_gap_se
    Formula     z = mean gap over the window / mean standard error: looks share their real
                sentences, so that more of them make the mean no surer
    Rule        gap >= gap_min and z >= z_min
    Means       G was trained on real prefixes and meets its own; mistakes feed mistakes
    Try         dense_reinforce, reinforce
    Fails when  the law is not known: no real corpus tells
    Paper       Bengio et al. 2015; Caccia et al. 2020 for how little it may matter
    """

    severity: ClassVar[str] = "tip"
    notebook: ClassVar[str] = "05_misleading_loss"
    gap_min: float = limit(0.05, "own prefixes above real ones (nats a token)")
    z_min: float = limit(3.0, "the same in standard errors")

    def scores(self, signals):
        """Return the mean gap, in nats and in standard errors."""
        gap = float(signals.measured("exposure_gap").mean())
        error = float(signals.measured("exposure_gap_se").mean())
        return {"gap_min": gap, "z_min": gap / error if error else math.copysign(math.inf, gap)}
