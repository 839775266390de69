"""Do the losses of a run follow what the run does? Both questions that a loss curve is asked."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas

from ..metrics import RankCorrelation, mann_kendall, rank_correlation
from ..telemetry import Telemetry

LOSSES = {"g_loss": 1, "d_loss": -1}  # its sign if it can be read as distance from real data


def at_measurements(telemetry: Telemetry, *names: str) -> pandas.DataFrame:
    """Return columns side by side, one row a measurement of play, indexed by step.

    A column with a value at every step is given by its median since the measurement before: one
    batch is noise. A column that is measured has one value there, its own.

    Raises  KeyError for a column that this run does not have; ValueError when nothing was measured

    >>> telemetry = Telemetry()
    >>> for t, loss in enumerate([3.0, 1.0, 2.0, 5.0]):
    ...     row = {"step": t, "phase": "adversarial", "g_loss": loss}
    ...     telemetry.rows.append(row | ({"held_out_nll": 4.0 - t} if t % 2 else {}))
    >>> at_measurements(telemetry, "g_loss", "held_out_nll").to_dict("list")
    {'g_loss': [2.0, 3.5], 'held_out_nll': [3.0, 1.0]}
    """
    frame = telemetry.frame("adversarial").set_index("step")
    unknown = [name for name in names if name not in frame]
    if unknown:
        raise KeyError(f"play recorded no {', '.join(unknown)}; it has {', '.join(frame)}")
    measured = frame.index[frame[list(names)].notna().all(axis=1)]
    if measured.empty:
        raise ValueError(f"{', '.join(names)} were never measured together")
    window = np.searchsorted(measured, frame.index)  # the measurement at or after each step
    medians = frame[list(names)].groupby(window).median().iloc[: len(measured)]
    return medians.set_axis(measured, axis=0)


def loss_correlations(
    telemetry: Telemetry, distance: str = "held_out_nll", **options: Any
) -> dict[str, RankCorrelation]:
    """Return for each loss its rank correlation with a distance from real data, with an interval.

    A loss that can be read as distance is *informative*: G's falls with the distance, and D's,
    which at the optimal D is 2 ln 2 - 2 JS (Goodfellow et al. 2014), rises. Further ``options`` go
    to `metrics.rank_correlation`, whose block bootstrap gives the interval.
    """
    table = at_measurements(telemetry, *LOSSES, distance)
    return {
        name: rank_correlation(table[name], table[distance], expected=sign, **options)
        for name, sign in LOSSES.items()
    }


def loss_trend(
    telemetry: Telemetry, share: float = 0.5, losses: Sequence[str] = tuple(LOSSES), every: int = 10
) -> float:
    """Return how monotone the more monotone loss is in the newest ``share`` of play, 0 to 1.

    Formula  max over losses of |Mann-Kendall tau| of its medians over ``every`` steps
    Source   the rule of thumb "a loss that moves monotonically has collapsed"; Mann 1945
    Raises   ValueError for a share outside (0, 1]

    >>> telemetry = Telemetry()
    >>> for t in range(100):
    ...     row = {"step": t, "phase": "adversarial", "g_loss": 1.0 * t, "d_loss": t % 20 < 10}
    ...     telemetry.rows.append(row)
    >>> loss_trend(telemetry)
    1.0
    """
    if not 0 < share <= 1:
        raise ValueError(f"loss_trend: expected a share in (0, 1], got {share!r}")
    frame = telemetry.frame("adversarial")[list(losses)].astype(float)
    newest = frame.iloc[len(frame) - round(share * len(frame)) :].reset_index(drop=True)
    medians = newest.groupby(newest.index // every).median()
    return max(abs(mann_kendall(medians[name])) for name in losses)
