"""Plain data: what is the same thing after a trip through JSON; and YAML that says nothing else.

YAML has spellings that surprise: ``no`` is a truth, ``0012`` is ten, ``1:30`` is ninety, the second
of two equal keys wins without a word, an alias makes gigabytes of a page. Here each of these is
refused with its line, and what is left means what it looks like.
"""

import math
import re
from collections.abc import Iterator
from typing import Any, NoReturn

import yaml
from yaml.resolver import Resolver

DEEPEST = 20  # lists within lists
WIDEST = 63  # bits of a whole number: seeds, tables and JSON readers take no more

At = tuple[str | int, ...]  # a place in the data: ("grid", "LR", 0)

INT = re.compile(r"[-+]?(0|[1-9][0-9]*)")
FLOAT = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?")


class YamlError(ValueError):
    """YAML that is none, or says more than plain data; ``line`` counts from 1."""

    def __init__(self, line: int, problem: str):
        super().__init__(problem)
        self.line = line


class _Resolver(Resolver):
    """YAML in which 1e-3 is a number, as it is in JSON and in Python; plain YAML 1.1 reads text."""


_Resolver.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+$"), list("-+0123456789")
)
_RESOLVER = _Resolver()


def read_yaml(text: str) -> tuple[Any, dict[At, int]]:
    """Return the plain data that YAML says, and the line of every place in it.

    A word without quotes is a number, ``true``, ``false``, ``null``, or text; a key is text.

    Raises:
        YamlError: no YAML or more than one page of it; tabs; anchors, aliases and tags; a key given
            twice; dates and other words that YAML reads as something that they do not look like;
            lists in lists deeper than `DEEPEST`.
    """
    for number, line in enumerate(text.split("\n"), start=1):
        if "\t" in line.split("#")[0]:
            raise YamlError(number, "a tab; YAML is indented with spaces")
    return _Reader(text).page()


class _Reader:
    def __init__(self, text: str):
        self.text = text
        self.lines: dict[At, int] = {}

    def page(self) -> tuple[Any, dict[At, int]]:
        events = self.events()
        first = next(events)
        data = self.node(first, (), events)
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                self.fail(event, (), "a second page (---); write one")
        return data, self.lines

    def events(self) -> Iterator[yaml.Event]:
        """Yield what the parser sees, from the first value on."""
        line = 1
        try:
            for event in yaml.parse(self.text, Loader=yaml.SafeLoader):
                line = event.start_mark.line + 1
                if isinstance(event, yaml.StreamEndEvent) and not self.lines:
                    raise YamlError(1, "empty")
                if not isinstance(event, yaml.StreamStartEvent) and (
                    self.lines or not isinstance(event, yaml.DocumentStartEvent)
                ):
                    yield event
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            raise YamlError(mark.line + 1, f"no valid YAML: {error.problem}") from None
        except yaml.reader.ReaderError as error:
            line = self.text.count("\n", 0, error.position) + 1
            problem = f"no valid YAML: character {error.character:#x}, {error.reason}"
            raise YamlError(line, problem) from None
        except (ValueError, OverflowError) as error:  # "\U99999999" and the like
            if isinstance(error, YamlError):
                raise
            raise YamlError(line, f"no valid YAML: after this line, {error}") from None

    def node(self, event: yaml.Event, at: At, events: Iterator[yaml.Event]) -> Any:
        self.lines.setdefault(at, event.start_mark.line + 1)  # of a key's value: the key's
        if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
            problem = "an anchor or alias (& or *); write the value out, or quote the text"
            self.fail(event, at, problem)
        if event.tag is not None:
            problem = f"a tag ({shown(event.tag)}); plain values need none, texts stand in quotes"
            self.fail(event, at, problem)
        if isinstance(event, yaml.ScalarEvent):
            return self.scalar(event, at)
        if len(at) >= DEEPEST:
            self.fail(event, at, f"nested deeper than {DEEPEST} levels")
        if isinstance(event, yaml.SequenceStartEvent):
            items = []
            while not isinstance(event := next(events), yaml.SequenceEndEvent):
                items.append(self.node(event, (*at, len(items)), events))
            return items
        entries = {}
        while not isinstance(event := next(events), yaml.MappingEndEvent):
            key = self.key(event, at)
            if key in entries:
                first = self.lines[*at, key]
                problem = f"{shown(key)} is given twice (first on line {first}); keep one"
                self.fail(event, at, problem)
            self.lines[*at, key] = event.start_mark.line + 1
            entries[key] = self.node(next(events), (*at, key), events)
        return entries

    def key(self, event: yaml.Event, at: At) -> str:
        if not isinstance(event, yaml.ScalarEvent) or event.anchor or event.tag:
            self.fail(event, at, "a key that is no plain name")
        if event.implicit[0] and self.kind(event) != "str":
            self.fail(event, at, f"key {shown(event.value)[1:-1]}: expected str; put it in quotes")
        return event.value

    def kind(self, event: yaml.ScalarEvent) -> str:
        """Return what YAML 1.1 takes a word for that stands in no quotes."""
        tag = _RESOLVER.resolve(yaml.ScalarNode, event.value, (True, False))
        return tag.rpartition(":")[2]

    def scalar(self, event: yaml.ScalarEvent, at: At) -> Any:
        word = event.value
        if not event.implicit[0]:  # in quotes
            return word
        match kind := self.kind(event):
            case "str":
                return word
            case "null":
                return None
            case "bool" if word.lower() in ("true", "false"):
                return word.lower() == "true"
            case "int" if INT.fullmatch(word) and len(word) <= WIDEST:
                return int(word)
            case "float" if FLOAT.fullmatch(word):
                return float(word)
            case "float" if word.lower().lstrip("+-") in (".nan", ".inf"):
                self.fail(event, at, f"{word} is not a finite number")
        self.fail(
            event,
            at,
            f"{shown(word)}: YAML reads {kind} here, not plain data as it stands; write numbers "
            f"like 12, 0.5 or 1e-3, truths as true or false, and texts in quotes",
        )

    def fail(self, event: yaml.Event, at: At, problem: str) -> NoReturn:
        key = ".".join(map(str, at))
        raise YamlError(event.start_mark.line + 1, f"{key}: {problem}" if key else problem)


def check(value: Any, at: str = "", *, nan: bool = False, depth: int = 0) -> None:
    """Raise ValueError unless ``value`` is the same thing after a trip through JSON.

    ``at`` is what the value is called; ``nan`` lets what was measured be NaN or infinite.
    """

    def fail(problem: str) -> NoReturn:
        raise ValueError(f"{at}: {problem}" if at else problem)

    match value:
        case bool() | None:
            return
        case str():
            if not value.isascii() and any("\ud800" <= c <= "\udfff" for c in value):
                fail(f"{shown(value)} holds half a surrogate, which is no text")
        case int():
            if value.bit_length() > WIDEST:
                fail(f"a whole number of over {WIDEST} bits")
        case float():
            if not (nan or math.isfinite(value)):
                fail(f"{value} is not a finite number")
        case list() | dict() if depth >= DEEPEST:
            fail(f"nested deeper than {DEEPEST} levels")
        case list():
            for index, item in enumerate(value):
                check(item, at and f"{at}[{index}]", nan=nan, depth=depth + 1)
        case dict():
            for name, item in value.items():
                if not isinstance(name, str):
                    fail(f"key {shown(name)}: expected str")
                check(name, at)
                check(item, at and f"{at}[{shown(name)}]", nan=nan, depth=depth + 1)
        case _:
            hint = "; use a list" if isinstance(value, tuple) else ""
            fail(f"{shown(value)} is a {type(value).__name__}, not plain data{hint}")


def shown(value: Any) -> str:
    """Return a value as an error message shows it: on one line, and not all of a long one."""
    if isinstance(value, int) and value.bit_length() > 200:
        return f"a whole number of {value.bit_length()} bits"  # Python refuses to print giants
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # a giant or a list of lists of lists within
        return f"a {type(value).__name__}"
    text = " ".join(text.split())
    return text if len(text) <= 80 else f"{text[:77]}..."
