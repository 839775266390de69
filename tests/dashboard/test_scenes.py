"""A phase as a page shows it."""

import math
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from textgan_lab.dashboard import scenes
from textgan_lab.diagnostics import colours
from textgan_lab.training.slow_motion import Choice, Line, Phase, Plane, trace

SAID = Phase("g", "tokens", "words <chosen>", "G & D.", formula="a < b")


def shown(phase, place=0, others=()):
    """The HTML of a phase, parsed, which also proves it well formed."""
    scene = scenes.Scene(phase, place, (phase, *others))
    return ElementTree.fromstring(scene._repr_html_().replace("&ensp;", " "))


def test_words_formula_and_the_whole_step_are_on_it():
    later = replace(SAID, player="d", title="D moves")
    root = shown(SAID, others=(later,))
    assert root.get("data-name") == "g.tokens"
    text = "".join(root.itertext())
    assert "words <chosen> › D moves" in text
    assert "G & D." in text and "a < b" in text
    here, there = root.find("div").findall("span")
    assert "underline" in here.get("style") and colours.G in here.get("style")
    assert "underline" not in there.get("style") and colours.D in there.get("style")


def test_a_sentence_is_coloured_and_its_numbers_stand_under_its_words():
    line = Line("fake", ("a", "<b>"), (2.0, -1.0), {"credit": (0.123, "word")})
    rows = shown(replace(SAID, lines=(line,))).find("table").findall("tr")
    cells = ["".join(cell.itertext()) for row in rows for cell in row]
    assert cells == ["fake", "a", "<b>", "credit", "0.12", "word"]
    first, second = (cell.get("style") for cell in rows[0].findall("td")[1:])
    assert "rgba(0,158,115,0.75)" in first  # REAL, as strong as any
    assert "rgba(204,121,167,0.38)" in second  # FAKE, half of that: 0.375


def test_scores_that_are_not_finite_colour_nothing():
    line = Line("fake", ("a",), (math.nan,))
    (cell,) = shown(replace(SAID, lines=(line,))).findall("table/tr/td")[1:]
    assert "transparent" in cell.get("style")


def test_the_chosen_word_is_framed():
    at = (Choice("cat", 0.25, -0.5, False), Choice("dog", 0.1, 2.0, True))
    root = shown(replace(SAID, choices=(at,)))
    cat, dog = (e for e in root.iter("div") if e.get("data-chosen"))
    assert colours.G not in cat.get("style") and colours.G in dog.get("style")
    assert "".join(cat.itertext()) == "cat0.25 -0.5"
    assert "25%" in cat.get("style")
    assert "word, probability, noise" in "".join(root.itertext())
    bare = shown(replace(SAID, choices=((replace(at[0], noise=None),),)))
    assert "noise" not in "".join(bare.itertext()).split("position")[1]


def test_points_arrows_and_ground_lie_where_they_are():
    plane = Plane(
        {"real": ((1.0, 2.0),), "fake": ((0.0, -4.0), (math.nan, 0.0))}, 4.0,
        arrows=((0.0, -4.0, 0.0, 3.0),), grid=((0.0, 0.5), (1.0, 0.5)),
    )  # fmt: skip
    svg = shown(replace(SAID, plane=plane)).find("svg")
    dots = [(d.get("cx"), d.get("cy"), d.get("fill")) for d in svg.iter("circle")]
    assert dots == [("0.250", "-0.500", colours.REAL), ("0.000", "1.000", colours.FAKE)]
    (arrow,) = svg.iter("line")  # the longest reaches over a quarter of the half side
    assert [arrow.get(k) for k in ("x1", "y1", "x2", "y2")] == ["0.000", "1.000", "0.000", "0.750"]
    squares = [(r.get("x"), r.get("y"), r.get("fill")) for r in svg.iter("rect")]
    assert squares[0] == ("-1.000", "0.000", "rgba(204,121,167,0.75)")  # bottom left: fake
    assert squares[2] == ("-1.000", "-1.000", "rgba(0,158,115,0.75)")  # top left: real


@pytest.mark.parametrize(
    "changes", [{}, {"estimator": "reinforce"}, {"mle_steps": 5},
                {"data": "ring", "generator": "mlp", "discriminator": "mlp",
                 "estimator": "pathwise"}],
)  # fmt: skip
def test_every_phase_of_a_real_step_is_well_formed_and_says_itself(make, changes):
    step = scenes.of(trace(make(**changes)))
    for place, scene in enumerate(step):
        root = ElementTree.fromstring(scene._repr_html_())
        assert root.get("data-phase") == str(place)
        assert scene.phase.said in "".join(root.itertext())
        assert repr(scene).startswith(f"{place + 1}/{len(step)} {scene.phase.player.upper()}: ")
