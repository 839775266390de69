"""Who moves when, if a loss decides: ``while loss > 0.5: train``, and the cap that ends it."""

from dataclasses import dataclass
from typing import Any

CAP = 50  # updates of D a round (ours)


@dataclass(frozen=True)
class Round:
    """One round: how often D moved, its loss at the last of those, and whether the cap ended it."""

    step: int  # of D's last update
    d_updates: int
    d_loss: float
    cap_hit: bool


def loss_threshold(trainer: Any, rounds: int, below: float = 1.0, cap: int = CAP) -> list[Round]:
    """Play rounds: D alone until its loss is at most ``below``, or ``cap`` times; then G once.

    Unit     nats, the sum of D's real and fake halves: a mean loss of 0.5 is ``below=1.0``
    Rule     a round that the cap ends adds the event "cap_hit" to the telemetry. Every move is a
             turn of d_steps and g_steps, so the run replays without this rule
    Fails when  no D can get there: D's loss is at least 2 ln 2 - 2 JS(p, q), so at equilibrium,
             2 ln 2 = 1.386, a mean of 0.693, the plain ``while`` never ends
    Raises   ValueError for rounds, cap or threshold that cannot be meant, and during the warm-up

    Noise counts: the loss of one batch may fall below what D reaches on average, and ends a round.
    """
    if rounds < 0 or cap < 1 or not below > 0:
        raise ValueError(
            f"loss_threshold: rounds={rounds!r}, cap={cap!r}, below={below!r}; expected 0 rounds "
            f"or more, a cap of 1 or more and a threshold above 0"
        )
    played = []
    for _ in range(rounds):
        updates, loss = 0, float("inf")
        while not loss <= below and updates < cap:  # so that a loss that is no number goes on
            step = trainer.d_step()
            updates, loss = updates + 1, step.values["d_loss"]
        hit = not loss <= below
        if hit:
            trainer.telemetry.events.append(
                {"event": "cap_hit", "step": step.t, "updates": updates, "d_loss": loss}
            )
        trainer.g_step()
        played.append(Round(step.t, updates, loss, hit))
    return played
