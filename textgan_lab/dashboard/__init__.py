"""The live lab: knobs, curves and sentences in a notebook, exercises, and the source on show."""

from .exercise import compare
from .lab import LiveLab
from .source import show

__all__ = ["LiveLab", "compare", "show"]
