"""Every named system, in the order in which the gallery shows them."""

# isort: skip_file
from .system import SYSTEMS, UPDATES, WARM_UP, System
from . import policy, weighted, relaxed, conditional, others  # registers what SYSTEMS holds

__all__ = [
    "SYSTEMS", "UPDATES", "WARM_UP", "System", "conditional", "others", "policy", "relaxed",
    "weighted",
]  # fmt: skip
