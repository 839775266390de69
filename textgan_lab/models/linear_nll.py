"""What a linear head says of tokens, without a log-softmax over all of them at all positions.

    log q_i = ln softmax(W h_i + b)[target_i],   H_i = -sum_v q_i(v) ln q_i(v)

The usual way passes over [n, vocab] a dozen times: logits, log-probabilities, their exponential,
and as often again for the gradient; of a large vocabulary these leave the cache each time. Here a
few rows at a time are finished at once, and on a CPU those that do not count are passed over. What
comes back can be differentiated once; twice raises RuntimeError.
"""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from .sampling import in_cache

LARGE = 1024  # vocabularies beyond are scored this way: from about there on it is faster (measured)


def token_law(
    h: Tensor,
    weight: Tensor,
    bias: Tensor,
    target: Tensor,
    counted: Tensor,
    told: Sequence[tuple[Tensor, Tensor]] | None = None,
) -> tuple[Tensor, Tensor]:
    """Return ln q of each token and the entropy H of its law, nats; 0 where it does not count.

    For the gradient the logits of counted positions are kept, [counted, vocab]. Whoever has just
    drawn the tokens has them already: ``told`` pairs positions, flat, with their logits, and must
    hold all that count.

    Shapes  h [..., F], weight [vocab, F], bias [vocab], target and counted [...] -> [...], [...]
    """
    flat = h.reshape(-1, h.shape[-1]), weight, bias, target.reshape(-1), counted.reshape(-1)
    log_q, entropy = _TokenLaw.apply(*flat, told, torch.is_grad_enabled())
    return log_q.view(target.shape), entropy.view(target.shape)


def linear_nll(h: Tensor, weight: Tensor, bias: Tensor, target: Tensor, share: Tensor) -> Tensor:
    """Return the sum of ``share`` times -ln q of each token, nats; a share of 0 costs nothing.

    Faster than `token_law` where the shares are known beforehand, as in maximum likelihood: the
    gradient is formed on the way, and nothing is kept for it. None reaches ``share``.

    Shapes  h [..., F], weight [vocab, F], bias [vocab], target [...], share [...] -> scalar
    """
    flat = h.reshape(-1, h.shape[-1]), weight, bias, target.reshape(-1), share.reshape(-1)
    return _LinearNLL.apply(*flat, torch.is_grad_enabled())


class _TokenLaw(torch.autograd.Function):
    @staticmethod
    def forward(ctx, h, weight, bias, target, counted, told, differentiable):
        log_q, log_sum, entropy = h.new_zeros(3, len(h))
        ctx.parts, kept = [], []
        for part, logits in told or _logits(h, weight, bias, counted):
            log_sum[part], p = _normalised(logits)
            log_q[part] = logits.gather(1, target[part, None]).squeeze(1) - log_sum[part]
            entropy[part] = log_sum[part] - torch.linalg.vecdot(p, logits)
            if differentiable:
                ctx.parts.append(part)
                kept.append(logits)
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(h, weight, target, counted, log_sum, entropy, *kept)
        return log_q * counted, entropy * counted

    @staticmethod
    def backward(ctx, to_log_q, to_entropy):
        """Of logit v, g and k those of ln q and H: g 1[target] - q(v) (g + k (ln q(v) + H))."""
        _once()
        h, weight, target, counted, log_sum, entropy, *kept = ctx.saved_tensors
        dh, dweight, dbias = _zeros(h, weight)
        g = torch.zeros_like(entropy) if to_log_q is None else to_log_q * counted
        k = None if to_entropy is None else to_entropy * counted
        rest = -g if k is None else k * (log_sum - entropy) - g
        for part, logits in zip(ctx.parts, kept, strict=True):
            p = logits.softmax(1)
            if k is not None:
                p.mul_((logits * -k[part, None]).add_(rest[part, None]))
            else:
                p.mul_(rest[part, None])
            p.scatter_add_(1, target[part, None], g[part, None])
            dh[part] = p @ weight
            dweight.addmm_(p.t(), h[part])
            dbias += p.sum(0)
        return dh, dweight, dbias, None, None, None, None


class _LinearNLL(torch.autograd.Function):
    @staticmethod
    def forward(ctx, h, weight, bias, target, share, differentiable):
        total = share.new_zeros(())
        dh, dweight, dbias = gradients = _zeros(h, weight)
        for part, logits in _logits(h, weight, bias, share != 0):
            x, y, k = h[part], target[part, None], share[part]
            log_sum, p = _normalised(logits)
            total += k @ (log_sum - logits.gather(1, y).squeeze(1))
            if differentiable:
                p.scatter_add_(1, y, torch.full_like(p[:, :1], -1.0))  # p - one-hot(target)
                dh[part] = (p @ weight).mul_(k[:, None])
                dweight.addmm_(p.t(), k[:, None] * x)
                dbias.addmv_(p.t(), k)
        ctx.save_for_backward(*gradients)
        return total

    @staticmethod
    def backward(ctx, g):
        _once()
        return *(g * gradient for gradient in ctx.saved_tensors), None, None, None


def _once() -> None:
    """Raise RuntimeError when a backward pass is to be differentiated itself."""
    if torch.is_grad_enabled():  # not `once_differentiable`, which misses this: g is no leaf's
        raise RuntimeError(
            "the likelihood of a large vocabulary has no second derivative here; differentiate "
            "that of `logits`, or of `Rollout.log_p`"
        )


def _zeros(h: Tensor, weight: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return where gradients of h, weight and bias add up."""
    return torch.zeros_like(h), torch.zeros_like(weight), weight.new_zeros(len(weight))


def _logits(
    h: Tensor, weight: Tensor, bias: Tensor, counted: Tensor
) -> Iterator[tuple[Tensor | slice, Tensor]]:
    """Yield which rows to work on together, and their logits.

    A CPU takes those that count; to ask a GPU which do would mean to wait for it.
    """
    rows = in_cache(h.device)
    if h.is_cuda:
        parts = [slice(at, at + rows) for at in range(0, len(h), rows)]
    else:
        parts = counted.nonzero().squeeze(1).split(rows)
    for part in parts:
        yield part, torch.addmm(bias, h[part], weight.t())


def _normalised(logits: Tensor) -> tuple[Tensor, Tensor]:
    """Return ln sum exp [n] of logits [n, vocab], and their softmax."""
    p = logits.softmax(1)
    # from the likeliest token, whose probability is far from 0; no second exp
    return logits.amax(1) - p.amax(1).log(), p
