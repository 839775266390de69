"""Synthetic records of known class: a healthy run, and what is changed to make it ill."""

import numpy as np
import pytest

from textgan_lab.telemetry import Telemetry

CELLS = 8
FLOORS = {
    "cells_entropy": float(np.log(CELLS)), "cells_js": 0.004, "cells_accuracy": 0.5,
    "unique_ratio": 0.98, "distinct_2": 0.3,
}  # fmt: skip
STEP = {
    "d_loss": 1.3, "d_loss.adversarial": 1.3, "d_accuracy": 0.6, "d_logit_real": 0.3,
    "d_logit_fake": -0.3, "d_grad_norm": 1.0, "d_grad_cosine": 0.2, "g_loss": 0.8,
    "g_loss.adversarial": lambda t: 3.0 - t / 200 + np.sin(t),  # falls as G improves
    "g_grad_norm": 2.0, "g_grad_cosine": 0.4,
}  # fmt: skip
MEASURED = {
    "held_out_nll": lambda t: 3.0 - t / 400, "cells_entropy": FLOORS["cells_entropy"],
    "cells_js": 0.01, "cells_accuracy": 0.55, "unique_ratio": 0.97, "distinct_2": 0.29,
    "d_accuracy_held_out": 0.58, "d_memory": 0.05,
}  # fmt: skip
# the law known, as no detector may need it: with numbers that cry out
TRUTH = {"js": 0.69, "js_se": 0.0, "bayes_accuracy": 1.0, "possible": 0.0, "oracle_nll": np.inf,
         "modes": 0.0, "mode.kitchen": 0.0, "mode.none": 1.0}  # fmt: skip


def even(t):
    """Return counts of 2560 tokens that fall evenly on the cells."""
    return np.random.default_rng(t).multinomial(2560, np.full(CELLS, 1 / CELLS))


def record(
    steps=400, every=25, loss="non_saturating", cells=even, text=True, floors=FLOORS, **changes
) -> Telemetry:
    """Return a run of play; ``changes`` replace columns: a number, a function of t, or None."""
    telemetry, kept = Telemetry(), dict(floors)
    if not text:
        changes = {"held_out_nll": None, "unique_ratio": None, "distinct_2": None} | changes
    telemetry.events.append({
        "event": "start", "step": 0, "spec": {"loss": loss}, "knobs": {}, "floors": kept,
        "cells": [f"cell {i}" for i in range(CELLS)],
    })  # fmt: skip
    for t in range(steps):
        measured = every and (t + 1) % every == 0
        columns = STEP | (MEASURED if measured else {})
        columns |= {n: c for n, c in changes.items() if n in STEP or (n not in STEP and measured)}
        row = {"step": t, "phase": "adversarial"}
        for name, value in columns.items():
            value = value(t) if callable(value) else value
            if value is not None:
                row[name] = float(value)
        telemetry.rows.append(row)
        if measured:
            telemetry.samples.append({"step": t + 1, "cells": [int(c) for c in cells(t)]})
    return telemetry


@pytest.fixture(name="record")
def _record():
    return record


@pytest.fixture
def truth():
    return TRUTH
