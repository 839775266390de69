"""One kernel writes a run: it holds a lock while it lives, and goes when its runner is gone."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from textgan_lab.batch import Busy, NotebookFailed, run_notebook
from textgan_lab.batch.kernel import BUSY
from textgan_lab.batch.lock import LOCK, take_lock

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks at processes in /proc")
HOLD = """\
import os, sys, time
from textgan_lab.batch.lock import take_lock
lock = take_lock(sys.argv[1], 0.0)
"""


@pytest.fixture
def process():
    """Return a function that starts Python code and returns the process and its first line."""
    started = []

    def start(code, *arguments, **environment):
        one = subprocess.Popen(
            [sys.executable, "-c", code, *map(str, arguments)], env=os.environ | environment,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        started.append(one)
        return one, one.stdout.readline().strip()

    yield start
    for one in started:
        one.kill()
        one.wait()
        one.stdout.close()
        one.stderr.close()


def gone(pid, seconds):
    """Return whether a process that is not our child ends in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            with open(f"/proc/{pid}/stat") as stat:
                if stat.read().rpartition(")")[2].split()[0] == "Z":
                    return True
        except FileNotFoundError:
            return True
        time.sleep(0.05)
    return False


# ---- the lock -----------------------------------------------------------------------------------


def test_the_lock_is_refused_while_held_and_free_after_a_kill(process, tmp_path):
    holder, said = process(HOLD + "print(lock is not None, flush=True); time.sleep(60)", tmp_path)
    assert said == "True"
    start = time.monotonic()
    assert take_lock(str(tmp_path), 0.3) is None
    assert 0.3 <= time.monotonic() - start < 5
    holder.kill()
    holder.wait()
    take_lock(str(tmp_path), 0.0).release()


def test_a_forked_child_does_not_keep_the_lock_of_its_dead_parent(process, tmp_path):
    forks = """\
if os.fork() == 0:
    time.sleep(60)
print("forked", flush=True)
time.sleep(60)
"""
    parent, said = process(HOLD + forks, tmp_path)
    assert said == "forked"
    children = f"/proc/{parent.pid}/task/{parent.pid}/children"
    with open(children) as listed:
        child = int(listed.read())
    try:
        assert take_lock(str(tmp_path), 0.0) is None  # the fork did not give it away either
        parent.kill()
        parent.wait()
        os.kill(child, 0)  # lives, for a minute, and lets go as soon as it first runs
        take_lock(str(tmp_path), 10.0).release()
    finally:
        os.kill(child, signal.SIGKILL)


def test_one_who_waits_gets_the_lock_when_the_holder_goes(process, tmp_path):
    _, said = process(HOLD + "print('held', flush=True); time.sleep(0.5)", tmp_path)
    assert said == "held"
    start = time.monotonic()
    take_lock(str(tmp_path), 15.0).release()
    assert time.monotonic() - start < 10


def test_a_folder_that_cannot_be_locked_is_named(tmp_path, monkeypatch):
    import fcntl

    with pytest.raises(FileNotFoundError, match=r"absent.*\.lock"):
        take_lock(str(tmp_path / "absent"), 0.0)

    def unsupported(*_):
        raise OSError(37, "No locks available")

    monkeypatch.setattr(fcntl, "flock", unsupported)
    with pytest.raises(OSError, match=r"No locks available.*keep runs on another.*\.lock"):
        take_lock(str(tmp_path), 0.0)


# ---- the process --------------------------------------------------------------------------------

START = """\
import sys
from textgan_lab.batch import kernel
kernel.PATIENCE = 0.2
sys.argv[1:] = ["-f", "never-read.json"]
sys.exit(kernel.main())
"""


def test_a_kernel_that_may_not_write_says_so_in_one_line(process, tmp_path):
    lock = take_lock(str(tmp_path), 0.0)
    try:
        second, _ = process(START, TEXTGAN_LAB_RUN=str(tmp_path))
        assert second.wait() == BUSY
        line = f"{tmp_path}: another kernel is writing this run, 0.2 s long\n"
        assert second.stderr.read() == line
    finally:
        lock.release()
    lost, _ = process(START, TEXTGAN_LAB_RUN=str(tmp_path / "absent"))
    assert lost.wait() == 1
    assert lost.stderr.read() == f"{tmp_path / 'absent' / LOCK}: No such file or directory\n"


def test_a_kernel_needs_a_run(process, monkeypatch):
    monkeypatch.delenv("TEXTGAN_LAB_RUN", raising=False)
    one, _ = process(START)
    assert one.wait() == 2
    assert "TEXTGAN_LAB_RUN is not set" in one.stderr.read()


ORPHAN = """\
import os, subprocess, sys, time
code = '''
import time
from textgan_lab.batch import kernel
kernel.end_with_parent()
lock = kernel.take_lock(%r, 60.0)
print("waited", flush=True)
time.sleep(60)
''' % sys.argv[1]
child = subprocess.Popen([sys.executable, "-c", code], env=os.environ | {"JPY_PARENT_PID": str(os.getpid())})
print(child.pid, flush=True)
time.sleep(60)
"""  # noqa: E501


@pytest.mark.parametrize("waiting", [True, False], ids=["while it waits", "while it works"])
def test_a_kernel_whose_runner_was_killed_goes(waiting, process, tmp_path):
    lock = take_lock(str(tmp_path), 0.0) if waiting else None
    runner, child = process(ORPHAN, tmp_path)
    if not waiting:
        assert runner.stdout.readline() == "waited\n"
    assert not gone(child, 1.5)  # as long as its runner lives, so does it
    runner.kill()
    assert gone(child, 5)
    if lock:
        lock.release()
    take_lock(str(tmp_path), 0.0).release()


# ---- the run ------------------------------------------------------------------------------------


@pytest.mark.notebook
def test_a_notebook_is_run_by_a_kernel_that_holds_the_lock(tmp_path, write_notebook, monkeypatch):
    work = tmp_path / "work"
    work.mkdir()
    (work / "json.py").write_text("raise SystemExit('this is not the json of Python')")
    (work / "mine.py").write_text("X = 3")
    monkeypatch.chdir(work)
    path = write_notebook(
        "lesson.ipynb",
        "import os, mine\nfrom textgan_lab.batch.lock import take_lock",
        ("print(mine.X, take_lock(os.environ['TEXTGAN_LAB_RUN'], 0.0))", "claim"),
    )
    result = run_notebook(path, root=tmp_path / "runs")
    assert result.claims == ["3 None"]  # refused: this very process holds it
    take_lock(str(result.folder), 0.0).release()  # and no longer


@pytest.mark.notebook
def test_a_run_that_another_kernel_writes_is_busy_not_failed(tmp_path, write_notebook, monkeypatch):
    command = [sys.executable, "-c", f"import sys; sys.exit({BUSY})", "{connection_file}"]
    monkeypatch.setattr("ipykernel.kernelspec.make_ipkernel_cmd", lambda *_, **__: command)
    path = write_notebook("lesson.ipynb", "x = 1")
    with pytest.raises(Busy, match="another kernel is writing this run"):
        run_notebook(path, root=tmp_path / "runs")
    (folder,) = (p for p in (tmp_path / "runs").iterdir() if p.name != ".locks")
    left = {p.name for p in folder.iterdir()}
    assert not left & {"run.json", "error.json", "output.ipynb"}


@pytest.mark.notebook
def test_a_kernel_that_does_not_start_is_a_failure_that_says_so(
    tmp_path, write_notebook, monkeypatch
):
    command = [sys.executable, "-c", "import sys; sys.exit('Address already in use')"]
    monkeypatch.setattr("ipykernel.kernelspec.make_ipkernel_cmd", lambda *_, **__: command)
    path = write_notebook("lesson.ipynb", "x = 1")
    with pytest.raises(NotebookFailed, match="the kernel did not start: ") as failed:
        run_notebook(path, root=tmp_path / "runs")
    folder = failed.value.output.parent
    said = json.loads((folder / "error.json").read_text())
    assert (said["error"], said["message"]) == ("DeadKernelError", failed.value.message)
    assert not (folder / "run.json").exists() and not list(folder.glob(".work*"))
    monkeypatch.undo()
    assert run_notebook(path, root=tmp_path / "runs").folder == folder  # tried again, it is done


@pytest.mark.notebook
@pytest.mark.parametrize(("given", "threads"), [(None, "1"), ("2", "2")])
def test_a_kernel_has_one_thread_unless_told_otherwise(
    given, threads, tmp_path, write_notebook, monkeypatch
):
    if given is None:
        monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    else:
        monkeypatch.setenv("OMP_NUM_THREADS", given)
    said = ("print(os.environ['OMP_NUM_THREADS'])", "claim")
    path = write_notebook("lesson.ipynb", "import os", said)
    assert run_notebook(path, root=tmp_path / "runs").claims == [threads]


@pytest.mark.notebook
def test_the_page_is_on_the_disk_before_the_run_is_done(tmp_path, write_notebook, monkeypatch):
    flushed, flush = [], os.fsync

    def fsync(handle):
        flushed.append(os.fstat(handle).st_ino)
        flush(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    result = run_notebook(write_notebook("lesson.ipynb", "x = 1"), root=tmp_path / "runs")
    page, end = (os.stat(result.folder / name).st_ino for name in ("output.ipynb", "run.json"))
    assert page in flushed[: flushed.index(end)]


@pytest.mark.notebook
@pytest.mark.parametrize("holder", ["a name", "a cycle", "a module"])
def test_a_file_that_the_page_left_open_is_written(holder, tmp_path, write_notebook, monkeypatch):
    """A kernel ends as Python does: only its last collections free the last two."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(
        "file = open('left.txt', 'w')\ndef write(text):\n    file.write(text)\n"
    )
    work = {
        "a name": "file = open('left.txt', 'w')\nfile.write('all of it')",
        "a cycle": "class Held: pass\none = Held()\none.itself = one\n"
                   "one.file = open('left.txt', 'w')\none.file.write('all of it')",
        "a module": "import mine\nmine.write('all of it')",
    }  # fmt: skip
    run_notebook(write_notebook("lesson.ipynb", work[holder]), root=tmp_path / "runs")
    assert (tmp_path / "left.txt").read_text() == "all of it"
