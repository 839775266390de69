"""Where corpora come from: names, files, downloads."""

import hashlib
import http.server
import socket
import threading
import tracemalloc

import pytest

from textgan_lab.catalogue import UnknownName
from textgan_lab.data import CORPORA, CorpusError, Grammar, load_corpus, shipped, sources
from textgan_lab.data.sources import LONGEST_LINE, download, read_lines

TEXT = "a right line\n" * 500
SHA256 = hashlib.sha256(TEXT.encode()).hexdigest()


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TEXTGAN_LAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return tmp_path / "cache"


@pytest.fixture
def server(monkeypatch):
    """A mirror on this machine; ``server.answer`` says how it behaves, ``.served`` how often."""

    class Mirror(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            mirror.served += 1
            body = {"wrong": b"<html>not found</html>"}.get(mirror.answer, TEXT.encode())
            self.send_response(404 if mirror.answer == "missing" else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: len(body) // 2] if mirror.answer == "break" else body)

        def log_message(self, *arguments):
            pass

    mirror = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Mirror)
    mirror.answer, mirror.served = "right", 0
    monkeypatch.setenv("TEXTGAN_LAB_MIRROR", f"http://127.0.0.1:{mirror.server_port}/data")
    thread = threading.Thread(target=mirror.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield mirror
    mirror.shutdown()
    thread.join()
    mirror.server_close()


def test_a_download_is_kept_and_used_again_without_the_network(cache, server):
    path = download("some.txt", SHA256)
    assert path == cache / "some.txt"
    assert path.read_bytes() == TEXT.encode()
    assert download("some.txt", SHA256) == path
    assert server.served == 1


@pytest.mark.parametrize(
    ("answer", "said"),
    [("break", "download failed"), ("wrong", "other bytes"), ("missing", "404")],
)
def test_a_failed_download_says_so_leaves_nothing_and_can_be_repeated(cache, server, answer, said):
    server.answer = answer
    with pytest.raises(CorpusError, match=said) as caught:
        download("some.txt", SHA256)
    assert f"127.0.0.1:{server.server_port}/data/some.txt" in str(caught.value)
    assert "path=" in str(caught.value)
    assert list(cache.iterdir()) == []
    server.answer = "right"
    assert download("some.txt", SHA256).read_bytes() == TEXT.encode()


def test_a_refused_connection_is_a_clear_error(cache, monkeypatch):
    with socket.socket() as taken:  # bound but not listening: a connection is refused
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setenv("TEXTGAN_LAB_MIRROR", f"http://127.0.0.1:{taken.getsockname()[1]}")
        with pytest.raises(CorpusError, match=r"download failed.*without a network.*path="):
            load_corpus("coco-captions")
    assert list(cache.iterdir()) == []


def test_a_damaged_file_in_the_cache_is_fetched_again(cache, server):
    download("some.txt", SHA256).write_text("damaged")
    assert download("some.txt", SHA256).read_bytes() == TEXT.encode()
    assert server.served == 2


def test_a_cache_that_cannot_be_written_is_named(tmp_path, server, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("TEXTGAN_LAB_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(CorpusError, match=r"file/cache: cannot keep.*TEXTGAN_LAB_CACHE"):
        download("some.txt", SHA256)


def test_lines_end_at_line_feeds_and_nowhere_else(tmp_path):
    path = tmp_path / "text.txt"
    path.write_bytes("\ufeffone\r\ntwo\u2028still two\x0c\n\nfour".encode())
    assert list(read_lines(path)) == ["one", "two\u2028still two\x0c", "", "four"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("fine\ncafé\n".encode("latin-1"), r"line 2: not UTF-8 at byte 8 \(0xe9\)"),
        ("\ufefffine\n".encode() + b"\xff", r"line 2: not UTF-8 at byte 8 \(0xff\)"),
        (b"\xef\xbb\xbfa\xe9\n", r"line 1: not UTF-8 at byte 4 \(0xe9\)"),
        ("text\n".encode("utf-16"), r"line 1: not UTF-8 at byte 0 \(0xff\)"),
        (b"ok\n\xed\xa0\x80\n", r"line 2: not UTF-8 at byte 3"),  # a lone surrogate
        (b"ok\nal\x00so\n", r"line 2: a NUL at byte 5"),
        (b"\xef\xbb\xbfa\x00\n", r"line 1: a NUL at byte 4"),
    ],
)
def test_other_bytes_than_text_are_located(tmp_path, content, said):
    path = tmp_path / "text.txt"
    path.write_bytes(content)
    with pytest.raises(CorpusError, match=rf"text\.txt, {said}"):
        list(read_lines(path))


def test_a_line_of_300_megabytes_is_refused_in_little_memory(tmp_path):
    path = tmp_path / "huge.txt"
    with path.open("wb") as file:
        file.write(b"short\n")
        file.truncate(300_000_000)  # sparse: takes no room on the disk
    tracemalloc.start()
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    try:
        with pytest.raises(CorpusError, match=r"huge\.txt, line 2: longer than 1,000,000 bytes.*6"):
            load_corpus(path)
        assert tracemalloc.get_traced_memory()[1] - before < 10_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("end", [b"", b"\n"])
def test_the_longest_line_is_just_legal(tmp_path, end):
    path = tmp_path / "long.txt"
    path.write_bytes(b"x" * LONGEST_LINE + end)
    assert [len(line) for line in read_lines(path)] == [LONGEST_LINE]
    path.write_bytes(b"x" * (LONGEST_LINE + 1) + end)
    with pytest.raises(CorpusError, match="line 1: longer"):
        list(read_lines(path))


def test_an_unknown_source_is_no_name_and_no_file(tmp_path):
    with pytest.raises(CorpusError, match=r"'capshuns': no such file.*python-docs.*captions"):
        load_corpus("capshuns")
    with pytest.raises(CorpusError, match="a folder"):
        load_corpus(tmp_path)
    with pytest.raises(CorpusError, match=r"none\.txt: cannot be read \(No such file"):
        load_corpus("coco-captions", path=tmp_path / "none.txt")


def test_an_unknown_option_is_refused_with_the_known_ones(tmp_path):
    with pytest.raises(UnknownName, match=r"'python-docs' has no option 'maxlen'.*max_length"):
        load_corpus("python-docs", maxlen=3)
    (tmp_path / "text.txt").write_text("a line\n")
    with pytest.raises(UnknownName, match=r"text\.txt: no option 'maxlen'.*max_length"):
        load_corpus(tmp_path / "text.txt", maxlen=3)


def test_a_name_wins_over_a_file_and_a_suffix_picks_the_reader(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mini").write_text("")
    assert load_corpus("mini").name == "mini"
    with pytest.raises(CorpusError, match="empty"):
        load_corpus("./mini")
    (tmp_path / "own.YAML").write_bytes(shipped("mini.yaml").read_bytes())
    assert isinstance(load_corpus(tmp_path / "own.YAML"), Grammar)


def test_shipped_files_are_found_from_anywhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert shipped("captions.yaml").name == "captions.yaml"
    with pytest.raises(
        CorpusError, match=r"'nothing\.yaml' is shipped; there are:.*captions\.yaml"
    ):
        shipped("nothing.yaml")


def test_every_corpus_has_a_summary_and_options_with_defaults():
    for name in CORPORA:
        assert CORPORA.summary(name).endswith(".")
        assert CORPORA.options(name)


def test_the_cache_folder_can_be_chosen(monkeypatch, tmp_path):
    monkeypatch.setenv("TEXTGAN_LAB_CACHE", str(tmp_path))
    assert sources.cache_folder() == tmp_path
    monkeypatch.delenv("TEXTGAN_LAB_CACHE")
    assert sources.cache_folder().name == "textgan_lab"
