"""Files are replaced whole, and belong to whoever the folder's other files belong to."""

import errno
import os
import stat

import pytest

from textgan_lab import atomic


@pytest.mark.skipif(os.name != "posix", reason="file modes are those of POSIX")
@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_who_may_read_it_is_as_for_any_other_new_file(mask, mode, tmp_path):
    before = os.umask(mask)
    try:
        path = atomic.write(tmp_path / "deep" / "run.json", b"{}")
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == mode


def test_what_was_there_is_replaced_and_nothing_stays_beside_it(tmp_path):
    path = tmp_path / "run.json"
    for content in (b"a longer first\r\n", b"second\n"):
        assert atomic.write(path, content) == path
        assert path.read_bytes() == content
    assert os.listdir(tmp_path) == ["run.json"]


def test_a_folder_that_is_a_file_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="run.json"):
        atomic.write(tmp_path / "file" / "run.json", b"{}")


@pytest.mark.parametrize("stopped", ["before the move", "after the move"])
def test_stopped_by_hand_it_is_a_stop_and_leaves_no_scratch(stopped, tmp_path, monkeypatch):
    move = os.replace
    (tmp_path / "run.json").write_bytes(b"old")

    def interrupted(*names):
        if stopped == "after the move":
            move(*names)
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        atomic.write(tmp_path / "run.json", b"new")
    assert os.listdir(tmp_path) == ["run.json"]
    content = {"before the move": b"old", "after the move": b"new"}[stopped]
    assert (tmp_path / "run.json").read_bytes() == content


def refusing_folders(code):
    """Return an fsync that flushes files and refuses folders."""
    flush = os.fsync

    def fsync(handle):
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(code, os.strerror(code))
        flush(handle)

    return fsync


@pytest.mark.skipif(os.name != "posix", reason="other systems open no folders")
def test_a_file_system_that_cannot_flush_folders_is_no_failure_and_a_broken_disk_is_one(
    tmp_path, monkeypatch
):
    path = tmp_path / "run.json"
    monkeypatch.setattr(os, "fsync", refusing_folders(errno.EINVAL))
    assert atomic.write(path, b"{}").read_bytes() == b"{}"
    monkeypatch.setattr(os, "fsync", refusing_folders(errno.EIO))
    with pytest.raises(OSError, match=r"run\.json"):
        atomic.write(path, b"[]")
    assert os.listdir(tmp_path) == ["run.json"]


def test_a_moved_file_is_on_the_disk_before_it_is_in_its_place(tmp_path, monkeypatch):
    source, path, done = tmp_path / "work", tmp_path / "page", []
    source.write_bytes(b"new")
    path.write_bytes(b"old")
    flush, move = os.fsync, os.replace

    def fsync(handle):
        done.append("folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "file")
        flush(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", lambda *names: (done.append("move"), move(*names)))
    assert atomic.move(source, path) == path
    assert done == ["file", "move"] + ["folder"] * (os.name == "posix")
    assert path.read_bytes() == b"new" and not source.exists()
    with pytest.raises(FileNotFoundError, match="page"):
        atomic.move(source, path)
