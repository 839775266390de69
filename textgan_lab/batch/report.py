"""The report of a suite: every executed notebook as a page, and one table over all of them."""

import html
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from .document import read


@dataclass(frozen=True)
class Outcome:
    """One row of a suite's report; ``error`` is empty when the notebook ran to its end."""

    name: str
    seconds: float
    claims: list[str]
    error: str = ""
    page: str = ""


def export(notebook: Path, name: str, out: Path) -> str:
    """Write an executed notebook as HTML; return the name of the page."""
    from nbconvert import HTMLExporter

    resources = {"metadata": {"name": name}}
    body, _ = HTMLExporter().from_notebook_node(read(notebook), resources=resources)
    (out / f"{name}.html").write_text(body, encoding="utf-8")
    return f"{name}.html"


_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>textgan_lab: {summary}</title>
<style>
:root {{ color-scheme: light dark }}
body {{ font: 15px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto }}
table {{ border-collapse: collapse; width: 100% }}
th, td {{ text-align: left; vertical-align: top; padding: .4rem .8rem }}
tr {{ border-bottom: 1px solid #8885 }}
td.seconds {{ text-align: right; font-variant-numeric: tabular-nums }}
pre {{ margin: 0; white-space: pre-wrap; font-size: 13px }}
.failed {{ color: #c33; font-weight: 600 }}
</style>
<h1>textgan_lab</h1>
<p>{summary}</p>
<table>
<thead><tr><th>Notebook<th>Status<th>Seconds<th>Claims</tr></thead>
<tbody>
{rows}
</tbody>
</table>
</html>
"""


def table(outcomes: list[Outcome], expected: int) -> str:
    """Return the page that lists every notebook with its status, seconds and claims."""
    failed = sum(bool(outcome.error) for outcome in outcomes)
    summary = f"{len(outcomes)} of {expected} notebooks ran, {failed} failed"
    return _PAGE.format(summary=summary, rows="\n".join(map(_row, outcomes)))


def _row(outcome: Outcome) -> str:
    name = html.escape(outcome.name)
    link = f'<a href="{html.escape(quote(outcome.page))}">{name}</a>' if outcome.page else name
    status = '<span class="failed">failed</span>' if outcome.error else "ok"
    text = html.escape(outcome.error or "\n".join(outcome.claims))
    return (
        f'<tr><td>{link}<td>{status}<td class="seconds">{outcome.seconds:.1f}'
        f"<td><pre>{text}</pre></tr>"
    )
