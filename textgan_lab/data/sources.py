"""Where corpora come from: the catalogue of names, files of the user's own, downloads, the cache.

Each corpus is written in its own module and filed here; `load_corpus` finds it by name or path.
"""

import codecs
import hashlib
import inspect
import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pooch
import requests

from ..catalogue import Catalogue, UnknownName

CORPORA = Catalogue("corpus")

# Suffix -> loader(path, **options); "" reads every other suffix. Filled by the package itself, so
# that this module imports none of the modules that import it.
READERS: dict[str, Callable[..., Any]] = {}

LONGEST_LINE = 1_000_000  # bytes

MIRROR = "https://raw.githubusercontent.com/geek-ai/Texygen/master/data/"


class CorpusError(ValueError):
    """A corpus that cannot be found, read, downloaded or used, and what to do about it."""


def load_corpus(source: str | os.PathLike, **options) -> Any:
    """Return the corpus called ``source``, or the one in the file at that path.

    A registered name wins over a file of the same name; write ``./name`` for the file. ``.yaml``
    holds a grammar; any other file is UTF-8 text with one sentence a line.

    Raises:
        CorpusError: neither a name nor a file, or a file that cannot be used.
        UnknownName: an option that this corpus does not take.
    """
    if isinstance(source, str) and source in CORPORA:
        return CORPORA.make(source, options)
    path = Path(source).expanduser()
    if path.is_dir():
        raise CorpusError(f"{path}: a folder; give one file of text, one sentence a line")
    if not path.exists():
        known = ", ".join(CORPORA)
        raise CorpusError(f"{str(source)!r}: no such file, and no corpus of that name ({known})")
    reader = READERS.get(path.suffix.lower(), READERS[""])
    known = [n for n, p in inspect.signature(reader).parameters.items() if p.default is not p.empty]
    for option in options:
        if option not in known:
            raise UnknownName(f"{path}: no option {option!r}; its options: {', '.join(known)}")
    return reader(path, **options)


def read_lines(path: str | os.PathLike) -> Iterator[str]:
    """Yield the lines of a UTF-8 file, in bounded memory whatever the file is.

    A line ends at a line feed alone: U+2028 and the like may stand inside a sentence.

    Raises:
        CorpusError: no such file, another encoding, a NUL, a line of over `LONGEST_LINE` bytes.
    """
    path = Path(path).expanduser()
    try:
        with path.open("rb") as file:
            start = 0  # byte at which the line begins
            for number in itertools.count(1):
                raw = file.readline(LONGEST_LINE + 1)
                if not raw:
                    return
                where = f"{path}, line {number}"
                if len(raw) > LONGEST_LINE and not raw.endswith(b"\n"):
                    raise CorpusError(
                        f"{where}: longer than {LONGEST_LINE:,} bytes (it begins at byte {start}); "
                        f"one sentence a line is expected"
                    )
                text = raw.removeprefix(codecs.BOM_UTF8) if start == 0 else raw
                try:
                    line = text.decode()
                except UnicodeDecodeError as error:
                    byte = start + len(raw) - len(text) + error.start
                    raise CorpusError(
                        f"{where}: not UTF-8 at byte {byte} ({raw[byte - start]:#04x}); save it as "
                        f"UTF-8"
                    ) from error
                if "\0" in line:
                    byte = start + raw.index(b"\0")
                    raise CorpusError(f"{where}: a NUL at byte {byte}; is this a text file?")
                yield line.rstrip("\r\n")
                start += len(raw)
    except OSError as error:
        raise CorpusError(f"{path}: cannot be read ({error.strerror}); give a text file") from error


def shipped(name: str) -> Path:
    """Return the path of data file ``name`` of this package, whatever the working directory.

    Raises:
        CorpusError: no such file is shipped.
    """
    package = Path(__file__).resolve().parents[1]
    folders = [package.parent / "data", package / "_shipped"]  # a checkout; an installed wheel
    for folder in folders:
        if (folder / name).is_file():
            return folder / name
    there = sorted({path.name for folder in folders for path in folder.glob("*.yaml")})
    raise CorpusError(f"no data file {name!r} is shipped; there are: {', '.join(there) or 'none'}")


def cache_folder() -> Path:
    """Return the folder for downloads and extracts: $TEXTGAN_LAB_CACHE, else the user's cache."""
    return Path(os.environ.get("TEXTGAN_LAB_CACHE") or pooch.os_cache("textgan_lab"))


def download(file: str, sha256: str) -> Path:
    """Return the path of a published file, fetched once and verified at every use.

    It comes from ``$TEXTGAN_LAB_MIRROR``, else from `MIRROR`. What fails half-way leaves no file
    behind, so that trying again is always right.

    Raises:
        CorpusError: no connection, a broken one, other bytes than expected, no place to write.
    """
    address = (os.environ.get("TEXTGAN_LAB_MIRROR") or MIRROR).rstrip("/") + "/" + file
    folder = cache_folder()
    remedy = f"without a network, give a copy of {file} as path=..."
    downloader = pooch.HTTPDownloader(progressbar=True, hooks={"response": _hang_up})
    try:
        return Path(
            pooch.retrieve(address, f"sha256:{sha256}", file, folder, downloader=downloader)
        )
    except requests.RequestException as error:
        raise CorpusError(f"{address}: the download failed ({error}); {remedy}") from error
    except ValueError as error:  # pooch's word for a hash that differs
        raise CorpusError(
            f"{address}: sent other bytes than sha256 {sha256}, so nothing was kept; {remedy}"
        ) from error
    except OSError as error:
        raise CorpusError(
            f"{folder}: cannot keep the download ({error}); set TEXTGAN_LAB_CACHE to a folder "
            f"that can be written"
        ) from error


def _hang_up(response: requests.Response, **_: Any) -> None:
    """Close the connection of an answer that is an error, which pooch leaves open."""
    if not response.ok:
        response.close()


def file_sha256(path: Path) -> str:
    """Return the sha256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
