"""What became of a run, as one word for a map of many: not a diagnosis, but its judge."""

from dataclasses import dataclass

import numpy as np

from ..metrics import histogram_entropy
from ..telemetry import Telemetry
from .truth import Truth

OUTCOMES = ("healthy", "damaged", "collapsed", "stuck", "diverged")
NLL = "held_out_nll"
RUNAWAY = 100.0  # mean |D's loss| that no game between bounded players is played at
CEILING = 0.68  # JS in nats above which p and q have as good as nothing in common; ln 2 = 0.693


@dataclass(frozen=True)
class Label:
    """One of `OUTCOMES`, and the numbers behind it: means over the last third of play.

    ``js`` in nats, and ``start_js``, the last one before play, or the first of play; ``modes``,
    their effective number exp(H), "none" being one; ``bayes_accuracy`` and ``d_accuracy``, shares.
    """

    name: str
    js: float
    start_js: float
    modes: float
    bayes_accuracy: float
    d_accuracy: float


def outcome(
    telemetry: Telemetry, modes_min: float = 0.75, rise: float = 0.15, fall: float = 0.05
) -> Label:
    """Judge a run of text whose law is known, by that law; the first rule that holds decides.

    diverged   a loss or gradient was not finite, or D's loss ended beyond +-100
    collapsed  the effective number of modes fell to ``modes_min`` of what they are, or below
    stuck      JS stayed above 0.68, and held-out NLL did not fall by the share ``fall``
    damaged    JS rose by more than ``rise`` nats since the start of play
    healthy    none of these

    The thresholds are ours. Raises ValueError when the run measured no exact JS or no modes, or
    play was measured less than three times.
    """
    truth = Truth(telemetry)
    if "js" not in truth.start or not truth.shares.size:
        raise ValueError(
            f"outcome: play measured {', '.join(truth.measured[0])}; expected exact JS and shares "
            "of modes, of a text whose law and modes are known"
        )
    js, bayes, nll = (truth.late(name) for name in ("js", "bayes_accuracy", NLL))
    modes = float(np.exp(histogram_entropy(truth.shares[-truth.looks :])).mean())
    accuracy = _mean(truth.recorded("d_accuracy"))
    if _mean(np.abs(truth.recorded("d_loss"))) > RUNAWAY or truth.broke:
        name = "diverged"
    elif modes <= modes_min * (truth.shares.shape[1] - 1):
        name = "collapsed"
    elif min(js, truth.start["js"]) > CEILING and nll > (1 - fall) * truth.start[NLL]:
        name = "stuck"
    else:
        name = "damaged" if js > truth.start["js"] + rise else "healthy"
    return Label(name, js, truth.start["js"], modes, bayes, accuracy)


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if values.size else float("nan")  # G alone has no accuracy
