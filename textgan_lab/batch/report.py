"""The report of a suite: every executed notebook as a page, and one table over all of them.

The page around it is that of other reports, too.
"""

import html
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from .document import read
from .tables import counted


@dataclass(frozen=True)
class Outcome:
    """One row of a suite's report; ``error`` is empty when the notebook ran to its end."""

    name: str
    seconds: float
    claims: list[str]
    error: str = ""
    page: str = ""


# The lab template without what it fetches: require.js, MathJax and mermaid. The policy holds for
# outputs too: the browser asks no other host, whatever HTML a cell has shown.
_ALONE = """\
{%- extends 'lab/index.html.j2' -%}
{%- block html_head_js -%}
<meta http-equiv="Content-Security-Policy" content="default-src 'self' data: blob: 'unsafe-inline'">
{%- endblock -%}
{%- block html_head_js_mathjax -%}{%- endblock -%}
{%- block html_head_js_mermaidjs -%}{%- endblock -%}
"""


def export(notebook: Path, name: str, out: Path) -> str:
    """Write an executed notebook as one HTML file that needs no network; return its name.

    Formulas stay TeX, and a widget shows its text: both take scripts from the web to draw.
    """
    from nbconvert import HTMLExporter

    executed = read(notebook)
    executed.metadata.pop("widgets", None)  # their state; without it the next best output is taken
    resources = {"metadata": {"name": name}}
    exporter = HTMLExporter(raw_template=_ALONE)
    body, _ = exporter.from_notebook_node(executed, resources=resources)
    (out / f"{name}.html").write_text(body, encoding="utf-8")
    return f"{name}.html"


_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src data: 'unsafe-inline'">
<title>textgan_lab: {title}</title>
<style>
:root {{ color-scheme: light dark }}
body {{ font: 15px/1.5 system-ui, sans-serif; max-width: 70rem; margin: auto; padding: 2rem 1rem }}
table {{ border-collapse: collapse; width: 100% }}
th, td {{ text-align: left; vertical-align: top; padding: .4rem .8rem }}
tr {{ border-bottom: 1px solid #8885 }}
td.seconds {{ text-align: right; font-variant-numeric: tabular-nums }}
pre {{ margin: 0; white-space: pre-wrap; font-size: 13px }}
.failed {{ color: #c33; font-weight: 600 }}
.smoke {{ font-weight: 600 }}
{style}</style>
{body}
</html>
"""


def page(title: str, body: str, style: str = "") -> str:
    """Return a page around ``body``, HTML, which the browser lets load nothing."""
    return _PAGE.format(title=html.escape(title), body=body, style=style)


_SUITE = """<h1>textgan_lab</h1>
<p>{summary}</p>{note}
<table>
<thead><tr><th>Notebook<th>Status<th>Seconds<th>Claims</tr></thead>
<tbody>
{rows}
</tbody>
</table>"""


_SMOKE = """
<p class="smoke">Run with --fast: notebooks that have smoke parameters ran with those, to show that
they run. Claims below are of these short runs; the notebooks' own claims are of full ones, which
the suite makes without --fast.</p>"""


def table(outcomes: list[Outcome], expected: int, *, fast: bool = False) -> str:
    """Return the page that lists every notebook with its status, seconds and claims.

    With ``fast`` it says that the claims are those of smoke parameters.
    """
    failed = sum(bool(outcome.error) for outcome in outcomes)
    summary = f"{len(outcomes)} of {counted(expected, 'notebook')} ran, {failed} failed"
    rows = "\n".join(map(_row, outcomes))
    body = _SUITE.format(summary=summary, note=_SMOKE if fast else "", rows=rows)
    return page(summary, body)


def _row(outcome: Outcome) -> str:
    name = html.escape(outcome.name)
    link = f'<a href="{html.escape(quote(outcome.page))}">{name}</a>' if outcome.page else name
    status = '<span class="failed">failed</span>' if outcome.error else "ok"
    text = html.escape(outcome.error or "\n".join(outcome.claims))
    return (
        f'<tr><td>{link}<td>{status}<td class="seconds">{outcome.seconds:.1f}'
        f"<td><pre>{text}</pre></tr>"
    )
