"""Notebooks without a browser: run one with parameters, run them all, keep what they leave.

Names are loaded when first used: a kernel that only keeps its results needs no papermill.
"""

import importlib

_LAZY = {
    "NotebookError": "document", "claims": "document", "find": "document", "read": "document",
    "tidy": "document",
    "NotebookFailed": "notebooks", "Result": "notebooks", "run_notebook": "notebooks",
    "suite": "notebooks",
    "Parameter": "parameters", "ParameterError": "parameters", "resolve": "parameters",
    "Busy": "records", "Run": "records", "identity": "records", "key": "records",
    "carry_on": "keeping", "keep": "keeping",
    "Outcome": "report",
}  # fmt: skip

__all__ = sorted(_LAZY)


def __getattr__(name: str):
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{_LAZY[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
