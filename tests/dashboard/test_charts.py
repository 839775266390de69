"""The live curves, read back from their SVG; expected places and ticks are worked by hand."""

import math
import re
from xml.etree import ElementTree

import pytest

from textgan_lab.dashboard import charts
from textgan_lab.diagnostics import colours
from textgan_lab.knobs import Turn
from textgan_lab.telemetry import Telemetry

from .conftest import finding

# one panel: 370 x 120, of which the curves have x from 44 to 362 and y from 26 to 100
X0, X1, Y0, Y1 = 44, 362, 26, 100


def record(n=11, turns=(), **columns):
    """n steps; a column is a list of values or a function of the step."""
    telemetry = Telemetry()
    for step in range(n):
        values = {k: c(step) if callable(c) else c[step] for k, c in columns.items()}
        telemetry.rows.append({"step": step, "phase": "adversarial", **values})
    telemetry.turns.extend(turns)
    return telemetry


def drawn(html):
    """The SVG elements of a strip, by title; parsing them also proves them well formed."""
    root = ElementTree.fromstring(html)
    return {svg.find("text/tspan").text: svg for svg in root.iter("svg")}


def line(svg, colour):
    (found,) = (p for p in svg.iter("polyline") if p.get("stroke") == colour)
    return [tuple(map(float, point.split(","))) for point in found.get("points").split()]


def ticks(svg):
    return [text.text for text in svg.findall("text") if text.get("text-anchor") == "end"][:-1]


def test_a_curve_lies_where_its_values_are():
    svg = drawn(charts.strip(record(d_accuracy=lambda t: t / 10)))["D's accuracy"]
    points = line(svg, colours.D)
    assert points[0] == (X0, Y1)
    assert points[5] == ((X0 + X1) / 2, (Y0 + Y1) / 2)
    assert points[10] == (X1, Y0)


def test_turns_are_marked_where_they_were_made_and_scheduled_ones_are_not():
    turns = [
        Turn(5, "d_lr", 1e-3, 2e-3, "slider"),
        Turn(10, "d_lr", 2e-3, 3e-4, "slider"),
        Turn(7, "g_lr", 1e-3, 2e-3, "schedule"),
        Turn(11, "d_noise", 0, 1, "slider"),  # its row has not come over yet
    ]
    html = charts.strip(record(turns=turns, d_loss=lambda t: t))
    (svg,) = drawn(html).values()
    marks = [mark.get("x1") for mark in svg.iter("line") if mark.get("stroke") == colours.TURN]
    assert marks == ["203", "362"]  # (44 + 362) / 2, and the right end
    assert "step 10: <b>d_lr</b> 0.001 → 3e-4" in html
    assert "g_lr" not in html


def test_a_slider_s_way_is_said_as_one_move_and_only_the_last_four_are():
    way = [Turn(i, "d_noise", i / 10, (i + 1) / 10, "slider") for i in range(5)]
    others = [Turn(5 + i, name, 0, 1, "user") for i, name in enumerate("abcd")]
    four = charts.strip(record(turns=[*way, *others[:3]], d_loss=lambda t: t))
    assert "step 4: <b>d_noise</b> 0 → 0.5<" in four
    assert "d_noise" not in charts.strip(record(turns=[*way, *others], d_loss=lambda t: t))


def test_moves_of_one_knob_long_apart_are_two():
    far = 10 + 20 + 1
    turns = [Turn(10, "d_lr", 0.1, 0.2), Turn(far, "d_lr", 0.2, 0.3)]
    said = re.sub("<[^>]*>", "", charts.strip(record(60, turns)))
    assert "d_lr 0.1 → 0.2" in said and "d_lr 0.2 → 0.3" in said


def test_only_the_newest_steps_are_on_show():
    telemetry = record(n=1000, d_loss=lambda t: t)
    (svg,) = drawn(charts.strip(telemetry)).values()
    said = [text.text for text in svg.findall("text")]
    assert "600" in said
    assert "step 999" in said


def test_a_long_curve_is_thinned_keeps_its_newest_point_and_does_not_flicker():
    telemetry = record(n=300, d_loss=math.sin)

    def shown():
        points = charts._points(telemetry.rows[-200:], "d_loss", log=False)
        return dict(points)

    before = shown()
    assert len(before) <= charts.POINTS + 1
    assert before[299] == math.sin(299)
    telemetry.rows.append({"step": 300, "d_loss": math.sin(300)})
    after = shown()
    kept = {t for t in before if 101 <= t < 299}
    assert kept == {t for t in after if t < 299}


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_leaves_a_gap(value):
    telemetry = record(n=4, d_loss=[1.0, value, 2.0, value], d_grad_norm=[1.0, 0.0, value, 10.0])
    shown = drawn(charts.strip(telemetry))
    assert len(line(shown["losses"], colours.D)) == 2
    assert len(line(shown["gradient norms"], colours.D)) == 2, "0 has no place on a log axis"
    nothing = drawn(charts.strip(record(n=4, d_loss=lambda t: value)))
    assert not list(nothing["losses"].iter("polyline"))


def test_nothing_recorded_yet_and_a_single_step():
    assert "no step taken yet" in charts.strip(Telemetry())
    (svg,) = drawn(charts.strip(record(n=1, d_loss=[0.7]))).values()
    assert line(svg, colours.D)[0][0] == X0


def test_the_version_of_the_knobs_is_on_the_frame():
    assert ElementTree.fromstring(charts.strip(record(d_loss=lambda t: t), version=17)).get(
        "data-v"
    ) == "17"  # fmt: skip


def test_the_parent_is_drawn_in_grey_over_the_same_steps():
    parent = record(n=500, d_accuracy=lambda t: 1.0)
    child = record(n=450, d_accuracy=lambda t: 0.0)
    svg = drawn(charts.strip(child, parent))["D's accuracy"]
    grey = line(svg, colours.PARENT)
    assert grey[0] == (pytest.approx(X0, abs=2), Y0)
    assert grey[-1] == (X1, Y0), "up to the child's newest step, though it went on to 499"
    assert {y for _, y in line(svg, colours.D)} == {Y1}


def test_the_parent_s_range_counts():
    child, parent = record(d_loss=lambda t: 1 + t), record(d_loss=lambda t: 19)
    (svg,) = drawn(charts.strip(child, parent)).values()
    assert ticks(svg) == ["0", "5", "10", "15", "20"]


@pytest.mark.parametrize(
    "column, values, expected",
    [
        # 0.3 .. 4.6 spans 4.3: steps of 2, from 0 to 6
        ("d_loss", [0.3, 4.6], ["0", "2", "4", "6"]),
        ("d_loss", [-3.0, 1.0], ["-4", "-2", "0", "2"]),
        ("d_loss", [0.7, 0.7], ["0", "0.5", "1", "1.5"]),  # flat: half up, half down
        ("d_loss", [1200.0, 1300.0], ["1200", "1250", "1300"]),
        ("d_accuracy", [0.4, 0.6], ["0", "0.5", "1"]),
        ("js", [0.4, 0.6], ["0", "0.2", "0.4", "0.6"]),
        ("d_grad_norm", [0.003, 20.0], ["0.001", "0.01", "0.1", "1", "10", "100"][::2]),
        ("d_grad_norm", [0.3, 3.0], ["0.2", "0.5", "1", "2", "5"]),
    ],
)
def test_ticks_are_round(column, values, expected):
    (svg,) = drawn(charts.strip(record(n=2, **{column: values}))).values()
    assert ticks(svg) == expected


def test_the_outermost_hundredth_does_not_flatten_the_rest():
    spike = [1.0] * 150 + [1e6] + [2.0] * 149
    (svg,) = drawn(charts.strip(record(n=300, d_loss=spike))).values()
    assert ticks(svg)[-1] == "2"


def test_what_needs_no_law_is_shown_only_where_no_law_says_it_better():
    counted = {"d_accuracy": [0.5], "cells_accuracy": [0.7], "cells_js": [0.2], "unique_ratio": [1]}
    law = {"bayes_accuracy": [0.9], "js": [0.3], "modes": [1.0], "mode.a": [1.0]}
    shown = drawn(charts.strip(record(1, **counted)))
    assert list(shown) == ["D's accuracy", "JS of counts, nats", "share of sentences that differ"]
    assert "by counting" in "".join(shown["D's accuracy"].itertext())
    shown = drawn(charts.strip(record(1, **counted, **law)))
    assert list(shown) == ["D's accuracy", "true JS, nats", "modes present"]
    assert "by counting" not in "".join(shown["D's accuracy"].itertext())


def test_modes_go_from_0_to_their_number():
    names = {f"mode.{name}": [0.1] * 3 for name in ("a", "b", "c", "d", "e", "f", "none")}
    svg = drawn(charts.strip(record(n=3, modes=[1.0, 3.0, 6.0], **names)))["modes present"]
    assert ticks(svg) == ["0", "2", "4", "6"]
    assert [y for _, y in line(svg, colours.FAKE)][1:] == [(Y0 + Y1) / 2, Y0]
    assert svg.findall("text/tspan")[1].text.endswith("G writes 6")


@pytest.mark.parametrize(
    "most, step", [(1, 1), (0.999, 0.5), (4.99, 2), (5, 5), (0.35, 0.2), (0.012, 0.01), (700, 500)]
)
def test_round_steps(most, step):
    assert charts.round_step(most) == pytest.approx(step, rel=1e-12)


def test_names_are_escaped():
    bad = "<img src=x>"
    assert bad not in charts.strip(record(d_loss=lambda t: t), findings=[finding(bad)])
    turns = [Turn(1, bad, 0, 1, "user")]
    assert bad not in charts.strip(record(turns=turns, d_loss=lambda t: t))


# --- findings ------------------------------------------------------------------------------------


def flags(svg):
    """Where each flag stands: x of its pole, its colour, its code."""
    return [
        (float(g.find("line").get("x1")), g.find("path").get("fill"), g.get("data-code"))
        for g in svg.iter("g")
    ]


def test_findings_are_flagged_in_every_chart_at_their_first_step():
    found = [finding(), finding("oscillation", "tip", 10), finding("divergence", since=11)]
    shown = drawn(
        charts.strip(record(d_loss=lambda t: t, d_accuracy=lambda t: 0.5), findings=found)
    )
    expected = [  # (44 + 362) / 2 and the right end; step 11 is not on show yet
        (203.0, colours.FINDING["issue"], "mode-collapse"),
        (362.0, colours.FINDING["tip"], "oscillation"),
    ]
    assert [flags(svg) for svg in shown.values()] == [expected, expected]
    title = next(shown["losses"].iter("title"))
    assert title.text == "mode-collapse, since step 5"


def test_a_finding_older_than_the_window_has_no_flag():
    shown = drawn(charts.strip(record(n=1000, d_loss=lambda t: t), findings=[finding(since=599)]))
    assert flags(shown["losses"]) == []
    shown = drawn(charts.strip(record(n=1000, d_loss=lambda t: t), findings=[finding(since=600)]))
    assert flags(shown["losses"])[0][0] == X0
