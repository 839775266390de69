"""Training: the spec, the trainer, and what lives on the device."""

from .checkpoint import DamagedCheckpoint
from .live import OPTIMISERS
from .probes import PROBES
from .scenarios import SCENARIOS, Scenario
from .spec import Spec
from .systems import SYSTEMS, System
from .trainer import Trainer

__all__ = [
    "OPTIMISERS", "PROBES", "SCENARIOS", "SYSTEMS", "DamagedCheckpoint", "Scenario", "Spec",
    "System", "Trainer",
]  # fmt: skip
