"""From a spec to parts that fit together: what a trainer is assembled from."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from ..data import load_corpus
from ..data.law import seed
from ..knobs import Knob, Knobs
from ..models import DISCRIMINATORS, GENERATORS, Dropout
from ..objectives import ESTIMATORS, LOSSES, REMEDIES
from .live import OPTIMISERS
from .spec import Spec, chosen

MLE_LR = Knob(
    "mle_lr", 5e-3, (0.0, 10.0), "step size of the likelihood warm-up", player="g", scale="log",
    slider=(1e-5, 1e-1),
)  # fmt: skip
STEPS = (
    Knob("d_steps", 1, (0, 100), "updates of D a step", player="d", slider=(0, 10), integer=True),
    Knob("g_steps", 1, (0, 100), "updates of G a step", player="g", slider=(0, 10), integer=True),
)
DROPOUT = Knob(
    "d_dropout", 0.0, (0.0, 1.0), "share of D's features dropped", player="d", slider=(0.0, 0.9)
)
LEARNING_RATE = 1e-3  # of both players, unless the spec says otherwise


@dataclass
class Parts:
    """Data, players, objective and knobs of one run, on its device."""

    device: torch.device
    data: Any
    generator: nn.Module
    discriminator: nn.Module
    loss: type
    estimator: Any
    remedies: list
    dropouts: list[Dropout]
    knobs: Knobs


def assemble(spec: Spec, data: Any = None) -> Parts:
    """Build the parts that ``spec`` names; ``data`` replaces loading ``spec.data``.

    Raises:
        ValueError: parts that do not fit together; the message says which, and what would.
    """
    device = _device(spec.device)
    if data is None:
        name, options = chosen(spec.data)
        data = load_corpus(name, **options)
    loss = LOSSES[chosen(spec.loss)[0]]
    estimator = ESTIMATORS.make(*chosen(spec.estimator))
    d = DISCRIMINATORS[chosen(spec.discriminator)[0]]
    remedies = {
        name: {}
        for name, remedy in REMEDIES.items()
        if remedy.always and _bears(remedy, loss, estimator) and _reads(d, remedy)
    }
    remedies = [REMEDIES.make(*remedy) for remedy in {**remedies, **spec.remedies}.items()]
    _fit(spec, data, loss, estimator, remedies)
    with torch.random.fork_rng(devices=[]):  # torch initialises weights from its global stream
        # not torch.manual_seed, which would also reseed the user's streams on every GPU
        torch.random.default_generator.manual_seed(seed(spec.seed, "weights"))
        generator = GENERATORS.make(*chosen(spec.generator), data=data)
        whose = {"generator": generator} if _reads_states(d) else {}
        discriminator = DISCRIMINATORS.make(*chosen(spec.discriminator), data=data, **whose)
        if hasattr(generator, "consult"):
            generator.consult(discriminator)
    dropouts = [m for m in discriminator.modules() if isinstance(m, Dropout)]
    knobs = [
        *OPTIMISERS[chosen(spec.d_optimiser)[0]].knobs("d", LEARNING_RATE),
        *OPTIMISERS[chosen(spec.g_optimiser)[0]].knobs("g", LEARNING_RATE),
        *STEPS,
        *([DROPOUT] if dropouts else []),
        *(remedy.knob for remedy in remedies),
        *estimator.knobs,
        *([MLE_LR] if spec.mle_steps or spec.teacher_steps else []),
    ]
    return Parts(
        device, data, generator.to(device), discriminator.to(device), loss, estimator, remedies,
        dropouts, Knobs(knobs, spec.knobs),
    )  # fmt: skip


def _device(name: str) -> torch.device:
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    device = torch.device(name)
    if device.type == "cuda":
        there = torch.cuda.device_count()
        if not there:
            raise ValueError(f"device {name!r}: this torch sees no GPU; use 'cpu' or 'auto'")
        if (device.index or 0) >= there:
            raise ValueError(f"device {name!r}: this machine has cuda:0 to cuda:{there - 1}")
    return device


def _bears(remedy: Any, loss: type, estimator: Any) -> bool:
    """Return whether D's logit still is what the remedy, or the estimator, takes it for."""
    if remedy.binary_only and not loss.binary:
        return False
    return remedy.log_odds or not estimator.log_odds


def _reads_states(d: type) -> bool:
    """Return whether D reads G's states on a sentence, not the sentence."""
    return getattr(d, "states", False)


def _reads(d: type, part: Any) -> bool:
    """Return whether D reads what an estimator hands to it, or a remedy acts on."""
    return part.states in (None, _reads_states(d))


def _fit(spec: Spec, data: Any, loss: type, estimator: Any, remedies: list) -> None:
    """Raise ValueError, naming every misfit and what would fit, unless the parts fit together."""
    kind, wrong = data.kind, []
    d = DISCRIMINATORS[chosen(spec.discriminator)[0]]
    for what, part, catalogue in (
        ("generator", GENERATORS[chosen(spec.generator)[0]], GENERATORS),
        ("discriminator", d, DISCRIMINATORS),
        ("estimator", estimator, ESTIMATORS),
    ):
        if part.kind != kind:
            fitting = [name for name, other in catalogue.items() if other.kind == kind]
            wrong.append(f"{what} {part.name!r} plays {part.kind}; for {kind}: {_list(fitting)}")
    for what, part in () if wrong else (("estimator", estimator), ("loss", loss)):
        if part.per_token not in (None, d.per_token):
            fitting = [
                name for name, other in DISCRIMINATORS.items()
                if other.kind == kind and other.per_token == part.per_token
            ]  # fmt: skip
            unit = "token" if part.per_token else "sentence"
            wrong.append(
                f"{what} {part.name!r} needs a discriminator with one logit a {unit}: "
                f"{_list(fitting)}"
            )
    acting = [("estimator", estimator), *(("remedy", remedy) for remedy in remedies)]
    for what, part in () if wrong else acting:
        if not _reads(d, part):
            fitting = [
                name for name, other in DISCRIMINATORS.items()
                if other.kind == kind and _reads(other, part)
            ]  # fmt: skip
            read = "G's states" if part.states else "words, not G's states"
            wrong.append(
                f"{what} {part.name!r} needs a discriminator that reads {read}: {_list(fitting)}"
            )
    if estimator.kind == kind:
        wrong.extend(_lacking(spec, data, "estimator", estimator))
    for remedy in remedies:
        if kind not in remedy.kinds:
            wrong.append(f"remedy {remedy.name!r} does not apply to {kind}")
        else:
            wrong.extend(_lacking(spec, data, "remedy", remedy))
        if remedy.binary_only and not loss.binary:
            fitting = [name for name, other in LOSSES.items() if other.binary]
            wrong.append(
                f"remedy {remedy.name!r} needs a binary loss, not {loss.name!r}: {_list(fitting)}"
            )
        elif not _bears(remedy, loss, estimator):
            wrong.append(
                f"remedy {remedy.name!r} moves D's logit away from ln p/q, which estimator "
                f"{estimator.name!r} reads: leave one of them out"
            )
    g = GENERATORS[chosen(spec.generator)[0]]
    if _reads_states(d) and not getattr(g, "one_pass", False):
        fitting = [n for n, other in GENERATORS.items() if getattr(other, "one_pass", False)]
        wrong.append(
            f"discriminator {d.name!r} reads the generator's states on a whole sentence, which "
            f"{g.name!r} does not give: {_list(fitting)}"
        )
    if getattr(g, "needs", {}):
        wrong.extend(_lacking(spec, data, "generator", g))
    known = [name for name, other in GENERATORS.items() if other.kind == kind and other.likelihood]
    instead = f"; {_list(known)} can" if known else ""
    if (spec.mle_steps or spec.teacher_steps) and not hasattr(g, "nll_loss"):
        wrong.append(
            f"mle_steps, teacher_steps: generator {g.name!r} cannot learn by likelihood{instead}"
        )
    if estimator.likelihood and not g.likelihood:
        wrong.append(
            f"estimator {estimator.name!r} needs ln q, which generator {g.name!r} cannot tell"
            f"{instead}"
        )
    if wrong:
        raise ValueError(f"the data {data.name!r} is {kind}, and: " + "; ".join(wrong))
    estimator.check(loss)


def _lacking(spec: Spec, data: Any, kind: str, needy: Any) -> Iterator[str]:
    """Yield what a part needs of others that they have not, and which have it."""
    for what, attribute in needy.needs.items():
        if what == "data":
            part, fitting = data, ["data of prompts and their replies"]
        else:
            catalogue = {"generator": GENERATORS, "discriminator": DISCRIMINATORS}[what]
            part = catalogue[chosen(getattr(spec, what))[0]]
            fitting = [
                name for name, other in catalogue.items()
                if other.kind == data.kind and getattr(other, attribute, None)
            ]  # fmt: skip
        if not getattr(part, attribute, None):
            yield (
                f"{kind} {needy.name!r} needs {attribute!r} of the {what}, which {part.name!r} "
                f"lacks: {_list(fitting)}"
            )


def _list(names: list[str]) -> str:
    return ", ".join(names)
