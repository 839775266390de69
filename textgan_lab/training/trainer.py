"""The trainer: owns both players and the loop, and yields one record a step."""

import functools
import itertools
import json
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..data.law import PAD, seed
from ..knobs import Schedule, Snapshot, Turn
from ..objectives import LOSSES
from ..progress import Progress
from ..telemetry import Step, Telemetry
from . import checkpoint
from .cells import Cells
from .game import Game
from .live import DeviceKnobs
from .parts import assemble
from .probes import Measurement, floors, measure, opinions
from .recorder import Recorder
from .spec import Spec

STREAMS = ("data", "g_noise", "d_noise", "d_dropout", "remedies")
WINDOW = 50  # steps between flushes when nothing is measured
JUDGED = 10  # updates over which D's accuracy in its head start is averaged, and between two looks
DISPLAYED = {"text": 8, "points": 256}  # sentences or points kept with each measurement


def _alone(method):
    """Let one thread at a time into a trainer, so that a cell may look while a lab trains."""

    @functools.wraps(method)
    def entered(self, *args, **kwargs):
        with self._lock:
            return method(self, *args, **kwargs)

    return entered


class Trainer:
    """A GAN in training: both players, the loop, the knobs, and the record.

    >>> trainer = Trainer(Spec(data="mini", probe_every=0))
    >>> for step in trainer.steps(3):
    ...     trainer.knobs.set(d_lr=0.01 / (step.t + 1))
    >>> trainer.t, [turn.step for turn in trainer.telemetry.turns]
    (3, [1, 2])

    Args:
        spec: what to build.
        schedule: turns to make on the way, as a live session exported them.
        data: an object that follows the data contract, instead of loading ``spec.data``.

    Raises:
        ValueError: parts that do not fit together, or a schedule that this run cannot follow.
        TypeError: no Spec, no Schedule.
    """

    def __init__(self, spec: Spec, schedule: Schedule | None = None, *, data: Any = None):
        if not isinstance(spec, Spec):
            raise TypeError(f"Trainer: expected a Spec, got {spec!r}")
        if not isinstance(schedule, Schedule | None):
            raise TypeError(
                f"Trainer: expected a Schedule, got {schedule!r}; Schedule([...]) makes one of "
                f"triples, Schedule.load(path) reads one"
            )
        self._lock = threading.RLock()
        self.spec = spec
        self.parts = parts = assemble(spec, data)
        self.data, self.device, self.knobs = parts.data, parts.device, parts.knobs
        self.generator, self.discriminator = parts.generator, parts.discriminator
        self.schedule = Schedule() if schedule is None else schedule
        self.schedule.check(self.knobs, spec.model_dump(), self.data.fingerprint)
        self.mirror = DeviceKnobs(self.knobs, self.device)
        self.streams = {
            name: torch.Generator(self.device).manual_seed(seed(spec.seed, name))
            for name in STREAMS
        }
        self.game = Game(spec, parts, self.mirror.slots, self.streams)
        self.t = 0
        self._play_from = spec.mle_steps + spec.d_first_steps
        self._held_out = self.data.validation[: spec.probe_size].to(self.device)
        self._window = spec.probe_every or WINDOW
        self._recorder = Recorder(self._window, self.device)
        self._apply(self.knobs.read())
        self._clock = time.perf_counter()
        self.diverged = False
        self.telemetry = Telemetry()
        self.telemetry.events.append({
            "event": "start", "step": 0, "spec": spec.model_dump(),
            "knobs": dict(self._applied.values), "data": self.data.fingerprint,
            **(self._reference() if spec.probe_every else {}),
        })  # fmt: skip
        if self.estimator.blocked:
            why = f"estimator {self.estimator.name!r} passes no gradient to G"
            self.telemetry.events.append({"event": "blocked", "step": 0, "why": why})

    @property
    def loss(self) -> type:
        """What D and G minimise."""
        return self.game.loss

    @property
    def estimator(self) -> Any:
        """How the gradient of G's loss reaches G."""
        return self.game.estimator

    @property
    def remedies(self) -> list:
        """What holds the two upright."""
        return self.game.remedies

    # ---- the loop ------------------------------------------------------------------------------

    @property
    def phase(self) -> str:
        """What the next step does: "mle" (likelihood warm-up), "d_first" or "adversarial"."""
        if self.t < self.spec.mle_steps:
            return "mle"
        return "d_first" if self.t < self._play_from else "adversarial"

    def steps(self, n: int | None = None) -> Iterator[Step]:
        """Train, one step at a time, and yield each step's record; without ``n``, without end.

        Not asking for the next step is a pause. When a loss or gradient was not finite, no further
        update is applied and the iterator ends at the next multiple of ``probe_every``; see
        ``diverged`` and the "divergence" event. Calling again goes on from the weights kept.
        """
        if self.diverged:
            self.diverged = False
            self.game.ok.fill_(True)
        self._clock, self.game.positions = time.perf_counter(), 0
        try:
            for _ in itertools.count() if n is None else range(n):
                yield self._step()
                # only here, so that looking at values earlier does not change where a run stops
                if self.diverged and self.t % self._window == 0:
                    return
        finally:
            self.flush()

    def run(self, n: int) -> "Trainer":
        """Train for ``n`` steps under a progress line."""
        if n < 0:
            raise ValueError(f"run: expected 0 steps or more, got {n}")
        return self._exhaust(self.watched(n))

    def warm_up(self) -> "Trainer":
        """Run what is left before play: the likelihood warm-up, D's head start."""
        left = self._play_from - self.t  # at most: D's head start may end early
        return self._exhaust(self.watched(left, until="adversarial")) if left > 0 else self

    def watched(self, n: int, *, until: str = "", note: str = "") -> Iterator[Step]:
        """Yield what ``steps(n)`` yields, under a progress line that ends with ``note``.

        It ends before the phase ``until``. Where ``n`` is 0 nothing but a note is shown.
        """
        if not n and not note:
            return
        begin, play_from = self.t, self._play_from
        warm_up = begin < play_from, begin + n > play_from
        label = {(True, False): "warm-up", (True, True): "warm-up and play"}.get(warm_up, "play")
        progress = Progress(n, label)
        for step in self.steps(n) if n else ():
            yield step
            progress.update(self.t - begin)
            if self.phase == until:
                break
        said = [note, self._divergence() if self.diverged else ""]
        progress.close(self.t - begin, ". ".join(filter(None, said)))

    def _exhaust(self, steps: Iterator[Step]) -> "Trainer":
        for _ in steps:
            pass
        return self

    def d_step(self) -> Step:
        """Take one step in which only D moves; ValueError during the warm-up."""
        return self._by_hand(d_steps=1, g_steps=0)

    def g_step(self) -> Step:
        """Take one step in which only G moves; ValueError during the warm-up."""
        return self._by_hand(d_steps=0, g_steps=1)

    def _by_hand(self, **counts: int) -> Step:
        if self.phase != "adversarial":
            left = self._play_from - self.t
            raise ValueError(f"the warm-up has {left} steps to go: call warm_up() first")
        # the counts are knobs, so a step taken by hand is a turn like any other and replays
        before = {name: self.knobs[name] for name in counts}
        self.knobs.set(counts, source="by hand")
        try:
            (step,) = self.steps(1)
        finally:
            self.knobs.set(before, source="by hand")
        return step

    @_alone
    def _step(self) -> Step:
        t, phase, turns = self.t, self.phase, self._turn()
        update = {"mle": self.game.mle_update, "d_first": self.game.d_update}
        values = update.get(phase, self.game.play)()
        values["ok"] = self.game.ok
        self._recorder.write({"step": t, "phase": phase}, values)
        self.t += 1
        if phase == "d_first" and self.spec.d_first_accuracy is not None:
            self._judge_head_start()
        if self.t % self._window == 0:
            self.flush()
            if self.spec.probe_every:
                measurement = self._measurement()
                self.telemetry.rows[-1].update(measure(measurement))
                counts = measurement.fake_counts.sum(0).tolist()
                self.telemetry.samples.append({**self.show(), "cells": counts})
        return Step(t, phase, turns, self._values)

    def _judge_head_start(self) -> None:
        """Let play begin once D is right as often as the spec asks, or has used up its updates.

        D is asked every `JUDGED` of its updates, whatever else is looked at and when.
        """
        taken, over = self.t - self.spec.mle_steps, self.t == self._play_from
        if taken % JUDGED and not over:
            return
        self.flush()
        right = [row["d_accuracy"] for row in self.telemetry.rows[-min(taken, JUDGED) :]]
        accuracy = sum(right) / len(right)
        reached = accuracy >= self.spec.d_first_accuracy
        if reached or over:
            self._play_from = self.t
            self.telemetry.events.append({
                "event": "play", "step": self.t, "d_accuracy": accuracy, "reached": reached
            })  # fmt: skip

    def _apply(self, snapshot: Snapshot) -> None:
        """Let the players see these values of the knobs, on the host and on the device."""
        self._applied, self.game.turned = snapshot, snapshot.values
        self.mirror.update(snapshot)

    def _turn(self) -> tuple[Turn, ...]:
        """Apply what was turned since the last step: the only place where a knob changes."""
        due = self.schedule.due(self.t)
        if due:
            self.knobs.set(due, source="schedule")
        new, old = self.knobs.read(), self._applied
        if new.version == old.version:
            return ()
        turns = tuple(
            Turn(self.t, name, old.values[name], value, new.sources[name])
            for name, value in new.values.items()
            if value != old.values[name]
        )
        self._apply(new)
        if turns:
            self.telemetry.turns.extend(turns)
        return turns

    # ---- the record ----------------------------------------------------------------------------

    @_alone
    def flush(self) -> None:
        """Bring the rows that wait on the device over to ``telemetry``: one device sync."""
        rows = self._recorder.flush()
        if not rows:
            return
        for row in rows:
            if not row.pop("ok") and not self.diverged:
                self.diverged = True
                self.telemetry.events.append(
                    {"event": "divergence", "step": row["step"], "values": dict(row)}
                )
        self.telemetry.rows.extend(rows)
        now = time.perf_counter()
        seconds = max(now - self._clock, 1e-9)
        self.telemetry.timings.append({
            "step": rows[-1]["step"],
            "steps_per_second": len(rows) / seconds,
            "tokens_per_second": self.game.positions / seconds,
        })  # fmt: skip
        self._clock, self.game.positions = now, 0

    def _values(self, t: int) -> dict[str, float]:
        rows = self.telemetry.rows
        if not rows or rows[-1]["step"] < t:
            self.flush()
        if not rows or rows[-1]["step"] < t:
            raise LookupError(f"step {t} was forgotten: the run was rewound to step {self.t}")
        return {n: v for n, v in rows[t].items() if n not in ("step", "phase")}

    @_alone
    def measure(self) -> dict[str, float]:
        """Return what the probes measure now, name to number; nothing is recorded or changed."""
        return measure(self._measurement())

    def _measurement(self) -> Measurement:
        self.game.drop_out(False)
        n = self.spec.probe_size
        fake = self.generator.sample(n, self._private("probe"), given=self._prompts(n))
        return Measurement(
            self.generator, self.discriminator, self.data, self._cells, self._held_out,
            self._training_rows(n, "seen"), fake, self.game.threshold,
        )  # fmt: skip

    def _training_rows(self, n: int, purpose: str) -> Tensor:
        """Return n training rows, drawn as batches are."""
        noise, rows = self._private(purpose), self.game.real
        return rows[torch.randint(len(rows), (n,), generator=noise, device=self.device)]

    def _prompts(self, n: int) -> Tensor | None:
        """Return held-out prompts for n sentences, over and over; None where nothing is given."""
        if not self.game.given:
            return None
        which = torch.arange(n, device=self.device) % len(self._held_out)
        return self._held_out[which, : self.game.given]

    @functools.cached_property
    def _cells(self) -> Cells:
        return Cells(self.data, self.device)

    def _reference(self) -> dict[str, Any]:
        """Return what measurements are read against: the cells' names, and what real data score."""
        seen = self._training_rows(self.spec.probe_size, "seen")
        found = floors(self.data, self._cells, self._held_out, seen)
        return {"cells": self._cells.names, "floors": found}

    @_alone
    def g_gradient(self, loss: str | None = None, n: int = 512, draw: int = 0) -> Tensor:
        """Return the gradient that G would get now, flat over its weights; nothing is changed.

        Args:
            loss: one of `LOSSES` instead of the run's own; its sign is that of a loss.
            n: sentences or points to average over.
            draw: another number draws other noise.

        The adversarial part alone, under the estimator and the noise on D's input of the run.
        """
        part = self.loss if loss is None else LOSSES[loss]
        self.game.drop_out(False)
        noise, kept = self._private(f"gradient {draw}"), self.estimator.state()

        def judge(x: Tensor) -> Tensor:
            return self.discriminator(self.game.on_input(x, noise))

        def real() -> Tensor:
            return self._training_rows(n, f"gradient {draw}, real")

        self.estimator.begin(self.generator)
        rollout = self.estimator.play(self.generator, n, noise, self.mirror.slots, real)
        if part.needs_real:
            with torch.no_grad():
                part = part.against(judge(real()))
        value = self.estimator.loss(rollout, judge, part)
        self.estimator.load_state(kept)
        return self.game.g.gradient(value)

    @_alone
    def show(self, n: int | None = None) -> dict[str, Any]:
        """Return fresh sentences (8 unless told) with D's opinion: a probability, token scores.

        Points (256 unless told) come as lists of coordinates. Nothing that trains is touched.
        """
        self.game.drop_out(False)
        n = DISPLAYED[self.data.kind] if n is None else n
        x = self.generator.sample(n, self._private("display"), given=self._prompts(n))
        if self.data.kind != "text":
            return {"step": self.t, "points": [[float(f"{v:.5g}") for v in p] for p in x.tolist()]}
        p_real, scores = opinions(self.discriminator, x, self.data.vocab_size)
        sentences = []
        for ids, p, row in zip(x.tolist(), p_real.tolist(), scores.tolist(), strict=True):
            words = [self.data.vocabulary[i] for i in ids if i != PAD]
            scored = [float(f"{s:.4g}") for i, s in zip(ids, row, strict=True) if i != PAD]
            said = {"tokens": words, "scores": scored, "p_real": float(f"{p:.4g}")}
            if self.game.given:  # how many of the words are the prompt
                said["given"] = sum(i != PAD for i in ids[: self.game.given])
            sentences.append(said)
        return {"step": self.t, "sentences": sentences}

    @_alone
    def sample(self, n: int, temperature: float = 1.0) -> list[str]:
        """Return n sentences that the generator writes now; nothing that trains is touched.

        Raises TypeError when the data are points: ``generator.sample`` gives those.
        """
        if self.data.kind != "text":
            raise TypeError(f"{self.data.name!r} is no text; for points: trainer.generator.sample")
        ids = self.generator.sample(n, self._private("display"), temperature, self._prompts(n))
        return self.data.decode(ids.cpu())

    def _private(self, purpose: str) -> torch.Generator:
        """Return a generator for one look at step t: looking leaves no trace in any stream."""
        return torch.Generator(self.device).manual_seed(seed(self.spec.seed, purpose, self.t))

    def _divergence(self) -> str:
        event = next(e for e in reversed(self.telemetry.events) if e["event"] == "divergence")
        return (
            f"Stopped: loss or gradient not finite at step {event['step']}; that update and all "
            f"later ones were refused, the weights from before it are kept"
        )

    # ---- the state -----------------------------------------------------------------------------

    @_alone
    def snapshot(self) -> dict[str, Any]:
        """Return everything that a bit-identical continuation needs, but the telemetry so far."""
        self.flush()
        wanted = self.knobs.read()
        return {
            "t": self.t,
            "play_from": self._play_from,
            "g": self.game.g.flat.clone(),
            "d": self.game.d.flat.clone(),
            "g_direction": self.game.g.direction.clone(),
            "d_direction": self.game.d.direction.clone(),
            "optimisers": {
                side: [x.clone() for x in o.state()] for side, o in self.game.optimisers.items()
            },
            "buffers": {
                side: {name: x.clone() for name, x in player.buffers.items()}
                for side, player in (("g", self.game.g), ("d", self.game.d))
            },
            "estimator": self.estimator.state(),
            "streams": {name: stream.get_state() for name, stream in self.streams.items()},
            "applied": dict(self._applied.values),
            "wanted": dict(wanted.values),  # turned, perhaps, but not yet applied
            "sources": dict(wanted.sources),
            "diverged": self.diverged,
        }

    @_alone
    def restore(self, snapshot: Mapping[str, Any]) -> None:
        """Go back to a snapshot of this run; telemetry after it is forgotten."""
        self._recorder.flush()
        self.t, self._play_from = snapshot["t"], snapshot["play_from"]
        with torch.no_grad():
            self.game.g.flat.copy_(snapshot["g"])
            self.game.d.flat.copy_(snapshot["d"])
            self.game.g.direction.copy_(snapshot["g_direction"])
            self.game.d.direction.copy_(snapshot["d_direction"])
            for side, player in (("g", self.game.g), ("d", self.game.d)):
                for name, buffer in player.buffers.items():
                    buffer.copy_(snapshot["buffers"][side][name])
            for side, kept in snapshot["optimisers"].items():
                for now, then in zip(self.game.optimisers[side].state(), kept, strict=True):
                    now.copy_(then)
        self.estimator.load_state({n: x.to(self.device) for n, x in snapshot["estimator"].items()})
        for name, state in snapshot["streams"].items():
            self.streams[name].set_state(state)
        self._apply(self.knobs.put(snapshot["applied"], source="restored"))
        for name, value in snapshot["wanted"].items():
            if value != snapshot["applied"][name]:
                self.knobs.set({name: value}, source=snapshot["sources"][name])
        self.diverged = snapshot["diverged"]
        self.game.ok.fill_(not self.diverged)
        self.telemetry.truncate(self.t)

    @_alone
    def save(self, path: str | Path) -> Path:
        """Write a checkpoint from which `load` goes on bit for bit (on CPU); return its path."""
        state = self.snapshot() | {
            "spec": self.spec.model_dump_json(),
            "schedule": json.dumps(self.schedule.content()),
            "data": self.data.fingerprint,
            "device": self.device.type,
            "telemetry": self.telemetry.text(),
        }
        return checkpoint.write(state, path)

    @classmethod
    def resume(cls, path: str | Path, *, data: Any = None) -> "Trainer":
        """Return the trainer that `save` wrote; ``path`` may be a folder, as for `load`.

        Raises what `load` raises, but builds the spec and the schedule that it finds.
        """
        file, state = checkpoint.find(path)
        schedule = Schedule.parse(json.loads(state["schedule"]))
        trainer = cls(Spec.model_validate_json(state["spec"]), schedule, data=data)
        trainer.take(state, file)
        return trainer

    @_alone
    def load(self, path: str | Path) -> "Trainer":
        """Stand where the trainer stood that `save` wrote, record included; return this trainer.

        Args:
            path: the file, or a folder: the newest whole checkpoint of a run is taken. A damaged
                one is passed over with a warning that names it.

        Raises:
            FileNotFoundError, DamagedCheckpoint: nothing there, or nothing that was written.
            ValueError: it is of another run, see `check`; then nothing was changed.
        """
        file, state = checkpoint.find(path)
        self.take(state, file)
        return self

    def check(self, state: Mapping[str, Any], path: str | Path) -> None:
        """Raise ValueError unless this run can go on from a checkpoint's state; say why not.

        Spec, schedule and data must be the same, and the device of the same kind: random streams
        do not carry over to another.
        """
        now, then = json.loads(self.spec.model_dump_json()), json.loads(state["spec"])
        other = [
            f"{field}={then.get(field)!r} (here {now.get(field)!r})"
            for field in sorted({*now, *then} - {"device"})
            if now.get(field) != then.get(field)
        ]
        if Schedule.parse(json.loads(state["schedule"])) != self.schedule:
            other.append(f"the schedule {state['schedule']:.60} (here {self.schedule!r:.60})")
        if other:
            raise ValueError(f"{path}: is of another run, made with {', '.join(other)}")
        if self.device.type != state["device"]:
            raise ValueError(
                f"{path}: was saved on {state['device']}, this run is on {self.device.type}; "
                f"random streams do not carry over, so it goes on only where it was"
            )
        if self.data.fingerprint != state["data"]:
            raise ValueError(
                f"{path}: was trained on other data (sha256 {state['data'][:12]}..., "
                f"now {self.data.fingerprint[:12]}...)"
            )

    @_alone
    def take(self, state: Mapping[str, Any], path: str | Path) -> None:
        """Stand where a checkpoint's state says, as `load` does; ``path`` is for what is said."""
        self.check(state, path)
        self.telemetry = Telemetry.parse(state["telemetry"])
        self.restore(state)

    @_alone
    def branch(self) -> "Trainer":
        """Return a second trainer that stands where this one stands and goes its own way."""
        twin = Trainer(self.spec, self.schedule, data=self.data)
        snapshot = self.snapshot()
        twin.telemetry = Telemetry.parse(self.telemetry.text())
        twin.restore(snapshot)
        return twin

    def __repr__(self) -> str:
        weights = f"G {self.game.g.flat.numel():,} weights, D {self.game.d.flat.numel():,}"
        return f"Trainer(t={self.t}, {self.phase}, {weights}, {self.device}, {self.spec!r})"
