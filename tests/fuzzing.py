"""Hostile input for everything that reads what a user wrote: it works, or says why it does not.

A `Target` is one reader: what to feed it, and a use that returns whether the input was taken. Any
other exception than the documented ones is a failure; so are a message that reads like a crash, and
a file opened for writing, a folder made or a thing moved outside the root of the attack.
"""

import contextlib
import functools
import json
import os
import platform
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import nbformat
import numpy as np
from distributed.comm import get_address_host_port
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from many_runs import write_run

from textgan_lab import cli
from textgan_lab.batch import NotebookError, ParameterError, find, resolve
from textgan_lab.batch.cluster import Cluster
from textgan_lab.batch.expressions import Expression, ExpressionError
from textgan_lab.batch.grid import Grid, GridError, read_grid
from textgan_lab.batch.notebooks import Page
from textgan_lab.batch.parameters import parameters
from textgan_lab.batch.reading import UnknownRun, record_of
from textgan_lab.batch.reading import find as find_run
from textgan_lab.batch.runs import UnknownColumn, check_columns, frame_of, ordered, runs, where
from textgan_lab.batch.tables import overview
from textgan_lab.data import Grammar, load_corpus
from textgan_lab.data.sources import CorpusError, read_lines
from textgan_lab.diagnostics import diagnose
from textgan_lab.telemetry import Telemetry

CELL = """\
STEPS: int = 400
LOSS: str = "saturating"
D_LR: float = 1e-4
BETAS = [0.5, 0.9]
OPTIONS = {"weight": 1.0}
LIVE: bool = False
SEED: int = 0
"""
NAMES = ("STEPS", "LOSS", "D_LR", "BETAS", "OPTIONS", "LIVE", "SEED")

# ---- what to feed -------------------------------------------------------------------------------

HOSTILE = (
    "\t", "\0", "\ufeff", "\u2028", "\x85", "\x1b[31m", "\ud800", "💥", "'", '"', "\\", "`", "#",
    "&a ", "*a", "&a [*a]", "!!python/object/apply:os.system ['touch pwned']", "!!str ", "! ",
    "[", "]", "{", "}", ":", ": ", "- ", "? ", "| ", ">\n", "---\n", "...\n", "%YAML 1.1\n", "<<: ",
    "=", ",", "~", "null", "no", "true", ".nan", "-.inf", "1e999", "1e-3", "0012", "0x1F", "1_000",
    "1:30", "2026-01-01", "9" * 400, "9" * 5000, "[" * 60, "{a: " * 60, "(" * 300, '"\\UFFFFFFFF"',
    '"\\uD800"', "../../../etc/passwd", "/dev/null", "~no-such-user/x", "a" * 5000, "{0.__class__}",
    "%s%n", "$(touch pwned)", "__import__('os')", "CON", " ", "\r", "1/0", "1/3", "-1", "0.5",
)  # fmt: skip

scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.integers(-5, 5), st.floats(), st.floats(0, 1),
    st.text(max_size=12), st.sampled_from(HOSTILE), st.just(10**4000), st.just(-(10**4000)),
    st.binary(max_size=4), st.builds(np.float32, st.floats(-9, 9)), st.builds(np.int64),
    st.builds(complex), st.builds(object), st.just(np.nan), st.dates(),
)  # fmt: skip
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.tuples(inner, inner),
        st.dictionaries(st.one_of(st.text(max_size=4), st.integers()), inner, max_size=3),
        st.sets(st.integers(), max_size=2),
    ),
    max_leaves=6,
)
plausible = {
    "STEPS": st.one_of(st.integers(0, 9), st.just("12")),
    "LOSS": st.one_of(st.sampled_from(["hinge", "0012", "", "true"]), st.sampled_from(HOSTILE)),
    "D_LR": st.one_of(st.floats(1e-6, 1), st.just("1e-3")),
    "BETAS": st.lists(st.floats(0, 1), max_size=2),
    "OPTIONS": st.dictionaries(st.sampled_from(["weight", "b"]), st.floats(0, 1), max_size=2),
    "LIVE": st.sampled_from([True, False, "true"]),
    "SEED": st.integers(0, 3),
}


@st.composite
def given_values(draw) -> dict[Any, Any]:
    """Draw what a user may pass for parameters: mostly sensible, some of it anything at all."""
    said: dict[Any, Any] = {}
    for _ in range(draw(st.integers(0, 4))):
        name = draw(st.sampled_from(NAMES))
        said[name] = draw(st.one_of(plausible[name], plausible[name], values))
    if draw(st.integers(0, 9)) == 0:
        said[draw(st.one_of(st.text(), st.sampled_from(HOSTILE), st.integers()))] = draw(values)
    return said


@st.composite
def damaged(draw, pages: st.SearchStrategy[str]) -> bytes:
    """Draw a page with up to three spots overwritten, or bytes that never were one."""
    kind = draw(st.integers(0, 9))
    if kind == 0:
        return draw(st.binary(max_size=300))
    if kind == 1:
        return draw(st.text(max_size=100)).encode("utf-8", "surrogatepass")
    text = draw(pages)
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(text)))
        cut = draw(st.sampled_from([0, 0, 1, 3, 30]))
        put = draw(st.one_of(st.sampled_from(HOSTILE), st.sampled_from(text.split() or [""])))
        text = text[:at] + put + text[at + cut :]
    content = text.encode("utf-8", "surrogatepass")
    if draw(st.integers(0, 9)) == 0:
        at = draw(st.integers(0, len(content)))
        content = content[:at] + draw(st.binary(min_size=1, max_size=3)) + content[at:]
    return content


axes = st.fixed_dictionaries(
    {}, optional={name: st.lists(plausible[name], min_size=1, max_size=3) for name in NAMES}
)
laws = st.fixed_dictionaries(
    {
        "samples": st.integers(1, 4),
        "parameters": st.sampled_from([
            {"D_LR": {"log_uniform": [1e-5, 1e-2]}}, {"D_LR": {"uniform": [0, 1]}},
            {"STEPS": {"integers": [1, 9]}}, {"LOSS": {"choice": ["a", "b"]}},
        ]),
    },
    optional={"seed": st.integers(0, 3)},
)  # fmt: skip
conditions = st.sampled_from(
    ["D_LR >= 0", "STEPS % 2 == 0 or LOSS in ['hinge']", "SEED < 3", "not LIVE", "1 / STEPS < 1"]
)


@st.composite
def grid_files(draw) -> str:
    """Draw a grid file that is right but for parameters that may be given twice."""
    said: dict[str, Any] = {"notebook": "lesson.ipynb"}
    for key, part in (
        ("parameters", st.fixed_dictionaries({}, optional=plausible)),
        ("grid", axes.filter(len)),
        ("points", st.lists(st.fixed_dictionaries({}, optional=plausible), min_size=1, max_size=2)),
        ("random", laws),
        ("seeds", st.one_of(st.integers(1, 3), st.lists(st.integers(0, 9), min_size=1))),
        ("constraints", st.lists(conditions, max_size=2)),
    ):
        if draw(st.integers(0, 2)) == 0:
            said[key] = draw(part)
    if draw(st.booleans()):  # JSON is YAML
        return json.dumps(said)
    return "".join(f"{key}: {json.dumps(value)}\n" for key, value in said.items())


corpora = st.lists(
    st.text("abcdefghij .,é", min_size=3, max_size=40), min_size=100, max_size=140
).map("\n".join)
sentences = st.integers(0, 2**32 - 1).map(
    lambda seed: "\n".join(
        " ".join(f"w{word}" for word in row)
        for row in np.random.default_rng(seed).integers(0, 30, (150, 5))
    )
)
DATA = Path(__file__).parents[1] / "data"
grammars = st.sampled_from([
    (DATA / "mini.yaml").read_text(encoding="utf-8"),
    "{templates: PET V, modes: {a: {PET: [cat, dog], V: sits}}}",
    "length: 6\nunit: word\ntemplates:\n  A B: 1/2\n  B A: 0.5\nslots:\n  A: {a: 0.5, the: 1/2}\n"
    "modes:\n  farm: {B: [cow, old horse]}\n  city: {B: {tram: 0.9, car: 0.1}}\n",
])  # fmt: skip
RUNS = [f"{number:02x}" * 8 for number in range(256)]
strange = st.one_of(
    st.sampled_from(HOSTILE), st.text(max_size=30),
    st.builds("/".join, st.lists(st.sampled_from([*HOSTILE, "..", "runs"]), max_size=4)),
)  # fmt: skip
page_names = st.one_of(
    strange,
    st.sampled_from(["lesson", "00_tour", "07_systems.ipynb", ".", "..", "", "runs"]),
    st.integers(0, 200).map(lambda n: "./" * n + "lesson.ipynb"),
)
run_names = st.one_of(
    strange,
    st.text("0123456789abcdefABC", max_size=18),
    st.builds(lambda key, n: key[:n], st.sampled_from(RUNS), st.integers(0, 16)),
)
pieces = st.sampled_from(
    ["STEPS", "LOSS", "D_LR", "'hinge'", "1e-3", "2", "9", "**", "*", "/", "%", "+", "-", "<", ">=",
     "==", "and", "or", "not", "in", "[", "]", "(", ")", ",", "log", "exp", "max", ".", "None",
     "True", "lambda", ":", "if", "is", "=", "__class__", *HOSTILE]
)  # fmt: skip
numbers = st.recursive(
    st.sampled_from(["STEPS", "D_LR", "2", "0.5", "(-1)", "9"]),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["+", "-", "*", "/", "%", "**"]), inner).map(" ".join),
        st.builds("{}({})".format, st.sampled_from(["log", "exp", "abs", "sqrt"]), inner),
        st.builds("max({}, ({}))".format, inner, inner),
    ),
    max_leaves=5,
)
conditions_made = st.one_of(
    st.builds("{} {} {}".format, numbers, st.sampled_from(["<", "!=", ">="]), numbers),
    st.builds("not ({} < 3 or LOSS in ['a', 'hinge'])".format, numbers),
)
expressions = st.one_of(
    st.text(max_size=40), st.lists(pieces, max_size=12).map(" ".join), numbers, conditions_made
)
SETTING = {"STEPS": 400, "LOSS": "hinge", "D_LR": 1e-3, "OPTIONS": {"weight": 1.0}}
COLUMNS = ("STEPS", "LOSS", "D_LR", "OPTIONS", "js", "state", "notebook", "findings", "finished",
           "seconds", "error", "not_finite", "note")  # fmt: skip
names_of_columns = st.one_of(
    st.lists(st.sampled_from([*COLUMNS, "d_lr", "Js", "key"]), min_size=1, max_size=4).map(
        ",".join
    ),
    strange,
)
conditions_on_runs = st.one_of(
    st.builds("{} {} {}".format, st.sampled_from(COLUMNS), st.sampled_from(["<", "==", "!=", ">="]),
              st.sampled_from(["0.5", "'hinge'", "True", "None", *COLUMNS])),
    st.builds("'{}' in findings or {}".format, st.sampled_from(COLUMNS), numbers),
    expressions,
)  # fmt: skip
hosts = st.one_of(
    st.sampled_from(["127.0.0.1", "node-7.cluster", "[::1]", "a..b", "a" * 70]), strange
)
words_for_dask = st.tuples(
    st.one_of(
        st.builds("tcp://{}:{}".format, hosts, st.one_of(st.integers(0, 99_999), strange)),
        st.builds("{}://{}:8786".format, st.sampled_from(["tls", "foo", "", "tcp "]), hosts),
        st.builds("tcp://node-7:{}".format, st.integers(1, 65_535)), strange,
    ),
    st.one_of(
        st.sampled_from(["GPU=1", "GPU=0.5", "memory=16"]),
        st.builds("{}={}".format, st.sampled_from(["GPU", "", "a b", "="]),
                  st.sampled_from(["1", "0.5", "2", "0", "-1", "nan", "inf", "1e3", "", "1=2"])),
        strange,
    ),
)  # fmt: skip
entries = st.dictionaries(
    st.one_of(st.sampled_from(COLUMNS), st.text(max_size=5)),
    st.one_of(st.floats(), st.integers(-9, 9), st.none(), st.text(max_size=5), st.lists(st.none())),
    max_size=3,
)
records = st.fixed_dictionaries(
    {"parameters": entries, "notebook": st.just("lesson.ipynb"), "steps": st.integers(0, 9)},
    optional={
        "metrics": entries, "result": entries, "files": entries, "seconds": st.floats(0, 9),
        "finished": st.floats(0, 2e9), "findings": st.lists(st.sampled_from(COLUMNS), max_size=2),
        "claims": st.lists(st.text(max_size=5), max_size=2),
    },
).map(json.dumps)  # fmt: skip
measured = st.dictionaries(
    st.sampled_from(["d_loss", "g_loss", "g_grad_norm", "d_accuracy", "js", "x"]), st.floats(),
    max_size=4,
)  # fmt: skip


def lines(objects: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(one) + "\n" for one in objects)


histories = st.lists(measured, min_size=1, max_size=40).map(
    lambda rows: lines([{"step": t, "phase": "adversarial"} | row for t, row in enumerate(rows)])
)
happened = st.lists(
    st.sampled_from([
        {"event": "start", "step": 0, "spec": {"loss": "hinge"}, "cells": ["a", "b"]},
        {"event": "start", "step": 0, "spec": {}, "floors": {"js": 0.1, "d_accuracy": 0.5}},
        {"event": "turn", "step": 3, "name": "d_lr", "old": 0.1, "new": 1.0, "source": "user"},
        {"event": "divergence", "step": 5, "name": "d_loss"}, {"event": "rewind", "step": 2},
    ]),
    max_size=3,
).map(lines)  # fmt: skip

# ---- what they are fed to -----------------------------------------------------------------------


@dataclass(frozen=True)
class Target:
    """A reader: what it is fed, what it may refuse with, and a use of what it took."""

    cases: st.SearchStrategy[Any]
    refuses: tuple[type[Exception], ...]
    use: Callable[[Any, Path], None]


def read_a_grid(content: bytes, root: Path) -> None:
    (root / "g.yaml").write_bytes(content)
    grid = read_grid(root / "g.yaml")
    assert isinstance(grid, Grid) and grid.points
    for point in grid.points[:20]:
        resolved = resolve(root / "lesson.ipynb", point, parameters(root / "lesson.ipynb"))
        assert {name: resolved[name] for name in point} == point  # already of the right types


@functools.lru_cache(1)
def lesson(root: Path) -> Page:
    return Page(root / "lesson.ipynb")


def give_parameters(said: dict[Any, Any], root: Path) -> None:
    values, run = lesson(root).run(said, root / "runs")
    assert json.loads(json.dumps(values, allow_nan=False)) == values
    run.begin()
    run.commit(notebook="lesson.ipynb")
    assert run.record()["parameters"] == values


def load_a_corpus(content: bytes, root: Path) -> None:
    (root / "corpus.txt").write_bytes(content)
    for line in read_lines(root / "corpus.txt"):
        assert "\n" not in line
    corpus = load_corpus(root / "corpus.txt")
    assert len(corpus.decode(corpus.train)) == len(corpus.train) > 0


def load_a_grammar(content: bytes, root: Path) -> None:
    (root / "grammar.yaml").write_bytes(content)
    grammar = Grammar.load(root / "grammar.yaml", pool=10)
    assert grammar.grammatical(grammar.train).all()


def name_a_notebook(name: str, root: Path) -> None:
    parameters(find(name))


def name_a_run(name: str, root: Path) -> None:
    assert (root / "runs" / find_run(root / "runs", name)).parent == root / "runs"


def evaluate(text: str, root: Path) -> None:
    Expression(text).value({"STEPS": 400, "LOSS": "hinge", "D_LR": float("nan")})


class Refused(Exception):
    """What was read says that, and why, it is no good; nothing was raised, or no own exception."""


@functools.lru_cache(1)
def table(root: Path) -> Any:
    """Return the table of three runs, one of them without an end."""
    folder = root / "told"
    write_run(folder, SETTING, metrics={"js": 0.2}, findings=["oscillation"], result={"note": "a"})
    write_run(folder, SETTING | {"LOSS": None, "STEPS": 9}, metrics={"js": float("nan")})
    write_run(folder, SETTING | {"D_LR": 1}, state="failed", error="ValueError", message="x")
    return runs(folder)


def choose_runs(condition: str, root: Path) -> None:
    assert len(where(table(root), condition)) <= 3


def choose_columns(text: str, root: Path) -> None:
    frame, names = table(root), text.split(",")
    check_columns(frame, names)
    for name in names:
        assert len(ordered(frame, name)) == 3
    overview(frame, 200, names)


def name_a_cluster(words: tuple[str, str], root: Path) -> None:
    address, resource = words
    with mock.patch.object(Cluster, "_connect", return_value=None):
        cli._cluster(address, None, [resource])
    host, port = get_address_host_port(address)
    assert host and 0 <= port <= 99_999


def read_a_record(content: bytes, root: Path) -> None:
    folder = root / "runs" / RUNS[0]
    (folder / "run.json").write_bytes(content)
    record = record_of(folder)
    frame = frame_of([record])
    if record.state == "unreadable":
        raise Refused(record.error)
    overview(frame, 100, None)


def read_telemetry(content: tuple[bytes, bytes], root: Path) -> None:
    for name, part in zip(("telemetry", "events"), content, strict=True):
        (root / f"{name}.jsonl").write_bytes(part)
    try:
        telemetry = Telemetry.load(root)
    except ValueError as error:
        raise Refused(str(error)) from None
    telemetry.frame()
    repr(telemetry), repr(diagnose(telemetry))


TARGETS = {
    "grid files": Target(
        damaged(grid_files()), (GridError, NotebookError), read_a_grid
    ),
    "parameter values": Target(given_values(), (ParameterError,), give_parameters),
    "corpus bytes": Target(
        damaged(st.one_of(corpora, sentences)), (CorpusError,), load_a_corpus
    ),
    "grammar files": Target(damaged(grammars), (CorpusError,), load_a_grammar),
    "names of notebooks": Target(page_names, (NotebookError,), name_a_notebook),
    "names of runs": Target(run_names, (UnknownRun,), name_a_run),
    "expressions": Target(expressions, (ExpressionError,), evaluate),
    "conditions on runs": Target(
        conditions_on_runs, (ExpressionError, UnknownColumn), choose_runs
    ),
    "names of columns": Target(names_of_columns, (UnknownColumn,), choose_columns),
    "words for Dask": Target(words_for_dask, (ParameterError,), name_a_cluster),
    "records of runs": Target(damaged(records), (Refused,), read_a_record),
    "telemetry": Target(
        st.tuples(damaged(histories), damaged(happened)), (Refused,), read_telemetry
    ),
}  # fmt: skip

# ---- the attack ---------------------------------------------------------------------------------

CRASH = ("Traceback", 'File "', "Error(")
_watched: list[tuple[Path, list[str]]] = []  # where writing is allowed, and what was done elsewhere


def _audit(event: str, args: tuple) -> None:
    if not _watched:
        return
    moved = {"os.mkdir": 1, "os.rename": 2, "os.remove": 1, "os.link": 2, "os.symlink": 2}
    if event == "open" and isinstance(args[2], int):
        touched = args[:1] if args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT) else ()
    elif event in ("os.system", "subprocess.Popen", "os.exec", "socket.connect"):
        _watched[-1][1].append(f"{event}: {args[0]!r}")
        return
    else:
        touched = args[: moved.get(event, 0)]
    allowed, outside = _watched[-1]
    for path in touched:
        if isinstance(path, str | bytes | os.PathLike):
            place = Path(os.path.abspath(os.fsdecode(path)))
            if not place.is_relative_to(allowed) and place != Path(os.devnull):
                outside.append(f"{event}: {place}")


sys.addaudithook(_audit)  # for as long as the process lives; idle unless an attack is on


@contextlib.contextmanager
def kept_inside(root: Path) -> Iterator[None]:
    """Fail when something is written, made, moved or started outside ``root`` meanwhile."""
    outside: list[str] = []
    _watched.append((root, outside))
    try:
        yield
    finally:
        _watched.pop()
    assert not outside, outside


def attack(name: str, cases: int, root: Path) -> Counter:
    """Feed ``cases`` inputs to a target; return how many it took and how many it refused."""
    target, outcomes = TARGETS[name], Counter()
    for key in RUNS:
        (root / "runs" / key).mkdir(parents=True)
    cell = nbformat.v4.new_code_cell(CELL, metadata={"tags": ["parameters"]})
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), root / "lesson.ipynb")
    beside = sorted(root.parent.iterdir())
    platform.platform()  # asks the system once, by a process of its own, and remembers

    @settings(
        max_examples=cases, derandomize=True, database=None, deadline=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(target.cases)
    def fed(case):
        try:
            with kept_inside(root):
                target.use(case, root)
        except target.refuses as error:
            message = str(error)
            assert message and not any(word in message for word in CRASH), message
            outcomes["refused"] += 1
        else:
            outcomes["taken"] += 1

    fed()
    assert outcomes.total() >= cases, f"{outcomes.total()} of {cases}: there are no more of these"
    assert sorted(root.parent.iterdir()) == beside
    return outcomes
