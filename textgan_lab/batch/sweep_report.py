"""The page of a sweep: how far it came, a map of what came out, findings, and every run."""

import html
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from .. import atomic
from ..diagnostics import DETECTORS, colours
from . import sweep_map
from .document import NotebookError
from .reading import STATES
from .report import export, page
from .runs import UnknownColumn, measured, parameter_columns, telling
from .tables import UNTOLD, counted, diagnosis, short_keys, shown

if TYPE_CHECKING:
    import pandas

NUMBERS = 5  # columns of measured numbers in the table of runs

_STYLE = """body { max-width: 100rem }
figure { margin: 0; overflow-x: auto }
figure svg { max-width: 100%; height: auto }
figcaption { max-width: 70rem; opacity: .8; font-size: 13px }
table { width: auto; font-size: 13px }
th, td { padding: .2rem .7rem }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums }
.wide { overflow-x: auto }
.unfinished, .missing { opacity: .6 }
.nan { color: #c33 }
.error { max-width: 40rem }
"""


def sweep_page(
    frame: "pandas.DataFrame",
    varied: Sequence[str],
    out: str | Path,
    title: str = "sweep",
    *,
    points: Mapping[str, Mapping[str, Any]] | None = None,
    metric: str | None = None,
    seed: str = "SEED",
    pages: bool = False,
) -> Path:
    """Write one HTML file about the runs of a sweep, which needs no network; return its path.

    Args:
        frame: the rows of `runs` that belong to the sweep.
        varied: the parameters that differ between its points, columns of ``frame``.
        out: the file.
        title: its heading.
        points: key -> parameters of every point; those without a row are listed as "missing".
        metric: the column that the map shows; by default the most telling one that was measured.
        seed: the parameter over which runs are repetitions of one another.
        pages: turn every executed notebook into a page, too, and link to that.

    Raises:
        UnknownColumn: ``metric`` is none of the numbers that were measured.
        OSError: it cannot be written; an earlier page is still whole.
    """
    out = Path(out).absolute()
    frame = _with_missing(frame, points or {})
    numbers = telling(frame)
    if metric is None:
        metric = next(iter(numbers), None)
    elif metric not in (known := measured(frame)):
        if known:
            raise UnknownColumn(f"metric {metric!r}: measured were {', '.join(known)}")
        metric = None  # nothing was measured, which the page is there to tell
    own = parameter_columns(frame)
    varied = [label for name in varied for label in (name, f"{name}.parameter") if label in own]
    axes = sweep_map.axes(frame, varied, seed)
    links = _pages(frame, out) if pages else {}
    shown = list(dict.fromkeys([*([metric] if metric else []), *numbers]))[:NUMBERS]
    body = [f"<h1>{html.escape(title)}</h1>\n<p>{_summary(frame)}</p>"]
    if metric and len(axes) >= 2:
        body.append(_map(frame, varied, axes, metric))
    body.append(_findings(frame, axes))
    body.append(_table(frame, varied, shown, out, links))
    return atomic.write(out, page(title, "\n".join(body), _STYLE).encode())


def _with_missing(
    frame: "pandas.DataFrame", points: Mapping[str, Mapping[str, Any]]
) -> "pandas.DataFrame":
    """Return the rows in the order of ``points``, with one for each point that has no folder."""
    import pandas

    if not points:
        return frame
    absent = {key: values for key, values in points.items() if key not in frame.index}
    rows = [
        {**{name: values.get(name) for name in frame.attrs["parameters"]}, **values,
         "state": "missing", "error": "", "folder": "", "not_finite": ()}
        for values in absent.values()
    ]  # fmt: skip
    if not rows:
        return frame.loc[list(points)]
    more = pandas.DataFrame(rows, index=pandas.Index(absent, name="key"))
    whole = pandas.DataFrame(
        {name: [*_cells(frame, name), *_cells(more, name)] for name in {**frame, **more}},
        index=[*frame.index, *more.index],
    ).loc[list(points)]
    names = dict.fromkeys([*frame.attrs["parameters"], *(n for v in absent.values() for n in v)])
    whole.attrs = {**frame.attrs, "parameters": list(names)}
    return whole


def _cells(frame: "pandas.DataFrame", name: str) -> list[Any]:
    return list(frame[name]) if name in frame else [None] * len(frame)


def _summary(frame: "pandas.DataFrame") -> str:
    counts = Counter(frame["state"])
    states = [state for state in (*STATES, "missing") if counts[state]]
    said = ", ".join(f"{counts[state]} {state}" for state in states)
    took = f"; {_duration(frame['seconds'].sum())} of notebooks" if counts["done"] else ""
    last = frame["finished"].max()
    when = f"; the last finished {last:%Y-%m-%d %H:%M} UTC" if counts["done"] else ""
    return f"{counted(len(frame), 'run')}: {said or 'none'}{took}{when}."


def _duration(seconds: float) -> str:
    """Return seconds in the units that one would say.

    >>> _duration(7.25), _duration(75), _duration(3 * 3600 + 120)
    ('7.2 s', '1 min 15 s', '3 h 2 min')
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def _map(
    frame: "pandas.DataFrame", varied: Sequence[str], axes: Sequence[sweep_map.Axis], metric: str
) -> str:
    used = [axis.name for axis in axes]
    over = [name for name in varied if name not in used]
    text = f"Median of {metric} over the runs of a cell that are done and measured a finite one"
    if over:
        text += f", which differ in {_listed(over)}"
    text += "; below it, of how many of the cell's runs, where that is not all."
    binned = [axis.name for axis in axes if axis.binned]
    if binned:
        text += f" {_listed(binned)} in {sweep_map.BINS} bins of equally many values."
    text += " Hatched: failed. Dotted: not run, or not to its end. NaN: measured, and never finite."
    title = html.escape(f"{metric} by {_listed(used)}")
    picture = sweep_map.draw(frame, axes, metric)
    return (
        f'<h2>{title}</h2>\n<figure role="img" aria-label="{title}">{picture}'
        f"<figcaption>{html.escape(text)}</figcaption></figure>"
    )


def _listed(names: Sequence[str]) -> str:
    """Return names as prose.

    >>> _listed(["a"]), _listed(["a", "b", "c"])
    ('a', 'a, b and c')
    """
    return " and ".join([*([", ".join(names[:-1])] if names[1:] else []), *names[-1:]])


def _findings(frame: "pandas.DataFrame", axes: Sequence[sweep_map.Axis]) -> str:
    """Return a table: how many runs of each cell of the map have each code."""
    told = frame["findings"].notna()
    codes = Counter(code for said in frame.loc[told, "findings"] for code in _codes(said))
    if not codes:
        return "<h2>Findings</h2>\n<p>No run has recorded any.</p>"
    cells: dict[tuple[str, ...], list[str]] = {}
    places = zip(*(axis.of_run for axis in axes), strict=True) if axes else [()] * len(frame)
    for place, said in zip(places, frame["findings"].where(told, None), strict=True):
        of_cell = cells.setdefault(place, [])
        if isinstance(said, str):
            of_cell.append(said)
    order = {axis.name: {level: n for n, level in enumerate(axis.levels)} for axis in axes}
    ranked = sorted(
        cells,
        key=lambda place: [order[a.name][v] for a, v in zip(axes, place, strict=True)][::-1],
    )
    found = [code for code, _ in codes.most_common()]
    head = [*(axis.name for axis in reversed(axes)), "runs", *found]
    rows = []
    for place in ranked:
        counts = Counter(code for said in cells[place] for code in _codes(said))
        row = [f"<td>{html.escape(level)}" for level in reversed(place)]
        row.append(f'<td class="number">{len(cells[place])}')
        row += [_share(code, counts[code], len(cells[place])) for code in found]
        rows.append("".join(row))
    note = "Runs of each cell of the map that recorded findings, and how many have each."
    return f"<h2>Findings</h2>\n<p>{note}</p>\n{_rows(head, rows, ['runs', *found])}"


def _codes(said: str) -> list[str]:
    return said.split() or [UNTOLD]


def _share(code: str, count: int, of: int) -> str:
    """Return a cell that is the fuller the more of its runs have the code, in its colour."""
    if not count:
        return "<td>"
    severity = DETECTORS[code].severity if code in DETECTORS else "issue"
    known = {"healthy": colours.REAL, UNTOLD: "#888888"}
    colour = known.get(code) or colours.FINDING[severity]
    strength = round(0x99 * count / of)
    return f'<td class="number" style="background:{colour}{strength:02x}">{count}'


def _table(
    frame: "pandas.DataFrame",
    varied: Sequence[str],
    numbers: Sequence[str],
    out: Path,
    links: Mapping[str, str],
) -> str:
    short = short_keys(frame.index)
    head = ["run", "state", *varied, "findings", *numbers, "seconds", "error"]
    columns = {name: list(frame[name]) for name in {*head, "folder", "not_finite"} & {*frame}}
    rows = []
    for n, key in enumerate(frame.index):
        at = {name: values[n] for name, values in columns.items()}
        folder = Path(at["folder"]) if at["folder"] else None
        cells = [f"<td>{_run_link(short[key], key, folder, out, links)}"]
        cells.append(f'<td class="{at["state"]}">{at["state"]}')
        cells += [f"<td>{html.escape(shown(at[name], None))}" for name in varied]
        cells.append(f"<td>{html.escape(diagnosis(at['findings']))}")
        for name in (*numbers, "seconds"):
            nan = name in at["not_finite"] and at[name] != at[name]
            text = '<span class="nan">NaN</span>' if nan else html.escape(shown(at[name]))
            cells.append(f'<td class="number">{text}')
        error = html.escape(at["error"])
        if folder and (folder / "error.json").exists():
            error = f'<a href="{_href(folder / "error.json", out)}">{error or "error"}</a>'
        cells.append(f'<td class="error">{error}')
        rows.append("".join(cells))
    return f"<h2>Runs</h2>\n{_rows(head, rows, [*numbers, 'seconds'])}"


def _rows(head: Sequence[str], rows: Sequence[str], numbers: Sequence[str]) -> str:
    names = "".join(
        f"<th{' class=number' if name in numbers else ''}>{html.escape(name)}" for name in head
    )
    body = "\n".join(f"<tr>{row}</tr>" for row in rows)
    return (
        f'<div class="wide"><table>\n<thead><tr>{names}</tr></thead>\n<tbody>\n{body}\n'
        "</tbody></table></div>"
    )


def _run_link(text: str, key: str, folder: Path | None, out: Path, links: Mapping[str, str]) -> str:
    name = f"<code>{text}</code>"
    if key in links:
        return f'<a href="{html.escape(links[key])}">{name}</a>'
    if folder and (folder / "output.ipynb").exists():
        return f'<a href="{_href(folder / "output.ipynb", out)}">{name}</a>'
    return name


def _href(target: Path, out: Path) -> str:
    """Return the address of a file as the page writes it: relative, so that both can move."""
    return html.escape(quote(Path(os.path.relpath(target, out.parent)).as_posix()))


def _pages(frame: "pandas.DataFrame", out: Path) -> dict[str, str]:
    """Write every executed notebook as a page in ``<out>-pages/``; return key -> address."""
    folder = out.with_name(f"{out.stem}-pages")
    folder.mkdir(parents=True, exist_ok=True)
    links = {}
    for key, run in frame["folder"].items():
        notebook = Path(run) / "output.ipynb"
        if not run or not notebook.exists():
            continue
        try:
            links[key] = quote(f"{folder.name}/{export(notebook, key, folder)}")
        except NotebookError:  # damaged: the link goes to the file itself, as without pages
            continue
    return links
