"""Files are replaced whole, and belong to whoever the folder's other files belong to."""

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
