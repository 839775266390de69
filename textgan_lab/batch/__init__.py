"""Notebooks without a browser: run one with parameters, run them all, keep what they leave."""

from .document import NotebookError, claims, find, read, tidy
from .notebooks import NotebookFailed, Result, run_notebook, suite
from .parameters import Parameter, ParameterError, parameters, resolve
from .records import Busy, Run, identity, keep, key
from .report import Outcome

__all__ = [
    "Busy", "NotebookError", "NotebookFailed", "Outcome", "Parameter", "ParameterError",
    "Result", "Run", "claims", "find", "identity", "keep", "key", "parameters", "read", "resolve",
    "run_notebook", "suite", "tidy",
]  # fmt: skip
