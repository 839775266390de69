import math

import pytest

from textgan_lab.diagnostics import colours
from textgan_lab.diagnostics.detectors import DETECTORS, Detector
from textgan_lab.diagnostics.report import Online, Report, diagnose
from textgan_lab.diagnostics.signals import Signals
from textgan_lab.telemetry import Telemetry

ROTATING = {
    "d_accuracy": 0.5, "d_accuracy_held_out": 0.5, "cells_accuracy": 0.99, "unique_ratio": 0.1,
    "distinct_2": 0.02, "cells": lambda t: [2560 * (i == t // 25 % 8) for i in range(8)],
    "g_grad_cosine": 0.01,
}  # fmt: skip


def part(telemetry: Telemetry, rows: int) -> Telemetry:
    """Return what had been recorded when there were so many rows."""
    past = Telemetry()
    past.events, past.rows = telemetry.events, telemetry.rows[:rows]
    past.samples = [s for s in telemetry.samples if s["step"] <= rows]
    return past


def test_a_report_says_what_where_since_when_and_what_to_do(record):
    report = diagnose(record(**ROTATING))
    assert report.codes == ["rotating-collapse", "false-equilibrium", "noisy-gradient"]
    assert [f.code for f in report.issues] == ["rotating-collapse", "false-equilibrium"]
    assert report.step == 399 and report.verdict == "At step 399: 2 issues and 1 tip"
    assert "rotating-collapse" in report and "mode-collapse" not in report
    text = repr(report)
    for finding in report.findings:
        assert f"{finding.severity}  {finding.code}, since step {finding.since}" in text
        for remedy in finding.remedies:
            assert remedy in text
        assert finding.notebook in text
    words = " ".join(text.split())
    assert "accuracy of counting above D's (share): 0.49 ≥ 0.15" in words
    assert "cannot tell exposure-bias: exposure_gap was not measured" in words
    assert max(map(len, text.splitlines())) <= 100
    assert report["rotating-collapse"].severity == "issue"
    with pytest.raises(KeyError, match="'divergence' was not found; found: rotating-collapse"):
        report["divergence"]


def test_html_is_coloured_by_severity_whole_and_escaped(record):
    report = diagnose(record(**ROTATING))
    page = report._repr_html_()
    assert page.count(colours.FINDING["issue"]) == 2 * 2  # border and title of each
    assert page.count(colours.FINDING["tip"]) == 2
    assert page.count("<div") == page.count("</div>")
    assert "D&#x27;s accuracy" in page and "≥" in page
    foreign = record(loss="<script>")
    assert "&lt;script&gt;" in diagnose(foreign)._repr_html_()
    assert "<script>" not in diagnose(foreign)._repr_html_()


def test_an_empty_or_short_record_says_why_it_cannot_tell(record):
    empty = diagnose(Telemetry())
    assert (empty.codes, empty.step, empty.findings) == ([], None, ())
    assert repr(empty) == "Cannot tell: no moment of play was measured"
    assert set(empty.untold) == set(DETECTORS)
    short = diagnose(record(steps=60))
    assert set(short.passed) == {"blocked-gradient", "divergence"}  # these can be told at once
    assert short.codes == []  # but that is not yet health
    assert short.verdict == "At step 49: cannot tell, nothing found so far"
    assert "play has 2 moments so far; 4 are needed" in " ".join(repr(short).split())
    warming = record(steps=200)
    for row in warming.rows:
        row["phase"] = "mle"
    assert diagnose(warming).codes == []  # warming up is no play


def test_a_glance_of_ones_own_is_no_health_either(record):
    class Glance(Detector):
        """Nothing."""

        notebook, momentary, name = "03_mode_collapse", True, "glance"

        def scores(self, signals):
            return {}

        def holds(self, scores):
            return False

    report = diagnose(record(), [Glance()])
    assert (report.passed, report.codes) == (("glance",), [])


def test_a_folder_diagnoses_like_the_run_it_came_from(record, tmp_path):
    telemetry = record(**ROTATING)
    assert diagnose(Telemetry.load(telemetry.save(tmp_path))) == diagnose(telemetry)
    text = (tmp_path / "telemetry.jsonl").read_text()
    (tmp_path / "telemetry.jsonl").write_text(text[: len(text) // 2])  # a killed writer
    torn = Telemetry.load(tmp_path)
    assert 100 < len(torn) < 300 and diagnose(torn) == diagnose(part(telemetry, len(torn)))


def test_a_frame_has_a_row_for_every_detector(record):
    frame = diagnose(record(**ROTATING)).frame()
    assert sorted(frame.index) == sorted(DETECTORS)
    assert frame.loc["false-equilibrium", "outcome"] == "issue"
    assert frame.loc["noisy-gradient", "outcome"] == "tip"
    assert frame.loc["divergence", "outcome"] == "passed"
    assert frame.loc["exposure-bias", "outcome"] == "untold"
    assert frame.loc["false-equilibrium", "threshold"] == 0.15
    assert len(diagnose(Telemetry()).frame()) == len(DETECTORS)


def test_equal_reports_are_equal(record):
    one, two = diagnose(record(**ROTATING)), diagnose(record(**ROTATING))
    assert one == two and one is not two
    assert one != diagnose(record()) and isinstance(one, Report)


def test_online_says_at_every_row_what_offline_says(record):
    whole = record(steps=420, **ROTATING)
    growing = Telemetry()
    growing.events = whole.events
    online = Online(growing)
    seen = set()
    for i, row in enumerate(whole.rows):
        growing.rows.append(row)
        growing.samples += [s for s in whole.samples if s["step"] == i + 1]
        report = online.report()
        seen.add(tuple(report.codes))
        if i % 7 == 0 or i > 380:
            assert report == diagnose(part(whole, i + 1))
    assert len(seen) > 2  # it did change on the way


def test_online_looks_again_only_when_something_was_measured(record):
    whole = record(steps=200, **ROTATING)
    growing = part(whole, 150)
    online = Online(lambda: growing)
    first = online.report()
    assert online.report() is first
    growing.rows += whole.rows[150:170]
    assert online.report() is first
    growing.rows += whole.rows[170:175]
    growing.samples.append(whole.samples[6])
    assert online.report() is not first and online.report().step == 174


def test_a_row_whose_measurement_is_under_way_waits_for_it(record):
    whole = record(steps=200)
    growing = part(whole, 174)
    signals = Signals(growing)
    while signals.advance():
        pass
    assert signals.step == 149
    row = dict(whole.rows[174])
    bare = {name: row[name] for name in row if name in whole.rows[173]}
    growing.rows.append(bare)  # flushed ...
    assert not signals.advance()
    bare.update(row)  # ... measured ...
    assert not signals.advance()
    growing.samples.append(whole.samples[6])  # ... and counted
    assert signals.advance() and signals.step == 174


def test_a_rewound_run_is_looked_at_afresh(record):
    ill, well = record(steps=400, **ROTATING), record(steps=400)
    growing = part(ill, 400)
    online = Online(growing)
    assert "rotating-collapse" in online.report()
    growing.truncate(200)
    assert online.report() == diagnose(part(ill, 200))
    growing.rows += well.rows[200:]  # another past at the same length
    growing.samples += [s for s in well.samples if s["step"] > 200]
    assert online.report() == diagnose(growing) and online.report().step == 399


def test_a_run_rewound_and_gone_on_between_two_looks_is_looked_at_afresh(record):
    ill, well = record(steps=400, **ROTATING), record(steps=400)
    growing = part(ill, 300)
    online = Online(growing)
    assert "rotating-collapse" in online.report()
    growing.truncate(0)
    growing.rows += well.rows  # longer than what was seen
    growing.samples += well.samples
    assert online.report().codes == ["healthy"]


def test_another_record_behind_the_source_is_looked_at_afresh(record):
    current = [record(**ROTATING)]
    online = Online(lambda: current[0])
    assert "rotating-collapse" in online.report()
    current[0] = record()
    assert online.report().codes == ["healthy"]


def test_a_lost_number_is_told_at_once_and_once(record):
    sick = record(steps=130, d_loss=lambda t: math.nan if t >= 112 else 1.3)
    finding = diagnose(part(sick, 113))["divergence"]
    assert (finding.since, finding.evidence) == (
        112, "losses and norms that are not finite: 1 ≥ 1",
    )  # fmt: skip
    assert diagnose(sick)["divergence"].since == 112
    assert diagnose(sick)["divergence"].evidence.startswith("losses and norms that are not finite")


def test_a_run_without_measurements_is_judged_by_its_steps(record):
    blind = record(every=0, steps=401, g_grad_norm=0.0, d_accuracy=0.99)
    report = diagnose(blind)
    assert report.codes == ["blocked-gradient"] and report.step == 399
    assert "mode-collapse" in report.untold and "noisy-gradient" in report.untold


def test_d_alone_for_a_while_is_no_dead_generator(record):
    alone = {name: lambda t: None if t < 300 else 1.0 for name in ("g_grad_norm", "g_grad_cosine")}
    report = diagnose(record(steps=300, **alone))
    assert report.untold["vanishing-gradient"] == "g_grad_norm was not recorded"
    assert "vanishing-gradient" in diagnose(record(steps=500, **alone)).passed
