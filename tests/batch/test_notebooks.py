"""Notebooks run headless: parameters arrive, success is proved, failures name their cell."""

import io
import json
import sys

import pytest

from textgan_lab.batch import NotebookFailed, run_notebook, suite
from textgan_lab.batch.notebooks import Page

pytestmark = pytest.mark.notebook  # about 2 s of CPU time for each kernel


def test_a_run_with_parameters_and_its_second_call(tmp_path, write_notebook, monkeypatch):
    # a user's kernel of the same name, from some other Python, must not be started
    kernels = tmp_path / "jupyter" / "kernels" / "python3"
    kernels.mkdir(parents=True)
    spec = {"argv": ["false"], "display_name": "other", "language": "python"}
    (kernels / "kernel.json").write_text(json.dumps(spec))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    monkeypatch.chdir(tmp_path)
    path = write_notebook(
        "lesson.ipynb",
        ("N = 3\nNAME = 'x'\nBETAS = [0.5]\nLR = 1.0\nLIVE = True", "parameters"),
        "import os, sys\nprint(os.getcwd(), sys.executable, os.environ['TEXTGAN_LAB_RUN'])",
        ("print('claim:', N, repr(NAME), BETAS)\nprint(LR)", "claim"),
    )
    root = tmp_path / "runs {a} b"  # papermill formats its paths
    first, second = io.StringIO(), io.StringIO()
    given = {"N": "7", "NAME": "0012'; import os", "BETAS": "[1e-3]"}
    result = run_notebook(path, given, root=root, echo=first)
    claim = 'claim: 7 "0012\'; import os" [0.001]\n1.0'
    place = f"{tmp_path} {sys.executable} {root / result.key}"
    assert first.getvalue() == f"{place}\n{claim}\n"
    assert result.repeated
    assert result.claims == [claim]
    assert result.parameters == {
        "N": 7, "NAME": "0012'; import os", "BETAS": [0.001], "LR": 1.0,
        "LIVE": False,  # saved after live use, but nobody watches here
    }  # fmt: skip
    record = json.loads((root / result.key / "run.json").read_text())
    assert record["parameters"] == result.parameters
    assert {p.name for p in (root / result.key).iterdir()} == {
        ".lock",
        "output.ipynb",
        "params.json",
        "run.json",
    }
    monkeypatch.setattr("papermill.execute_notebook", None)  # a second call starts nothing
    again = run_notebook(path, given, root=root, echo=second)
    assert (again.repeated, again.key, again.claims) == (False, result.key, result.claims)
    assert second.getvalue() == first.getvalue()


@pytest.mark.parametrize(
    ("source", "given", "error", "message", "line"),
    [
        ("y = 1\ny / 0\nprint(y)", {"N": 4}, "ZeroDivisionError", "division by zero", 2),
        ("a = 1\nb = 2\nc = 3\nd = 4\nx.y(a,\n  b)", {}, "AttributeError", "'int' object", 5),
        ("def f():\n\n    return 1 / 0\nf()", {}, "ZeroDivisionError", "division by zero", 4),
        ("a = 1\nb = = 2", {}, "SyntaxError", "invalid syntax", 2),
        ("try:\n  1 / 0\nexcept Exception as e:\n  raise ValueError('so') from e",
         {}, "ValueError", "so", 4),
        ("try:\n  1 / 0\nexcept Exception:\n  a = 1\n  a.b", {}, "AttributeError", "'int' ob", 5),
        ("%%time\na = 1\nb", {}, "NameError", "name 'b' is not defined", 0),
        ("import os\nos.kill(os.getpid(), 9)", {"N": 4}, "DeadKernelError", "the kernel was", 0),
        ("import sys\nsys.exit(0)", {}, "SystemExit", "a notebook ends with its last cell", 0),
    ],
)  # fmt: skip
def test_a_failure_names_its_cell_and_line(
    tmp_path, write_notebook, source, given, error, message, line
):
    path = write_notebook("sick.ipynb", ("N = 3", "parameters"), "x = 1", source, "print('never')")
    with pytest.raises(NotebookFailed) as caught:
        run_notebook(path, given, root=tmp_path / "runs")
    failed = caught.value
    assert (failed.cell, failed.source, failed.error) == (3, source, error)
    where = f", line {line}" if line else ""
    assert f"sick.ipynb: code cell 3{where} failed: {error}: {message}" in str(failed)
    assert f"\n  | {source.splitlines()[max(line - 1, 1)]}" in str(failed)
    assert str(failed).count("\n") <= 3 and failed.line == line
    folder = failed.output.parent
    assert sorted(p.name for p in folder.iterdir()) == [
        ".lock", "error.json", "output.ipynb", "params.json"
    ]  # fmt: skip
    assert json.loads((folder / "error.json").read_text())["cell"] == 3


def test_a_failure_from_an_earlier_one_names_its_own_line(tmp_path, write_notebook):
    earlier = "import math\n\n\ntry:\n    1 / 0\nexcept Exception as error:\n    kept = error"
    path = write_notebook("sick.ipynb", earlier, "x = 1\nraise ValueError('so') from kept")
    with pytest.raises(NotebookFailed, match="cell 2, line 2 failed: ValueError: so") as caught:
        run_notebook(path, root=tmp_path / "runs")
    assert str(caught.value).endswith("\n  | x = 1\n  | raise ValueError('so') from kept")


def test_a_kernel_in_its_last_message_is_not_interrupted(tmp_path, write_notebook, capfd):
    slowly = """\
import time
handlers = get_ipython().kernel.shell_handlers
answer = handlers["kernel_info_request"]  # the last message of a run
async def after_the_reply(*message):
    await answer(*message)
    time.sleep(0.3)
handlers["kernel_info_request"] = after_the_reply"""
    path = write_notebook("lesson.ipynb", slowly)
    run_notebook(path, root=tmp_path / "runs")
    assert capfd.readouterr() == ("", "")  # the kernel writes its log to our terminal


def test_a_suite_reports_all_and_stops_at_none(tmp_path, write_notebook):
    write_notebook("a_broken.ipynb", ("N = int(3)", "parameters"))
    write_notebook("b_sick.ipynb", "1 / 0")
    write_notebook(
        "c_well.ipynb",
        ("N = 3", "parameters"),
        ("print('N <', N)", "claim"),
        textgan_lab={"smoke": {"N": 1}},
    )
    echo = io.StringIO()
    outcomes = suite(tmp_path, tmp_path / "out", runs=tmp_path / "runs", fast=True, echo=echo)
    assert [(o.name, bool(o.error), o.claims, o.page) for o in outcomes] == [
        ("a_broken", True, [], ""),
        ("b_sick", True, [], "b_sick.html"),
        ("c_well", False, ["N < 1"], "c_well.html"),
    ]
    assert "b_sick: FAILED" in echo.getvalue()
    assert "c_well: ok" in echo.getvalue()
    table = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    assert "3 of 3 notebooks ran, 2 failed" in table
    assert "Run with --fast" in table
    assert "N &lt; 1" in table
    assert "b_sick.ipynb: code cell 1, line 1 failed: ZeroDivisionError" in table
    assert '<a href="c_well.html">' in table
    assert "division by zero" in (tmp_path / "out" / "b_sick.html").read_text(encoding="utf-8")


def test_the_content_of_a_named_file_is_part_of_the_run(tmp_path, write_notebook):
    path = write_notebook("own.ipynb", ("CORPUS = ''\nLEVEL = 'word'", "parameters"))
    text = tmp_path / "own.txt"
    text.write_text("one sentence\n")
    _, before = Page(path).run({"CORPUS": str(text)}, tmp_path)
    text.write_text("another sentence\n")
    _, after = Page(path).run({"CORPUS": str(text)}, tmp_path)
    assert set(before.identity["files"]) == set(after.identity["files"]) == {"CORPUS"}
    assert before.key != after.key
