"""The notation of a grammar file: YAML read into rules, every mistake named with its line.

::

    length: 6                             # optional: tokens of the longest sentence with <eos>
    unit: word                            # or "character": entries are then split into characters
    templates:                            # patterns of SLOTS and plain words, with probabilities
      DET ADJ AGENT VERB: 1
    slots:                                # shared by all modes
      DET: {a: 0.5, the: 1/2}             # a mapping gives probabilities, which sum to 1 exactly
      ADJ: ["", small]                    # a list is equally likely; "" leaves the slot out
    modes:                                # equally likely unless each states its `probability`
      farm: {AGENT: [cow, old horse], VERB: eats}    # one word alone; a phrase is several tokens
      city: {AGENT: tram, VERB: {stops: 0.9, rings: 0.1}}

A mode's slot replaces the shared one of its name, and a mode's own ``templates`` the shared ones.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import NoReturn

import yaml

from .law import SPECIALS
from .sources import CorpusError

SLOT = re.compile(r"[A-Z][A-Z0-9_]*")
UNITS = {"word": " ", "character": ""}  # what joins the tokens of a sentence


class GrammarError(CorpusError):
    """A grammar file that does not define one probability for every sentence; names file, line."""

    def __init__(self, source: str, line: int, message: str):
        super().__init__(f"{source}:{line}: {message}")
        self.source, self.line = source, line


@dataclass(frozen=True)
class Choice:
    """One alternative: a word or phrase of a slot (no tokens: left out), or a template."""

    tokens: tuple[str, ...]
    probability: Fraction
    line: int
    label: str


@dataclass(frozen=True)
class Template:
    """A chosen pattern and the alternatives at each of its positions."""

    choice: Choice
    positions: tuple[tuple[Choice, ...], ...]

    @property
    def longest(self) -> int:
        """Tokens of the longest sentence, <eos> included."""
        return 1 + sum(max(len(c.tokens) for c in choices) for choices in self.positions)


@dataclass(frozen=True)
class Mode:
    """One mode (a scene, an operator): its probability and its templates, slots filled in."""

    name: str
    probability: Fraction
    templates: tuple[Template, ...]


@dataclass(frozen=True)
class Rules:
    """All that a grammar file says."""

    source: str
    modes: tuple[Mode, ...]
    length: int
    unit: str


def read_rules(text: str, source: str) -> Rules:
    """Return the rules in YAML ``text``; ``source`` is the file's name in error messages.

    Raises:
        GrammarError: with the line of whatever is malformed.
    """
    return _Reader(source).rules(text)


class _Reader:
    def __init__(self, source: str):
        self.source = source
        self.used: set[int] = set()  # ids of the slot nodes that some template reached

    def fail(self, where: yaml.Node | int, message: str) -> NoReturn:
        line = where if isinstance(where, int) else where.start_mark.line + 1
        raise GrammarError(self.source, line, message)

    def compose(self, text: str) -> yaml.Node:
        for number, line in enumerate(text.split("\n"), start=1):
            if "\t" in line.split("#")[0]:
                self.fail(number, "a tab; YAML is indented with spaces")
        try:
            node = yaml.compose(text, Loader=yaml.SafeLoader)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            self.fail(mark.line + 1, f"no valid YAML: {error.problem}")
        except yaml.reader.ReaderError as error:
            line = text.count("\n", 0, error.position) + 1
            self.fail(line, f"no valid YAML: character {error.character:#x}, {error.reason}")
        except RecursionError:
            self.fail(1, "no grammar: nested too deeply")
        except (ValueError, OverflowError) as error:  # "\\U99999999" and the like
            self.fail(1, f"no valid YAML: {error}")
        return node if node is not None else self.fail(1, "the file is empty")

    def mapping(self, node: yaml.Node, what: str) -> dict[str, tuple[yaml.Node, yaml.Node]]:
        """Return key -> (key node, value node); keys are taken as written, so `no` is a word."""
        if not isinstance(node, yaml.MappingNode):
            self.fail(node, f"{what}: expected a mapping (name: value), got {_seen(node)}")
        entries: dict[str, tuple[yaml.Node, yaml.Node]] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self.fail(key, f"{what}: expected a plain name, got {_seen(key)}")
            if key.value in entries:
                first = entries[key.value][0].start_mark.line + 1
                self.fail(key, f"{what}: {key.value!r} is given twice (first on line {first})")
            entries[key.value] = key, value
        if not entries:
            self.fail(node, f"{what}: empty")
        return entries

    def probability(self, node: yaml.Node, what: str) -> Fraction:
        try:
            if re.search(r"[eE][-+]?\d{4}", str(node.value)):  # 1e-999999999 takes for ever
                raise ValueError
            value = Fraction(node.value)
        except (ValueError, TypeError, ZeroDivisionError):
            self.fail(node, f"{what}: expected a probability like 0.25 or 1/4, got {_seen(node)}")
        if not 0 < value <= 1:
            self.fail(node, f"{what}: a probability lies above 0 and up to 1, got {node.value}")
        return value

    def alternatives(self, node: yaml.Node, what: str) -> Iterator[tuple[yaml.Node, Fraction]]:
        """Return (scalar node, probability): of a mapping, a list (equal) or one scalar (1)."""
        if isinstance(node, yaml.MappingNode):
            pairs = [
                (key, self.probability(value, f"{what}: {name!r}"))
                for name, (key, value) in self.mapping(node, what).items()
            ]
        else:
            nodes = node.value if isinstance(node, yaml.SequenceNode) else [node]
            pairs = [(n, Fraction(1, len(nodes))) for n in nodes]
            for n in nodes:
                if not isinstance(n, yaml.ScalarNode):
                    self.fail(n, f"{what}: expected a word or phrase, got {_seen(n)}")
        if not any(n.value.strip() for n, _ in pairs):
            self.fail(node, f"{what}: empty")
        self.sums_to_one(node, what, [p for _, p in pairs])
        return pairs

    def sums_to_one(self, where: yaml.Node | int, what: str, values: list[Fraction]) -> None:
        if sum(values) != 1:
            total = float(sum(values))
            self.fail(where, f"{what}: probabilities sum to {total:.12g}, expected exactly 1")

    def choices(self, node: yaml.Node, what: str, split) -> tuple[Choice, ...]:
        seen: dict[tuple[str, ...], Choice] = {}
        for scalar, p in self.alternatives(node, what):
            tokens, line = tuple(split(scalar.value)), scalar.start_mark.line + 1
            for token in tokens:
                if token in SPECIALS:
                    self.fail(line, f"{what}: {token} is reserved; use another word")
            if tokens in seen:
                first = seen[tokens].line
                self.fail(line, f"{what}: {scalar.value!r} is given twice (first on line {first})")
            seen[tokens] = Choice(tokens, p, line, f"{scalar.value!r} of {what} (line {line})")
        return tuple(seen.values())

    def slots(self, entries: dict, where: str) -> dict[str, yaml.Node]:
        for name, (key, _) in entries.items():
            if not SLOT.fullmatch(name):
                self.fail(key, f"{where}: {name!r} is no slot; slots are named in CAPITALS")
        return {name: value for name, (_, value) in entries.items()}

    def rules(self, text: str) -> Rules:
        top = self.mapping(self.compose(text), "grammar")
        for name, (key, _) in top.items():
            if name not in ("length", "unit", "templates", "slots", "modes"):
                known = "length, unit, templates, slots, modes"
                self.fail(key, f"unknown entry {name!r}; known: {known}")
        if "modes" not in top:
            self.fail(1, "no `modes`; a grammar has at least one")
        unit = self.one_of(top["unit"][1], UNITS) if "unit" in top else "word"
        shared = (
            self.slots(self.mapping(top["slots"][1], "slots"), "slots") if "slots" in top else {}
        )
        templates = top["templates"][1] if "templates" in top else None
        modes, stated = [], []
        for name, (key, value) in self.mapping(top["modes"][1], "modes").items():
            empty = isinstance(value, yaml.MappingNode) and not value.value
            own = {} if empty else self.mapping(value, f"mode {name!r}")
            if "probability" in own:
                stated.append(self.probability(own.pop("probability")[1], f"mode {name!r}"))
            pattern = own.pop("templates")[1] if "templates" in own else templates
            if pattern is None:
                self.fail(key, f"mode {name!r}: no `templates`, neither its own nor shared ones")
            slots = self.slots(own, f"mode {name!r}")
            modes.append((name, self.templates(pattern, {**shared, **slots}, name, unit)))
            for slot, node in slots.items():
                if id(node) not in self.used:
                    self.fail(node, f"mode {name!r}: slot {slot} is used by no template")
        for slot, node in shared.items():
            if id(node) not in self.used:
                self.fail(node, f"slot {slot} is used by no template")
        if stated and len(stated) < len(modes):
            self.fail(top["modes"][0], "modes: give `probability` for all modes or for none")
        if stated:
            self.sums_to_one(top["modes"][0], "modes", stated)
        shares = stated or [Fraction(1, len(modes))] * len(modes)
        length = self.length(top["length"][1] if "length" in top else None, modes)
        return Rules(
            self.source,
            tuple(Mode(n, p, t) for (n, t), p in zip(modes, shares, strict=True)),
            length,
            unit,
        )

    def templates(self, node: yaml.Node, slots: dict, mode: str, unit: str) -> tuple[Template, ...]:
        def split(text):
            return text.split() if unit == "word" else list(text)

        found = []
        for choice in self.choices(node, "templates", str.split):
            positions = []
            for item in choice.tokens:
                if item in slots:
                    self.used.add(id(slots[item]))
                    positions.append(self.choices(slots[item], f"slot {item}", split))
                elif SLOT.fullmatch(item):
                    known = ", ".join(slots) or "none"
                    self.fail(choice.line, f"unknown slot {item} in mode {mode!r}; known: {known}")
                else:
                    label = f"plain word {item!r} (line {choice.line})"
                    positions.append((Choice(tuple(split(item)), Fraction(1), choice.line, label),))
            found.append(Template(choice, tuple(positions)))
        return tuple(found)

    def one_of(self, node: yaml.Node, allowed) -> str:
        if node.value not in tuple(allowed):
            self.fail(node, f"unit: expected {' or '.join(allowed)}, got {_seen(node)}")
        return node.value

    def length(self, node: yaml.Node | None, modes: list) -> int:
        templates = [(name, template) for name, found in modes for template in found]
        if node is None:
            return max(template.longest for _, template in templates)
        if not (isinstance(node, yaml.ScalarNode) and re.fullmatch(r"[1-9]\d{0,3}", node.value)):
            self.fail(node, f"length: expected a number of tokens, 1 to 9999, got {_seen(node)}")
        for name, template in templates:
            if template.longest > int(node.value):
                self.fail(
                    template.choice.line,
                    f"a sentence of mode {name!r} has up to {template.longest} tokens with <eos>, "
                    f"more than `length: {node.value}`",
                )
        return int(node.value)


def _seen(node: yaml.Node) -> str:
    if isinstance(node, yaml.ScalarNode):
        return repr(node.value)
    return "a mapping" if isinstance(node, yaml.MappingNode) else "a list"
