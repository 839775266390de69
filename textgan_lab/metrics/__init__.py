"""Numbers about samples and models, each with its unit, in double precision."""

from .correlation import RankCorrelation, mann_kendall, rank_correlation
from .divergences import Comparison, compare_laws
from .embeddings import frechet_distance, frechet_floor
from .gaussians import (
    best_noise,
    gaussian_divergences,
    gaussian_gradients,
    js_mean_gradient,
    noisy_js_gradient,
    uniform_divergences,
)
from .likelihood import NLLPair, nll, nll_pair
from .modes import (
    expected_modes,
    histogram_entropy,
    histogram_js,
    histogram_js_floor,
    mode_statistics,
    temporal_js,
    temporal_js_floor,
)
from .ngrams import bleu, distinct, ngram_js, ngram_js_floor, self_bleu, unique_ratio
from .two_sample import two_sample_accuracy

__all__ = [
    "Comparison",
    "NLLPair",
    "RankCorrelation",
    "best_noise",
    "bleu",
    "compare_laws",
    "distinct",
    "expected_modes",
    "frechet_distance",
    "frechet_floor",
    "gaussian_divergences",
    "gaussian_gradients",
    "histogram_entropy",
    "histogram_js",
    "histogram_js_floor",
    "js_mean_gradient",
    "mann_kendall",
    "mode_statistics",
    "ngram_js",
    "ngram_js_floor",
    "nll",
    "nll_pair",
    "noisy_js_gradient",
    "rank_correlation",
    "self_bleu",
    "temporal_js",
    "temporal_js_floor",
    "two_sample_accuracy",
    "uniform_divergences",
    "unique_ratio",
]
