"""What the lab says beside its curves, read back from its HTML."""

import math
import re
from types import SimpleNamespace
from xml.etree import ElementTree

import pytest

from textgan_lab.dashboard import view
from textgan_lab.diagnostics import colours
from textgan_lab.diagnostics.report import Report

from .conftest import finding


def title(html):
    """What pointing at the line shows, as it stands in the HTML."""
    return re.search('title="([^"]*)" style', html)[1]


def sentence(tokens, scores, p=0.25):
    return {"tokens": tokens, "scores": scores, "p_real": p}


def test_tokens_are_escaped_and_coloured_by_score():
    html = view.board({"step": 3, "sentences": [
        sentence(["<script>alert(1)</script>", "&", "<eos>"], [2.0, -1.0, 5.0])]})  # fmt: skip
    assert "<script" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;</span>" in html
    assert "&amp;</span>" in html
    assert "eos" not in html
    assert "0.25" in html
    # REAL is #009E73, FAKE #CC79A7; the largest score is 5, full colour 0.75
    shades = re.findall(r"rgba\([^)]*\)(?=;padding:1px)", html)
    assert shades == ["rgba(0,158,115,0.30)", "rgba(204,121,167,0.15)"]


def test_a_long_sentence_can_break_between_any_two_tokens():
    html = view.board({"step": 1, "sentences": [sentence(["one", "two"], [0.1, 0.2])]})
    assert re.search(r">one</span> <span[^>]*>two<", html)


def test_everything_a_person_may_name_is_escaped():
    bad = "<img src=x>"
    assert bad not in view.news(notice=bad)
    assert bad not in view.news(error=bad)
    assert bad not in view.news(report=Report(9, (finding(bad, evidence=bad),), (), {}))
    assert '"' not in title(view.news(notice='say "no"'))


def test_scores_that_are_not_finite_colour_nothing_else():
    html = view.board({"step": 0, "sentences": [
        sentence(["a", "b", "c"], [math.nan, math.inf, 1.0], math.nan)]})  # fmt: skip
    assert re.findall(r"background:([^;]*);padding:1px", html) == [
        "transparent", "rgba(0,158,115,0.75)", "rgba(0,158,115,0.75)",
    ]  # fmt: skip


def test_points_are_scattered_and_no_sample_is_nothing():
    html = view.board({"step": 1, "points": [[1.0, 2.0], [math.nan, 0.0], [-2.0, 1.0]]})
    dots = [(d.get("cx"), d.get("cy")) for d in ElementTree.fromstring(html).iter("circle")]
    assert dots == [("0.455", "-0.909"), ("-0.909", "-0.455")]  # the largest, 2, stands at 1 / 1.1
    assert view.board(None) == ""


def test_each_state_has_its_sign_and_only_failed_looks_like_an_error():
    signs = [sign for sign, _ in view.SIGNS.values()]
    assert len(set(signs)) == len(signs)
    red = colours.FINDING["issue"]
    for state in view.SIGNS:
        assert (red in view.status(state, 5, "adversarial", 31.4)) == (state == "failed")
    assert "31 steps/s" in view.status("running", 5, "mle", 31.4)


@pytest.mark.parametrize(
    "value, text",
    [(0, "0"), (-0.0, "0"), (3.3e-4, "3.3e-4"), (0.99999, "0.99999"), (12345, "1.23e4")],
)
def test_numbers_as_a_person_writes_them(value, text):
    assert view.number(value) == text


def test_the_newest_issue_is_said_and_the_others_counted():
    tip, old = finding("oscillation", "tip", 90), finding(since=20)
    new = finding("divergence", since=70)
    html = view.news(report=Report(100, (old, new, tip), (), {}))
    assert 'data-finding="divergence"' in html
    said = re.sub("<[^>]*>", "", html)
    assert said == "⚑ divergence since step 70 and 2 more: 2 &lt; 3"
    assert colours.FINDING["issue"] in html
    only = view.news(report=Report(100, (tip,), (), {}))
    assert 'data-finding="oscillation"' in only and colours.FINDING["tip"] in only
    assert "more" not in only


def test_no_finding_is_said_too():
    assert "healthy" in view.news(report=Report(100, (), ("mode-collapse",), {}))
    short = Report(None, (), (), {"divergence": "too short"})
    assert "Cannot tell: too short" in view.news(report=short)


def test_what_was_done_or_went_wrong_stands_before_the_finding():
    report = Report(100, (finding(),), (), {})
    said = re.sub("<[^>]*>", "", view.news("rewound", "", report))
    assert said.startswith("rewound &ensp; ⚑ mode-collapse since step 5")
    failed = view.news("rewound", "OSError: gone", report)
    assert "OSError: gone" in failed and "rewound" not in failed


def test_pointing_at_the_news_shows_all_of_them_and_an_error_is_never_cut():
    found = Report(100, (finding(evidence="2 < 3"),), (), {})
    html = view.news("rewound to step 9", "", found)
    assert title(html) == ("rewound to step 9 &ensp; ⚑ mode-collapse since step 5: 2 &lt; 3")
    assert "ellipsis" in html
    assert title(view.news("", "OSError: gone", found)).startswith("OSError: gone &ensp; ⚑")
    assert "ellipsis" not in view.news("", "OSError: gone", found)


def test_a_scenario_says_what_to_look_at_and_its_twin_what_cured_it():
    ill = SimpleNamespace(
        name="stuck", title="<Stuck>", what="Nothing moves.", look_at="The norm.",
        cure_text="Noise.", turns={"d_noise": 0.5},
    )  # fmt: skip
    html = view.scenario(ill, cured=False)
    assert 'data-scenario="stuck" data-cured="false"' in html
    assert "&lt;Stuck&gt;</b> &ensp; Nothing moves. The norm.<" in html
    cured = view.scenario(ill, cured=True)
    assert "cured</b> &ensp; Noise. (as a turn in the ill run: d_noise = 0.5)<" in cured
    assert view.scenario(None, cured=False) == ""
