"""The likelihood of tokens under a linear head, without ever holding all of its logits.

    nll_i = -ln softmax(W h_i + b)[target_i]

The usual way keeps [n, vocab] logits, log-probabilities and their gradient; of a large vocabulary
these leave the cache several times over. Here a few rows at a time are finished at once. What comes
back can be differentiated once; twice raises RuntimeError.
"""

import torch
from torch import Tensor

from .sampling import in_cache

LARGE = 1024  # vocabularies beyond are scored this way: from about there on it is faster (measured)
Gradients = tuple[Tensor, Tensor, Tensor]  # of h, weight, bias


def token_nll(h: Tensor, weight: Tensor, bias: Tensor, target: Tensor) -> Tensor:
    """Return the negative log-likelihood of each token, nats.

    Shapes  h [..., F], weight [vocab, F], bias [vocab], target [...] -> [...]
    """
    nll = _TokenNLL.apply(h.reshape(-1, h.shape[-1]), weight, bias, target.reshape(-1))
    return nll.view(target.shape)


def linear_nll(h: Tensor, weight: Tensor, bias: Tensor, target: Tensor, share: Tensor) -> Tensor:
    """Return the sum of ``share`` times the negative log-likelihood of each token, nats.

    Faster than `token_nll` where the shares are known beforehand, as in maximum likelihood: the
    gradient is formed on the way. None reaches ``share``.

    Shapes  h [..., F], weight [vocab, F], bias [vocab], target [...], share [...] -> scalar
    """
    flat = h.reshape(-1, h.shape[-1]), weight, bias, target.reshape(-1)
    if not torch.is_grad_enabled():
        return share.reshape(-1) @ _rows(*flat)[0]
    return _LinearNLL.apply(*flat, share.reshape(-1))


class _TokenNLL(torch.autograd.Function):
    @staticmethod
    def forward(ctx, h, weight, bias, target):
        ctx.save_for_backward(h, weight, bias, target)
        return _rows(h, weight, bias, target)[0]

    @staticmethod
    def backward(ctx, g):
        _once()
        return *_rows(*ctx.saved_tensors, g)[1], None


class _LinearNLL(torch.autograd.Function):
    @staticmethod
    def forward(ctx, h, weight, bias, target, share):
        nll, gradients = _rows(h, weight, bias, target, share)
        ctx.save_for_backward(*gradients)
        return share @ nll

    @staticmethod
    def backward(ctx, g):
        _once()
        return *(g * gradient for gradient in ctx.saved_tensors), None, None


def _once() -> None:
    """Raise RuntimeError when a backward pass is to be differentiated itself."""
    if torch.is_grad_enabled():  # not `once_differentiable`, which misses this: g is no leaf's
        raise RuntimeError(
            "the likelihood of a large vocabulary has no second derivative here; differentiate "
            "that of `logits`, or of `Rollout.log_p`"
        )


def _rows(
    h: Tensor, weight: Tensor, bias: Tensor, target: Tensor, share: Tensor | None = None
) -> tuple[Tensor, Gradients | None]:
    """Return the nll of each row, and with ``share`` the gradients of share @ nll."""
    rows = in_cache(h.device)
    nll = torch.empty_like(target, dtype=h.dtype)
    gradients = None
    if share is not None:
        gradients = torch.empty_like(h), torch.zeros_like(weight), torch.zeros_like(bias)
    for at in range(0, len(h), rows):
        part = slice(at, at + rows)
        x, y = h[part], target[part, None]
        logits = torch.addmm(bias, x, weight.t())
        p = logits.softmax(1)
        # ln sum exp from the likeliest token, whose probability is far from 0; no second exp
        log_sum = logits.amax(1) - p.amax(1).log()
        nll[part] = log_sum - logits.gather(1, y).squeeze(1)
        if gradients is not None:
            dh, dweight, dbias = gradients
            k = share[part, None]
            p.scatter_add_(1, y, torch.full_like(p[:, :1], -1.0))  # p - one-hot(target)
            torch.mm(p, weight, out=dh[part]).mul_(k)
            dweight.addmm_(p.t(), k * x)
            dbias.addmv_(p.t(), share[part])
    return nll, gradients
