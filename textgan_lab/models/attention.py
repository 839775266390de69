"""Attention: each query takes a mean of the values, weighted by how well it matches their keys."""

from torch import Tensor


def attend(
    query: Tensor, key: Tensor, value: Tensor, heads: int = 1, bias: Tensor | None = None
) -> Tensor:
    """Return scaled dot-product attention with several heads.

    Shapes   query [n, t, E], key and value [n, s, E] -> [n, t, E]; every head reads E / heads of it
    Formula  softmax(q k' / sqrt(E / heads) + bias) v; ``bias`` broadcasts to [n, heads, t, s]
    Paper    Vaswani et al. 2017
    """
    q, k, v = (x.unflatten(2, (heads, -1)).transpose(1, 2) for x in (query, key, value))
    scores = q @ k.mT / q.shape[-1] ** 0.5
    weights = (scores if bias is None else scores + bias).softmax(3)
    return (weights @ v).transpose(1, 2).flatten(2)
