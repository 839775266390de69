"""Plots of many systems: every run is a curve, every series a picture in its place."""

import math

import numpy as np
import pytest
from matplotlib import pyplot

from textgan_lab.diagnostics import plots
from textgan_lab.telemetry import Telemetry


@pytest.fixture
def ax():
    figure, ax = pyplot.subplots()
    yield ax
    pyplot.close(figure)


def run(*values, warm=1):
    telemetry = Telemetry()
    telemetry.rows.extend(
        {
            "step": t,
            "phase": "mle" if t < warm else "adversarial",
            **({} if v is None else {"js": v}),
        }
        for t, v in enumerate(values)
    )
    return telemetry


def test_every_run_is_a_curve_in_the_order_of_its_end(ax):
    plots.courses({"good": run(0.5, None, 0.1), "bad": run(0.5, None, 0.4)}, ax=ax)
    assert [line.get_label() for line in ax.lines] == ["bad", "good"]
    assert ax.lines[1].get_xydata().tolist() == [[1.0, 0.5], [3.0, 0.1]]
    assert ax.lines[0].get_color() != ax.lines[1].get_color()


def test_the_control_is_a_level_and_the_warm_up_is_grey(ax):
    plots.courses({"a": run(0.5, 0.4, 0.1, warm=2)}, control=("mle", 0.2), ax=ax)
    assert list(ax.lines[-1].get_ydata()) == [0.2, 0.2] and "mle" in ax.lines[-1].get_label()
    (grey,) = ax.patches
    assert (grey.get_x(), grey.get_width()) == (0, 2)


def test_a_run_of_likelihood_alone_is_no_warm_up(ax):
    plots.courses({"mle": run(0.5, 0.4, warm=2), "from scratch": run(0.6, 0.5, warm=0)}, ax=ax)
    assert not ax.patches


def test_runs_without_the_column_are_left_out_and_none_is_refused(ax):
    plots.courses({"a": run(0.5), "b": run(None)}, ax=ax)
    assert [line.get_label() for line in ax.lines] == ["a"]
    with pytest.raises(ValueError, match="none of b has a 'js'"):
        plots.courses({"b": run(None)}, ax=ax)


def test_series_stand_in_their_row_and_column(ax):
    one, two = np.full((2, 2, 3), 1.0), np.full((3, 2, 3), -2.0)
    one[1] = 0.5
    plots.series({"one": one, "two": two}, n=2, ax=ax)
    picture = ax.images[0].get_array().filled(math.nan)
    blank = math.nan
    expected = [
        [1, 1, 1, blank, 0.5, 0.5, 0.5],
        [1, 1, 1, blank, 0.5, 0.5, 0.5],
        [blank] * 7,
        [-2, -2, -2, blank, -2, -2, -2],
        [-2, -2, -2, blank, -2, -2, -2],
    ]
    np.testing.assert_array_equal(picture, expected)
    assert ax.images[0].get_clim() == (-2.0, 2.0)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["one", "two"]
    assert ax.get_yticks().tolist() == [0.5, 3.5]


@pytest.mark.parametrize(
    "samples",
    [{}, {"few": np.zeros((1, 2, 3))}, {"flat": np.zeros((4, 6))},
     {"a": np.zeros((4, 2, 3)), "b": np.zeros((4, 3, 2))}],
)  # fmt: skip
def test_series_of_other_shapes_are_refused(samples, ax):
    with pytest.raises(ValueError, match="expected 2 series or more a set"):
        plots.series(samples, n=2, ax=ax)
