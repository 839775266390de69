"""Plots. Each takes what it draws, and an Axes or makes one; it returns the Axes."""

from .runs import accuracy, divergence, gradients, likelihood, losses, modes

__all__ = ["accuracy", "divergence", "gradients", "likelihood", "losses", "modes"]
