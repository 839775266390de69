"""Watch: the record of a GAN that this library did not train, so that it can be diagnosed alike.

Numbers and arrays go in, telemetry comes out; torch is not needed, its tensors are welcome.
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..metrics.cells import OTHERS, TOKENS, cell_scores, prototypes
from ..metrics.ngrams import distinct, unique_ratio
from ..telemetry import Telemetry
from .signals import FAMILIES

END = "(end)"  # closes every sentence, so that an empty one can be counted too


class Watch:
    """Keeps the record of somebody else's training loop, one call of `log` a step.

    >>> watch = Watch("non_saturating", real=["a cat sat", "a dog ran", "the cat ran", "a cat ran"])
    >>> for step in range(0, 200, 25):
    ...     watch.log(step, real_logits=[1.0, 2.0], fake_logits=[-2.0, 0.5], samples=["a a a"] * 4)
    >>> watch.telemetry.rows[0]["d_accuracy"], watch.telemetry.rows[0]["unique_ratio"]
    (0.75, 0.5)
    >>> from textgan_lab.diagnostics import diagnose
    >>> diagnose(watch.telemetry).codes
    ['mode-collapse']

    Args:
        loss: the family of the loss, one of `signals.FAMILIES`: it says what D's loss is when it
            tells nothing apart, and whether a logit above 0 means "real".
        real: held-out real data, a thousand or so: sentences (strings, or sequences of tokens or
            ids, without padding) or points, an array [n, dim]. Samples are measured against
            them, how varied they are on half as many, as it falls with the number of samples.
    """

    def __init__(self, loss: str, real: Any = None):
        if loss not in FAMILIES:
            raise ValueError(f"Watch: unknown loss {loss!r}; known: {', '.join(FAMILIES)}")
        self.loss, self.telemetry = loss, Telemetry()
        self._direction: dict[str, np.ndarray] = {}
        self._ruler = None if real is None else _Ruler(real)
        start = {"event": "start", "step": 0, "spec": {"loss": loss}, "knobs": {}}
        if self._ruler is not None:
            start |= {"cells": self._ruler.names, "floors": self._ruler.floors}
        self.telemetry.events.append(start)

    def log(
        self,
        step: int,
        *,
        d_loss: float | None = None,
        g_loss: float | None = None,
        real_logits: ArrayLike | None = None,
        fake_logits: ArrayLike | None = None,
        held_out_logits: ArrayLike | None = None,
        d_grad: ArrayLike | None = None,
        g_grad: ArrayLike | None = None,
        d_grad_norm: float | None = None,
        g_grad_norm: float | None = None,
        samples: Any = None,
        **values: float,
    ) -> None:
        """Add one step; give what there is.

        Args:
            step: larger than the one before.
            d_loss: D's loss without penalties, the *sum* of its real and fake means, in nats.
            g_loss: G's loss without extra terms.
            real_logits, fake_logits: D's logits on the batch (no probabilities), [n].
            held_out_logits: D's logits on real data it was never trained on: shows D's memory.
            d_grad, g_grad: the whole gradient, flat, before clipping; gives norm and cosine.
            d_grad_norm, g_grad_norm: its 2-norm, where the gradient itself is not at hand.
            samples: fresh fakes, half as many as ``real``; every 25 steps or so is enough.
            values: anything else, under its name in telemetry, as ``held_out_nll``.

        Raises ValueError for a step out of order, samples without real data, or arrays that are
        not what they should be.
        """
        rows = self.telemetry.rows
        if rows and step <= rows[-1]["step"]:
            raise ValueError(f"Watch: step {step} after step {rows[-1]['step']}")
        row: dict[str, Any] = {"step": int(step), "phase": "adversarial"}
        for name, value in (("d_loss", d_loss), ("g_loss", g_loss)):
            if value is not None:
                row[name] = row[f"{name}.adversarial"] = float(value)
        row |= self._logits(real_logits, fake_logits, held_out_logits)
        for side, gradient, norm in (("d", d_grad, d_grad_norm), ("g", g_grad, g_grad_norm)):
            if gradient is not None:
                row |= self._gradient(side, _array(gradient, f"{side}_grad").ravel())
            elif norm is not None:
                row[f"{side}_grad_norm"] = float(norm)
        row |= {name: float(value) for name, value in values.items()}
        if samples is not None:
            if self._ruler is None:
                raise ValueError("Watch: samples need real data: Watch(loss, real=...)")
            measured, counts = self._ruler.measure(samples)
            self.telemetry.samples.append({"step": row["step"] + 1, "cells": counts})
            row |= measured
        rows.append(row)

    def _logits(self, real: Any, fake: Any, held_out: Any) -> dict[str, float]:
        if real is None or fake is None:
            if held_out is not None or real is not None or fake is not None:
                raise ValueError("Watch: logits come together: real_logits and fake_logits")
            return {}
        real, fake = _array(real, "real_logits"), _array(fake, "fake_logits")
        at = (real.mean() + fake.mean()) / 2 if self.loss == "wasserstein" else 0.0
        right_real, right_fake = (real > at).mean(), (fake < at).mean()
        found = {
            "d_accuracy": (right_real + right_fake) / 2,
            "d_accuracy_real": right_real,
            "d_accuracy_fake": right_fake,
            "d_logit_real": real.mean(),
            "d_logit_fake": fake.mean(),
        }
        if held_out is not None:
            unseen = _array(held_out, "held_out_logits")
            if min(len(real), len(unseen)) < 2:
                raise ValueError("Watch: held_out_logits and real_logits: expected 2 or more each")
            spread = math.sqrt((real.var(ddof=1) + unseen.var(ddof=1)) / 2)
            found["d_accuracy_held_out"] = ((unseen > at).mean() + right_fake) / 2
            if spread:
                found["d_memory"] = (real.mean() - unseen.mean()) / spread
        return {name: float(value) for name, value in found.items()}

    def _gradient(self, side: str, gradient: np.ndarray) -> dict[str, float]:
        norm = float(np.linalg.norm(gradient))
        direction = gradient / norm if norm else np.zeros_like(gradient)
        before = self._direction.get(side, np.zeros_like(direction))
        if len(before) != len(direction):
            raise ValueError(
                f"Watch: {side}_grad has {len(direction)} numbers, the one before {len(before)}"
            )
        self._direction[side] = direction
        return {f"{side}_grad_norm": norm, f"{side}_grad_cosine": float(direction @ before)}


class _Ruler:
    """Real data, cut into cells, and what samples score against them."""

    def __init__(self, real: Any):
        self.kind, real = _read(real, "real")
        if len(real) < 4:
            raise ValueError(f"Watch: expected some hundreds of real samples, got {len(real)}")
        if self.kind == "text":
            frequent = Counter(token for sentence in real for token in sentence)
            kept = [token for token, _ in frequent.most_common(TOKENS)]
            self._cell = {token: i for i, token in enumerate(kept)}
            self.names = [*map(str, kept), OTHERS]
        else:
            self._prototypes = prototypes(real)
            self.names = [str(i) for i in range(len(self._prototypes))]
        self._real = self._count(real)
        half = real[::2]
        self._half = len(half)
        self.floors = self._scores(half, self._count(half), self._count(real[1::2]))

    def measure(self, samples: Any) -> tuple[dict[str, float], list[int]]:
        """Return what samples score, and how often each cell occurs in all of them."""
        kind, samples = _read(samples, "samples")
        if kind != self.kind:
            raise ValueError(f"Watch: real data are {self.kind}, the samples {kind}")
        if len(samples) < 2:
            raise ValueError(f"Watch: expected some hundreds of samples, got {len(samples)}")
        counts = self._count(samples)
        return self._scores(samples, counts, self._real), counts.sum(0).tolist()

    def _count(self, samples: Sequence) -> np.ndarray:
        counts = np.zeros((len(samples), len(self.names)), int)
        if self.kind == "text":
            others = len(self.names) - 1
            for row, sentence in zip(counts, samples, strict=True):
                for token in sentence:
                    row[self._cell.get(token, others)] += 1
        else:
            distance = np.linalg.norm(samples[:, None] - self._prototypes, axis=2)
            counts[np.arange(len(samples)), distance.argmin(1)] = 1
        return counts

    def _scores(self, samples: Sequence, counts: np.ndarray, real: np.ndarray) -> dict[str, float]:
        found = cell_scores(counts, real)
        if self.kind == "text":  # both fall with the number of samples: as many as for the floor
            some = samples[: self._half]
            found |= {"unique_ratio": unique_ratio(some), "distinct_2": distinct(some, 2)}
        return found


def _array(x: Any, name: str) -> np.ndarray:
    # a tensor that wants gradients, lives on a GPU or has 16 bits is no array before these
    x = x.detach().cpu().double() if hasattr(x, "detach") else x
    found = np.asarray(x, float).ravel()
    if not len(found):
        raise ValueError(f"Watch: {name} is empty")
    return found


def _read(samples: Any, name: str) -> tuple[str, Any]:
    """Return ("points", [n, dim]) or ("text", sentences as tuples of tokens)."""
    if hasattr(samples, "detach"):
        samples = samples.detach().cpu()
        samples = (samples.double() if samples.is_floating_point() else samples).numpy()
    if isinstance(samples, np.ndarray) and samples.dtype.kind == "f":
        if samples.ndim != 2:
            raise ValueError(f"Watch: {name}: expected points [n, dim], got {samples.shape}")
        return "points", samples.astype(float)
    if isinstance(samples, str) or not isinstance(samples, Iterable):
        raise ValueError(f"Watch: {name}: expected sentences or points, got {samples!r}")
    text = [(*(s.split() if isinstance(s, str) else s), END) for s in samples]
    if any(isinstance(token, float) for sentence in text[:1] for token in sentence):
        raise ValueError(f"Watch: {name}: expected points as an array [n, dim], got lists")
    return "text", text
