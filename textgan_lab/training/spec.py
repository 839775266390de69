"""Spec: what is *built*. What can be *turned* afterwards is a knob."""

import json
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, Strict, model_validator

from ..baselines import BASELINES  # noqa: F401  whose generators a spec can name
from ..catalogue import Catalogue
from ..models import DISCRIMINATORS, GENERATORS
from ..objectives import ESTIMATORS, LOSSES, REMEDIES
from .live import OPTIMISERS

Options = dict[str, Any]
Choice = str | dict[str, Options]


def chosen(choice: Choice) -> tuple[str, Options]:
    """Return (name, options) of a choice, written ``"lstm"`` or ``{"lstm": {"hidden": 128}}``."""
    if isinstance(choice, str):
        return choice, {}
    if len(choice) != 1:
        raise ValueError(f"expected one name with its options, got {choice!r}")
    return next(iter(choice.items()))


def _from(catalogue: Catalogue):
    def check(choice: Choice) -> Choice:
        name, options = chosen(choice)
        catalogue.check(name, options)
        return choice if options else name

    return Annotated[Choice, AfterValidator(check)]


class Spec(BaseModel):
    """A run, completely: with a schedule of turns it determines every number on CPU.

    Every part is ``"name"`` or ``{"name": {option: value}}``; names and options come from the
    catalogues. Raises a ValueError (pydantic) that names the field, the value and what is known.

    >>> spec = Spec(data="captions", discriminator={"cnn": {"filters": 64}}, knobs={"d_lr": 2e-4})
    >>> eval(repr(spec)) == spec
    True
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    data: Choice
    generator: _from(GENERATORS) = "lstm"
    discriminator: _from(DISCRIMINATORS) = "cnn"
    loss: _from(LOSSES) = "non_saturating"
    estimator: _from(ESTIMATORS) = "gumbel"
    remedies: dict[str, Options] = {}
    knobs: dict[str, Annotated[float, Strict()]] = {}
    g_optimiser: _from(OPTIMISERS) = "adam"
    d_optimiser: _from(OPTIMISERS) = "adam"
    g_clip: float = Field(5.0, gt=0, allow_inf_nan=False)  # largest 2-norm of G's whole gradient
    d_clip: float = Field(10.0, gt=0, allow_inf_nan=False)
    batch_size: int = Field(64, ge=1)
    mle_steps: int = Field(0, ge=0)  # maximum-likelihood updates of G before play
    d_first_steps: int = Field(0, ge=0)  # updates of D alone, after that and before play, at most
    # they end once D is right so often: in the mean of its newest 10 updates, on their own batches,
    # with dropout as set; a D of tokens token by token
    d_first_accuracy: float | None = Field(None, ge=0, le=1)
    teacher_steps: int = Field(0, ge=0)  # maximum-likelihood updates of G after each of its moves
    accumulate: int = Field(1, ge=1)  # batches whose mean gradient makes one update
    probe_every: int = Field(25, ge=0)  # steps between measurements on fresh samples; 0: never
    probe_size: int = Field(256, ge=2)  # fresh samples a measurement; held out: at most as many
    seed: int = Field(0, ge=0)
    device: str = Field("auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$")  # "auto": a GPU if any

    @model_validator(mode="before")
    @classmethod
    def _plain(cls, given: Any) -> Any:
        """Refuse what a checkpoint or session could not hold; turn tuples into lists."""
        if not isinstance(given, dict):
            return given
        plain = {}
        for field, value in given.items():
            try:
                plain[field] = json.loads(json.dumps(value))
            except TypeError:
                hint = "; pass a loaded corpus as Trainer(spec, data=corpus)"
                raise ValueError(
                    f"{field}: expected numbers, strings, lists and mappings, got {value!r}"
                    + (hint if field == "data" else "")
                ) from None
        return plain

    @model_validator(mode="after")
    def _remedies(self):
        for name, options in self.remedies.items():
            REMEDIES.check(name, options)
        chosen(self.data)
        return self

    @model_validator(mode="after")
    def _head_start(self):
        if self.d_first_accuracy is not None and not self.d_first_steps:
            raise ValueError(
                f"d_first_accuracy {self.d_first_accuracy!r} ends D's head start, and "
                f"d_first_steps is 0, so D has none: say how many updates it may take"
            )
        return self

    def __repr__(self) -> str:
        given = self.model_dump(exclude_defaults=True)
        return f"Spec({', '.join(f'{name}={value!r}' for name, value in given.items())})"

    __str__ = __repr__
