"""The command line: what it prints, and an exit status that scripts can trust."""

import json
import math
import re
import shutil
import subprocess
import sys

import pandas
import pytest
from many_runs import FINISHED, write_run
from typer.testing import CliRunner

from textgan_lab import cli
from textgan_lab.telemetry import Telemetry

CELL = 'N = 3  # how many\nNAME = "x"'


@pytest.fixture
def call(tmp_path, monkeypatch):
    """Return a function that runs the command line in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return lambda *words: CliRunner().invoke(cli.app, [str(word) for word in words])


@pytest.mark.notebook
def test_run_prints_the_claims_and_repeats_only_when_forced(call, write_notebook, tmp_path):
    write_notebook("lesson.ipynb", (CELL, "parameters"), ("print('N is', N, NAME)", "claim"))
    first = call("run", "lesson.ipynb", "-p", "N", "-7", "-p", "NAME", "0012")
    assert first.exit_code == 0, first.output
    said, state = first.output.splitlines()
    assert said == "N is -7 0012"
    assert state.startswith("lesson.ipynb: done, ")
    folder = next(p for p in (tmp_path / "runs").iterdir() if p.name != ".locks")
    assert state.endswith(f"runs/{folder.name}/output.ipynb")
    again = call("run", "lesson.ipynb", "-p", "N", "-7", "--parameter", "NAME", "0012")
    assert again.output.splitlines()[0] == said
    assert "was done before" in again.output
    quiet = call("run", "lesson.ipynb", "-p", "N", "-7", "-p", "NAME", "0012", "-q", "--force")
    assert said not in quiet.output
    assert (tmp_path / "runs" / f"{folder.name}.old-1" / "run.json").exists()
    assert (folder / "run.json").exists()


@pytest.mark.notebook
def test_a_failing_notebook_exits_1_and_is_not_done(call, write_notebook, tmp_path):
    write_notebook("sick.ipynb", "x = 1", "1 / 0")
    answer = call("run", "sick.ipynb")
    assert answer.exit_code == 1
    assert "error: sick.ipynb: code cell 2, line 1 failed: ZeroDivisionError" in answer.stderr
    assert "Traceback" not in answer.output
    assert not list((tmp_path / "runs").glob("*/run.json"))
    assert len(list((tmp_path / "runs").glob("*/error.json"))) == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["absent.ipynb"], "absent.ipynb: no such notebook; shipped: "),
        (["lesson.ipynb", "-p", "M", "1"], "no parameter 'M'; it has: N, NAME"),
        (["lesson.ipynb", "-p", "n", "1"], "did you mean N?"),
        (["lesson.ipynb", "-p", "N", "many"], "parameter N: expected int, got 'many'"),
        (["lesson.ipynb", "-p", "N", "1", "-p", "N", "2"], "-p N is given twice: '1' and '2'"),
        (["lesson.ipynb", "-p", "N=1\nprint('X')\nx", "1"], "no parameter"),
        (["lesson.ipynb", "-p", "N"], "-p takes two words, NAME and VALUE"),
        (["lesson.ipynb", "--parameter=N"], "-p takes two words: -p NAME VALUE"),
        (["lesson.ipynb", "-p3"], "-p takes two words: -p NAME VALUE"),
        (["lesson.ipynb", "--nonsense"], "--nonsense"),
        (["notes.txt"], "notes.txt: not a notebook"),
        ([], "notebook"),
    ],
)
def test_a_wrong_command_exits_2_and_writes_nothing(call, write_notebook, tmp_path, words, said):
    write_notebook("lesson.ipynb", (CELL, "parameters"))
    (tmp_path / "notes.txt").write_text("no notebook")
    answer = call("run", *words)
    assert answer.exit_code == 2, answer.output
    assert said in answer.stderr
    assert "Traceback" not in answer.output
    assert not (tmp_path / "runs").exists()


def test_run_lists_parameters(call, write_notebook, tmp_path):
    write_notebook("lesson.ipynb", (CELL, "parameters"))
    answer = call("run", "lesson.ipynb", "--parameters")
    assert answer.exit_code == 0
    assert [line.split() for line in answer.output.splitlines()] == [
        ["parameter", "type", "default", "meaning"],
        ["N", "int", "3", "how", "many"],
        ["NAME", "str", "'x'"],
    ]
    assert not (tmp_path / "runs").exists()


def test_a_place_that_cannot_be_written_is_an_error_not_a_traceback(call, write_notebook, tmp_path):
    write_notebook("lesson.ipynb", (CELL, "parameters"))
    (tmp_path / "runs").write_text("a file where the folder should be")
    answer = call("run", "lesson.ipynb")
    assert answer.exit_code == 1
    assert "error: " in answer.stderr and "runs" in answer.stderr


def test_tidy_check_and_tidy(call, write_notebook):
    path = write_notebook("lesson.ipynb", "x = 1  ")
    looked = call("tidy", "--check", path.parent)
    assert looked.exit_code == 1
    assert f"{path}: not tidy; run textgan-lab tidy {path}" in looked.output
    assert call("tidy", path).exit_code == 0
    clean = call("tidy", "--check", path)
    assert (clean.exit_code, clean.output) == (0, "")


def test_tidy_of_no_notebook_exits_2(call, tmp_path):
    (tmp_path / "broken.ipynb").write_text("{")
    answer = call("tidy", "broken.ipynb")
    assert answer.exit_code == 2
    assert "error: broken.ipynb: not a notebook" in answer.stderr


@pytest.mark.notebook
def test_suite_exits_1_and_names_notebook_and_cell(call, write_notebook, tmp_path):
    write_notebook("sick.ipynb", "1 / 0")
    answer = call("suite", tmp_path)
    assert answer.exit_code == 1
    assert "sick.ipynb: code cell 1, line 1 failed: ZeroDivisionError" in answer.output
    assert "1 notebook, failed: sick; see reports/index.html" in answer.output
    assert "--fast" not in (tmp_path / "reports" / "index.html").read_text(encoding="utf-8")


@pytest.mark.notebook
def test_a_fast_suite_says_so(call, write_notebook, tmp_path):
    smoke = {"smoke": {"N": 1}}
    write_notebook("a.ipynb", (CELL, "parameters"), ("print(N)", "claim"), textgan_lab=smoke)
    answer = call("suite", tmp_path, "--fast")
    assert answer.exit_code == 0, answer.output
    said = "1 notebook with smoke parameters, none failed; see reports/index.html"
    assert answer.output.splitlines()[-1] == said
    index = (tmp_path / "reports" / "index.html").read_text(encoding="utf-8")
    assert "Run with --fast" in index and "<pre>1</pre>" in index


def test_suite_of_an_empty_folder_exits_2(call, tmp_path):
    answer = call("suite", tmp_path)
    assert answer.exit_code == 2
    assert f"{tmp_path}: no notebooks (*.ipynb) there" in answer.stderr


@pytest.fixture
def alive_and_dead(tmp_path):
    """Write the telemetry of a run whose generator gets no gradient, and of one that does."""
    for name, norm in (("dead", 0.0), ("alive", 1.0)):
        telemetry = Telemetry()
        row = {"phase": "adversarial", "g_grad_norm": norm, "d_accuracy": 0.6}
        telemetry.rows += [{"step": t, **row} for t in range(301)]
        telemetry.save(tmp_path / name)


def test_diagnose_reads_saved_runs_in_order(call, alive_and_dead):
    answer = call("diagnose", "dead", "alive", "--full")
    assert answer.exit_code == 0, answer.output
    dead, alive = answer.output.split("\nalive\n")
    assert dead.startswith("dead\n") and "issue  blocked-gradient, since step" in dead
    assert alive.startswith("At step 299: healthy\n")
    assert call("diagnose", "alive").output == f"alive\n{alive}"  # one: the whole report
    absent = call("diagnose", "alive", "nowhere")
    assert absent.exit_code == 2
    said = "error: nowhere: no telemetry.jsonl there, nor in a folder in it; is it a run's folder?"
    assert said in absent.stderr


def test_diagnose_says_a_line_on_each_of_many(call, alive_and_dead, tmp_path):
    answer = call("diagnose", "dead", "alive")
    assert answer.exit_code == 0, answer.output
    dead, alive, counts = answer.output.splitlines()
    assert re.fullmatch(r"dead   blocked-gradient since \d+", dead)
    assert (alive, counts) == ("alive  healthy", "2 runs: blocked-gradient 1, healthy 1")
    # of a folder of runs, with what differs between them
    one = write_run(tmp_path / "runs", {"LR": 0.1, "SEED": 0})
    two = write_run(tmp_path / "runs", {"LR": 0.25, "SEED": 0})
    bare = write_run(tmp_path / "runs", {"LR": 1.0, "SEED": 0}, state="unfinished")
    for name, folder in (("dead", one), ("alive", two)):
        (tmp_path / name / "telemetry.jsonl").rename(folder / "telemetry.jsonl")
    shutil.copytree(one, one.with_name(f"{one.name}.old-1"))
    lines = call("diagnose", "runs").output.splitlines()
    assert lines[-1] == "2 runs: blocked-gradient 1, healthy 1; 1 run without telemetry"
    assert sorted(line.split(" since ")[0] for line in lines[:-1]) == sorted(
        [f"{one.name[:8]}  LR=0.1   blocked-gradient", f"{two.name[:8]}  LR=0.25  healthy"]
    )
    assert call("diagnose", "runs", "--full").output.count("At step 299") == 2
    assert call("diagnose", one.name[:6]).output.startswith(
        f"runs/{one.name}\nAt step 299: 1 issue"
    )
    with (two / "telemetry.jsonl").open("r+") as file:
        file.write("?")
    damaged = call("diagnose", "runs")
    assert damaged.exit_code == 0 and "unreadable 1; 1 run without" in damaged.output
    assert f"unreadable: runs/{two.name}: telemetry.jsonl, line 1: not JSON" in damaged.output
    for words, said in [([bare.name[:6]], "no telemetry.jsonl"), (["abcdef00"], "no run abcdef00")]:
        answer = call("diagnose", *words)
        assert answer.exit_code == 2 and said in answer.stderr


@pytest.fixture
def three_runs(tmp_path):
    """Return the folders of two runs that are done and one that failed, in runs/."""
    root = tmp_path / "runs"
    return [
        write_run(root, {"LR": 0.1, "SEED": 0}, metrics={"js": 0.5, "d_loss.real": 1.0}, steps=9,
                  findings=["healthy"], finished=FINISHED + 1),
        write_run(root, {"LR": 0.2, "SEED": 0}, metrics={"js": math.nan, "d_loss.real": 2.0},
                  findings=["divergence"], finished=FINISHED),
        write_run(root, {"LR": 0.3, "SEED": 0}, state="failed", cell=2, error="E", message="m"),
    ]  # fmt: skip


def listed(answer):
    assert answer.exit_code == 0, answer.output
    head, *rows, count = answer.output.splitlines()
    return head.split(), [row.split() for row in rows], count


def test_runs_lists_what_differs(call, three_runs):
    one, two, broken = (folder.name[:8] for folder in three_runs)
    head, rows, count = listed(call("runs"))
    assert head == ["run", "state", "LR", "findings", "error", "js"]
    assert rows == [
        [two, "done", "0.2", "divergence", "NaN"],
        [one, "done", "0.1", "healthy", "0.5"],
        [broken, "failed", "0.3", "code", "cell", "2:", "E:", "m"],
    ]
    assert count == "3 runs: 2 done, 1 failed"
    assert listed(call("runs", "runs", "--sort", "LR"))[1][0][0] == one
    assert [row[0] for row in listed(call("runs", "--sort", "LR", "--descending"))[1]] == [
        broken, two, one
    ]  # fmt: skip
    assert listed(call("runs", "--state", "failed"))[2] == "1 of 3 runs: 1 failed"
    where = "js < 1 and 'healthy' in findings and d_loss.real == 1"
    assert [row[0] for row in listed(call("runs", "--where", where))[1]] == [one]
    chosen = listed(call("runs", "--columns", "d_loss.real,steps"))
    assert chosen[:2] == (
        ["run", "d_loss.real", "steps"], [[two, "2.0"], [one, "1.0", "9"], [broken]]
    )  # fmt: skip
    assert call("runs", "--where", "LR > 9").output == "0 of 3 runs\n"
    assert call("runs", "--notebook", "other").output == "0 runs\n"


def test_runs_compares(call, three_runs):
    one, two, _ = (folder.name for folder in three_runs)
    answer = call("runs", "runs", "--compare", one[:5], two)
    assert answer.exit_code == 0, answer.output
    assert [line.split() for line in answer.output.splitlines()] == [
        ["what", one, two], ["steps", "9", "-"], ["findings", "['healthy']", "['divergence']"],
        ["LR", "0.1", "0.2"], ["d_loss.real", "1.0", "2.0"], ["js", "0.5", "NaN"],
    ]  # fmt: skip
    assert call("runs", "--compare", one, two, "--sort", "LR").exit_code == 0
    same = call("runs", f"--compare={one},{two}", "runs")
    assert same.output == answer.output


def test_runs_exports(call, three_runs, tmp_path):
    answer = call("runs", "--state", "done", "--export", "out/runs.parquet", "--columns", "LR,js")
    assert answer.exit_code == 0, answer.output
    assert answer.output == "2 of 3 runs: 2 done; written: out/runs.parquet\n"
    assert pandas.read_parquet(tmp_path / "out" / "runs.parquet")["LR"].to_list() == [0.2, 0.1]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nowhere"], "nowhere: no such folder of runs"),
        (["--where", "lr > 1"], "no column 'lr'; did you mean LR?"),
        (["--where", "LR >"], "'LR >', column "),
        (["--sort", "zebra"], "no column 'zebra'; columns: state"),
        (["--columns", "LR,zebra"], "no column 'zebra'"),
        (["--state", "well"], "--state well: expected one of done, failed, unfinished, unreadable"),
        (["--compare", "../x", "abcd"], "'../x' is no key of a run"),
        (["--compare", "0000", "1111"], "runs: no run 0000"),
        (["--compare"], "--compare"),
        (["--export", "runs.xlsx"], "runs.xlsx: expected a name that ends in .parquet"),
    ],
)
def test_a_question_about_runs_without_an_answer_exits_2(call, three_runs, tmp_path, words, said):
    before = sorted(tmp_path.rglob("*"))
    answer = call("runs", *words)
    assert answer.exit_code == 2, answer.output
    assert said in answer.stderr and "Traceback" not in answer.output
    assert sorted(tmp_path.rglob("*")) == before


def test_a_listing_is_light_and_a_reader_that_has_seen_enough_is_no_error(three_runs, tmp_path):
    light = "import sys; sys.modules |= {'torch': None, 'nbformat': None, 'matplotlib': None}; "
    command = [sys.executable, "-c", light + "from textgan_lab.cli import main; main()", "runs"]
    answer = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert (answer.returncode, answer.stderr) == (0, "")
    assert answer.stdout.endswith("3 runs: 2 done, 1 failed\n")
    command += ["--state", "unfinished"]  # says it in one line, not in a table
    listing = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True)  # fmt: skip
    listing.stdout.close()  # as `| head` does
    with listing:
        assert listing.stderr.read() == ""


def test_list_walks_every_catalogue_of_the_package(call):
    import textgan_lab

    answer = call("list")
    assert answer.exit_code == 0
    for loss in textgan_lab.LOSSES:
        assert f"\n{loss} " in answer.output
    for corpus in textgan_lab.CORPORA:
        assert f"\n{corpus} " in answer.output


@pytest.mark.parametrize("kind", ["losses", "loss", "LOSSES"])
def test_list_of_one_kind(call, kind):
    import textgan_lab

    lines = call("list", kind).output.splitlines()
    assert lines[0].split()[0] == "losses"
    names = {line.split()[0] for line in lines[1:] if not line.startswith(" ")}
    assert names == set(textgan_lab.LOSSES)


def test_list_of_an_unknown_kind_exits_2(call):
    answer = call("list", "sauces")
    assert answer.exit_code == 2
    assert "unknown kind 'sauces'; known: " in answer.stderr
    assert "losses" in answer.stderr


def test_doctor_names_what_is_there_and_what_is_missing(call, tmp_path, monkeypatch):
    monkeypatch.setenv("TEXTGAN_LAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(
        cli.metadata,
        "requires",
        lambda name: ["typer>=0.12", "no-such-package>=2", "rich>=9999", 'x; extra == "test"'],
    )
    answer = call("doctor")
    found = {" ".join(line.split()) for line in answer.output.splitlines()}
    assert f"ok typer {cli.metadata.version('typer')}" in found
    assert "PROBLEM no-such-package missing; needs no-such-package>=2" in found
    assert f"PROBLEM rich {cli.metadata.version('rich')}; needs rich>=9999" in found
    assert f"ok cache {tmp_path / 'cache'}, writable" in found
    assert any(line.startswith("ok accelerator ") for line in found)
    assert not any(line.startswith(("ok x ", "PROBLEM x ")) for line in found)
    assert answer.exit_code == 1


def test_doctor_reports_a_cache_that_cannot_be_written(call, tmp_path, monkeypatch):
    (tmp_path / "cache").write_text("a file where the folder should be")
    monkeypatch.setenv("TEXTGAN_LAB_CACHE", str(tmp_path / "cache"))
    answer = call("doctor")
    assert answer.exit_code == 1
    assert "set TEXTGAN_LAB_CACHE" in answer.output


def test_the_entry_point_starts_and_says_its_version():
    command = [sys.executable, "-m", "textgan_lab.cli"]
    answer = subprocess.run([*command, "--version"], capture_output=True, text=True)
    assert (answer.returncode, answer.stdout.split()[0]) == (0, "textgan-lab")
    wrong = subprocess.run([*command, "nonsense"], capture_output=True, text=True)
    assert (wrong.returncode, "Traceback" in wrong.stderr) == (2, False)


def test_a_pair_travels_whole():
    # a name with "=" or a value that looks like an option must not change its meaning
    command = cli._Pairs("run", params=[], callback=None)
    seen = []
    command.make_parser = None  # the words are looked at before any parser
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cli.TyperCommand, "parse_args", lambda self, ctx, args: seen.extend(args))
        command.parse_args(None, ["a.ipynb", "-p", "N", "--force", "-q", "--", "-p", "x"])
    assert seen[:2] == ["a.ipynb", "-p"]
    assert json.loads(seen[2]) == ["N", "--force"]
    assert seen[3:] == ["-q", "--", "-p", "x"]
