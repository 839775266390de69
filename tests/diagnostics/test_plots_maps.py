"""Plots over many runs: every run is drawn once, where it belongs."""

import pandas
import pytest
from matplotlib import pyplot
from matplotlib.colors import to_rgba

from textgan_lab.diagnostics import plots
from textgan_lab.diagnostics.outcomes import OUTCOMES
from textgan_lab.diagnostics.plots.maps import MARKS, OF_OUTCOME
from textgan_lab.objectives.schedules import Round

RUNS = pandas.DataFrame(
    [("slow", "1:1", "healthy", 0.60, 0.55), ("slow", "1:1", "collapsed", 1.00, 0.50),
     ("slow", "1:1", "healthy", 0.70, 0.65), ("fast", "1:1", "collapsed", 1.00, 0.45),
     ("fast", "3:1", "damaged", 0.90, 0.80)],
    columns=["rate", "balance", "outcome", "bayes_accuracy", "d_accuracy"],
)  # fmt: skip


@pytest.fixture
def ax():
    figure, ax = pyplot.subplots()
    yield ax
    pyplot.close(figure)


def test_every_outcome_has_a_colour_and_a_mark_of_its_own():
    assert set(OF_OUTCOME) == set(MARKS) == set(OUTCOMES)
    assert len(set(OF_OUTCOME.values())) == len(set(MARKS.values())) == len(OUTCOMES)


def test_a_cell_has_a_stripe_a_run_and_names_the_most_frequent_outcome(ax):
    plots.outcome_map(RUNS, "rate", "balance", ax)
    drawn = [(patch.get_x(), patch.get_y(), patch.get_facecolor()[:3]) for patch in ax.patches]
    slow = [tone for x, y, tone in drawn if x < 1 and y < 1]
    assert slow == [to_rgba(OF_OUTCOME[n])[:3] for n in ("healthy", "healthy", "collapsed")]
    assert len(drawn) == len(RUNS)
    said = {text.get_position(): text.get_text() for text in ax.texts}
    assert said == {
        (0.5, 0.5): "healthy\n2 of 3", (1.5, 0.5): "collapsed\n1 of 1",
        (1.5, 1.5): "damaged\n1 of 1",
    }  # fmt: skip
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["slow", "fast"]
    assert ax.get_xlabel() == "rate" and ax.get_ylabel() == "balance"


def test_no_runs_are_refused():
    with pytest.raises(ValueError, match="no runs to draw"):
        plots.outcome_map(RUNS[:0], "rate", "balance")


def test_judges_puts_every_run_at_its_two_accuracies(ax):
    plots.judges(RUNS, ax)
    found = {c.get_label(): c.get_offsets().tolist() for c in ax.collections}
    assert found == {
        "healthy": [[0.6, 0.55], [0.7, 0.65]], "collapsed": [[1.0, 0.5], [1.0, 0.45]],
        "damaged": [[0.9, 0.8]],
    }  # fmt: skip


def test_rounds_are_bars_and_capped_ones_differ(ax):
    played = [Round(3, 4, 0.9, False), Round(14, 10, 1.4, True), Round(17, 2, 0.8, False)]
    plots.threshold_rounds(played, cap=10, ax=ax)
    below, capped = ax.containers
    assert [(b.get_x() + b.get_width() / 2, b.get_height()) for b in below] == [(1, 4), (3, 2)]
    assert [(b.get_x() + b.get_width() / 2, b.get_height()) for b in capped] == [(2, 10)]
    assert below[0].get_facecolor() != capped[0].get_facecolor()
