"""A frozen generator under a D that goes on learning: what G would get to learn from."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from .spec import Spec
from .trainer import Trainer

if TYPE_CHECKING:
    import pandas

RECENT = 20  # updates of D over which its accuracy and its logit on fakes are averaged (ours)


def frozen_gradients(
    spec: Spec,
    at: Iterable[int],
    losses: Sequence[str] = (),
    *,
    generator: nn.Module | None = None,
    n: int = 512,
    data: Any = None,
) -> "pandas.DataFrame":
    """Return G's gradient norm under each of ``losses`` after D's updates ``at``, G standing still.

    One row for each point of time and loss: ``d_step`` updates of D so far; ``loss``; ``norm``, the
    2-norm of the gradient over all of G's weights, from n fresh fakes; ``d_accuracy`` (share) and
    ``d_logit_fake``, means over D's last 20 updates, NaN before the first.

    Args:
        spec: the run; its likelihood warm-up comes first, its remedies act on D as they would.
        at: numbers of updates of D, ascending; 0 is the untrained D.
        losses: losses of G to put on the same D; without any, the run's own.
        generator: one whose weights G takes, instead of those of its own seed.
        n: fakes that a gradient averages over.
        data: an object that follows the data contract, instead of loading ``spec.data``.

    Source   Arjovsky & Bottou 2017, figure 2
    Raises   ValueError when ``at`` is empty, negative or does not ascend, or G's weights do not fit
    """
    import pandas

    at = list(at)
    if not at or at[0] < 0 or any(later <= now for now, later in zip(at, at[1:], strict=False)):
        raise ValueError(f"frozen_gradients: at must ascend from 0 or more, got {at}")
    knobs = {**spec.knobs, "g_steps": 0}
    trainer = Trainer(spec.model_copy(update={"knobs": knobs, "probe_every": 0}), data=data)
    _take(trainer.generator, generator)
    for _ in trainer.steps(spec.mle_steps):
        pass
    rows, start = [], trainer.t
    for d_step in at:
        for _ in trainer.steps(d_step - (trainer.t - start)):
            pass
        seen = trainer.telemetry.rows[start:][-RECENT:]
        means = {
            name: sum(row[name] for row in seen) / len(seen) if seen else float("nan")
            for name in ("d_accuracy", "d_logit_fake")
        }
        for loss in losses or [trainer.loss.name]:
            norm = torch.linalg.vector_norm(trainer.g_gradient(loss, n)).item()
            rows.append({"d_step": d_step, "loss": loss, "norm": norm, **means})
    return pandas.DataFrame(rows)


def _take(ours: nn.Module, theirs: nn.Module | None) -> None:
    if theirs is None:
        return
    try:
        ours.load_state_dict(theirs.state_dict())  # in place: the player's flat weights follow
    except RuntimeError as error:
        raise ValueError(f"frozen_gradients: these weights are not of this G: {error}") from None
