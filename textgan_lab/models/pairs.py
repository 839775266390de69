"""Discriminators of a prompt and its reply: each is read apart, and then they are judged together.

Any discriminator of text can be put on paired data, where it reads the row as one sentence; these
two have weights of their own for either part.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .discriminators import DISCRIMINATORS, TokenEmbedding
from .layers import LSTM, Dropout
from .text_cnn import TextCNN


def prompt_length(discriminator: str, data) -> int:
    """Return how many positions of a row are its prompt; raise ValueError if none are."""
    if not getattr(data, "given", 0):
        raise ValueError(
            f"discriminator {discriminator!r} reads a prompt and its reply, and the data "
            f"{data.name!r} has no prompts: choose paired data, or 'cnn' or 'lstm'"
        )
    return data.given


@DISCRIMINATORS.register("pair_cnn")
class PairCNNDiscriminator(nn.Module):
    """A text CNN for the prompt and one for the reply, and a hidden layer over both; paired data.

    Paper   Yang et al. 2018 (CSGAN-NMT)
    Raises  ValueError for data without prompts
    """

    kind, per_token, paired = "text", False, True

    def __init__(
        self,
        data,
        *,
        embedding: int = 32,
        widths: tuple[int, ...] = (2, 3, 4),
        filters: int = 32,
        hidden: int = 64,
    ):
        super().__init__()
        self.given = prompt_length(self.name, data)
        self.embed = TokenEmbedding(data.vocab_size, embedding)
        self.prompt = TextCNN(embedding, self.given, widths, filters)
        self.reply = TextCNN(embedding, data.length - self.given, widths, filters)
        self.dropout = Dropout()
        self.hidden = nn.Linear(self.prompt.size + self.reply.size, hidden)
        self.head = nn.Linear(hidden, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map rows of ids or simplex points to logits [batch]."""
        x = self.embed(x)
        both = torch.cat([self.prompt(x[:, : self.given]), self.reply(x[:, self.given :])], 1)
        return self.head(F.leaky_relu(self.hidden(self.dropout(both)), 0.2)).squeeze(1)


@DISCRIMINATORS.register("pair_lstm")
class PairLSTMDiscriminator(nn.Module):
    """An LSTM for the prompt and one for the reply, one logit per prefix of the row; paired data.

    The logit at t has read tokens 0..t and no more: inside the prompt that is the prompt so far,
    in the reply the whole prompt and the reply so far. A hidden layer sees both at once, for a sum
    of two opinions could not say whether they match.

    Paper   Li et al. 2017 (prompt and reply read in turn)
    Raises  ValueError for data without prompts
    """

    kind, per_token, paired = "text", True, True

    def __init__(self, data, *, embedding: int = 32, hidden: int = 64):
        super().__init__()
        self.given = prompt_length(self.name, data)
        self.embed = TokenEmbedding(data.vocab_size, embedding)
        self.prompt, self.reply = LSTM(embedding, hidden), LSTM(embedding, hidden)
        self.dropout = Dropout()
        self.hidden = nn.Linear(2 * hidden, hidden)
        self.head = nn.Linear(hidden, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map rows of ids or simplex points to logits [batch, time]."""
        x = self.embed(x)
        prompt, reply = self.prompt(x[:, : self.given]), self.reply(x[:, self.given :])
        asked = torch.cat([prompt, prompt[:, -1:].expand_as(reply)], 1)
        answered = torch.cat([torch.zeros_like(prompt), reply], 1)
        both = self.dropout(torch.cat([asked, answered], 2))
        return self.head(F.leaky_relu(self.hidden(both), 0.2)).squeeze(2)
