"""The discriminator of SeqGAN at its published sizes: many filters and a highway layer."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .discriminators import DISCRIMINATORS, TokenEmbedding
from .layers import Dropout
from .tables import pooled, pooled_by_table, table_pays

WIDTHS = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 15, 20)
FILTERS = (100, 200, 200, 200, 200, 100, 100, 100, 100, 100, 160, 160)
GATES = ("own", "shared")
ROWS = 1024  # sentences that the highway layer reads at a time: their features stay in cache


class Highway(nn.Module):
    """Let each feature pass as it is, or transformed, as a gate decides.

    Formula  g relu(h) + (1 - g) x, h = W x + b, g = sigmoid(W' x + b'), b' = -2 at first: pass
    Paper    Srivastava, Greff & Schmidhuber 2015

    ``shared``: the gate has no weights of its own, g = sigmoid(h), which halves the cost.
    """

    def __init__(self, size: int, shared: bool):
        super().__init__()
        self.transform = nn.Linear(size, size)
        self.gate = None if shared else nn.Linear(size, size)
        if self.gate is not None:
            nn.init.constant_(self.gate.bias, -2.0)

    def forward(self, x: Tensor) -> Tensor:
        """Map features [n, size] to features [n, size]."""
        h = self.transform(x)
        return torch.lerp(x, h.relu(), (h if self.gate is None else self.gate(x)).sigmoid())


@DISCRIMINATORS.register("seqgan_cnn")
class HighwayCNNDiscriminator(nn.Module):
    """A text CNN with 1,720 filters of 12 widths and a highway layer, one logit a sentence.

    Published  embedding 64, a gate with weights of its own, dropout 0.25 (knob ``d_dropout``),
               decay 0.2 of the output layer (remedy ``output_decay``)
    ``gate``   "own", or "shared" as in a later implementation: see `Highway`
    Widths     a filter wider than a sentence is made as wide as it
    Cost       ids without gradient, when there are many, are read by table: see `tables`
    Paper      Yu et al. 2017 (SeqGAN); the filters Kim 2014
    Raises     ValueError for an unknown gate, or other than one number of filters a width
    """

    kind, per_token = "text", False

    def __init__(
        self,
        data,
        *,
        embedding: int = 64,
        widths: Sequence[int] = WIDTHS,
        filters: Sequence[int] = FILTERS,
        gate: str = "own",
    ):
        super().__init__()
        if len(widths) != len(filters) or not widths:
            raise ValueError(
                f"seqgan_cnn: expected one number of filters for each width, got {len(filters)} "
                f"filters for {len(widths)} widths"
            )
        if gate not in GATES:
            raise ValueError(f"seqgan_cnn: gate {gate!r}: expected one of {', '.join(GATES)}")
        self.widths = [min(width, data.length) for width in widths]
        self.embed = TokenEmbedding(data.vocab_size, embedding)
        self.filters = nn.ModuleList(
            nn.Linear(width * embedding, n) for width, n in zip(self.widths, filters, strict=True)
        )
        self.highway = Highway(sum(filters), gate == "shared")
        self.dropout = Dropout()
        self.head = nn.Linear(sum(filters), 1)
        nn.init.uniform_(self.embed.weight, -1, 1)
        for layer in (*self.filters, self.head):  # as published
            nn.init.trunc_normal_(layer.weight, std=0.1, a=-0.2, b=0.2)
            nn.init.constant_(layer.bias, 0.1)

    @property
    def output(self) -> nn.Linear:
        """The layer that turns features into the logit."""
        return self.head

    def forward(self, x: Tensor) -> Tensor:
        """Map ids or simplex points to logits [batch]."""
        parts = self.features(x).split(ROWS)
        logits = [self.head(self.dropout(self.highway(part))) for part in parts]
        return torch.cat(logits).squeeze(1)

    def features(self, x: Tensor) -> Tensor:
        """Map ids or simplex points to each filter's largest response, [batch, all filters]."""
        banks = zip(self.widths, self.filters, strict=True)
        if x.is_floating_point() or torch.is_grad_enabled():
            embedded = self.embed(x)
            found = [pooled(embedded, filters) for _, filters in banks]
        else:
            words = self.embed.weight * self.embed.counts  # padding adds nothing
            found = [
                pooled_by_table(x, words, filters)
                if table_pays(x, len(words), width)
                else pooled(words[x], filters)
                for width, filters in banks
            ]
        return torch.cat(found, 1).relu()  # after the maximum: the same, cheaper
