"""Knobs on the device: the mirror of their values, and optimisers that read them there.

Stock torch reads betas, momentum and alpha on the host, so that turning one would mean a new
optimiser, a recompilation or a device sync. Here every such number is a 0-dim slot of one small
tensor: copying the host's values over it turns all of them at once.
"""

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor

from ..catalogue import Catalogue
from ..knobs import Knob, Snapshot

OPTIMISERS = Catalogue("optimiser")


class DeviceKnobs:
    """The values of all knobs in one float64 tensor on the training device.

    ``slots[name]`` is a 0-dim view of it. On a GPU the host side has two pinned buffers, used in
    turn, so that the copy needs no sync and never overwrites one that is still under way.
    """

    def __init__(self, names: Iterable[str], device: torch.device):
        self.names = list(names)
        self.vector = torch.zeros(len(self.names), dtype=torch.float64, device=device)
        self.slots = dict(zip(self.names, self.vector.unbind(), strict=True))
        pin = device.type == "cuda"
        shape = len(self.names)
        self._host = [torch.zeros(shape, dtype=torch.float64, pin_memory=pin) for _ in range(2)]
        self._events: list[torch.cuda.Event | None] = [None, None]
        self._copies = 0

    def update(self, snapshot: Snapshot) -> None:
        """Copy the snapshot's values over; queued behind the step under way, without a sync."""
        side = self._copies % 2
        self._copies += 1
        if self._events[side] is not None:
            self._events[side].synchronize()  # two turns ago: long past in all but a flood of turns
        buffer = self._host[side]
        for i, name in enumerate(self.names):
            buffer[i] = snapshot.values[name]
        self.vector.copy_(buffer, non_blocking=True)
        if self.vector.is_cuda:
            self._events[side] = torch.cuda.Event()
            self._events[side].record(torch.cuda.current_stream(self.vector.device))


class Optimiser:
    """The contract: in-place updates of ``params`` from ``grads``, all settings read on the device.

    ``settings`` lists what can be turned: name, default, legal bounds, meaning. ``ok``, a 0-dim
    bool tensor, refuses an update on the device: where it is false nothing moves, moments included.
    """

    settings: tuple[Knob, ...] = ()

    def __init__(self, params: Sequence[Tensor], slots: Mapping[str, Tensor]):
        self.params = list(params)
        for setting in self.settings:
            setattr(self, setting.name, slots[setting.name])

    @classmethod
    def knobs(cls, player: str, lr: float) -> list[Knob]:
        """Return this optimiser's settings as knobs of a player: ``d_lr``, ``d_beta1``, ..."""
        return [
            Knob(
                f"{player}_{s.name}",
                lr if s.name == "lr" else s.default,
                s.bounds,
                s.meaning,
                player=player,
                scale=s.scale,
                slider=s.slider,
            )
            for s in cls.settings
        ]

    def state(self) -> list[Tensor]:
        """Return the tensors that a checkpoint must keep; `torch.Tensor.copy_` restores them."""
        raise NotImplementedError

    def step(self, grads: Sequence[Tensor], ok: Tensor | None = None) -> None:
        """Update ``params`` in place."""
        raise NotImplementedError


def _gate(value: Tensor, ok: Tensor | None, otherwise: float) -> Tensor:
    """Return ``value``, or ``otherwise`` where the update is refused (0 * NaN would stay NaN)."""
    return value if ok is None else torch.where(ok, value, torch.full_like(value, otherwise))


LR = Knob("lr", 1e-3, (0.0, 10.0), "step size", scale="log", slider=(1e-6, 1e-1))


@OPTIMISERS.register("adam")
class Adam(Optimiser):
    """Adam with a bias correction that stays right when the betas are turned.

    Formula  m <- beta1 m + (1 - beta1) g, v <- beta2 v + (1 - beta2) g^2,
             p <- p - lr m / (1 - P1) / (sqrt(v / (1 - P2)) + eps)
    where P1, P2 are the running products of the betas really used: the weights in an exponential
    average sum to 1 - prod beta_s. torch's 1 - beta^t assumes that beta never changed.
    Paper    Kingma & Ba 2015; the running products are ours
    """

    settings = (
        LR,
        Knob("beta1", 0.5, (0.0, 0.9999), "memory of the gradient"),
        Knob("beta2", 0.99, (0.0, 0.99999), "memory of its square"),
    )

    def __init__(self, params, slots, eps: float = 1e-8):
        super().__init__(params, slots)
        self.eps = eps
        self.m = [torch.zeros_like(p) for p in self.params]
        self.v = [torch.zeros_like(p) for p in self.params]
        self.product1, self.product2 = torch.ones_like(self.beta1), torch.ones_like(self.beta2)

    def state(self):
        """Return both moments and the running products."""
        return [*self.m, *self.v, self.product1, self.product2]

    @torch.no_grad()
    def step(self, grads, ok=None):
        """Update ``params`` in place."""
        for product, beta in ((self.product1, self.beta1), (self.product2, self.beta2)):
            product.mul_(_gate(beta, ok, 1))
        dtype = self.params[0].dtype
        size = _gate(self.lr / (1 - self.product1), ok, 0).to(dtype)
        root = _gate((1 - self.product2).sqrt(), ok, 1).to(dtype)
        new1, new2 = (_gate(1 - beta, ok, 0).to(dtype) for beta in (self.beta1, self.beta2))
        for p, g, m, v in zip(self.params, grads, self.m, self.v, strict=True):
            g = _gate(g, ok, 0)
            m.lerp_(g, new1)
            v.lerp_(g * g, new2)
            p.sub_(size * (m / v.sqrt().div_(root).add_(self.eps)))


@OPTIMISERS.register("sgd")
class SGD(Optimiser):
    """Gradient descent with momentum: b <- momentum b + g, p <- p - lr b."""

    settings = (LR, Knob("momentum", 0.0, (0.0, 0.9999), "share of the last step kept"))

    def __init__(self, params, slots):
        super().__init__(params, slots)
        self.b = [torch.zeros_like(p) for p in self.params]

    def state(self):
        """Return the velocity."""
        return list(self.b)

    @torch.no_grad()
    def step(self, grads, ok=None):
        """Update ``params`` in place."""
        dtype = self.params[0].dtype
        size, kept = _gate(self.lr, ok, 0).to(dtype), _gate(self.momentum, ok, 1).to(dtype)
        for p, g, b in zip(self.params, grads, self.b, strict=True):
            b.mul_(kept).add_(_gate(g, ok, 0))
            p.sub_(size * b)


@OPTIMISERS.register("rmsprop")
class RMSprop(Optimiser):
    """Gradient over its running root mean square: v <- alpha v + (1 - alpha) g^2 (Hinton 2012)."""

    settings = (LR, Knob("alpha", 0.99, (0.0, 0.99999), "memory of the squared gradient"))

    def __init__(self, params, slots, eps: float = 1e-8):
        super().__init__(params, slots)
        self.eps = eps
        self.v = [torch.zeros_like(p) for p in self.params]

    def state(self):
        """Return the running squares."""
        return list(self.v)

    @torch.no_grad()
    def step(self, grads, ok=None):
        """Update ``params`` in place."""
        dtype = self.params[0].dtype
        size, new = _gate(self.lr, ok, 0).to(dtype), _gate(1 - self.alpha, ok, 0).to(dtype)
        for p, g, v in zip(self.params, grads, self.v, strict=True):
            g = _gate(g, ok, 0)
            v.lerp_(g * g, new)
            p.sub_(size * (g / (v.sqrt() + self.eps)))
