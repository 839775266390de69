"""The gallery: named systems side by side, at equal updates and at equal seconds."""

import inspect
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..data import load_corpus
from ..data.sources import CORPORA, READERS
from ..knobs import Schedule
from ..models import GENERATORS
from ..progress import Progress
from .spec import Choice, chosen
from .systems import SYSTEMS, UPDATES, WARM_UP, System
from .trainer import Trainer

if TYPE_CHECKING:
    import pandas

CONTROL = "mle"
REAL = "real data"  # the row of what real data score where fakes are measured
SHORT = (  # one a family; one warm-up but for maligan's larger batches and memorygan's keys
    "seqgan", "relax", "maligan", "bgan", "gumbel-gan", "wgan", "forward-kl", "memorygan", CONTROL,
)  # fmt: skip
ALL = ("", "all")
FOREVER = 10**6  # likelihood updates of those that know no play
BUDGETS = ("before play", "updates", "seconds")

# What judges, the best first: all in nats, all better when smaller.
YARDSTICKS = {
    "js": "true JS, nats",
    "held_out_nll": "held-out NLL, nats per token",
    "held_out_nll_bound": "bound on the held-out NLL, nats per token",
    "cells_js": "JS of counts in cells, nats",
}
SHOWN = (
    *YARDSTICKS, "modes", "possible", "unique_ratio", "distinct_2", "cells_accuracy",
)  # fmt: skip


def shown(system: str = "all") -> list[str]:
    """Return which systems to train: the short gallery, or the one asked for and its control.

    Waves have no control: nothing here learns them by likelihood. UnknownName for other names.
    """
    if system in ALL:
        return list(SHORT)
    generator, _ = chosen(SYSTEMS.make(system).spec.generator)
    textual = GENERATORS[generator].kind == "text"  # as its data are
    return list(dict.fromkeys([system, CONTROL])) if textual else [system]


def capped(source: str | Path, **caps: Any) -> Choice | None:
    """Return ``source`` with those of ``caps`` that it takes as options; None for "".

    >>> capped("mini", vocab_size=500), capped("my.txt", vocab_size=500, max_prompt=9), capped("")
    ('mini', {'my.txt': {'vocab_size': 500}}, None)
    """
    source = str(source)
    if not source:
        return None
    if source in CORPORA:
        known = CORPORA.options(source)
    else:
        reader = READERS.get(Path(source).suffix.lower(), READERS[""])
        known = inspect.signature(reader).parameters
    options = {name: value for name, value in caps.items() if name in known}
    return {source: options} if options else source


def catalogue() -> "pandas.DataFrame":
    """Return what each system is for, is made of and pays, and its exactness test, by name.

    ``before play`` are its updates of likelihood and of D alone. What has no adversary has no
    estimator, loss or D: None.
    """
    import pandas

    systems = map(SYSTEMS.make, SYSTEMS)
    return pandas.DataFrame(
        {
            "system": s.name, "title": s.title, "article": s.article, "idea": s.idea,
            "cost": s.cost, "published": s.published, **_parts(s),
            "exactness test": s.exact.split("::")[1],
        }
        for s in systems
    ).set_index("system")  # fmt: skip


def _parts(system: System) -> dict[str, str | None]:
    """Return what a system is made of, in a word each."""
    spec, alone = system.spec, system.rival
    before = [f"{spec.mle_steps} MLE"] if spec.mle_steps else []
    if spec.d_first_steps:
        until = f" until {spec.d_first_accuracy}" if spec.d_first_accuracy else ""
        before.append(f"{spec.d_first_steps} D{until}")
    return {
        "data": chosen(spec.data)[0],
        "G": chosen(spec.generator)[0],
        "estimator": None if alone else chosen(spec.estimator)[0],
        "loss": None if alone else chosen(spec.loss)[0],
        "D": None if alone else chosen(spec.discriminator)[0],
        "before play": None if alone else ", ".join(before) or "nothing",
    }


def gallery(
    names: Iterable[str],
    *,
    seed: int = 0,
    updates: int = UPDATES,
    seconds: float | None = None,
    warm_up: int = WARM_UP,
    looks: int = 0,
    samples: int = 1000,
    data: Choice | None = None,
    device: str = "auto",
) -> "pandas.DataFrame":
    """Train systems and return what is measured of each, one row a system and budget.

    Columns: ``system``, ``seed``, ``budget``; ``played``, its updates of G in play, for a rival
    without an adversary its further likelihood updates; ``spent``, seconds of training until then,
    looking not included: CPU time on the CPU, else by the clock; ``trainer``, as it stood then;
    ``diverged``; and what the probes said. Budgets:

    ``before play``  when likelihood has taught what it teaches; untrained where there is none
    ``updates``      after ``updates`` in play
    ``seconds``      when ``seconds`` of training are over, preparation included; None: no such row

    A run whose numbers are not finite any more is measured where it stopped.

    Args:
        warm_up: likelihood updates of those that have any; D's head start changes in proportion,
            schedules of play with ``updates``.
        looks: steps between measurements for the record, 0 for none.
        samples: fresh samples a measurement.
        data: what all of them learn; None: what the first one learns by itself.

    Raises   UnknownName for a system that is not known, ValueError for budgets that cannot be kept
             and for data that a system cannot play
    """
    import pandas

    for option, value, least in (("updates", updates, 1), ("warm_up", warm_up, 0)):
        if value < least:
            raise ValueError(f"gallery: {option}: expected {least} or more, got {value!r}")
    if seconds is not None and not seconds > 0:
        raise ValueError(f"gallery: seconds: expected a number above 0, or None, got {seconds!r}")
    if looks == 1 or looks < 0:
        raise ValueError(
            f"gallery: looks: expected 0, or 2 and more, so that the time of a look can be told "
            f"from that of an update; got {looks!r}"
        )
    names, rows = list(names), []
    if not names:
        raise ValueError("gallery: no system to train")
    data = SYSTEMS.make(names[0]).spec.data if data is None else data
    options = {"data": data, "seed": seed, "device": device}
    systems = [SYSTEMS.make(name, options) for name in names]
    source, given = chosen(data)
    loaded = load_corpus(source, **given)
    for system in systems:
        trainer, first = _prepared(system, updates, warm_up, looks, samples, loaded)
        for budget, found in _looks(system, trainer, first, updates, seconds, looks):
            rows.append({"system": system.name, "seed": seed, "budget": budget, **found})
    return pandas.DataFrame(rows)


def standings(found: "pandas.DataFrame", budget: str) -> "pandas.DataFrame":
    """Return the measures at one budget by system, the best first, and what real data score.

    Columns that nobody can be measured by are left out; ``played`` and ``spent`` as in `gallery`.
    The last row is real data where the record has their score, see ``gallery(looks=...)``.
    """
    import pandas

    table = found[found["budget"] == budget].set_index("system")
    if table.empty:
        raise ValueError(f"standings: no row of budget {budget!r}; there are: {BUDGETS}")
    start = table["trainer"].iloc[0].telemetry.events[0]
    table = table[[c for c in (*SHOWN, "played", "spent") if c in table]]
    table = table.sort_values(next(c for c in YARDSTICKS if c in table))
    if "floors" in start:
        real = pandas.DataFrame([start["floors"]], [REAL])
        table = pandas.concat([table, real[[c for c in table if c in real]]])
    return table.dropna(axis=1, how="all").rename_axis("system")


def referee(table: "pandas.DataFrame") -> tuple[str, str]:
    """Return who is the control of `standings`, and the best of `YARDSTICKS` that knows everybody.

    The control is likelihood where something else is measured too, else real data.
    """
    systems = table.drop(REAL, errors="ignore")
    control = CONTROL if CONTROL in systems.index and len(systems) > 1 else REAL
    judged = systems if control == CONTROL else table
    known = (c for c in YARDSTICKS if c in judged and judged[c].notna().all())
    try:
        return control, next(known)
    except StopIteration:
        raise ValueError(f"referee: no measure knows all of {', '.join(table.index)}") from None


def _prepared(
    system: System, updates: int, warm_up: int, looks: int, samples: int, data: Any
) -> tuple[Trainer, int]:
    """Return the trainer of a system at other lengths, and its likelihood updates before play."""
    spec, rival = system.spec, system.rival
    own = spec.mle_steps - (UPDATES if rival else 0)
    first = round(own * warm_up / WARM_UP)
    head_start = round(spec.d_first_steps * warm_up / WARM_UP)
    begun, begins = own + spec.d_first_steps, first + head_start
    turns = (
        (max(0, begins + round((t - begun) * updates / UPDATES)), knob, value)
        for t, knob, value in system.schedule.content()
    )
    changes = {
        "mle_steps": FOREVER if rival else first,
        "d_first_steps": head_start,
        "d_first_accuracy": spec.d_first_accuracy if head_start else None,
        "probe_every": looks,
        "probe_size": samples,
    }
    return Trainer(spec.model_copy(update=changes), Schedule(turns), data=data), first


def _looks(
    system: System,
    trainer: Trainer,
    first: int,
    updates: int,
    seconds: float | None,
    looks: int,
):
    """Train, and yield each budget with what is measured when it is used up."""
    clock = time.process_time if trainer.device.type == "cpu" else time.perf_counter
    rival, left = system.rival, [b for b in BUDGETS if b != "seconds" or seconds is not None]
    progress = Progress(updates, system.name)
    played, spent, took = 0, 0.0, 0.0

    def now() -> dict[str, Any]:
        there, measured = trainer.branch(), trainer.measure()
        if looks and there.t:
            there.telemetry.rows[-1].update(measured)  # its record ends with what the row says
        state = {"played": played, "spent": spent, "diverged": trainer.diverged}
        return {**state, "trainer": there, **measured}

    def used_up() -> list[str]:
        over = {
            "before play": trainer.t >= first,
            "updates": played >= updates,
            "seconds": seconds is not None and spent >= seconds,
        }
        return [budget for budget in left if over[budget]]

    for budget in used_up():
        left.remove(budget)
        yield budget, now()
    begin = clock()
    for step in trainer.steps():
        if not looks or trainer.t % looks:  # else it ends in a look: it takes as long as the last
            took = clock() - begin
        spent += took
        played += trainer.t > first if rival else step.phase == "adversarial"
        progress.update(min(played, updates))
        for budget in used_up():
            left.remove(budget)
            yield budget, now()
        if not left:
            break
        begin = clock()
    progress.close(min(played, updates), "its numbers are not finite" if trainer.diverged else "")
    for budget in left:
        yield budget, now()
