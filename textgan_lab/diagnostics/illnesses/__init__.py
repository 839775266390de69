"""The illnesses of the catalogue, a file a theme; importing this package registers them."""

# this order is that of the catalogue, and so of reports and tables
from . import gradients, collapse, imbalance, optimisation, generalisation  # isort: skip

__all__ = ["collapse", "generalisation", "gradients", "imbalance", "optimisation"]
