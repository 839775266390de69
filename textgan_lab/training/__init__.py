"""Training: the spec, the trainer, and what lives on the device."""

from .checkpoint import DamagedCheckpoint
from .live import OPTIMISERS
from .probes import PROBES
from .scenarios import SCENARIOS, Scenario
from .spec import Spec
from .trainer import Trainer

__all__ = ["OPTIMISERS", "PROBES", "SCENARIOS", "DamagedCheckpoint", "Scenario", "Spec", "Trainer"]
