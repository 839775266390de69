"""Notebooks as programs: a run of one with parameters, and a run of all.

papermill executes; what it leaves open is closed here. Parameters are checked before a kernel
starts, a run counts as done only when its record says so (see `records`), and a failure names its
cell, also when the kernel was killed.
"""

import hashlib
import os
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import nbformat

from .. import atomic
from . import kernel
from .document import KERNELSPEC, NotebookError, claims, printed, read, tagged
from .parameters import ParameterError, parameters, resolve, unattended
from .records import RUN_FOLDER, Busy, Run, canonical, identity, surroundings
from .report import Outcome, export, table

if TYPE_CHECKING:
    import papermill


class NotebookFailed(RuntimeError):
    """A cell raised, or its kernel died; ``cell`` counts the code cells from 1.

    ``line`` of the cell, from 1, is where; 0 where nobody can tell. ``output`` is the notebook as
    far as it ran.
    """

    def __init__(
        self, notebook: Path, cell: int, source: str, error: str, message: str, output: Path,
        line: int = 0,
    ):  # fmt: skip
        self.notebook, self.cell, self.source, self.line = notebook, cell, source, line
        self.error, self.message, self.output = error, message, output
        where = f", line {line}" if line else ""
        begin = max(line - 3, 0)
        shown = "".join(f"\n  | {text}" for text in source.splitlines()[begin : begin + 3])
        super().__init__(f"{notebook}: code cell {cell}{where} failed: {error}: {message}{shown}")


@dataclass(frozen=True)
class Result:
    """A finished run of a notebook; ``repeated`` is False when an earlier one was found done."""

    notebook: Path
    key: str
    folder: Path
    parameters: dict[str, Any]
    seconds: float
    repeated: bool
    claims: list[str] = field(repr=False)

    @property
    def output(self) -> Path:
        """The executed notebook."""
        return self.folder / "output.ipynb"


def _kernel(run_folder: Path) -> type:
    """Return a kernel manager that starts this very interpreter, whatever kernels are installed."""
    import zmq
    from ipykernel.kernelspec import get_kernel_dict, make_ipkernel_cmd
    from jupyter_client.kernelspec import KernelSpec
    from jupyter_client.manager import AsyncKernelManager
    from traitlets import default

    class ThisInterpreter(AsyncKernelManager):
        shutdown_wait_time = 10.0  # seconds; one that has processes of its own ends them first

        @property
        def kernel_spec(self) -> KernelSpec:
            # one thread unless told otherwise: models this small gain nothing from more, waiting
            # threads spin, and a replay is bit-identical only at one count
            threads = os.environ.get("OMP_NUM_THREADS", "1")
            env = {RUN_FOLDER: str(run_folder), "OMP_NUM_THREADS": threads}
            command = make_ipkernel_cmd(kernel.__name__)  # ipykernel's own, and a lock
            return KernelSpec(**{**get_kernel_dict(), "argv": command}, env=env)

        @default("transport_encryption")  # others on the machine can read a plain TCP kernel
        def _encrypted(self) -> str:
            return "auto" if zmq.has("curve") else "disabled"

        async def _async_is_alive(self) -> bool:
            # asked while a kernel starts, and last when it did not: "died" is all others would say
            if self.has_kernel and await self.provisioner.poll() == kernel.BUSY:
                raise Busy(f"{run_folder}: another kernel is writing this run; wait, or stop it")
            return await super()._async_is_alive()

        is_alive = _async_is_alive

        async def shutdown_kernel(self, now: bool = False, restart: bool = False) -> None:
            # jupyter_client interrupts before it asks: a kernel in its last message, which is
            # where the end of a run finds it, then complains on the terminal, and one in a cell
            # crashes aloud; so only ask, wait, and terminate one that does not go
            if not now and self.has_kernel:
                await self.request_shutdown(restart=restart)
                await self.finish_shutdown(restart=restart)
            await super().shutdown_kernel(now=True, restart=restart)  # what is left to clean up

    return ThisInterpreter


def run_notebook(
    path: str | Path,
    given: Mapping[str, Any] | None = None,
    *,
    root: str | Path = "runs",
    force: bool = False,
    echo: TextIO | None = None,
    patience: float = 5.0,
) -> Result:
    """Run a notebook headless into ``<root>/<key>/``; a run that is done is not repeated.

    The kernel is this interpreter and works in the caller's folder. What the cells print goes to
    ``echo`` as it comes; for a run found done, what they printed then.

    Args:
        path: the notebook.
        given: values of parameters that differ from the defaults, see `resolve`.
        root: the folder of run folders.
        force: run again; the earlier folder is kept under another name.
        echo: a text file, such as ``sys.stdout``.
        patience: seconds to wait for another process that is writing this run.

    Raises:
        NotebookError, ParameterError: before anything is started or written.
        NotebookFailed: a cell raised or the kernel died; ``error.json`` says the same.
        Busy: another process is writing this run.
    """
    page = Page(path)
    values, run = page.run(given or {}, root)
    repeated = force or not run.done
    if repeated:
        with run.writing(patience):
            if force:
                run.set_aside()
            repeated = not run.done  # another process may have finished it while we waited
            if repeated:
                run.begin()
                changed = page.changed(values)
                start = time.perf_counter()
                output = _execute(page, changed, run, echo)
                seconds = time.perf_counter() - start
                run.commit(notebook=page.path.name, seconds=seconds, claims=claims(output))
    record = run.record()
    if echo and not repeated:
        output = read(run.folder / "output.ipynb")
        echo.write("".join(printed(cell) for cell in output.cells if cell.cell_type == "code"))
        echo.flush()
    return Result(
        page.path, run.key, run.folder, values, record["seconds"], repeated, record["claims"]
    )


class Page:
    """A notebook that is to be run, read and checked once for however many runs.

    ``around`` is the `surroundings` of the machine that will run it, this one by default.

    Raises:
        NotebookError: see `read` and `parameters`.
    """

    def __init__(self, path: str | Path, around: Mapping[str, str] | None = None):
        self.path, self.notebook, self.known = Path(path), read(path), parameters(path)
        code = [cell.source for cell in self.notebook.cells if cell.cell_type == "code"]
        self.code = hashlib.sha256(canonical(code).encode()).hexdigest()
        self.around = surroundings() if around is None else around
        self._hashes: dict[str, str] = {}  # of the files that parameters name

    def run(self, given: Mapping[str, Any], root: str | Path) -> tuple[dict[str, Any], Run]:
        """Return all parameters of the run with these, and its folder; ParameterError."""
        values = resolve(self.path, given, unattended(self.known))
        files = {name: sha256 for name, value in values.items() if (sha256 := self._hash(value))}
        return values, Run(root, identity(values, self.code, files, self.around))

    def changed(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values that are not what the page has by itself; 1 is not True, nor 1.0."""
        defaults = {name: canonical(parameter.default) for name, parameter in self.known.items()}
        return {name: v for name, v in values.items() if canonical(v) != defaults[name]}

    def _hash(self, value: Any) -> str:
        """Return the sha256 of the file that ``value`` names, if it does: its content decides."""
        if not (isinstance(value, str) and value):
            return ""
        if value not in self._hashes:
            from ..data.sources import file_sha256  # torch comes with it

            try:
                file = Path(value).expanduser()
                there = file.is_file()
            except (OSError, RuntimeError):  # too long for a name, no right to look; no such user
                there = False
            self._hashes[value] = file_sha256(file) if there else ""
        return self._hashes[value]


def _execute(
    page: Page, changed: Mapping[str, Any], run: Run, echo: TextIO | None
) -> nbformat.NotebookNode:
    """Execute into ``output.ipynb``, whole or as far as it came; raise `NotebookFailed`."""
    import papermill
    from nbclient.exceptions import DeadKernelError

    notebook = page.notebook
    notebook.metadata["kernelspec"] = KERNELSPEC
    work = run.folder / ".work.ipynb"
    nbformat.write(notebook, work)
    formatted = str(work).replace("{", "{{").replace("}", "}}")  # papermill formats its paths
    at = [0]  # the cell in work; a dead kernel leaves no other trace of where it died
    failure, line = None, 0
    try:
        papermill.execute_notebook(
            formatted,
            formatted,
            parameters=dict(changed),
            kernel_name=KERNELSPEC["name"],
            language=KERNELSPEC["language"],
            progress_bar=False,
            stdout_file=echo,
            kernel_manager_class=_kernel(run.folder),
            on_cell_execute=lambda cell, cell_index: at.append(cell_index),
        )
    except papermill.PapermillExecutionError as error:
        failure = error.cell_index, error.ename, error.evalue
        line = _failing_line(error)
    except DeadKernelError:
        failure = at[-1], "DeadKernelError", "the kernel was killed, ran out of memory or crashed"
    except Busy:
        work.unlink()
        raise
    except RuntimeError as error:  # how jupyter_client says that a kernel did not start
        failure = at[-1], "DeadKernelError", f"the kernel did not start: {error}"
    else:
        # papermill calls a notebook that leaves through sys.exit(0) complete
        executed = read(work)
        if any(out.output_type == "error" for cell in executed.cells for out in _outputs(cell)):
            failure = at[-1], "SystemExit", "a notebook ends with its last cell, not by exit"
    done = run.folder / "output.ipynb"
    atomic.move(work, done)  # on the disk before run.json says that it is there
    if failure is None:
        return executed
    index, error, message = failure
    cells = notebook.cells
    start = next((n for n, cell in enumerate(cells) if tagged(cell, "parameters")), len(cells))
    index -= bool(changed) and index > start  # papermill's own cell stands after the parameters
    number = sum(cell.cell_type == "code" for cell in cells[: index + 1])
    failed = NotebookFailed(page.path, number, cells[index].source, error, message, done, line)
    said = {"cell": number, "source": failed.source, "error": error, "message": message}
    run.fail(notebook=page.path.name, **said, **({"line": line} if line else {}))
    raise failed


def _failing_line(error: "papermill.PapermillExecutionError") -> int:
    """Return the line of the cell at which it failed, as IPython tells it; 0 if it does not."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(error.traceback))
    own = re.split("During handling of the above|was the direct cause of", text)[-1]
    found = re.search(rf"\bCell In\[{error.exec_count}\], line (\d+)", own)
    magic = error.source.startswith("%%")  # IPython then names the line of a call of its own
    return int(found[1]) if found and not magic else 0


def _outputs(cell: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return cell.get("outputs", [])


def suite(
    root: str | Path,
    out: str | Path,
    *,
    runs: str | Path = "runs",
    fast: bool = False,
    force: bool = False,
    echo: TextIO | None = None,
) -> list[Outcome]:
    """Run every notebook of a folder headless; write ``<out>/<name>.html`` and ``index.html``.

    Notebooks run at their defaults; ``fast`` gives them the ``smoke`` parameters of their
    ``textgan_lab`` metadata. Runs that are done are not repeated unless ``force``. A notebook
    that fails does not stop the others.

    Raises:
        NotebookError: the folder holds no notebook.
    """
    root, out = Path(root), Path(out)
    paths = sorted(root.glob("*.ipynb"))
    if not paths:
        raise NotebookError(f"{root}: no notebooks (*.ipynb) there")
    out.mkdir(parents=True, exist_ok=True)
    outcomes = []
    for path in paths:
        outcome = _outcome(path, out, runs, fast, force)
        outcomes.append(outcome)
        if echo:
            state = f"FAILED\n{outcome.error}" if outcome.error else f"ok, {outcome.seconds:.0f} s"
            echo.write(f"{path.stem}: {state}\n")
            echo.flush()
        # after each notebook: a report that is watched grows, one that is killed is not lost
        page = table(outcomes, len(paths), fast=fast)
        (out / "index.html").write_text(page, encoding="utf-8")
    return outcomes


def _outcome(path: Path, out: Path, runs: str | Path, fast: bool, force: bool) -> Outcome:
    start = time.perf_counter()
    try:
        smoke = read(path).metadata.get("textgan_lab", {}).get("smoke", {}) if fast else {}
        result = run_notebook(path, smoke, root=runs, force=force)
    except NotebookFailed as failed:
        page = export(failed.output, path.stem, out)
        return Outcome(path.stem, time.perf_counter() - start, [], str(failed), page)
    except (NotebookError, ParameterError, Busy) as error:
        return Outcome(path.stem, time.perf_counter() - start, [], str(error))
    page = export(result.output, path.stem, out)
    return Outcome(path.stem, result.seconds, result.claims, page=page)
