"""The game: both players, and one update of each. Loop, record and state are the trainer's."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from ..data.law import counted
from ..models import Rollout
from ..objectives.losses import mean
from ..objectives.remedies import Move, Play
from .live import OPTIMISERS
from .parts import Parts
from .player import Player
from .spec import Spec, chosen

Values = dict[str, Tensor]  # what an update leaves to be recorded: 0-dim tensors on the device


class Game:
    """Generator against discriminator, as one run plays it.

    ``slots`` are the knobs on the device, ``turned`` their values on the host, which steer what is
    not a tensor; ``streams`` the sources of chance; ``ok`` turns false on the device when a loss or
    gradient was not finite, and then nothing moves.
    """

    def __init__(
        self,
        spec: Spec,
        parts: Parts,
        slots: Mapping[str, Tensor],
        streams: Mapping[str, torch.Generator],
    ):
        self.spec, self.parts, self.slots, self.streams = spec, parts, slots, streams
        self.data, self.device = parts.data, parts.device
        self.generator, self.discriminator = parts.generator, parts.discriminator
        self.loss, self.estimator, self.remedies = parts.loss, parts.estimator, parts.remedies
        self.turned: Mapping[str, float] = parts.knobs.read().values
        self.g = Player(self.generator, spec.g_clip)
        self.d = Player(self.discriminator, spec.d_clip)
        self.optimisers = self._make_optimisers()
        self.ok = torch.ones((), dtype=torch.bool, device=self.device)
        self.real = self.data.train.to(self.device)
        self.given: int = getattr(self.data, "given", 0)
        self.vocab_size = getattr(self.data, "vocab_size", None)
        self.positions = 0  # token positions read or written since the trainer last asked
        self._read: list[tuple[Tensor, Tensor]] = []  # by a D that remembers, in its newest update
        self._batch_positions = spec.batch_size * getattr(self.data, "length", 1)
        for dropout in parts.dropouts:
            dropout.p, dropout.generator = slots["d_dropout"], streams["d_dropout"]

    def _make_optimisers(self) -> dict:
        made = {}
        for side, player, choice in (
            ("g", self.g, self.spec.g_optimiser), ("d", self.d, self.spec.d_optimiser),
        ):  # fmt: skip
            name, options = chosen(choice)
            own = {n[2:]: slot for n, slot in self.slots.items() if n.startswith(f"{side}_")}
            made[side] = OPTIMISERS.make(
                name, options, params=player.pieces(player.flat), slots=own
            )
        if (
            "mle_lr" in self.slots
        ):  # its own moments; Adam's published betas, which play does not use
            fixed = {
                name: self.slots["mle_lr"].new_full((), value)
                for name, value in (("beta1", 0.9), ("beta2", 0.999))
            }
            made["mle"] = OPTIMISERS["adam"](
                self.g.pieces(self.g.flat), {"lr": self.slots["mle_lr"], **fixed}
            )
        return made

    # ---- one update of a player ----------------------------------------------------------------

    def play(self) -> Values:
        """Take one step of play: D's updates, then G's, each G's followed by its lessons."""
        values = {}
        for _ in range(self.turned["d_steps"]):
            values.update(self.d_update())
        for _ in range(self.turned["g_steps"]):
            values.update(self.g_update())
            for _ in range(self.spec.teacher_steps):
                values.update(self._lesson())
        return values

    def _lesson(self) -> Values:
        """Move G up the likelihood between its moves; what it says of its own gradient stays."""
        direction = self.g.direction.clone()
        values = self.mle_update()
        self.g.direction.copy_(direction)
        return {"mle_loss": values["mle_loss"], "mle_grad_norm": values["g_grad_norm"]}

    def mle_update(self) -> Values:
        """Move G up the likelihood of a batch of real rows."""
        values = self._update("mle", self.g, self._mle_objective)
        norm, cosine = values.pop("mle_grad_norm"), values.pop("mle_grad_cosine")
        return {**values, "g_grad_norm": norm, "g_grad_cosine": cosine}

    def d_update(self) -> Values:
        """Move D towards telling a batch of real rows from one that G plays."""
        self._read.clear()
        values = self._update("d", self.d, self._d_objective)
        for real, fake in self._read:  # its memory learns with the weights just moved
            self.drop_out(False)
            self.discriminator.remember(real, fake, self.ok)
        for remedy, strength in self._active():
            remedy.on_weights(self.d.flat, strength)
        return values

    def g_update(self) -> Values:
        """Move G towards what D takes for real."""
        self.estimator.begin(self.generator)
        return self._update("g", self.g, self._g_objective)

    def _update(
        self, side: str, player: Player, objective: Callable[[], tuple[Tensor, Values]]
    ) -> Values:
        """Move a player down the mean gradient of as many batches as the spec accumulates."""
        gradient, rounds = None, []
        for _ in range(self.spec.accumulate):
            loss, values = objective()
            part = player.gradient(loss)
            gradient = part if gradient is None else gradient.add_(part)
            rounds.append({f"{side}_loss": loss.detach(), **values})
        values = rounds[0]
        if len(rounds) > 1:
            gradient.div_(len(rounds))
            values = {n: torch.stack([r[n].detach() for r in rounds]).mean(0) for n in values}
        norm, cosine = player.descend(
            gradient, values[f"{side}_loss"], self.optimisers[side], self.ok
        )
        return {**values, f"{side}_grad_norm": norm, f"{side}_grad_cosine": cosine}

    def _mle_objective(self) -> tuple[Tensor, Values]:
        rows = self.draw()
        return self.generator.nll_loss(self.real[rows], self.streams["g_noise"], rows), {}

    def _d_objective(self) -> tuple[Tensor, Values]:
        real = self.batch()
        with torch.no_grad():
            rollout = self.rollout(self.estimator.fakes, lambda: real)
        real_mask = None if rollout.ids is None else counted(real, self.given)
        noise = self.streams["d_noise"]
        real_mask = self.estimator.judged(real_mask, noise, self.given)
        rollout.mask = self.estimator.judged(rollout.mask, noise, self.given)
        self.drop_out(self.turned.get("d_dropout", 0) > 0)
        play = self.judged(self.on_input(real), self.on_input(rollout.x), real_mask, rollout.mask)
        play.rollout = rollout
        parts = {
            "adversarial": self.loss.d(
                play.real_logits, play.fake_logits, play.real_mask, play.fake_mask
            )
        }
        if hasattr(self.discriminator, "remember"):
            self._read.append((play.real, play.fake))
        loss = self._total(parts, lambda remedy: remedy.d_term(play))
        s_real, s_fake = play.real_logits.detach(), play.fake_logits.detach()
        at_real, at_fake = mean(s_real, play.real_mask), mean(s_fake, play.fake_mask)
        threshold = (at_real + at_fake) / 2 if self.threshold is None else self.threshold
        right_real = mean((s_real > threshold).float(), play.real_mask)
        right_fake = mean((s_fake < threshold).float(), play.fake_mask)
        return loss, {
            **{f"d_loss.{name}": part for name, part in parts.items()},
            "d_accuracy": (right_real + right_fake) / 2,
            "d_accuracy_real": right_real,
            "d_accuracy_fake": right_fake,
            "d_logit_real": at_real,
            "d_logit_fake": at_fake,
        }

    def _g_objective(self) -> tuple[Tensor, Values]:
        self.drop_out(False)  # D's dropout regularises D; as a judge it speaks clearly
        rollout, loss = self.rollout(self.estimator.play, self.batch), self.loss
        if loss.needs_real:
            with torch.no_grad():
                loss = loss.against(self.judge(self.batch()))
        parts = {"adversarial": self.estimator.loss(rollout, self.judge, loss)}
        move = Move(
            self.generator, self.discriminator, rollout, self.batch, self.streams["remedies"]
        )
        total = self._total(parts, lambda remedy: remedy.g_term(move))
        values = {f"g_loss.{name}": part for name, part in parts.items()}
        return total, {**values, **self.estimator.measured}

    # ---- what updates are made of --------------------------------------------------------------

    def draw(self) -> Tensor:
        """Draw which training rows a batch holds."""
        self.positions += self._batch_positions
        size, noise = (self.spec.batch_size,), self.streams["data"]
        return torch.randint(len(self.real), size, generator=noise, device=self.device)

    def batch(self) -> Tensor:
        """Draw a batch of real rows."""
        return self.real[self.draw()]

    def rollout(self, play: Callable[..., Rollout], real: Callable[[], Tensor]) -> Rollout:
        """Let G play a batch, by one of the estimator's ways of playing."""
        self.positions += self._batch_positions
        size, noise = self.spec.batch_size, self.streams["g_noise"]
        return play(self.generator, size, noise, self.slots, real)

    def _active(self) -> Iterator[tuple[Any, Tensor]]:
        """Yield the remedies whose strength is not 0, each with its strength on the device."""
        for remedy in self.remedies:
            if self.turned[remedy.knob.name] != 0:
                yield remedy, self.slots[remedy.knob.name]

    def _total(self, parts: Values, term: Callable[[Any], Tensor | None]) -> Tensor:
        """Add the active remedies' terms to ``parts``; return the sum: what is optimised."""
        for remedy, strength in self._active():
            value = term(remedy)
            if value is not None:
                parts[remedy.name] = strength * value
        return sum(parts.values()).float()

    def on_input(self, x: Tensor, noise: torch.Generator | None = None) -> Tensor:
        """Return what D reads instead of x, which remedies may change."""
        for remedy, strength in self._active():
            source = noise or self.streams["d_noise"]
            x = remedy.on_input(x, self.vocab_size, strength, source)
        return x

    def judge(self, x: Tensor) -> Tensor:
        """Return D's logits on what G played, or on as many sentences as it takes to find out.

        Noise makes simplex points of ids, vocab times as large: then a batch is read at a time.
        """
        if self.turned.get("d_noise", 0) == 0 or len(x) <= self.spec.batch_size:
            return self.discriminator(self.on_input(x))
        parts = x.split(self.spec.batch_size)
        return torch.cat([self.discriminator(self.on_input(part)) for part in parts])

    def judged(
        self, real: Tensor, fake: Tensor, real_mask: Tensor | None, fake_mask: Tensor | None
    ) -> Play:
        """Let D read both sides of a batch."""
        if real.dtype == fake.dtype:  # one pass for both: rows do not see each other
            logits = self.discriminator(torch.cat([real, fake])).split([len(real), len(fake)])
        else:
            logits = self.discriminator(real), self.discriminator(fake)
        noise = self.streams["remedies"]
        return Play(
            self.discriminator, real, fake, *logits, real_mask, self.vocab_size, noise, fake_mask,
            self.given,
        )  # fmt: skip

    def drop_out(self, active: bool) -> None:
        """Turn D's dropout on or off."""
        for dropout in self.parts.dropouts:
            dropout.active = active

    @property
    def threshold(self) -> float | None:
        """D's logit above which it says "real"; None for a critic, whose scale has no zero."""
        return 0.0 if self.loss.centred else None
