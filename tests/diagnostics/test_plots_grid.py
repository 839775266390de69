"""Runs side by side: each run in its row, each picture in its column."""

import pytest
from matplotlib import pyplot

from textgan_lab.diagnostics import plots
from textgan_lab.telemetry import Telemetry


def run(loss):
    telemetry = Telemetry()
    telemetry.rows += [
        {"step": t, "phase": "adversarial", "d_loss": loss, "g_loss": 1.0, "d_accuracy": 0.5}
        for t in range(3)
    ]
    return telemetry


def test_a_row_is_a_run_and_a_column_a_picture():
    axes = plots.grid({"one": run(0.5), "two": run(2.0)}, plots.losses, plots.accuracy)
    assert axes.shape == (2, 2)
    drawn = [[float(line.get_ydata()[0]) for line in ax.lines[:1]] for ax in axes[:, 0]]
    assert drawn == [[0.5], [2.0]]
    assert [ax.get_title() for ax in axes[0]] == ["losses", "D's accuracy"]
    assert [ax.get_title() for ax in axes[1]] == ["", ""]
    assert [ax.get_ylabel().split("\n")[0] for ax in axes[:, 0]] == ["one", "two"]
    pyplot.close(axes[0, 0].figure)


@pytest.mark.parametrize("runs, pictures", [({}, [plots.losses]), ({"one": run(1.0)}, [])])
def test_nothing_to_draw_is_refused(runs, pictures):
    with pytest.raises(ValueError, match="nothing to draw"):
        plots.grid(runs, *pictures)
