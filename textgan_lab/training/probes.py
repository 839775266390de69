"""Probes: what is measured on fresh samples every ``probe_every`` steps, right after a flush.

Each probe draws from a generator made for this one measurement, so measuring more or less often
changes neither the training nor what is measured at a given step. Parts switch to inference.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from ..catalogue import Catalogue
from ..data.law import PAD, counted, seed
from ..metrics import compare_laws, distinct, unique_ratio
from ..metrics.cells import cell_scores
from ..models.sampling import Rollout
from .cells import Cells

PROBES = Catalogue("probe")
EXPOSED = 64  # sentences a side whose next-token laws are compared in full


@dataclass
class Measurement:
    """Fresh fakes and real data, on the device; what several probes need is kept.

    ``held_out`` was never trained on, ``seen``, as many rows as ``fake``, may have been.
    """

    generator: Any
    discriminator: Any
    data: Any
    cells: Cells
    held_out: Tensor
    seen: Tensor
    fake: Tensor
    threshold: float | None  # D's logit above which it says "real"; None: halfway between means

    @property
    def is_text(self) -> bool:
        """Whether samples are sentences."""
        return self.data.kind == "text"

    @property
    def has_likelihood(self) -> bool:
        """Whether G can tell how likely a sentence is."""
        return self.is_text and hasattr(self.generator, "score")

    def counted(self, ids: Tensor) -> Tensor:
        """Return which tokens count: [n, time] bool."""
        return counted(ids, getattr(self.data, "given", 0))

    @cached_property
    def written(self) -> Tensor:
        """The fakes without what was given."""
        return written(self.data, self.fake)

    @cached_property
    def fake_rollout(self) -> Rollout:
        """The fakes with their exact log q."""
        return self.generator.score(self.fake)

    @cached_property
    def fake_log_q(self) -> Tensor:
        """Exact log q of each fake, [n] float64."""
        return self.fake_rollout.log_q.double().sum(1)

    @cached_property
    def held_out_log_q(self) -> Tensor:
        """Exact log q of each held-out sentence, [n] float64."""
        return self.generator.log_prob(self.held_out)

    @cached_property
    def fake_counts(self) -> Tensor:
        """How often each cell occurs in each fake, [n, cells], on the host."""
        return self.cells.count(self.written).cpu()


Probe = Callable[[Measurement], dict[str, float]]


def without_padding(ids: Tensor) -> list[tuple[int, ...]]:
    """Return sentences [n, time] as tuples of their tokens, on the host."""
    return [tuple(i for i in row if i != PAD) for row in ids.tolist()]


def written(data: Any, x: Tensor) -> Tensor:
    """Return rows without the prompt that they were given."""
    return x[:, getattr(data, "given", 0) :]


@PROBES.register("held_out_nll")
def held_out_nll(m: Measurement) -> dict[str, float]:
    """Exact E_real[-ln q] on validation sentences: nats per token, and per sentence."""
    if not m.has_likelihood:
        return {}
    total = -m.held_out_log_q.sum().item()
    tokens = m.counted(m.held_out).sum().item()
    return {"held_out_nll": total / tokens, "held_out_nll.sentence": total / len(m.held_out)}


@PROBES.register("latent")
def latent(m: Measurement) -> dict[str, float]:
    """Bound on the held-out likelihood of a G with a latent code, and what its code is worth.

    ``held_out_nll_bound`` is E_real[-ELBO] >= E_real[-ln q], nats per token and per sentence; the
    noise in it is the same at every measurement. Further values are the generator's (`examine`).
    """
    if not hasattr(m.generator, "elbo"):
        return {}
    noise = torch.Generator(m.held_out.device).manual_seed(seed("latent"))
    total = -m.generator.elbo(m.held_out, noise).sum().item()
    told = m.generator.examine(m.held_out, noise)
    return {
        "held_out_nll_bound": total / m.counted(m.held_out).sum().item(),
        "held_out_nll_bound.sentence": total / len(m.held_out),
        **{name: value.item() for name, value in told.items()},
    }


@PROBES.register("entropy")
def entropy(m: Measurement) -> dict[str, float]:
    """Mean entropy of G's next token along its own sentences, nats."""
    if not m.has_likelihood:
        return {}
    rollout = m.fake_rollout
    return {"g_entropy": (rollout.entropy.sum() / rollout.mask.sum()).item()}


@PROBES.register("truth")
def truth(m: Measurement) -> dict[str, float]:
    """Exact comparison with a known p: JS(p, q) in nats with its standard error, Bayes accuracy.

    Also ``possible``, the share of fakes that p can produce at all, and ``oracle_nll``, E_q[-ln p]
    per token, infinite as soon as one fake is impossible; these two need no likelihood of G.
    """
    if not m.is_text or m.data.law is None:
        return {}
    log_p_fake = m.data.law.log_prob(m.fake).cpu()
    told = {
        "possible": log_p_fake.isfinite().double().mean().item(),
        "oracle_nll": -log_p_fake.sum().item() / m.counted(m.fake).sum().item(),
    }
    if not m.has_likelihood:
        return told
    found = compare_laws(
        m.data.law.log_prob(m.held_out).cpu(),
        m.held_out_log_q.cpu(),
        log_p_fake,
        m.fake_log_q.cpu(),
    )
    return {
        "js": found.js,
        "js_se": found.js_se,
        "bayes_accuracy": found.bayes_accuracy,
        **told,
    }


@PROBES.register("modes")
def modes(m: Measurement) -> dict[str, float]:
    """Share of fakes in each mode of a known law, ``mode.none`` outside all; how many are present.

    A mode is present when at least a tenth of its even share falls into it.
    """
    if m.data.law is None or not m.data.law.mode_names:
        return {}
    names = m.data.law.mode_names
    counts = torch.bincount(m.data.law.modes(m.fake).cpu(), minlength=len(names) + 1)
    shares = (counts / counts.sum()).tolist()
    present = sum(share >= 0.1 / len(names) for share in shares[:-1])
    return {
        "modes": float(present),
        **{f"mode.{name}": share for name, share in zip([*names, "none"], shares, strict=True)},
    }


@PROBES.register("diversity")
def diversity(m: Measurement) -> dict[str, float]:
    """Share of distinct sentences, and distinct-2, among the fakes; both fall with their number."""
    return _diversity(m.written) if m.is_text else {}


@PROBES.register("cells")
def cells(m: Measurement) -> dict[str, float]:
    """Fakes against held-out data, counted in cells: entropy and JS in nats, accuracy of counting.

    ``cells_accuracy`` is that of naive Bayes on the counts, judged on rows that did not teach it:
    a lower bound on what the best D would reach.
    """
    return cell_scores(m.fake_counts, m.cells.count(written(m.data, m.held_out)).cpu())


@PROBES.register("accuracy")
def accuracy(m: Measurement) -> dict[str, float]:
    """D's accuracy on held-out real data and fresh fakes: no sentence that it was trained on.

    ``d_memory`` says how much better D likes real data that it may have seen than data that it has
    not, in pooled standard deviations of its logit (of its mean logit, for a per-token D).
    """
    real, fake = m.discriminator(m.held_out), m.discriminator(m.fake)
    seen, unseen = (
        _per_row(s, m.counted(x) if s.dim() == 2 else None)
        for s, x in ((m.discriminator(m.seen), m.seen), (real, m.held_out))
    )
    if real.dim() == 2:
        real, fake = real[m.counted(m.held_out)], fake[m.counted(m.fake)]
    at = (real.mean() + fake.mean()) / 2 if m.threshold is None else m.threshold
    right = ((real > at).double().mean() + (fake < at).double().mean()) / 2
    spread = ((seen.var() + unseen.var()) / 2).sqrt()
    memory = (seen.mean() - unseen.mean()) / spread.clamp(min=torch.finfo(spread.dtype).tiny)
    return {"d_accuracy_held_out": right.item(), "d_memory": memory.item()}


@PROBES.register("exposure")
def exposure(m: Measurement) -> dict[str, float]:
    """How much worse G continues its own prefixes than real ones, against the true next-token law.

    Formula  mean over positions and sentences of KL(p(. | prefix) || q(. | prefix)), own prefixes
             minus real ones, in nats per token, with its standard error; position by position, so
             that a position that is hard for all cancels. Only for laws with ``next_log_prob``.
    """
    law = m.data.law
    if not m.has_likelihood or not hasattr(law, "next_log_prob"):
        return {}
    gaps = []
    for ids in (m.fake[:EXPOSED], m.held_out[:EXPOSED]):
        log_p, log_q = law.next_log_prob(ids), m.generator.score(ids).log_p.double()
        gaps.append((log_p.exp() * (log_p - log_q)).nan_to_num(0.0).sum(2).mean(1))
    own, real = gaps
    se = (own.var() / len(own) + real.var() / len(real)).sqrt()
    return {"exposure_gap": (own.mean() - real.mean()).item(), "exposure_gap_se": se.item()}


def _per_row(logits: Tensor, mask: Tensor | None) -> Tensor:
    if mask is None:
        return logits.double()
    return (logits * mask).double().sum(1) / mask.sum(1)


def _diversity(ids: Tensor) -> dict[str, float]:
    sentences = without_padding(ids)
    return {"unique_ratio": unique_ratio(sentences), "distinct_2": distinct(sentences, 2)}


def floors(data: Any, cells: Cells, held_out: Tensor, seen: Tensor) -> dict[str, float]:
    """Return what as many real samples score where fakes are measured: the floor of distances."""
    held_out, seen = written(data, held_out), written(data, seen)
    found = cell_scores(cells.count(seen).cpu(), cells.count(held_out).cpu())
    return found | (_diversity(seen) if data.kind == "text" else {})


def measure(m: Measurement) -> dict[str, float]:
    """Return the values of all probes that apply."""
    with torch.no_grad():
        return {name: value for probe in PROBES.values() for name, value in probe(m).items()}


def opinions(discriminator: Any, ids: Tensor, vocab_size: int) -> tuple[Tensor, Tensor]:
    """Return D's probability of "real" for each sentence, [n], and a score per token, [n, time].

    A per-token D is read off: its probability after each prefix, minus one half. For a D of whole
    sentences the score is first-order: how much the logit owes to this token rather than to the
    average token in its place, grad_x s . (x - mean), x the one-hot point.
    """
    if discriminator.per_token:
        with torch.no_grad():
            p = discriminator(ids).sigmoid()
        mask = ids != PAD
        last = (mask * torch.arange(mask.shape[1], device=ids.device)).amax(1, keepdim=True)
        return p.gather(1, last).squeeze(1), (p - 0.5) * mask
    x = torch.nn.functional.one_hot(ids, vocab_size).float().requires_grad_()
    with torch.enable_grad():
        logits = discriminator(x)
        (slope,) = torch.autograd.grad(logits.sum(), x)
    score = slope.gather(2, ids[..., None]).squeeze(2) - slope.mean(2)
    return logits.detach().sigmoid(), score * (ids != PAD)
