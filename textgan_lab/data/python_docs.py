"""English sentences from the interpreter's own documentation: a text that needs no download.

Sources are the language reference that ``help()`` shows and the docstrings and comments of the
standard library, which is parsed, never imported. The rules below prefer losing a sentence to
keeping one that is not prose: a code line that slipped through would be learnt as English.
"""

import ast
import contextlib
import hashlib
import json
import re
import sys
import sysconfig
import warnings
from collections.abc import Iterator
from pathlib import Path

from .. import atomic
from .sources import CorpusError, cache_folder

RULES = 1  # raise it when a rule below changes: the cache is keyed by it
SKIPPED = {"test", "tests", "idle_test", "site-packages", "dist-packages", "pydoc_data"}

# What stands at the head of a line, and what is not said aloud.
_UNDERLINE = re.compile(r"^\s*([=\-*~^#\"'+])\1{2,}\s*$")
_BULLET = re.compile(r"^([*\-+•]|\(?\d{1,2}[.)]|\(?[a-z]\))\s+")
_FIELD = re.compile(r"^:[a-z]+[^:`]*:\s*|^[\w.*,()\[\]'\"/=<> ]{1,40}?(?:\s--?|\s?:)\s+(?=[A-Z])")
_VERSION = re.compile(r"^(Added|Changed|New|Deprecated|Removed)\b[^:.]*\bversion [\d.]+:?\s*")
_ROLE = re.compile(r":[a-z:]+:`(?:~[\w.]*\.|[~!])?([^`<]*?)(?:\s*<[^`>]*>)?`")
_QUOTED = re.compile(  # a quoted name reads as a name
    r"[\"“]([A-Za-z][\w.]*(?:\(\))?)[\"”]|(?<!\w)'([A-Za-z][\w.]*(?:\(\))?)'(?!\w)"
)
_MARKUP = [
    (_ROLE, r"\1"),
    (re.compile(r"``([^`]*)``|`([^`']*)[`']_{0,2}"), r"\1\2"),
    (re.compile(r"(?<![\w*])\*{1,2}([A-Za-z][^*]{0,60}?)\*{1,2}(?![\w*])"), r"\1"),
    (_QUOTED, r"\1\2"),
    (re.compile(r"\s*\[\w{1,3}\](?=[\s.,;]|$)"), ""),  # a footnote mark
    (re.compile(r"\b([A-Za-z]\w*)\(\)"), r"\1"),
    (re.compile(r"[“”]"), '"'),
    (re.compile(r"[‘’]"), "'"),
    (re.compile(r"\s*[–—]+\s*|\s+---?\s+"), " - "),
    (re.compile(r"\s+"), " "),
]
# Where a sentence ends, and what makes it one of English.
_END = re.compile(r"(?<=[.!?])[\"')]*\s+(?=[\"'(]?[A-Z])")
_ABBREVIATED = re.compile(r"\b(?:e\.g|i\.e|etc|vs|cf|a\.k\.a|resp|approx|Inc|Dr|Mr|St|[A-Z])\.$")
_PROSE = re.compile(
    r"(?:A|I|[A-Z][a-z]+|[A-Z]{2,5})(?:-[a-z]+)?[,:]? [A-Za-z0-9 ,;:'\"()./-]+[.!?]"
)
_WORD = re.compile(r"[A-Za-z]+(?:'[a-z]+)?")
_NAME = re.compile(r"\b[a-z]+[A-Z]|\.\w|/|\d[A-Za-z]|[A-Za-z]\d|--|\.\.|\b[A-Z]{7,}|XXX|TODO")
_SUMMARY = re.compile(r"\A([^\n]*[a-z])(?=\n *\n|\Z)")  # a first line without its full stop
_COMMON = re.compile(
    r"\b(?:an?|the|this|that|these|those|its?|is|are|was|were|be|been|being|has|have|had|do|does|did|"
    r"can|could|may|might|must|shall|should|will|would|not?|if|when|where|which|who|what|how|as|of|to|"
    r"in|on|at|by|for|from|with|without|into|and|or|but|than|then|so|such|any|all|each|every|some|one|"
    r"there|you|we|they|your|our|their)\b",
    re.IGNORECASE,
)


def sentences() -> list[str]:
    """Return unique English sentences, in a fixed order for one interpreter; kept in the cache.

    Raises:
        CorpusError: an interpreter without the source files of its standard library.
    """
    version = ".".join(map(str, sys.version_info[:3]))
    # two builds of one version may carry different parts of the library
    build = hashlib.sha256(f"{sys.version}{library()}{RULES}".encode()).hexdigest()[:12]
    cached = cache_folder() / f"python-docs-{version}-{build}.json"
    try:
        return json.loads(cached.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # absent, out of reach, or damaged: the files are read afresh
        found = extract()
    with contextlib.suppress(OSError):  # an unwritable cache costs seconds each time, no more
        atomic.write(cached, json.dumps(found, ensure_ascii=False).encode())
    return found


def extract() -> list[str]:
    """Return the sentences, read afresh from the interpreter's files."""
    unique: dict[str, None] = {}
    for text in documents():
        for paragraph in paragraphs(text):
            unique.update(dict.fromkeys(filter(is_prose, split(clean(paragraph)))))
    return list(unique)


def library() -> Path:
    """Return the folder of the standard library's source files."""
    return Path(sysconfig.get_path("stdlib"))


def documents() -> Iterator[str]:
    """Yield the topics of ``help()``, then docstrings and comments of each file of the library.

    Raises:
        CorpusError: an interpreter without the source files of its standard library.
    """
    from pydoc_data.topics import topics

    yield from (topics[name] for name in sorted(topics))
    root = library()
    files = {
        path.relative_to(root).as_posix(): path
        for path in root.rglob("*.py")
        if not SKIPPED & set(path.relative_to(root).parts[:-1])
    }
    if not files:
        raise CorpusError(
            f"python-docs: {root} has no source files of the standard library; give a text file"
        )
    for name in sorted(files):
        yield from _docstrings(files[name].read_bytes())
        yield from _comments(files[name].read_text(encoding="utf-8", errors="replace"))


def _docstrings(source: bytes) -> Iterator[str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # old escapes in files that are not ours to mend
        try:
            tree = ast.parse(source)
        except (SyntaxError, ValueError):
            return  # the library ships a few templates that are no Python
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield _SUMMARY.sub(r"\1.", ast.get_docstring(node) or "")


def _comments(source: str) -> Iterator[str]:
    for block in re.findall(r"(?:^ *#.*\n)+", source, flags=re.MULTILINE):
        yield _SUMMARY.sub(r"\1.", re.sub(r"^ *#+ ?", "", block, flags=re.MULTILINE).strip())


def paragraphs(text: str) -> Iterator[str]:
    r"""Yield the running text of a document: no code, doctests, headings, tables or markers.

    >>> list(paragraphs("Title\n=====\nOne line,\nits end. So::\n\n  x = 1\n\n* A bullet."))
    ['One line, its end. So::', 'A bullet.']
    """
    lines = text.expandtabs().split("\n")
    current: list[str] = []
    indent = 0  # of the paragraph's newest line
    literal: int | None = None  # what stands deeper than this is code
    doctest = item = False
    for line, below in zip(lines, [*lines[1:], ""], strict=True):
        words = line.strip()
        depth = len(line) - len(line.lstrip())
        if literal is not None and (not words or depth > literal):
            continue
        literal = None
        doctest = bool(words) and (doctest or words.startswith((">>>", "$ ")))
        if not words or doctest or _UNDERLINE.match(line) or _UNDERLINE.match(below):
            yield from _joined(current)
            continue
        marker = _BULLET.match(words) or _FIELD.match(words)
        hangs = item and len(current) == 1 and depth > indent
        if marker or (current and depth != indent and not hangs):
            yield from _joined(current)
        if not current:
            item = bool(marker)
        current.append(words[marker.end() :] if marker else words)
        indent = depth
        if words.endswith("::"):
            yield from _joined(current)
            literal = depth
    yield from _joined(current)


def _joined(lines: list[str]) -> Iterator[str]:
    """Yield the lines as one paragraph, none for a table, and empty the list."""
    if lines and not any(re.search(r"[^.!?:] {2,}", line) for line in lines):
        yield re.sub(r"(?<=[a-z])- (?=[a-z])", "-", " ".join(lines))
    lines.clear()


def clean(paragraph: str) -> str:
    """Return the paragraph without markup: what a reader would read aloud.

    >>> clean("The :class:`~os.PathLike` *path*, see ``open()`` [1].")
    'The PathLike path, see open.'
    """
    for pattern, replacement in _MARKUP:
        paragraph = pattern.sub(replacement, paragraph)
    return _VERSION.sub("", paragraph.strip())


def split(paragraph: str) -> Iterator[str]:
    """Yield the sentences of a paragraph; an abbreviation does not end one.

    >>> list(split("Use it, e.g. Here it is. See RFC 822 (J. Doe). It works!"))
    ['Use it, e.g. Here it is.', 'See RFC 822 (J. Doe).', 'It works!']
    """
    start = 0
    for end in _END.finditer(paragraph):
        sentence = paragraph[start : end.end()].strip()
        if not _ABBREVIATED.search(sentence):
            yield sentence
            start = end.end()
    yield paragraph[start:].strip()


def is_prose(sentence: str) -> bool:
    """Return whether this is a sentence of English, by its shape and its common words.

    >>> is_prose("Return the name of the file."), is_prose("Raise foo.Bar if x > 0.")
    (True, False)
    """
    words = _WORD.findall(sentence)
    return (
        len(words) >= 4
        and _PROSE.fullmatch(sentence) is not None
        and not _NAME.search(sentence)
        and sentence.count("(") == sentence.count(")")
        and sentence.count('"') % 2 == 0
        and sum(c.isalpha() or c == " " for c in sentence) >= 0.88 * len(sentence)
        and len(_COMMON.findall(sentence)) >= max(1, len(words) // 6)
    )
