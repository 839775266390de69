"""A player: a network whose weights lie in one flat tensor, and how they are moved."""

import torch
from torch import Tensor, nn

from .live import Optimiser

PIECE = 65536  # numbers the optimiser updates at a time on CPU: 256 kB stay in cache (ours)


class Player:
    """A network and its weights as one tensor, ``flat``.

    One tensor makes norm, clipping and update a handful of operations, whatever the number of
    layers, and a copy of it is a copy of the network.
    """

    def __init__(self, module: nn.Module, clip: float):
        self.module, self.clip = module, clip
        self.params = list(module.parameters())
        self.flat = torch.cat([p.detach().reshape(-1) for p in self.params])
        self.direction = torch.zeros_like(self.flat)  # of the newest gradient, length 1
        sizes = [p.numel() for p in self.params]
        for p, piece in zip(self.params, self.flat.split(sizes), strict=True):
            p.data = piece.view_as(p)

    @property
    def buffers(self) -> dict[str, Tensor]:
        """What the network keeps beside its weights, that no gradient moves."""
        weights = dict(self.module.named_parameters())
        return {n: x for n, x in self.module.state_dict().items() if n not in weights}

    def pieces(self, flat: Tensor) -> list[Tensor]:
        """Cut a flat tensor into the pieces that optimisers update."""
        return [flat] if flat.is_cuda else list(flat.split(PIECE))

    def gradient(self, loss: Tensor) -> Tensor:
        """Return the gradient of ``loss`` as one flat tensor, 0 where it does not depend on it."""
        if not loss.requires_grad:
            return torch.zeros_like(self.flat)
        grads = torch.autograd.grad(loss, self.params, materialize_grads=True)
        return torch.cat([g.reshape(-1) for g in grads])

    def descend(
        self, gradient: Tensor, loss: Tensor, optimiser: Optimiser, ok: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Move the weights down a flat gradient of ``loss``, which it clips in place.

        Returns its 2-norm before clipping, and its cosine with the gradient of the update before
        (0 at the first, and where one of them is 0). ``ok`` turns false on the device, and stays
        false, when loss or norm is not finite; while it is false nothing moves.

        Shapes  gradient [weights], loss and ok 0-dim -> 0-dim, 0-dim
        """
        norm = torch.linalg.vector_norm(gradient)
        ok.logical_and_(loss.isfinite() & norm.isfinite())
        direction = gradient / norm.clamp(min=torch.finfo(norm.dtype).tiny)
        cosine = direction @ self.direction
        self.direction.copy_(direction)
        gradient.mul_((self.clip / (norm + 1e-6)).clamp(max=1))
        optimiser.step(self.pieces(gradient), ok)
        return norm, cosine
