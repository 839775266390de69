"""Disks that are full or read-only: an error that names the file, and the old state as it was."""

import contextlib
import errno
import json
import os
import subprocess
from pathlib import Path

import pytest
import torch
from languages import TinyLanguage

from textgan_lab.batch import NotebookFailed, keeping, run_notebook
from textgan_lab.batch.keeping import carry_on, keep
from textgan_lab.training import Spec, Trainer, checkpoint

pytestmark = [pytest.mark.slow]
torch.set_num_threads(1)
DATA = TinyLanguage(eos=True)
FREE = 24_000  # bytes that are left on a full disk: enough for a lock and a list of parameters


def build(**spec):
    spec = {"data": "given", "batch_size": 8, "probe_every": 5, "probe_size": 16, **spec}
    return Trainer(Spec(device="cpu", **spec), data=DATA)


def filled(folder):
    """Return the bytes of every file there; the lock holds none that matter."""
    files = [p for p in folder.rglob("*") if p.is_file() and p.name != "filler"]
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in files}


@contextlib.contextmanager
def mounted(folder, size):
    """Put a small file system on a folder; skip, with the reason, where that is not allowed."""
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"cannot mount here: {getattr(error, 'stderr', '') or error}")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture(params=["a small disk", "a limit on files"])
def place(request, tmp_path):
    """A folder, and a context in which it takes no more than ``FREE`` bytes."""
    if request.param == "a small disk":
        with mounted(tmp_path, "8m"):
            yield tmp_path, small_disk(tmp_path), errno.ENOSPC
    else:
        yield tmp_path, limit(), errno.EFBIG


def small_disk(folder):
    @contextlib.contextmanager
    def full(free=FREE):
        filler = folder / "filler"
        room = os.statvfs(folder)
        filler.write_bytes(bytes(room.f_bavail * room.f_frsize - free))
        yield
        filler.unlink()

    return full


def limit():
    resource = pytest.importorskip("resource", reason="no limits on file sizes here")

    @contextlib.contextmanager
    def full(free=FREE):
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (free, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    return full


@pytest.fixture(params=["mounted so", "without the right"])
def read_only(request, tmp_path):
    """A folder, and a context in which nothing can be written there."""
    if request.param == "mounted so":

        def mount(how):
            subprocess.run(["mount", "-o", f"remount,{how}", str(tmp_path)], check=True)

        with mounted(tmp_path, "4m"):
            yield tmp_path, switch(lambda: mount("ro"), lambda: mount("rw"))
    elif os.geteuid() == 0:
        pytest.skip("root may write wherever it likes")
    else:

        def allow(mode):
            for folder in [tmp_path, *(p for p in tmp_path.rglob("*") if p.is_dir())]:
                folder.chmod(mode)

        yield tmp_path, switch(lambda: allow(0o500), lambda: allow(0o700))


@contextlib.contextmanager
def switched(off, on):
    off()
    try:
        yield
    finally:
        on()


def switch(off, on):
    return lambda: switched(off, on)


def prepare(folder, monkeypatch):
    """Leave a run of ten steps in a folder, as the old state."""
    run = folder / "run"
    monkeypatch.setenv("TEXTGAN_LAB_RUN", str(run))
    monkeypatch.setattr(keeping, "SHARE", float("inf"))
    carry_on(build(), 10, every=5)
    keep(Trainer.resume(run, data=DATA))
    return run


def write_checkpoint(run):
    state = checkpoint.read(run / "checkpoints" / "step-000010.pt")
    checkpoint.write(state | {"t": -1}, run / "checkpoints" / "step-000010.pt")


def save_telemetry(run):
    telemetry = Trainer.resume(run, data=DATA).telemetry
    telemetry.rows = telemetry.rows * 50  # more than is free
    telemetry.save(run)


def keep_more(run):
    keep(build().run(1), note="x")


def go_on(run):
    carry_on(build(), 30, every=5)


def read_back(run):
    """Read everything that the old state holds; a torn file would raise."""
    assert Trainer.resume(run, data=DATA).t == 10
    assert json.loads((run / "result.json").read_text())["steps"] == 10


WRITES = {
    write_checkpoint: "step-000010.pt", save_telemetry: "telemetry.jsonl",
    keep_more: "step-000001.pt", go_on: "step-000015.pt",
}  # fmt: skip


@pytest.mark.parametrize("write", WRITES, ids=lambda write: write.__name__)
def test_a_full_disk(write, place, monkeypatch):
    folder, full, code = place
    run = prepare(folder, monkeypatch)
    before = filled(folder)
    with full(), pytest.raises(OSError, match=WRITES[write]) as caught:
        write(run)
    assert caught.value.errno == code
    assert Path(caught.value.filename).name == WRITES[write]
    assert filled(folder) == before  # no scratch either
    read_back(run)
    last = carry_on(build(), 30, every=5)  # once there is room
    assert torch.equal(last.game.g.flat, build().run(30).game.g.flat)


@pytest.mark.parametrize("write", WRITES, ids=lambda write: write.__name__)
def test_a_folder_that_cannot_be_written(write, read_only, monkeypatch):
    folder, locked = read_only
    run = prepare(folder, monkeypatch)
    before = filled(folder)
    name = WRITES[write]
    with locked(), pytest.raises(OSError, match=name) as caught:
        write(run)
    assert caught.value.errno in (errno.EROFS, errno.EACCES)
    assert Path(caught.value.filename).name == name
    assert filled(folder) == before
    read_back(run)


# ---- a notebook ---------------------------------------------------------------------------------

PAGE = """\
import textgan_lab as tl
trainer = tl.Trainer(tl.Spec(data="mini", probe_every=5, probe_size=16, batch_size=8))
tl.carry_on(trainer, 10, every=5)
tl.keep(trainer, bleu=0.5);"""


def run_folder(root):
    (folder,) = (p for p in root.iterdir() if p.is_dir() and p.name != ".locks")
    return folder


@pytest.mark.notebook
def test_a_notebook_on_a_full_disk(place, tmp_path_factory, monkeypatch):
    folder, full, code = place
    path = page(tmp_path_factory)
    root = folder / "runs"
    with full(100_000), pytest.raises(NotebookFailed, match=r"step-0000\d\d\.pt") as caught:
        run_notebook(path, root=root)
    assert os.strerror(code) in str(caught.value)
    run = run_folder(root)
    assert not (run / "run.json").exists() and (run / "error.json").exists()
    result = run_notebook(path, root=root)  # once there is room
    assert result.repeated and (run / "run.json").exists()
    record = json.loads((run / "run.json").read_text())
    assert record["steps"] == 10 and record["result"] == {"bleu": 0.5}


@pytest.mark.notebook
def test_a_notebook_on_a_disk_with_no_room_at_all(place, tmp_path_factory):
    folder, full, code = place
    path = page(tmp_path_factory)
    root = folder / "runs"
    root.mkdir()
    with full(0), pytest.raises(OSError) as caught:  # noqa: PT011  (which file: below)
        run_notebook(path, root=root)
    assert caught.value.errno == code and str(root) in str(caught.value.filename)
    assert not list(root.rglob("run.json")) and not list(root.rglob("output.ipynb"))
    assert run_notebook(path, root=root).repeated


@pytest.mark.notebook
def test_a_notebook_on_a_read_only_disk(read_only, tmp_path_factory):
    folder, locked = read_only
    root = folder / "runs"
    root.mkdir()
    with locked(), pytest.raises(OSError) as caught:  # noqa: PT011
        run_notebook(page(tmp_path_factory), root=root)
    assert caught.value.errno in (errno.EROFS, errno.EACCES)
    assert str(root) in str(caught.value.filename)
    assert not list(root.rglob("*"))


def page(tmp_path_factory):
    import nbformat

    path = tmp_path_factory.mktemp("page") / "lesson.ipynb"
    cells = [nbformat.v4.new_code_cell(PAGE)]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    return path
