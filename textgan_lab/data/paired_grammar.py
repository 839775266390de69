"""Paired grammars: prompts with replies to them, whose law given the prompt is known exactly.

A grammar file whose templates hold a ``|`` defines one: prompts before the mark, replies after::

    templates: {where is the WHO is in the PLACE: 1}
    modes:
      kitchen: {WHO: [chef | he, cook | she], PLACE: kitchen}
      farm: {WHO: [farmer | he], PLACE: farm}

A mode ties what is replied to what was asked; a phrase that holds the mark ties two words. The
automaton of the whole strings gives the law of the reply for free: after any prefix its state is
the belief over all that may follow, so the arcs behind the mark are p(reply | prompt).
"""

import hashlib
import json
import math
import os
from dataclasses import replace
from fractions import Fraction
from functools import cached_property

import torch

from .automaton import END
from .grammar import Grammar, spelt
from .grammar_file import Choice, GrammarError, Mode, Rules, Template, read_rules
from .law import EOS, PAD, DrawnData
from .pairs import BETWEEN, pair_rows, pair_text
from .sources import CORPORA, shipped

Half = list[list[tuple[str, ...]]]  # one side of a template: at each position, what may be said


class Strings(Grammar):
    """The law of whole strings ``prompt | reply``, read and continued from any prefix.

    ``given`` and ``written`` are the most tokens of a prompt, and of a reply with its <eos>. Here a
    word is a mode's own when the replies of no other mode have it.

    Raises GrammarError when some string has not exactly one mark with words on either side.
    """

    def __init__(self, rules: Rules, **options):
        halves = [[_halves(rules, template) for template in mode.templates] for mode in rules.modes]
        super().__init__(rules, **options)
        longest = max(template.longest for mode in rules.modes for template in mode.templates)
        if rules.length != longest:
            raise GrammarError(
                rules.source, 1, "`length` does not apply to pairs, whose prompts and replies are "
                "as long as their templates make them; leave it out",
            )  # fmt: skip
        prompts, replies = zip(*(half for found in halves for half in found), strict=True)
        self.rules, self.mark = rules, self._ids[BETWEEN]
        self.given = max(_longest(half) for half in prompts)
        self.written = 1 + max(_longest(half) for half in replies)
        said = [
            {word for _, half in found for phrases in half for phrase in phrases for word in phrase}
            for found in halves
        ]  # by mode, in replies
        self.replied = sorted(self._ids[word] for word in set().union(*said))
        owners = [[i for i, words in enumerate(said) if word in words] for word in self.vocabulary]
        self._owner = [own[0] if len(own) == 1 else len(said) for own in owners]

    def read(self, ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the states after prefixes, and the log-probability of each word when it came.

        Shapes  ids [n, time] int64 -> int64 [n], float64 [n, time] in nats, -inf at and after a
                word that cannot follow. Padding before the first word is skipped, at 0 nats.
        """
        states, steps = zip(*self._follow(ids, padded=True), strict=True)
        return states[-1], torch.stack(steps, 1)

    @cached_property
    def reply_entropy(self) -> float:
        """H(reply | prompt) in nats, exact: what the arcs behind the mark leave open."""

        def of_state(arcs, after):
            asks = any(word == self.mark or after[target][1] for word, _, target in arcs)
            counts = 0.0 if asks else 1.0  # a word of the prompt leaves nothing open
            left = (float(p) * (after[t][0] - counts * math.log(p)) for _, p, t in arcs)
            return math.fsum(left), asks

        return self._fold(of_state, end=(0.0, False))[0]


class PairedGrammar(DrawnData):
    """A finite law over pairs of a prompt and a reply; `load` one, or write it `from_text`.

    Shapes   rows [n, length] int64: the prompt in the first ``given`` columns, padded on its left,
             then the reply, closed by <eos>
    Formula  log_prob = ln p(reply | prompt), joint_log_prob = ln p(prompt, reply), nats, float64
    Modes    what the reply is about: the mode whose own words it has most of

    >>> pairs = PairedGrammar.from_text('''
    ... templates: {where is the WHO is in the PLACE: 1}
    ... modes: {kitchen: {WHO: [man | he, woman | she], PLACE: kitchen},
    ...         farm: {WHO: man | he, PLACE: farm}}''')
    >>> pairs.given, pairs.length
    (4, 10)
    >>> rows = pairs.encode([("where is the man", "he is in the kitchen"),
    ...                      ("where is the woman", "she is in the farm")])
    >>> pairs.log_prob(rows).exp()  # of the men a third are in the kitchen
    tensor([0.3333, 0.0000], dtype=torch.float64)
    """

    kind = "text"

    def __init__(self, strings: Strings, *, seed: int = 0, pool: int = 30_000):
        self.strings, self.name = strings, strings.name
        self._set_draws(seed, pool)
        self.given, self.length = strings.given, strings.given + strings.written
        self.mode_names, self.mode_probs = strings.mode_names, strings.mode_probs
        self.vocabulary = [word for word in strings.vocabulary if word != BETWEEN]
        self.vocab_size = len(self.vocabulary)
        self._ids = {word: i for i, word in enumerate(self.vocabulary)}
        self.support = torch.zeros(self.vocab_size, dtype=torch.bool)
        self.support[[EOS, *(i - (i > strings.mark) for i in strings.replied)]] = True

    @classmethod
    def load(
        cls, source: str | os.PathLike, *, seed: int = 0, pool: int = 30_000
    ) -> "PairedGrammar":
        """Return the pairs in a grammar file, or shipped ones by their name, like `Grammar.load`.

        Raises:
            GrammarError: a malformed or ambiguous file, or one without pairs; names the line.
            FileNotFoundError: no such file.
        """
        return cls(Strings.load(source), seed=seed, pool=pool)

    @classmethod
    def from_text(
        cls, text: str, *, name: str = "pairs", seed: int = 0, pool: int = 30_000
    ) -> "PairedGrammar":
        """Return the pairs written in YAML ``text``; raises GrammarError like `load`."""
        return cls(Strings(read_rules(text, name), name=name), seed=seed, pool=pool)

    def log_prob(self, rows: torch.Tensor) -> torch.Tensor:
        """Return ln p(reply | prompt), -inf where either cannot be: [n, length] -> float64 [n]."""
        state, steps = self._read(rows)
        reply = steps[:, self.given + 1 :].sum(1)
        return torch.where(state == END, reply, -torch.inf)

    def joint_log_prob(self, rows: torch.Tensor) -> torch.Tensor:
        """Return ln p(prompt, reply), -inf where impossible: [n, length] -> float64 [n], nats."""
        state, steps = self._read(rows)
        return torch.where(state == END, steps.sum(1), -torch.inf)

    def prompt_log_prob(self, prompts: torch.Tensor) -> torch.Tensor:
        """Return ln p(prompt), -inf for what nobody asks: [n, given] -> float64 [n], nats."""
        return self.strings.read(self._asked(prompts))[1].sum(1)

    def sample(self, n: int, generator: torch.Generator) -> torch.Tensor:
        """Draw ``n`` pairs on the generator's device: rows [n, length]."""
        return self._rows(self.strings.sample(n, generator))

    def replies(self, prompts: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Draw a reply to each prompt, on the generator's device: [n, given] -> rows [n, length].

        Raises:
            ValueError: a prompt that has no reply, because nobody asks it.
        """
        prompts = prompts.to(generator.device)
        state, steps = self.strings.read(self._asked(prompts))
        possible = steps.sum(1).isfinite()
        if not possible.all():
            ids = [i for i in prompts[~possible][0].tolist() if i != PAD]
            names = [self.vocabulary[i] if 0 <= i < self.vocab_size else str(i) for i in ids]
            asked = self.strings._joiner.join(names)
            raise ValueError(f"{self.name}: nobody asks {asked!r}, so it has no reply")
        written = self.strings.write(state, self.length - self.given, generator)
        return torch.cat([prompts, written - (written > self.strings.mark).long()], 1)

    def modes(self, rows: torch.Tensor) -> torch.Tensor:
        """Return what each reply is about: [n, length] -> int64 [n], ``len(mode_names)``: nothing.

        The mode whose own words the reply has most of, before its first <eos>; own is what the
        replies of no other mode say. The prompt is not looked at: a reply may miss its subject.
        """
        return self.strings.modes(self._spread(self._checked(rows)[:, self.given :]))

    @property
    def entropy(self) -> float:
        """H(reply | prompt) in nats per reply, exact."""
        return self.strings.reply_entropy

    @property
    def size(self) -> int:
        """The number of different pairs."""
        return self.strings.size

    def enumerate(self, limit: int = 100_000) -> tuple[torch.Tensor, torch.Tensor]:
        """Return every pair once with its joint log-probability: rows, float64 [size].

        Raises:
            ValueError: more than ``limit`` pairs.
        """
        strings, log_prob = self.strings.enumerate(limit)
        return self._rows(strings), log_prob

    def decode(self, ids: torch.Tensor) -> list[str] | str:
        """Return ``prompt | reply``: rows [n, length] -> list, one row -> one string."""
        if ids.dim() == 2:
            return [self.decode(row) for row in ids]
        return pair_text(ids, self.given, self.vocabulary, self.strings._joiner)

    def encode(self, pairs: list[tuple[str, str]]) -> torch.Tensor:
        """Return rows [n, length] of (prompt, reply), possible or not.

        Raises:
            ValueError: a word outside the vocabulary, or a side that is empty or too long.
        """
        most = self.length - self.given - 1
        found = [
            (self._side(a, "prompt", self.given), self._side(b, "reply", most)) for a, b in pairs
        ]
        return pair_rows(found, self.given, self.length)

    def _side(self, text: str, side: str, most: int) -> list[int]:
        ids = spelt(self.name, text, self.strings._joiner, self._ids)
        if not 1 <= len(ids) <= most:
            raise ValueError(
                f"{self.name}: the {side} {text!r} has {len(ids)} tokens, expected 1 to {most}"
            )
        return ids

    @cached_property
    def fingerprint(self) -> str:
        """The sha256 of language, seed and pool; comments and layout of the file do not count."""
        defines = ["pairs", self.strings.fingerprint, self.given, self.length]
        return hashlib.sha256(json.dumps([*defines, self.seed, self.pool]).encode()).hexdigest()

    # ---- rows and strings: the mark has an id in strings, and none in rows ---------------------

    def _checked(self, rows: torch.Tensor, width: int | None = None) -> torch.Tensor:
        width = self.length if width is None else width
        if rows.dim() != 2 or rows.shape[1] != width or rows.is_floating_point():
            raise ValueError(
                f"{self.name}: expected token ids [n, {width}] (prompts take {self.given}, replies "
                f"{self.length - self.given}), got {rows.dtype} {list(rows.shape)}"
            )
        return rows

    def _spread(self, ids: torch.Tensor) -> torch.Tensor:
        return ids + (ids >= self.strings.mark)

    def _asked(self, prompts: torch.Tensor) -> torch.Tensor:
        """Return prompts as strings that end with the mark: [n, given] -> [n, given + 1]."""
        spread = self._spread(self._checked(prompts, self.given))
        return torch.cat([spread, torch.full_like(spread[:, :1], self.strings.mark)], 1)

    def _read(self, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        self._checked(rows)
        asked, reply = self._asked(rows[:, : self.given]), self._spread(rows[:, self.given :])
        return self.strings.read(torch.cat([asked, reply], 1))

    def _rows(self, strings: torch.Tensor) -> torch.Tensor:
        """Return strings as rows: the mark left out, the prompt moved up to the reply's column."""
        mark = (strings == self.strings.mark).long().argmax(1, keepdim=True)
        column = torch.arange(self.length, device=strings.device)
        source = column - self.given + mark + (column >= self.given)
        there = (source >= 0) & (source < strings.shape[1])
        ids = strings.gather(1, source.clamp(0, strings.shape[1] - 1))
        return torch.where(there, ids - (ids > self.strings.mark).long(), PAD)

    def __repr__(self) -> str:
        pairs = self.decode(self.sample(3, torch.Generator().manual_seed(0)))
        facts = (
            f"PairedGrammar {self.name!r}: {self.size:,} pairs, prompts of up to {self.given} and "
            f"replies of up to {self.length - self.given} tokens, vocabulary {self.vocab_size}, "
            f"entropy {self.entropy:.4f} nats per reply"
        )
        return "\n".join([facts, *(f"  {pair}" for pair in pairs)])


def _halves(rules: Rules, template: Template) -> tuple[Half, Half]:
    """Return what a template may say before the mark and after it; see `Strings` for errors."""
    prompt, reply, marks = [], [], 0
    for choices in template.positions:
        there = choices[0].tokens.count(BETWEEN)
        for choice in choices:
            if choice.tokens.count(BETWEEN) != there:
                raise GrammarError(
                    rules.source, choice.line, f"{choice.label}: either every alternative here has "
                    f"a {BETWEEN}, or none",
                )  # fmt: skip
        marks += there
        if there:
            cuts = [choice.tokens.index(BETWEEN) for choice in choices]
            prompt.append([c.tokens[:cut] for c, cut in zip(choices, cuts, strict=True)])
            reply.append([c.tokens[cut + 1 :] for c, cut in zip(choices, cuts, strict=True)])
        else:
            (reply if marks else prompt).append([choice.tokens for choice in choices])
    if marks != 1:
        wrong = f"has {marks} marks {BETWEEN}; a pair has one, between prompt and reply"
    elif not sum(min(map(len, phrases)) for phrases in prompt):
        wrong = f"can leave the prompt empty; say something before the {BETWEEN}"
    elif not sum(min(map(len, phrases)) for phrases in reply):
        wrong = f"can leave the reply empty; say something after the {BETWEEN}"
    else:
        return prompt, reply
    raise GrammarError(rules.source, template.choice.line, f"{template.choice.label} {wrong}")


def _longest(half: Half) -> int:
    return sum(max(map(len, phrases)) for phrases in half)


def _plain(word: str) -> tuple[Choice]:
    return (Choice((word,), Fraction(1), 1, f"plain word {word!r}"),)


@CORPORA.register("dialogue")
def dialogue(*, seed: int = 0, pool: int = 30_000) -> PairedGrammar:
    """Pairs of a question about eight scenes and a reply, some of which are dull."""
    return PairedGrammar.load(shipped("dialogue.yaml"), seed=seed, pool=pool)


@CORPORA.register("captions-by-scene")
def captions_by_scene(*, seed: int = 0, pool: int = 30_000) -> PairedGrammar:
    """Pairs of a scene's name and a caption of that scene."""
    path = shipped("captions.yaml")
    rules = read_rules(path.read_text(encoding="utf-8"), str(path))
    modes = []
    for mode in rules.modes:
        asked = _plain(mode.name), _plain(BETWEEN)
        templates = (Template(t.choice, (*asked, *t.positions)) for t in mode.templates)
        modes.append(Mode(mode.name, mode.probability, tuple(templates)))
    rules = replace(rules, modes=tuple(modes), length=rules.length + 2)
    return PairedGrammar(Strings(rules, name="captions-by-scene"), seed=seed, pool=pool)


def grammar_file(
    path: str | os.PathLike, *, seed: int = 0, pool: int = 30_000
) -> Grammar | PairedGrammar:
    """Return the grammar in a file: one of pairs when its templates say ``|``, else a plain one."""
    plain = Grammar.load(path, seed=seed, pool=pool)
    if BETWEEN not in plain.vocabulary:
        return plain
    return PairedGrammar.load(path, seed=seed, pool=pool)
