"""One present, several futures: runs that share their past and differ in their knobs alone."""

import itertools
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from .trainer import Trainer

if TYPE_CHECKING:
    import pandas

Axis = Mapping[str, Mapping[str, float]]  # label -> knobs to turn


def futures(
    trainers: Trainer | Iterable[Trainer], axes: Mapping[str, Axis], steps: int
) -> "pandas.DataFrame":
    """Return what becomes of each trainer under every combination of turns, ``steps`` later.

    A row for each combination and trainer: a column for each axis with its label; ``seed``;
    ``trainer``, a branch that made the turns where its trainer stands; ``telemetry``, its record.
    The trainers given stay where they are; what they share, such as a warm-up, is paid for once.

    Args:
        trainers: one, or one for each seed.
        axes: by name of the column, label -> knobs; one label of each axis makes a combination.
        steps: updates of each branch.

    Raises   ValueError when two axes turn the same knob, or there is nothing to combine; before
             anything is trained, UnknownName and ValueError for turns that a trainer cannot make

    >>> from textgan_lab.training import Spec
    >>> start = Trainer(Spec(data="mini", probe_every=0))
    >>> found = futures(start, {"rate": {"slow": {"g_lr": 1e-4}, "fast": {"g_lr": 1e-2}}}, steps=2)
    >>> found["rate"].tolist(), len(found["telemetry"][0]), start.t
    (['slow', 'fast'], 2, 0)
    """
    import pandas

    trainers = [trainers] if isinstance(trainers, Trainer) else list(trainers)
    if not trainers or not axes or not all(axes.values()):
        raise ValueError(
            f"futures: {len(trainers)} trainers and axes { ({n: [*a] for n, a in axes.items()}) }; "
            f"expected one trainer or more, and one label or more on every axis"
        )
    combinations = [
        (dict(zip(axes, labels, strict=True)), _together(axes, labels))
        for labels in itertools.product(*axes.values())
    ]
    for trainer, (_, turns) in itertools.product(trainers, combinations):
        trainer.knobs.check(turns)
    rows = []
    for trainer, (labels, turns) in itertools.product(trainers, combinations):
        branch = trainer.branch()
        branch.knobs.set(turns, source="futures")
        for _ in branch.steps(steps):
            pass
        record = {"trainer": branch, "telemetry": branch.telemetry}
        rows.append({**labels, "seed": trainer.spec.seed, **record})
    return pandas.DataFrame(rows)


def _together(axes: Mapping[str, Axis], labels: Iterable[str]) -> dict[str, float]:
    turns: dict[str, float] = {}
    for (name, axis), label in zip(axes.items(), labels, strict=True):
        twice = turns.keys() & axis[label].keys()
        if twice:
            raise ValueError(f"futures: axis {name!r} turns {', '.join(twice)} a second time")
        turns |= axis[label]
    return turns
