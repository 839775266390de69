"""Grammars: small languages, defined in a readable file, whose probabilities are known exactly."""

import hashlib
import itertools
import json
import math
import os
from collections.abc import Iterator, Mapping
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import torch

from .automaton import END, START, determinise
from .grammar_file import UNITS, GrammarError, Rules, read_rules
from .law import EOS, PAD, SPECIALS, DrawnData
from .sources import CORPORA, shipped

_Step = tuple[torch.Tensor, torch.Tensor]


class _Tables(NamedTuple):
    """The arcs of the automaton, sorted by state and word, on one device."""

    keys: torch.Tensor  # [arcs] int64: state * vocab_size + word
    words: torch.Tensor  # [arcs] int64
    targets: torch.Tensor  # [arcs] int64
    log_probs: torch.Tensor  # [arcs] float64
    cdf: torch.Tensor  # [arcs] float64: state + cumulated probability within it
    first: torch.Tensor  # [states] int64: a state's first arc
    last: torch.Tensor  # [states] int64
    owner: torch.Tensor  # [vocab_size] int64: the one mode with this word, else len(mode_names)


class Grammar(DrawnData):
    """A finite language with an exact law over sentences; `load` one, or write it `from_text`.

    Shapes   ids [n, T] int64, T = ``length``; log_prob [n] float64, nats per sentence
    Formula  p(x) = sum over modes m of p(m) p(x | m); within a mode a sentence has one derivation

    >>> pets = Grammar.from_text("{templates: PET V, modes: {a: {PET: [cat, dog], V: sits}}}")
    >>> pets.size, pets.decode(pets.enumerate()[0]), round(pets.entropy, 4)
    (2, ['cat sits', 'dog sits'], 0.6931)
    >>> pets.log_prob(pets.encode(["cat sits", "cat cat"]))
    tensor([-0.6931,    -inf], dtype=torch.float64)
    """

    kind = "text"

    def __init__(self, rules: Rules, *, name: str, seed: int = 0, pool: int = 30_000):
        self.name, self.length = name, rules.length
        self._set_draws(seed, pool)
        self._joiner = UNITS[rules.unit]
        self.mode_names = [mode.name for mode in rules.modes]
        self.mode_probs = [float(mode.probability) for mode in rules.modes]
        said = {  # token -> the modes that can say it, in order of first appearance
            token: {m.name for m in rules.modes if token in _tokens(m)}
            for mode in rules.modes
            for token in _tokens(mode)
        }
        self.vocabulary = [*SPECIALS, *said]
        self.vocab_size = len(self.vocabulary)
        self.support = torch.ones(self.vocab_size, dtype=torch.bool)
        self.support[[i for i in range(len(SPECIALS)) if i != EOS]] = False
        self._ids = {word: i for i, word in enumerate(self.vocabulary)}
        self._owner = [len(self.mode_names)] * len(SPECIALS) + [
            self.mode_names.index(*modes) if len(modes) == 1 else len(self.mode_names)
            for modes in said.values()
        ]
        self._arcs = [
            sorted((self._ids[word], p, target) for word, (p, target) in arcs.items())
            for arcs in determinise(rules)
        ]
        self._tables: dict[torch.device, _Tables] = {}

    @classmethod
    def load(cls, source: str | os.PathLike, *, seed: int = 0, pool: int = 30_000) -> "Grammar":
        """Return the grammar in a file, or a shipped one by its name ("captions", "mini", ...).

        ``name``, ``name.yaml`` and ``data/name.yaml`` mean the shipped file where the working
        directory has no such file. ``pool`` training sentences are drawn with ``seed``.

        Raises:
            GrammarError: a malformed or ambiguous file; names the line.
            FileNotFoundError: no such file.
        """
        path = Path(source).expanduser()
        if not path.is_file() and path.parent in (Path("."), Path("data")):
            path = shipped(path.name if path.suffix else f"{path.name}.yaml")
        if not path.is_file():
            raise FileNotFoundError(f"{path}: no such grammar file")
        try:
            text = path.read_bytes().decode("utf-8")
        except UnicodeDecodeError as error:
            line = error.object[: error.start].count(b"\n") + 1
            raise GrammarError(
                str(path), line, f"byte {error.start} is not UTF-8; save the file as UTF-8"
            ) from error
        return cls(read_rules(text, str(path)), name=path.stem, seed=seed, pool=pool)

    @classmethod
    def from_text(
        cls, text: str, *, name: str = "grammar", seed: int = 0, pool: int = 30_000
    ) -> "Grammar":
        """Return the grammar written in YAML ``text``; raises GrammarError like `load`."""
        return cls(read_rules(text, name), name=name, seed=seed, pool=pool)

    def log_prob(self, ids: torch.Tensor) -> torch.Tensor:
        """Return the exact log-probability of any token strings, -inf where ungrammatical.

        Shapes  ids [n, any] int64 -> [n] float64, nats per sentence. After <eos> only <pad> is
                legal, and a string without <eos> is no sentence.
        """
        _check_ids(ids)
        state = torch.full((len(ids),), START, device=ids.device)
        total = torch.zeros(len(ids), dtype=torch.float64, device=ids.device)
        for reached, step in self._follow(ids):
            state, total = reached, total + step
        return torch.where(state == END, total, -torch.inf)

    def grammatical(self, ids: torch.Tensor) -> torch.Tensor:
        """Return which strings are sentences of the language: [n, any] -> bool [n]."""
        return self.log_prob(ids) > -torch.inf

    def sample(self, n: int, generator: torch.Generator) -> torch.Tensor:
        """Draw ``n`` sentences on the generator's device: ids [n, T] int64."""
        start = torch.full((n,), START, device=generator.device)
        return self.write(start, self.length, generator)

    def write(self, state: torch.Tensor, steps: int, generator: torch.Generator) -> torch.Tensor:
        """Draw the ``steps`` words that follow each state, on its device: [n] -> ids [n, steps].

        One float64 uniform a word, inverted on the cumulated probabilities of the state's arcs.
        """
        tables = self._on(state.device)
        ids = torch.empty((len(state), steps), dtype=torch.int64, device=state.device)
        for t in range(steps):
            u = torch.rand(
                len(state), dtype=torch.float64, generator=generator, device=state.device
            )
            arc = torch.searchsorted(tables.cdf, state + u, right=True)
            arc = torch.minimum(arc, tables.last[state])  # state + u may round up to state + 1
            ids[:, t], state = tables.words[arc], tables.targets[arc]
        return ids

    def modes(self, ids: torch.Tensor) -> torch.Tensor:
        """Return the mode whose own words a string has most of, grammatical or not.

        Shapes  ids [n, any] int64 -> int64 [n]; ``len(mode_names)`` means none
        Rule    a mode's own words occur in no other mode; only tokens before the first <eos> count;
                a tie goes to the mode named first; no own word of any mode is none
        """
        _check_ids(ids)
        none = len(self.mode_names)
        owner = self._on(ids.device).owner
        legal = (ids >= 0) & (ids < self.vocab_size)
        said = torch.where(legal, owner[torch.where(legal, ids, PAD)], none)
        before_eos = (ids == EOS).cumsum(1) == 0
        counts = torch.zeros((len(ids), none + 1), dtype=torch.int64, device=ids.device)
        counts.scatter_add_(1, said, before_eos.long())
        most, mode = counts[:, :none].max(1)  # among equals, max names the first
        return torch.where(most > 0, mode, none)

    @cached_property
    def entropy(self) -> float:
        """H(p) in nats per sentence, exact: the sum over states of p(reached) H(next word)."""

        def of_state(arcs, after):
            return math.fsum(float(p) * (after[t] - math.log(p)) for _, p, t in arcs)

        return self._fold(of_state, end=0.0)

    @cached_property
    def size(self) -> int:
        """The number of different sentences."""
        return self._fold(lambda arcs, after: sum(after[t] for _, _, t in arcs), end=1)

    def enumerate(self, limit: int = 100_000) -> tuple[torch.Tensor, torch.Tensor]:
        """Return every sentence once with its log-probability: ids [size, T], float64 [size].

        Raises:
            ValueError: more than ``limit`` sentences.
        """
        if self.size > limit:
            raise ValueError(
                f"{self.name}: {self.size:,} sentences, more than limit={limit:,}; raise the limit "
                f"or draw a sample"
            )
        tables = self._on(torch.device("cpu"))
        ids = torch.empty((1, 0), dtype=torch.int64)
        state, total = torch.tensor([START]), torch.zeros(1, dtype=torch.float64)
        for _ in range(self.length):
            arcs = tables.last[state] - tables.first[state] + 1
            row = torch.arange(len(ids)).repeat_interleave(arcs)
            within = torch.arange(len(row)) - (arcs.cumsum(0) - arcs)[row]
            arc = tables.first[state][row] + within
            ids = torch.cat([ids[row], tables.words[arc, None]], dim=1)
            total = total[row] + tables.log_probs[arc]
            state = tables.targets[arc]
        return ids, total

    def decode(self, ids: torch.Tensor) -> list[str] | str:
        """Return the text before the first <eos>: ids [n, T] -> list, ids [T] -> one string."""
        if ids.dim() == 2:
            return [self.decode(row) for row in ids]
        words = itertools.takewhile(lambda i: i != EOS, ids.tolist())
        return self._joiner.join(self.vocabulary[i] for i in words)

    def encode(self, sentences: list[str]) -> torch.Tensor:
        """Return ids [n, T] of sentences, grammatical or not, each closed by <eos>.

        Raises:
            ValueError: a word outside the vocabulary, or more than T - 1 tokens.
        """
        ids = torch.full((len(sentences), self.length), PAD)
        for row, sentence in enumerate(sentences):
            found = spelt(self.name, sentence, self._joiner, self._ids)
            if len(found) >= self.length:
                raise ValueError(
                    f"{self.name}: {sentence!r} has {len(found)} tokens; at most {self.length - 1} "
                    f"and <eos> fit"
                )
            ids[row, : len(found) + 1] = torch.tensor([*found, EOS])
        return ids

    @cached_property
    def fingerprint(self) -> str:
        """The sha256 of language, seed and pool; comments and layout of the file do not count."""
        arcs = [[(word, str(p), target) for word, p, target in state] for state in self._arcs]
        defines = [self.vocabulary, self.length, self._joiner, self.mode_names, self.mode_probs]
        content = json.dumps([*defines, self._owner, arcs, self.seed, self.pool])
        return hashlib.sha256(content.encode()).hexdigest()

    def _follow(self, ids: torch.Tensor, padded: bool = False) -> Iterator[_Step]:
        """Yield, word by word, the states reached and the log-probability of that word there.

        Shapes  ids [n, time] -> int64 [n], float64 [n], nats; -inf at and after a word that cannot
                follow. ``padded``: <pad> before the first word is skipped, at 0 nats
        """
        tables, dead = self._on(ids.device), len(self._arcs)  # a state without arcs
        state = torch.full((len(ids),), START, device=ids.device)
        legal = (ids >= 0) & (ids < self.vocab_size)  # an id beyond would alias another state's arc
        for word, known in zip(ids.unbind(1), legal.unbind(1), strict=True):
            key = torch.where(known, state * self.vocab_size + word, -1)
            arc = torch.searchsorted(tables.keys, key).clamp_(max=len(tables.keys) - 1)
            found = tables.keys[arc] == key
            step = torch.where(found, tables.log_probs[arc], -torch.inf)
            reached = torch.where(found, tables.targets[arc], dead)
            if padded:
                waits = (state == START) & (word == PAD)
                step, reached = step.masked_fill(waits, 0.0), torch.where(waits, START, reached)
            state = reached
            yield state, step

    def _fold(self, of_state, end):
        """Return the value of START, each state's computed by ``of_state`` from its targets'."""
        values, pending = {END: end}, [START]
        while pending:  # depth first, with a stack of its own: a sentence may be long
            missing = [t for _, _, t in self._arcs[pending[-1]] if t not in values]
            if missing:
                pending += missing
            else:
                state = pending.pop()
                values[state] = of_state(self._arcs[state], values)
        return values[START]

    def _on(self, device: torch.device) -> _Tables:
        if device not in self._tables:
            keys, words, targets, log_probs, cdf, last = [], [], [], [], [], []
            for state, arcs in enumerate(self._arcs):
                cumulated = Fraction(0)
                for word, p, target in arcs:
                    cumulated += p
                    keys.append(state * self.vocab_size + word)
                    words.append(word)
                    targets.append(target)
                    log_probs.append(math.log(p))
                    cdf.append(float(state + cumulated))
                last.append(len(keys) - 1)
            columns = [keys, words, targets, log_probs, cdf, [0, *(i + 1 for i in last[:-1])], last]
            kinds = [torch.int64] * 3 + [torch.float64] * 2 + [torch.int64] * 2
            self._tables[device] = _Tables(
                *(
                    torch.tensor(c, dtype=k, device=device)
                    for c, k in zip(columns, kinds, strict=True)
                ),
                torch.tensor(self._owner, device=device),
            )
        return self._tables[device]

    def __repr__(self) -> str:
        sentences = self.decode(self.sample(3, torch.Generator().manual_seed(0)))
        facts = (
            f"Grammar {self.name!r}: {self.size:,} sentences of up to {self.length} tokens, "
            f"vocabulary {self.vocab_size}, entropy {self.entropy:.4f} nats per sentence"
        )
        modes = ", ".join(
            f"{n} {p:.3g}" for n, p in zip(self.mode_names, self.mode_probs, strict=True)
        )
        return "\n".join([facts, f"modes: {modes}", *(f"  {s}" for s in sentences)])


def spelt(name: str, text: str, joiner: str, ids: Mapping[str, int]) -> list[int]:
    """Return the ids of the words of ``text``, or of its characters where nothing joins them.

    Raises:
        ValueError: a word without an id; ``name`` is the language's.
    """
    words = text.split() if joiner else list(text)
    for word in words:
        if word not in ids:
            raise ValueError(f"{name}: {word!r} in {text!r} is not in the language")
    return [ids[word] for word in words]


def _check_ids(ids: torch.Tensor) -> None:
    if ids.dim() != 2 or ids.is_floating_point():
        raise ValueError(
            f"expected token ids [n, time] of whole numbers, got {ids.dtype} {list(ids.shape)}"
        )


def _tokens(mode) -> dict[str, None]:
    return dict.fromkeys(
        token
        for template in mode.templates
        for choices in template.positions
        for choice in choices
        for token in choice.tokens
    )


@CORPORA.register("captions")
def captions(*, seed: int = 0, pool: int = 30_000) -> Grammar:
    """Eight scenes of made-up captions: 24,192 sentences of at most nine words."""
    return Grammar.load(shipped("captions.yaml"), seed=seed, pool=pool)


@CORPORA.register("mini")
def mini(*, seed: int = 0, pool: int = 30_000) -> Grammar:
    """Four modes and 192 sentences: few enough to sum over all of them."""
    return Grammar.load(shipped("mini.yaml"), seed=seed, pool=pool)


@CORPORA.register("arithmetic")
def arithmetic(*, seed: int = 0, pool: int = 30_000) -> Grammar:
    """Correct arithmetic on one-digit operands, one character a token: 345 facts."""
    return Grammar.load(shipped("arithmetic.yaml"), seed=seed, pool=pool)
