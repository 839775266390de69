"""Layers that a live, replayed, twice differentiated GAN needs in place of the stock ones."""

import contextlib
import threading

import torch
from torch import Tensor, nn

# torch keeps the switch for the whole process, and two labs may train side by side
_CUDNN = threading.Lock()


class Dropout(nn.Module):
    """Dropout whose probability lives on the device and whose noise has a generator of its own.

    ``F.dropout`` reads p on the host and draws from the global stream; this does neither. The
    module's owner sets ``p`` (a 0-dim tensor), ``generator`` and ``active``; inactive it draws
    nothing. p = 1 gives zeros, not NaN.
    """

    def __init__(self) -> None:
        super().__init__()
        self.p: Tensor = torch.zeros(())
        self.generator: torch.Generator | None = None
        self.active = False

    def forward(self, x: Tensor) -> Tensor:
        """Return x with a share p of its entries zeroed and the rest scaled by 1/(1-p)."""
        if not self.active:
            return x
        draw = torch.rand(x.shape, generator=self.generator, device=x.device, dtype=x.dtype)
        kept = x / (1 - self.p).clamp(min=1e-6).to(x.dtype)
        return torch.where(draw >= self.p, kept, torch.zeros_like(x))


class LSTM(nn.LSTM):
    """A batch-first LSTM that can be differentiated twice on any device.

    cuDNN's recurrent kernels have no second derivative, which a gradient penalty needs, and refuse
    a backward pass in evaluation mode; torch's own kernels have neither limit.
    """

    def __init__(self, inputs: int, hidden: int):
        super().__init__(inputs, hidden, batch_first=True)

    def forward(self, x: Tensor, state: tuple[Tensor, Tensor] | None = None) -> Tensor:
        """Map [batch, time, inputs] to the hidden states [batch, time, hidden]."""
        with _without_cudnn() if x.is_cuda else contextlib.nullcontext():
            return super().forward(x, state)[0]

    def cell(self, gates: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        """Advance one step; ``gates`` [batch, 4 hidden] is the input's side, biases included."""
        i, f, g, o = torch.addmm(gates, h, self.weight_hh_l0.t()).chunk(4, 1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        return o.sigmoid() * c.tanh(), c

    def gates(self, x: Tensor) -> Tensor:
        """Return the input's side of the gates, [n, inputs] to [n, 4 hidden]."""
        return torch.addmm(self.bias_ih_l0 + self.bias_hh_l0, x, self.weight_ih_l0.t())


@contextlib.contextmanager
def _without_cudnn():
    with _CUDNN, torch.backends.cudnn.flags(enabled=False):
        yield
