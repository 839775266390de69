"""What one would use instead of a GAN: likelihood, and three ways to learn a latent code.

All learn in the likelihood phase of the one trainer, ``Spec(generator="vae", mle_steps=...)``.
"""

from ..catalogue import Catalogue
from ..models.generators import LSTMGenerator
from .flow import Flow
from .glo import GLO
from .vae import VAE

BASELINES = Catalogue("baseline")  # generators that need no discriminator
for part in (LSTMGenerator, VAE, Flow, GLO):
    BASELINES.register(part.name)(part)

__all__ = ["BASELINES"]
