"""What can be set in a notebook: the literals of its cell tagged ``parameters``.

papermill lets an unknown name pass with a warning, turns a tuple into text and pastes names into
code. So names, types and values are checked here, before it sees them.
"""

import ast
import io
import re
import tokenize
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from numbers import Integral, Real
from pathlib import Path
from typing import Any

from . import plain
from .document import NotebookError, read, tagged
from .plain import shown

KINDS = {kind.__name__: kind for kind in (bool, int, float, str, list, dict)}


class ParameterError(ValueError):
    """A parameter that the notebook does not have, or a value of the wrong type."""


@dataclass(frozen=True)
class Parameter:
    """One name of the cell tagged ``parameters``: its default, type and end-of-line comment."""

    name: str
    default: Any
    kind: type
    help: str = ""


def parameters(path: str | Path) -> dict[str, Parameter]:
    """Return what can be set in a notebook, in order; empty when no cell is tagged ``parameters``.

    The cell holds assignments of literals and nothing else, because papermill puts new values into
    a cell after it: what was computed here would keep the old ones. An annotation
    (``LR: float = 1``) states the type; otherwise the default does.

    Raises:
        NotebookError: anything else in that cell; names cell and line.
    """
    code = [cell for cell in read(path).cells if cell.cell_type == "code"]
    for number, cell in enumerate(code, start=1):
        if tagged(cell, "injected-parameters"):
            raise NotebookError(f"{path}: code cell {number} is left from another run; delete it")
    numbers = [n for n, cell in enumerate(code, start=1) if tagged(cell, "parameters")]
    if not numbers:
        return {}
    if len(numbers) > 1:
        listed = ", ".join(map(str, numbers))
        raise NotebookError(f"{path}: code cells {listed} are all tagged parameters; keep one")
    source = code[numbers[0] - 1].source

    def wrong(line: int, problem: str) -> NotebookError:
        return NotebookError(f"{path}: code cell {numbers[0]} (parameters), line {line}: {problem}")

    try:
        body = ast.parse(source).body
    except SyntaxError as error:
        raise wrong(error.lineno or 1, f"{error.msg}; write NAME = literal") from error
    except (ValueError, RecursionError, MemoryError) as error:  # half a surrogate; nested too deep
        raise wrong(1, f"not Python ({error}); write NAME = literal") from error
    comments = {
        token.start[0]: token.string.lstrip("# ")
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT
    }
    found: dict[str, Parameter] = {}
    for statement in body:
        line = statement.lineno
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                annotation = None
            case ast.AnnAssign(target=ast.Name(id=name), annotation=annotation, value=ast.expr()):
                value = statement.value
            case _:
                raise wrong(line, "only NAME = literal is allowed here")
        if name in found:
            raise wrong(line, f"{name} is set twice")
        try:
            default = ast.literal_eval(value)
        except (ValueError, TypeError, RecursionError, MemoryError):  # TypeError: {[]: 1}
            raise wrong(
                line, f"{name} is computed; give a literal and compute from it in a later cell"
            ) from None
        kind = type(default)
        if annotation is not None:
            stated = ast.unparse(annotation)
            kind = KINDS.get(stated.split("[")[0])
            if kind is None:
                raise wrong(line, f"{name}: type {stated} is not one of {', '.join(KINDS)}")
            if isinstance(default, str) and kind is not str:
                raise wrong(line, f"{name}: {default!r} is not a {stated}")
        try:
            default = _as(kind, default)
        except ValueError as error:
            raise wrong(line, f"{name}: {error}") from None
        found[name] = Parameter(name, default, kind, comments.get(statement.end_lineno, ""))
    return found


def _as(kind: type, value: Any) -> Any:
    """Return ``value`` as plain data of type ``kind``; text is read the way ``kind`` is written."""
    expected = f"expected {kind.__name__}, got {shown(value)}"
    if kind.__name__ not in KINDS:
        raise ValueError(f"a {kind.__name__} cannot be a parameter; use {', '.join(KINDS)}")
    if isinstance(value, str) and kind is not str:
        value = _parse(kind, value, expected)
    if kind is float and isinstance(value, Real) and not isinstance(value, bool):
        try:
            value = float(value)
        except OverflowError:
            raise ValueError(f"{expected}: too large for one") from None
    elif kind is int and isinstance(value, Integral) and not isinstance(value, bool):
        value = int(value)
    if type(value) is not kind:
        raise ValueError(expected)
    plain.check(value)
    return value


def _parse(kind: type, text: str, expected: str) -> Any:
    if kind is bool:
        if text.lower() not in ("true", "false"):
            raise ValueError(f"{expected}; write true or false")
        return text.lower() == "true"
    if kind is int:
        if not re.fullmatch(r"[-+]?[0-9]+", text) or len(text) > plain.WIDEST:
            raise ValueError(expected)
        return int(text)
    if kind is float:
        if not plain.FLOAT.fullmatch(text):
            raise ValueError(expected)
        return float(text)
    try:
        return plain.read_yaml(text)[0]
    except plain.YamlError as error:
        raise ValueError(f"{expected}; it is not YAML either: {error}") from None


def fit(known: Mapping[str, Parameter], name: str, value: Any) -> Any:
    """Return the value given for a parameter, as plain data of its type.

    Raises:
        ValueError: a name that is not known, or a value of another type.
    """
    if name not in known:
        listed = ", ".join(known) or "none"
        raise ValueError(f"no parameter {shown(name)}; it has: {listed}{meant(name, known)}")
    try:
        return _as(known[name].kind, value)
    except ValueError as error:
        raise ValueError(f"parameter {name}: {error}") from None


def meant(name: Any, known: Iterable[str]) -> str:
    """Return "; did you mean X?" where a known name is close to ``name``, else nothing."""
    spelled = {candidate.lower(): candidate for candidate in known}
    close = get_close_matches(str(name).lower(), spelled, n=1)
    return f"; did you mean {spelled[close[0]]}?" if close else ""


def unattended(known: Mapping[str, Parameter]) -> dict[str, Parameter]:
    """Return the parameters of a run that nobody watches: ``LIVE``, if there is one, is False.

    A page saved after live use says LIVE = True.
    """
    live = known.get("LIVE")
    off = {"LIVE": replace(live, default=False)} if live and live.kind is bool else {}
    return {**known, **off}


def resolve(
    path: str | Path, given: Mapping[str, Any], known: Mapping[str, Parameter] | None = None
) -> dict[str, Any]:
    """Return every parameter of a notebook with its value for this run, defaults filled in.

    Text (from a command line) is read by the default's type: ``"0012"`` stays text for a ``str``,
    is 12 for an ``int``; ``true`` and ``false`` are the bools; lists and dicts are YAML.
    ``known`` are the notebook's parameters where they have been read already: the file is then not
    opened.

    Raises:
        ParameterError: a name that the notebook does not have, or a value of another type.
        NotebookError: see `parameters`.
    """
    known = parameters(path) if known is None else known
    values = {name: parameter.default for name, parameter in known.items()}
    for name, value in given.items():
        try:
            values[name] = fit(known, name, value)
        except ValueError as error:
            raise ParameterError(f"{path}: {error}") from None
    return values
