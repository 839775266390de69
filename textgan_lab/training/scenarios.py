"""Scenarios: illnesses to load, each with what to look at and its cure, and two healthy runs.

A scenario is a spec and a schedule, nothing more; its cure is another of each with the same seed.
Wherever it can, the cure differs in knobs alone (a remedy at weight 0 is not run, but its knob is
there), so that it is also a turn to make while the ill run goes on. The recipes were chosen by
outcome, judged by exact truth over seeds: the tests hold every one of them to it.
"""

from dataclasses import dataclass, field
from typing import Any

from ..catalogue import Catalogue
from ..knobs import Schedule
from .spec import Spec
from .trainer import Trainer

SCENARIOS = Catalogue("scenario")

FIRST = 400  # steps in which D moves alone, where it has a head start
POINTS = {"generator": "mlp", "discriminator": "mlp", "estimator": "pathwise"}
SOFT = {"gumbel": {"straight_through": False}}  # D reads the relaxed tokens as they are


@dataclass(frozen=True)
class Scenario:
    """A run to load: ``steps`` of ``spec`` under ``schedule`` end as ``code`` says.

    ``code`` is the finding a diagnosis should reach; ``cure`` and ``cure_schedule`` make the run
    that does not get there (None: a healthy run needs none). ``what``, ``look_at`` and
    ``cure_text`` are for a reader: what happens, where it shows, why the cure works.
    """

    name: str
    title: str
    code: str
    what: str
    look_at: str
    spec: Spec
    steps: int
    schedule: Schedule = field(default_factory=Schedule)
    cure: Spec | None = None
    cure_schedule: Schedule = field(default_factory=Schedule)
    cure_text: str = ""

    def trainer(self, *, cured: bool = False, data: Any = None) -> Trainer:
        """Return the trainer of the ill run, or of the cured one, ready for ``steps`` steps.

        Raises:
            ValueError: a cure is asked for where nothing is ill.
        """
        if not cured:
            return Trainer(self.spec, self.schedule, data=data)
        if self.cure is None:
            raise ValueError(f"scenario {self.name!r} is healthy: it has no cure")
        return Trainer(self.cure, self.cure_schedule, data=data)

    @property
    def turns(self) -> dict[str, float]:
        """The knobs to turn to get from the illness to its cure; empty if more must change."""
        if self.cure is None or self.schedule != self.cure_schedule:
            return {}
        if self.cure != self.spec.model_copy(update={"knobs": self.cure.knobs}):
            return {}
        return {n: v for n, v in self.cure.knobs.items() if v != self.spec.knobs.get(n)}


def _with(spec: Spec, knobs: dict[str, float] | None = None, **fields: Any) -> Spec:
    """Return the spec with some knobs and fields replaced, checked as any spec is."""
    return Spec(**{**spec.model_dump(), **fields, "knobs": {**spec.knobs, **(knobs or {})}})


@SCENARIOS.register("healthy")
def healthy(*, seed: int = 0, device: str = "auto") -> Scenario:
    """Likelihood first, then cautious play against a fast discriminator: nothing breaks."""
    spec = Spec(
        data="captions",
        mle_steps=250,
        knobs={"g_lr": 3e-4, "d_lr": 1e-2},
        batch_size=32,
        seed=seed,
        device=device,
    )
    return Scenario(
        name="healthy",
        title="Healthy, after a warm-up",
        code="healthy",
        what="G learns by maximum likelihood first; then D moves thirty times faster than G.",
        look_at="The true JS stays where the warm-up left it, and all eight scenes stay.",
        spec=spec,
        steps=450,
    )


@SCENARIOS.register("from-scratch")
def from_scratch(*, seed: int = 0, device: str = "auto") -> Scenario:
    """Healthy without a warm-up: a reward for every prefix, an entropy bonus, a decaying step."""
    steps, decay = 2400, 1200
    spec = Spec(
        data="captions",
        discriminator="lstm",
        estimator="dense_reinforce",
        remedies={"entropy": {"weight": 0.02}},
        knobs={"g_lr": 5e-3, "d_lr": 5e-3},
        probe_every=50,
        seed=seed,
        device=device,
    )
    return Scenario(
        name="from-scratch",
        title="Healthy, from scratch",
        code="healthy",
        what="No warm-up: the policy gradient alone teaches G the whole language.",
        look_at="The held-out NLL falls first; once sentences become possible, the true JS falls.",
        spec=spec,
        steps=steps,
        schedule=Schedule.following(
            "g_lr", lambda t: 5e-3 * (decay / t) ** 2, range(decay, steps, 10)
        ),
    )


@SCENARIOS.register("vanishing-gradient")
def vanishing_gradient(*, seed: int = 0, device: str = "auto") -> Scenario:
    """Saturating loss against a D with a head start: G's gradient is dead on arrival."""
    spec = Spec(
        data="captions",
        loss="saturating",
        estimator=SOFT,
        g_optimiser="sgd",  # Adam divides by the gradient's size and would make steps of nothing
        knobs={"g_lr": 0.2, "d_lr": 2e-3, "d_noise": 0.0, "g_steps": 0},
        batch_size=32,
        seed=seed,
        device=device,
    )
    head_start = Schedule([(FIRST, "g_steps", 1)])
    return Scenario(
        name="vanishing-gradient",
        title="The gradient that vanished",
        code="vanishing-gradient",
        what="D learns alone first, tells relaxed fakes from one-hot words at once, and the slope "
        "of ln(1 - D) is D itself: nothing is left for G.",
        look_at="G's gradient norm lies orders of magnitude below D's start, its sentences do not "
        "change, and the held-out NLL is a flat line.",
        spec=spec,
        steps=FIRST + 500,
        schedule=head_start,
        cure=_with(spec, {"d_noise": 0.5}),
        cure_schedule=head_start,
        cure_text="Noise on what D reads makes real and fake overlap: D cannot be certain any "
        "more, and what it is unsure of has a slope.",
    )


@SCENARIOS.register("argmax-wall")
def argmax_wall(*, seed: int = 0, device: str = "auto") -> Scenario:
    """Hard tokens without an estimator: D's opinion cannot pass, the gradient is exactly zero."""
    spec = Spec(
        data="captions", estimator="argmax", batch_size=32, seed=seed, device=device,
    )  # fmt: skip
    return Scenario(
        name="argmax-wall",
        title="The argmax wall",
        code="blocked-gradient",
        what="A chosen token is a step function of the logits; its derivative is zero.",
        look_at="G's gradient norm is 0 at every step, and D is right about everything.",
        spec=spec,
        steps=400,
        cure=_with(spec, estimator="gumbel"),
        cure_text="The straight-through Gumbel estimator passes the slope of a soft token back "
        "through the hard one: biased, but not zero.",
    )


@SCENARIOS.register("static-collapse")
def static_collapse(*, seed: int = 0, device: str = "auto") -> Scenario:
    """One word, repeated: a D far ahead drives G there, and there it stays."""
    spec = Spec(
        data="captions",
        estimator=SOFT,
        remedies={"gradient_penalty": {"weight": 0.0}},
        knobs={"g_lr": 2e-3, "d_lr": 2e-2, "temperature": 0.5, "gradient_penalty.weight": 0.0},
        batch_size=32,
        seed=seed,
        device=device,
    )
    return Scenario(
        name="static-collapse",
        title="Mode collapse: one word for ever",
        code="mode-collapse",
        what="The slope of an unbounded D points every sentence at the same word.",
        look_at="The share of unique sentences falls to almost nothing and D's accuracy is 1.",
        spec=spec,
        steps=500,
        cure=_with(spec, {"gradient_penalty.weight": 1.0}),
        cure_text="A gradient penalty bounds D's slope: no single word is worth everything.",
    )


@SCENARIOS.register("rotating-collapse")
def rotating_collapse(*, seed: int = 0, device: str = "auto") -> Scenario:
    """Cat and mouse: a slow D is fooled by one scene at a time, and chased from it to the next."""
    spec = Spec(
        data="captions",
        mle_steps=250,
        knobs={"g_lr": 3e-3, "d_lr": 1e-4, "g_steps": 5},
        batch_size=32,
        seed=seed,
        device=device,
    )
    return Scenario(
        name="rotating-collapse",
        title="Mode collapse: cat and mouse",
        code="rotating-collapse",
        what="G moves five times a step, D hardly: G plays what D likes most at the moment.",
        look_at="One scene at a time, and never the same for long; loss and accuracy look perfect.",
        spec=spec,
        steps=400,
        cure=_with(spec, {"g_lr": 3e-4, "d_lr": 1e-2, "g_steps": 1}),
        cure_text="Two time scales: a D that moves faster than G is near its optimum when G asks.",
    )


@SCENARIOS.register("false-equilibrium")
def false_equilibrium(*, seed: int = 0, device: str = "auto") -> Scenario:
    """Loss near 2 ln 2 and a D no better than a guess, as when all is learned; and all is lost."""
    spec = Spec(
        data="captions",
        mle_steps=250,
        knobs={"g_lr": 3e-3, "d_lr": 2e-5},
        batch_size=32,
        seed=seed,
        device=device,
    )
    return Scenario(
        name="false-equilibrium",
        title="The false equilibrium",
        code="false-equilibrium",
        what="D is too slow to see what G does; that it is undecided says nothing about G.",
        look_at="D's accuracy beside the Bayes accuracy: half or less, where 1 can be reached.",
        spec=spec,
        steps=500,
        cure=_with(spec, {"g_lr": 1e-4, "d_lr": 1e-2}),
        cure_text="A faster D against a slower G stays close to the best discriminator there is.",
    )


@SCENARIOS.register("overpowering-discriminator")
def overpowering_discriminator(*, seed: int = 0, device: str = "auto") -> Scenario:
    """Non-saturating loss against a D with a head start: a large gradient, the wrong way."""
    spec = Spec(
        data="captions",
        estimator=SOFT,
        knobs={"g_lr": 1e-3, "d_lr": 2e-3, "d_noise": 0.0, "g_steps": 0},
        batch_size=32,
        seed=seed,
        device=device,
    )
    head_start = Schedule([(FIRST, "g_steps", 1)])
    return Scenario(
        name="overpowering-discriminator",
        title="The overpowering discriminator",
        code="discriminator-overpowers",
        what="A D that is always right still has a slope, but it no longer points at the data.",
        look_at="D's accuracy is 1, its logits grow, and the held-out NLL rises above that of "
        "random words.",
        spec=spec,
        steps=FIRST + 200,
        schedule=head_start,
        cure=_with(spec, {"d_noise": 0.5}),
        cure_schedule=head_start,
        cure_text="Noise on what D reads keeps it unsure, and its slope pointing somewhere.",
    )


@SCENARIOS.register("ring-collapse")
def ring_collapse(*, seed: int = 0, device: str = "auto") -> Scenario:
    """Eight Gaussians on a ring, and a G that finds one of them and stays there."""
    spec = Spec(
        data={"ring": {"std": 0.03}},
        **POINTS,
        knobs={"g_lr": 1e-4, "d_lr": 2e-2},
        seed=seed,
        device=device,
    )
    return Scenario(
        name="ring-collapse",
        title="Mode collapse on a ring",
        code="mode-collapse",
        what="D is two hundred times faster than G: around G's first mode it builds a cliff.",
        look_at="One mode of eight, and a D that is right 15 times in 16: all it can be.",
        spec=spec,
        steps=1600,
        cure=_with(spec, {"g_lr": 1e-3, "d_lr": 1e-3}),
        cure_text="Equal step sizes: G spreads while D is still smooth.",
    )


@SCENARIOS.register("oscillation")
def oscillation(*, seed: int = 0, device: str = "auto") -> Scenario:
    """One Gaussian, and a G that circles it instead of settling: momentum carries it past."""
    spec = Spec(
        data={"ring": {"modes": 1, "std": 0.1}},
        **POINTS,
        remedies={"r1": {"weight": 0.0}},
        knobs={
            "g_lr": 3e-4, "d_lr": 3e-3, "g_beta1": 0.9, "d_beta1": 0.9, "r1.weight": 0.0,
        },
        seed=seed,
        device=device,
    )  # fmt: skip
    return Scenario(
        name="oscillation",
        title="Round and round",
        code="oscillation",
        what="The two players' gradients turn around the equilibrium; nothing pulls them in.",
        look_at="Losses and logits swing on and on, and the points come and go.",
        spec=spec,
        steps=1000,
        cure=_with(spec, {"r1.weight": 3.0}),
        cure_text="R1 holds D flat on real data; that friction turns the circle into a spiral.",
    )


@SCENARIOS.register("divergence")
def divergence(*, seed: int = 0, device: str = "auto") -> Scenario:
    """Unbounded critic, long steps: its loss runs away by powers of ten."""
    spec = Spec(
        data="captions",
        loss="wasserstein",
        remedies={"gradient_penalty": {"weight": 0.0}},
        knobs={"g_lr": 1e-3, "d_lr": 1e-1, "gradient_penalty.weight": 0.0},
        batch_size=32,
        seed=seed,
        device=device,
    )
    return Scenario(
        name="divergence",
        title="The loss that ran away",
        code="divergence",
        what="Nothing limits the critic's slope, so that a larger one always pays.",
        look_at="The loss, by now in powers of ten: no distance between sentences is so large.",
        spec=spec,
        steps=300,
        cure=_with(spec, {"d_lr": 1e-2, "gradient_penalty.weight": 1.0}),
        cure_text="The penalty bounds the slope; then the loss is a distance again.",
    )


@SCENARIOS.register("memorising-discriminator")
def memorising_discriminator(*, seed: int = 0, device: str = "auto") -> Scenario:
    """Sixty-four sentences to learn from: D knows them by heart and rejects any other."""
    spec = Spec(
        data={"captions": {"pool": 64}},
        mle_steps=30,
        knobs={"g_lr": 3e-4, "d_lr": 5e-3},
        batch_size=32,
        seed=seed,
        device=device,
    )
    return Scenario(
        name="memorising-discriminator",
        title="The discriminator that memorises",
        code="discriminator-overfits",
        what="D sees each sentence hundreds of times and tells them by name, not by how they are.",
        look_at="D's logits on real sentences it trained on beside those on held-out ones.",
        spec=spec,
        steps=330,
        cure=_with(spec, data="captions"),
        cure_text="More data; dropout in D helps against this only a little.",
    )


@SCENARIOS.register("misleading-loss")
def misleading_loss(*, seed: int = 0, device: str = "auto") -> Scenario:
    """G's loss rises all the way while G gets better all the way."""
    spec = Spec(
        data="captions",
        knobs={"g_lr": 1e-3, "d_lr": 5e-4},
        batch_size=32,
        seed=seed,
        device=device,
    )
    return Scenario(
        name="misleading-loss",
        title="The loss that misleads",
        code="misleading-loss",
        what="G's loss is measured against a D that learns as well, and learns faster.",
        look_at="G's loss beside the held-out NLL: one goes up while the other goes down.",
        spec=spec,
        steps=400,
        cure=_with(
            spec,
            {"d_lr": 1e-2},
            loss="wasserstein",
            remedies={"gradient_penalty": {"weight": 1.0}},
        ),
        cure_text="A critic under a gradient penalty has a loss that follows a distance; even so, "
        "measure what you care about.",
    )
