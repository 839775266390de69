"""Slow motion: one step of training taken apart, phase by phase, on one real and one fake sample.

The run takes its step as always; what is shown comes from a twin that takes the same step under
observation, so that explaining a step cannot change it.
"""

from ..trainer import Trainer
from .d_half import DHalf
from .phase import Choice, Line, Phase, Plane
from .points import PointsHalf
from .sentences import SentencesHalf
from .warm_up import WarmUp

__all__ = ["Choice", "Line", "Phase", "Plane", "trace"]


def trace(trainer: Trainer) -> list[Phase]:
    """Take one step of the run and return its phases in order: D's half, then G's.

    The trainer is afterwards where an ordinary step would have left it, bit for bit. Where a player
    moves several times a step, its last move is shown. During the likelihood warm-up there is no
    play, and the phases are those of a likelihood update.

    Raises ValueError, before anything moves, when ``d_steps`` and ``g_steps`` are both 0, and for
    parts that cannot be told word by word or sample by sample: a generator whose ln q is not known,
    a discriminator that reads G's states, a loss that compares fakes with real rows.
    """
    _check(trainer)
    with trainer._lock:
        phases = _taken_apart(trainer.branch())
        for _ in trainer.steps(1):
            pass
    return phases


def _check(trainer: Trainer) -> None:
    if trainer.data.kind == "text" and not trainer.generator.likelihood:
        raise ValueError(
            f"slow motion: generator {trainer.generator.name!r} has no probability for each word; "
            f"step D, step G and the samples show what it does"
        )
    if getattr(trainer.discriminator, "states", False):
        raise ValueError(
            f"slow motion: discriminator {trainer.discriminator.name!r} reads G's states, so that "
            f"no word has a worth of its own; step D, step G and the samples show what it does"
        )
    if trainer.loss.needs_real:
        raise ValueError(
            f"slow motion: loss {trainer.loss.name!r} is about pairs of a fake and a real row, "
            f"which are not taken apart yet; step D and step G still work"
        )


def _taken_apart(twin: Trainer) -> list[Phase]:
    twin.game.ok.fill_(True)  # as `Trainer.steps` does
    twin._turn()
    if twin.phase == "mle":
        return WarmUp(twin).phases()
    counts = {player: twin._applied.values[f"{player}_steps"] for player in "dg"}
    if twin.phase == "d_first":
        counts = {"d": 1}
    if not any(counts.values()):
        raise ValueError("slow motion: d_steps and g_steps are both 0, so nobody moves; turn one")
    halves = {"d": DHalf, "g": SentencesHalf if twin.data.kind == "text" else PointsHalf}
    return [p for player, n in counts.items() if n for p in halves[player](twin, n).phases()]
