"""A relational memory that writes: slots that attend to each other and to the newest token."""

import torch
from torch import nn

from .attention import attend
from .autoregressive import Autoregressive
from .generators import GENERATORS


@GENERATORS.register("relational")
class RelationalGenerator(Autoregressive):
    """A relational memory core that writes token by token; q(x) is known exactly (RelGAN).

    Formula  M' = N2(A + mlp(A)), A = N1(M + attention of M to [M; W x]), N layer norms;
             M <- sigmoid(i) tanh(M') + sigmoid(f + 1) M, [i, f] = U x + V tanh(M), unit by unit
    Sizes    ``slots`` rows of ``heads`` times ``head_size`` units; the memory starts as rows of
             the identity matrix
    Paper    Santoro et al. 2018; as a generator Nie, Narodytska & Patel 2019 (1 slot, 2 heads of
             256)
    """

    def __init__(
        self, data, *, embedding: int = 32, heads: int = 2, head_size: int = 32, slots: int = 1
    ):
        super().__init__(data)
        size = heads * head_size
        self.heads, self.size = heads, size
        self.embed = nn.Embedding(data.vocab_size, embedding)
        self.read = nn.Linear(embedding, 3 * size)  # W and U: the token's entry, its side of gates
        self.query = nn.Linear(size, size, bias=False)
        self.match = nn.Linear(size, 2 * size, bias=False)  # keys and values
        self.norm_attention, self.norm_net = nn.LayerNorm(size), nn.LayerNorm(size)
        self.net = nn.Sequential(nn.Linear(size, size), nn.ReLU(), nn.Linear(size, size))
        self.gates = nn.Linear(size, 2 * size, bias=False)
        self.head = nn.Linear(slots * size, data.vocab_size)
        self.register_buffer("blank", torch.eye(slots, size), persistent=False)

    def start(self, n, given):
        """Return the blank memory, [n, slots, size]."""
        return (self.blank.expand(n, -1, -1),)

    def feed(self, embedded):
        """Return the token's entry beside the memory, and its side of the gates."""
        return self.read(embedded)

    def step(self, x, state):
        """Let the memory attend to itself and the token, and let the gates decide what it keeps."""
        (memory,) = state
        entry, gates = x[:, None].split([self.size, 2 * self.size], 2)
        key, value = self.match(torch.cat([memory, entry], 1)).chunk(2, 2)
        new = self.norm_attention(memory + attend(self.query(memory), key, value, self.heads))
        new = self.norm_net(new + self.net(new))
        write, keep = (gates + self.gates(memory.tanh())).chunk(2, 2)
        memory = write.sigmoid() * new.tanh() + (keep + 1).sigmoid() * memory
        return memory.flatten(1), (memory,)
