"""A catalogue: the ordered table of one kind of part, filled by a decorator.

A part (a loss, an estimator, a remedy, a model, a corpus ...) is written once, under
``@CATALOGUE.register("name")``. The command line, the sliders, the galleries and the contract tests
all walk the table, so there is no second place to edit.
"""

import inspect
from collections.abc import Iterator, Mapping
from typing import Any


class UnknownName(KeyError, ValueError):
    """A name that is not in the table, or an option that a part does not take."""

    def __str__(self) -> str:
        return self.args[0]


class Catalogue(Mapping):
    """An ordered mapping from name to part.

    >>> LOSSES = Catalogue("loss")
    >>> @LOSSES.register("hinge")
    ... class Hinge:
    ...     "Zero beyond the margin."
    ...     def __init__(self, margin=1.0):
    ...         self.margin = margin
    >>> LOSSES["hinge"] is Hinge, LOSSES.make("hinge", {"margin": 2.0}).margin
    (True, 2.0)
    >>> LOSSES["hinj"]
    Traceback (most recent call last):
    textgan_lab.catalogue.UnknownName: unknown loss 'hinj'; known: hinge
    """

    def __init__(self, kind: str):
        self.kind = kind
        self._parts: dict[str, Any] = {}

    def register(self, name: str):
        """Return a decorator that files its part under ``name`` and sets ``part.name``."""
        if name in self._parts:
            raise ValueError(f"{self.kind} {name!r} is registered twice")

        def file(part):
            part.name = name
            self._parts[name] = part
            return part

        return file

    def __getitem__(self, name: str) -> Any:
        """Return the part called ``name``; raise `UnknownName` with the list of known names."""
        try:
            return self._parts[name]
        except (KeyError, TypeError):
            known = ", ".join(self._parts)
            raise UnknownName(f"unknown {self.kind} {name!r}; known: {known}") from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._parts)

    def __len__(self) -> int:
        return len(self._parts)

    def options(self, name: str) -> dict[str, inspect.Parameter]:
        """Return the options of part ``name``: its keyword arguments that have a default."""
        parameters = inspect.signature(self[name]).parameters
        return {n: p for n, p in parameters.items() if p.default is not p.empty}

    def check(self, name: str, options: Mapping[str, Any]) -> None:
        """Raise `UnknownName` unless part ``name`` exists and takes every one of ``options``."""
        known = self.options(name)
        for option in options:
            if option not in known:
                listed = ", ".join(known) or "none"
                raise UnknownName(
                    f"{self.kind} {name!r} has no option {option!r}; its options: {listed}"
                )

    def make(self, name: str, options: Mapping[str, Any] | None = None, **context) -> Any:
        """Call part ``name`` with the user's ``options`` (checked) and the caller's ``context``."""
        options = options or {}
        self.check(name, options)
        try:
            return self[name](**context, **options)
        except TypeError as error:
            if not options:
                raise
            raise TypeError(f"{self.kind} {name!r} with options {options}: {error}") from error

    def summary(self, name: str) -> str:
        """Return the first sentence of the part's documentation."""
        return (inspect.getdoc(self[name]) or "").split("\n\n")[0].replace("\n", " ")

    def __repr__(self) -> str:
        width = max(map(len, self._parts), default=0)
        return "\n".join(f"{name:<{width}}  {self.summary(name)}" for name in self._parts)
