"""A discriminator that reads a sentence in several small embeddings at once."""

import torch.nn.functional as F
from torch import Tensor, nn

from .discriminators import DISCRIMINATORS, TokenEmbedding
from .layers import Dropout
from .text_cnn import TextCNN


@DISCRIMINATORS.register("multi_representation")
class MultiRepresentationDiscriminator(nn.Module):
    """Several embeddings of a sentence, one CNN that reads each, and the mean of its logits.

    ``embedding`` is the total, cut into ``representations`` of equal size, as in the paper.

    Formula  s(x) = 1/R sum_r f(E_r x). RelGAN averages the R losses instead of the R logits: the
             same for a loss that is linear in s (wasserstein, and G's side of hinge). For a convex
             one, loss(mean) <= mean(loss) by Jensen, equal when all logits agree; each logit then
             gets the slope at the mean, where RelGAN gives each its own, steeper for those that are
             wrong. So that a sentence has one logit for probes, rewards and penalties.
    Paper    Nie, Narodytska & Patel 2019 (64 representations of 1 number, widths 2 to 5, 300
             filters each)
    Raises   ValueError when ``representations`` does not divide ``embedding``
    """

    kind, per_token = "text", False

    def __init__(
        self,
        data,
        *,
        embedding: int = 32,
        representations: int = 8,
        widths: tuple[int, ...] = (2, 3, 4, 5),
        filters: int = 32,
        hidden: int = 64,
    ):
        super().__init__()
        if embedding % representations:
            raise ValueError(
                f"discriminator 'multi_representation': embedding {embedding}, the total, must be "
                f"a multiple of representations, which is {representations}"
            )
        self.representations = representations
        self.embed = TokenEmbedding(data.vocab_size, embedding)
        self.cnn = TextCNN(embedding // representations, data.length, widths, filters)
        self.dropout = Dropout()
        self.hidden = nn.Linear(self.cnn.size, hidden)
        self.head = nn.Linear(hidden, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map ids or simplex points to logits [batch]."""
        return self.logits(x).mean(1)

    def logits(self, x: Tensor) -> Tensor:
        """Return the logit of each representation, [batch, representations]."""
        x = self.embed(x).unflatten(2, (self.representations, -1)).transpose(1, 2)
        features = self.cnn(x.flatten(0, 1))  # [batch * representations, size]
        logits = self.head(F.leaky_relu(self.hidden(self.dropout(features)), 0.2))
        return logits.view(-1, self.representations)
