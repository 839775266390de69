"""Many runs as one table: what each was given and what came of it; their histories; a comparison.

The folders are the record, and nothing about them is stored elsewhere: a table is made when asked.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..telemetry import Telemetry, check_phase
from .reading import Recorded, UnknownRun, find, record_of, recorded, spelled

if TYPE_CHECKING:
    import pandas

_FIRST = ("state", "notebook", "finished", "seconds", "steps", "findings")
_LAST = ("not_finite", "error", "folder")
_KINDS = {"parameters": "parameter", "metrics": "metric", "result": "result"}
_IDENTITY = ("code", "library", "torch", "device", "python", "platform")
_OWN = ("run", "step", "phase")  # columns of a history

# What says most about a run, the most first: where few columns fit, these are shown; then what the
# page itself found, and last what only tells how the game stands, and may mislead.
TELLING = "js", "cells_js", "held_out_nll", "oracle_nll", "modes", "possible", "unique_ratio"
GAME = "d_accuracy", "d_loss", "g_loss"


class UnknownColumn(ValueError):
    """A name that no column of the table has."""


def runs(root: str | Path = "runs", notebook: str | None = None) -> "pandas.DataFrame":
    """Return one row for each run folder under ``root``, in the order in which they finished.

    The index is the key. Columns: ``state`` (one of `STATES`), ``notebook``, ``finished`` (UTC),
    ``seconds``, ``steps``, ``findings`` (codes, with blanks between); then every parameter, metric
    and entry of the page's result under its own name; ``not_finite``, ``error`` (one line, empty
    without one), ``folder``. Where two share a name the later is ``name.parameter``,
    ``name.metric`` or ``name.result``. ``frame.attrs`` lists the columns of "parameters" and those
    of "results".

    NaN in a column of numbers is a value that was not recorded, or one that was recorded as NaN;
    ``not_finite`` has the names of those that were recorded as NaN or infinite, as a tuple.

    A folder is a run's when its name is 16 hex digits: runs set aside, ``<key>.old-1``, and all
    else are left out. "unfinished" is in work, or was interrupted. A record that cannot be read has
    the state "unreadable" and the reason in ``error``; only ``run.json`` makes a run "done".

    Args:
        root: the folder of run folders.
        notebook: a name or path; only its runs.

    Raises:
        FileNotFoundError: no such folder.
    """
    records = recorded(Path(root))
    if notebook is not None:
        wanted = _stem(notebook)
        records = [r for r in records if _stem(r.content.get("notebook", "")) == wanted]
    return frame_of(records)


def histories(
    source: "str | Path | pandas.DataFrame" = "runs",
    columns: Sequence[str] | None = None,
    phase: str | None = None,
) -> "pandas.DataFrame":
    """Return one row a step and run: ``run``, ``step``, ``phase``, what was measured, parameters.

    Ready for one call of seaborn: ``sns.lineplot(frame, x="step", y="js", hue="D_LR")``. NaN where
    a value was not measured; a torn last line is dropped. Runs that kept no telemetry have no rows.
    A parameter called like a measured column is ``name.parameter``.

    Args:
        source: the folder of run folders, or rows of `runs`.
        columns: the measured values to take, rows with none of them left out; all by default.
        phase: "mle", "d_first" or "adversarial": only its steps.

    Raises:
        FileNotFoundError: no such folder.
        UnknownColumn: a column that no run measured.
        ValueError: no such phase; a telemetry.jsonl that is damaged before its last line.
    """
    import pandas

    check_phase(phase)

    frame = runs(source) if isinstance(source, str | Path) else source
    rows: list[dict[str, Any]] = []
    seen: dict[str, None] = dict.fromkeys(_OWN)
    for key, folder in frame["folder"].items():
        for row in _steps(Path(folder)):
            seen.update(dict.fromkeys(row))
            if columns is not None:
                row = {name: row[name] for name in (*_OWN[1:], *columns) if name in row}
            if phase in (None, row["phase"]) and (columns is None or len(row) > len(_OWN[1:])):
                rows.append({"run": key, **row})
    for name in columns or ():
        if name not in seen and len(seen) > len(_OWN):  # with no history at all there is no typo
            listed = ", ".join(sorted(seen.keys() - {*_OWN}))
            raise UnknownColumn(f"no run measured {name!r}; measured: {listed}")
    history = pandas.DataFrame(rows, columns=[*_OWN, *columns] if columns else list(seen))
    given = frame[parameter_columns(frame)].rename(
        columns=lambda name: f"{name}.parameter" if name in history else name
    )
    return history.join(given, on="run")


def _steps(folder: Path) -> list[dict[str, Any]]:
    """Return the rows of a run's telemetry; none where it kept none."""
    try:
        text = (folder / "telemetry.jsonl").read_text(encoding="utf-8")
        return Telemetry.parse({"telemetry": text}).rows
    except FileNotFoundError:
        return []
    except ValueError as error:
        raise ValueError(f"{folder}: {error}") from None


def compare(root: str | Path, keys: Sequence[str]) -> "pandas.DataFrame":
    """Return what differs between runs: a row for each thing, a column for each run.

    Beside what `runs` lists: the hashes of code, library and files, torch, device and machine.
    None is what a run has not recorded. Seconds and times always differ and are left out.

    Args:
        root: the folder of run folders.
        keys: keys, or their first four hex digits or more.

    Raises:
        UnknownRun: see `find`; or fewer than two different runs.
        FileNotFoundError: no such folder.
    """
    import pandas

    found = list(dict.fromkeys(find(root, key) for key in keys))
    if len(found) < 2:
        raise UnknownRun(f"compare: {', '.join(keys)} is one run; give two or more different ones")
    records = [record_of(Path(root).absolute() / key) for key in found]
    labels = _labels(records)
    told = [_told(record, labels) for record in records]
    names = dict.fromkeys(name for values in told for name in values)
    rows = {name: [values.get(name) for values in told] for name in names}
    differ = {name: row for name, row in rows.items() if len(set(map(spelled, row))) > 1}
    index = pandas.Index(differ, name="what", dtype="object")
    return pandas.DataFrame(list(differ.values()), index=index, columns=found, dtype="object")


def where(frame: "pandas.DataFrame", condition: str) -> "pandas.DataFrame":
    """Return the rows of `runs` for which an `Expression` holds, such as ``D_LR > 1e-3``.

    Names are those of columns, and ``key``. Findings are a list here, ``'oscillation' in
    findings``, and times are text, ``finished > '2026-05-01'``. What was not recorded is NaN, for
    which no comparison but ``!=`` holds.

    Raises:
        ExpressionError: no expression, or one without a truth value for one of the rows.
        UnknownColumn: a name that is none.
    """
    from .expressions import Expression

    expression = Expression(condition)
    names = sorted(expression.names - {"key"})
    check_columns(frame, names)
    held = []
    for key, *cells in frame[names].itertuples(name=None):
        values = {"key": key} | dict(zip(names, map(_plain, cells), strict=True))
        if isinstance(codes := values.get("findings"), str):
            values["findings"] = codes.split()
        held.append(expression.holds(values))
    return frame.loc[np.array(held, dtype=bool)]


def ordered(frame: "pandas.DataFrame", name: str, descending: bool = False) -> "pandas.DataFrame":
    """Return the rows of `runs` by a column: numbers, then text, then what else there is.

    Equal ones keep their order; those without a value come last, also when ``descending``.

    Raises:
        UnknownColumn: no such column.
    """
    check_columns(frame, [name])
    cells = [_plain(value) for value in frame[name]]
    known = [n for n, value in enumerate(cells) if value == value]
    place = sorted(known, key=lambda n: _rank(cells[n]), reverse=descending)
    return frame.iloc[[*place, *(n for n, value in enumerate(cells) if value != value)]]


def _rank(value: Any) -> tuple[int, Any]:
    if isinstance(value, int | float):  # bools, too
        return 0, value
    return (1, value) if isinstance(value, str) else (2, spelled(value))


def check_columns(frame: "pandas.DataFrame", names: Iterable[str]) -> None:
    """Raise `UnknownColumn`, with the name that was perhaps meant, unless ``frame`` has them all.

    Raises:
        UnknownColumn: the first that it lacks.
    """
    by_lower = {column.lower(): column for column in frame.columns}
    for name in names:
        if name not in frame:
            close = get_close_matches(name.lower(), by_lower, n=1)
            advice = f"did you mean {by_lower[close[0]]}? " if close else ""
            raise UnknownColumn(f"no column {name!r}; {advice}columns: {', '.join(frame.columns)}")


def parameter_columns(frame: "pandas.DataFrame") -> list[str]:
    """Return the columns of ``frame`` that are parameters.

    Raises:
        ValueError: a frame that does not know, as one that was merged with another.
    """
    if "parameters" not in frame.attrs:
        raise ValueError("expected rows of tl.runs(); this frame does not know its parameters")
    return [name for name in frame.attrs["parameters"] if name in frame]


def varied(frame: "pandas.DataFrame") -> list[str]:
    """Return the parameters that differ between runs of the same notebook, rows of `runs`.

    Raises:
        ValueError: see `parameter_columns`.
    """
    pages = frame["notebook"].fillna("")
    return [
        name for name in parameter_columns(frame)
        if any(len(set(map(spelled, group))) > 1 for _, group in frame[name].groupby(pages))
    ]  # fmt: skip


def measured(frame: "pandas.DataFrame") -> list[str]:
    """Return the columns of numbers that some run measured, metrics and results of the page.

    Raises:
        ValueError: see `parameter_columns`.
    """
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    others = {*_FIRST, *_LAST, *parameter_columns(frame)}
    wild = {name for names in frame["not_finite"] for name in names}
    return [
        name for name in frame.columns
        if name not in others and (name in wild or frame[name].notna().any())
        and is_numeric_dtype(frame[name]) and not is_bool_dtype(frame[name])
    ]  # fmt: skip


def telling(frame: "pandas.DataFrame") -> list[str]:
    """Return those of `measured` that say most about a run: `TELLING`, the page's results, `GAME`.

    All of them, where there are none of these.
    """
    found = measured(frame)
    ranked = dict.fromkeys((*TELLING, *frame.attrs["results"], *GAME))
    return [name for name in ranked if name in found] or found


def _plain(value: Any) -> Any:
    """Return a cell as plain data: NaN for what is missing, text for a time."""
    import pandas

    if isinstance(value, list | dict | tuple):
        return list(value) if isinstance(value, tuple) else value
    if pandas.isna(value):
        return math.nan
    return value.isoformat() if isinstance(value, pandas.Timestamp) else value


def _labels(records: Iterable[Recorded]) -> dict[tuple[str, str], str]:
    """Return (kind, name) -> column for all that the records hold; no two share a column."""
    labels: dict[tuple[str, str], str] = {}
    taken = {"key", *_FIRST, *_LAST}
    for kind, suffix in _KINDS.items():
        for name in dict.fromkeys(n for r in records for n in r.content.get(kind, ())):
            label = name
            while label in taken:
                label = f"{label}.{suffix}"
            taken.add(label)
            labels[kind, name] = label
    return labels


def _told(record: Recorded, labels: Mapping[tuple[str, str], str]) -> dict[str, Any]:
    """Return what makes one run another than the next, by column; None for what it lacks."""
    content = record.content
    told = {"state": record.state, "notebook": content.get("notebook"), "error": record.error}
    told |= {name: content.get(name) for name in ("steps", "findings")}
    told |= {label: content.get(kind, {}).get(name) for (kind, name), label in labels.items()}
    told |= {name: content.get(name) for name in _IDENTITY}
    return told | {f"file {name}": sha256 for name, sha256 in content.get("files", {}).items()}


def frame_of(records: Sequence[Recorded]) -> "pandas.DataFrame":
    """Return the table that `runs` describes, of these records."""
    import pandas

    labels = _labels(records)
    contents = [record.content for record in records]
    columns: dict[str, Any] = {
        "state": _column([record.state for record in records], "str"),
        "notebook": _column([content.get("notebook") for content in contents], "str"),
        "finished": pandas.to_datetime(
            pandas.Series([c.get("finished") for c in contents], dtype="float64"),
            unit="s", utc=True,
        ),
        "seconds": _column([content.get("seconds") for content in contents], "float64"),
        "steps": _column([content.get("steps") for content in contents], "Int64"),
        "findings": _column([_codes(content) for content in contents], "str"),
    }  # fmt: skip
    not_finite: list[list[str]] = [[] for _ in records]
    for (kind, name), label in labels.items():
        values = [content.get(kind, {}).get(name) for content in contents]
        columns[label] = _column(values)
        for names, value in zip(not_finite, values, strict=True):
            if isinstance(value, float) and not math.isfinite(value):
                names.append(label)
    columns["not_finite"] = _column([tuple(names) for names in not_finite], "object")
    columns["error"] = _column([record.error for record in records], "str")
    columns["folder"] = _column([str(record.folder) for record in records], "str")
    frame = pandas.DataFrame(columns)
    frame.index = pandas.Index([record.key for record in records], name="key", dtype="str")
    for kind, name in (("parameters", "parameters"), ("result", "results")):
        frame.attrs[name] = [label for (of, _), label in labels.items() if of == kind]
    return frame


def _codes(content: Mapping[str, Any]) -> str | None:
    return " ".join(content["findings"]) if "findings" in content else None


def _column(values: list[Any], dtype: str | None = None) -> "pandas.Series":
    """Return values as a column; whole numbers stay exact where some are missing."""
    import pandas

    kinds = {type(value) for value in values if value is not None}
    if dtype is None and kinds == {int} and None in values:
        fits = all(abs(value) < 2**63 for value in values if value is not None)
        dtype = "Int64" if fits else "object"
    return pandas.Series(values, dtype=dtype)


def _stem(notebook: str) -> str:
    return Path(notebook).name.removesuffix(".ipynb")
