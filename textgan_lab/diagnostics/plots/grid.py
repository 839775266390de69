"""Several runs side by side, in the same pictures."""

from collections.abc import Callable, Mapping

import numpy as np
from matplotlib.axes import Axes

from ...telemetry import Telemetry

WIDTH, HEIGHT = 4.4, 2.9  # inches a picture


def grid(runs: Mapping[str, Telemetry], *pictures: Callable[[Telemetry, Axes], Axes]) -> np.ndarray:
    """Draw one row a run and one column a picture, such as `losses`; return the Axes.

    The pictures' titles stand above the first row, the runs' names before each row, whose pictures
    share their steps.

    Shapes  Axes [runs, pictures]
    Raises  ValueError without runs or without pictures
    """
    if not runs or not pictures:
        raise ValueError(
            f"grid: {len(runs)} runs and {len(pictures)} pictures leave nothing to draw"
        )
    from matplotlib import pyplot  # only here: live code must never touch pyplot's global state

    size = (WIDTH * len(pictures), HEIGHT * len(runs))
    _, axes = pyplot.subplots(
        len(runs), len(pictures), figsize=size, layout="constrained", squeeze=False, sharex="row"
    )
    for place, ((name, telemetry), row) in enumerate(zip(runs.items(), axes, strict=True)):
        for picture, ax in zip(pictures, row, strict=True):
            picture(telemetry, ax)
            if place:
                ax.set_title("")
        row[0].set_ylabel(f"{name}\n\n{row[0].get_ylabel()}")
    return axes
