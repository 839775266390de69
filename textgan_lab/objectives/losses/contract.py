"""What every loss is: three functions of D's logit, taken in the mean."""

from torch import Tensor

from ...catalogue import Catalogue

LOSSES = Catalogue("loss")


def mean(values: Tensor, mask: Tensor | None = None) -> Tensor:
    """Return the mean of ``values``, over those under ``mask`` if there is one."""
    if mask is None or mask.shape != values.shape:  # one value a sentence: all of them count
        return values.mean()
    return (values * mask).sum() / mask.sum()


class Loss:
    """What the losses have in common: means over the batch (over counted tokens for per-token D).

    ``binary`` says that the logit is that of a probability, sigmoid(s) = D, so that D* is ln p/q;
    ``centred`` that D says "real" above 0, which a critic's arbitrary scale does not.
    """

    binary = True
    centred = True
    needs_real = False  # G's loss compares fakes with real data: ask `against`
    per_token: bool | None = None  # the kind of D it can judge by; None takes either

    @classmethod
    def d(
        cls,
        real: Tensor,
        fake: Tensor,
        real_mask: Tensor | None = None,
        fake_mask: Tensor | None = None,
    ) -> Tensor:
        """Return D's loss, a scalar, from logits [batch] or [batch, time]."""
        real, fake = cls.compared(real, fake)
        return mean(cls.real(real), real_mask) + mean(cls.fake(fake), fake_mask)

    @staticmethod
    def compared(real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
        """Return what ``real`` and ``fake`` are taken of: the logits themselves."""
        return real, fake

    @classmethod
    def against(cls, real: Tensor) -> "type[Loss]":
        """Return the loss of a G whose fakes are compared with real rows of these logits."""
        return cls

    @classmethod
    def g(cls, fake: Tensor, fake_mask: Tensor | None = None) -> Tensor:
        """Return G's loss, a scalar, from D's logits on what G played."""
        return mean(cls.generator(fake), fake_mask)
