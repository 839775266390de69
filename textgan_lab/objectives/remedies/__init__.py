"""Remedies: terms and perturbations that hold a GAN upright. Each has a knob for its strength.

A remedy returns a term; only the trainer sums and steps. One whose strength is 0 is not run at all,
and its noise has a stream of its own, so that it then changes nothing, bit for bit.
"""

from .contract import REMEDIES, Move, Play, Remedy, simplex
from .discriminator import InputNoise, LabelSmoothing, Mismatch, OutputDecay, WeightClipping
from .generator import Entropy, Likelihood
from .memory import KeyInformation
from .reconstruction import Elbo, FeatureReconstruction
from .slope import R1, R2, Dragan, Flatness, GradientPenalty

__all__ = [
    "R1", "R2", "REMEDIES", "Dragan", "Elbo", "Entropy", "FeatureReconstruction", "Flatness",
    "GradientPenalty", "InputNoise", "KeyInformation", "LabelSmoothing", "Likelihood", "Mismatch",
    "Move", "OutputDecay", "Play", "Remedy", "WeightClipping", "simplex",
]  # fmt: skip
