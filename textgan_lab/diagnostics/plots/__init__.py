"""Plots. Each takes what it draws, and an Axes or makes one; it returns the Axes."""

from . import dirac
from .correlation import correlations, separation
from .estimators import batch_sizes, costs, credit, effective_sizes, error_map, ess, word_values
from .frozen import confidence, decay, noise_response
from .gallery import courses, series
from .grid import grid
from .histograms import mode_film, mode_map, points
from .laws import distances, gaussians, noise_slopes, slopes
from .maps import judges, outcome_map, threshold_rounds
from .quality import quality_diversity, temperatures
from .runs import accuracy, divergence, gradients, likelihood, losses, modes
from .wall import bias_variance, flips, staircase, temperature_errors

__all__ = [
    "accuracy",
    "batch_sizes",
    "bias_variance",
    "confidence",
    "correlations",
    "costs",
    "courses",
    "credit",
    "decay",
    "dirac",
    "distances",
    "divergence",
    "effective_sizes",
    "error_map",
    "ess",
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
    "series",
    "slopes",
    "staircase",
    "temperature_errors",
    "temperatures",
    "threshold_rounds",
    "word_values",
]
