"""Settings of the corpus of runs on which diagnoses are validated: three families, many ways.

They are varied over losses, estimators, step sizes, betas, updates per step, penalties, noise, warm
starts and amounts of data, so that all illnesses occur, and health. What a run *is* follows from
how it ended (`validation.conditions`), never from its setting. Half of each family's settings,
drawn by the hash of their names, calibrate thresholds; the others are only ever tested on.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

SEEDS = range(8)


@dataclass(frozen=True)
class Setting:
    """One way to train: ``steps`` of the spec made of ``fields``, G at rest for ``head_start``."""

    name: str
    family: str
    steps: int
    fields: Mapping[str, Any]
    head_start: int = 0  # steps of play in which D moves alone

    @property
    def calibrates(self) -> bool:
        """Whether thresholds may be set on this setting's runs; if not, they are tested on them."""
        family = [s.name for s in SETTINGS.values() if s.family == self.family]
        drawn = sorted(family, key=lambda name: hashlib.sha256(name.encode()).digest())
        return drawn.index(self.name) < len(drawn) // 2

    def trainer(self, seed: int, data: Any = None) -> Any:
        """Return the trainer of this setting's run with this seed."""
        from ..knobs import Schedule
        from ..training import Spec, Trainer

        schedule = Schedule([(self.head_start, "g_steps", 1)] if self.head_start else ())
        return Trainer(Spec(**self.fields, seed=seed, device="cpu"), schedule, data=data)


SETTINGS: dict[str, Setting] = {}


def _setting(name: str, family: str, steps: int, head_start: int, knobs, **fields: Any) -> None:
    if head_start:
        knobs, steps = {**knobs, "g_steps": 0}, steps + head_start
    fields = {**fields, "knobs": knobs}
    SETTINGS[name] = Setting(name, family, steps + fields.get("mle_steps", 0), fields, head_start)


def _toy(
    name: str, data: Any, g: float, d: float, *, steps=600, head_start=0, knobs=None, **fields
):
    _setting(
        name, "toy", steps, head_start, {"g_lr": g, "d_lr": d, **(knobs or {})}, data=data,
        generator="mlp", discriminator="mlp", estimator="pathwise", **fields,
    )  # fmt: skip


def _text(
    name: str, data: Any, g: float, d: float, *, steps=240, head_start=0, knobs=None, **fields
):
    _setting(
        name, "oracle" if name.startswith("oracle") else "grammar", steps, head_start,
        {"g_lr": g, "d_lr": d, **(knobs or {})}, data=data, batch_size=32, probe_every=20, **fields,
    )  # fmt: skip


RING, NARROW, SHARP = ({"ring": {"std": std}} for std in (0.1, 0.05, 0.02))
SINGLE, GRID = {"ring": {"modes": 1, "std": 0.1}}, {"grid": {"side": 3, "std": 0.2}}
EMBEDDED, FEW = {"ring": {"std": 0.1, "dim": 32}}, {"ring": {"std": 0.1, "pool": 32}}
ORACLE = {"vocab_size": 50, "length": 8, "hidden": 16}
PENALTY = {"gradient_penalty": {"weight": 1.0}}
MOMENTUM = {"g_beta1": 0.9, "d_beta1": 0.9}
SOFT = {"gumbel": {"straight_through": False}}
COLD = {"temperature": 0.5}
BONUS = {"entropy": {"weight": 0.02}}


def _flat(weight: float) -> dict[str, Any]:
    return {"r1": {"weight": weight}, "r2": {"weight": weight}}


_toy("ring-even", RING, 1e-3, 1e-3)
_toy("ring-fast-d", RING, 1e-3, 5e-3)
_toy("ring-saturating", RING, 1e-3, 1e-3, loss="saturating")
_toy("ring-hinge", RING, 1e-3, 3e-3, loss="hinge")
_toy("ring-wgan-gp", RING, 1e-3, 2e-3, loss="wasserstein", remedies=PENALTY)
_toy("ring-r1-r2", RING, 1e-3, 1e-2, remedies=_flat(0.1))
_toy("ring-noise", RING, 1e-3, 2e-3, knobs={"d_noise": 0.2})
_toy("ring-two-d-steps", RING, 1e-3, 1e-3, knobs={"d_steps": 2})
_toy("ring-narrow-chased", NARROW, 1e-4, 1e-2)
_toy("ring-sharp-chased", SHARP, 1e-4, 1e-2)
_toy("ring-slow-d", RING, 1e-3, 1e-4)
_toy("ring-slower-d", RING, 2e-3, 5e-4)
_toy("ring-eager-g", RING, 1e-3, 1e-3, steps=400, knobs={"g_steps": 5})
_toy("ring-momentum", RING, 1e-3, 1e-3, knobs=MOMENTUM)
_toy("ring-unbounded", RING, 1e-3, 1e-1, loss="wasserstein")
_toy("ring-few", FEW, 3e-4, 5e-3)
_toy("pair-even", "gaussian-pair", 1e-3, 1e-3)
_toy("pair-r1", "gaussian-pair", 1e-3, 3e-3, remedies={"r1": {"weight": 1.0}})
_toy("pair-slow-d", "gaussian-pair", 1e-3, 1e-4, knobs={"g_steps": 3})
_toy("pair-unbounded", "gaussian-pair", 1e-3, 3e-2, loss="wasserstein")
_toy("grid-even", GRID, 1e-3, 2e-3)
_toy("grid-chased", GRID, 1e-4, 1e-2)
_toy("grid-slow-d", GRID, 1e-3, 1e-4)
_toy("grid-wgan-gp", GRID, 1e-3, 3e-3, loss="wasserstein", remedies=PENALTY)
_toy("single-momentum", SINGLE, 3e-4, 3e-3, knobs=MOMENTUM)
_toy("single-momentum-r1", SINGLE, 3e-4, 3e-3, knobs=MOMENTUM, remedies={"r1": {"weight": 3.0}})
_toy("embedded-saturating", EMBEDDED, 0.1, 2e-3, steps=400, head_start=300, loss="saturating",
     g_optimiser="sgd")  # fmt: skip
_toy("embedded-non-saturating", EMBEDDED, 1e-4, 2e-3, steps=400, head_start=300)
_toy("embedded-noise", EMBEDDED, 0.1, 2e-3, steps=400, head_start=300, loss="saturating",
     g_optimiser="sgd", knobs={"d_noise": 0.5})  # fmt: skip

_text("captions-cautious", "captions", 3e-4, 1e-2, mle_steps=250)
_text("captions-wgan-gp", "captions", 3e-4, 3e-3, mle_steps=250, loss="wasserstein",
      remedies=PENALTY)  # fmt: skip
_text("captions-slow-d", "captions", 3e-3, 3e-5, mle_steps=150)
_text("captions-eager-g", "captions", 3e-3, 1e-4, steps=160, mle_steps=150, knobs={"g_steps": 3})
_text("captions-chased", "captions", 2e-3, 2e-2, steps=300, estimator=SOFT, knobs=COLD)
_text("captions-chased-gp", "captions", 2e-3, 2e-2, estimator=SOFT, knobs=COLD, remedies=PENALTY)
_text("captions-chased-noise", "captions", 2e-3, 2e-2, estimator=SOFT,
      knobs={**COLD, "d_noise": 0.5})  # fmt: skip
_text("captions-head-start", "captions", 0.5, 2e-3, head_start=300, loss="saturating",
      estimator=SOFT, g_optimiser="sgd")  # fmt: skip
_text("captions-head-start-non-saturating", "captions", 1e-3, 2e-3, head_start=300, estimator=SOFT)
_text("captions-argmax", "captions", 1e-3, 1e-3, estimator="argmax")
_text("captions-gumbel", "captions", 1e-3, 1e-3)
_text("captions-unbounded", "captions", 1e-3, 1e-1, loss="wasserstein")
_text("captions-few", {"captions": {"pool": 64}}, 3e-4, 5e-3, mle_steps=30)
_text("mini-cautious", "mini", 3e-4, 1e-2, mle_steps=300)
_text("mini-warm", "mini", 1e-3, 1e-3, mle_steps=100)
_text("mini-slow-d", "mini", 3e-3, 3e-5, mle_steps=150)
_text("mini-chased", "mini", 2e-3, 2e-2, steps=300, estimator=SOFT, knobs=COLD)
_text("mini-cold", "mini", 2e-3, 5e-4, steps=300, estimator=SOFT, knobs=COLD)
_text("mini-dense", "mini", 5e-3, 5e-3, steps=400, discriminator="lstm",
      estimator="dense_reinforce", remedies=BONUS)  # fmt: skip
_text("mini-head-start", "mini", 0.5, 2e-3, head_start=300, loss="saturating", estimator=SOFT,
      g_optimiser="sgd")  # fmt: skip
_text("mini-few", {"mini": {"pool": 16}}, 3e-4, 5e-3, mle_steps=30)
_text("arithmetic-cautious", "arithmetic", 3e-4, 1e-2, mle_steps=300)
_text("arithmetic-slow-d", "arithmetic", 3e-3, 3e-5, mle_steps=150)
_text("arithmetic-chased", "arithmetic", 5e-3, 5e-2, steps=300, estimator=SOFT, knobs=COLD)
_text("arithmetic-r1-r2", "arithmetic", 1e-3, 3e-3, remedies=_flat(0.3))
_text("arithmetic-hinge", "arithmetic", 3e-4, 3e-3, mle_steps=150, loss="hinge")
_text("arithmetic-unbounded", "arithmetic", 1e-3, 1e-1, loss="wasserstein")

_text("oracle-cautious", {"oracle": ORACLE}, 3e-4, 1e-2, mle_steps=300)
_text("oracle-wgan-gp", {"oracle": ORACLE}, 3e-4, 3e-3, mle_steps=300, loss="wasserstein",
      remedies=PENALTY)  # fmt: skip
_text("oracle-r1-r2", {"oracle": ORACLE}, 1e-3, 3e-3, mle_steps=150, remedies=_flat(0.3))
_text("oracle-hinge", {"oracle": ORACLE}, 3e-4, 3e-3, mle_steps=150, loss="hinge")
_text("oracle-warm", {"oracle": ORACLE}, 1e-3, 1e-3, mle_steps=300)
_text("oracle-smooth", {"oracle": ORACLE}, 3e-4, 3e-3, mle_steps=150,
      knobs={"label_smoothing": 0.1, "d_dropout": 0.2})  # fmt: skip
_text("oracle-reinforce", {"oracle": ORACLE}, 1e-3, 1e-3, mle_steps=200, estimator="reinforce")
_text("oracle-dense", {"oracle": ORACLE}, 2e-3, 5e-3, mle_steps=200, discriminator="lstm",
      estimator="dense_reinforce", remedies=BONUS)  # fmt: skip
_text("oracle-slow-d", {"oracle": ORACLE}, 3e-3, 3e-5, mle_steps=150)
_text("oracle-slower-d", {"oracle": ORACLE}, 3e-3, 1e-5, mle_steps=150)
_text("oracle-eager-g", {"oracle": ORACLE}, 2e-3, 1e-4, steps=160, mle_steps=150,
      knobs={"g_steps": 3})  # fmt: skip
_text("oracle-momentum", {"oracle": ORACLE}, 3e-3, 3e-4, mle_steps=150, knobs=MOMENTUM)
_text("oracle-chased", {"oracle": ORACLE}, 5e-3, 5e-2, steps=300, estimator=SOFT, knobs=COLD)
_text("oracle-cold", {"oracle": ORACLE}, 5e-3, 5e-4, steps=300, estimator=SOFT, knobs=COLD)
_text("oracle-chased-gp", {"oracle": ORACLE}, 2e-3, 2e-2, estimator=SOFT, knobs=COLD,
      remedies=PENALTY)  # fmt: skip
_text("oracle-head-start", {"oracle": ORACLE}, 0.5, 2e-3, head_start=300, loss="saturating",
      estimator=SOFT, g_optimiser="sgd")  # fmt: skip
_text("oracle-head-start-non-saturating", {"oracle": ORACLE}, 2e-3, 5e-3, head_start=300,
      estimator=SOFT)  # fmt: skip
_text("oracle-head-start-noise", {"oracle": ORACLE}, 0.5, 2e-3, head_start=300, loss="saturating",
      estimator=SOFT, g_optimiser="sgd", knobs={"d_noise": 0.5})  # fmt: skip
_text("oracle-argmax", {"oracle": ORACLE}, 1e-3, 1e-3, estimator="argmax")
_text("oracle-gumbel", {"oracle": ORACLE}, 1e-3, 1e-3)
_text("oracle-unbounded", {"oracle": ORACLE}, 1e-3, 1e-1, loss="wasserstein")
_text("oracle-few", {"oracle": {**ORACLE, "pool": 64}}, 3e-4, 5e-3, mle_steps=30)
