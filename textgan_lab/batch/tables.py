"""A table of runs for others: as a file (Parquet, CSV, JSON lines), and cell by cell as text."""

import csv
import io
import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import atomic
from .reading import STATES
from .runs import telling, varied

UNTOLD = "cannot tell"  # of a record in which nothing was found, and too little looked at
if TYPE_CHECKING:
    import pandas

SUFFIXES = (".parquet", ".csv", ".jsonl")
LONGEST = 48  # characters of an error in a listing


class TableError(ValueError):
    """A table that cannot be written: its file has another ending, or a package is missing."""


def write_table(
    frame: "pandas.DataFrame", path: str | Path, columns: Sequence[str] | None = None
) -> Path:
    """Write rows of `runs`, or some of their columns, as ``.parquet``, ``.csv`` or ``.jsonl``.

    The file is written whole or not at all; its first column is ``key``. What was not recorded is
    null (in CSV, nothing); what was recorded as NaN, by ``not_finite``, is NaN. A column that holds
    lists, dicts or values of several types becomes text, each value as JSON; its Parquet field says
    so, ``{"encoding": "json"}``. JSON lines keep them as they are.

    Raises:
        TableError: another ending, or Parquet without pyarrow.
    """
    path = Path(path)
    if path.suffix not in SUFFIXES:
        raise TableError(f"{path}: expected a name that ends in {', '.join(SUFFIXES)}")
    cells = _columns(frame, columns or frame.columns)
    written = {".parquet": _parquet, ".csv": _csv, ".jsonl": _lines}[path.suffix](cells)
    return atomic.write(path, written)


def counted(number: int, noun: str) -> str:
    """Return a number and its noun.

    >>> counted(1, "notebook"), counted(0, "notebook")
    ('1 notebook', '0 notebooks')
    """
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def short_keys(keys: Iterable[str]) -> dict[str, str]:
    """Return key -> as few of its first digits, 8 or more, as tell all of ``keys`` apart."""
    keys = list(keys)
    length = next(n for n in range(8, 17) if len({key[:n] for key in keys}) == len(set(keys)))
    return {key: key[:length] for key in keys}


def shown(value: Any, digits: int | None = 4) -> str:
    """Return a cell as text on one line: nothing for nothing, floats with so many digits, or all.

    >>> shown(0.12345678), shown(0.12345678, None), shown(3), shown(None), shown([1, "a"])
    ('0.1235', '0.12345678', '3', '', "[1, 'a']")
    """
    import pandas

    if isinstance(value, list | dict | tuple):
        text = str(value)
    elif pandas.isna(value):
        return ""
    elif isinstance(value, pandas.Timestamp):
        return f"{value:%Y-%m-%d %H:%M}"
    elif isinstance(value, float) and digits is not None:
        return f"{value:.{digits}g}"
    else:
        text = str(value)
    return text if text.isprintable() else repr(text)[1:-1]  # no escape reaches the terminal


def diagnosis(findings: Any) -> str:
    """Return a cell of ``findings`` as text: nothing where there is no record.

    >>> diagnosis("oscillation divergence"), diagnosis(""), diagnosis(None)
    ('oscillation divergence', 'cannot tell', '')
    """
    return UNTOLD if findings == "" else shown(findings)


def overview(
    frame: "pandas.DataFrame", width: int, columns: Sequence[str] | None = None
) -> tuple[list[str], list[tuple[str, ...]]]:
    """Return head and rows of a listing of `runs`: what differs, and as many numbers as fit.

    Measured numbers are rounded, except where ``columns`` ask for them.

    Args:
        frame: the runs.
        width: characters of a line.
        columns: these and no others; they are not cut.
    """
    short = short_keys(frame.index)
    texts = {"run": [short[key] for key in frame.index]}
    several = frame["notebook"].nunique() > 1
    told = ["findings"] if frame["findings"].notna().any() else []
    chosen = columns or ["state", *(["notebook"] if several else []), *varied(frame), *told]
    for name in chosen:
        texts[name] = [shown(value, None) for value in frame[name]]
    if "findings" in texts:
        texts["findings"] = [diagnosis(value) for value in frame["findings"]]
    if columns is None:
        if frame["error"].any():
            texts["error"] = [_cut(shown(text)) for text in frame["error"]]
        left = width - sum(map(_wide, texts, texts.values()))
        for name in telling(frame):
            number = [_number(frame, name, n) for n in range(len(frame))]
            if _wide(name, number) > left:
                break
            left -= _wide(name, number)
            texts[name] = number
    return list(texts), list(zip(*texts.values(), strict=True))


def count(frame: "pandas.DataFrame", of: int) -> str:
    """Return how many runs are listed, ``of`` how many, and in which states."""
    states = [state for state in STATES if (frame["state"] == state).any()]
    said = ", ".join(f"{(frame['state'] == state).sum()} {state}" for state in states)
    number = counted(of, "run") if len(frame) == of else f"{len(frame)} of {counted(of, 'run')}"
    return f"{number}: {said}" if said else number


def _wide(name: str, texts: Iterable[str]) -> int:
    return 2 + max(map(len, [name, *texts]))  # two blanks between columns


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _number(frame: "pandas.DataFrame", name: str, n: int) -> str:
    return shown(frame[name].iloc[n]) or ("NaN" if name in frame["not_finite"].iloc[n] else "")


def _columns(frame: "pandas.DataFrame", names: Iterable[str]) -> dict[str, list[Any]]:
    """Return column -> plain values, None for what was not recorded."""
    not_finite = frame.get("not_finite", [()] * len(frame))
    columns: dict[str, list[Any]] = {"key": list(frame.index)}
    for name in names:
        columns[name] = [
            _cell(value, name in wild) for value, wild in zip(frame[name], not_finite, strict=True)
        ]
    return columns


def _cell(value: Any, not_finite: bool) -> Any:
    import pandas

    if isinstance(value, tuple):
        return list(value)
    if isinstance(value, list | dict):
        return value
    if pandas.isna(value):
        return math.nan if not_finite else None
    return value.item() if hasattr(value, "item") else value  # numpy's scalars as Python's


def _is_json(values: list[Any]) -> bool:
    """Tell whether a column needs JSON: it holds lists or dicts, or types that do not mix."""
    kinds = {type(value) for value in values if value is not None}
    return bool(kinds & {list, dict}) or len(kinds) > 1


def _parquet(columns: dict[str, list[Any]]) -> bytes:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise TableError(
            "Parquet needs pyarrow: pip install 'textgan-lab[records]'; .csv needs nothing"
        ) from None
    fields, arrays = [], []
    for name, values in columns.items():
        encoded = _is_json(values) or any(isinstance(v, int) and abs(v) >= 2**63 for v in values)
        if encoded:
            values = [None if value is None else json.dumps(value) for value in values]
        array = pyarrow.array(values, from_pandas=False)  # a NaN stays one
        metadata = {"encoding": "json"} if encoded else None
        fields.append(pyarrow.field(name, array.type, metadata=metadata))
        arrays.append(array)
    file = io.BytesIO()
    table = pyarrow.table(arrays, schema=pyarrow.schema(fields))
    # smallest and largest values leave NaN out, and DuckDB then looks for none: isnan(js) is empty
    parquet.write_table(table, file, write_statistics=False)
    return file.getvalue()


def _csv(columns: dict[str, list[Any]]) -> bytes:
    encoded = {name: _is_json(values) for name, values in columns.items()}
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(columns)
    for row in zip(*columns.values(), strict=True):
        writer.writerow(
            "" if value is None else json.dumps(value) if encoded[name] else value
            for name, value in zip(columns, row, strict=True)
        )
    return file.getvalue().encode()


def _lines(columns: dict[str, list[Any]]) -> bytes:
    rows = zip(*columns.values(), strict=True)
    return "".join(
        json.dumps(dict(zip(columns, row, strict=True)), default=str) + "\n" for row in rows
    ).encode()
