"""Sweeps: every run of a grid done once, whatever dies, stops or is started twice on the way."""

import json
import signal
import subprocess
import sys
from concurrent.futures import CancelledError, Future
from pathlib import Path

import pytest
from waiting import until

from textgan_lab.batch import sweep as module
from textgan_lab.batch.grid import GridError, make_grid
from textgan_lab.batch.notebooks import Page
from textgan_lab.batch.parameters import ParameterError
from textgan_lab.batch.pool import CallFailed
from textgan_lab.batch.records import Busy, surroundings
from textgan_lab.batch.sweep import run_point, sweep

CELLS = [("N = 0\nTRACE = ''\nFAIL = False", "parameters")]


@pytest.fixture
def toy(write_notebook):
    """A notebook that fails when told to, and says in a file that it came to its end."""
    work = (
        "import os, time\n"
        "time.sleep(0.2)\n"
        "assert not FAIL, 'told to'\n"
        "file = os.open(TRACE + '/trace', os.O_WRONLY | os.O_APPEND | os.O_CREAT)\n"
        "os.write(file, f'{N}\\n'.encode())"
    )
    return write_notebook("toy.ipynb", *CELLS, work)


def grid_of(notebook, n, tmp_path, **more):
    trace = {"TRACE": str(tmp_path)}
    return make_grid(notebook, parameters=trace, grid={"N": list(range(n))}, **more)


class Scripted:
    """An engine that answers at once: each point's answers are taken one after the other.

    An answer may be a function, for what a worker does before it answers; where a point has none
    left, its run is committed.
    """

    def __init__(self, device="cpu", **answers):
        self.around, self.answers, self.asked = surroundings() | {"device": device}, answers, []

    def submit(self, call, *args):
        answer = self.around if call is surroundings else self.answer(call, *args)
        future = Future()
        if isinstance(answer, Exception):
            future.set_exception(answer)
        else:
            future.set_result(answer)
        return future

    def answer(self, call, notebook, given, root):
        assert call is run_point and Path(notebook).is_absolute() and Path(root).is_absolute()
        self.asked.append(given["N"])
        if script := self.answers.get(f"n{given['N']}"):
            answer = script.pop(0)
            return answer() if callable(answer) else answer
        _, run = Page(notebook, self.around).run(given, root)
        run.begin()
        run.commit(notebook=Path(notebook).name)
        return {"state": "done", "key": run.key}


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(module, "AGAIN", 0.01)


# --- what an engine may answer, without a kernel -------------------------------------------------


def test_a_lost_call_is_made_again_so_often_and_then_has_failed(toy, tmp_path, quick):
    lost = [RuntimeError("worker gone")] * 3
    engine = Scripted(n0=lost[:2], n1=lost)
    made = sweep(grid_of(toy, 3, tmp_path), root=tmp_path / "runs", engine=engine, retries=2)
    assert sorted(engine.asked) == [0, 0, 0, 1, 1, 1, 2]
    assert list(made.states.values()) == ["done", "failed", "done"]
    assert list(made.frame()["state"]) == ["done", "failed", "done"]
    (key,) = made.failed
    assert made.errors[key] == "died 3 times, the last time so: RuntimeError: worker gone"
    said = json.loads((tmp_path / "runs" / key / "error.json").read_text())
    assert said == {"error": "NotRun", "message": made.errors[key]}
    assert "2 done now, 1 failed" in repr(made)


def test_a_dead_kernel_counts_as_a_lost_call(toy, tmp_path, quick):
    dead = {"state": "lost", "error": "the kernel was killed"}
    engine = Scripted(n0=[dead, dead])
    made = sweep(grid_of(toy, 1, tmp_path), root=tmp_path / "runs", engine=engine, retries=1)
    assert engine.asked == [0, 0] and len(made.failed) == 1


def test_what_a_restarted_scheduler_forgot_is_no_fault_of_the_run(toy, tmp_path, quick):
    engine = Scripted(n0=[CancelledError() for _ in range(5)])
    made = sweep(grid_of(toy, 1, tmp_path), root=tmp_path / "runs", engine=engine, retries=0)
    assert len(engine.asked) == 6 and list(made.states.values()) == ["done"]


def test_a_run_that_another_is_writing_is_asked_for_until_it_is_free(toy, tmp_path, quick):
    engine = Scripted(n0=[{"state": "busy"}] * 3 + [{"state": "found"}])
    made = sweep(grid_of(toy, 2, tmp_path), root=tmp_path / "runs", engine=engine, retries=0)
    assert engine.asked.count(0) == 4 and list(made.states.values()) == ["found", "done"]


def test_a_failed_notebook_is_not_run_again_in_this_call_and_stops_no_other(toy, tmp_path):
    engine = Scripted(n0=[{"state": "failed", "error": "cell 3"}])
    made = sweep(grid_of(toy, 3, tmp_path), root=tmp_path / "runs", engine=engine)
    assert sorted(engine.asked) == [0, 1, 2]
    assert list(made.frame()["state"]) == ["failed", "done", "done"]
    assert made.errors == {made.failed[0]: "cell 3"}


def test_a_worker_that_dies_with_its_work_done_has_done_it(toy, tmp_path, quick):
    grid, root = grid_of(toy, 1, tmp_path), tmp_path / "runs"
    (point,) = module.plan(grid, root)

    def commit_and_die():
        point.run.begin()
        point.run.commit(notebook="toy.ipynb")
        return RuntimeError("worker gone")

    made = sweep(grid, root=root, engine=Scripted(n0=[commit_and_die]), retries=0)
    assert list(made.states) == [point.run.key] and not made.failed
    assert list(made.frame()["state"]) == ["done"]
    assert not (point.run.folder / "error.json").exists()


def test_a_call_that_raised_would_raise_again(toy, tmp_path, quick):
    raised = CallFailed("Traceback (most recent call last):\nKeyError: 'steps'\n")
    engine = Scripted(n0=[raised])
    made = sweep(grid_of(toy, 2, tmp_path), root=tmp_path / "runs", engine=engine)
    assert sorted(engine.asked) == [0, 1] and list(made.frame()["state"]) == ["failed", "done"]
    assert "KeyError: 'steps'" in made.errors[made.failed[0]]


def test_a_failure_is_not_told_in_the_words_of_an_earlier_one(toy, tmp_path, quick):
    grid, root = grid_of(toy, 1, tmp_path), tmp_path / "runs"
    (point,) = module.plan(grid, root)
    point.run.begin()
    point.run.fail(error="ValueError", message="of the day before")
    sweep(grid, root=root, engine=Scripted(n0=[RuntimeError("worker gone")]), retries=0)
    said = json.loads((point.run.folder / "error.json").read_text())
    assert said["error"] == "NotRun" and "worker gone" in said["message"]


def test_what_a_run_said_before_its_worker_died_is_kept(toy, tmp_path, quick):
    grid, root = grid_of(toy, 1, tmp_path), tmp_path / "runs"
    (point,) = module.plan(grid, root)
    point.run.begin()
    point.run.fail(error="ValueError", message="of the day before")

    def fail_and_die():
        point.run.begin()
        point.run.fail(cell=3, error="KeyError", message="'js'")
        return RuntimeError("worker gone")

    made = sweep(grid, root=root, engine=Scripted(n0=[fail_and_die]), retries=0)
    assert "worker gone" in made.errors[point.run.key]
    said = json.loads((point.run.folder / "error.json").read_text())
    assert (said["cell"], said["error"]) == (3, "KeyError")


def test_a_failure_that_cannot_be_written_down_is_told_and_stops_no_other(toy, tmp_path, quick):
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / ".locks").touch()  # where the folder of the locks should be
    engine = Scripted(n0=[RuntimeError("worker gone")])
    made = sweep(grid_of(toy, 2, tmp_path), root=tmp_path / "runs", engine=engine, retries=0)
    assert list(made.states.values()) == ["failed", "done"]
    assert "worker gone" in made.errors[made.failed[0]]
    assert ".locks" in made.errors[made.failed[0]]


def test_a_run_that_was_made_under_another_key_is_not_taken_for_it(toy, tmp_path):
    engine = Scripted(n0=[{"state": "done", "key": "0123456789abcdef"}])
    made = sweep(grid_of(toy, 1, tmp_path), root=tmp_path / "runs", engine=engine)
    (key,) = made.failed
    assert key == module.plan(grid_of(toy, 1, tmp_path), tmp_path)[0].run.key
    assert "made as 0123456789abcdef" in made.errors[key]


def test_what_is_done_is_known_by_what_the_workers_are(toy, tmp_path):
    grid, root, engine = grid_of(toy, 2, tmp_path), tmp_path / "runs", Scripted(device="cuda")
    first = sweep(grid, root=root, engine=engine)
    records = [json.loads((root / key / "run.json").read_text()) for key in first.states]
    assert [record["device"] for record in records] == ["cuda", "cuda"]
    again = sweep(grid, root=root, engine=engine)
    assert again.states == dict.fromkeys(first.states, "found") and len(engine.asked) == 2
    assert {point.state for point in module.plan(grid, root)} == {"missing"}  # for a CPU
    forced = sweep(grid, root=root, engine=engine, force=True)
    assert forced.states == first.states and len(engine.asked) == 4
    assert all((root / f"{key}.old-1" / "run.json").exists() for key in first.states)


def test_a_file_beside_us_is_not_beside_a_worker(toy, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.txt").write_text("a cat")
    grid, engine = make_grid(toy, parameters={"TRACE": "mine.txt"}, points=[{"N": 0}]), Scripted()
    with pytest.raises(ParameterError, match=r"TRACE='mine\.txt'.*whole path"):
        sweep(grid, root=tmp_path / "runs", engine=engine)
    assert not engine.asked and not (tmp_path / "runs").exists()
    whole = make_grid(toy, parameters={"TRACE": str(tmp_path / "mine.txt")}, points=[{"N": 0}])
    assert not sweep(whole, root=tmp_path / "runs", engine=engine).failed


class Forgetful(Scripted):
    """An engine that drops the first questions after its surroundings, as a new scheduler does."""

    def __init__(self, forgets):
        super().__init__()
        self.forgets = forgets

    def submit(self, call, *args):
        if call is not surroundings or not self.forgets:
            return super().submit(call, *args)
        self.forgets -= 1
        future = Future()
        future.cancel()
        return future


def test_a_scheduler_restarted_before_the_first_answer_is_asked_again(toy, tmp_path, quick):
    engine = Forgetful(3)
    made = sweep(grid_of(toy, 1, tmp_path), root=tmp_path / "runs", engine=engine)
    assert engine.forgets == 0 and not made.failed


def test_a_worker_that_cannot_look_around_is_not_waited_for(toy, tmp_path):
    engine = Scripted()
    engine.around = TimeoutError("file system")
    with pytest.raises(TimeoutError, match="file system"):
        sweep(grid_of(toy, 1, tmp_path), root=tmp_path / "runs", engine=engine)


def test_as_long_as_no_worker_answers_it_says_what_is_missing(toy, tmp_path, monkeypatch):
    shown = []

    class Slow(Future):
        def result(self, timeout=None):
            if len(shown) < 2:
                raise TimeoutError
            return surroundings()

    class Lacking(Scripted):
        def submit(self, call, *args):
            return Slow() if call is surroundings else super().submit(call, *args)

        def lack(self):
            return "no worker started with GPU=1"

    monkeypatch.setattr(module.Progress, "update", lambda _, *said: shown.append(said))
    made = sweep(grid_of(toy, 1, tmp_path), root=tmp_path / "runs", engine=Lacking())
    assert shown[:2] == [(0, "no worker started with GPU=1")] * 2 and not made.failed


def test_stopped_by_hand_nothing_stays_under_way(toy, tmp_path):
    class Stopping(Scripted):
        def submit(self, call, *args):
            if call is surroundings:
                return super().submit(call)
            if len(self.asked) == 2:
                raise KeyboardInterrupt
            self.asked.append(Future())
            return self.asked[-1]

    engine = Stopping()
    with pytest.raises(KeyboardInterrupt):
        sweep(grid_of(toy, 3, tmp_path), root=tmp_path / "runs", engine=engine)
    assert all(future.cancelled() for future in engine.asked)


def test_a_wrong_grid_starts_and_writes_nothing(toy, tmp_path):
    before = sorted(tmp_path.rglob("*"))
    (tmp_path / "grid.yaml").write_text("notebook: toy.ipynb\ngrid:\n  M: [1, 2]\n")
    with pytest.raises(GridError, match=r"grid\.yaml:3: .*'M'"):
        sweep(tmp_path / "grid.yaml", root=tmp_path / "runs")
    assert sorted(tmp_path.rglob("*")) == sorted([*before, tmp_path / "grid.yaml"])


# --- with kernels ---------------------------------------------------------------------------------


@pytest.mark.notebook
def test_a_second_call_does_only_what_is_missing(toy, tmp_path, monkeypatch):
    root = tmp_path / "runs"
    points = {"points": [{"N": 0}, {"N": 1}, {"N": 2, "FAIL": True}]}
    grid = make_grid(toy, parameters={"TRACE": str(tmp_path)}, **points)
    first = sweep(grid, root=root, workers=2)
    assert list(first.states.values()) == ["done", "done", "failed"]
    assert "told to" in first.errors[first.failed[0]]
    assert list(first.frame()["state"]) == ["done", "done", "failed"]
    assert first.page.exists()
    more = make_grid(toy, parameters={"TRACE": str(tmp_path)}, grid={"N": [0, 1, 3]})
    second = sweep(more, root=root, workers=1)
    assert list(second.states.values()) == ["found", "found", "done"]
    assert sorted((tmp_path / "trace").read_text().split()) == ["0", "1", "3"]

    def refused(*_):
        raise AssertionError("a process was started for finished work")

    monkeypatch.setattr(subprocess, "Popen", refused)
    third = sweep(more, root=root)
    assert set(third.states.values()) == {"found"}


@pytest.mark.notebook
def test_force_keeps_the_earlier_runs_under_other_names(toy, tmp_path):
    grid, root = grid_of(toy, 1, tmp_path), tmp_path / "runs"
    (key,) = sweep(grid, root=root, workers=1).states
    assert sweep(grid, root=root, workers=1, force=True).states == {key: "done"}
    assert (root / f"{key}.old-1" / "run.json").exists()
    assert (tmp_path / "trace").read_text() == "0\n0\n"


def test_force_sets_nothing_aside_where_one_run_is_being_written(toy, tmp_path):
    grid, root = grid_of(toy, 2, tmp_path), tmp_path / "runs"
    first, second = (point.run for point in module.plan(grid, root))
    first.begin()
    second.begin()
    with second.writing(), pytest.raises(Busy, match=second.key):
        sweep(grid, root=root, force=True)
    assert first.folder.exists() and not list(root.glob("*.old-*"))


@pytest.mark.notebook
def test_a_kernel_that_is_killed_is_begun_again(write_notebook, tmp_path):
    work = (
        "import os, signal\n"
        "from pathlib import Path\n"
        "first = not Path(TRACE, 'trace').exists()\n"
        "Path(TRACE, 'trace').touch()\n"
        "if first: os.kill(os.getpid(), signal.SIGKILL)"
    )
    toy = write_notebook("dies.ipynb", *CELLS, work)
    made = sweep(grid_of(toy, 1, tmp_path), root=tmp_path / "runs", workers=1, retries=1)
    assert list(made.states.values()) == ["done"]
    assert not (tmp_path / "runs" / next(iter(made.states)) / "error.json").exists()


# what a shell puts in the background is deaf to SIGINT, and so is whatever that starts
DRIVER = (
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "from textgan_lab.cli import main; main()"
)


def drive(tmp_path, *options):
    command = [sys.executable, "-c", DRIVER, "sweep", str(tmp_path / "grid.yaml")]
    command += ["--root", str(tmp_path / "runs"), *options]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finished(tmp_path):
    return len(list((tmp_path / "runs").glob("*/run.json")))


@pytest.fixture
def grid_file(toy, tmp_path):
    lines = ["notebook: toy.ipynb", f"parameters: {{TRACE: {json.dumps(str(tmp_path))}}}"]
    lines += ["grid: {N: [0, 1, 2, 3]}"]
    (tmp_path / "grid.yaml").write_text("\n".join(lines))


@pytest.mark.notebook
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_driver_that_is_stopped_and_started_again_ends_with_each_run_once(
    how, grid_file, tmp_path
):
    with drive(tmp_path, "--workers", "1") as driver:
        until(lambda: finished(tmp_path))
        driver.send_signal(how)
        _, said = driver.communicate(timeout=30)
    if how == signal.SIGINT:
        assert driver.returncode == 130
        assert said.endswith("stopped; what is done stays done, the same command does the rest\n")
    assert finished(tmp_path) < 4
    with drive(tmp_path, "--workers", "2") as driver:
        told, errors = driver.communicate(timeout=120)
    assert driver.returncode == 0, errors
    assert "4 runs of toy.ipynb" in told and "done before" in told
    ended = (tmp_path / "trace").read_text().split()
    assert set(ended) == {"0", "1", "2", "3"} and finished(tmp_path) == 4
    # killed in its last moments a run may come to its end and not be committed; no other repeats
    assert len(ended) <= (4 if how == signal.SIGKILL else 5)


@pytest.mark.notebook
def test_two_drivers_on_one_root_share_the_work(grid_file, tmp_path):
    with drive(tmp_path, "--workers", "1") as one, drive(tmp_path, "--workers", "1") as other:
        for driver in (one, other):
            told, errors = driver.communicate(timeout=120)
            assert driver.returncode == 0, errors
            assert "4 runs of toy.ipynb" in told
    assert sorted((tmp_path / "trace").read_text().split()) == ["0", "1", "2", "3"]


def test_the_command_names_file_and_line_and_exits_with_2(grid_file, tmp_path):
    path = tmp_path / "grid.yaml"
    path.write_text(path.read_text().replace("[0, 1", "[0, one"))
    with drive(tmp_path) as driver:
        _, errors = driver.communicate(timeout=60)
    assert driver.returncode == 2 and not (tmp_path / "runs").exists()
    assert errors.startswith(f"error: {path}:3: ") and "Traceback" not in errors


def test_a_dry_run_says_what_is_left_and_starts_nothing(grid_file, tmp_path):
    with drive(tmp_path, "--dry-run") as driver:
        told, errors = driver.communicate(timeout=60)
    assert driver.returncode == 0, errors
    assert "0 done, 4 to do" in told and not (tmp_path / "runs").exists()
