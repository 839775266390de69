"""Judging sentences of a text whose law nobody knows: by n-grams, and by two language models.

A number about real text means nothing by itself, so each stands beside its floor: what as many
other real sentences score, which is what a perfect generator would.
"""

import hashlib
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas
import torch
from torch import Tensor

from ..data.law import BOS, EOS, PAD, seed, whole
from ..metrics import bleu, distinct, frechet_distance, nll, self_bleu, unique_ratio
from ..models.generators import LSTMGenerator
from ..progress import Progress
from .quality import tempered_log_prob
from .spec import Spec
from .trainer import Trainer

ORDERS = (2, 3, 4, 5)  # of BLEU and self-BLEU
BLOCK = 250  # sentences drawn or scored at a time: next-token laws take block * time * vocab floats
Samples = Trainer | Tensor | Sequence[str]


def text_quality(
    samples: Samples, corpus: Any = None, *, temperature: float = 1.0, **options
) -> pandas.DataFrame:
    """Return how good and how diverse sentences are beside real ones, one row a measure.

    `TextJudges.quality` by judges made for this one table: to compare several generators, make
    `TextJudges` once. ``corpus`` is a trainer's own data unless told; ``options`` are those of
    `TextJudges`.
    """
    if corpus is None:
        if not isinstance(samples, Trainer):
            raise TypeError("text_quality: sentences alone do not say what they imitate: corpus=?")
        corpus = samples.data
    return TextJudges(corpus, **options).quality(samples, temperature)


class TextJudges:
    """What it takes to judge sentences by the real text of a corpus; learned once, used often.

    For each of ``seeds``: ``n`` references drawn from the test split, ``n`` other real sentences
    from the validation split, which show the floor, and a reader: an LSTM language model that
    learned ``taught`` sentences of the training split by ``steps`` updates of 64 sentences
    (Adam, step size 5e-3). A reader of the same size, seed and steps learns as many of the
    sentences that are judged. Nothing in validation or test has taught a reader.

    Args:
        corpus: text, after the data contract; its law is not asked for.
        n: sentences a side; half of the smaller held-out split unless told, so that seeds differ.
        taught: sentences that teach a reader; the whole training split unless told.
        seeds: each draws other sentences and starts other readers.
        steps, embedding, hidden: how long a reader learns, and its size in units.
        device: where readers learn.

    Raises:
        TypeError: data that are points.
        ValueError: data with prompts, or numbers that the splits do not allow.
    """

    def __init__(
        self,
        corpus: Any,
        *,
        n: int | None = None,
        taught: int | None = None,
        seeds: Sequence[int] = (0, 1, 2),
        steps: int = 400,
        embedding: int = 64,
        hidden: int = 64,
        device: str = "auto",
    ):
        if corpus.kind != "text":
            raise TypeError(f"TextJudges: {corpus.name!r} is no text")
        if getattr(corpus, "given", 0):
            raise ValueError(
                f"TextJudges: {corpus.name!r} gives prompts; only plain sentences can be judged"
            )
        held_out = min(len(corpus.validation), len(corpus.test))
        self.corpus = corpus
        self.n = _within("n", held_out // 2 if n is None else n, 2, held_out, "held-out sentences")
        train = len(corpus.train)
        taught = train if taught is None else taught
        self.taught = _within("taught", taught, 1, train, "training sentences")
        self.seeds = [whole("TextJudges: seeds", s, 0) for s in seeds]
        if not self.seeds:
            raise ValueError("TextJudges: seeds: expected one or more, got none")
        self.steps = whole("TextJudges: steps", steps)
        self._size = {"embedding": embedding, "hidden": hidden}
        self._device = device
        self._benches: dict[int, Bench] = {}

    def quality(self, samples: Samples, temperature: float = 1.0) -> pandas.DataFrame:
        """Return what the judges say, one row a measure; looking leaves no trace in a run.

        Columns: ``value``, the median over seeds, with its range ``low`` to ``high``; ``real``,
        ``real_low``, ``real_high``, the same for as many real sentences: the floor. The floor is
        the aim, not a limit: sentences that score beyond it are too typical, or copied. Rows:

        ``bleu_2`` .. ``bleu_5``    mean over sentences against the references, words only: quality
        ``self_bleu_2`` ..          mean of each sentence against all others; high: little variety
        ``held_out_nll``            E_real[-ln q], nats a token, <eos> included: G on the
                                    references; NaN where q is not known. ``held_out_nll_bound``
                                    instead, E_real[-ELBO], for a G with a latent code. No floor:
                                    nobody knows the entropy of real text
        ``lm_nll``                  nats a token: the reader of real text on the sentences: quality
        ``reverse_lm_nll``          nats a token: the reader of the sentences on the references:
                                    it pays for all that the sentences never say
        ``fed``                     Frechet distance (ddof 1) from the references, as a share of
                                    their total variance, so that readers agree on the scale. The
                                    embedding is the mean over tokens of the hidden state of the
                                    reader of real text, ``hidden`` dimensions
        ``unique_ratio``            share of distinct sentences
        ``distinct_2``              distinct word pairs over all word pairs
        ``copied``                  share of sentences that stand in the training split; 0 for real
                                    ones where equal sentences are kept in one split

        Args:
            samples: a trainer, whose G writes max(n, taught) sentences a seed; or at least so many
                sentences, as ids of the corpus or as text. Their order does not matter.
            temperature: divides the logits of a trainer's G.

        Sources: reverse LM, Zhao et al. 2018; both LMs as a plane, Caccia et al. 2020; FED, de
        Masson d'Autume et al. 2019, with another encoder; self-BLEU, Zhu et al. 2018.
        Raises   ValueError for sentences that are too few or cannot be ids of this corpus, a run
                 on other data, a temperature that is not above 0, or one without a trainer.
        """
        given = self._given(samples, temperature)
        unread = sum(s not in self._benches for s in self.seeds)
        progress = Progress((len(self.seeds) + unread) * self.steps, "judging text")
        done = itertools.count(1)

        def tick():
            progress.update(next(done))

        found = {"value": [], "real": []}
        for s, (ids, extra) in zip(self.seeds, given, strict=True):
            bench = self._bench(s, tick)
            reader = self._reader(ids[: self.taught], s, tick)
            found["value"].append(bench.measure(ids[: self.n], reader) | extra)
            found["real"].append(bench.floor)
        progress.close(next(done) - 1)
        return self._table(found)

    def _table(self, found: dict[str, list[dict[str, float]]]) -> pandas.DataFrame:
        first = found["value"][0]
        order = [name for name in ROWS if name in first]
        columns = {}
        for side, prefix in (("value", ""), ("real", "real_")):
            seeds = pandas.DataFrame(found[side]).reindex(columns=order)
            columns |= {
                side: seeds.median(),
                f"{prefix}low": seeds.min(),
                f"{prefix}high": seeds.max(),
            }
        table = pandas.DataFrame(columns).rename_axis("measure")
        table.attrs = {"n": self.n, "taught": self.taught, "seeds": self.seeds}
        return table

    # ---- what is judged ------------------------------------------------------------------------

    def _given(self, samples: Samples, temperature: float) -> list[tuple[Tensor, dict[str, float]]]:
        """Return for each seed the sentences to judge, and what only their generator can tell."""
        if not temperature > 0:
            raise ValueError(f"temperature: expected a number above 0, got {temperature!r}")
        if isinstance(samples, Trainer):
            return self._written(samples, temperature)
        if temperature != 1:
            raise ValueError(f"temperature: {temperature!r}, but sentences are written already")
        ids = samples if isinstance(samples, Tensor) else self.corpus.encode(list(samples))
        ids, wanted = self._legal(ids.cpu()), max(self.n, self.taught)
        if len(ids) < wanted:
            raise ValueError(
                f"text_quality: {len(ids)} sentences, {wanted} are needed: pass more, or choose "
                f"n (now {self.n}) and taught (now {self.taught}) no larger"
            )
        distinct_rows, counts = ids.unique(dim=0, return_counts=True)
        ids = distinct_rows.repeat_interleave(counts, 0)  # sorted: their order tells nothing
        unknown = {"held_out_nll": float("nan")}
        return [(_drawn(ids, wanted, "samples", s), unknown) for s in self.seeds]

    def _legal(self, ids: Tensor) -> Tensor:
        """Return ids; raise ValueError, naming the first bad one, unless all can be sentences."""
        if ids.dim() != 2 or ids.shape[1] != self.corpus.length or ids.dtype != torch.int64:
            raise ValueError(
                f"text_quality: expected ids [n, {self.corpus.length}] int64 of "
                f"{self.corpus.name!r}, got {list(ids.shape)} {ids.dtype}"
            )
        over = (ids == EOS) | (ids == PAD)
        before = over.cumsum(1) - over.long()
        inside = (ids >= 0) & (ids < self.corpus.vocab_size)
        can = self.corpus.support[ids.where(inside, PAD)] & inside
        bad = ((before > 0) != (ids == PAD)) | ~(can | (ids == PAD))
        if bad.any():
            row, column = bad.nonzero()[0].tolist()
            raise ValueError(
                f"text_quality: sentence {row}, position {column}: id {ids[row, column].item()} "
                f"cannot stand there in {self.corpus.name!r}; expected words, one <eos>, then <pad>"
            )
        return ids

    def _written(
        self, trainer: Trainer, temperature: float
    ) -> list[tuple[Tensor, dict[str, float]]]:
        if trainer.data.fingerprint != self.corpus.fingerprint:
            raise ValueError(
                f"text_quality: the run learned {trainer.data.name!r}, the judges know another "
                f"text or split, {self.corpus.name!r}: its ids would mean other words"
            )
        size, generator, given = max(self.n, self.taught), trainer.generator, []
        with trainer._lock:  # one G for all seeds, though a lab may be training it
            for s in self.seeds:
                noise = torch.Generator(trainer.device)
                noise.manual_seed(seed(trainer.spec.seed, "text quality", trainer.t, s))
                written = [
                    generator.sample(min(BLOCK, size - begin), noise, temperature).cpu()
                    for begin in range(0, size, BLOCK)
                ]
                told = _held_out(generator, self._references(s), temperature, noise)
                given.append((torch.cat(written), told))
        return given

    # ---- who judges ----------------------------------------------------------------------------

    def _references(self, s: int) -> Tensor:
        return _drawn(self.corpus.test, self.n, "references", s)

    def _bench(self, s: int, tick: Callable[[], None]) -> "Bench":
        if s not in self._benches:
            taught = _drawn(self.corpus.train, self.taught, "taught", s)
            self._benches[s] = Bench(
                references=self._references(s),
                others=_drawn(self.corpus.validation, self.n, "others", s),
                reader=self._reader(taught, s, tick),
                seen=self._seen,
            )
        return self._benches[s]

    def _reader(self, ids: Tensor, s: int, tick: Callable[[], None]) -> LSTMGenerator:
        """Return a language model that learned these sentences, in a likelihood phase."""
        spec = Spec(
            data=self.corpus.name, generator={"lstm": self._size}, mle_steps=self.steps,
            probe_every=0, seed=s, device=self._device,
        )  # fmt: skip
        trainer = Trainer(spec, data=Lesson(self.corpus, ids))
        for _ in trainer.steps(self.steps):
            tick()
        return trainer.generator

    @cached_property
    def _seen(self) -> set[tuple[int, ...]]:
        return set(_words(self.corpus.train))


ROWS = (
    *(f"bleu_{n}" for n in ORDERS), *(f"self_bleu_{n}" for n in ORDERS), "held_out_nll",
    "held_out_nll_bound", "lm_nll", "reverse_lm_nll", "fed", "unique_ratio", "distinct_2", "copied",
)  # fmt: skip


@dataclass
class Bench:
    """Everything real that sentences are held against under one seed.

    ``reader`` learned real text; ``seen`` are the training sentences, as words.
    """

    references: Tensor
    others: Tensor
    reader: LSTMGenerator
    seen: set[tuple[int, ...]]

    @cached_property
    def floor(self) -> dict[str, float]:
        """What real sentences score."""
        return self.measure(self.others, self.reader)

    @cached_property
    def _points(self) -> np.ndarray:
        return embeddings(self.reader, self.references)

    def _fed(self, ids: Tensor) -> float:
        spread = self._points.var(0, ddof=1).sum()
        return frechet_distance(embeddings(self.reader, ids), self._points) / spread

    def measure(self, ids: Tensor, reader: LSTMGenerator) -> dict[str, float]:
        """Return all measures of sentences [n, time]; ``reader`` learned such sentences."""
        words = _words(ids)
        against = bleu(words, _words(self.references), max(ORDERS))
        among = self_bleu(words, max(ORDERS))
        return {
            **{f"bleu_{n}": against[n] for n in ORDERS},
            **{f"self_bleu_{n}": among[n] for n in ORDERS},
            "lm_nll": _nll(self.reader.log_prob, self.reader, ids),
            "reverse_lm_nll": _nll(reader.log_prob, reader, self.references),
            "fed": self._fed(ids),
            "unique_ratio": unique_ratio(words),
            "distinct_2": distinct(words, 2),
            "copied": sum(sentence in self.seen for sentence in words) / len(words),
        }


class Lesson:
    """Sentences as data to learn from, in the words of a corpus."""

    kind, law = "text", None

    def __init__(self, corpus: Any, ids: Tensor):
        self.name, self.vocabulary, self.decode = corpus.name, corpus.vocabulary, corpus.decode
        self.vocab_size, self.length = corpus.vocab_size, corpus.length
        self.support = corpus.support
        self.train = ids
        self.validation, self.test = corpus.validation, corpus.test
        told = hashlib.sha256(corpus.fingerprint.encode())
        told.update(ids.numpy().astype("<i8").tobytes())
        self.fingerprint = told.hexdigest()


@torch.no_grad()
def embeddings(reader: LSTMGenerator, ids: Tensor) -> np.ndarray:
    """Return the mean hidden state of a reader over each sentence.

    A token counts with the state that predicts it, so <eos> brings in the whole sentence.

    Shapes  ids [n, time] -> [n, hidden] float64
    """
    points = []
    for block in ids.split(BLOCK):
        block = block.to(reader.never.device)
        before = torch.cat([torch.full_like(block[:, :1], BOS), block[:, :-1]], 1)
        states = reader.lstm(reader.embed(before)).double()
        mask = (block != PAD)[..., None]
        points.append(((states * mask).sum(1) / mask.sum(1)).cpu())
    return torch.cat(points).numpy()


def _held_out(
    generator: Any, ids: Tensor, temperature: float, noise: torch.Generator
) -> dict[str, float]:
    """Return the held-out likelihood of a generator, nats a token, or the bound it can tell."""
    if generator.likelihood:

        def log_q(block):
            return tempered_log_prob(generator, block, temperature)

        return {"held_out_nll": _nll(log_q, generator, ids)}
    if hasattr(generator, "elbo") and temperature == 1:

        def elbo(block):
            return generator.elbo(block, noise)

        return {"held_out_nll_bound": _nll(elbo, generator, ids)}
    return {"held_out_nll": float("nan")}


@torch.no_grad()
def _nll(log_prob: Callable[[Tensor], Tensor], model: torch.nn.Module, ids: Tensor) -> float:
    """Return -ln of the probability that a model gives sentences, nats a token."""
    device = next(model.parameters()).device
    told = torch.cat([log_prob(block.to(device)).cpu() for block in ids.split(BLOCK)])
    return nll(told.numpy(), (ids != PAD).sum(1).numpy())[0]


def _words(ids: Tensor) -> list[tuple[int, ...]]:
    """Return sentences [n, time] as tuples of their words, without <eos> and <pad>."""
    return [tuple(i for i in row if i > EOS) for row in ids.tolist()]


def _drawn(rows: Tensor, n: int, purpose: str, s: int) -> Tensor:
    """Return n rows, none twice."""
    noise = torch.Generator().manual_seed(seed("text quality", purpose, s))
    return rows[torch.randperm(len(rows), generator=noise)[:n]]


def _within(name: str, value: int, least: int, most: int, of: str) -> int:
    if whole(f"TextJudges: {name}", value, least) > most:
        raise ValueError(f"TextJudges: {name} is {value}, there are {most} {of}")
    return value
