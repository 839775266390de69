"""Relaxed words: D reads points of the simplex, and its slope reaches G through them."""

from ...knobs import Schedule
from ..spec import Choice
from .system import SYSTEMS, UPDATES, WARM_UP, System, spec

SOFT = {"gumbel": {"straight_through": False}}
SHARPEST = 100.0  # RelGAN's inverse temperature at the end, reached however short the run
GUMBEL = "objectives/test_estimators.py::test_the_claim_about_bias_holds"  # how biased it is


@SYSTEMS.register("gumbel-gan")
def gumbel_gan(*, data: Choice = "captions", seed: int = 0, device: str = "auto") -> System:
    """Straight-through Gumbel against a fast D: the plainest of its family that stays sound."""
    return System(
        name="gumbel-gan",
        title="Gumbel-softmax GAN",
        article="Kusner & Hernandez-Lobato 2016; Jang, Gu & Poole 2017",
        idea="Relax the choice of a word until it can be differentiated.",
        cost="Biased at every temperature; cold ones are noisy.",
        exact=GUMBEL,
        spec=spec(data, seed, device, knobs={"g_lr": 3e-4, "d_lr": 1e-2}),
        steps=WARM_UP + UPDATES,
    )


@SYSTEMS.register("relgan")
def relgan(*, data: Choice = "captions", seed: int = 0, device: str = "auto") -> System:
    """Relational memory, ever colder Gumbel points, a relativistic loss, D of many embeddings."""
    colder = Schedule.following(
        "temperature",
        lambda t: SHARPEST ** -((t - WARM_UP) / UPDATES),
        range(WARM_UP, WARM_UP + UPDATES + 1, 10),
    )
    return System(
        name="relgan",
        title="RelGAN",
        article="Nie, Narodytska & Patel 2019",
        idea="A G that remembers, and a D that compares fakes with real text in many embeddings.",
        cost="The slowest G here; sharpening trades variety for quality.",
        exact=(
            "objectives/test_losses.py::"
            "test_the_relativistic_gradient_at_the_best_d_is_that_of_its_divergence"
        ),
        spec=spec(
            data, seed, device,
            generator="relational",
            discriminator="multi_representation",
            loss="relativistic",
            estimator=SOFT,
            knobs={"g_lr": 1e-4, "d_lr": 1e-4, "d_steps": 5},
        ),
        steps=WARM_UP + UPDATES,
        schedule=colder,
    )  # fmt: skip


@SYSTEMS.register("transformer-gan")
def transformer_gan(*, data: Choice = "captions", seed: int = 0, device: str = "auto") -> System:
    """Put a decoder-only Transformer in G's place, all else as in gumbel-gan."""
    return System(
        name="transformer-gan",
        title="Transformer GAN",
        article="Vaswani et al. 2017 for the generator",
        idea="Attention over the whole prefix instead of one state.",
        cost="Slower a step on short sentences, which a state remembers as well.",
        exact=GUMBEL,
        spec=spec(
            data, seed, device, generator="transformer", knobs={"g_lr": 3e-4, "d_lr": 1e-2}
        ),
        steps=WARM_UP + UPDATES,
    )  # fmt: skip


@SYSTEMS.register("wgan")
def wgan(*, data: Choice = "captions", seed: int = 0, device: str = "auto") -> System:
    """Four changes: no sigmoid, no logarithm, clipped weights, no momentum."""
    return System(
        name="wgan",
        title="WGAN",
        article="Arjovsky, Chintala & Bottou 2017",
        idea="A critic of bounded slope has something to say however far apart the laws are.",
        cost="Clipped weights make a simple critic; five of its updates for one of G.",
        exact="objectives/test_remedies.py::test_weights_are_clipped_in_place_on_both_sides",
        spec=spec(
            data, seed, device,
            loss="wasserstein",
            estimator=SOFT,
            remedies={"weight_clipping": {"bound": 0.05}},
            g_optimiser="rmsprop",
            d_optimiser="rmsprop",
            knobs={"g_lr": 1e-4, "d_lr": 1e-3, "d_steps": 5},
        ),
        steps=WARM_UP + UPDATES,
    )  # fmt: skip


@SYSTEMS.register("wgan-gp")
def wgan_gp(*, data: Choice = "captions", seed: int = 0, device: str = "auto") -> System:
    """All positions at once from one noise, residual convolutions on both sides, no warm-up."""
    return System(
        name="wgan-gp",
        title="WGAN-GP",
        article="Gulrajani et al. 2017",
        idea="A penalised critic bears that fakes are soft and real words are not: no warm-up.",
        cost="Ten critic updates with second derivatives for one of G; no likelihood to measure.",
        exact="objectives/test_remedies.py::test_the_gradient_penalty_against_finite_differences",
        spec=spec(
            data, seed, device,
            generator={"convolutional": {"blocks": 2}},
            discriminator={"residual": {"blocks": 2}},
            loss="wasserstein",
            estimator=SOFT,
            remedies={"gradient_penalty": {"weight": 10.0}},
            mle_steps=0,
            knobs={"g_lr": 1e-3, "d_lr": 1e-3, "d_steps": 10, "d_beta2": 0.9, "g_beta2": 0.9},
        ),
        steps=UPDATES,
    )  # fmt: skip


@SYSTEMS.register("reverse-kl")
def reverse_kl(*, data: Choice = "captions", seed: int = 0, device: str = "auto") -> System:
    """G minimises -s: KL(q, p) at the best D, which seeks modes; RelGAN's code calls it KL."""
    return System(
        name="reverse-kl",
        title="Reverse KL",
        article="Huszar 2015; Poole et al. 2016",
        idea="D's logit itself is the objective: nothing saturates.",
        cost="Leaves out what is hard to say; 'KL' in RelGAN's code, 'RKL' in TaylorGAN's.",
        exact=(
            "objectives/test_losses.py::"
            "test_the_generators_gradient_at_the_best_d_is_that_of_its_divergence"
        ),
        spec=spec(data, seed, device, loss="reverse_kl", knobs={"g_lr": 3e-4, "d_lr": 1e-2}),
        steps=WARM_UP + UPDATES,
    )


@SYSTEMS.register("forward-kl")
def forward_kl(*, data: Choice = "captions", seed: int = 0, device: str = "auto") -> System:
    """G minimises -exp(s): KL(p, q) at the best D, which covers modes; TaylorGAN's code: KL."""
    return System(
        name="forward-kl",
        title="Forward KL",
        article="Nowozin, Cseke & Tomioka 2016",
        idea="Fakes that look more than real pull exponentially: no mode may be left out.",
        cost="A few fakes make the gradient; D's logit is cut at 10.",
        exact=(
            "objectives/test_losses.py::"
            "test_the_generators_gradient_at_the_best_d_is_that_of_its_divergence"
        ),
        spec=spec(data, seed, device, loss="forward_kl", knobs={"g_lr": 3e-4, "d_lr": 1e-2}),
        steps=WARM_UP + UPDATES,
    )
