"""The pages of a suite: they need no network, and say what was run."""

import re
import subprocess
import threading
from html.parser import HTMLParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import nbformat
import pytest

from textgan_lab.batch.report import Outcome, export, table

v4 = nbformat.v4
HEADLESS = [
    "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip


class Loaded(HTMLParser):
    """Collects what the scripts and links of a page would load."""

    def __init__(self, page):
        super().__init__()
        self.scripts, self.urls = 0, []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        if tag in ("script", "link"):
            self.scripts += tag == "script"
            self.urls += [value for name, value in attributes if name in ("src", "href")]


def shown(**data):
    return v4.new_output("display_data", data={key.replace("_", "/"): data[key] for key in data})


@pytest.fixture
def page(tmp_path):
    """Return a function that exports a notebook of these cells and returns the page's path."""

    def write(*cells, **metadata):
        nbformat.write(v4.new_notebook(cells=cells, metadata=metadata), tmp_path / "a.ipynb")
        return tmp_path / export(tmp_path / "a.ipynb", "a", tmp_path)

    return write


def test_a_page_loads_nothing_and_what_it_cannot_draw_stays_legible(page):
    view, state = (f"application/vnd.jupyter.widget-{what}+json" for what in ("view", "state"))
    slider = {"model_module": "m", "model_module_version": "1", "model_name": "n", "state": {}}
    outputs = [
        v4.new_output(
            "display_data",
            data={view: {"model_id": "it", "version_major": 2}, "text/plain": "a slider at 3"},
        ),
        shown(text_latex=r"$\alpha < 1$"),
        shown(text_html="<script>document.title = 'ran'</script>"),
    ]
    path = page(
        v4.new_markdown_cell("Inline $e^{i\\pi}$ and\n\n$$\\mathrm{JS}(p, q) < \\ln 2$$"),
        v4.new_code_cell("x = 1", outputs=outputs),
        widgets={state: {"version_major": 2, "version_minor": 0, "state": {"it": slider}}},
    )
    text = path.read_text(encoding="utf-8")
    loaded = Loaded(text)
    assert (loaded.scripts, loaded.urls) == (1, [])  # the cell's own, which brings its code along
    for legible in (
        "$e^{i\\pi}$", "$$\\mathrm{JS}(p, q) &lt; \\ln 2$$", "a slider at 3", r"$\alpha&lt;1$"
    ):  # fmt: skip
        assert legible.replace(" ", "") in text.replace(" ", "")
    assert "jp-MarkdownOutput" in text and "jp-RenderedHTMLCommon {" in text  # the lab's own look


@pytest.fixture
def listener():
    """Return the address of a server on this machine, and the list of what it is asked for."""
    asked = []

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self):  # noqa: N802
            asked.append(self.path)
            self.send_error(404)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()


@pytest.mark.browser
def test_a_browser_asks_nobody_whatever_a_cell_has_shown(page, listener, tmp_path):
    url, asked = listener
    everything = (
        f'<img src="{url}/a"><link rel="stylesheet" href="{url}/b"><script src="{url}/c"></script>'
        f'<style>@import url("{url}/d")</style>'
        f'<script>document.title = "ran"; fetch("{url}/e")</script>'
    )
    path = page(v4.new_code_cell("x = 1", outputs=[shown(text_html=everything)]))
    visit = [*HEADLESS, f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", path.as_uri()]
    seen = subprocess.run(visit, capture_output=True, text=True, timeout=60, check=True)
    assert "<title>ran</title>" in seen.stdout  # scripts of the page itself work, as films need
    assert asked == []
    # it would have been heard: without its policy the same page does ask
    text = path.read_text(encoding="utf-8")
    path.write_text(re.sub("<meta[^>]*Content-Security-Policy[^>]*>", "", text), encoding="utf-8")
    subprocess.run(visit, capture_output=True, timeout=60, check=True)
    assert {"/a", "/b", "/c", "/d"} <= set(asked)


def test_the_table_counts_and_says_what_smoke_parameters_prove():
    well, sick = Outcome("a", 1.25, ["JS < 1"], page="a b.html"), Outcome("b", 2.0, [], "1 & 2")
    full = table([well, sick], 6)
    assert "<p>2 of 6 notebooks ran, 1 failed</p>" in full
    assert '<a href="a%20b.html">a</a><td>ok<td class="seconds">1.2<td><pre>JS &lt; 1' in full
    assert '<td><span class="failed">failed</span>' in full and "1 &amp; 2" in full
    assert "--fast" not in full
    assert "<p>1 of 1 notebook ran, 0 failed</p>" in table([well], 1)
    fast = table([well], 1, fast=True)
    assert "Run with --fast" in fast and "Claims below are of these short runs" in fast
