"""Exact gradients by enumeration: the truth that every estimator of G's gradient is held against.

On a language small enough, what G minimises is a sum over all sentences that it can write, and so
is its gradient. Drawing an estimator many times against that sum tells its bias and variance.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from ..data.law import EOS, PAD
from .estimators import Estimator

if TYPE_CHECKING:
    import pandas

Judge = Callable[[Tensor], Tensor]  # ids or simplex points -> logits [batch]
BURN_IN = 30  # batches thrown away first, so that a running baseline has settled (ours)


def playable(generator: nn.Module, most: int = 20_000) -> Tensor:
    """Return every sentence that ``generator`` can write, cut ones included: ids [n, T].

    With w words, <eos> among what G may write, that is 1 + w + ... + w^(T-1) + w^T.

    Raises ValueError when there are more than ``most``.
    """
    allowed = (generator.never == 0).nonzero().flatten()
    words = allowed[allowed != EOS]
    ends = len(allowed) - len(words)
    n = len(words) ** generator.length
    n += ends * sum(len(words) ** t for t in range(generator.length))
    if n > most:
        raise ValueError(
            f"{len(words)} words and length {generator.length} make {n:,} sentences, more than "
            f"{most:,}: enumerate a smaller language"
        )
    going, ended = words.new_empty(1, 0), []
    for t in range(generator.length):
        if ends:
            row = going.new_tensor([EOS] + [PAD] * (generator.length - t - 1))
            ended.append(torch.cat([going, row.expand(len(going), -1)], 1))
        going = torch.cat(
            [going.repeat_interleave(len(words), 0), words.repeat(len(going))[:, None]], 1
        )
    return torch.cat([*ended, going])


def exact_gradient(generator: nn.Module, judge: Judge, loss: type) -> Tensor:
    """Return grad sum_x q(x) loss.generator(s(x)) over all sentences x, flat over G's weights.

    ``judge`` gives one logit s a sentence and stands still; ``loss`` is an entry of `LOSSES`.
    Raises ValueError for a language too large, or a judge of single tokens.
    """
    ids = playable(generator)
    with torch.no_grad():
        s = judge(ids)
    if s.dim() != 1:
        raise ValueError("exact_gradient: needs a D with one logit a sentence, such as 'cnn'")
    return _flat((generator.log_prob(ids).exp() * loss.generator(s)).sum(), generator)


def estimator_errors(
    generator: nn.Module,
    judge: Judge,
    loss: type,
    estimators: Mapping[str, Estimator],
    *,
    temperatures: Iterable[float] = (1.0,),
    batch_size: int = 32,
    draws: int = 200,
    seed: int = 0,
) -> "pandas.DataFrame":
    """Return bias and variance of estimators of one gradient, against the exact one, in its units.

    One row per estimator, and per temperature for those that have one (NaN elsewhere). With g the
    exact gradient and e one estimate from a batch:
        bias       |mean e - g| / |g|, and ``bias_se``, what of it the finite draws explain
        cosine     of mean e with g; 0 where mean e is 0
        variance   E |e - mean e|^2 / |g|^2: the trace of the covariance
        rmse       sqrt(E |e - g|^2) / |g|; below 1 a step is better than no step

    Args:
        generator: of a language that can be enumerated; stands still.
        judge: maps ids or simplex points to one logit a sentence; stands still.
        loss: an entry of `LOSSES`; all estimate grad E_q loss.generator(s(x)).
        estimators: name to estimator; a score function needs the option ``reward="loss"``.
        temperatures: of relaxed tokens.
        batch_size: sentences an estimate.
        draws: independent estimates a row.
        seed: of the noise; the same for every row.

    Raises   ValueError for an estimator that has another objective, or a gradient that is 0
    """
    import pandas

    for name, estimator in estimators.items():
        reward = getattr(estimator, "reward", "loss")
        if estimator.per_token or reward != "loss":
            raise ValueError(
                f"estimator_errors: {name!r} pays reward {reward!r}"
                + (" for every prefix" if estimator.per_token else "")
                + "; all must share one objective: score functions take reward='loss'"
            )
    exact = exact_gradient(generator, judge, loss).double()
    size = exact.norm().item()
    if not size > 0:
        raise ValueError("estimator_errors: the exact gradient is 0, so nothing is relative to it")
    rows = []
    for name, estimator in estimators.items():
        own = {knob.name for knob in estimator.knobs}
        for temperature in temperatures if "temperature" in own else (float("nan"),):
            slots = {"temperature": torch.tensor(temperature, dtype=torch.float64)}
            noise = torch.Generator(exact.device).manual_seed(seed)
            drawn = []
            for _ in range(BURN_IN + draws):
                value = estimator.loss(
                    estimator.play(generator, batch_size, noise, slots), judge, loss
                )
                drawn.append(_flat(value, generator))
            found = _errors(torch.stack(drawn[BURN_IN:]).double() / size, exact / size)
            rows.append({"estimator": name, "temperature": temperature, **found})
    return pandas.DataFrame(rows)


def _errors(drawn: Tensor, exact: Tensor) -> dict[str, float]:
    mean = drawn.mean(0)
    variance = (drawn - mean).square().sum() / (len(drawn) - 1)
    return {
        "bias": (mean - exact).norm().item(),
        "bias_se": (variance / len(drawn)).sqrt().item(),
        "cosine": torch.nn.functional.cosine_similarity(mean, exact, dim=0).item(),
        "variance": variance.item(),
        "rmse": (drawn - exact).square().sum(1).mean().sqrt().item(),
    }


def _flat(value: Tensor, generator: nn.Module) -> Tensor:
    params = list(generator.parameters())
    if not value.requires_grad:  # nothing of G's choice reached the loss
        return torch.cat([torch.zeros_like(p).reshape(-1) for p in params])
    grads = torch.autograd.grad(value, params, materialize_grads=True)
    return torch.cat([g.reshape(-1) for g in grads])
