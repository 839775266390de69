"""A player's half of a step, observed: its last update, and the player before and after it."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any, Literal

import torch
from torch import Tensor

from ...objectives.losses import mean
from ..game import Game
from ..probes import opinions
from ..trainer import Trainer
from .phase import Line, Phase, short


class Half:
    """A player's updates of one step, the last of them observed: what it read, what it did."""

    player: Literal["d", "g"]
    observed: tuple[str, ...]  # methods of the game whose results are kept

    def __init__(self, twin: Trainer, updates: int):
        self.twin, self.updates = twin, updates
        self.mover = getattr(twin.game, self.player)
        update = getattr(twin.game, f"{self.player}_update")
        for _ in range(updates - 1):
            update()
        self.noise = twin.streams["g_noise"].get_state()
        self.memory = twin.estimator.state()
        self.before = self.mover.flat.clone()
        self.seen = observed(twin.game, self.observed)
        self.values = {name: value.item() for name, value in update().items()}
        self.after = self.mover.flat.clone()
        twin.game.drop_out(False)
        self._at(self.before)

    def _at(self, weights: Tensor) -> None:
        with torch.no_grad():
            self.mover.flat.copy_(weights)

    def _both(self, look) -> tuple[Any, Any]:
        """Return what ``look`` finds before and after the update."""
        found = look()
        self._at(self.after)
        moved = look()
        self._at(self.before)
        return found, moved

    def phases(self) -> list[Phase]:
        """Return the phases in order; leave the twin with the weights after the update."""
        found = self._phases()
        self._at(self.after)
        return found

    def _phase(self, name: str, title: str, said: str, **more) -> Phase:
        return Phase(self.player, name, title, said, **more)

    @property
    def _text(self) -> bool:
        return self.twin.data.kind == "text"

    def _several(self) -> str:
        who = self.player.upper()
        return f" This is the last of {self.updates} moves of {who} a step." * (self.updates > 1)

    def _words(self, ids: Tensor) -> tuple[str, ...]:
        return tuple(self.twin.data.vocabulary[i] for i in ids.tolist() if i)

    def _judged_line(self, label: str, ids: Tensor) -> tuple[Line, float]:
        """Return a sentence in D's colours, as D reads it clean, and D's probability of real."""
        p, scores = opinions(self.twin.discriminator, ids[None], self.twin.data.vocab_size)
        words = self._words(ids)
        shades = tuple(scores[0].tolist()[: len(words)])
        under = {}
        if self.twin.discriminator.per_token:
            under = {"D so far": tuple(s + 0.5 for s in shades)}
        return Line(label, words, shades, under), p.item()

    def _how_read(self) -> str:
        """Say what stands between D and a clean sentence."""
        values = self.twin._applied.values
        said = []
        if values.get("d_noise"):
            said.append(f"noise of std {short(values['d_noise'])} on what it reads")
        if self.player == "d" and values.get("d_dropout"):
            said.append(f"{values['d_dropout']:.0%} of its features dropped")
        return f", with {' and '.join(said)}" if said else ""

    def _scale(self) -> str:
        if self.twin.loss.binary:
            return "D = 1 / (1 + e^-s) is its probability of real."
        return "The larger s, the more real; it is no probability."

    def _moved(self) -> tuple[str, dict[str, float]]:
        """Say how far the weights went, and why no farther."""
        norm, clip = self.values[f"{self.player}_grad_norm"], self.mover.clip
        step = torch.linalg.vector_norm(self.after - self.before).item()
        size = torch.linalg.vector_norm(self.before).item()
        cut = f", cut to {short(clip)}" if norm > clip else ""
        said = (
            f"The gradient has norm {short(norm)}{cut}; the optimiser makes of it a step of length "
            f"{short(step)}, against weights of length {short(size)}."
        )
        return said, {"grad_norm": norm, "step_norm": step}

    def _alone(self, term: Callable, logits: Tensor, mask: Tensor | None) -> float:
        """Return what the first sample of a batch contributes to a mean of the loss."""
        first = None if mask is None else mask[:1]
        return mean(term(logits[:1].detach()), first).item()

    def _terms(self) -> list[tuple[str, float]]:
        """Return the terms that remedies add to the loss."""
        prefix = f"{self.player}_loss."
        return [
            (name.removeprefix(prefix), value) for name, value in self.values.items()
            if name.startswith(prefix) and name != f"{prefix}adversarial"
        ]  # fmt: skip


def observed(game: Game, names: tuple[str, ...]) -> dict[str, list]:
    """Keep what these methods of the game return from now on."""
    seen: dict[str, list] = {name: [] for name in names}
    for name in names:
        setattr(game, name, _keeping(getattr(game, name), seen[name]))
    return seen


def _keeping(method: Callable, results: list) -> Callable:
    def kept(*args, **kwargs):
        results.append(method(*args, **kwargs))
        return results[-1]

    return kept


def rows(cells: Mapping[str, list]) -> dict[str, tuple]:
    """Return rows of a table as a phase keeps them."""
    return {name: tuple(row) for name, row in cells.items()}


def math_of(term) -> str:
    """Return the formula that a loss's term carries as its documentation."""
    return (inspect.getdoc(term) or term.__name__).rstrip(".")
