"""Exact gradients by enumeration: the truth that every estimator of G's gradient is held against.

On a language small enough, what G minimises is a sum over all sentences that it can write, and so
is its gradient. Drawing an estimator many times against that sum tells its bias and variance.
"""

import functools
import statistics
import time
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ..data.law import EOS, PAD, counted
from .estimators import Estimator
from .estimators.score_function import sentence_reward

if TYPE_CHECKING:
    import pandas

Judge = Callable[[Tensor], Tensor]  # ids or simplex points -> logits [batch] or [batch, time]
BURN_IN = 30  # estimates thrown away first, so that a running baseline has settled (ours)


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
    """Return the gradient of what G minimises, summed over all sentences x; flat over G's weights.

    Formula  grad sum_x q(x) cost(x), cost = loss.generator(s(x)); where ``judge`` has one logit a
             token, cost = (1/T) sum_t loss.generator(s_t) over tokens up to <eos>
    ``judge`` stands still; ``loss`` is an entry of `LOSSES`. Raises ValueError for a language too
    large.
    """
    ids = playable(generator)
    with torch.no_grad():
        cost = sentence_reward(loss.generator(judge(ids)), counted(ids))
    return _flat((generator.log_prob(ids).exp() * cost).sum(), generator)


def best_judge(generator: nn.Module, law: Any) -> Judge:
    """Return the best D against G as it is now, s(x) = ln p(x) - ln q(x): a table, it stands still.

    On simplex points, between sentences, it is the mean of s over sentences drawn from the points,
    sum_x s(x) prod_t y_t[x_t]: that of the tokens where points are one-hot.

    Raises ValueError for a language too large, or in which G can write what the law cannot.
    """
    ids = playable(generator)
    with torch.no_grad():
        s = law.log_prob(ids).double() - generator.log_prob(ids)
    if not s.isfinite().all():
        x = ids[~s.isfinite()][0].tolist()
        raise ValueError(f"best_judge: ln p/q of the ids {x} is not finite: the law cannot say it")

    def judge(x: Tensor) -> Tensor:
        if x.is_floating_point():
            place = torch.arange(ids.shape[1], device=ids.device)
            return x[:, place, ids].prod(2) @ s.to(x.dtype)
        return (x[:, None] == ids).all(2).to(s.dtype) @ s

    return judge


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
    burn_in: int = BURN_IN,
    law: Any = None,
) -> "pandas.DataFrame":
    """Return bias and variance of estimators of one gradient, against the exact one, in its units.

    One row per estimator, and per temperature for those that have one (NaN elsewhere). With g the
    exact gradient and e one estimate from a batch:
        bias       |mean e - g| / |g|, and ``bias_se``, what of it the finite draws explain
        cosine     of mean e with g; 0 where mean e is 0
        variance   E |e - mean e|^2 / |g|^2: the trace of the covariance
        rmse       sqrt(E |e - g|^2) / |g|; below 1 a step is better than no step
        seconds    wall clock an estimate: to play, to judge, and back to G's weights; the median

    All rows estimate the gradient that `exact_gradient` returns. A score function does with the
    option ``reward="loss"``; an estimator that weighs sentences by e^s (`Weighted`) with a loss
    whose generator(s) is -e^s where moreover E_q e^s = 1, as of `best_judge`; one that relaxes
    tokens and a D of tokens only where no <eos> can be written.

    Args:
        generator: of a language that can be enumerated; stands still.
        judge: maps ids or simplex points to one logit a sentence, or a token; stands still.
        loss: an entry of `LOSSES`.
        estimators: name to estimator; one that learns goes on learning through its row.
        temperatures: of relaxed tokens.
        batch_size: sentences an estimate.
        draws: independent estimates a row.
        seed: of the noise; the same for every row.
        burn_in: estimates a row thrown away first, in which a baseline settles; one that is learned
            needs hundreds.
        law: what real sentences are drawn from, for estimators that ask for some.

    Raises   ValueError for an estimator that has another objective, or a gradient that is 0
    """
    import pandas

    _one_objective(generator, judge, loss, estimators, law)
    exact = exact_gradient(generator, judge, loss).double()
    size = exact.norm().item()
    if not size > 0:
        raise ValueError("estimator_errors: the exact gradient is 0, so nothing is relative to it")
    rows = []
    for name, estimator in estimators.items():
        slots = {knob.name: _slot(knob.default) for knob in estimator.knobs}
        for temperature in temperatures if "temperature" in slots else (float("nan"),):
            slots["temperature"] = _slot(temperature)
            noise = torch.Generator(exact.device).manual_seed(seed)
            real = None if law is None else functools.partial(law.sample, batch_size, noise)
            drawn, seconds = [], []
            for _ in range(burn_in + draws):
                began = time.perf_counter()
                estimator.begin(generator)
                rollout = estimator.play(generator, batch_size, noise, slots, real)
                drawn.append(_flat(estimator.loss(rollout, judge, loss), generator))
                seconds.append(time.perf_counter() - began)
            found = _errors(torch.stack(drawn[burn_in:]).double() / size, exact / size)
            found["seconds"] = statistics.median(seconds[burn_in:])
            rows.append({"estimator": name, "temperature": temperature, **found})
    return pandas.DataFrame(rows)


def _slot(value: float) -> Tensor:
    return torch.tensor(value, dtype=torch.float64)


def _one_objective(
    generator: nn.Module,
    judge: Judge,
    loss: type,
    estimators: Mapping[str, Estimator],
    law: Any,
) -> None:
    """Raise ValueError unless all estimators estimate the gradient of E_q cost(x)."""
    ids = playable(generator)
    with torch.no_grad():
        s, log_q = judge(ids), generator.log_prob(ids)
    tokens, ends = s.dim() == 2, bool((ids == EOS).any())
    for name, estimator in estimators.items():
        reward = getattr(estimator, "reward", "loss")
        if reward != "loss":
            raise ValueError(
                f"estimator_errors: {name!r} pays reward {reward!r}; all must share one objective: "
                f"score functions take reward='loss'"
            )
        if estimator.per_token not in (None, tokens):
            needs = "for every prefix" if estimator.per_token else "for whole sentences"
            raise ValueError(
                f"estimator_errors: {name!r} needs a D with a logit {needs}, and this judge has "
                f"one a {'token' if tokens else 'sentence'}"
            )
        if tokens and ends and not estimator.likelihood:
            raise ValueError(
                f"estimator_errors: {name!r} averages D's logits over the tokens of a batch, "
                f"another objective where sentences end early: use a language without <eos>"
            )
        if estimator.log_odds:
            _weighs(name, estimator, loss, s, log_q, ids, law)


def _weighs(
    name: str, estimator: Estimator, loss: type, s: Tensor, log_q: Tensor, ids: Tensor, law: Any
) -> None:
    """Raise ValueError unless the cross-entropy to q e^s / Z has the gradient of E_q -e^s here."""
    if not torch.allclose(loss.generator(s), -s.exp()):
        raise ValueError(
            f"estimator_errors: {name!r} weighs sentences by e^s, which is for a loss whose "
            f"generator(s) is -e^s; {loss.name!r} has another objective"
        )
    z = (log_q + s).exp().sum().item()
    if abs(z - 1) > 1e-6:
        raise ValueError(
            f"estimator_errors: {name!r} normalises its weights, and here E_q e^s = {z:.6g}, so "
            f"its gradient is that over {z:.6g}; give a judge with 1, such as best_judge(...)"
        )
    kept = any(knob.name == "prefix" and knob.default > 0 for knob in estimator.knobs)
    if kept and (law is None or not torch.allclose(law.log_prob(ids), log_q + s)):
        raise ValueError(
            f"estimator_errors: {name!r} keeps beginnings of real sentences, so it shares the "
            f"objective only where s is ln p/q of the law that they come from: pass law= and "
            f"best_judge(generator, law)"
        )


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
