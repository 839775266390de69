"""A small network on G's embedding of the prefix, which some estimators train for themselves."""

from collections.abc import Mapping

import torch
from torch import Tensor

from ...data.law import BOS, seed

BETAS, EPS = (0.9, 0.999), 1e-8  # Adam's, as published (Kingma & Ba 2015)


def prefixes(table: Tensor, ids: Tensor) -> Tensor:
    """Return what stands before each position: its last token, and the mean of all, embedded.

    Shapes  table [vocab, E], ids [batch, time] -> [batch, time, 2 E]; position 0 has read <bos>
    """
    before = torch.cat([torch.full_like(ids[:, :1], BOS), ids[:, :-1]], 1)
    last = table[before]
    count = torch.arange(1, ids.shape[1] + 1, device=ids.device, dtype=table.dtype)
    return torch.cat([last, last.cumsum(1) / count[:, None]], 2)


class PrefixNetwork:
    """One hidden layer, c_t(f) = w . tanh(W f + b_t) + a_t: a bias for each position, 0 at first.

    It is no part of G or D: it has its own weights, drawn from a private seed, and its own Adam.

    Args:
        inputs: how many numbers it reads at a position.
        length: how many positions there are.
        hidden: units.
        lr: step size.
        like: a tensor of the device and precision to work in.
    """

    def __init__(self, inputs: int, length: int, hidden: int, lr: float, like: Tensor):
        noise = torch.Generator(like.device).manual_seed(seed("prefix network", inputs, hidden))
        drawn = torch.randn(
            inputs, hidden, generator=noise, device=like.device, dtype=like.dtype
        )  # not torch's global stream, which belongs to the user
        zeros = drawn.new_zeros
        self.weights = [drawn / inputs**0.5, zeros(length, hidden), zeros(hidden), zeros(length)]
        self.moments = [zeros(w.shape) for w in self.weights * 2]
        self.taken = zeros(())  # updates
        self.lr = lr
        for w in self.weights:
            w.requires_grad_()

    def __call__(self, features: Tensor) -> Tensor:
        """Map [batch, time, inputs] to [batch, time]."""
        weight, bias, out, offset = self.weights
        return torch.tanh(features @ weight + bias) @ out + offset

    def learn(self, loss: Tensor) -> None:
        """Take one step of Adam down ``loss``; none, on the device, where it is not finite."""
        grads = torch.autograd.grad(loss, self.weights)
        with torch.no_grad():
            ok = torch.stack([g.isfinite().all() for g in grads]).all()
            self.taken += ok
            count = self.taken.clamp(min=1)
            n = len(grads)
            for w, g, m, v in zip(
                self.weights, grads, self.moments[:n], self.moments[n:], strict=True
            ):
                m.copy_(torch.where(ok, m.lerp(g, 1 - BETAS[0]), m))
                v.copy_(torch.where(ok, v.lerp(g * g, 1 - BETAS[1]), v))
                mean, square = m / (1 - BETAS[0] ** count), v / (1 - BETAS[1] ** count)
                w -= ok * self.lr * mean / (square.sqrt() + EPS)

    def state(self, name: str) -> dict[str, Tensor]:
        """Return its tensors for a checkpoint, each under ``name`` and a number."""
        tensors = [*self.weights, *self.moments, self.taken]
        return {f"{name}.{i}": x.detach().clone() for i, x in enumerate(tensors)}

    @classmethod
    def of_state(cls, name: str, state: Mapping[str, Tensor], lr: float) -> "PrefixNetwork | None":
        """Return the network that `state` told of; None where it tells of none."""
        if f"{name}.0" not in state:
            return None
        weight, bias = state[f"{name}.0"], state[f"{name}.1"]
        made = cls(*weight.shape[:1], *bias.shape, lr, weight)
        with torch.no_grad():
            for i, x in enumerate([*made.weights, *made.moments, made.taken]):
                x.copy_(state[f"{name}.{i}"])
        return made
