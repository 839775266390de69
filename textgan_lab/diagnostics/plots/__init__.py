"""Plots. Each takes what it draws, and an Axes or makes one; it returns the Axes."""

from . import dirac
from .correlation import correlations, separation
from .frozen import confidence, decay, noise_response
from .grid import grid
from .histograms import mode_film, mode_map, points
from .laws import distances, gaussians, noise_slopes, slopes
from .maps import judges, outcome_map, threshold_rounds
from .quality import quality_diversity, temperatures
from .runs import accuracy, divergence, gradients, likelihood, losses, modes
from .wall import bias_variance, flips, staircase, temperature_errors

__all__ = [
    "accuracy",
    "bias_variance",
    "confidence",
    "correlations",
    "decay",
    "dirac",
    "distances",
    "divergence",
    "flips",
    "gaussians",
    "gradients",
    "grid",
    "judges",
    "likelihood",
    "losses",
    "mode_film",
    "mode_map",
    "modes",
    "noise_response",
    "noise_slopes",
    "outcome_map",
    "points",
    "quality_diversity",
    "separation",
    "slopes",
    "staircase",
    "temperature_errors",
    "temperatures",
    "threshold_rounds",
]
