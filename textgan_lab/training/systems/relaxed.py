"""Relaxed words: D reads points of the simplex, and its slope reaches G through them."""

from ...knobs import Schedule
from ..spec import Choice
from .system import SYSTEMS, UPDATES, WARM_UP, System, spec

SOFT = {"gumbel": {"straight_through": False}}
SHARPEST, COLDER = 100.0, 10  # RelGAN's last inverse temperature; updates between two turns
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
        published=(
            "Soft words at a temperature that falls, where here hard ones have soft slopes at 1; "
            "no likelihood first."
        ),
        spec=spec(data, seed, device, knobs={"g_lr": 3e-4, "d_lr": 1e-2}),
        steps=WARM_UP + UPDATES,
    )


@SYSTEMS.register("relgan")
def relgan(*, data: Choice = "captions", seed: int = 0, device: str = "auto") -> System:
    """Relational memory, ever colder Gumbel points, a relativistic loss, D of many embeddings."""
    colder = Schedule.following(
        "temperature",
        lambda t: SHARPEST ** -((t - WARM_UP) / (UPDATES - COLDER)),
        range(WARM_UP, WARM_UP + UPDATES, COLDER),
    )
    return System(
        name="relgan",
        title="RelGAN",
        article="Nie, Narodytska & Patel 2019",
        idea="A G that remembers, and a D that compares fakes with real text in many embeddings.",
        cost="An update takes six of gumbel-gan's; sharpening trades variety for quality.",
        exact=(
            "objectives/test_losses.py::"
            "test_the_relativistic_gradient_at_the_best_d_is_that_of_its_divergence"
        ),
        published=(
            "G reads the words it writes, not D's points (feed='token'): here it then unlearns, "
            "median JS 0.47 for 0.22; 64 embeddings in D (here 8), 300 filters a width (32), a "
            "loss for each embedding; memory heads of 256 or 512 (32); 150 epochs of likelihood at "
            "0.01; batches of 64; 2,000 to 3,000 updates."
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
        published="6 blocks of 512 with 8 heads (here 2 of 32 with 2), by likelihood alone.",
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
        exact=(
            "training/test_systems.py::"
            "test_wgans_critic_goes_down_the_difference_of_means_by_rmsprop_and_is_clipped"
        ),
        published=(
            "Clipped at 0.01, both learning rates 5e-5; images, so nothing is relaxed, and no "
            "likelihood first."
        ),
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
        exact=(
            "training/test_systems.py::"
            "test_wgan_gps_critic_adds_ten_times_the_squared_distance_of_its_slope_from_1"
        ),
        published=(
            "Characters, not words; 5 blocks of 512 channels (here 2 of 64), noise of 128; batches "
            "of 64, Adam at 1e-4, 200,000 updates of G."
        ),
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
        published=(
            "The loss alone is theirs; in RelGAN's code it goes with soft words, likelihood first "
            "and five moves of D."
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
        published="The loss alone is theirs, on images; TaylorGAN's code has it for text.",
        spec=spec(data, seed, device, loss="forward_kl", knobs={"g_lr": 3e-4, "d_lr": 1e-2}),
        steps=WARM_UP + UPDATES,
    )
