"""Run folders as runs leave them, made up: for tests of what reads many."""

import json
from pathlib import Path

from textgan_lab.batch.records import key as key_of

FINISHED = 1_795_000_000.0  # 18 November 2026, 11:06:40 UTC


def write_run(root, parameters, *, state="done", notebook="09_one_run.ipynb", rows=(), **said):
    """Write the files of one run, as a run in this state has them; return its folder.

    ``said`` may hold steps, metrics, findings, result, seconds, finished, and, of a failed run,
    cell, line, error, message; ``rows`` are its telemetry.
    """
    identity = {"parameters": parameters, "code": said.pop("code", "c0de"), "files": {},
                "library": "11b", "torch": "2.13.0", "device": "cpu"}  # fmt: skip
    key = key_of({**identity, "notebook": notebook})
    folder = Path(root) / key
    folder.mkdir(parents=True)
    write(folder / "params.json", identity)
    if rows:
        lines = "".join(json.dumps({"phase": "adversarial", **row}) + "\n" for row in rows)
        (folder / "telemetry.jsonl").write_text(lines)
    if state == "failed":
        failure = {
            name: said[name] for name in ("cell", "line", "error", "message") if name in said
        }
        write(folder / "error.json", {"notebook": notebook, "source": "1 / 0", **failure})
    if state == "done":
        end = {"finished": FINISHED, "seconds": 2.0, "claims": [], "python": "3.11.7",
               "platform": "Linux"}  # fmt: skip
        write(folder / "run.json", {**identity, "key": key, "notebook": notebook, **end, **said})
        (folder / "output.ipynb").write_text(json.dumps(
            {"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))  # fmt: skip
    return folder


def write(path, content):
    path.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", encoding="utf-8")
