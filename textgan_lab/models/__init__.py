"""The players: generators with exact likelihood where one exists, and discriminators."""

from .discriminators import DISCRIMINATORS
from .generators import GENERATORS
from .layers import LSTM, Dropout
from .sampling import BOS, EOS, PAD, UNK, Rollout

__all__ = ["BOS", "DISCRIMINATORS", "EOS", "GENERATORS", "LSTM", "PAD", "UNK", "Dropout", "Rollout"]
