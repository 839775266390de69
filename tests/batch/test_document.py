"""Notebooks as documents: read with clear errors, kept in git as sources and claims."""

import json
import subprocess
import sys

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from textgan_lab.batch import NotebookError, find, read, tidy


def stream(text, name="stdout"):
    return new_output("stream", name=name, text=text)


@pytest.fixture
def untidy(tmp_path):
    """A notebook as JupyterLab leaves it after a run."""
    cells = [
        new_markdown_cell("# Title  \nsecond line  \n\n", id="random-1"),
        new_code_cell("N = 3   \n", metadata={"tags": ["parameters"], "collapsed": True}),
        new_code_cell("plot()", execution_count=2, outputs=[stream("noise")]),
        new_code_cell(
            "verdict()",
            execution_count=7,
            metadata={"tags": ["claim"], "scrolled": True},
            outputs=[
                stream("collapsed: yes\n"),
                stream("careful\n", "stderr"),
                stream("healed: yes\n"),
                new_output("execute_result", data={"text/plain": "3"}, execution_count=7),
            ],
        ),
        new_code_cell("silent()", execution_count=8, metadata={"tags": ["claim"]}),
    ]
    metadata = {"widgets": {"state": {}}, "textgan_lab": {"smoke": {"N": 1}}}
    path = tmp_path / "lesson.ipynb"
    nbformat.write(new_notebook(cells=cells, metadata=metadata), path)
    return path


def test_tidy_keeps_sources_tags_and_claims_alone(untidy):
    assert tidy(untidy) is False
    left = json.loads(untidy.read_text(encoding="utf-8"))
    nbformat.validate(left)
    assert left["metadata"] == {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "textgan_lab": {"smoke": {"N": 1}},
    }
    title, first, plot, verdict, silent = left["cells"]
    assert [cell["id"] for cell in left["cells"]] == [f"cell-0{n}" for n in range(5)]
    assert title["source"] == ["# Title  \n", "second line"]  # two blanks break a line
    assert (first["source"], first["metadata"]) == (["N = 3"], {"tags": ["parameters"]})
    assert (plot["outputs"], plot["execution_count"], plot["metadata"]) == ([], None, {})
    assert verdict["outputs"] == [
        {
            "name": "stdout",
            "output_type": "stream",
            "text": ["collapsed: yes\n", "healed: yes\n"],
        }
    ]
    assert verdict["execution_count"] == 3  # the third code cell, however often it ran
    assert (silent["outputs"], silent["execution_count"]) == ([], None)


def test_tidy_changes_nothing_twice(untidy):
    tidy(untidy)
    content = untidy.read_bytes()
    assert tidy(untidy) is True
    assert untidy.read_bytes() == content
    assert content.endswith(b"}\n")


def test_check_only_looks(untidy):
    content = untidy.read_bytes()
    assert tidy(untidy, check=True) is False
    assert untidy.read_bytes() == content
    tidy(untidy)
    assert tidy(untidy, check=True) is True


def test_tidy_keeps_blanks_inside_a_string(write_notebook):
    path = write_notebook("s.ipynb", 'x = """a  \nb"""', "y = 1  \n\n", "%time z = 1  ")
    tidy(path)
    assert [c.source for c in read(path).cells] == ['x = """a  \nb"""', "y = 1", "%time z = 1"]


def test_a_notebook_without_cell_ids_is_read(tmp_path):
    notebook = new_notebook(cells=[new_code_cell("x = 1")])
    del notebook.cells[0]["id"]
    notebook.nbformat_minor = 4
    path = tmp_path / "old.ipynb"
    path.write_text(json.dumps(notebook), encoding="utf-8")
    assert read(path).cells[0].id == "cell-00"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "not a notebook"),
        (b"[1, 2]", "not a notebook"),
        (b"\xff\xfe", "not a notebook"),
        (b'{"nbformat": 3, "nbformat_minor": 0, "worksheets": [], "metadata": {}}', "format 3"),
        (b'{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [{}]}', "not a"),
        (b'{"nbformat": 4, "nbformat_minor": 5, "metadata": {}}', "not a"),
    ],
)
def test_what_is_no_notebook_is_named(tmp_path, content, said):
    path = tmp_path / "broken.ipynb"
    path.write_bytes(content)
    with pytest.raises(NotebookError, match=f"broken.ipynb: .*{said}"):
        read(path)


def test_a_missing_notebook_or_a_folder_is_named(tmp_path):
    with pytest.raises(NotebookError, match="absent: no such notebook; shipped: "):
        find("absent")
    with pytest.raises(NotebookError, match="cannot be read"):
        read(tmp_path)


def test_a_shipped_notebook_is_found_by_name(tmp_path, monkeypatch, write_notebook):
    path = write_notebook("00_tour.ipynb", "x = 1")
    monkeypatch.setattr("textgan_lab.batch.document.folder", lambda: tmp_path)
    assert find("00_tour") == find("00_tour.ipynb") == path


@pytest.mark.slow
@pytest.mark.notebook
@pytest.mark.parametrize(("claim", "status"), [("mode collapse: yes", 0), ("something else", 1)])
def test_nbval_compares_exactly_the_claims(tmp_path, claim, status):
    cells = [
        new_code_cell("import random\nprint(random.random())", outputs=[stream("0.5\n")]),
        new_code_cell(
            "print('mode collapse:', end=' ')\nprint('yes')",
            metadata={"tags": ["claim"]},
            outputs=[stream(claim + "\n")],
        ),
    ]
    path = tmp_path / "lesson.ipynb"
    nbformat.write(new_notebook(cells=cells), path)
    tidy(path)
    command = [sys.executable, "-m", "pytest", "--nbval", "--nbval-current-env", "-q", str(path)]
    answer = subprocess.run(
        [*command, "--rootdir", str(tmp_path), "-c", "/dev/null"],
        capture_output=True, text=True, cwd=tmp_path,
    )  # fmt: skip
    assert answer.returncode == status, answer.stdout
