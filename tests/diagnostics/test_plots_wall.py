"""Plots of the argmax wall, on small tables whose pictures are known."""

import matplotlib
import pandas
import pytest
from matplotlib.figure import Figure

from textgan_lab.diagnostics import colours
from textgan_lab.diagnostics.plots import bias_variance, flips, staircase, temperature_errors

matplotlib.use("agg")

NAN = float("nan")


@pytest.fixture
def ax():
    return Figure().subplots()


def lines(ax):
    return {line.get_label(): line for line in ax.get_lines()}


def path():
    rows = [
        (0, size, sentence, size > 0, hard, soft, 2.0, 3)
        for size, scores in ((-0.1, ((1, 1.0), (5, 5))), (0.0, ((1, 1.5), (5, 6))),
                             (0.1, ((3, 2.5), (6, 6))))
        for sentence, (hard, soft) in enumerate(scores)
    ]  # fmt: skip
    columns = ["direction", "size", "sentence", "changed", "hard", "soft", "rate", "tokens"]
    return pandas.DataFrame(rows, columns=columns)


def test_the_staircase_is_counted_from_where_nothing_moved(ax):
    assert staircase(path(), ax=ax) is ax
    drawn = lines(ax)
    hard = drawn["hard tokens, one sentence"]
    assert hard.get_ydata().tolist() == [0, 0, 2] and hard.get_drawstyle() == "steps-mid"
    assert hard.get_color() == colours.FAKE
    assert drawn["soft tokens, one sentence"].get_ydata().tolist() == [-0.5, 0, 1]
    assert drawn["hard, mean of 2 sentences"].get_ydata().tolist() == [0, 0, 1.5]
    second = lines(staircase(path(), sentence=1, ax=Figure().subplots()))
    assert second["hard tokens, one sentence"].get_ydata().tolist() == [0, 0, 1]


def test_a_staircase_needs_its_start(ax):
    frame = path()
    with pytest.raises(ValueError, match="must include 0"):
        staircase(frame[frame["size"] != 0], ax=ax)


def nudged(n, changed, rate):
    return pandas.DataFrame([
        {"size": size, "changed": i < count, "rate": rate}
        for size, count in changed.items() for i in range(n)
    ])  # fmt: skip


def test_shares_of_changes_and_their_exact_rate(ax):
    frame = nudged(40, {0.01: 0, 0.1: 4, 0.2: 20, 1.0: 40}, rate=1.5).assign(unit="words")
    flips(frame, by="unit", ax=ax)
    exact = lines(ax)["first order (exact)"]
    assert exact.get_xdata().tolist() == [0.01, 0.1, 0.2]  # 1.0 * 1.5 is no probability
    assert exact.get_ydata().tolist() == pytest.approx([0.015, 0.15, 0.3])
    assert exact.get_color() == colours.TRUTH
    many, few = (line for line in ax.get_lines() if line.get_marker() == "o")
    assert many.get_label() == "words" and many.get_ydata().tolist() == [0.5, 1.0]
    assert few.get_ydata().tolist() == [0.1] and few.get_markerfacecolor() == "white"


ERRORS = pandas.DataFrame([
    {"estimator": "argmax", "temperature": NAN, "bias": 1, "bias_se": 0, "variance": 0, "rmse": 1},
    {"estimator": "score", "temperature": NAN, "bias": 0.1, "bias_se": 0.1, "variance": 2,
     "rmse": 1.4},
    {"estimator": "soft", "temperature": 1.0, "bias": 0.5, "bias_se": 0.01, "variance": 0.1,
     "rmse": 0.6},
    {"estimator": "soft", "temperature": 0.1, "bias": 0.3, "bias_se": 0.2, "variance": 9,
     "rmse": 3.0},
])  # fmt: skip


def test_a_bias_within_noise_is_hollow_and_argmax_has_no_place(ax):
    bias_variance(ERRORS, ax=ax)
    assert "argmax" not in lines(ax)
    faces = {
        (float(x), float(y)): line.get_markerfacecolor() == "white"
        for line in ax.get_lines() if line.get_marker() == "o"
        for x, y in zip(*line.get_data(), strict=True)
    }  # fmt: skip
    assert faces == {(2.0, 0.1): True, (0.1, 0.5): False, (9.0, 0.3): True}
    assert {text.get_text() for text in ax.texts} == {"1", "0.1"}
    assert "|g|" in ax.get_ylabel()


def test_errors_over_temperature_with_levels_for_those_without_one(ax):
    temperature_errors(ERRORS, ax=ax)
    drawn = lines(ax)
    assert drawn["soft"].get_xdata().tolist() == [0.1, 1.0]
    assert drawn["soft"].get_ydata().tolist() == [3.0, 0.6]
    assert set(drawn["score"].get_ydata()) == {1.4}
    assert drawn["score"].get_color() != drawn["soft"].get_color()
