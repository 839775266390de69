"""Corpora and laws: every kind of data that a GAN here can be trained on."""

from .audit import Audit
from .corpus import Corpus, Reading, text_file
from .grammar import Grammar, GrammarError
from .oracle import LSTMOracle
from .sources import CORPORA, READERS, CorpusError, load_corpus, shipped
from .toys import GaussianMixture

READERS.update({".yaml": Grammar.load, ".yml": Grammar.load, "": text_file})

__all__ = [
    "CORPORA", "Audit", "Corpus", "CorpusError", "GaussianMixture", "Grammar", "GrammarError",
    "LSTMOracle", "Reading", "load_corpus", "shipped",
]  # fmt: skip
