"""Weighted likelihood: fakes are learned as if they were real, each by how real D finds it."""

from ...knobs import Schedule
from ..spec import Choice
from .policy import D_FIRST
from .system import SYSTEMS, UPDATES, WARM_UP, System, spec

KEPT, LESS, EVERY = 9, 1, 30  # words kept at first; how many fewer, after so many updates


@SYSTEMS.register("maligan")
def maligan(*, data: Choice = "captions", seed: int = 0, device: str = "auto") -> System:
    """Likelihood of fakes, weighted by D / (1 - D), normalised over the batch."""
    return System(
        name="maligan",
        title="MaliGAN",
        article="Che et al. 2017",
        idea="At the best D the weighted fakes are real data: their likelihood is the goal itself.",
        cost="A sure D leaves one fake with all the weight (watch ess); biased by its own sum.",
        exact=(
            "objectives/test_weighted.py::"
            "test_with_the_true_z_the_gradient_is_that_of_maximum_likelihood"
        ),
        published=(
            "In TextGAN-PyTorch's code: 80 epochs of likelihood, D's opinion averaged over 16 "
            "passes with dropout, Adam at 0.01 for G, 1e-4 for D."
        ),
        spec=spec(
            data, seed, device,
            estimator="maligan",
            d_first_steps=D_FIRST,
            batch_size=64,
            knobs={"g_lr": 1e-3, "d_lr": 1e-3},
        ),
        steps=WARM_UP + D_FIRST + UPDATES,
    )  # fmt: skip


@SYSTEMS.register("mixed-maligan")
def mixed_maligan(*, data: Choice = "captions", seed: int = 0, device: str = "auto") -> System:
    """MaliGAN on the ends of real sentences, of which ever fewer words are kept."""
    play = WARM_UP + D_FIRST
    fewer = [(play + EVERY * i, "prefix", max(0, KEPT - LESS * i)) for i in range(KEPT + 1)]
    return System(
        name="mixed-maligan",
        title="Mixed MLE-MaliGAN",
        article="Che et al. 2017",
        idea="Real beginnings keep the variance of long sentences low, and G near the data.",
        cost="Several completions a prefix; at first it is likelihood, and the gain is from it.",
        exact=(
            "objectives/test_weighted.py::"
            "test_mixed_maligan_is_maximum_likelihood_however_much_is_kept"
        ),
        published="The first 30 words kept, 5 fewer at a time; how many endings is not told.",
        spec=spec(
            data, seed, device,
            estimator={"mixed_maligan": {"prefix": KEPT, "completions": 5}},
            d_first_steps=D_FIRST,
            knobs={"g_lr": 1e-3, "d_lr": 1e-3},
        ),
        steps=play + UPDATES,
        schedule=Schedule(fewer),
    )  # fmt: skip


@SYSTEMS.register("bgan")
def bgan(*, data: Choice = "captions", seed: int = 0, device: str = "auto") -> System:
    """Boundary seeking: the same weights, normalised within small groups."""
    return System(
        name="bgan",
        title="BGAN, discrete",
        article="Hjelm et al. 2018",
        idea="Importance weights make discrete samples differentiable in expectation.",
        cost="Groups of 20 bias the weights more than a batch does.",
        exact="objectives/test_weighted.py::test_the_bias_of_normalising_falls_as_one_over_m",
        published=(
            "20 samples for each noise that G is given, which here has none: groups are of the "
            "batch; no likelihood first; 64 noises, Adam at 1e-4, for text 1e-3."
        ),
        spec=spec(
            data, seed, device,
            estimator={"bgan": {"group": 20}},
            d_first_steps=D_FIRST,
            batch_size=60,
            knobs={"g_lr": 1e-3, "d_lr": 1e-3},
        ),
        steps=WARM_UP + D_FIRST + UPDATES,
    )  # fmt: skip


@SYSTEMS.register("bgan-continuous")
def bgan_continuous(*, data: Choice = "captions", seed: int = 0, device: str = "auto") -> System:
    """Boundary seeking on relaxed words: G drives D's logit to 0."""
    return System(
        name="bgan-continuous",
        title="BGAN, continuous",
        article="Hjelm et al. 2018",
        idea="Where D cannot decide is where p equals q: seek that boundary, not D's favour.",
        cost="The boundary of a D that lags is not that of p and q.",
        exact=(
            "objectives/test_losses.py::"
            "test_boundary_seeking_pulls_from_both_sides_and_rests_at_the_boundary"
        ),
        published=(
            "Images, so nothing is relaxed; no likelihood first; the code also has (s - ln Z)^2, "
            "ln Z a moving mean; Adam at 1e-4, batches of 64."
        ),
        spec=spec(
            data, seed, device,
            loss="boundary_seeking",
            estimator="gumbel",
            knobs={"g_lr": 3e-4, "d_lr": 3e-3},
        ),
        steps=WARM_UP + UPDATES,
    )  # fmt: skip
