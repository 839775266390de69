"""Relativistic losses: a logit counts by its lead over logits of the other side."""

import torch
import torch.nn.functional as F
from torch import Tensor

from .contract import LOSSES, Loss, mean
from .probability import Saturating


class Comparing(Loss):
    """What the relativistic losses share: only leads count, so D's logits have no zero.

    Real row i is held against fake row i. A lead between prefixes would have no meaning where one
    sentence has ended and the other goes on, so a logit a token will not do; several a row, one
    from each of D's representations, are compared each with its own.

    Unbound, ``generator(s)`` is that of a lead, as against real rows of logit 0.
    """

    binary = False
    centred = False
    needs_real = True
    per_token = False

    @classmethod
    def against(cls, real: Tensor) -> "Against":
        """Return the loss of a G whose fakes are compared with real rows of these logits."""
        return Against(cls, real)

    @classmethod
    def g(cls, fake: Tensor, fake_mask: Tensor | None = None) -> Tensor:
        """Raise TypeError: there is nothing to compare with."""
        raise TypeError(
            f"loss {cls.name!r} compares fakes with real rows: use against(their logits).g(fake)"
        )


class Against:
    """G's side of a `Comparing` loss, bound to the logits of real rows; no gradient reaches them.

    It stands in for the loss wherever an estimator asks for ``generator``, ``g`` or ``binary``.
    """

    needs_real = False

    def __init__(self, loss: type[Comparing], real: Tensor):
        self.loss, self.rows = loss, real.detach()
        self.name, self.binary, self.centred = loss.name, loss.binary, loss.centred

    def generator(self, s: Tensor) -> Tensor:
        """Return what G minimises the mean of, for each row of one or of many batches of fakes.

        Shapes  s [..., *shape of the real rows' logits]; raises ValueError for another
        """
        if s.shape[-self.rows.dim() :] != self.rows.shape:
            raise ValueError(
                f"loss {self.name!r}: logits {list(s.shape)} of fakes cannot be held against "
                f"{list(self.rows.shape)} of real rows: draw as many real rows as fakes"
            )
        return self.loss.generator(s, self.rows)

    def g(self, fake: Tensor, fake_mask: Tensor | None = None) -> Tensor:
        """Return G's loss, a scalar, from D's logits on what G played."""
        return mean(self.generator(fake), fake_mask)


ZERO = torch.zeros(())  # the logit of no real row in particular


@LOSSES.register("relativistic")
class Relativistic(Comparing):
    """D says which of a pair is the real one, and G minimises -ln of its chance to be taken for it.

    Formula     D softplus(-(s_real - s_fake)), the mean over pairs, half of it booked on each side;
                generator softplus(-(s_fake - s_real)); nats, at equilibrium both ln 2
    At D*       which is ln p/q up to a constant, D's loss is ln 2 - JS(p x q, q x p) and the
                gradient of G that of KL(q, p) - JS(p x q, q x p), x for independent pairs
    Fails when  used alone: no convergence is promised; with `r1` and `r2` it is R3GAN's
    Paper       Jolicoeur-Martineau 2018 (RSGAN); Huang et al. 2024 (R3GAN); the divergence is ours
    """

    @staticmethod
    def compared(real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
        """Return the lead of each row over its partner of the other side."""
        return real - fake, fake - real

    @staticmethod
    def real(s: Tensor) -> Tensor:
        """1/2 ln(1 + e^-lead)."""
        return F.softplus(-s) / 2

    @staticmethod
    def fake(s: Tensor) -> Tensor:
        """1/2 ln(1 + e^lead)."""
        return F.softplus(s) / 2

    @staticmethod
    def generator(s: Tensor, real: Tensor = ZERO) -> Tensor:
        """ln(1 + e^-lead)."""
        return F.softplus(real - s)


@LOSSES.register("relativistic_average")
class RelativisticAverage(Comparing):
    """D says whether a row is more real than the other side is on average; G wants it reversed.

    Formula     with leads s_real - mean s_fake and s_fake - mean s_real:
                D E_real softplus(-lead) + E_fake softplus(lead),
                G E_real softplus(lead) + E_fake softplus(-lead); nats, at equilibrium both 2 ln 2
    Rows        G acts on E_real through mean s_fake alone, so ``generator`` shares it out: each
                fake has its first-order part of it, c (mean s_fake - s), c = E_real sigmoid(lead);
                value and gradient of the mean over rows are exactly those of the formula
    At D = ln p/q   which is not its optimum (that has no closed form), the gradient of G is that of
                (1 + e^-a) KL(m_a, p) + c KL(q, p), a = mean s_real, m_a = (p + e^a q) / (1 + e^a)
    Fails when  as relativistic; a mean over a small batch is noise in every row
    Paper       Jolicoeur-Martineau 2018 (RaGAN)
    """

    real = Saturating.real
    fake = Saturating.fake

    @staticmethod
    def compared(real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
        """Return the lead of each row over the mean of the other side."""
        return real - fake.mean(0), fake - real.mean(0)

    @staticmethod
    def generator(s: Tensor, real: Tensor = ZERO) -> Tensor:
        """ln(1 + e^-lead), and a share of the real side."""
        rows = -max(1, real.dim())  # the axis that counts the rows of a batch
        at = s.detach().mean(rows, keepdim=True)
        lead = real - at
        share = lead.sigmoid().mean(rows, keepdim=True) * (at - s)
        return F.softplus(real.mean(0) - s) + F.softplus(lead).mean(rows, keepdim=True) + share
