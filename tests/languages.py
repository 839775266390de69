"""Data so small that every sum over it is exact, and how draws are held against such sums."""

import hashlib
import itertools

import torch
from scipy import stats

PAD, BOS, EOS, UNK = range(4)


def seeded(seed=0, device="cpu"):
    """Return a private random stream."""
    return torch.Generator(device).manual_seed(seed)


def chi_square(counts, expected):
    """Return the p-value of ``counts`` under ``expected``; 0 where something impossible was drawn.

    Cells expected below 5 count as one.
    """
    counts, expected = counts.double(), expected.detach().double()
    if counts[expected == 0].any():
        return 0.0
    rare = expected < 5
    observed, wanted = counts[~rare].tolist(), expected[~rare].tolist()
    if expected[rare].sum() > 0:
        observed.append(counts[rare].sum().item())
        wanted.append(expected[rare].sum().item())
    return stats.chisquare(observed, wanted, sum_check=False).pvalue


def strings(words, length, eos):
    """Return every string a generator can write, ids [n, length], cut ones included.

    With three words and length 3 that is 27 without <eos>, and 1 + 3 + 9 + 27 = 40 with it.
    """
    tokens = range(4, 4 + words)
    rows = list(itertools.product(tokens, repeat=length))
    if eos:
        for n in range(length):
            ended = itertools.product(tokens, repeat=n)
            rows += [(*row, EOS, *[PAD] * (length - n - 1)) for row in ended]
    return torch.tensor(rows)


class TinyLanguage:
    """Every string of a few words, with an arbitrary but fixed law over those that data may hold.

    With ``eos`` the data's sentences all end, so they are the strings with an <eos>; a
    generator can also write the cut ones. A sentence's mode is its first word; the empty one has
    none.
    """

    kind = "text"

    def __init__(self, *, words=3, length=3, eos=False, pool=300, seed=0):
        self.name = f"tiny-{words}-{length}{'-eos' if eos else ''}"
        self.length, self.vocab_size = length, 4 + words
        self.mode_names = list("abcdefgh"[:words])
        self.vocabulary = ["<pad>", "<bos>", "<eos>", "<unk>", *self.mode_names]
        self.support = torch.arange(self.vocab_size) >= 4
        self.support[EOS] = eos
        self.playable = strings(words, length, eos)
        possible = (self.playable == EOS).any(1) if eos else torch.ones(len(self.playable)).bool()
        self.sentences = self.playable[possible]
        scores = torch.randn(len(self.sentences), generator=seeded(seed), dtype=torch.float64)
        self.log_p = scores.log_softmax(0)
        self.law = self
        self.entropy = -(self.log_p.exp() * self.log_p).sum().item()
        draws = seeded(seed + 1)
        self.train, self.validation, self.test = (self.sample(n, draws) for n in (pool, 100, 100))
        content = [self.name, self.sentences.tolist(), self.log_p.tolist(), pool, seed]
        self.fingerprint = hashlib.sha256(repr(content).encode()).hexdigest()

    def sample(self, n, generator):
        """Draw ids [n, length]."""
        rows = torch.multinomial(self.log_p.exp(), n, replacement=True, generator=generator)
        return self.sentences[rows]

    def log_prob(self, ids):
        """Return exact log p, float64 [n], -inf for what is no sentence."""
        same = (ids[:, None] == self.sentences.to(ids.device)).all(2)
        return torch.where(same, self.log_p.to(ids.device), -torch.inf).amax(1)

    def modes(self, ids):
        """Return the index of the first word, or that of "none"."""
        return torch.where(ids[:, 0] >= 4, ids[:, 0] - 4, len(self.mode_names))

    def decode(self, ids):
        """Return words joined by blanks, up to <eos>."""
        if ids.dim() == 2:
            return [self.decode(row) for row in ids]
        kept = itertools.takewhile(lambda i: i != EOS, ids.tolist())
        return " ".join(self.vocabulary[i] for i in kept)


class TwoClouds:
    """Points around (-1, 0) and (1, 0), standard deviation 0.1; the law itself is not given."""

    name, kind, dim, law, fingerprint = "two-clouds", "points", 2, None, "two-clouds"

    def __init__(self, pool=300):
        noise = 0.1 * torch.randn(pool + 200, 2, generator=seeded(5))
        noise[:, 0] += torch.tensor([-1.0, 1.0]).repeat(pool // 2 + 100)
        self.train, self.validation, self.test = noise.split([pool, 100, 100])


class Frames(TwoClouds):
    """Points with a ``shape`` too, for the players that need one."""

    name, dim, shape = "frames", 12, (4, 3)

    def __init__(self):
        super().__init__()
        self.train, self.validation, self.test = (
            rows.repeat(1, 6) for rows in (self.train, self.validation, self.test)
        )
