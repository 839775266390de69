"""Writing token by token: what every generator with q(x) = prod_t q(x_t | x_<t) has in common."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..data.law import BOS, EOS, PAD
from .linear_nll import LARGE, linear_nll, token_law
from .sampling import IMPOSSIBLE, NextToken, Rollout, gumbel

State = tuple[Tensor, ...]  # what has been read so far; every tensor [batch, ...]


class Autoregressive(nn.Module):
    """The contract. A subclass says what it remembers and how it goes on; all else follows.

    ``embed``            nn.Embedding [vocab, E]; ``head``: nn.Linear, features -> logits
    ``start(n, given)``  the state before the first token that is not given as a source
    ``step(x, state)``   one token further: input [n, I] and state -> features [n, F], state
    ``feed(e)``          embeddings [n, E] -> inputs of ``step`` [n, I]; here they are the same
    ``logits(ids)``      all positions at once, teacher-forced; here a loop of steps, or the head on
    ``features(ids)``    what it reads at all positions, where ``one_pass`` says that there is one

    Tokens outside the data's ``support`` (always <pad> and <bos>) have probability 0. After <eos>
    only <pad> follows, with probability 1. The first ``given`` positions of a sentence are not
    written but given (a prompt; 0 for plain text), and count nowhere.

    ``data`` follows the data contract; sizes are numbers of units.
    """

    kind = "text"
    likelihood = True  # q(x) can be told
    one_pass = False  # `features` are defined; a large vocabulary then costs less memory and time
    head: nn.Linear
    embed: nn.Embedding

    def __init__(self, data):
        super().__init__()
        self.length, self.vocab_size = data.length, data.vocab_size
        self.given: int = getattr(data, "given", 0)
        never = torch.zeros(data.vocab_size).masked_fill_(~data.support, IMPOSSIBLE)
        self.register_buffer("never", never, persistent=False)

    def start(self, n: int, given: Tensor | None) -> State:
        """Return the state of ``n`` sentences of which nothing was read."""
        raise NotImplementedError

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Read one more token of each sentence."""
        raise NotImplementedError

    def feed(self, embedded: Tensor) -> Tensor:
        """Return the inputs of `step` for embedded tokens."""
        return embedded

    def features(self, ids: Tensor) -> Tensor:
        """Return what ``head`` reads at all positions, [batch, time, F], teacher-forced."""
        raise NotImplementedError

    @property
    def source(self) -> int:
        """How many leading positions `start` has read, when it returns."""
        return 0

    def logits(self, ids: Tensor) -> Tensor:
        """Return next-token logits [batch, time, vocab] for ids [batch, time], teacher-forced."""
        if self.one_pass:
            return self.head(self.features(ids)) + self.never
        state = self.start(len(ids), ids[:, : self.given] if self.given else None)
        read = self._reader(ids.numel())
        rows = [self.never.expand(len(ids), -1)] * self.source  # given, so they count nowhere
        token = torch.full_like(ids[:, 0], BOS)
        for following in ids.unbind(1)[self.source :]:
            features, state = self.step(read(token), state)
            rows.append(self.head(features) + self.never)
            token = following
        return torch.stack(rows, 1)

    def score(self, ids: Tensor, given: int | None = None) -> Rollout:
        """Return given sentences as a rollout, whose ``log_q`` is exact and differentiable.

        ``given`` leading tokens do not count: the data's own number of them unless told.
        """
        given = self.given if given is None else given
        rollout = Rollout(ids, ids, lambda: self.logits(ids).log_softmax(2), given)
        if self._large:
            mask = rollout.mask
            rollout.law = lambda: token_law(*self._law(ids), ids, mask)
        return rollout

    def log_prob(self, ids: Tensor) -> Tensor:
        """Return exact log q of whole sentences, [batch], nats, float64 sums.

        Of what is not given, under what is.
        """
        return self.score(ids).log_q.double().sum(1)

    def nll_loss(self, ids: Tensor, noise: torch.Generator, rows: Tensor) -> Tensor:
        """Return what maximum likelihood minimises on real sentences: -ln q, nats a token.

        ``noise`` and ``rows``, their places in the training set, are for generators that learn
        through a latent code.
        """
        rollout = self.score(ids)
        if self._large:
            counted = rollout.mask.to(self.head.weight.dtype)
            return linear_nll(*self._law(ids), ids, counted / counted.sum())
        return -(rollout.log_q.sum() / rollout.mask.sum())

    @property
    def _large(self) -> bool:
        """Whether likelihoods are best had without all logits at once."""
        return self.one_pass and self.vocab_size > LARGE

    def _law(self, ids: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return features, weight and bias of the next-token law, for `linear_nll`."""
        return self.features(ids), self.head.weight, self.head.bias + self.never

    def _reader(self, tokens: int) -> Callable[[Tensor], Tensor]:
        """Return what makes inputs of `step` of ids [n]: by table where ``tokens`` repay that."""
        if tokens < self.vocab_size:
            return lambda ids: self.feed(self.embed(ids))
        table = self.feed(self.embed.weight)
        return lambda ids: F.embedding(ids, table)

    def _begin(
        self, n: int, given: Tensor | None, read: Callable[[Tensor], Tensor]
    ) -> tuple[State, Tensor]:
        """Return the state that the next step starts from, and the token it will read."""
        if self.given and (given is None or given.shape[1] < self.given):
            raise ValueError(
                f"this data gives the first {self.given} tokens of every sentence (a prompt): "
                f"pass given=[n, {self.given}] or more"
            )
        state = self.start(n, given)
        token = torch.full((n,), BOS, device=self.never.device)
        for known in () if given is None else given.unbind(1)[self.source :]:
            state = self.step(read(token), state)[1]
            token = known
        return state, token

    @torch.no_grad()
    def sample(
        self,
        n: int,
        generator: torch.Generator,
        temperature: float = 1.0,
        given: Tensor | None = None,
    ) -> Tensor:
        """Draw ids [n, time]; ``temperature`` divides the logits (0 plays the likeliest token).

        ``given``, ids [n, k], are the first tokens of each sentence.
        Raises ValueError for a temperature below 0, or data that give tokens that are not passed.
        """
        if not temperature >= 0:
            raise ValueError(f"temperature: expected 0 or more, got {temperature!r}")
        return self._write(n, generator, temperature, given)

    @torch.no_grad()
    def _write(
        self,
        n: int,
        generator: torch.Generator,
        temperature: float,
        given: Tensor | None,
        told: list[tuple[Tensor, Tensor]] | None = None,
    ) -> Tensor:
        """Draw ids; ``told`` receives which positions, flat, were drawn from which logits."""
        u = torch.rand(2, self.length, n, generator=generator, device=self.never.device)
        read = self._reader(n * self.length)
        following = NextToken(self.head, self.never, temperature)
        state, token = self._begin(n, given, read)
        ids = [] if given is None else list(given.unbind(1))
        done = _ended(given, self.given, n, self.never.device)
        for t in range(len(ids), self.length):
            features, state = self.step(read(token), state)
            now = None if told is None else []
            token = following.draw(features, u[:, t], ~done, now).masked_fill(done, PAD)
            done = done | (token == EOS)
            ids.append(token)
            if now:
                told.extend((rows * self.length + t, logits) for rows, logits in now)
        return torch.stack(ids, 1)

    def play(self, n: int, generator: torch.Generator, given: Tensor | None = None) -> Rollout:
        """Draw a rollout of hard tokens; its ``log_q`` carries the gradient for score functions.

        The law of a large vocabulary that was drawn from is not worked out again.
        """
        if not (self._large and torch.is_grad_enabled()):
            return self.score(self.sample(n, generator, given=given), _width(given))
        told: list[tuple[Tensor, Tensor]] = []
        ids = self._write(n, generator, 1.0, given, told)
        rollout = self.score(ids, _width(given))
        law = token_law(*self._law(ids), ids, rollout.mask, told)  # later, weights may be others
        rollout.law = lambda: law
        return rollout

    def relax(
        self,
        n: int,
        generator: torch.Generator,
        temperature: Tensor,
        straight_through: bool,
        given: Tensor | None = None,
        feed_tokens: bool = False,
    ) -> Rollout:
        """Draw a rollout of simplex points y = softmax((logits + Gumbel noise) / temperature).

        Straight-through hands on the one-hot argmax of y and lets the gradient of y through. Fed
        back as the next input, so the gradient flows through time; ``feed_tokens`` feeds back the
        argmax alone, through which none flows, and then ``log_p`` is that of its sentence. Once
        the argmax was <eos>, every later point is the one-hot <pad>, without gradient. Jang et al.
        2017, Maddison et al. 2017.
        """
        weight = self.embed.weight
        noise = gumbel((self.length, n, self.vocab_size), generator, weight.dtype)
        pad = torch.zeros(self.vocab_size, device=weight.device, dtype=weight.dtype)
        pad[PAD] = 1
        if given is None:
            (state, _), x, ids = self._begin(n, None, self.embed), weight[BOS].expand(n, -1), []
        else:
            state, token = self._begin(n, given, self._reader(given.numel()))
            x, ids = weight[token], list(given.unbind(1))
        zeros = torch.zeros_like(self.never, dtype=weight.dtype).expand(n, -1)
        points = [zeros.scatter(1, known[:, None], 1.0) for known in ids]
        log_p = [zeros] * len(ids)  # what is given counts nowhere
        done = _ended(given, self.given, n, weight.device)
        for t in range(len(ids), self.length):
            features, state = self.step(self.feed(x), state)
            logits = self.head(features) + self.never
            log_p.append(logits.log_softmax(1))
            y = ((logits + noise[t]) / temperature.to(logits.dtype)).softmax(1)
            token = y.argmax(1)
            if straight_through:
                y = torch.zeros_like(y).scatter_(1, token[:, None], 1.0) + (y - y.detach())
            y = torch.where(done[:, None], pad, y)
            token = token.masked_fill(done, PAD)
            done = done | (token == EOS)
            points.append(y)
            ids.append(token)
            x = weight[token] if feed_tokens else y @ weight
        ids, points = torch.stack(ids, 1), torch.stack(points, 1)
        return Rollout(points, ids, lambda: torch.stack(log_p, 1), _width(given) or 0)

    @torch.no_grad()
    def continue_from(self, rows: Tensor, kept: Tensor, generator: torch.Generator) -> Tensor:
        """Draw sentences that begin with the first ``kept`` tokens of rows, after a prompt.

        Shapes  rows [n, time], kept 0-dim -> ids [n, time]

        ``kept`` stays on the device, so every position takes its step, kept or drawn.
        """
        n = len(rows)
        u = torch.rand(2, self.length, n, generator=generator, device=rows.device)
        read = self._reader(n * self.length)
        following = NextToken(self.head, self.never)
        state, token = self._begin(n, rows[:, : self.given] if self.given else None, read)
        ids = list(rows[:, : self.given].unbind(1))
        done = torch.zeros(n, dtype=torch.bool, device=rows.device)
        for t in range(self.given, self.length):
            features, state = self.step(read(token), state)
            token = following.draw(features, u[:, t], ~done).masked_fill(done, PAD)
            token = torch.where(kept > t - self.given, rows[:, t], token)
            done = done | (token == EOS)
            ids.append(token)
        return torch.stack(ids, 1)

    @torch.no_grad()
    def complete(self, ids: Tensor, n: int, generator: torch.Generator) -> Tensor:
        """Draw ``n`` continuations of every prefix of every sentence: [prefixes, n, batch, time].

        Entry k keeps the tokens up to and including position ``given`` + k and draws the rest;
        the whole sentence, which leaves nothing to draw, is not among them. All prefixes advance
        together: the n continuations of one share its state and its next-token law, and join those
        that are already on their way.
        """
        batch, first = len(ids), self.given + 1
        count = self.length - first
        drawn = ids.expand(count, n, batch, -1).clone()
        read = self._reader(drawn.numel())
        following = NextToken(self.head, self.never)

        def draw(features: Tensor, n: int) -> Tensor:
            u = torch.rand(n, 2, len(features), generator=generator, device=features.device)
            return following.draw(features, u)

        state, token = self._begin(batch, ids[:, : self.given] if self.given else None, read)
        own: State | None = None  # of the continuations on their way: [k * n * batch, ...]
        for t in range(first - 1, self.length):
            # `state` has read what comes before position t of the sentences themselves
            features, state = self.step(read(token), state)
            token = ids[:, t]
            if t < first:
                continue
            k = t - first  # prefixes 0..k-1 are on their way, prefix k joins
            if k:
                on, own = self.step(read(drawn[:k, :, :, t - 1].reshape(-1)), own)
                drawn[:k, :, :, t] = draw(on, 1).view(k, n, batch)
            drawn[k, :, :, t] = draw(features, n)
            joined = tuple(s.expand(n, *s.shape).flatten(0, 1) for s in state)
            own = joined if own is None else tuple(map(torch.cat, zip(own, joined, strict=True)))
        ended = (drawn[..., self.given :] == EOS).cumsum(-1)
        after = ended.roll(1, -1)
        after[..., 0] = 0
        drawn[..., self.given :].masked_fill_(after > 0, PAD)
        return drawn


def _width(given: Tensor | None) -> int | None:
    return None if given is None else given.shape[1]


def _ended(given: Tensor | None, prompt: int, n: int, device: torch.device) -> Tensor:
    """Return which sentences are over before anything was drawn; a prompt ends nothing."""
    if given is None:
        return torch.zeros(n, dtype=torch.bool, device=device)
    return (given[:, prompt:] == EOS).any(1)
