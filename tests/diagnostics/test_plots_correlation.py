"""Plots of correlations and of rules: what is drawn is what was found."""

from types import SimpleNamespace

import pandas
import pytest
from matplotlib import pyplot
from matplotlib.colors import to_hex

from textgan_lab.diagnostics import colours, plots


@pytest.fixture
def ax():
    figure, ax = pyplot.subplots()
    yield ax
    pyplot.close(figure)


def found(rho, low, high, expected=1):
    return SimpleNamespace(rho=rho, low=low, high=high, expected=expected)


def test_every_run_has_both_losses_with_their_intervals(ax):
    runs = {
        "first": {"g_loss": found(0.9, 0.8, 0.95), "d_loss": found(-0.5, -0.7, -0.1, -1)},
        ("second", 3): {"g_loss": found(0.1, -0.3, 0.4), "d_loss": found(0.2, -0.2, 0.6, -1)},
    }
    assert plots.correlations(runs, ax) is ax
    g, d = (line for line in ax.lines if line.get_marker() == "o")
    assert (list(g.get_xdata()), g.get_color()) == ([0.9, 0.1], colours.G)
    assert (list(d.get_xdata()), d.get_color()) == ([0.5, -0.2], colours.D)
    ends = [[tuple(x) for x in bar.get_segments()[0][:, :1]] for bar in ax.collections]
    assert ends == [[(0.8,), (0.95,)], [(0.7,), (0.1,)]]
    names = {
        y: label.get_text() for y, label in zip(ax.get_yticks(), ax.get_yticklabels(), strict=True)
    }
    assert names == {1: "first", 0: "second, 3"}  # the first run stands on top
    assert g.get_ydata()[0] == pytest.approx(1.16)


def test_a_rule_is_drawn_with_every_run_by_outcome(ax):
    index = pandas.MultiIndex.from_tuples([("calm", 0), ("calm", 1), ("wild", 0)])
    scores = pandas.Series([0.2, 0.9, 0.4], index, name="trend")
    lost = pandas.Series([False, False, True], index)
    plots.separation(scores, lost, 0.8, ax)
    fine, sick = ax.collections
    assert fine.get_offsets().tolist() == [[0.2, 1], [0.9, 1]]
    assert sick.get_offsets().tolist() == [[0.4, 0]]
    assert to_hex(sick.get_facecolor()[0]) == colours.FAKE.lower()
    assert [t.get_text() for t in ax.get_yticklabels()] == ["wild", "calm"]
    assert ax.lines[0].get_xdata()[0] == 0.8 and ax.get_xlabel() == "trend"


def test_axes_are_made_when_none_are_given():
    index = pandas.MultiIndex.from_tuples([("calm", 0)])
    drawn = [
        plots.correlations({"one": {"g_loss": found(0, 0, 0), "d_loss": found(0, 0, 0)}}),
        plots.separation(pandas.Series([0.2], index), pandas.Series([True], index), 0.8),
    ]
    assert len({ax.figure for ax in drawn}) == 2
    for ax in drawn:
        pyplot.close(ax.figure)
