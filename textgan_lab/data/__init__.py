"""Corpora and laws: every kind of data that a GAN here can be trained on."""

from .audit import Audit
from .corpus import Corpus, text_file
from .grammar import Grammar, GrammarError
from .oracle import LSTMOracle
from .paired_corpus import PairedCorpus, tab_file
from .paired_grammar import PairedGrammar, grammar_file
from .reading import Reading
from .sources import CORPORA, READERS, CorpusError, load_corpus, shipped
from .toys import GaussianMixture
from .waves import TravellingWaves

READERS.update({".yaml": grammar_file, ".yml": grammar_file, ".tsv": tab_file, "": text_file})

__all__ = [
    "CORPORA", "Audit", "Corpus", "CorpusError", "GaussianMixture", "Grammar", "GrammarError",
    "LSTMOracle", "PairedCorpus", "PairedGrammar", "Reading", "TravellingWaves",
    "load_corpus", "shipped",
]  # fmt: skip
