"""A discriminator that remembers: real and fake sentences are told by what lies near in a memory.

A D that learns by gradients alone forgets fakes that G no longer plays, and G may come back to
them. Here what was seen is kept in slots, which expectation maximisation moves, no gradient.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .discriminators import DISCRIMINATORS, TokenEmbedding
from .layers import Dropout
from .sampling import IMPOSSIBLE
from .text_cnn import TextCNN


@DISCRIMINATORS.register("memory")
class MemoryDiscriminator(nn.Module):
    """Slots of unit keys, each real or fake, and a CNN that says which of them a sentence is near.

    A sentence is a unit vector q; the slots are a mixture of von Mises-Fisher laws around their
    keys K_c, with how often each was met, h_c, as weights.

    Formula  P(c | x) in proportion to exp(concentration q K_c) (h_c + smoothing), over the
             ``nearest`` slots; D(x) = floor + (1 - 2 floor) sum_c P(c | x) v_c, v_c = 1 for a slot
             of real sentences and 0 for fakes; the logit is ln D / (1 - D)
    Learns   the CNN by the loss, as any D; the slots by `remember`
    Fails when  all the nearest slots are of one kind: D is then floor or 1 - floor, without slope
    With     the generator "keyed", which writes under keys of the real slots
    Paper    Kim, Kim & Kim 2018 (4096 slots, 128 nearest, smoothing 1e-8). The other numbers, the
             decay by batches and one newcomer of each kind an update are ours
    """

    kind, per_token = "text", False

    def __init__(
        self,
        data,
        *,
        embedding: int = 32,
        widths: tuple[int, ...] = (2, 3, 4),
        filters: int = 32,
        key: int = 32,
        slots: int = 64,
        nearest: int = 16,
        concentration: float = 10.0,
        smoothing: float = 1e-8,
        decay: float = 0.9,
        floor: float = 1e-3,
    ):
        super().__init__()
        if not 1 <= nearest <= slots or slots < 2:
            raise ValueError(
                f"discriminator 'memory': expected 2 slots or more and nearest from 1 to as many, "
                f"got slots {slots} and nearest {nearest}"
            )
        self.nearest, self.concentration, self.smoothing = nearest, concentration, smoothing
        self.decay, self.floor = decay, floor
        self.embed = TokenEmbedding(data.vocab_size, embedding)
        self.cnn = TextCNN(embedding, data.length, widths, filters)
        self.dropout = Dropout()
        self.head = nn.Linear(self.cnn.size, key)
        self.register_buffer("keys", F.normalize(torch.randn(slots, key), dim=1))
        self.register_buffer("real", torch.arange(slots) % 2 == 0)
        self.register_buffer("counts", torch.ones(slots))
        self.register_buffer("ages", torch.zeros(slots, dtype=torch.int64))

    def forward(self, x: Tensor) -> Tensor:
        """Map ids or simplex points to logits [batch]."""
        scores, slots = self._recall(self.query(x))
        p = (scores.softmax(1) * self.real[slots]).sum(1)
        return (self.floor + (1 - 2 * self.floor) * p).logit()

    def query(self, x: Tensor) -> Tensor:
        """Return the unit vectors [batch, key] that are looked up."""
        return F.normalize(self.head(self.dropout(self.cnn(self.embed(x)))), dim=1)

    def _recall(self, q: Tensor) -> tuple[Tensor, Tensor]:
        """Return the nearest slots, [batch, nearest], and their ln P(c | x) up to a constant."""
        scores = self.concentration * (q @ self.keys.T) + (self.counts + self.smoothing).log()
        return scores.topk(self.nearest, 1)

    @property
    def log_prior(self) -> Tensor:
        """The law of slots that real sentences fall to, ln P(c), [slots], nats: P as h_c v_c.

        Where no slot is of real sentences, all are alike.
        """
        met = (self.counts + self.smoothing).log()
        return met.masked_fill(~self.real, IMPOSSIBLE).log_softmax(0)

    @torch.no_grad()
    def remember(self, real: Tensor, fake: Tensor, ok: Tensor) -> None:
        """Move the slots towards what D has just read; where ``ok`` is false, nothing moves.

        Expectation: a sentence is shared out over its nearest slots of its own kind, r_c.
        Maximisation: h <- decay h + sum r, K <- unit vector of (decay h K + sum r q), the sums over
        the batch, for slots that were met; the others stay, for that is what remembering means. A
        sentence without a slot of its kind is a newcomer; the first of each kind takes one of the
        two slots that were idle longest.
        """
        q = torch.cat([self.query(real), self.query(fake)])
        is_real = torch.arange(len(q), device=q.device) < len(real)
        scores, slots = self._recall(q)
        same = self.real[slots] == is_real[:, None]
        shares = scores.masked_fill(~same, IMPOSSIBLE).softmax(1) * same
        shares = torch.zeros(len(q), len(self.keys), device=q.device, dtype=q.dtype).scatter_(
            1, slots, shares
        )
        met = shares.sum(0)
        old = torch.where(met > 0, self.decay, 1.0) * self.counts
        counts = old + met
        # over the new count, lest an old slot's tiny one be taken for a zero vector
        tiny = torch.finfo(counts.dtype).tiny
        sums = (old[:, None] * self.keys + shares.T @ q) / counts.clamp(min=tiny)[:, None]
        keys = torch.where(met[:, None] > 0, F.normalize(sums, dim=1), self.keys)
        ages = torch.where(met > 0, 0, self.ages + 1)
        kinds = self.real
        for kind, idle in zip((True, False), ages.topk(2).indices.split(1), strict=True):
            new = ~same.any(1) & (is_real == kind)
            taken = (torch.arange(len(ages), device=q.device) == idle) & new.any()
            keys = torch.where(taken[:, None], q[new.int().argmax(0, keepdim=True)], keys)
            kinds = torch.where(taken, kind, kinds)
            counts = torch.where(taken, 1.0, counts)
            ages = torch.where(taken, 0, ages)
        for buffer, new in (
            (self.keys, keys), (self.real, kinds), (self.counts, counts), (self.ages, ages),
        ):  # fmt: skip
            buffer.copy_(torch.where(ok, new, buffer))
