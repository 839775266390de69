"""The players: generators with exact likelihood where one exists, and discriminators."""

from .discriminators import DISCRIMINATORS
from .generators import GENERATORS
from .layers import LSTM, Dropout
from .sampling import Rollout

__all__ = ["DISCRIMINATORS", "GENERATORS", "LSTM", "Dropout", "Rollout"]
