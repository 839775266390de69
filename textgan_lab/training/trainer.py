"""The trainer: owns both players and the loop, and yields one record a step."""

import hashlib
import itertools
import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..data.sources import load_corpus
from ..knobs import Knob, Knobs, Schedule, Turn
from ..models import DISCRIMINATORS, GENERATORS, PAD, Dropout
from ..objectives import ESTIMATORS, LOSSES, REMEDIES
from ..objectives.losses import mean
from ..objectives.remedies import Play
from ..telemetry import Step, Telemetry
from . import checkpoint
from .live import OPTIMISERS, DeviceKnobs, Optimiser
from .probes import Measurement, measure, opinions
from .progress import Progress
from .recorder import Recorder
from .spec import Spec, chosen

STREAMS = ("data", "g_noise", "d_noise", "d_dropout", "remedies")
DISPLAYED = 8  # sentences kept with each measurement
MLE_LR = Knob(
    "mle_lr", 5e-3, (0.0, 10.0), "step size of the likelihood warm-up", player="g", scale="log",
    slider=(1e-5, 1e-1),
)  # fmt: skip
STEPS = [
    Knob("d_steps", 1, (0, 100), "updates of D a step", player="d", slider=(0, 10), integer=True),
    Knob("g_steps", 1, (0, 100), "updates of G a step", player="g", slider=(0, 10), integer=True),
]
DROPOUT = Knob(
    "d_dropout", 0.0, (0.0, 1.0), "share of D's features dropped", player="d", slider=(0.0, 0.9)
)


def _seed(*words: object) -> int:
    """Return a seed of 63 bits that depends on every word, the same on every machine."""
    digest = hashlib.sha256("/".join(map(str, words)).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


class Player:
    """A network whose weights lie in one flat tensor, and the optimiser that moves them.

    One tensor makes norm, clipping and update a handful of operations, whatever the number of
    layers; the optimiser walks it in pieces that stay in cache.
    """

    PIECE = 65536  # numbers; ours: 256 kB, well within a core's second-level cache

    def __init__(self, module: nn.Module, clip: float):
        self.module, self.clip = module, clip
        self.params = list(module.parameters())
        self.flat = torch.cat([p.detach().reshape(-1) for p in self.params])
        sizes = [p.numel() for p in self.params]
        for p, piece in zip(self.params, self.flat.split(sizes), strict=True):
            p.data = piece.view_as(p)

    def pieces(self, flat: Tensor) -> list[Tensor]:
        """Cut a flat tensor into the pieces that optimisers update."""
        return [flat] if flat.is_cuda else list(flat.split(self.PIECE))

    def update(self, loss: Tensor, optimiser: Optimiser, ok: Tensor) -> Tensor:
        """Move the weights down the gradient of ``loss``; return its 2-norm before clipping.

        ``ok`` turns false for good, on the device, when loss or norm is not finite; from then on
        nothing moves. A loss that does not depend on the weights has gradient 0.
        """
        if loss.requires_grad:
            grads = torch.autograd.grad(loss, self.params, materialize_grads=True)
            flat = torch.cat([g.reshape(-1) for g in grads])
        else:
            flat = torch.zeros_like(self.flat)
        norm = torch.linalg.vector_norm(flat)
        ok.logical_and_(loss.detach().isfinite() & norm.isfinite())
        flat.mul_((self.clip / (norm + 1e-6)).clamp(max=1))
        optimiser.step(self.pieces(flat), ok)
        return norm


class Trainer:
    """A GAN in training: both players, the loop, the knobs, and the record.

    >>> trainer = Trainer(Spec(data="mini", probe_every=0))
    >>> for step in trainer.steps(3):
    ...     trainer.knobs.set(d_lr=1e-3 / (step.t + 1))
    >>> trainer.t, [turn.step for turn in trainer.telemetry.turns]
    (3, [2])

    Args:
        spec: what to build.
        schedule: turns to make on the way, as a live session exported them.
        data: an object that follows the data contract, instead of loading ``spec.data``.

    Raises:
        ValueError: parts that do not fit together; the message says which and what would.
    """

    def __init__(self, spec: Spec, schedule: Schedule | None = None, *, data: Any = None):
        self.spec = spec
        self.schedule = Schedule() if schedule is None else schedule
        self.device = _device(spec.device)
        name, options = chosen(spec.data)
        self.data = load_corpus(name, **options) if data is None else data
        self._build()
        _fit(self)
        slots = self.mirror.slots
        self._optimisers = {
            side: OPTIMISERS.make(
                chosen(choice)[0],
                chosen(choice)[1],
                params=player.pieces(player.flat),
                slots={n.removeprefix(f"{side}_"): slot for n, slot in slots.items()
                       if n.startswith(f"{side}_")},
            )
            for side, player, choice in (
                ("g", self._g, spec.g_optimiser), ("d", self._d, spec.d_optimiser)
            )
        }
        if spec.mle_steps:
            betas = {"beta1": torch.tensor(0.9), "beta2": torch.tensor(0.999)}
            fixed = {n: beta.to(self.mirror.vector) for n, beta in betas.items()}
            self._optimisers["mle"] = OPTIMISERS["adam"](
                self._g.pieces(self._g.flat), {"lr": slots["mle_lr"], **fixed}
            )
        self.streams = {
            stream: torch.Generator(self.device).manual_seed(_seed(spec.seed, stream))
            for stream in STREAMS
        }
        self._real = self.data.train.to(self.device)
        self._held_out = self.data.validation[: spec.probe_size].to(self.device)
        self._recorder = Recorder(spec.probe_every or 50, self.device)
        self._ok = torch.ones((), dtype=torch.bool, device=self.device)
        self._applied = self.knobs.read()
        self.mirror.update(self._applied)
        self._positions, self._clock = 0, time.perf_counter()
        self.t = 0
        self.diverged = False
        self.telemetry = Telemetry()
        self.telemetry.events.append({
            "event": "start", "step": 0, "spec": spec.model_dump(),
            "knobs": dict(self._applied.values), "data": self.data.fingerprint,
        })  # fmt: skip
        if self.estimator.blocked:
            self.telemetry.events.append({
                "event": "blocked", "step": 0,
                "why": f"estimator {self.estimator.name!r} passes no gradient to G",
            })  # fmt: skip

    def _build(self) -> None:
        """Make the parts and the knobs that act on them."""
        spec = self.spec
        with torch.random.fork_rng(devices=[]):  # torch initialises weights from its global stream
            torch.manual_seed(_seed(spec.seed, "weights"))
            generator = GENERATORS.make(*chosen(spec.generator), data=self.data)
            discriminator = DISCRIMINATORS.make(*chosen(spec.discriminator), data=self.data)
        self.generator = generator.to(self.device)
        self.discriminator = discriminator.to(self.device)
        self._g = Player(self.generator, spec.g_clip)
        self._d = Player(self.discriminator, spec.d_clip)
        self.loss = LOSSES[chosen(spec.loss)[0]]
        self.estimator = ESTIMATORS.make(*chosen(spec.estimator))
        always = {name: {} for name, remedy in REMEDIES.items() if remedy.always}
        if not self.loss.binary:
            always = {n: {} for n in always if not REMEDIES[n].binary_only}
        self.remedies = [
            REMEDIES.make(name, options) for name, options in {**always, **spec.remedies}.items()
        ]
        self._dropouts = [m for m in self.discriminator.modules() if isinstance(m, Dropout)]
        d_optimiser, g_optimiser = (
            OPTIMISERS[chosen(choice)[0]] for choice in (spec.d_optimiser, spec.g_optimiser)
        )
        knobs = [
            *d_optimiser.knobs("d", 1e-3),
            *g_optimiser.knobs("g", 1e-3),
            *STEPS,
            *([DROPOUT] if self._dropouts else []),
            *(remedy.knob for remedy in self.remedies),
            *self.estimator.knobs,
            *([MLE_LR] if spec.mle_steps else []),
        ]
        self.knobs = Knobs(knobs, spec.knobs)
        self.mirror = DeviceKnobs(self.knobs, self.device)
        for dropout in self._dropouts:
            dropout.p = self.mirror.slots["d_dropout"]

    # ---- the loop ------------------------------------------------------------------------------

    @property
    def phase(self) -> str:
        """What the next step does: "mle" (likelihood warm-up) or "adversarial"."""
        return "mle" if self.t < self.spec.mle_steps else "adversarial"

    def steps(self, n: int | None = None) -> Iterator[Step]:
        """Train, one step at a time, and yield each step's record; without ``n``, without end.

        Not asking for the next step is a pause. The iterator ends early when a loss or gradient was
        not finite: see ``diverged`` and the telemetry's "divergence" event. Calling again goes on.
        """
        if self.diverged:
            self.diverged = False
            self._ok.fill_(True)
        self._clock, self._positions = time.perf_counter(), 0
        try:
            for _ in itertools.count() if n is None else range(n):
                yield self._step()
                if self.diverged:
                    return
        finally:
            self.flush()

    def run(self, n: int) -> "Trainer":
        """Train for ``n`` steps under a progress line."""
        progress, begin = Progress(n, self.phase), self.t
        for _ in self.steps(n):
            progress.update(self.t - begin)
        progress.close(self.t - begin, self._note() if self.diverged else "")
        return self

    def warm_up(self) -> "Trainer":
        """Run what is left of the likelihood warm-up."""
        return self.run(max(0, self.spec.mle_steps - self.t))

    def d_step(self) -> Step:
        """Take one step in which only D moves."""
        return self._alone(d_steps=1, g_steps=0)

    def g_step(self) -> Step:
        """Take one step in which only G moves."""
        return self._alone(d_steps=0, g_steps=1)

    def _alone(self, **counts: int) -> Step:
        # the counts are knobs, so a step taken by hand is a turn like any other and replays
        before = {name: self.knobs[name] for name in counts}
        self.knobs.set(counts, source="by hand")
        (step,) = self.steps(1)
        self.knobs.set(before, source="by hand")
        return step

    def _step(self) -> Step:
        t, phase, turns = self.t, self.phase, self._turn()
        values = self._mle_update() if phase == "mle" else self._play()
        values["ok"] = self._ok
        self._recorder.write({"step": t, "phase": phase}, values)
        self.t += 1
        if self.spec.probe_every and self.t % self.spec.probe_every == 0:
            self._measure()
        elif self._recorder.full:
            self.flush()
        return Step(t, phase, turns, self._values)

    def _turn(self) -> tuple[Turn, ...]:
        """Apply what was turned since the last step: the only place where a knob changes."""
        due = self.schedule.due(self.t)
        if due:
            self.knobs.set(due, source="schedule")
        new, old = self.knobs.read(), self._applied
        if new.version == old.version:
            return ()
        turns = tuple(
            Turn(self.t, name, old.values[name], value, new.source)
            for name, value in new.values.items()
            if value != old.values[name]
        )
        self._applied = new
        if turns:
            self.mirror.update(new)
            self.telemetry.turns.extend(turns)
        return turns

    def _play(self) -> dict[str, Tensor]:
        values = {}
        for _ in range(self._applied.values["d_steps"]):
            values.update(self._d_update())
        for _ in range(self._applied.values["g_steps"]):
            values.update(self._g_update())
        return values

    def _mle_update(self) -> dict[str, Tensor]:
        rollout = self.generator.score(self._batch())
        loss = -rollout.log_q.sum() / rollout.mask.sum()
        norm = self._g.update(loss, self._optimisers["mle"], self._ok)
        return {"mle_loss": loss, "g_grad_norm": norm}

    def _d_update(self) -> dict[str, Tensor]:
        real, real_mask = self._batch(), None
        with torch.no_grad():
            rollout = self._rollout()
        if rollout.ids is not None:
            real_mask = real != PAD
        self._drop_out(self._applied.values.get("d_dropout", 0) > 0)
        real, fake = self._on_input(real), self._on_input(rollout.x)
        real_logits, fake_logits = self._judge(real, fake)
        play = Play(
            self.discriminator, real, fake, real_logits, fake_logits, real_mask,
            getattr(self.data, "vocab_size", None), self.streams["remedies"],
        )  # fmt: skip
        parts = {"adversarial": self.loss.d(real_logits, fake_logits, real_mask, rollout.mask)}
        for remedy, strength in self._active():
            term = remedy.d_term(play)
            if term is not None:
                parts[remedy.name] = strength * term
        loss = torch.stack([p.float() for p in parts.values()]).sum()
        norm = self._d.update(loss, self._optimisers["d"], self._ok)
        real_logits, fake_logits = real_logits.detach(), fake_logits.detach()
        means = mean(real_logits, real_mask), mean(fake_logits, rollout.mask)
        at = 0.0 if self.threshold is not None else (means[0] + means[1]) / 2
        right_real = mean((real_logits > at).float(), real_mask)
        right_fake = mean((fake_logits < at).float(), rollout.mask)
        return {
            "d_loss": loss,
            **{f"d_loss.{name}": part for name, part in parts.items()},
            "d_accuracy": (right_real + right_fake) / 2,
            "d_accuracy_real": right_real,
            "d_accuracy_fake": right_fake,
            "d_logit_real": means[0],
            "d_logit_fake": means[1],
            "d_grad_norm": norm,
        }

    def _g_update(self) -> dict[str, Tensor]:
        self._drop_out(False)  # D's dropout regularises D; as a judge it speaks clearly
        rollout = self._rollout()
        parts = {
            "adversarial": self.estimator.loss(
                rollout, lambda x: self.discriminator(self._on_input(x)), self.loss
            )
        }
        for remedy, strength in self._active():
            term = remedy.g_term(rollout)
            if term is not None:
                parts[remedy.name] = strength * term
        loss = torch.stack([p.float() for p in parts.values()]).sum()
        norm = self._g.update(loss, self._optimisers["g"], self._ok)
        return {
            "g_loss": loss,
            **{f"g_loss.{name}": part for name, part in parts.items()},
            "g_grad_norm": norm,
        }

    def _batch(self) -> Tensor:
        self._positions += self.spec.batch_size * getattr(self.data, "length", 1)
        rows = torch.randint(
            len(self._real), (self.spec.batch_size,), generator=self.streams["data"],
            device=self.device,
        )  # fmt: skip
        return self._real[rows]

    def _rollout(self):
        self._positions += self.spec.batch_size * getattr(self.data, "length", 1)
        return self.estimator.play(
            self.generator, self.spec.batch_size, self.streams["g_noise"], self.mirror.slots
        )

    def _active(self):
        """Yield the remedies whose strength is not 0, each with its strength on the device."""
        for remedy in self.remedies:
            if self._applied.values[remedy.knob.name] != 0:
                yield remedy, self.mirror.slots[remedy.knob.name]

    def _on_input(self, x: Tensor) -> Tensor:
        for remedy, strength in self._active():
            vocab_size = getattr(self.data, "vocab_size", None)
            x = remedy.on_input(x, vocab_size, strength, self.streams["d_noise"])
        return x

    def _judge(self, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
        if real.dtype == fake.dtype:  # one pass for both; rows do not see each other
            return self.discriminator(torch.cat([real, fake])).split([len(real), len(fake)])
        return self.discriminator(real), self.discriminator(fake)

    def _drop_out(self, active: bool) -> None:
        for dropout in self._dropouts:
            dropout.active, dropout.generator = active, self.streams["d_dropout"]

    @property
    def threshold(self) -> float | None:
        """D's logit above which it says "real"; None for a critic, whose scale has no zero."""
        return None if chosen(self.spec.loss)[0] == "wasserstein" else 0.0

    # ---- the record ----------------------------------------------------------------------------

    def flush(self) -> None:
        """Bring the rows that wait on the device over to ``telemetry``: one device sync."""
        rows = self._recorder.flush()
        for row in rows:
            if not row.pop("ok") and not self.diverged:
                self.diverged = True
                at = {"event": "divergence", "step": row["step"], "stopped": self.t}
                self.telemetry.events.append({**at, "values": row})
        self.telemetry.rows.extend(rows)
        if rows:
            now = time.perf_counter()
            seconds = max(now - self._clock, 1e-9)
            self.telemetry.timings.append({
                "step": rows[-1]["step"],
                "steps_per_second": len(rows) / seconds,
                "tokens_per_second": self._positions / seconds,
            })  # fmt: skip
            self._clock, self._positions = now, 0

    def _values(self, t: int) -> dict[str, float]:
        if not self.telemetry.rows or self.telemetry.rows[-1]["step"] < t:
            self.flush()
        row = self.telemetry.rows[t - self.telemetry.rows[0]["step"]]
        return {name: value for name, value in row.items() if name not in ("step", "phase")}

    def _measure(self) -> None:
        """Flush, then add to the newest row what is measured on fresh samples."""
        self.flush()
        self._drop_out(False)
        noise = self._private("probe")
        fake = self.generator.sample(self.spec.probe_size, noise)
        self.telemetry.rows[-1].update(
            measure(
                Measurement(
                    self.generator, self.discriminator, self.data, self._held_out, fake,
                    self.threshold,
                )  # fmt: skip
            )
        )
        self.telemetry.samples.append(self.show())

    def show(self, n: int = DISPLAYED) -> dict[str, Any]:
        """Return n fresh sentences with D's opinion: of each its probability, of each token a score.

        Points come as lists of coordinates. Nothing that trains is touched.
        """
        self._drop_out(False)
        x = self.generator.sample(n, self._private("display"))
        if self.data.kind != "text":
            return {"step": self.t, "points": [[float(f"{v:.5g}") for v in p] for p in x.tolist()]}
        p, scores = opinions(self.discriminator, x, self.data.vocab_size)
        sentences = []
        for ids, real, row in zip(x.tolist(), p.tolist(), scores.tolist(), strict=True):
            ids = [i for i in ids if i != PAD]
            words = [self.data.vocabulary[i] for i in ids]
            scored = [float(f"{s:.4g}") for s in row[: len(ids)]]
            sentences.append({"tokens": words, "scores": scored, "p_real": float(f"{real:.4g}")})
        return {"step": self.t, "sentences": sentences}

    def sample(self, n: int, temperature: float = 1.0) -> list[str]:
        """Return n sentences the generator writes now; nothing that trains is touched."""
        noise = self._private("display")
        return self.data.decode(self.generator.sample(n, noise, temperature).cpu())

    def _private(self, purpose: str) -> torch.Generator:
        """Return a generator for one look at step t: looking leaves no trace in any stream."""
        return torch.Generator(self.device).manual_seed(_seed(self.spec.seed, purpose, self.t))

    def _note(self) -> str:
        event = next(e for e in reversed(self.telemetry.events) if e["event"] == "divergence")
        return (
            f"Stopped: loss or gradient not finite at step {event['step']}; "
            f"the weights from before that step are kept"
        )

    # ---- the state -----------------------------------------------------------------------------

    def snapshot(self) -> dict[str, Any]:
        """Return everything that a bit-identical continuation needs, but the telemetry so far."""
        self.flush()
        return {
            "t": self.t,
            "g": self._g.flat.clone(),
            "d": self._d.flat.clone(),
            "optimisers": {
                side: [x.clone() for x in o.state()] for side, o in self._optimisers.items()
            },
            "estimator": self.estimator.state(),
            "streams": {name: stream.get_state() for name, stream in self.streams.items()},
            "applied": dict(self._applied.values),
            "knobs": dict(self.knobs.read().values),
            "ok": bool(self._ok),
        }

    def restore(self, snapshot: Mapping[str, Any]) -> None:
        """Go back to a snapshot of this run; telemetry after it is forgotten."""
        self._recorder.flush()
        self.t = snapshot["t"]
        with torch.no_grad():
            self._g.flat.copy_(snapshot["g"])
            self._d.flat.copy_(snapshot["d"])
            for side, kept in snapshot["optimisers"].items():
                for now, then in zip(self._optimisers[side].state(), kept, strict=True):
                    now.copy_(then)
        self.estimator.load_state({n: x.to(self.device) for n, x in snapshot["estimator"].items()})
        for name, state in snapshot["streams"].items():
            self.streams[name].set_state(state)
        self.knobs.set(snapshot["applied"], source="restored")
        self._applied = self.knobs.read()
        self.mirror.update(self._applied)
        if snapshot["knobs"] != snapshot["applied"]:  # turned, but not yet applied, when it was taken
            self.knobs.set(snapshot["knobs"])
        self._ok.fill_(snapshot["ok"])
        self.diverged = not snapshot["ok"]
        self.telemetry.truncate(self.t)

    def save(self, path: str | Path) -> Path:
        """Write a checkpoint from which `resume` goes on bit for bit (on CPU); return its path."""
        state = self.snapshot() | {
            "spec": self.spec.model_dump_json(),
            "schedule": json.dumps(list(self.schedule)),
            "data": self.data.fingerprint,
            "telemetry": {name: self.telemetry.lines(name) for name in Telemetry.FILES},
        }
        return checkpoint.write(state, path)

    @classmethod
    def resume(cls, path: str | Path, *, data: Any = None) -> "Trainer":
        """Return the trainer that `save` wrote.

        Raises:
            FileNotFoundError, DamagedCheckpoint: nothing there, or not what was written.
            ValueError: the data is not what the run was trained on.
        """
        state = checkpoint.read(path)
        spec = Spec.model_validate_json(state["spec"])
        trainer = cls(spec, Schedule(json.loads(state["schedule"])), data=data)
        if trainer.data.fingerprint != state["data"]:
            raise ValueError(
                f"{path}: was trained on other data (sha256 {state['data'][:12]}..., "
                f"now {trainer.data.fingerprint[:12]}...)"
            )
        trainer.telemetry = Telemetry.parse(state["telemetry"])
        trainer.restore(state)
        return trainer

    def branch(self) -> "Trainer":
        """Return a second trainer that stands where this one stands and goes its own way."""
        twin = Trainer(self.spec, self.schedule, data=self.data)
        files = {name: self.telemetry.lines(name) for name in Telemetry.FILES}
        snapshot = self.snapshot()
        twin.telemetry = Telemetry.parse(files)
        twin.restore(snapshot)
        return twin

    def __repr__(self) -> str:
        weights = f"G {self._g.flat.numel():,} weights, D {self._d.flat.numel():,}"
        return f"Trainer(t={self.t}, {self.phase}, {weights}, {self.device}, {self.spec!r})"


def _device(name: str) -> torch.device:
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    device = torch.device(name)
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ValueError(f"device {name!r}: this torch sees no GPU; use 'cpu' or 'auto'")
    return device


def _fit(trainer: Trainer) -> None:
    """Raise ValueError unless the parts of a trainer fit together."""
    spec, kind = trainer.spec, trainer.data.kind
    parts = {
        f"generator {chosen(spec.generator)[0]!r}": trainer.generator,
        f"discriminator {chosen(spec.discriminator)[0]!r}": trainer.discriminator,
        f"estimator {chosen(spec.estimator)[0]!r}": trainer.estimator,
    }
    for name, part in parts.items():
        if part.kind != kind:
            raise ValueError(f"{name} plays {part.kind}, but the data {trainer.data.name!r} is {kind}")
    wants, has = trainer.estimator.per_token, trainer.discriminator.per_token
    if wants is not None and wants != has:
        fitting = [n for n, d in DISCRIMINATORS.items() if d.per_token == wants and d.kind == kind]
        raise ValueError(
            f"estimator {trainer.estimator.name!r} needs a discriminator with one logit "
            f"{'a token' if wants else 'a sentence'}: {', '.join(fitting)}"
        )
    trainer.estimator.check(trainer.loss)
    for remedy in trainer.remedies:
        if kind not in remedy.kinds:
            raise ValueError(f"remedy {remedy.name!r} does not apply to {kind}")
        if remedy.binary_only and not trainer.loss.binary:
            raise ValueError(f"remedy {remedy.name!r} needs a binary loss, not {trainer.loss.name!r}")
    if spec.mle_steps and kind != "text":
        raise ValueError("mle_steps: a generator of points has no likelihood to warm up with")
