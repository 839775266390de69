"""The command line: run notebooks, tidy them, list the parts, look at the machine.

Exit status: 0 all well; 1 a notebook or a check failed; 2 the command itself was wrong.
"""

import json
import os
import platform
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from importlib import metadata
from itertools import takewhile
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text
from typer.core import TyperCommand

app = typer.Typer(
    name="textgan-lab",
    help="Diagnostics for GAN instability, with text GANs as the patient.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # what is not the user's error shows an ordinary traceback
    rich_markup_mode=None,
)


@contextmanager
def _reported(
    advice: str = "the run is not done, the same command starts it again",
) -> Iterator[None]:
    """Turn errors of the user into one message and an exit status, without a traceback.

    ``advice`` is what to tell who stops the command.
    """
    from .batch import Busy, NotebookError, NotebookFailed, ParameterError
    from .batch.runs import UnknownColumn

    try:
        yield
    except (NotebookError, ParameterError, UnknownColumn) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from None
    except (NotebookFailed, Busy) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from None
    except OSError as error:  # no right to write, disk full; it names the file
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        typer.echo(f"stopped; {advice}", err=True)
        raise typer.Exit(130) from None


class _Pairs(TyperCommand):
    """A command whose ``-p`` takes two words, NAME and VALUE, and may be repeated.

    typer has options that repeat and options of two words, but none that does both; so the pair
    travels as one word of JSON.
    """

    def parse_args(self, ctx, args):
        words, joined = iter(args), []
        for word in words:
            joined.append(word)
            if word == "--":
                joined.extend(words)
            elif word in ("-p", "--parameter"):
                pair = [next(words, None), next(words, None)]
                if None in pair:
                    typer.echo(f"error: {word} takes two words, NAME and VALUE", err=True)
                    raise typer.Exit(2)
                joined.append(json.dumps(pair))
        return super().parse_args(ctx, joined)


@app.command(cls=_Pairs)
def run(
    notebook: Annotated[str, typer.Argument(help="A path, or the name of a shipped notebook.")],
    parameter: Annotated[
        list[str],
        typer.Option("--parameter", "-p", metavar="NAME VALUE", help="Set a parameter; repeat it."),
    ] = [],  # noqa: B006  (typer copies it)
    root: Annotated[Path, typer.Option(help="Folder of run folders.")] = Path("runs"),
    force: Annotated[bool, typer.Option("--force", help="Run again although it is done.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Do not print the cells' text.")] = (
        False
    ),
    show: Annotated[
        bool, typer.Option("--parameters", help="List the notebook's parameters and stop.")
    ] = False,
) -> None:
    """Run a notebook headless with parameters; print what its cells print."""
    from .batch import ParameterError, find, run_notebook
    from .batch.parameters import parameters

    with _reported():
        path = find(notebook)
        if show:
            rows = [(p.name, p.kind.__name__, repr(p.default), p.help)
                    for p in parameters(path).values()]  # fmt: skip
            _table(("parameter", "type", "default", "meaning"), rows)
            return
        given: dict[str, str] = {}
        for word in parameter:
            try:
                name, value = json.loads(word)
            except (ValueError, TypeError):  # written in a way `_Pairs` does not join
                raise ParameterError("-p takes two words: -p NAME VALUE") from None
            if name in given:
                raise ParameterError(f"-p {name} is given twice: {given[name]!r} and {value!r}")
            given[name] = value
        result = run_notebook(
            path, given, root=root, force=force, echo=None if quiet else sys.stdout
        )
        state = "done" if result.repeated else "was done before (--force runs it again)"
        typer.echo(f"{path.name}: {state}, {result.seconds:.1f} s, {_short(result.output)}")


def _short(path: Path) -> str:
    """Return a path as a reader here would write it."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


@app.command()
def suite(
    notebooks: Annotated[
        Path | None, typer.Argument(help="Folder of notebooks; the shipped ones by default.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder of the report.")] = Path("reports"),
    root: Annotated[Path, typer.Option(help="Folder of run folders.")] = Path("runs"),
    fast: Annotated[
        bool, typer.Option("--fast", help="Smoke parameters: does it run, not does it teach.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Run again what is done.")] = False,
) -> None:
    """Run every notebook headless; write the pages and a table of them."""
    from . import batch
    from .batch.document import folder
    from .batch.tables import counted

    with _reported():
        outcomes = batch.suite(
            notebooks or folder(), out, runs=root, fast=fast, force=force, echo=sys.stdout
        )
        failed = [outcome.name for outcome in outcomes if outcome.error]
        said = f"failed: {', '.join(failed)}" if failed else "none failed"
        number = counted(len(outcomes), "notebook") + (" with smoke parameters" if fast else "")
        typer.echo(f"{number}, {said}; see {_short(out / 'index.html')}")
        if failed:
            raise typer.Exit(1)


@app.command()
def sweep(
    grid: Annotated[Path, typer.Argument(metavar="GRID.yaml", help="What to vary, and how.")],
    root: Annotated[Path, typer.Option(help="Folder of run folders.")] = Path("runs"),
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="Runs at once; by default one a GPU, or one a core without GPU."),
    ] = None,
    dask: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Dask scheduler to send runs to; local starts one."),
    ] = None,
    resource: Annotated[
        list[str],
        typer.Option(metavar="NAME=N", help="What a Dask worker must have for a run: GPU=1."),
    ] = [],  # noqa: B006  (typer copies it)
    retries: Annotated[
        int, typer.Option(min=0, help="Times to begin again after a worker or kernel died.")
    ] = 2,
    force: Annotated[bool, typer.Option("--force", help="Run again what is done.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check the grid, say what is left to do, and stop.")
    ] = False,
    page: Annotated[
        Path | None, typer.Option(help="The report; by default beside the runs.")
    ] = None,
    metric: Annotated[
        str | None, typer.Option(help="What the report's map shows: a column of `runs`.")
    ] = None,
    pages: Annotated[
        bool, typer.Option("--pages", help="Make an HTML page of every executed notebook too.")
    ] = False,
) -> None:
    """Run a notebook over a grid of parameters, several at once; what is done is not repeated."""
    from .batch.grid import read_grid
    from .batch.sweep import plan
    from .batch.sweep import sweep as carry_out

    rest = "the same command, without --force," if force else "the same command"
    with _reported(f"what is done stays done, {rest} does the rest"):
        checked = read_grid(grid)
        with _cluster(dask, workers, resource) or nullcontext() as engine:
            if dry_run:
                states = [point.state for point in plan(checked, root, engine)]
                done = states.count("found")
                typer.echo(f"{checked!r}: {done} done, {len(states) - done} to do")
                return
            made = carry_out(
                checked, root=root, workers=workers, engine=engine, retries=retries, force=force,
                page=page, metric=metric, pages=pages,
            )  # fmt: skip
        for key in made.failed:
            typer.echo(f"{key}: {made.errors[key]}", err=True)
        typer.echo(f"{made!r}; see {_short(made.page)}")
        if made.failed:
            raise typer.Exit(1)


def _cluster(address: str | None, workers: int | None, resource: list[str]) -> Any:
    """Return the Dask engine that was asked for, if one was."""
    from .batch import ParameterError
    from .batch.cluster import Cluster
    from .batch.pool import cores

    asked = {}
    for text in resource:
        name, _, number = text.partition("=")
        asked[name] = float(number) if re.fullmatch(r"\d+(\.\d+)?", number) else 0.0
        if not name or not asked[name]:
            raise ParameterError(f"--resource {text}: expected NAME=NUMBER, as GPU=1")
    if address is None:
        if asked:
            raise ParameterError("--resource is for Dask workers: give --dask ADDRESS too")
        return None
    if address != "local" and workers is not None:
        raise ParameterError(f"--workers {workers}: how many work at {address} is decided there")
    try:
        return Cluster(address, workers or cores(), asked)
    except (ModuleNotFoundError, ValueError) as error:  # the extra is missing; no address
        raise ParameterError(f"--dask: {error}") from None


@app.command()
def tidy(
    paths: Annotated[
        list[Path] | None, typer.Argument(help="Notebooks or folders; the shipped ones by default.")
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="Only look; exit 1 if untidy.")] = False,
) -> None:
    """Reduce notebooks to what is kept in git: their sources and their claims."""
    from . import batch
    from .batch.document import folder

    with _reported():
        untidy = 0
        for path in paths or [folder()]:
            for file in sorted(path.glob("*.ipynb")) if path.is_dir() else [path]:
                if not batch.tidy(file, check=check):
                    untidy += 1
                    advice = f"not tidy; run textgan-lab tidy {file}" if check else "tidied"
                    typer.echo(f"{file}: {advice}")
        if check and untidy:
            raise typer.Exit(1)


class _Keys(TyperCommand):
    """A command whose ``--compare`` takes all words up to the next option."""

    def parse_args(self, ctx, args):
        if "--compare" in args:
            start = args.index("--compare") + 1
            keys = list(takewhile(lambda word: not word.startswith("-"), args[start:]))
            args = [*args[:start], *([",".join(keys)] if keys else []), *args[start + len(keys) :]]
        return super().parse_args(ctx, args)


@contextmanager
def _answered() -> Iterator[None]:
    """Turn a question about runs that has no answer into one message and exit status 2."""
    from .batch.expressions import ExpressionError
    from .batch.reading import UnknownRun
    from .batch.runs import UnknownColumn
    from .batch.tables import TableError

    try:  # not `_reported`, which brings all that runs notebooks
        yield
    except (ExpressionError, FileNotFoundError, TableError, UnknownColumn, UnknownRun) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from None
    except BrokenPipeError:
        raise  # `... | head` has seen enough, which typer takes quietly
    except OSError as error:  # no right to read or write, disk full; it names the file
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from None


@app.command("runs", cls=_Keys)
def list_runs(
    root: Annotated[Path, typer.Argument(help="Folder of run folders.")] = Path("runs"),
    where: Annotated[
        str | None,
        typer.Option(
            metavar="EXPR", help='Only runs for which it holds: "D_LR > 1e-3 and js < 0.2".'
        ),
    ] = None,
    state: Annotated[
        str | None, typer.Option(help="Only done, failed, unfinished or unreadable ones.")
    ] = None,
    notebook: Annotated[str | None, typer.Option(help="Only runs of this notebook.")] = None,
    sort: Annotated[
        str | None, typer.Option(metavar="NAME", help="A column; by default the end of the run.")
    ] = None,
    descending: Annotated[bool, typer.Option("--descending", help="Largest first.")] = False,
    columns: Annotated[
        str | None, typer.Option(metavar="A,B,...", help="Columns to show or export.")
    ] = None,
    compare: Annotated[
        str | None, typer.Option(metavar="KEY KEY...", help="Show only what differs between these.")
    ] = None,
    export: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a .parquet, .csv or .jsonl instead.")
    ] = None,
) -> None:
    """List runs: what differs between them, how they ended, what was found and measured.

    Keys may be shortened to their first four digits or more. In --where a name is that of a column
    (a parameter, a metric, state, seconds, ...); a finding is asked for by 'oscillation' in
    findings.
    """
    from .batch import runs, tables
    from .batch.reading import STATES

    with _answered():
        if compare is not None:
            differ = runs.compare(root, compare.split(","))
            rows = [(str(name), *(_known(value) for value in row))
                    for name, row in zip(differ.index, differ.to_numpy(), strict=True)]  # fmt: skip
            _table(("what", *differ.columns), rows or [("nothing differs",)])
            return
        if state not in (None, *STATES):
            raise runs.UnknownColumn(f"--state {state}: expected one of {', '.join(STATES)}")
        frame = every = runs.runs(root, notebook)
        if state is not None:
            frame = frame[frame["state"] == state]
        if where is not None:
            frame = runs.where(frame, where)
        if sort is not None or descending:
            frame = runs.ordered(frame, sort or "finished", descending)
        chosen = columns.split(",") if columns else None
        runs.check_columns(frame, chosen or ())
        if export is not None:
            path = tables.write_table(frame, export, chosen)
            typer.echo(f"{tables.count(frame, len(every))}; written: {_short(path)}")
            return
        width = Console().width if sys.stdout.isatty() else 200
        head, rows = tables.overview(frame, width, chosen)
        if rows:
            _table(tuple(head), rows)
        typer.echo(tables.count(frame, len(every)))


def _known(value: Any) -> str:
    from .batch.tables import shown

    return "-" if value is None else "NaN" if value != value else shown(value, None)


@app.command("diagnose")
def diagnose_runs(
    folders: Annotated[
        list[str],
        typer.Argument(metavar="RUN...", help="Folders with a telemetry.jsonl, or of such; keys."),
    ],
    root: Annotated[Path, typer.Option(help="Folder of run folders, for keys.")] = Path("runs"),
    full: Annotated[
        bool, typer.Option("--full", help="The whole report on each, not a line.")
    ] = False,
) -> None:
    """Say what is wrong with saved runs, from their records alone: a report on one, lines on many.

    A line has the run, what of its parameters differs, and each finding with its first step.
    """
    from .batch import diagnoses
    from .diagnostics import diagnose
    from .telemetry import Telemetry

    with _answered():
        given = [diagnoses.resolve(folder, root) for folder in folders]
        found = [diagnoses.recorded_in(folder) for folder in given]
        runs = list(dict.fromkeys(run for inside, _ in found for run in inside))
        if full or runs == given[:1]:
            for folder in runs:
                try:
                    report = diagnose(Telemetry.load(folder))
                except ValueError as error:
                    typer.echo(f"error: {error}", err=True)
                    raise typer.Exit(2) from None
                typer.echo(f"{_short(folder)}\n{report!r}\n")
            return
        made = []
        for line in diagnoses.lines(runs):
            made.append(line)
            typer.echo("  ".join(filter(None, (line.name, line.settings, line.verdict))))
        typer.echo(diagnoses.summary(made, sum(without for _, without in found)))


@app.command("list")
def list_parts(
    kind: Annotated[str | None, typer.Argument(help="losses, estimators, corpora, ...")] = None,
) -> None:
    """List the parts that can be named: losses, estimators, remedies, models, corpora, ..."""
    import textgan_lab

    from .catalogue import Catalogue

    named = {name: getattr(textgan_lab, name) for name in dir(textgan_lab) if name.isupper()}
    catalogues = {n.lower(): part for n, part in named.items() if isinstance(part, Catalogue)}
    if kind is not None:
        wanted = kind.lower()
        chosen = {n: c for n, c in catalogues.items() if wanted in (n, c.kind.lower())}
        if not chosen:
            listed = ", ".join(catalogues)
            typer.echo(f"error: unknown kind {kind!r}; known: {listed}", err=True)
            raise typer.Exit(2)
        catalogues = chosen
    for title, catalogue in catalogues.items():
        rows = []
        for name in catalogue:
            options = catalogue.options(name).values()
            shown = ", ".join(f"{option.name}={option.default!r}" for option in options)
            rows.append((name, catalogue.summary(name), shown))
        _table((title, "what it is", "options"), rows)


detectors = typer.Typer(help="Detectors: how often they are right.", no_args_is_help=True)
app.add_typer(detectors, name="detectors")


@detectors.command()
def validate(
    folder: Annotated[
        Path | None,
        typer.Option("--runs", help="Folder of runs; those it lacks are trained into it."),
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes that train at once.")] = 1,
    fresh: Annotated[bool, typer.Option("--fresh", help="Train all runs again.")] = False,
    ship: Annotated[
        bool, typer.Option("--ship", help="Pack the runs into the checkout's tests/corpus.")
    ] = False,
) -> None:
    """Diagnose labelled runs, compare with the truth, and write the table of it.

    Without options the shipped records are read and nothing is trained: seconds. All runs anew are
    about half an hour on one core.
    """
    from rich.progress import track

    from .batch import collection, validation
    from .data.sources import cache_folder

    folder = folder or (cache_folder() / "detectors" if fresh else collection.SHIPPED)
    with _reported():
        if fresh or folder != collection.SHIPPED:
            wanted = collection.everything() if fresh else collection.missing(folder)
            made = collection.make(folder, wanted, workers)
            for _ in track(made, "runs", total=len(wanted), console=Console(stderr=True)):
                pass
        if ship:
            folder = collection.pack(folder)
        stored = validation.store(validation.report(folder))
        typer.echo(f"written: {_short(stored)}")


@app.command()
def doctor() -> None:
    """Check this machine: Python, packages, accelerator, browser, cache, data."""
    rows = [("ok" if good else "PROBLEM", what, found) for what, found, good in _examined()]
    _table(("", "what", "found"), rows)
    if any(state == "PROBLEM" for state, _, _ in rows):
        raise typer.Exit(1)


def _examined() -> Iterator[tuple[str, str, bool]]:
    """Yield what was looked at, what was found, and whether one can work with it."""
    python = platform.python_version()
    yield "Python", f"{python} at {sys.executable}", sys.version_info >= (3, 11)
    yield "platform", f"{platform.platform()}, {os.cpu_count()} cores", True
    yield from _packages()
    yield "accelerator", _accelerator(), True
    yield from _folders()
    browser = shutil.which("chromium")
    yield "chromium", browser or "none: the browser tests will skip; all else works", True


def _packages() -> Iterator[tuple[str, str, bool]]:
    from packaging.requirements import Requirement

    try:
        needed = map(Requirement, metadata.requires("textgan-lab") or ())
    except metadata.PackageNotFoundError:
        yield "textgan-lab", "not installed; run: python3 bootstrap.py test", False
        return
    yield "textgan-lab", metadata.version("textgan-lab"), True
    for need in needed:
        if need.marker and not need.marker.evaluate({"extra": ""}):
            continue
        try:
            found = metadata.version(need.name)
        except metadata.PackageNotFoundError:
            yield need.name, f"missing; needs {need}", False
            continue
        good = need.specifier.contains(found, prereleases=True)
        yield need.name, found if good else f"{found}; needs {need}", good


def _accelerator() -> str:
    """Return the devices that torch can use, or why there is none."""
    try:
        import torch
    except ImportError as error:
        return f"none: torch cannot be imported ({error})"
    if torch.cuda.is_available():
        return ", ".join(map(torch.cuda.get_device_name, range(torch.cuda.device_count())))
    if torch.version.cuda is None:
        return "none: this torch is built without CUDA; the CPU does"
    return f"none: torch is built for CUDA {torch.version.cuda} but finds no device or driver"


def _folders() -> Iterator[tuple[str, str, bool]]:
    from .batch.document import folder
    from .data.sources import CorpusError, cache_folder, shipped

    notebooks = sorted(folder().glob("*.ipynb"))
    yield "notebooks", f"{len(notebooks)} in {folder()}", bool(notebooks)
    try:
        yield "shipped data", str(shipped("captions.yaml").parent), True
    except CorpusError as error:
        yield "shipped data", str(error), False
    cache = cache_folder()
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=cache):
            pass
        yield "cache", f"{cache}, writable", True
    except OSError as error:
        yield "cache", f"{error}; set TEXTGAN_LAB_CACHE to a folder that can be written", False


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    """Print a table; cells are plain text, never markup. Without a terminal nothing is cut."""
    console = Console(width=None if sys.stdout.isatty() else 200)
    table = Table(*head, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    console.print(table)


def _version(asked: bool) -> None:
    if asked:
        try:
            typer.echo(f"textgan-lab {metadata.version('textgan-lab')}")
        except metadata.PackageNotFoundError:
            typer.echo(f"textgan-lab, not installed, in {Path(__file__).parent}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it.")
    ] = False,
) -> None:
    """Diagnostics for GAN instability, with text GANs as the patient."""


def main() -> None:
    """Run the command line; the entry point ``textgan-lab``."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a console of another code page shows "?", not an error
            stream.reconfigure(errors="replace")
    # nbformat brings jsonschema, and that a grammar of IRIs, which takes a second to build; no
    # notebook is checked for them, and this process has no other use for it
    sys.modules.setdefault("rfc3987_syntax", None)
    app()


if __name__ == "__main__":
    main()
