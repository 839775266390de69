"""Plots of quality against diversity: what is drawn is what the table says."""

import pandas
import pytest
from matplotlib import pyplot

from textgan_lab.diagnostics import colours, plots

SWEEP = pandas.DataFrame(
    {
        "temperature": [2.0, 0.5, 1.0],
        "js": [0.3, 0.2, 0.1],
        "oracle_nll.sentence": [30.0, 9.0, 12.0],
        "bleu": [0.3, 0.9, 0.6],
        "self_bleu": [0.4, 0.8, 0.5],
    }
)


@pytest.fixture
def ax():
    figure, ax = pyplot.subplots()
    yield ax
    pyplot.close(figure)


def test_js_and_oracle_nll_have_an_axis_each(ax):
    plots.temperatures(SWEEP, ax)
    (right,) = (other for other in ax.figure.axes if other is not ax)
    assert ax.lines[0].get_xydata().tolist() == [[2.0, 0.3], [0.5, 0.2], [1.0, 0.1]]
    assert ax.lines[0].get_color() == colours.TRUTH and ax.lines[0].get_linestyle() == "--"
    assert right.lines[0].get_xydata().tolist() == [[2.0, 30.0], [0.5, 9.0], [1.0, 12.0]]
    assert [t.get_text() for t in ax.get_xticklabels()] == ["2", "0.5", "1"]


def test_the_control_is_a_curve_from_cold_to_hot_and_the_others_are_points(ax):
    other = pandas.DataFrame({"bleu": [0.1, 0.2], "self_bleu": [0.9, 1.0]})
    plots.quality_diversity(SWEEP, {"a GAN": other}, ax=ax)
    assert ax.lines[0].get_xydata().tolist() == [[0.8, 0.9], [0.5, 0.6], [0.4, 0.3]]
    assert ax.collections[0].get_offsets().tolist() == [[0.9, 0.1], [1.0, 0.2]]
    assert [text.get_text() for text in ax.texts] == ["0.5", "1", "2"]
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels == ["likelihood, by temperature", "a GAN"]


def test_other_columns_can_span_the_plane(ax):
    plots.quality_diversity(SWEEP, x="js", y="oracle_nll.sentence", ax=ax)
    assert ax.lines[0].get_xydata().tolist() == [[0.2, 9.0], [0.1, 12.0], [0.3, 30.0]]
    assert ax.get_ylabel() == "oracle NLL, nats per sentence (quality: down)"


def test_axes_are_made_when_none_are_given():
    drawn = [plots.temperatures(SWEEP), plots.quality_diversity(SWEEP)]
    assert len({ax.figure for ax in drawn}) == 2
    for ax in drawn:
        pyplot.close(ax.figure)
