"""A sweep: every point of a grid as a run of its notebook, here or on a cluster.

An engine is anything with ``submit(call, *args)`` that returns a future as `concurrent.futures`
has them. It only carries `run_point` to where a run is made; what is done and what is left to do,
the run folders alone know. So a sweep may be stopped, killed, or made twice at once: the next call
does what is missing.
"""

import queue
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import CancelledError, Future
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ..progress import Progress
from .document import NotebookError
from .grid import Grid, read_grid
from .notebooks import NotebookFailed, Page, run_notebook
from .parameters import ParameterError
from .pool import CallFailed, Pool, cores, gpus
from .records import Busy, Run, surroundings

if TYPE_CHECKING:
    import pandas

AGAIN = 1.0  # seconds until a run that another process is writing is asked for again
ANSWER = 60.0  # seconds to fetch an answer that is there
AT_FIRST = 5.0  # seconds until a wait for the first worker is worth a word


class Engine(Protocol):
    """What carries calls to where they are made."""

    def submit(self, call: Callable, *args: Any) -> Future:
        """Return the future of ``call(*args)``; its exception means that the call was lost.

        An engine may also have ``lack()``, see `Cluster.lack`: it is shown as long as the first
        call waits.
        """


def run_point(notebook: str, parameters: Mapping[str, Any], root: str) -> dict[str, Any]:
    """Make one run of a notebook, unless it is done; return what became of it, as plain data.

    Safe to call twice, also at once, also where an earlier call was killed. ``state`` is "done",
    "found" (it was done before), "failed", "lost" (its kernel died) or "busy" (another process is
    at it); ``error`` says why, ``key`` where.
    """
    try:
        result = run_notebook(notebook, parameters, root=root, patience=0.0)
    except Busy as busy:
        return {"state": "busy", "error": str(busy)}
    except NotebookFailed as failed:
        state = "lost" if failed.error == "DeadKernelError" else "failed"
        return {"state": state, "error": str(failed), "key": failed.output.parent.name}
    except (NotebookError, ParameterError, OSError) as error:  # OSError: a full disk
        return {"state": "failed", "error": str(error)}
    return {"state": "done" if result.repeated else "found", "key": result.key}


@dataclass
class _Point:
    """A point of the grid on its way: its run, and how it went so far."""

    given: dict[str, Any]
    run: Run
    state: str = "missing"  # then done, found or failed
    error: str = ""
    lost: int = 0  # processes that died on it
    due: float = 0.0  # when to ask for it again
    written: int = 0  # when it was last asked for: of which time its error.json was


@dataclass(frozen=True)
class Sweep:
    """What became of every run of a grid.

    ``states``: key of a run -> "done", "found" (done before) or "failed"; ``errors``: key -> why;
    ``page``: the report.
    """

    grid: Grid
    root: Path
    states: dict[str, str] = field(repr=False)
    errors: dict[str, str] = field(repr=False)
    page: Path

    @property
    def failed(self) -> list[str]:
        """The keys of the runs that failed."""
        return [key for key, state in self.states.items() if state == "failed"]

    def frame(self) -> "pandas.DataFrame":
        """Return the rows of `textgan_lab.runs` for these runs, in the order of the grid."""
        return _rows(self.root, self.states)

    def __repr__(self) -> str:
        counts = Counter(self.states.values())
        words = {"done": "done now", "found": "done before", "failed": "failed"}
        said = [f"{counts[state]} {word}" for state, word in words.items() if counts[state]]
        return f"{len(self.states)} runs of {self.grid.notebook.name}: {', '.join(said)}"


def sweep(
    grid: Grid | str | Path,
    *,
    root: str | Path = "runs",
    workers: int | None = None,
    engine: Engine | None = None,
    retries: int = 2,
    force: bool = False,
    page: str | Path | None = None,
    metric: str | None = None,
    pages: bool = False,
) -> Sweep:
    """Make every run of a grid that is not done yet; return what became of all of them.

    Args:
        grid: what `make_grid` returns, or the path of a grid file.
        root: the folder of run folders.
        workers: processes of this machine that work at once, and share out its GPUs; by default
            one a GPU, or one a core where there is no GPU.
        engine: something else with ``submit``, such as `Cluster`; it is left open. Its workers need
            notebook, root and this library under the same paths as here.
        retries: times that a run is begun again after the process or kernel it ran in has died.
            A notebook that raises is not begun again in this call; the next call does.
        force: run again also what is done; the earlier runs are kept under other names.
        page: where to write the report; by default beside the runs, under the grid's name.
        metric: what the report's map shows; by default the most telling that was measured.
        pages: also make an HTML page of every executed notebook, for the report to link.

    Ctrl-C stops it: what is done stays done, and a run that keeps checkpoints goes on from its
    last one in the next call.

    Raises:
        GridError, NotebookError, ParameterError: before anything is run or written; with an
            ``engine`` also when a parameter names a file by a relative path.
        Busy: with ``force``, another process is writing one of these runs.
        UnknownColumn: ``metric`` was not measured; the runs are done all the same.
    """
    from .sweep_report import sweep_page

    if not isinstance(grid, Grid):
        grid = read_grid(grid)
    root = Path(root).absolute()
    points = plan(grid, root, engine)
    root.mkdir(parents=True, exist_ok=True)
    if force:
        _set_aside(points)
    missing = [point for point in points if point.state == "missing"]
    if missing and engine is not None:
        _carry_out(missing, engine, grid.notebook, root, retries)
    elif missing:
        seen = gpus()
        workers = workers or len(seen) or cores()
        with Pool(min(workers, len(missing)), seen) as pool:
            _carry_out(missing, pool, grid.notebook, root, retries)
    states = {point.run.key: point.state for point in points}
    errors = {point.run.key: point.error for point in points if point.state == "failed"}
    written = sweep_page(
        _rows(root, states),
        grid.varied,
        page or root / f"{grid.name}.html",
        title=grid.name,
        points={point.run.key: point.run.identity["parameters"] for point in points},
        metric=metric,
        pages=pages,
    )
    return Sweep(grid, root, states, errors, written)


def plan(grid: Grid, root: str | Path, engine: Engine | None = None) -> list[_Point]:
    """Return the points of a grid, each "found" where its run is done, else "missing".

    What a run is called depends on where it is made (a GPU is not a CPU): an ``engine`` is asked.
    """
    around = None if engine is None else _surroundings(engine)
    notebook = Page(grid.notebook, around)
    points = []
    for given in grid.points:
        values, run = notebook.run(given, root)
        for name in run.identity["files"] if engine else ():
            if not Path(values[name]).expanduser().is_absolute():
                raise ParameterError(
                    f"{name}={values[name]!r}: a file beside you, but a worker works elsewhere; "
                    f"give its whole path"
                )
        points.append(_Point(given, run, "found" if run.done else "missing"))
    return points


def _surroundings(engine: Engine) -> dict[str, str]:
    """Ask a worker for its `surroundings`; say what is missing for as long as none answers."""
    future, around, progress = engine.submit(surroundings), None, None
    lack = getattr(engine, "lack", None)
    while around is None:
        try:
            around = future.result(timeout=1.0 if progress else AT_FIRST)
        except CancelledError:  # by a scheduler that was restarted
            time.sleep(AGAIN)
            future = engine.submit(surroundings)
        except TimeoutError:
            if future.done():  # the call raised it
                raise
            progress = progress or Progress(1, "sweep: waiting for a worker", "answer", every=10.0)
            progress.update(0, lack() if lack else "")
    if progress:
        progress.close(1)
    return around


def _set_aside(points: list[_Point]) -> None:
    present = [point for point in points if point.run.folder.exists()]
    for point in present:  # all or none
        with point.run.writing(0.0):
            pass
    for point in present:
        with point.run.writing(0.0):
            point.run.set_aside()
        point.state = "missing"


def _rows(root: Path, states: Mapping[str, str]) -> "pandas.DataFrame":
    from .runs import runs

    frame = runs(root)
    return frame.loc[[key for key in states if key in frame.index]]


def _carry_out(
    points: list[_Point], engine: Engine, notebook: Path, root: Path, retries: int
) -> None:
    """Have every point run, until it is done or has failed."""
    answers: queue.SimpleQueue[tuple[_Point, Future]] = queue.SimpleQueue()
    waiting, flying = list(points), {}
    progress = Progress(len(points), "sweep", "run", every=60.0)
    try:
        while waiting or flying:
            now = time.monotonic()
            due = [point for point in waiting if point.due <= now]
            waiting = [point for point in waiting if point.due > now]
            for point in due:
                if point.run.done:  # by another sweep, while this one waited
                    point.state = "found"
                    continue
                point.written = _written(point.run)
                future = engine.submit(run_point, str(notebook.absolute()), point.given, str(root))
                flying[id(point)] = future
                future.add_done_callback(lambda future, at=point: answers.put((at, future)))
            for point, future in _taken(answers):
                del flying[id(point)]
                if not _settled(point, future, retries):
                    waiting.append(point)
            progress.update(*_so_far(points, len(waiting)))
        progress.close(*_so_far(points, 0))
    finally:
        for future in flying.values():
            future.cancel()


def _so_far(points: list[_Point], waiting: int) -> tuple[int, str]:
    """Return how many points are over, and what there is to say about the others."""
    states = Counter(point.state for point in points)
    counts = {"failed": states["failed"], "being written by another process": waiting}
    said = [f"{number} {what}" for what, number in counts.items() if number]
    return len(points) - states["missing"], ", ".join(said)


def _taken(answers: queue.SimpleQueue) -> Iterator[tuple[_Point, Future]]:
    """Yield the answers that are there, or come within a quarter of a second."""
    with suppress(queue.Empty):
        yield answers.get(timeout=0.25)
        while True:
            yield answers.get_nowait()


def _settled(point: _Point, future: Future, retries: int) -> bool:
    """Take the answer for a point; False when it is to be asked for again."""
    try:
        said = future.result(timeout=ANSWER)
    except CancelledError:  # a scheduler that was restarted forgets its calls: not the run's fault
        said = {"state": "busy", "error": "the scheduler was lost"}
    except CallFailed as error:  # a fault of this library, which another try would meet again
        said = {"state": "failed", "error": str(error)}
    except Exception as error:  # whatever an engine raises for a worker that died, kept and shown
        said = {"state": "lost", "error": f"{type(error).__name__}: {error}"}
    point.error = said.get("error", "")
    if said["state"] == "busy":
        point.due = time.monotonic() + AGAIN
        return False
    if said["state"] == "lost":
        if point.run.done:  # it died with its work done
            point.state = "found"
            return True
        point.lost += 1
        if point.lost <= retries:
            return False
        point.error = f"died {point.lost} times, the last time so: {point.error}"
    made = said.get("key", point.run.key)
    if made == point.run.key and said["state"] in ("done", "found"):
        point.state = said["state"]
        return True
    if made != point.run.key:
        point.error = (
            f"was made as {made}: page, library, torch or device are not those that the sweep "
            f"began with; start it again"
        )
    point.state = "failed"
    _write_failure(point)
    return True


def _write_failure(point: _Point) -> None:
    """Leave ``error.json`` for a run that has not written its own since it was asked for."""
    try:
        with point.run.writing(2.0):
            if point.run.done or _written(point.run) not in (0, point.written):
                return
            point.run.begin()
            point.run.fail(error="NotRun", message=point.error)
    except (Busy, OSError) as error:  # another runner is at it; a disk that is full
        point.error += f" ({error})"


def _written(run: Run) -> int:
    """Return when ``error.json`` was written, in ns; 0 where there is none."""
    try:
        return (run.folder / "error.json").stat().st_mtime_ns
    except OSError:
        return 0
