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
from .series import (
    discriminative_score,
    forecast_error,
    running_shares,
    sensor_correlations,
    series_distances,
    series_floors,
    space_time_spectrum,
    time_autocorrelation,
    train_synthetic_test_real,
)
from .two_sample import two_sample_accuracy

__all__ = [
    "Comparison",
    "NLLPair",
    "RankCorrelation",
    "best_noise",
    "bleu",
    "compare_laws",
    "discriminative_score",
    "distinct",
    "expected_modes",
    "forecast_error",
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
    "running_shares",
    "self_bleu",
    "sensor_correlations",
    "series_distances",
    "series_floors",
    "space_time_spectrum",
    "temporal_js",
    "temporal_js_floor",
    "time_autocorrelation",
    "train_synthetic_test_real",
    "two_sample_accuracy",
    "uniform_divergences",
    "unique_ratio",
]
