"""The Dirac-GAN: the smallest GAN that fails to converge, and what makes it. No torch.

    real data   a point at 0             G   a point at theta             D(x) = psi x
    D climbs    V = E f(D(theta + sigma n)) + E f(-D(sigma n)) - gamma/2 (|psi| - target)^2
    G climbs    U = -E f(D(theta + sigma n)), or E f(-D(theta + sigma n)) when non-saturating
    field       v = (dU/dtheta, dV/dpsi); the one equilibrium is theta = psi = 0

f(t) = -ln(1 + e^-t) in nats for the two binary losses and f(t) = t for Wasserstein's; n is standard
normal. In this paper's sign a large logit means "fake"; turn psi over for this library's sign.

Every derivative is exact: V and U are made of M(theta, psi) = E f(psi (theta + sigma n)), whose
derivatives `smoothing` has.

Source   Mescheder, Geiger & Nowozin 2018, "Which Training Methods for GANs do actually Converge?"
"""

from .named import (
    DIRAC,
    consensus,
    field,
    instance_noise,
    jacobian,
    label_of,
    non_saturating,
    r1,
    saturating,
    system_of,
    ttur,
    wasserstein,
    wasserstein_clipped,
    wgan_gp,
)
from .simulation import Trajectory, simulate
from .stability import ROUNDING, converges, eigenvalues
from .steps import step_jacobian
from .system import LOSSES, System

__all__ = [
    "DIRAC", "LOSSES", "ROUNDING", "System", "Trajectory", "consensus", "converges", "eigenvalues",
    "field", "instance_noise", "jacobian", "label_of", "non_saturating", "r1", "saturating",
    "simulate", "step_jacobian", "system_of", "ttur", "wasserstein", "wasserstein_clipped",
    "wgan_gp",
]  # fmt: skip
