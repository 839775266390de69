"""Grids: the points of a sweep, written in a file or in Python, checked before anything starts.

::

    notebook: 07_systems                # a path, seen from this file, or a shipped one's name
    parameters: {UPDATES: 300}          # the same for every point
    grid:                               # every combination
      SYSTEM: [seqgan, relgan]
      VOCABULARY: [500, 1000]
    points:                             # these and no others; combined with the grid, if any
      - {DATA: captions, LOOKS: 20}
    random:                             # drawn once, by their own seed; combined with the rest
      samples: 20
      seed: 0
      parameters:
        SECONDS: {log_uniform: [0.5, 8]}        # or uniform, integers (both ends), choice
    seeds: 5                            # SEED = 0 to 4; or a list; or {NAME: 5}
    constraints: ["SECONDS > 1 or UPDATES < 500"]   # what breaks one is left out, and counted
"""

import hashlib
import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, NoReturn

import numpy as np
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
)

from . import document
from .expressions import Expression, ExpressionError
from .parameters import Parameter, ParameterError, fit, meant, parameters, unattended
from .plain import At, YamlError, read_yaml, shown
from .records import canonical

LARGEST_FILE = 1_000_000  # bytes
MOST = 100_000  # points, before constraints
DIGITS = 6  # of a drawn number: people read them, and compare them with what they wrote

Values = dict[str, Any]


class GridError(ParameterError):
    """A grid that cannot be swept: names file and line, and the key; from Python, the key."""


@dataclass(frozen=True)
class Grid:
    """The points of a sweep: distinct, in a fixed order, every value of its parameter's type."""

    notebook: Path
    points: tuple[Values, ...]  # what is given; the other parameters are at their defaults
    varied: tuple[str, ...]  # the parameters that differ between points
    source: str  # the file; "" from Python
    repeated: int = 0  # points that were equal to an earlier one
    refused: int = 0  # points that broke a constraint

    @property
    def name(self) -> str:
        """What the sweep is called: as its file; from Python, as its notebook and a hash."""
        if self.source:
            return Path(self.source).stem
        digest = hashlib.sha256(canonical(list(self.points)).encode()).hexdigest()
        return f"{self.notebook.stem}-{digest[:8]}"

    def __len__(self) -> int:
        return len(self.points)

    def __repr__(self) -> str:
        varied = f" over {', '.join(self.varied)}" if self.varied else ""
        less = {"given twice": self.repeated, "refused by constraints": self.refused}
        notes = "".join(f", {number} {why}" for why, number in less.items() if number)
        return f"{len(self)} runs of {self.notebook.name}{varied}{notes}"


def read_grid(path: str | Path) -> Grid:
    """Return the points that a grid file describes.

    Raises:
        GridError: with file and line, whatever is wrong with it.
        NotebookError: the notebook cannot be read, or its parameters are no literals.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_FILE + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = getattr(error, "strerror", None) or error
        raise GridError(f"{path}: cannot be read ({reason}); give a grid file") from None
    if len(content) > LARGEST_FILE:
        raise GridError(
            f"{path}: larger than {LARGEST_FILE:,} bytes; write lists that combine under grid:"
        )
    try:
        data, lines = read_yaml(content.decode().removeprefix("\ufeff"))
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise GridError(
            f"{path}:{line}: not UTF-8 at byte {error.start} ({content[error.start]:#04x}); save "
            f"it as UTF-8"
        ) from None
    except YamlError as error:
        raise GridError(f"{path}:{error.line}: {error}") from None
    return _Builder(str(path), lines, path.parent).grid(data)


def make_grid(
    notebook: str | Path,
    *,
    parameters: Mapping[str, Any] | None = None,
    grid: Mapping[str, Sequence[Any]] | None = None,
    points: Sequence[Mapping[str, Any]] | None = None,
    random: Mapping[str, Any] | None = None,
    seeds: int | Sequence[int] | Mapping[str, Any] | None = None,
    constraints: Sequence[str] = (),
) -> Grid:
    """Return the points described by what a grid file would say, key by key.

    Raises:
        GridError: with the key, whatever is wrong with it.
        NotebookError: the notebook cannot be read, or its parameters are no literals.
    """
    said = {
        "notebook": str(notebook), "parameters": parameters, "grid": grid, "points": points,
        "random": random, "seeds": seeds, "constraints": constraints,
    }  # fmt: skip
    return _Builder("", {}, Path()).grid({k: v for k, v in said.items() if v is not None})


# ---- the form of a file -------------------------------------------------------------------------


def _series(values: Any) -> Any:
    """Return what Python has for a list of values, where one is expected, as a list."""
    if isinstance(values, np.ndarray):
        return values.tolist()
    return list(values) if isinstance(values, tuple | range) else values


def _filled(value: Any) -> Any:
    if not value:
        raise ValueError("empty; leave the key out, or say at least one")
    return value


_List = Annotated[list[Any], BeforeValidator(_series), AfterValidator(_filled)]
_Lists = Annotated[dict[str, _List], AfterValidator(_filled)]


class _Form(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _Random(_Form):
    samples: int = Field(ge=1)
    seed: int = Field(default=0, ge=0)
    parameters: Annotated[dict[str, _Lists], AfterValidator(_filled)]


class _File(_Form):
    notebook: str
    parameters: Values = {}
    grid: _Lists | None = None
    points: Annotated[list[Values], BeforeValidator(_series), AfterValidator(_filled)] | None = None
    random: _Random | None = None
    seeds: Any = None
    constraints: Annotated[list[str], BeforeValidator(_series)] = []

    @field_validator("grid", "points", "random", "seeds")
    @classmethod
    def _said(cls, value: Any) -> Any:
        if value is None:  # a key with nothing after it; no default is validated
            raise ValueError("empty; leave the key out, or say at least one")
        return value


FORMS = {(): _File, ("random",): _Random}


# ---- from the form to the points ----------------------------------------------------------------


class _Builder:
    def __init__(self, source: str, lines: Mapping[At, int], folder: Path):
        self.source, self.lines, self.folder = source, lines, folder
        self.notebook = Path()
        self.known: dict[str, Parameter] = {}
        self.stated: dict[str, At] = {}  # parameter -> where it was given first

    def fail(self, at: At, problem: str) -> NoReturn:
        key = ".".join(map(str, at))
        line = next((self.lines[at[:n]] for n in range(len(at), -1, -1) if at[:n] in self.lines), 1)
        where = f"{self.source}:{line}: " if self.source else ""
        raise GridError(f"{where}{key}: {problem}" if key else f"{where}{problem}") from None

    def grid(self, data: Any) -> Grid:
        form = self.form(data)
        self.notebook = self.found(form.notebook)
        self.known = unattended(parameters(self.notebook))
        fixed = self.point(("parameters",), form.parameters)
        listed = [self.point(("points", i), point) for i, point in enumerate(form.points or [{}])]
        axes = {n: self.axis(("grid", n), v) for n, v in (form.grid or {}).items()}
        laws = self.laws(form.random)
        seeds = self.seeds(form.seeds)
        constraints = self.constraints(form.constraints)
        samples = form.random.samples if form.random else 1
        count = len(listed) * samples * math.prod(map(len, [*axes.values(), *seeds.values()]))
        if count > MOST:
            self.fail((), f"{count:,} points; at most {MOST:,}: make several grids of it")
        combined = [
            {**fixed, **dict(zip((*axes, *seeds), values, strict=True))}
            for values in itertools.product(*axes.values(), *seeds.values())
        ]
        drawn = _drawn(laws, samples, form.random.seed if form.random else 0)
        every = ({**p, **r, **g} for p in listed for r in drawn for g in combined)
        return self.kept(every, count, constraints)

    def form(self, data: Any) -> _File:
        if not isinstance(data, dict):
            self.fail((), f"expected keys ({', '.join(_File.model_fields)}), got {shown(data)}")
        try:
            return _File.model_validate(data)
        except ValidationError as error:
            first = error.errors(include_url=False, include_context=False)[0]
        at, given = first["loc"], first["input"]
        if at and at[-1] == "[key]":
            self.fail(at[:-2], f"a key must be text, got {shown(given)}")
        match first["type"]:
            case "extra_forbidden":
                known = FORMS[at[:-1]].model_fields
                listed = ", ".join(known)
                self.fail(at, f"unknown key; known: {listed}{meant(at[-1], known)}")
            case "missing":
                self.fail(at, "missing; it must be given")
            case "value_error":
                self.fail(at, first["msg"].removeprefix("Value error, "))
        expected = first["msg"].replace("Input should be", "expected")
        if first["type"] == "list_type":
            expected = "expected a list, in brackets"
        elif first["type"] in ("dict_type", "model_type"):
            expected = "expected names with values, NAME: value"
        self.fail(at, f"{expected}, got {shown(given)}")

    def found(self, name: str) -> Path:
        """Return the notebook beside the file, else the shipped one of that name."""
        if not name.isprintable():
            self.fail(("notebook",), f"{shown(name)}: no path")
        places = [self.folder / name]
        if name == Path(name).name:
            places.append(document.folder() / f"{name.removesuffix('.ipynb')}.ipynb")
        try:
            for path in places:
                if path.is_file():
                    return path
            document.find(self.folder / name)
        except document.NotebookError as error:
            self.fail(("notebook",), str(error))
        except OSError as error:  # too long a name, no right to look
            self.fail(("notebook",), f"{shown(name)}: {error.strerror}")
        self.fail(("notebook",), f"{shown(name)}: not a file; give a notebook (.ipynb)")

    # values and who gives them

    def value(self, at: At, name: str, value: Any) -> Any:
        try:
            return fit(self.known, name, value)
        except ValueError as error:
            self.fail(at, f"{self.notebook.name}: {error}")

    def claim(self, at: At, name: str) -> None:
        """Refuse a parameter that nobody knows, or that is given in two places."""
        if name not in self.known:
            self.value(at, name, None)
        first = self.stated.setdefault(name, at)
        if first != at and not first[0] == at[0] == "points":  # points are alternatives
            line = f" (line {self.lines[first]})" if first in self.lines else ""
            self.fail(at, f"given twice, first as {'.'.join(map(str, first))}{line}; keep one")

    def point(self, at: At, given: Values) -> Values:
        for name in given:
            self.claim((*at, name), name)
        return {name: self.value((*at, name), name, value) for name, value in given.items()}

    def axis(self, at: At, values: Sequence[Any]) -> list[Any]:
        name = at[-1]
        self.claim(at, name)
        return [self.value((*at, i), name, value) for i, value in enumerate(values)]

    def seeds(self, given: Any) -> dict[str, list[int]]:
        if given is None:
            return {}
        given = _series(given)
        named = given if isinstance(given, dict) else {"SEED": given}
        if not named:
            self.fail(("seeds",), "empty; leave the key out, or say how many")
        axes = {}
        for name, seeds in named.items():
            at: At = ("seeds", name) if isinstance(given, dict) else ("seeds",)
            self.claim(at, name)
            seeds = _series(seeds)
            if isinstance(seeds, int) and not isinstance(seeds, bool) and seeds >= 1:
                if seeds > MOST:
                    self.fail(at, f"{shown(seeds)} seeds; at most {MOST:,} points")
                seeds = range(seeds)
            elif not isinstance(seeds, list) or not seeds:
                self.fail(at, f"expected how many (5) or which ([0, 1, 2]), got {shown(seeds)}")
            axes[name] = [
                self.value((*at, i), name, self.whole((*at, i), seed))
                for i, seed in enumerate(seeds)
            ]
        return axes

    def whole(self, at: At, value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            self.fail(at, f"expected a whole number, got {shown(value)}")
        return value

    # draws

    def laws(self, given: _Random | None) -> "dict[str, _Drawn]":
        if given is None:
            return {}
        if given.samples > MOST:
            self.fail(("random", "samples"), f"{shown(given.samples)}; at most {MOST:,} points")
        return {name: self.law(name, law) for name, law in given.parameters.items()}

    def law(self, name: str, law: Mapping[str, list[Any]]) -> "_Drawn":
        at: At = ("random", "parameters", name)
        self.claim(at, name)
        if len(law) != 1 or next(iter(law)) not in KINDS:
            self.fail(at, f"expected one of {', '.join(KINDS)}, got {', '.join(map(shown, law))}")
        [(kind, numbers)] = law.items()
        at = (*at, kind)
        if kind == "choice":
            values = [self.value((*at, i), name, value) for i, value in enumerate(numbers)]
            return _Drawn(kind, values)
        draws, takes = int if kind == "integers" else float, self.known[name].kind
        if draws is not takes:
            self.fail(
                at,
                f"draws {draws.__name__}, and {name} is {takes.__name__}; an int takes integers, a "
                f"float uniform or log_uniform, anything choice",
            )
        if len(numbers) != 2:
            self.fail(at, f"expected two numbers, the lowest and the highest, got {shown(numbers)}")
        low, high = (self.value((*at, i), name, number) for i, number in enumerate(numbers))
        if low > high:
            self.fail(at, f"the lowest, {low}, is above the highest, {high}; exchange them")
        if kind == "log_uniform" and low <= 0:
            self.fail(at, f"a logarithm needs numbers above 0, got {low}")
        return _Drawn(kind, [low, high])

    # constraints

    def constraints(self, texts: Sequence[str]) -> list[tuple[At, Expression]]:
        found = []
        for i, text in enumerate(texts):
            at: At = ("constraints", i)
            try:
                expression = Expression(text)
            except ExpressionError as error:
                self.fail(at, str(error))
            for name in sorted(expression.names - set(self.known)):
                listed = ", ".join(self.known) or "none"
                self.fail(
                    at,
                    f"{expression.text!r}: unknown name {name}; known: {listed}"
                    f"{meant(name, self.known) or '; text stands in quotes'}",
                )
            found.append((at, expression))
        return found

    def kept(
        self, every: Iterator[Values], count: int, constraints: Sequence[tuple[At, Expression]]
    ) -> Grid:
        """Return the grid of the points that are no repetition and break no constraint."""
        defaults = {name: parameter.default for name, parameter in self.known.items()}
        seen: set[str] = set()
        points, taken = [], dict.fromkeys((at for at, _ in constraints), 0)
        spellings: dict[str, set[str]] = {}
        for point in every:
            values = {**defaults, **point}
            spelt = canonical(values)  # 1, 1.0 and True are equal in Python, not in a notebook
            if spelt in seen:
                continue
            seen.add(spelt)
            broken = next((at for at, e in constraints if not self.holds(at, e, values)), None)
            if broken is not None:
                taken[broken] += 1
                continue
            points.append(point)
            for name in point:
                spellings.setdefault(name, set()).add(canonical(values[name]))
        refused = sum(taken.values())
        if not points:
            shares = ", ".join(f"{e.text!r} takes {taken[at]:,}" for at, e in constraints)
            self.fail(("constraints",), f"no point is left of {refused:,}: {shares}")
        everywhere = {n for n in spellings if all(n in point for point in points)}
        for name in spellings.keys() - everywhere:  # elsewhere it is at its default
            spellings[name].add(canonical(defaults[name]))
        varied = tuple(name for name, found in spellings.items() if len(found) > 1)
        repeated = count - len(seen)
        return Grid(self.notebook, tuple(points), varied, self.source, repeated, refused)

    def holds(self, at: At, constraint: Expression, values: Values) -> bool:
        try:
            return constraint.holds(values)
        except ExpressionError as error:
            self.fail(at, str(error))


@dataclass(frozen=True)
class _Drawn:
    """The law of one random parameter: its kind, and the two ends or the values to choose from."""

    kind: str
    values: list[Any]

    def at(self, u: float) -> Any:
        """Return the value at ``u``, uniform in [0, 1)."""
        return KINDS[self.kind](self.values, u)


def _uniform(ends: Sequence[float], u: float) -> float:
    low, high = ends
    return _rounded(low * (1 - u) + high * u, low, high)  # high - low may be too large for a float


def _log_uniform(ends: Sequence[float], u: float) -> float:
    low, high = ends
    return _rounded(math.exp(math.log(low) * (1 - u) + math.log(high) * u), low, high)


def _integers(ends: Sequence[int], u: float) -> int:
    low, high = ends
    return min(low + math.floor(u * (high - low + 1)), high)


def _choice(values: Sequence[Any], u: float) -> Any:
    return values[math.floor(u * len(values))]


def _rounded(value: float, low: float, high: float) -> float:
    return min(max(float(f"{value:.{DIGITS}g}"), low), high)  # rounding may step over an end


KINDS = {
    "log_uniform": _log_uniform, "uniform": _uniform, "integers": _integers, "choice": _choice,
}  # fmt: skip


def _drawn(laws: Mapping[str, _Drawn], samples: int, seed: int) -> list[Values]:
    """Return the samples: the first n of them do not depend on how many follow."""
    uniform = np.random.default_rng(seed).random((samples, len(laws))).tolist()
    return [
        {name: law.at(u) for (name, law), u in zip(laws.items(), row, strict=True)}
        for row in uniform
    ]
