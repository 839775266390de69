"""The rules of a grammar as one deterministic automaton, in exact fractions.

Each state is a belief: which places in which templates of which modes the words read so far may
have led to, with posterior weights (weighted determinisation, Mohri 1997). A sentence is therefore
one path whatever modes share it, and probabilities, entropy and counts are sums over paths.
"""

import itertools
from fractions import Fraction

from .grammar_file import UNITS, GrammarError, Rules
from .law import EOS, PAD, SPECIALS

START, END = 0, 1  # END is reached by <eos> and reads only <pad>
STATE_LIMIT = 100_000


def determinise(rules: Rules) -> list[dict[str, tuple[Fraction, int]]]:
    """Return the automaton: for each state, word -> (probability, next state).

    A state is a set of states of the nondeterministic one, each with its exact posterior weight.
    Two ways into one of those by the same words are two derivations of a sentence in one mode,
    because every state lies on a path to its mode's end.
    """
    arcs, start = _nondeterministic(rules)
    automaton = [{}, {SPECIALS[PAD]: (Fraction(1), END)}]
    beliefs, read = [start, {}], [(), ()]  # read: the words that first led there
    known = {frozenset((s, p) for s, (p, _) in start.items()): START}
    for here in itertools.count():
        if here == len(beliefs):
            return automaton
        if here == END:
            continue
        following: dict[str, dict] = {}
        for state, (weight, made) in beliefs[here].items():
            for word, p, target, choices in arcs[state]:
                reached = following.setdefault(word, {})
                if target in reached:
                    words = [*read[here], word]
                    _ambiguous(rules, words, reached[target][1], made + choices)
                reached[target] = weight * p, made + choices
        for word, reached in following.items():
            total = sum(p for p, _ in reached.values())
            belief = {s: (p / total, made) for s, (p, made) in reached.items()}
            key = frozenset((s, p) for s, (p, _) in belief.items())
            if word == SPECIALS[EOS]:
                known.setdefault(key, END)
            elif key not in known:
                known[key] = len(beliefs)
                beliefs.append(belief)
                read.append((*read[here], word))
                automaton.append({})
                if len(beliefs) > STATE_LIMIT:
                    raise GrammarError(
                        rules.source,
                        1,
                        f"the language needs more than {STATE_LIMIT:,} states; "
                        f"use fewer phrases, or modes that share fewer words",
                    )
            automaton[here][word] = total, known[key]


def _nondeterministic(rules: Rules):
    """Return (arcs, start): state -> [(word, p, target, choices made)], state -> (p, choices made).

    Every template is a chain of its own, built from its end; a slot left out is folded into the
    arcs that leave the next position. Each mode has its own end, so that a sentence which two modes
    share is no ambiguity.
    """
    new = itertools.count()
    arcs, start = {}, {}
    for mode in rules.modes:
        end = next(new)
        for template in mode.templates:
            state = next(new)
            arcs[state] = [(SPECIALS[EOS], Fraction(1), end, ())]
            for choices in reversed(template.positions):
                after, state = state, next(new)
                arcs[state] = leaving = []
                for choice in choices:
                    if not choice.tokens:
                        leaving += [
                            (word, choice.probability * p, target, (choice, *made))
                            for word, p, target, made in arcs[after]
                        ]
                        continue
                    target = after
                    for token in reversed(choice.tokens[1:]):
                        target, following = next(new), target
                        arcs[target] = [(token, Fraction(1), following, ())]
                    leaving.append((choice.tokens[0], choice.probability, target, (choice,)))
            start[state] = mode.probability * template.choice.probability, (template.choice,)
    return arcs, start


def _ambiguous(rules: Rules, words: list[str], one: tuple, other: tuple):
    a, b = next((a, b) for a, b in zip(one, other, strict=False) if a is not b)
    text = UNITS[rules.unit].join(word for word in words if word != SPECIALS[EOS])
    what = "the sentence" if words[-1] == SPECIALS[EOS] else "a sentence that begins with"
    raise GrammarError(
        rules.source,
        max(a.line, b.line),
        f"ambiguous: {what} {text!r} can be made in two ways within one mode, by {a.label} and by "
        f"{b.label}; keep one",
    )
