"""Say whether a reader's answer to an exercise is right, and never stop a notebook."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from html import escape
from numbers import Number
from typing import Any

from ..diagnostics import colours

PLACEHOLDERS = (None, ..., NotImplemented)  # what a stub holds before anybody worked on it


@dataclass(frozen=True)
class Verdict:
    """Whether an answer is right, and the sentence that says so with both values."""

    right: bool
    text: str

    def __repr__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        colour = colours.REAL if self.right else colours.FINDING["tip"]
        head, colon, rest = self.text.partition(":")
        return (
            f'<div data-right="{str(self.right).lower()}" style="font:16px/1.5 sans-serif">'
            f'<b style="color:{colour}">{"✔" if self.right else "…"} {head}</b>{colon}'
            f'<span style="white-space:pre-wrap">{escape(rest)}</span></div>'
        )


def compare(
    yours: Any,
    reference: Any,
    cases: Iterable[Any] | None = None,
    tolerance: float = 1e-6,
) -> Verdict:
    """Compare an answer with the reference: "yes: ..." or "not yet: ...", with both values.

    Numbers agree when |yours - reference| <= tolerance * max(1, |reference|), arrays and lists when
    their shapes and all their numbers do, anything else when it is equal.

    Args:
        yours: the answer, or the function that gives it; None and ``...`` stand for none so far.
        reference: what is right, of the same kind.
        cases: for functions, the arguments of each call, a tuple a call; without it one call
            without arguments.
        tolerance: how far numbers may be apart.

    Whatever ``yours`` raises becomes "not yet" with its message; what ``reference`` raises is a
    mistake of the page, and is raised.

    >>> compare(0.69, 0.693147)
    not yet: yours is 0.69, expected 0.693147
    >>> compare(lambda x: x * x, lambda x: x**2, cases=[(2,), (-3,)])
    yes: both give the same in 2 cases; for (-3): yours is 9, expected 9
    """
    if _placeholder(yours):
        return Verdict(False, "not yet: nothing filled in so far")
    if callable(reference):
        return _functions(yours, reference, [()] if cases is None else list(cases), tolerance)
    wrong = _attempt(lambda: _difference(yours, reference, tolerance))
    if wrong is None:
        return Verdict(True, f"yes: {_both(yours, reference)}")
    return Verdict(False, f"not yet: {wrong}")


def _functions(yours: Any, reference: Callable, cases: list, tolerance: float) -> Verdict:
    if not cases:
        raise ValueError("compare: cases is empty; give at least one tuple of arguments")
    if not callable(yours):
        return Verdict(
            False, f"not yet: expected a function, yours is of type {type(yours).__name__}"
        )
    for case in cases:
        arguments = case if isinstance(case, tuple) else (case,)
        right = reference(*arguments)  # first: what yours does to its arguments is not its matter

        def judged(arguments=arguments, right=right) -> tuple[Any, str | None]:
            answer = yours(*arguments)
            if _placeholder(answer):
                return answer, f"it returns {answer!r}, expected {_short(right)}"
            return answer, _difference(answer, right, tolerance)

        given = f"for ({', '.join(map(_short, arguments))})" if arguments else "called"
        result = _attempt(judged)
        wrong = result if isinstance(result, str) else result[1]
        if wrong is not None:
            return Verdict(False, f"not yet: {given}: {wrong}")
    answer = result[0]
    agreed = f"both give the same in {len(cases)} cases; {given}: " if len(cases) > 1 else ""
    return Verdict(True, f"yes: {agreed}{_both(answer, right)}")


def _attempt(look: Callable[[], Any]) -> Any:
    """Return what ``look`` returns, or the message of what the reader's code raised."""
    try:
        return look()
    except Exception as error:  # whatever a reader writes is an answer, and a page goes on
        said = str(error)
        return f"it raises {type(error).__name__}" + (f": {said}" if said else "")


def _placeholder(value: Any) -> bool:
    return any(value is nothing for nothing in PLACEHOLDERS)


def _difference(yours: Any, right: Any, tolerance: float) -> str | None:
    """Return in words how ``yours`` differs, None when it does not."""
    yours_plain, right_plain = _plain(yours), _plain(right)
    if isinstance(right_plain, dict):
        return _between_mappings(yours_plain, right_plain, tolerance)
    if isinstance(right_plain, list) != isinstance(yours_plain, list) or (
        isinstance(right_plain, list) and _shape(yours_plain) != _shape(right_plain)
    ):
        return f"yours is {_described(yours_plain)}, expected {_described(right_plain)}"
    pairs = list(_leaves(yours_plain, right_plain))
    wrong = [(i, a, b) for i, a, b in pairs if not _same(a, b, tolerance)]
    if not wrong:
        return None
    index, a, b = wrong[0]
    where = f" at {list(index)}" if index else ""
    a_text, b_text = _short(a), _short(b)
    if a_text == b_text:  # they differ beyond the digits a reader would write
        a_text, b_text = repr(a), repr(b)
    more = f" ({len(wrong)} of {len(pairs)} entries differ)" if len(pairs) > 1 else ""
    return f"yours{where} is {a_text}, expected {b_text}{more}"


def _between_mappings(yours: Any, right: dict, tolerance: float) -> str | None:
    if not isinstance(yours, dict):
        return f"yours is {_described(yours)}, expected names with values: {_short(right)}"
    for name, value in right.items():
        if name not in yours:
            return f"yours lacks {name!r}, expected {', '.join(map(repr, right))}"
        wrong = _difference(yours[name], value, tolerance)
        if wrong is not None:
            return f"{name!r}: {wrong}"
    extra = [name for name in yours if name not in right]
    return f"yours has {extra[0]!r} too, which is not expected" if extra else None


def _plain(value: Any) -> Any:
    """Return arrays and tensors as lists and numbers; nothing needs to be imported for it."""
    if hasattr(value, "detach"):
        value = value.detach().cpu()
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [_plain(x) for x in value]
    return dict(value) if isinstance(value, Mapping) else value


def _shape(plain: Any) -> tuple[int, ...]:
    """Return the shape of nested lists, as deep as they are regular."""
    if not isinstance(plain, list):
        return ()
    inner = {_shape(x) for x in plain}
    return (len(plain), *(inner.pop() if len(inner) == 1 else ()))


def _leaves(a: Any, b: Any, index: tuple = ()) -> Iterator[tuple[tuple, Any, Any]]:
    if isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        for i, (x, y) in enumerate(zip(a, b, strict=True)):
            yield from _leaves(x, y, (*index, i))
    else:
        yield index, a, b


def _same(a: Any, b: Any, tolerance: float) -> bool:
    if not (_is_number(a) and _is_number(b)):
        return type(a) is type(b) and bool(a == b)
    if not math.isfinite(abs(b)):
        return a == b or (math.isnan(abs(a)) and math.isnan(abs(b)))
    return abs(a - b) <= tolerance * max(1.0, abs(b))


def _is_number(value: Any) -> bool:
    return isinstance(value, Number) and not isinstance(value, bool)


def _described(plain: Any) -> str:
    shape = _shape(plain)
    return f"of shape {shape}" if shape or isinstance(plain, list) else _short(plain)


def _both(yours: Any, right: Any) -> str:
    return f"yours is {_short(yours)}, expected {_short(right)}"


def _short(value: Any, longest: int = 80) -> str:
    """Return a value as a reader would write it: numbers in seven digits, the long cut short."""
    plain = _plain(value)
    if _is_number(plain):
        text = f"{plain:.7g}" if not isinstance(plain, int) else str(plain)
    elif isinstance(plain, list) and all(map(_is_number, plain)):
        text = f"[{', '.join(map(_short, plain[:8]))}{', ...' if len(plain) > 8 else ''}]"
    elif callable(plain) or type(plain).__repr__ is object.__repr__:
        text = getattr(plain, "__name__", type(plain).__name__)  # its address says nothing
    else:
        text = repr(plain)
    return text if len(text) <= longest else text[: longest - 3] + "..."
