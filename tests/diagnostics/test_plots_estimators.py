"""Plots of estimators, on small tables whose pictures are known."""

import matplotlib
import pandas
import pytest
from matplotlib.figure import Figure

from textgan_lab.diagnostics import colours
from textgan_lab.diagnostics.plots import (
    batch_sizes,
    costs,
    credit,
    effective_sizes,
    error_map,
    ess,
    word_values,
)
from textgan_lab.telemetry import Telemetry

matplotlib.use("agg")


@pytest.fixture
def ax():
    return Figure().subplots()


def lines(ax):
    return {line.get_label(): line for line in ax.get_lines()}


def errors():
    rows = [
        ("blocked", 1.0, 0.0, 0.0, 0.001),
        ("honest", 0.29, 0.1, 4.0, 0.002),
        ("wrong", 0.31, 0.1, 0.5, 0.03),
    ]
    return pandas.DataFrame(rows, columns=["estimator", "bias", "bias_se", "variance", "seconds"])


def test_a_mark_an_estimator_and_a_hollow_one_where_the_bias_may_be_noise(ax):
    assert error_map(errors(), ax=ax) is ax
    drawn = lines(ax)
    assert list(drawn) == ["honest", "wrong"]  # what never varies has no place on a log axis
    assert drawn["honest"].get_xdata()[0] == 4 and drawn["honest"].get_ydata()[0] == 0.29
    assert drawn["honest"].get_markerfacecolor() == "white"
    assert drawn["wrong"].get_markerfacecolor() == drawn["wrong"].get_color()
    assert ax.get_xscale() == ax.get_yscale() == "log"
    low, high = ax.get_xlim()
    assert low == pytest.approx(0.15) and high == pytest.approx(12)


def test_twenty_estimators_are_told_apart(ax):
    table = pandas.DataFrame(
        {"estimator": [f"way {i}" for i in range(20)], "bias": 1.0, "bias_se": 0.1, "variance": 1.0}
    )
    found = {(line.get_color(), line.get_marker()) for line in error_map(table, ax=ax).get_lines()}
    assert len(found) == 20


def test_costs_are_milliseconds_in_the_order_of_the_table(ax):
    assert costs(errors(), ax=ax) is ax
    assert [bar.get_width() for bar in ax.patches] == pytest.approx([1, 2, 30])
    assert [t.get_text() for t in ax.texts] == ["1", "2", "30"]
    assert ax.yaxis_inverted() and ax.get_xscale() == "log"


def test_credit_is_told_in_units_of_each_row(ax):
    rows = {"alike": [0.5, 0.5], "apart": [-0.04, 0.02], "nobody": [0.0, 0.0]}
    assert credit(["a", "cat"], rows, wrong=1, ax=ax) is ax
    image = ax.get_images()[0].get_array()
    assert image.tolist() == [[1, 1], [-1, 0.5], [0, 0]]
    assert [t.get_text() for t in ax.texts][2:4] == ["-0.04", "+0.02"]
    assert [t.get_text() for t in ax.get_xticklabels()] == ["a", "cat"]
    assert [t.get_text() for t in ax.get_yticklabels()] == ["alike", "apart", "nobody"]
    frame = ax.patches[0]
    assert frame.get_x() == 0.5 and frame.get_width() == 1 and not frame.get_fill()
    brown, green = (ax.get_images()[0].to_rgba(-1.0), ax.get_images()[0].to_rgba(1.0))
    assert brown[0] > brown[1] > brown[2] and green[1] > green[0]


def test_agreement_is_told_beside_the_name(ax):
    credit(["a"], {"exact": [1.0], "REGS": [0.5]}, agreement={"exact": 1.0, "REGS": -0.256}, ax=ax)
    told = [t.get_text() for t in ax.get_yticklabels()]
    assert told == ["exact  (r = 1.00)", "REGS  (r = -0.26)"]


def test_a_row_of_another_length_is_refused(ax):
    with pytest.raises(ValueError, match="'REINFORCE' has 3 credits for 2 words"):
        credit(["a", "cat"], {"REINFORCE": [1, 2, 3]}, ax=ax)


def test_the_worth_of_a_sentence_word_by_word_beside_its_estimates(ax):
    assert word_values(["a", "cat"], [0.1, 0.3, -0.2], {"N = 16": [0.25, -0.2]}, 1, ax) is ax
    drawn = lines(ax)
    exact, found = drawn["exact, all ends summed up"], drawn["N = 16"]
    assert exact.get_xdata().tolist() == [-1, 0, 1] and exact.get_ydata().tolist() == [
        0.1,
        0.3,
        -0.2,
    ]
    assert exact.get_color() == colours.TRUTH and exact.get_linestyle() == "--"
    assert list(found.get_xdata()) == [0, 1] and list(found.get_ydata()) == [0.25, -0.2]
    assert [t.get_text() for t in ax.get_xticklabels()] == ["(nothing)", "a", "cat"]
    assert ax.patches[0].get_x() == 0.5 and ax.patches[0].get_width() == 1


def test_values_that_do_not_fit_the_words_are_refused(ax):
    with pytest.raises(ValueError, match="'exact' has 2 values, expected 3"):
        word_values(["a", "cat"], [0.1, 0.3], {}, ax=ax)
    with pytest.raises(ValueError, match="'N = 16' has 3 values, expected 2"):
        word_values(["a", "cat"], [0.1, 0.3, 0.2], {"N = 16": [1, 2, 3]}, ax=ax)


def test_effective_shares_with_their_alarm_at_a_tenth(ax):
    rows = {"groups of 64": [0.9, 0.5, 0.05], "groups of 4": [0.95, 0.7, 0.3]}
    assert effective_sizes([0.5, 1, 2], rows, ax=ax) is ax
    drawn = lines(ax)
    assert list(drawn) == [*rows, "alarm: a tenth"]
    for name, row in rows.items():
        assert list(drawn[name].get_ydata()) == row and list(drawn[name].get_xdata()) == [0.5, 1, 2]
    assert drawn["groups of 64"].get_color() != drawn["groups of 4"].get_color()
    alarm = drawn["alarm: a tenth"]
    assert list(alarm.get_ydata()) == pytest.approx([0.1, 0.1])
    assert alarm.get_color() == colours.FINDING["issue"]
    assert ax.get_xscale() == ax.get_yscale() == "log"


def sizes():
    rows = [
        ("weights", 32, 0.1, 0.05, 1.0), ("weights", 8, 0.4, 0.05, 2.0),
        ("REINFORCE", 8, 0.1, 0.05, 4.0), ("REINFORCE", 32, 0.1, 0.05, 2.0),
    ]  # fmt: skip
    return pandas.DataFrame(rows, columns=["estimator", "batch_size", "bias", "bias_se", "rmse"])


def test_the_dashed_line_has_its_slope_and_starts_at_the_smallest_batch(ax):
    assert batch_sizes(sizes(), "rmse", -0.5, ax=ax) is ax
    line = lines(ax)["(batch size)^-0.5"]
    assert line.get_xdata().tolist() == [8, 32] and line.get_color() == colours.TRUTH
    assert line.get_ydata().tolist() == pytest.approx([2, 1])
    hollow = [
        x for x in ax.get_lines() if x.get_markerfacecolor() == "white" and len(x.get_xdata())
    ]
    assert not hollow  # an error has no standard error here


def test_a_bias_within_three_standard_errors_is_hollow(ax):
    batch_sizes(sizes(), "bias", -1.0, ax=ax)
    hollow = [x.get_xdata().tolist() for x in ax.get_lines() if x.get_markerfacecolor() == "white"]
    assert hollow == [[32], [8, 32]]
    assert lines(ax)["(batch size)^-1"].get_ydata().tolist() == pytest.approx([0.4, 0.1])


def test_seconds_are_drawn_in_milliseconds_and_every_batch_size_has_its_tick(ax):
    batch_sizes(sizes().assign(seconds=[0.004, 0.002, 0.001, 0.003]), "seconds", 1.0, ax=ax)
    solid = [
        line for line in ax.get_lines() if line.get_linestyle() == "-" and len(line.get_xdata())
    ]
    assert [line.get_ydata().tolist() for line in solid] == [
        pytest.approx([2, 4]),
        pytest.approx([1, 3]),
    ]
    assert ax.get_ylabel() == "milliseconds" and ax.get_xticks().tolist() == [8, 32]


def run(**columns):
    telemetry = Telemetry()
    telemetry.events.append({"event": "start", "step": 0, "spec": {"batch_size": 40}})
    for t in range(60):
        row = {name: float(t) if t else 1.0 for name in columns}
        telemetry.rows.append({"step": t, "phase": "adversarial", "g_loss": 1.0, **row})
    return telemetry


def test_the_effective_size_of_a_run_with_its_alarm(ax):
    assert ess(run(ess=True), ax=ax) is ax
    drawn = lines(ax)
    middle = drawn["1 / sum of squared weights"].get_ydata()
    assert middle[30] == 30 and middle[59] == 53  # medians of 18..42 and of 47..59
    assert drawn["alarm: a tenth of the batch"].get_ydata() == pytest.approx([4, 4])
    assert ax.get_yscale() == "log"


def test_a_run_without_weights_has_no_effective_size(ax):
    with pytest.raises(KeyError, match="does not weigh sentences"):
        ess(run(), ax=ax)
