"""Estimators: how the gradient of G's loss reaches the generator through discrete tokens.

An estimator decides how the generator plays (`play`) and returns a scalar (`loss`) whose *value* is
the objective and whose *gradient* is its estimate. ``unbiased`` is a claim about that gradient for
the objective stated in the class, with D held fixed; the contract tests check every claim by
enumeration.
"""

# The catalogue lists them as they are imported: from the naive to the learned.
# isort: off
from .contract import ESTIMATORS, Batch, Credit, Estimator, prompts
from .pathwise import Argmax, Pathwise
from .relaxed import Gumbel
from .autoencoding import Autoencoding
from .baselines import CONTROLS, Baseline
from .score_function import REWARDS, DenseReinforce, Reinforce, ScoreFunction
from .rollouts import Rollouts
from .regs import Regs
from .weighted import BGAN, Continued, MaliGAN, MixedMaliGAN, Weighted
from .relax import Relax
from .professor_forcing import ProfessorForcing
# isort: on

__all__ = [
    "BGAN",
    "CONTROLS",
    "ESTIMATORS",
    "REWARDS",
    "Argmax",
    "Autoencoding",
    "Baseline",
    "Batch",
    "Continued",
    "Credit",
    "DenseReinforce",
    "Estimator",
    "Gumbel",
    "MaliGAN",
    "MixedMaliGAN",
    "Pathwise",
    "ProfessorForcing",
    "Regs",
    "Reinforce",
    "Relax",
    "Rollouts",
    "ScoreFunction",
    "Weighted",
    "prompts",
]
