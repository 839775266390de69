"""What is optimised: losses of D's logits, estimators of G's gradient, remedies."""

from .estimators import ESTIMATORS
from .losses import LOSSES
from .remedies import REMEDIES

__all__ = ["ESTIMATORS", "LOSSES", "REMEDIES"]
