"""Sequence to sequence with attention: the writer of a reply looks back at the prompt."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..data.law import BOS, PAD
from .attention import attend
from .autoregressive import Autoregressive
from .generators import GENERATORS
from .layers import LSTM
from .sampling import IMPOSSIBLE


@GENERATORS.register("attention")
class AttentionGenerator(Autoregressive):
    """An LSTM that reads the prompt and one that writes the reply, attending to it; paired data.

    Formula  c_t = attention of A h_t to the reader's states, none of which stands for padding;
             the token's features are tanh(B [c_t; h_t])
    Paper    Luong, Pham & Manning 2015 (general score, no input feeding: so that a whole reply is
             scored in one pass)
    Raises   ValueError for data without prompts
    """

    paired, one_pass = True, True

    def __init__(self, data, *, embedding: int = 32, hidden: int = 64):
        super().__init__(data)
        if not self.given:
            raise ValueError(
                f"generator 'attention' replies to a prompt, and the data {data.name!r} has none: "
                f"choose paired data, or generator 'lstm'"
            )
        self.embed = nn.Embedding(data.vocab_size, embedding)
        self.reader = LSTM(embedding, hidden)
        self.bridge = nn.Linear(hidden, 2 * hidden)  # from reader to writer
        self.lstm = LSTM(embedding, hidden)
        self.query = nn.Linear(hidden, hidden, bias=False)
        self.join = nn.Linear(2 * hidden, hidden)
        self.head = nn.Linear(hidden, data.vocab_size)

    @property
    def source(self):
        """The whole prompt is read before anything is written."""
        return self.given

    def features(self, ids):
        """Return what the head reads at all positions, [batch, time, hidden]; 0 in the prompt."""
        h, c, *prompt = self.start(len(ids), ids)
        reply = ids[:, self.given :]
        before = torch.cat([torch.full_like(reply[:, :1], BOS), reply[:, :-1]], 1)
        h = self.lstm(self.embed(before), (h[None], c[None]))
        return F.pad(self._attentive(h, *prompt), (0, 0, self.given, 0))

    def start(self, n, given):
        """Return the writer's hidden and cell state, what was read, and where it was padding."""
        prompt = given[:, : self.given]
        read = self.reader(self.embed(prompt))
        h, c = self.bridge(read[:, -1]).chunk(2, 1)
        padding = torch.zeros_like(read[..., 0]).masked_fill_(prompt == PAD, IMPOSSIBLE)
        return h.tanh(), c, read, padding

    def feed(self, embedded):
        """Return the input's side of the gates."""
        return self.lstm.gates(embedded)

    def step(self, x, state):
        """Advance the writer's cell and look back at the prompt."""
        h, c, *prompt = state
        h, c = self.lstm.cell(x, h, c)
        return self._attentive(h[:, None], *prompt)[:, 0], (h, c, *prompt)

    def _attentive(self, h: Tensor, read: Tensor, padding: Tensor) -> Tensor:
        context = attend(self.query(h), read, read, bias=padding[:, None, None])
        return self.join(torch.cat([context, h], 2)).tanh()
