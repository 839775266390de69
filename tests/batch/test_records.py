"""Run folders: named by content, written by one, done only when run.json says so."""

import json
import math
import os
import signal
import subprocess
import sys

import pytest

from textgan_lab.batch import records
from textgan_lab.batch.lock import take_lock
from textgan_lab.batch.records import Busy, Run, canonical, identity, key, write_json


def test_the_key_is_the_hash_of_canonical_json():
    # sha256 of {"a":[1,2.5],"b":"x"}, first 16 hex digits
    assert canonical({"b": "x", "a": [1, 2.5]}) == '{"a":[1,2.5],"b":"x"}'
    assert key({"b": "x", "a": [1, 2.5]}) == key({"a": [1, 2.5], "b": "x"}) == "5cefae54a95b31dc"


def test_nan_has_no_key():
    with pytest.raises(ValueError, match="not JSON compliant"):
        key({"lr": math.nan})


def test_everything_that_decides_the_result_is_in_the_key(monkeypatch):
    start = key(identity({"lr": 1.0}, "code"))
    assert start == key(identity({"lr": 1.0}, "code"))
    others = [identity({"lr": 2.0}, "code"), identity({"lr": 1.0}, "other"),
              identity({"lr": 1.0}, "code", {"CORPUS": "ab12"})]  # fmt: skip
    for name, value in [("source_hash", "new"), ("device_class", "cuda")]:
        with monkeypatch.context() as patch:
            patch.setattr(records, name, lambda value=value: value)
            others.append(identity({"lr": 1.0}, "code"))
    with monkeypatch.context() as patch:
        patch.setattr(records.importlib.metadata, "version", lambda name: "0.0")
        others.append(identity({"lr": 1.0}, "code"))
    assert len({start, *map(key, others)}) == 7


def test_the_source_hash_follows_code_names_and_grammars(tmp_path, monkeypatch):
    package = tmp_path / "textgan_lab"
    package.mkdir()
    (tmp_path / "data").mkdir()
    (tmp_path / "pyproject.toml").touch()
    monkeypatch.setattr(records, "PACKAGE", package)
    monkeypatch.setattr(records, "CHECKOUT", tmp_path)
    seen = [records.source_hash()]
    for file, text in [("textgan_lab/a.py", "x = 1"), ("textgan_lab/a.py", "x = 2"),
                       ("textgan_lab/b.py", ""), ("data/mini.yaml", "a: 1")]:  # fmt: skip
        (tmp_path / file).write_text(text)
        seen.append(records.source_hash())
    (package / "a.py").rename(package / "c.py")
    seen.append(records.source_hash())
    assert len(set(seen)) == 6
    (package / "notes.txt").write_text("no code")
    assert records.source_hash() == seen[-1]


def test_a_write_that_fails_leaves_what_was_there(tmp_path):
    path = tmp_path / "run.json"
    write_json(path, {"a": 1})
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(path, {"a": math.nan})
    assert json.loads(path.read_text()) == {"a": 1}
    assert [file.name for file in tmp_path.iterdir()] == ["run.json"]


def test_a_run_is_done_when_run_json_is_there_and_not_before(tmp_path):
    run = Run(tmp_path, {"parameters": {"n": 3}})
    with run.writing():
        run.begin()
        (run.folder / "output.ipynb").touch()
        assert not run.done
        run.commit(seconds=1.5)
    assert run.done
    assert json.loads((run.folder / "params.json").read_text()) == {"parameters": {"n": 3}}
    record = run.record()
    assert (record["key"], record["parameters"], record["seconds"]) == (run.key, {"n": 3}, 1.5)


def test_failed_is_not_done_and_a_retry_forgets_the_failure(tmp_path):
    run = Run(tmp_path, {"a": 1})
    run.begin()
    run.fail(error="ZeroDivisionError")
    assert not run.done
    assert json.loads((run.folder / "error.json").read_text()) == {"error": "ZeroDivisionError"}
    run.begin()
    assert not (run.folder / "error.json").exists()


def test_setting_aside_deletes_nothing(tmp_path):
    run = Run(tmp_path, {"a": 1})
    run.set_aside()  # nothing there: nothing to do
    for content in ("first", "second"):
        run.begin()
        (run.folder / "note").write_text(content)
        run.set_aside()
    assert not run.folder.exists()
    assert [(tmp_path / f"{run.key}.old-{n}" / "note").read_text() for n in (1, 2)] == [
        "first",
        "second",
    ]


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="counts descriptors in /proc")
def test_setting_aside_a_thousand_runs_does_not_use_up_the_descriptors(tmp_path):
    run = Run(tmp_path, {"a": 1})
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(50):
        run.begin()
        with run.writing():
            run.set_aside()
    assert len(os.listdir("/proc/self/fd")) == before
    with take_lock(tmp_path / f"{run.key}.old-50", 0.0), run.writing(0.0):
        pass  # nobody holds any of them


def test_a_run_that_an_orphan_kernel_writes_is_not_set_aside(tmp_path, monkeypatch):
    monkeypatch.setattr(records, "PATIENCE", 0.1)
    run = Run(tmp_path, {"a": 1})
    run.begin()
    with take_lock(run.folder, 0.0), pytest.raises(Busy, match="a kernel is still writing"):
        run.set_aside()
    assert run.folder.exists()
    run.set_aside()
    assert not run.folder.exists()


def test_the_kernels_lock_is_held_while_a_run_is_set_aside_and_free_when_that_fails(
    tmp_path, monkeypatch
):
    run = Run(tmp_path, {"a": 1})
    run.begin()

    def refuse(folder, _):
        assert take_lock(folder, 0.0) is None
        raise PermissionError(13, "Permission denied", str(folder))

    with monkeypatch.context() as patch:
        patch.setattr(records.Path, "rename", refuse)
        with pytest.raises(PermissionError):
            run.set_aside()
    with take_lock(run.folder, 0.0):
        pass


def test_a_file_system_without_locks_is_said_by_the_runner(tmp_path, monkeypatch):
    fcntl = pytest.importorskip("fcntl", reason="locks are made otherwise here")

    def unsupported(*_):
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", unsupported)
    run = Run(tmp_path, {"a": 1})
    said = rf"cannot be locked \(Function not .*keep runs on another one: .*{run.key}"
    with pytest.raises(OSError, match=said), run.writing():
        pass


def test_a_page_that_writes_its_own_result_does_not_say_what_run_it_is(tmp_path):
    run = Run(tmp_path, {"parameters": {"n": 3}})
    run.begin()
    said = {"key": "x", "parameters": {"n": 4}, "seconds": 9.0, "note": "x", "steps": 7}
    write_json(run.folder / "result.json", said)
    run.commit(seconds=1.5)
    record = run.record()
    assert (record["key"], record["parameters"], record["seconds"]) == (run.key, {"n": 3}, 1.5)
    assert record["steps"] == 7 and "note" not in record


def test_a_second_writer_is_refused_until_the_first_is_gone(tmp_path):
    holder = (
        "import sys, time; from textgan_lab.batch.records import Run\n"
        "with Run(sys.argv[1], {'a': 1}).writing():\n"
        "    print('held', flush=True)\n"
        "    time.sleep(60)\n"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", holder, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert other.stdout.readline() == "held\n"
        run = Run(tmp_path, {"a": 1})
        with pytest.raises(Busy, match=f"{run.key}: another process"), run.writing(patience=0.1):
            pass
        other.send_signal(signal.SIGKILL)
        other.wait()
        with run.writing(patience=5.0):
            pass
    finally:
        other.kill()
        other.wait()
        other.stdout.close()
