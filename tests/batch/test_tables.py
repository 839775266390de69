"""A table of runs as a file: nothing is lost, and null is not NaN; and as text on a terminal."""

import json
import math
import sys

import duckdb
import pandas
import pyarrow
import pytest
from many_runs import FINISHED, write_run
from pyarrow import parquet

from textgan_lab.batch.runs import runs
from textgan_lab.batch.tables import TableError, overview, short_keys, shown, write_table


@pytest.fixture
def frame(tmp_path):
    """Return a table of three runs with every kind of column there is."""
    root = tmp_path / "runs"
    write_run(root, {"LR": 0.1, "ANY": 1, "LAYERS": [4, 8], "KEPT": {"a": math.pi}, "NAME": "é,\n"},
              metrics={"js": math.nan, "modes": 3.0}, findings=["oscillation"],
              result={"fell": True, "seed": 2**62}, steps=3)  # fmt: skip
    write_run(root, {"LR": 0.2, "ANY": "one", "LAYERS": [], "KEPT": {}, "NAME": "b"},
              metrics={"js": 0.5}, result={"fell": None, "seed": 10**30},
              finished=FINISHED + 1)  # fmt: skip
    write_run(root, {"LR": 0.3}, state="failed", cell=1, error="E", message="m")
    return runs(root)


def test_parquet_keeps_every_kind_of_value(frame, tmp_path):
    path = write_table(frame, tmp_path / "new" / "runs.parquet")
    table = parquet.read_table(path)
    kept = table.to_pydict()
    assert list(kept) == ["key", *frame.columns]
    assert kept["key"] == list(frame.index)
    assert kept["LR"] == [0.1, 0.2, 0.3]
    assert math.isnan(kept["js"][0]) and kept["js"][1:] == [0.5, None]  # NaN, a number, null
    assert kept["modes"] == [3.0, None, None]
    assert kept["steps"] == [3, None, None]
    assert kept["findings"] == ["oscillation", None, None]
    assert kept["fell"] == [True, None, None]
    assert kept["NAME"] == ["é,\n", "b", None]
    assert str(kept["finished"][1]) == "2026-11-18 11:06:41+00:00" and kept["finished"][2] is None
    encoded = {f.name for f in table.schema if (f.metadata or {}).get(b"encoding") == b"json"}
    assert encoded == {"ANY", "LAYERS", "KEPT", "seed", "not_finite"}
    assert [value and json.loads(value) for value in kept["ANY"]] == [1, "one", None]
    assert [value and json.loads(value) for value in kept["LAYERS"]] == [[4, 8], [], None]
    assert json.loads(kept["KEPT"][0]) == {"a": math.pi}
    assert [value and json.loads(value) for value in kept["seed"]] == [2**62, 10**30, None]
    assert [json.loads(value) for value in kept["not_finite"]] == [["js"], [], []]
    again = pandas.read_parquet(path)
    assert again["js"].isna().to_list() == [True, False, True]


def test_duckdb_asks_the_parquet(frame, tmp_path):
    path = write_table(frame, tmp_path / "runs.parquet")
    where = "FROM read_parquet($path) WHERE"
    ask = duckdb.connect().execute
    assert ask(f"SELECT LR {where} js IS NULL", {"path": str(path)}).fetchall() == [(0.3,)]
    assert ask(f"SELECT LR {where} isnan(js)", {"path": str(path)}).fetchall() == [(0.1,)]
    found = ask(f"SELECT LAYERS::JSON->>0 {where} LR = 0.1", {"path": str(path)}).fetchall()
    assert found == [("4",)]


def test_an_empty_table_and_chosen_columns(frame, tmp_path):
    path = write_table(frame[:0], tmp_path / "none.parquet")
    assert parquet.read_table(path).num_rows == 0
    path = write_table(frame, tmp_path / "two.parquet", ["js", "LR"])
    kept = parquet.read_table(path).to_pydict()
    assert list(kept) == ["key", "js", "LR"] and math.isnan(kept["js"][0])


def test_json_lines_keep_lists_and_tell_nan_from_null(frame, tmp_path):
    path = write_table(frame, tmp_path / "runs.jsonl")
    one, two, three = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    assert math.isnan(one["js"]) and (two["js"], three["js"]) == (0.5, None)
    assert (one["LAYERS"], one["KEPT"], one["seed"]) == ([4, 8], {"a": math.pi}, 2**62)
    assert two["seed"] == 10**30 and one["not_finite"] == ["js"]
    path = write_table(frame, tmp_path / "two.jsonl", ["LR", "js"])
    assert pandas.read_json(path, lines=True, precise_float=True)["LR"].to_list() == [0.1, 0.2, 0.3]


def test_csv_leaves_out_what_was_not_recorded(frame, tmp_path):
    path = write_table(frame, tmp_path / "runs.csv")
    kept = pandas.read_csv(path, keep_default_na=False, dtype=str)
    assert kept["js"].to_list() == ["nan", "0.5", ""]
    assert kept["LAYERS"].to_list() == ["[4, 8]", "[]", ""]
    assert kept["NAME"].to_list() == ["é,\n", "b", ""]
    assert pandas.read_csv(path)["LR"].to_list() == [0.1, 0.2, 0.3]


def test_a_file_of_another_kind_and_a_missing_package_are_said(frame, tmp_path, monkeypatch):
    with pytest.raises(TableError, match="runs.xlsx: expected a name that ends in .parquet, .csv"):
        write_table(frame, tmp_path / "runs.xlsx")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(TableError, match=r"pip install 'textgan-lab\[records\]'"):
        write_table(frame, tmp_path / "runs.parquet")
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]
    assert write_table(frame, tmp_path / "runs.csv").exists()


def test_a_write_that_fails_leaves_the_older_file(frame, tmp_path, monkeypatch):
    path = write_table(frame, tmp_path / "runs.parquet")
    before = path.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("textgan_lab.atomic.os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_table(frame[:1], path)
    assert path.read_bytes() == before
    assert pyarrow.parquet.read_table(path).num_rows == 3


def test_keys_are_as_short_as_they_may_be():
    assert short_keys(["a" * 16, "b" * 16]) == {"a" * 16: "a" * 8, "b" * 16: "b" * 8}
    near = ["0123456789abcdef", "0123456789abcdee"]
    assert short_keys(near) == {key: key for key in near}
    assert short_keys([]) == {}


def test_a_listing_shows_what_differs_and_as_many_numbers_as_fit(tmp_path):
    for lr, js in ((0.123456, 0.98765432), (0.123457, math.nan)):
        write_run(tmp_path, {"LR": lr, "SEED": 0}, metrics={"js": js, "modes": 2.0, "zeta": 1.0},
                  findings=["healthy"])  # fmt: skip
    frame = runs(tmp_path)
    head, rows = overview(frame, width=200)
    assert head == ["run", "state", "LR", "findings", "js", "modes"]
    assert sorted(row[1:] for row in rows) == [
        ("done", "0.123456", "healthy", "0.9877", "2"), ("done", "0.123457", "healthy", "NaN", "2")
    ]  # fmt: skip
    # 8 + 5 + 8 + 8 + 6 characters and two blanks after each: a column less and the last is gone
    assert overview(frame, width=45)[0] == head[:5]
    assert overview(frame, width=44)[0] == head[:4]
    assert overview(frame, width=10, columns=["zeta"])[0] == ["run", "zeta"]
    write_run(tmp_path, {"LR": 1.0, "SEED": 0}, state="failed", notebook="b.ipynb", cell=1,
              error="ValueError", message="x" * 99)  # fmt: skip
    head, rows = overview(runs(tmp_path), width=200)
    assert head[:4] == ["run", "state", "notebook", "LR"] and "error" in head
    assert rows[-1][head.index("error")] == "code cell 1: ValueError: " + "x" * 22 + "…"


def test_text_of_a_cell_cannot_command_the_terminal():
    assert shown("a\x1b[31mred\nline") == "a\\x1b[31mred\\nline"
    assert shown(["\x1b]0;title\x07"]).isprintable()
    assert (shown(math.nan), shown(math.inf), shown(1e-5), shown(True)) == (
        "",
        "inf",
        "1e-05",
        "True",
    )
