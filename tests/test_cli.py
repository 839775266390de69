"""The command line: what it prints, and an exit status that scripts can trust."""

import json
import subprocess
import sys

import pytest
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
    assert "error: sick.ipynb: code cell 2 failed: ZeroDivisionError" in answer.stderr
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
    assert "sick.ipynb: code cell 1 failed: ZeroDivisionError" in answer.output
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


def test_diagnose_reads_saved_runs_in_order(call, tmp_path):
    for name, norm in (("dead", 0.0), ("alive", 1.0)):
        telemetry = Telemetry()
        rows = [{"step": t, "phase": "adversarial", "g_grad_norm": norm} for t in range(301)]
        telemetry.rows += rows
        telemetry.save(tmp_path / name)
    answer = call("diagnose", "dead", "alive")
    assert answer.exit_code == 0, answer.output
    dead, alive = answer.output.split("\nalive\n")
    assert dead.startswith("dead\n") and "issue  blocked-gradient, since step" in dead
    assert alive.startswith("At step 299: healthy\n")
    absent = call("diagnose", "alive", "nowhere")
    assert absent.exit_code == 2
    assert "error: nowhere: no telemetry.jsonl there; is it a run's folder?" in absent.stderr


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
