"""The LSTM oracle: a random recurrent language model that is the truth by definition.

Yu et al. 2017 (SeqGAN) score text generators under such a model. Its sentences have no structure a
reader could see and no end: all have exactly ``length`` tokens.
"""

import hashlib
import math
import os
import zipfile
import zlib
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

from .law import SPECIALS, DrawnData, whole
from .sources import CORPORA

# Arrays of a weights file with their shapes: V tokens, E embedding, H hidden.
ARRAYS = {
    "emb": "VE",
    **{f"{kind}{gate}": shape for gate in ("i", "f", "og", "c")
       for kind, shape in (("W", "EH"), ("U", "HH"), ("b", "H"))},
    "Wo": "HV",
    "bo": "V",
}  # fmt: skip
START = 0  # the oracle token that is read before the first one; an ordinary token as well


class LSTMOracle(DrawnData):
    """An LSTM with weights drawn from N(0, 1), or the published ones (`from_npz`).

    Shapes   ids [n, length] int64; oracle token k has id k + 4, after the special tokens
    Formula  i, f, o = sigmoid(x W + h U + b), g = tanh(x Wc + h Uc + bc), c <- f c + i g,
             h <- o tanh(c), p(next) = softmax(h Wo + bo), all in float64
    Paper    Yu et al. 2017, section 5.1: hidden 32, vocabulary 5,000, length 20

    ``seed`` makes both the weights and the ``pool`` training sentences.
    """

    kind = "text"
    entropy = None  # no closed form; estimate it by the mean of -log_prob over samples

    def __init__(
        self, vocab_size: int = 5000, hidden: int = 32, length: int = 20, seed: int = 0,
        pool: int = 30_000,
    ):  # fmt: skip
        whole("oracle: vocab_size", vocab_size)
        size = {"V": vocab_size, "E": hidden, "H": whole("oracle: hidden", hidden)}
        generator = torch.Generator().manual_seed(whole("oracle: seed", seed, 0))
        weights = {
            name: torch.randn([size[s] for s in shape], generator=generator, dtype=torch.float64)
            for name, shape in ARRAYS.items()
        }
        self._build("oracle", weights, length, seed, pool)

    @classmethod
    def from_npz(
        cls, path: str | os.PathLike, *, length: int = 20, seed: int = 0, pool: int = 30_000
    ) -> "LSTMOracle":
        """Return the oracle whose weights are in an ``.npz`` file; ``seed`` is the pool's alone.

        The arrays are emb [V, E]; W [E, H], U [H, H], b [H] for each of the gates i, f, og
        (output), c; Wo [H, V], bo [V].

        Raises:
            ValueError: no such archive, an array that is missing, misshapen or not finite.
            FileNotFoundError: no such file.
        """
        path = Path(path).expanduser()
        try:
            # a file of our own is closed even when what it holds is no archive
            with path.open("rb") as file:
                archive = np.load(file, allow_pickle=False)
                if not isinstance(archive, np.lib.npyio.NpzFile):
                    raise ValueError("a single array, not an .npz archive")
                if missing := [name for name in ARRAYS if name not in archive]:
                    raise ValueError(
                        f"lacks {', '.join(missing)}; it has {', '.join(archive) or 'nothing'}"
                    )
                arrays = {name: archive[name] for name in ARRAYS}
            weights = _checked(arrays)
        except (ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise ValueError(f"{path}: no oracle weights: {error}") from error
        oracle = cls.__new__(cls)
        oracle._build(path.stem, weights, length, seed, pool)
        return oracle

    def _build(self, name, weights: dict[str, torch.Tensor], length: int, seed: int, pool: int):
        self.name, self.length = name, whole(f"{name}: length", length)
        self._set_draws(seed, pool)
        self.mode_names, self.mode_probs = [], []  # nothing here is a mode
        self._weights = weights
        self._tokens = len(weights["emb"])
        self.vocabulary = [*SPECIALS, *map(str, range(self._tokens))]
        self.vocab_size = len(self.vocabulary)
        self.support = torch.arange(self.vocab_size) >= len(SPECIALS)
        self._cells: dict[torch.device, _Cell] = {}

    def log_prob(self, ids: torch.Tensor) -> torch.Tensor:
        """Return the exact log-probability: [n, length] -> [n] float64, nats per sentence.

        A special token anywhere makes it -inf: sentences neither end nor hold unknown words.

        Raises:
            ValueError: another shape or no whole numbers.
        """
        if ids.dim() != 2 or ids.shape[1] != self.length or ids.is_floating_point():
            raise ValueError(
                f"{self.name}: expected token ids [n, {self.length}], got {ids.dtype} "
                f"{list(ids.shape)}"
            )
        cell = self._on(ids.device)
        tokens = ids - len(SPECIALS)
        legal = (tokens >= 0) & (tokens < self._tokens)
        tokens = torch.where(legal, tokens, START)  # any token: the sentence is at -inf already
        total = torch.zeros(len(ids), dtype=torch.float64, device=ids.device)
        for rows in torch.arange(len(ids), device=ids.device).split(cell.chunk):
            state, word = cell.begin(len(rows)), cell.start(len(rows))
            for t in range(self.length):
                state = cell.step(word, state)
                word = tokens[rows, t]
                logits = torch.addmm(cell.bo, state[0], cell.Wo)
                total[rows] += logits.gather(1, word[:, None]).squeeze(1) - logits.logsumexp(1)
        return torch.where(legal.all(1), total, -torch.inf)

    def next_log_prob(self, ids: torch.Tensor) -> torch.Tensor:
        """Return ln p(next token | the tokens before): [n, length] -> [n, length, V] float64.

        Special tokens are at -inf; as part of a prefix they are read like the first oracle token.
        """
        cell, (n, length) = self._on(ids.device), ids.shape
        tokens = (ids - len(SPECIALS)).clamp(min=START)
        state, word = cell.begin(n), cell.start(n)
        shape = (n, length, self.vocab_size)
        log_p = torch.full(shape, -torch.inf, dtype=torch.float64, device=ids.device)
        for t in range(length):
            state = cell.step(word, state)
            logits = torch.addmm(cell.bo, state[0], cell.Wo)
            log_p[:, t, len(SPECIALS) :] = logits.log_softmax(1)
            word = tokens[:, t]
        return log_p

    def nll_per_token(self, ids: torch.Tensor) -> float:
        """Return the mean of -log_prob / length over sentences [n, length], in nats per token.

        With samples of a generator this is the oracle NLL of the SeqGAN literature.
        """
        if len(ids) == 0:
            raise ValueError(f"{self.name}: no sentences to score")
        return float(-self.log_prob(ids).mean() / self.length)

    def sample(self, n: int, generator: torch.Generator) -> torch.Tensor:
        """Draw ``n`` sentences on the generator's device: ids [n, length] int64.

        Two-level inverse CDF in float64: one uniform picks a block of tokens, one a token in it,
        so no cumulated sum runs over the whole vocabulary.
        """
        cell = self._on(generator.device)
        ids = torch.empty((n, self.length), dtype=torch.int64, device=generator.device)
        for rows in torch.arange(n, device=generator.device).split(cell.chunk):
            state, word = cell.begin(len(rows)), cell.start(len(rows))
            for t in range(self.length):
                state = cell.step(word, state)
                word = cell.draw(state[0], generator)
                ids[rows, t] = word + len(SPECIALS)
        return ids

    def modes(self, ids: torch.Tensor) -> torch.Tensor:
        """Return zeros [n]: index ``len(mode_names)`` = 0 means none, and there are no modes."""
        return torch.zeros(len(ids), dtype=torch.int64, device=ids.device)

    def decode(self, ids: torch.Tensor) -> list[str] | str:
        """Return the oracle's token numbers, joined by spaces: ids [n, T] -> list, [T] -> one."""
        if ids.dim() == 2:
            return [self.decode(row) for row in ids]
        return " ".join(self.vocabulary[i] for i in ids.tolist())

    @cached_property
    def fingerprint(self) -> str:
        """The sha256 of weights, length, seed and pool."""
        digest = hashlib.sha256(repr((self.length, self.seed, self.pool)).encode())
        for name in ARRAYS:
            digest.update(self._weights[name].numpy().tobytes())
        return digest.hexdigest()

    def _on(self, device: torch.device) -> "_Cell":
        if device not in self._cells:
            self._cells[device] = _Cell({n: w.to(device) for n, w in self._weights.items()})
        return self._cells[device]

    def __repr__(self) -> str:
        embedding, hidden = self._weights["Wi"].shape
        return (
            f"LSTMOracle {self.name!r}: {self._tokens:,} tokens, embedding {embedding}, hidden "
            f"{hidden}, sentences of {self.length}, seed {self.seed}, pool {self.pool:,}"
        )


class _Cell:
    """The recurrence on one device, its input side tabulated once: [V, 4 H]."""

    def __init__(self, w: dict[str, torch.Tensor]):
        gates = ("i", "f", "og", "c")
        self.table = w["emb"] @ torch.cat([w[f"W{g}"] for g in gates], 1)
        self.table += torch.cat([w[f"b{g}"] for g in gates])
        self.U = torch.cat([w[f"U{g}"] for g in gates], 1)
        self.Wo, self.bo = w["Wo"].contiguous(), w["bo"]
        # the block size that makes both levels equally long; what pads the last has probability 0
        tokens = len(self.bo)
        self.block = math.isqrt(tokens - 1) + 1
        pad = -tokens % self.block
        self.padded_Wo = torch.nn.functional.pad(self.Wo, (0, pad))
        self.padded_bo = torch.nn.functional.pad(self.bo, (0, pad), value=-torch.inf)
        self.chunk = 256 if self.bo.device.type == "cpu" else 8192  # rows whose logits fit a cache

    def begin(self, n: int) -> tuple[torch.Tensor, torch.Tensor]:
        zeros = self.U.new_zeros((n, len(self.U)))
        return zeros, zeros

    def start(self, n: int) -> torch.Tensor:
        return torch.full((n,), START, device=self.U.device)

    def step(self, word: torch.Tensor, state: tuple) -> tuple[torch.Tensor, torch.Tensor]:
        hidden, memory = state
        i, f, o, g = torch.addmm(self.table[word], hidden, self.U).chunk(4, dim=1)
        memory = f.sigmoid() * memory + i.sigmoid() * g.tanh()
        return o.sigmoid() * memory.tanh(), memory

    def draw(self, hidden: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        w = torch.addmm(self.padded_bo, hidden, self.padded_Wo)
        w.sub_(w.amax(1, keepdim=True)).exp_()
        w = w.unflatten(1, (-1, self.block))
        u = torch.rand(2, len(w), 1, dtype=w.dtype, generator=generator, device=w.device)
        block = _invert(w.sum(2).cumsum(1), u[0])
        within = w[torch.arange(len(w), device=w.device), block].cumsum(1)
        return block * self.block + _invert(within, u[1])


def _invert(cumulated: torch.Tensor, u: torch.Tensor) -> torch.Tensor:
    """Return the entry each uniform falls on; ``right`` never picks one of probability zero."""
    total = cumulated[:, -1:]
    # the product may round up to the total itself, whose entry is the first one that reaches it
    u = torch.minimum(u * total, torch.nextafter(total, torch.zeros_like(total)))
    return torch.searchsorted(cumulated, u, right=True).squeeze(1)


def _checked(arrays: dict[str, np.ndarray]) -> dict[str, torch.Tensor]:
    if arrays["emb"].ndim != 2 or arrays["Wi"].ndim != 2:
        raise ValueError("emb and Wi must be matrices")
    size = dict(zip("VEH", (*arrays["emb"].shape, arrays["Wi"].shape[1]), strict=True))
    for name, shape in ARRAYS.items():
        expected = tuple(size[s] for s in shape)
        if arrays[name].shape != expected:
            raise ValueError(f"{name} has shape {arrays[name].shape}, expected {expected}")
        if arrays[name].dtype.kind != "f" or not np.isfinite(arrays[name]).all():
            raise ValueError(f"{name} ({arrays[name].dtype}) must hold finite real numbers")
    return {name: torch.from_numpy(a.astype(np.float64)) for name, a in arrays.items()}


@CORPORA.register("oracle")
def oracle(
    *, vocab_size: int = 5000, hidden: int = 32, length: int = 20, seed: int = 0,
    pool: int = 30_000, path: str | os.PathLike | None = None,
) -> LSTMOracle:  # fmt: skip
    """Sentences of a random LSTM, the true language; ``path`` takes its weights from a file."""
    if path is None:
        return LSTMOracle(vocab_size, hidden, length, seed, pool)
    found = LSTMOracle.from_npz(path, length=length, seed=seed, pool=pool)
    sizes = {"vocab_size": found._tokens, "hidden": found._weights["Wi"].shape[1]}
    for name, given in (("vocab_size", vocab_size), ("hidden", hidden)):
        if sizes[name] != given:
            raise ValueError(f"{path}: its {name} is {sizes[name]}, the option says {given}")
    return found
