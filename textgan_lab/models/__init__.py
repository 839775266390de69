"""The players: generators with exact likelihood where one exists, and discriminators."""

from .behaviour import BehaviourDiscriminator
from .convolutional import ConvolutionalGenerator
from .discriminators import DISCRIMINATORS
from .generators import GENERATORS
from .highway_cnn import HighwayCNNDiscriminator
from .layers import LSTM, Dropout
from .memory import MemoryDiscriminator
from .multi_representation import MultiRepresentationDiscriminator
from .pairs import PairCNNDiscriminator, PairLSTMDiscriminator
from .relational import RelationalGenerator
from .residual import ResidualDiscriminator
from .sampling import Rollout
from .sequence_to_sequence import AttentionGenerator
from .series import SeriesDiscriminator, SeriesGenerator
from .transformer import TransformerGenerator

__all__ = [
    "DISCRIMINATORS", "GENERATORS", "LSTM", "AttentionGenerator", "BehaviourDiscriminator",
    "ConvolutionalGenerator", "Dropout", "HighwayCNNDiscriminator", "MemoryDiscriminator",
    "MultiRepresentationDiscriminator", "PairCNNDiscriminator", "PairLSTMDiscriminator",
    "RelationalGenerator", "ResidualDiscriminator", "Rollout", "SeriesDiscriminator",
    "SeriesGenerator", "TransformerGenerator",
]  # fmt: skip
