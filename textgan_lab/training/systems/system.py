"""A system: a named text GAN of the literature as a composition of catalogue parts, or a rival."""

from dataclasses import dataclass, field
from typing import Any

from ...catalogue import Catalogue
from ...knobs import Schedule
from ..spec import Choice, Spec
from ..trainer import Trainer

SYSTEMS = Catalogue("system")

WARM_UP = 250  # likelihood updates before play, for all that start from a language model
UPDATES = 300  # updates of G in play at the class-room budget, the same for all


@dataclass(frozen=True)
class System:
    """A run of ``spec`` under ``schedule``, at class-room sizes.

    ``steps`` is the most that it takes: D's head start may end early, what follows may not.
    ``article`` is where it comes from, ``idea`` what it was for, ``cost`` what it pays or where it
    falls short; ``exact`` is its exactness test, ``file::function`` under tests: it holds the
    gradient, or the step that makes the system what it is, against exact values. ``published``
    names the settings of its article that differ from these.
    """

    name: str
    title: str
    article: str
    idea: str
    cost: str
    exact: str
    spec: Spec
    steps: int
    schedule: Schedule = field(default_factory=Schedule)
    published: str = ""

    @property
    def rival(self) -> bool:
        """Whether it has no adversary: all its steps are likelihood."""
        return self.steps == self.spec.mle_steps

    def trainer(self, *, data: Any = None) -> Trainer:
        """Return its trainer before the first step; ``data`` replaces loading the spec's."""
        return Trainer(self.spec, self.schedule, data=data)

    def run(self, *, data: Any = None) -> Trainer:
        """Train it, and return the trainer: what comes before play, then `UPDATES` of play.

        A rival learns by likelihood for all of its steps. A run whose numbers are not finite any
        more ends there, see `Trainer.diverged`.
        """
        trainer = self.trainer(data=data).warm_up()
        return trainer if self.rival or trainer.diverged else trainer.run(UPDATES)


def spec(data: Choice, seed: int, device: str, **parts: Any) -> Spec:
    """Return a spec at class-room sizes: batches of 32, a warm-up of `WARM_UP`, unless told."""
    return Spec(**{
        "data": data, "seed": seed, "device": device, "batch_size": 32, "mle_steps": WARM_UP,
        **parts,
    })  # fmt: skip
