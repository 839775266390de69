"""Conditions over named values, written as Python writes them and never run as Python.

``"D_LR >= G_LR and LOSS in ['hinge', 'wasserstein']"``. The text is parsed, each node of its tree
is one of those below or refused, and what remains is computed here: no attribute, no subscript, no
call but of `FUNCTIONS`, nothing that can grow without bound.
"""

import ast
import math
import operator
import warnings
from collections.abc import Callable, Mapping
from numbers import Real
from typing import Any

import numpy as np

LONGEST = 1000  # characters
DEEPEST = 50  # levels of the tree; 1,000 characters can nest deeper than the interpreter's stack
WIDEST = 1023  # bits of a whole number: all of them are floats, too

FUNCTIONS: dict[str, Callable[..., Any]] = {
    "abs": abs, "min": min, "max": max, "log": math.log, "exp": math.exp, "sqrt": math.sqrt,
}  # fmt: skip
SEVERAL = ("min", "max")  # those of two arguments or more
ALLOWED = (
    "comparisons, and, or, not, in [...], + - * / ** %, names, numbers, texts in quotes, True, "
    f"False, None, {', '.join(f'{name}()' for name in FUNCTIONS)}"
)

ARITHMETIC = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul,
    ast.Div: operator.truediv, ast.Mod: operator.mod, ast.Pow: operator.pow,
}  # fmt: skip
EQUALITY = {ast.Eq: operator.eq, ast.NotEq: operator.ne}
ORDER = {ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt, ast.GtE: operator.ge}

_Values = Mapping[str, Any]
_Node = Callable[[_Values], Any]


class ExpressionError(ValueError):
    """An expression that cannot be read, or has no value where it was asked for one."""


class Expression:
    """An expression over named values: parsed once, evaluated for many points or runs.

    Rules    as in Python, but: ``and``, ``or``, ``not`` take truths alone; arithmetic takes
             numbers alone; ``<`` takes two numbers or two texts; ``in`` takes a list
             a name may have dots (``d_loss.adversarial``): it is looked up whole, never followed
             a missing value is NaN: it compares False (``!=`` True), as a truth it is False, and
             any number computed from it is NaN

    >>> condition = Expression("D_LR >= 1e-3 and LOSS in ['hinge', 'wasserstein']")
    >>> sorted(condition.names)
    ['D_LR', 'LOSS']
    >>> condition.holds({"D_LR": 0.01, "LOSS": "hinge"}), Expression("2 * (3 + 1)").value({})
    (True, 8)

    Raises:
        ExpressionError: anything but what `ALLOWED` lists; names the text and the column.
    """

    def __init__(self, text: str):
        if not isinstance(text, str):
            raise ExpressionError(f"expected the text of a condition, got {type(text).__name__}")
        self.text = text.strip()
        if len(self.text) > LONGEST:
            raise ExpressionError(
                f"{self.text[:40]!r}...: {len(self.text):,} characters; at most {LONGEST:,}"
            )
        self._tree, self._used = self._parsed(), set()
        self._root = self._compile(self._tree, depth=0)
        self.names = frozenset(self._used)

    def value(self, values: _Values) -> Any:
        """Return the value where each name has the one in ``values``.

        Raises:
            ExpressionError: a name without a value, operands of the wrong type, a division by
                zero, a number without bound; names the text and the column.
        """
        return self._root(values)

    def holds(self, values: _Values) -> bool:
        """Return whether the expression is true; ExpressionError when it is no truth at all."""
        return self._truth(self._tree, self.value(values))

    def __repr__(self) -> str:
        return f"Expression({self.text!r})"

    def _error(self, node: ast.AST | int, problem: str) -> ExpressionError:
        if isinstance(node, int):
            column = node
        else:  # ast counts bytes of UTF-8
            column = len(self.text.encode()[: node.col_offset].decode(errors="ignore")) + 1
        return ExpressionError(f"{self.text!r}, column {column}: {problem}")

    def _parsed(self) -> ast.expr:
        if not self.text:
            raise self._error(1, "empty; write a condition like D_LR >= G_LR")
        if len(self.text.splitlines()) > 1:
            column = len(self.text.splitlines()[0]) + 1
            raise self._error(column, "a new line; write a condition on one line")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")  # what Python only doubts (1or 2, "\d") is an error
                return ast.parse(self.text, mode="eval").body
        except SyntaxError as error:
            column = error.offset or len(self.text) + 1  # 0: at its end
            raise self._error(column, f"{error.msg}; allowed: {ALLOWED}") from None
        except (ValueError, RecursionError, MemoryError):  # NUL, half a surrogate; too deep
            raise self._error(1, "not text, or nested too deeply") from None

    def _compile(self, node: ast.expr, depth: int) -> _Node:
        """Return a function of the values that computes ``node``; refuse what is not listed."""
        if depth > DEEPEST:
            raise self._error(node, f"nested deeper than {DEEPEST} levels")

        def inner(child: ast.expr) -> _Node:
            return self._compile(child, depth + 1)

        match node:
            case ast.Constant(value=bool() | float() | str() | None as value):
                return lambda values: value
            case ast.Constant(value=int() as value):
                self._bounded(node, value)
                return lambda values: value
            case ast.Name() | ast.Attribute():
                return self._name(node)
            case ast.List(elts=items):
                parts = [inner(item) for item in items]
                return lambda values: [part(values) for part in parts]
            case ast.BoolOp(op=kind, values=items):
                parts, stop = [(i, inner(i)) for i in items], isinstance(kind, ast.Or)
                # one that settles the matter spares the rest: `B != 0 and A / B > 2`
                return lambda values: (
                    stop if any(self._truth(i, part(values)) is stop for i, part in parts)
                    else not stop
                )  # fmt: skip
            case ast.UnaryOp(op=ast.Not(), operand=item):
                part = inner(item)
                return lambda values: not self._truth(item, part(values))
            case ast.UnaryOp(op=ast.USub() | ast.UAdd() as kind, operand=item):
                part = inner(item)
                sign = operator.neg if isinstance(kind, ast.USub) else operator.pos
                return lambda values: self._computed(node, sign, part(values))
            case ast.BinOp(left=left, op=kind, right=right) if type(kind) in ARITHMETIC:
                a, b, compute = inner(left), inner(right), ARITHMETIC[type(kind)]
                return lambda values: self._computed(node, compute, a(values), b(values))
            case ast.Compare():
                return self._comparison(node, inner)
            case ast.Call(func=ast.Name(id=name), args=items, keywords=[]) if name in FUNCTIONS:
                if (len(items) > 1) != (name in SEVERAL):
                    count = "two numbers or more" if name in SEVERAL else "one number"
                    raise self._error(node, f"{name} takes {count}, got {len(items)}")
                parts, compute = [inner(item) for item in items], FUNCTIONS[name]
                return lambda values: self._computed(
                    node, compute, *(part(values) for part in parts)
                )
            case ast.Call(func=ast.Name(id=name)):
                raise self._error(node, f"no function {name}() here; allowed: {ALLOWED}")
        raise self._error(node, f"{type(node).__name__} is not allowed; allowed: {ALLOWED}")

    def _name(self, node: ast.Name | ast.Attribute) -> _Node:
        parts, part = [], node
        while isinstance(part, ast.Attribute) and not part.attr.startswith("_"):
            parts, part = [part.attr, *parts], part.value
        if not isinstance(part, ast.Name):
            raise self._error(node, f"an attribute is not allowed; allowed: {ALLOWED}")
        name = ".".join([part.id, *parts])
        self._used.add(name)

        def value(values: _Values) -> Any:
            try:
                found = values[name]
            except KeyError:
                listed = ", ".join(map(str, values)) or "none"
                raise self._error(
                    node, f"unknown name {name}; known: {listed}; text stands in quotes"
                ) from None
            if isinstance(found, np.generic):  # a cell of a table; numpy's own integers wrap around
                found = found.item()
            if not isinstance(found, bool | int | float | str | list | dict | None):
                raise self._error(node, f"{name} is a {type(found).__name__}, not plain data")
            if isinstance(found, int):
                self._bounded(node, found)
            return found

        return value

    def _comparison(self, node: ast.Compare, inner: Callable[[ast.expr], _Node]) -> _Node:
        for kind in node.ops:
            if isinstance(kind, ast.Is | ast.IsNot):
                raise self._error(node, "`is` is not allowed; write == or !=")
        parts = [inner(item) for item in (node.left, *node.comparators)]

        def value(values: _Values) -> bool:
            left = parts[0](values)
            for kind, part in zip(node.ops, parts[1:], strict=True):
                right = part(values)
                if not self._compared(node, kind, left, right):
                    return False
                left = right
            return True

        return value

    def _compared(self, node: ast.Compare, kind: ast.cmpop, left: Any, right: Any) -> bool:
        if type(kind) in EQUALITY:
            return EQUALITY[type(kind)](left, right)
        if isinstance(kind, ast.In | ast.NotIn):
            if not (isinstance(right, list) or _missing(right)):
                raise self._error(node, f"in takes a list like [1, 2], got {_shown(right)}")
            among = not _missing(right) and any(left == item for item in right)
            return among == isinstance(kind, ast.In)
        if _missing(left) or _missing(right):
            return False
        if not any(isinstance(left, k) and isinstance(right, k) for k in (Real, str)):
            raise self._error(
                node, f"{_shown(left)} and {_shown(right)} have no order; it takes two numbers"
            )
        return ORDER[type(kind)](left, right)

    def _truth(self, node: ast.expr, value: Any) -> bool:
        if _missing(value):
            return False
        if not isinstance(value, bool):
            raise self._error(
                node, f"expected a truth (a comparison, True or False), got {_shown(value)}"
            )
        return value

    def _computed(self, node: ast.expr, compute: Callable[..., Any], *numbers: Any) -> Any:
        """Return a number computed from numbers, NaN from NaN."""
        for number in numbers:
            if not isinstance(number, Real):  # not text: `%` and `*` make giants of it
                raise self._error(node, f"expected a number, got {_shown(number)}")
        if any(map(_missing, numbers)):
            return math.nan
        if compute is operator.pow:
            self._power(node, *numbers)
        try:
            result = compute(*numbers)
        except (ArithmeticError, ValueError) as error:  # 1 / 0, exp(1000); log(0)
            given = ", ".join(map(_shown, numbers))
            raise self._error(node, f"no value: {error} (with {given})") from None
        if isinstance(result, int):
            self._bounded(node, result)
        return result

    def _power(self, node: ast.expr, base: Real, exponent: Real) -> None:
        """Refuse a power before it is computed: 9**9**9 never ends, (-8)**0.5 is complex."""
        if base < 0 and not float(exponent).is_integer():
            raise self._error(node, f"no value: {_shown(base)} to a power that is no whole number")
        whole = isinstance(base, int) and isinstance(exponent, int)
        if whole and (abs(base).bit_length() - 1) * exponent > WIDEST:
            raise self._error(node, f"a power of over {WIDEST} bits")

    def _bounded(self, node: ast.expr, number: int) -> None:
        if number.bit_length() > WIDEST:
            raise self._error(node, f"a whole number of over {WIDEST} bits")


def _missing(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
