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
        sizes = [p.numel() for p in self.params]
        for p, piece in zip(self.params, self.flat.split(sizes), strict=True):
            p.data = piece.view_as(p)

    def pieces(self, flat: Tensor) -> list[Tensor]:
        """Cut a flat tensor into the pieces that optimisers update."""
        return [flat] if flat.is_cuda else list(flat.split(PIECE))

    def update(self, loss: Tensor, optimiser: Optimiser, ok: Tensor) -> Tensor:
        """Move the weights down the gradient of ``loss``; return its 2-norm before clipping.

        ``ok`` turns false on the device, and stays false, when loss or norm is not finite; while it
        is false nothing moves. A loss that does not depend on the weights has gradient 0.
        """
        if loss.requires_grad:
            grads = torch.autograd.grad(loss, self.params, materialize_grads=True)
            flat = torch.cat([g.reshape(-1) for g in grads])
        else:
            flat = torch.zeros_like(self.flat)
        norm = torch.linalg.vector_norm(flat)
        ok.logical_and_(loss.detach().isfinite() & norm.isfinite())
        flat.mul_((self.clip / (norm + 1e-6)).clamp(max=1))
        optimiser.step(self.pieces(flat), ok)
        return norm
