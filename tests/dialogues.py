"""Prompts and replies so few that every sum over them is exact."""

import hashlib

import torch
from languages import TinyLanguage, seeded


class TinyDialogue:
    """Rows [prompt | reply]: four prompts, and under each an arbitrary law over short replies.

    Prompts of two positions (``given``), left-padded: a, b, a b, b a. ``playable`` [prompts,
    replies, length] holds every row that a generator can write, replies that are cut included. A
    row's mode is the first word of its reply.
    """

    kind, given = "text", 2

    def __init__(self, *, words=3, reply=3, eos=False, pool=300, seed=0):
        self._replies = TinyLanguage(words=words, length=reply, eos=eos, pool=1)
        self.name = f"dialogue-{words}-{reply}{'-eos' if eos else ''}"
        self.length, self.vocab_size = 2 + reply, 4 + words
        self.vocabulary, self.mode_names = self._replies.vocabulary, self._replies.mode_names
        self.support = self._replies.support
        self.prompts = torch.tensor([[0, 4], [0, 5], [4, 5], [5, 4]])
        self.playable = self._rows(self._replies.playable)
        self.rows = self._rows(self._replies.sentences)
        scores = torch.randn(self.rows.shape[:2], generator=seeded(seed), dtype=torch.float64)
        self.log_p = scores.log_softmax(1)
        self.law = self
        self.entropy = -(self.log_p.exp() * self.log_p).sum(1).mean().item()
        draws = seeded(seed + 1)
        self.train, self.validation, self.test = (self.sample(n, draws) for n in (pool, 100, 100))
        content = [self.name, self.rows.tolist(), self.log_p.tolist(), pool, seed]
        self.fingerprint = hashlib.sha256(repr(content).encode()).hexdigest()

    def _rows(self, replies):
        asked = self.prompts[:, None].expand(-1, len(replies), -1)
        return torch.cat([asked, replies.expand(len(self.prompts), -1, -1)], 2)

    def sample(self, n, generator):
        """Draw rows [n, length], every prompt as likely."""
        asked = torch.randint(len(self.prompts), (n,), generator=generator)
        reply = torch.multinomial(self.log_p.exp()[asked], 1, generator=generator)[:, 0]
        return self.rows[asked, reply]

    def log_prob(self, rows):
        """Return exact ln p(reply | prompt), float64 [n], -inf for what is no row."""
        known, log_p = self.rows.flatten(0, 1).to(rows.device), self.log_p.flatten().to(rows.device)
        return torch.where((rows[:, None] == known).all(2), log_p, -torch.inf).amax(1)

    def modes(self, rows):
        """Return the index of the reply's first word, or that of "none"."""
        return self._replies.modes(rows[:, self.given :])

    def decode(self, ids):
        """Return replies, words joined by blanks."""
        return self._replies.decode(ids[..., self.given :])
