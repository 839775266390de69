"""The page of a sweep: it counts, maps and lists every run, and needs nothing but itself."""

import math
import re
import subprocess
import time
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pandas
import pytest
from many_runs import FINISHED, write_run

from textgan_lab.batch import sweep_map
from textgan_lab.batch.runs import UnknownColumn, runs, varied
from textgan_lab.batch.sweep_map import Axis, axes, cell
from textgan_lab.batch.sweep_report import sweep_page
from textgan_lab.diagnostics import colours


class Seen(HTMLParser):
    """What a reader sees of a page: its links, its tables row by row, and what it would load."""

    def __init__(self, path):
        super().__init__()
        self.links, self.rows, self.loads, self.text = {}, [], [], ""
        self._link = None
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        named = dict(attributes)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
        if tag == "a":
            self._link = named["href"]
        urls = [value for name, value in attributes if name in ("src", "xlink:href")]
        self.loads += [url for url in urls if not url.startswith(("#", "data:"))]
        self.loads += [tag] if tag in ("script", "link", "iframe", "object") else []

    def handle_endtag(self, tag):
        self._link = None if tag == "a" else self._link
        if tag == "table":
            self.rows.append([])

    def handle_data(self, data):
        self.text += data
        if self.rows and self.rows[-1]:
            self.rows[-1][-1] += data.strip()
        if self._link:
            self.links[data] = self._link

    def table(self, first):
        """Return the rows under the head that starts with ``first``, as dicts."""
        at = next(n for n, row in enumerate(self.rows) if row[:1] == [first])
        head, found = self.rows[at], []
        for row in self.rows[at + 1 :]:
            if len(row) != len(head):
                break
            found.append(dict(zip(head, row, strict=True)))
        return found


@pytest.fixture
def sweep(tmp_path):
    """Return a table: LOSS x LR x 3 seeds; one corner failed, one is NaN, one run is missing."""
    root = tmp_path / "my runs"
    n = 0
    for loss in ("hinge", "wasserstein"):
        for lr in (0.01, 0.001):
            for seed in range(3):
                n += 1
                corner = (loss, lr)
                js = math.nan if corner == ("hinge", 0.01) else seed / 10
                codes = (
                    ["divergence"] if math.isnan(js) else ["mode-collapse"] if seed else ["healthy"]
                )
                state = "failed" if corner == ("wasserstein", 0.01) else "done"
                said = ({"cell": 2, "error": "ValueError", "message": "<b>broke</b> & fell"}
                        if state == "failed" else
                        {"metrics": {"js": js}, "findings": codes, "seconds": 30.0, "steps": 9,
                         "finished": FINISHED + n})  # fmt: skip
                write_run(root, {"LOSS": loss, "LR": lr, "SEED": seed, "STEPS": 9}, state=state,
                          **said)  # fmt: skip
    return runs(root)


def test_the_page_counts_maps_and_lists(sweep, tmp_path):
    key = sweep.index[sweep["state"] == "done"][-1]
    points = {k: dict(sweep.loc[k, ["LOSS", "LR", "SEED"]]) for k in sorted(sweep.index)}
    points["0123456789abcdef"] = {"LOSS": "wasserstein", "LR": 0.001, "SEED": 3}
    frame = sweep.drop(key)  # as if never begun
    out = sweep_page(frame, ["LOSS", "LR", "SEED"], tmp_path / "out" / "index.html", "A & B",
                     points=points)  # fmt: skip
    seen = Seen(out)
    assert seen.loads == []
    assert "13 runs: 8 done, 3 failed, 2 missing; 4 min 0 s of notebooks; the last" in seen.text
    assert "<h1>A &amp; B</h1>" in out.read_text(encoding="utf-8")
    listed = seen.table("run")
    assert [row["run"] for row in listed] == [k[:8] for k in points]  # in the order of the points
    gone = listed[-1] if listed[-1]["run"] == "01234567" else listed[0]
    missing = [row for row in listed if row["state"] == "missing"]
    assert gone in missing and {row["js"] for row in missing} == {""}
    assert gone["LOSS"] == "wasserstein" and gone["SEED"] == "3"
    broken = [row for row in listed if row["state"] == "failed"]
    assert {row["error"] for row in broken} == {"code cell 2: ValueError: <b>broke</b> & fell"}
    assert "<b>broke" not in out.read_text(encoding="utf-8")
    nan = [row for row in listed if row["findings"] == "divergence"]
    assert len(nan) == 3 and {row["js"] for row in nan} == {"NaN"}


def test_links_lead_to_the_notebooks_and_the_errors(sweep, tmp_path):
    out = sweep_page(sweep, ["LOSS", "LR"], tmp_path / "a report" / "index.html")
    seen = Seen(out)
    found = {text: (out.parent / unquote(href)).resolve() for text, href in seen.links.items()}
    assert all(path.exists() for path in found.values())
    assert not any(href.startswith("/") or " " in href for href in seen.links.values())
    done = sweep.index[sweep["state"] == "done"]
    assert {found[key[:8]].parent.name for key in done} == set(done)
    assert {path.name for path in found.values()} == {"output.ipynb", "error.json"}


def test_findings_are_counted_in_every_cell_of_the_map(sweep, tmp_path):
    out = sweep_page(sweep, varied(sweep), tmp_path / "index.html")
    rows = Seen(out).table("LR")
    assert [(r["LR"], r["LOSS"], r["runs"]) for r in rows] == [
        ("0.001", "hinge", "3"), ("0.001", "wasserstein", "3"),
        ("0.01", "hinge", "3"), ("0.01", "wasserstein", "0"),
    ]  # fmt: skip
    assert [r["mode-collapse"] for r in rows] == ["2", "2", "", ""]
    assert [r["healthy"] for r in rows] == ["1", "1", "", ""]
    assert [r["divergence"] for r in rows] == ["", "", "3", ""]
    text = out.read_text(encoding="utf-8")
    assert f"background:{colours.REAL}33" in text  # healthy is green: 1 of 3 of 0x99
    assert f"background:{colours.FINDING['issue']}99" in text


def test_what_could_not_be_told_is_counted_and_no_alarm(sweep, tmp_path):
    sweep.loc[sweep["findings"] == "divergence", "findings"] = ""
    out = sweep_page(sweep, varied(sweep), tmp_path / "index.html")
    assert [row["cannot tell"] for row in Seen(out).table("LR")] == ["", "", "3", ""]
    issue = f"background:{colours.FINDING['issue']}"  # two in three collapse, and nothing else
    assert re.findall(f"{issue}(..)", out.read_text(encoding="utf-8")) == ["66", "66"]


def texts(svg):
    return re.findall(r">([^<>\n]+)</(?:text|tspan)>", svg)


def test_a_cell_of_the_map_is_the_median_or_says_why_there_is_none(sweep):
    chosen = axes(sweep, ["LOSS", "LR", "SEED"])
    assert [(axis.name, axis.levels) for axis in chosen] == [
        ("LOSS", ("hinge", "wasserstein")), ("LR", ("0.001", "0.01"))
    ]  # fmt: skip
    svg = sweep_map.draw(sweep, chosen, "js")
    shown = texts(svg)
    assert shown.count("0.1") >= 2  # the median of 0, 0.1, 0.2, in two cells
    assert shown.count("NaN") == 1 and shown.count("failed") == 1
    assert "currentColor" in svg and sweep_map.TEXT not in svg
    assert svg == sweep_map.draw(sweep, chosen, "js")  # the same picture every time
    some = sweep.drop(sweep.index[(sweep["LR"] == 0.01)][0])
    hinge = some[(some["LOSS"] == "hinge") & (some["LR"] == 0.001)]
    assert cell(hinge, "js") == sweep_map.Cell(3, 3, 0, 3, 0.1, "")
    broken = sweep.assign(state=["failed"] + ["done"] * 11)
    parts = broken[(broken["LOSS"] == "hinge") & (broken["LR"] == 0.001)]
    assert cell(broken.head(1), "js").state == "failed" and len(parts) == 3


def test_part_of_a_cell_is_said_to_be_a_part(sweep):
    frame = sweep.copy()
    one = frame.index[(frame["LOSS"] == "hinge") & (frame["LR"] == 0.001)][0]
    frame.loc[one, "state"] = "unfinished"
    found = cell(frame[(frame["LOSS"] == "hinge") & (frame["LR"] == 0.001)], "js")
    assert (found.runs, found.done, found.finite, found.state) == (3, 2, 2, "unfinished")
    assert "2 of 3" in texts(sweep_map.draw(frame, axes(frame, ["LOSS", "LR"]), "js"))


def test_axes_are_the_parameters_with_the_most_levels(tmp_path):
    n = range(24)
    frame = pandas.DataFrame({
        "A": [i % 2 for i in n], "B": [f"b{i % 4}" for i in n], "C": [i % 3 / 10 for i in n],
        "D": [10.0 ** (-i) for i in n], "SEED": list(n), "E": [7] * 24, "F": [[i % 2] for i in n],
    })  # fmt: skip
    assert [a.name for a in axes(frame, ["A", "B", "C", "SEED"])] == ["B", "C", "A"]
    assert [a.name for a in axes(frame, ["A", "SEED"])] == ["A", "SEED"]
    assert [a.name for a in axes(frame, ["A"])] == ["A"]
    assert axes(frame, ["E"]) == []
    many = Axis.of(frame["D"])
    assert many.binned and len(many.levels) == 8
    assert many.levels[0] == "1e-23 to 1e-21" and many.of_run[0] == many.levels[-1]
    assert Axis.of(frame["C"]).levels == ("0", "0.1", "0.2")
    assert Axis.of(frame["F"]).levels == ("[0]", "[1]")
    near = Axis.of(pandas.Series([0.12345678, 0.12345679], name="x"))
    assert near.levels == ("0.12345678", "0.12345679")
    gap = Axis.of(pandas.Series([1.0, None, 2.0], name="x"))
    assert gap.of_run == ("1", "", "2")


def test_the_caption_says_what_was_put_together(tmp_path):
    for n in range(36):
        write_run(tmp_path / "runs", {"LR": 10.0 ** (-n % 18), "LOSS": "ab"[n % 2], "SEED": n // 9},
                  metrics={"js": n / 36})  # fmt: skip
    frame = runs(tmp_path / "runs")
    text = Seen(sweep_page(frame, varied(frame), tmp_path / "page.html")).text
    assert "js by LR and LOSS" in text
    assert "which differ in SEED; below it" in text and "LR in 8 bins of equally many" in text


def test_a_sweep_without_a_map_or_a_number_or_a_run_is_a_page_too(sweep, tmp_path):
    only = sweep[(sweep["LR"] == 0.001) & (sweep["SEED"] == 0)]
    text = sweep_page(only, ["LOSS"], tmp_path / "one.html").read_text(encoding="utf-8")
    assert "<svg" not in text and "<h2>Runs" in text
    text = Seen(sweep_page(sweep[:0], ["LOSS"], tmp_path / "none.html")).text
    assert "0 runs: none." in text and "No run has recorded any." in text
    failed = sweep[sweep["state"] == "failed"]
    text = Seen(sweep_page(failed, ["SEED"], tmp_path / "failed.html")).text
    assert "3 runs: 3 failed." in text
    nothing = {"0" * 16: {"LR": 1.0}, "1" * 16: {"LR": 2.0}}
    text = Seen(sweep_page(sweep[:0], ["LR"], tmp_path / "new.html", points=nothing)).text
    assert "2 runs: 2 missing." in text


def test_a_metric_that_is_none_is_an_error(sweep, tmp_path):
    for metric in ("jss", "LOSS", "state"):
        with pytest.raises(UnknownColumn, match=f"metric '{metric}': measured were js"):
            sweep_page(sweep, ["LOSS", "LR"], tmp_path / "page.html", metric=metric)
    assert not (tmp_path / "page.html").exists()
    failed = sweep[sweep["state"] == "failed"]  # where nothing was measured the page must say why
    out = sweep_page(failed, ["SEED"], tmp_path / "page.html", metric="jss")
    assert "3 runs: 3 failed." in Seen(out).text


def test_a_parameter_with_the_name_of_a_column_is_still_an_axis(tmp_path):
    for n in range(4):
        write_run(tmp_path / "runs", {"state": n % 2, "LR": n // 2}, metrics={"js": n})
    out = sweep_page(runs(tmp_path / "runs"), ["state", "LR"], tmp_path / "page.html")
    seen = Seen(out)
    assert "js by state.parameter and LR" in seen.text
    assert sorted(row["state.parameter"] for row in seen.table("run")) == ["0", "0", "1", "1"]


@pytest.mark.parametrize("value", ["$x_{$", "</svg><script>alert(1)</script>", "日本 é", "a" * 300])
def test_whatever_a_value_is_it_is_text(tmp_path, value):
    for n in range(4):
        write_run(tmp_path / "runs", {"NAME": [value, "b"][n % 2], "LR": [1.0, 2.0][n // 2]},
                  metrics={"js": 0.5})  # fmt: skip
    frame = runs(tmp_path / "runs")
    out = sweep_page(frame, varied(frame), tmp_path / "page.html", value)
    seen = Seen(out)
    assert seen.loads == []
    assert value in [row["NAME"] for row in seen.table("run")]


def test_pages_of_the_notebooks_are_linked_instead(sweep, tmp_path):
    some = sweep[sweep["state"] == "done"].head(2)
    (Path(some["folder"].iloc[1]) / "output.ipynb").write_text("{")  # damaged: the file itself
    out = sweep_page(some, ["LR"], tmp_path / "my page.html", pages=True)
    links = Seen(out).links
    whole, damaged = some.index
    assert links[whole[:8]] == f"my%20page-pages/{whole}.html"
    assert (tmp_path / "my page-pages" / f"{whole}.html").exists()
    assert links[damaged[:8]].endswith(f"{damaged}/output.ipynb")


def test_a_thousand_points_make_a_small_page_soon(tmp_path):
    for n in range(1000):
        point = {"LR": n % 10 / 10, "LOSS": "abcdefghij"[n // 10 % 10], "SEED": n // 100}
        write_run(
            tmp_path / "runs", point, metrics={"js": n / 7, "modes": 3.0}, findings=["healthy"]
        )
    frame = runs(tmp_path / "runs")
    start = time.process_time()
    out = sweep_page(frame, varied(frame), tmp_path / "page.html")
    assert time.process_time() - start < 5.0
    assert out.stat().st_size < 5e6
    assert len(Seen(out).table("run")) == 1000


@pytest.mark.browser
def test_a_browser_draws_it_all(sweep, tmp_path):
    out = sweep_page(sweep, varied(sweep), tmp_path / "page.html")
    visit = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
             "--disable-background-networking", "--disable-component-update", "--disable-sync",
             f"--user-data-dir={tmp_path / 'profile'}", "--enable-logging=stderr", "--v=0",
             "--window-size=1200,1500", f"--screenshot={tmp_path / 'page.png'}",
             out.as_uri()]  # fmt: skip
    seen = subprocess.run(visit, capture_output=True, text=True, timeout=60, check=True)
    # what the page's own policy forbids is missing in the picture, and said on the console
    assert "Content Security Policy" not in seen.stderr and "Refused" not in seen.stderr
    assert (tmp_path / "page.png").stat().st_size > 20_000
