"""The live lab: knobs, curves and sentences in a notebook, and the library's own source on show."""

from .lab import LiveLab
from .source import show

__all__ = ["LiveLab", "show"]
