"""Numbers about samples and models, each with its unit, in double precision."""

from .divergences import Comparison, compare_laws
from .ngrams import distinct, ngram_js, unique_ratio

__all__ = ["Comparison", "compare_laws", "distinct", "ngram_js", "unique_ratio"]
