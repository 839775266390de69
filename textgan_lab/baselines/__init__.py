"""What one would use instead of a GAN: likelihood by two networks, three ways to learn a code.

All learn in the likelihood phase of the one trainer, ``Spec(generator="vae", mle_steps=...)``.
"""

from ..catalogue import Catalogue
from ..models.generators import LSTMGenerator
from ..models.transformer import TransformerGenerator
from .flow import Flow
from .glo import GLO
from .keyed import KeyedGenerator
from .vae import VAE

BASELINES = Catalogue("baseline")  # generators that need no discriminator
for part in (LSTMGenerator, TransformerGenerator, VAE, Flow, GLO):
    BASELINES.register(part.name)(part)

__all__ = ["BASELINES", "KeyedGenerator"]
