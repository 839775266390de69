"""What became of a run, judged by exact truth: not a diagnosis, but what a diagnosis is judged by.

A detector may read what any user has; an outcome reads columns that only a known law can fill.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import exp

from ..metrics.modes import histogram_entropy
from ..telemetry import Telemetry

OUTCOMES = ("healthy", "damaged", "collapsed", "stuck", "diverged")
NLL = "held_out_nll"
RUNAWAY = 100.0  # mean |D's loss| that no game between bounded players is played at
CEILING = 0.68  # JS in nats above which p and q have as good as nothing in common; ln 2 = 0.693


@dataclass(frozen=True)
class Outcome:
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
) -> Outcome:
    """Judge a run of text whose law is known, by that law; the first rule that holds decides.

    diverged   a loss or gradient was not finite, or D's loss ended beyond +-100
    collapsed  the effective number of modes fell to ``modes_min`` of what they are, or below
    stuck      JS stayed above 0.68, and held-out NLL did not fall by the share ``fall``
    damaged    JS rose by more than ``rise`` nats since the start of play
    healthy    none of these

    The thresholds are ours. Raises ValueError when the run measured no exact JS or no modes.
    """
    measured = [row for row in telemetry.rows if "js" in row]
    play = [row for row in measured if row["phase"] == "adversarial"]
    names = [name for name in (play[0] if play else {}) if name.startswith("mode.")]
    if len(play) < 3 or not names:
        raise ValueError(
            f"outcome: {len(play)} measurements of play with exact JS and {len(names)} modes; "
            f"expected 3 or more, of a text whose law and modes are known"
        )
    start, last = measured[max(0, len(measured) - len(play) - 1)], play[-(len(play) // 3) :]
    js, bayes, nll = (_mean(row[name] for row in last) for name in ("js", "bayes_accuracy", NLL))
    modes = _mean(_effective(row, names) for row in last)
    since = telemetry.rows[telemetry.rows.index(last[0]) :]
    accuracy = _mean(row["d_accuracy"] for row in since if "d_accuracy" in row)
    loss = _mean(abs(row["d_loss"]) for row in since if "d_loss" in row)
    if loss > RUNAWAY or any(event["event"] == "divergence" for event in telemetry.events):
        name = "diverged"
    elif modes <= modes_min * (len(names) - 1):
        name = "collapsed"
    elif min(js, start["js"]) > CEILING and nll > (1 - fall) * start[NLL]:
        name = "stuck"
    else:
        name = "damaged" if js > start["js"] + rise else "healthy"
    return Outcome(name, js, start["js"], modes, bayes, accuracy)


def _effective(row: Mapping[str, float], names: Sequence[str]) -> float:
    return exp(histogram_entropy([row[name] for name in names]))


def _mean(values: Iterable[float]) -> float:
    values = list(values)
    return sum(values) / len(values) if values else float("nan")  # G alone has no accuracy
