"""Plots of a frozen generator: one line a group, coloured as promised."""

import matplotlib
import pandas
import pytest
from matplotlib.figure import Figure

from textgan_lab.diagnostics import colours
from textgan_lab.diagnostics.plots import confidence, decay, noise_response

matplotlib.use("agg")

NAN = float("nan")


def table(case="a", losses=("saturating", "non_saturating"), scale=1.0):
    rows = [
        {"d_step": t, "loss": loss, "norm": scale * (i + 1) / (t + 1), "case": case,
         "d_accuracy": 0.5 + t / 20 if t else NAN}
        for t in (0, 5, 9) for i, loss in enumerate(losses)
    ]  # fmt: skip
    return pandas.DataFrame(rows)


@pytest.fixture
def ax():
    return Figure().subplots()


def lines(ax):
    return {line.get_label(): line for line in ax.get_lines()}


def test_a_line_for_each_loss_on_a_log_axis(ax):
    assert decay(table(), ax=ax) is ax
    drawn = lines(ax)
    assert list(drawn) == ["saturating", "non-saturating"]
    assert drawn["saturating"].get_color() == colours.G
    assert drawn["saturating"].get_ydata().tolist() == pytest.approx([1, 1 / 6, 1 / 10])
    assert ax.get_yscale() == "log" and ax.get_xlabel() == "updates of D"


def test_groups_of_one_loss_differ_in_colour_and_the_title_names_the_loss(ax):
    frame = pandas.concat(
        [table(c, losses=["saturating"], scale=s) for c, s in (("a", 1), ("b", 3))]
    )
    drawn = lines(decay(frame, by="case", ax=ax))
    assert list(drawn) == ["a", "b"] and "saturating" in ax.get_title()
    assert drawn["a"].get_color() != drawn["b"].get_color()
    assert drawn["b"].get_ydata()[0] == 3


def test_groups_of_several_losses_differ_in_style(ax):
    frame = pandas.concat([table("a"), table("b")])
    drawn = lines(decay(frame, by="case", ax=ax))
    assert list(drawn) == [
        "saturating, a",
        "non-saturating, a",
        "saturating, b",
        "non-saturating, b",
    ]
    assert drawn["saturating, a"].get_color() == drawn["saturating, b"].get_color()
    assert drawn["saturating, a"].get_linestyle() != drawn["saturating, b"].get_linestyle()


def test_losses_share_one_accuracy_and_the_truth_is_dashed_black(ax):
    confidence(table(), bayes=0.7, ax=ax)
    drawn = lines(ax)
    assert drawn["D"].get_xdata().tolist() == [5, 9]
    assert drawn["D"].get_ydata().tolist() == pytest.approx([0.75, 0.95])
    assert drawn["D"].get_color() == colours.D
    truth = drawn["optimal D on words (exact)"]
    assert truth.get_color() == colours.TRUTH and truth.get_linestyle() == "--"
    assert list(truth.get_ydata()) == [0.7, 0.7]


def test_no_noise_stands_at_the_left_edge(ax):
    frame = pandas.DataFrame({
        "d_noise": [0.3, 0.0, 3.0] * 2, "norm": [2.0, 1.0, 0.5, 4.0, 3.0, 2.0],
        "stage": ["raw"] * 3 + ["trained"] * 3,
    })  # fmt: skip
    drawn = lines(noise_response(frame, by="stage", ax=ax))
    assert drawn["raw"].get_xdata().tolist() == pytest.approx([0.1, 0.3, 3.0])
    assert drawn["trained"].get_ydata().tolist() == [3.0, 4.0, 2.0]
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["0", "0.3", "3"]


def test_without_axes_one_is_made():
    from matplotlib import pyplot

    made = decay(table())
    assert made.figure in map(pyplot.figure, pyplot.get_fignums())
    pyplot.close(made.figure)
