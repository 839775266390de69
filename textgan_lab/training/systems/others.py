"""Latent codes, a D that remembers, a world without words, and what needs no adversary."""

from ..spec import Choice
from .system import SYSTEMS, UPDATES, WARM_UP, System, spec


@SYSTEMS.register("vae-gan")
def vae_gan(*, data: Choice = "captions", seed: int = 0, device: str = "auto") -> System:
    """Let a VAE's decoder play against D, and measure reconstruction in D's features.

    Left out of Larsen et al. 2016: there D judges reconstructions as fakes too, here samples alone.
    """
    return System(
        name="vae-gan",
        title="VAE-GAN",
        article="Larsen et al. 2016",
        idea="Reconstruct in D's features instead of word by word, and look real besides.",
        cost="Three terms to weigh; on short text the code is hardly used.",
        exact="baselines/test_latent.py::test_the_evidence_lower_bound_is_its_integral",
        spec=spec(
            data, seed, device,
            generator={"vae": {"free_nats": 0.1}},
            remedies={"elbo": {}, "feature_reconstruction": {}},
            knobs={"g_lr": 3e-4, "d_lr": 3e-3},
        ),
        steps=WARM_UP + UPDATES,
    )  # fmt: skip


@SYSTEMS.register("memorygan")
def memorygan(*, data: Choice = "captions", seed: int = 0, device: str = "auto") -> System:
    """D keeps keys of what it has seen, real and fake, and judges by the nearest ones.

    Left out of Kim, Kim & Kim 2018: a key of D's real slots as input of G, and the bound on the
    mutual information of that key and what G makes of it.
    """
    return System(
        name="memorygan",
        title="MemoryGAN",
        article="Kim, Kim & Kim 2018",
        idea="A D that remembers cannot be led in circles.",
        cost="What is near in its keys is real to it; more parts to tune.",
        exact="models/test_memory.py::test_an_update_of_the_slots_by_hand",
        spec=spec(data, seed, device, discriminator="memory", knobs={"g_lr": 3e-4, "d_lr": 3e-3}),
        steps=WARM_UP + UPDATES,
    )


@SYSTEMS.register("waves-gan")
def waves_gan(*, data: Choice = "waves", seed: int = 0, device: str = "auto") -> System:
    """Travelling waves on a ring of sensors: a convolutional GAN, and measures instead of eyes."""
    return System(
        name="waves-gan",
        title="Spatio-temporal GAN",
        article="Yoon, Jarrett & van der Schaar 2019 for the measures",
        idea="Series nobody can judge by looking: autocorrelation, spectrum, forecasts decide.",
        cost="Losses and single sensors look right long before waves run the right way.",
        exact="objectives/test_estimators.py::"
        "test_pathwise_has_the_gradient_of_the_integral_over_its_noise",
        spec=spec(
            data, seed, device,
            generator="series_cnn",
            discriminator="series_cnn",
            estimator="pathwise",
            mle_steps=0,
            batch_size=64,
            knobs={"g_lr": 2e-3, "d_lr": 2e-3},
        ),
        steps=UPDATES,
    )  # fmt: skip


def _comparator(data: Choice, seed: int, device: str, generator, **texts) -> System:
    """Return a system without an adversary: likelihood for as many updates as others have."""
    steps = WARM_UP + UPDATES
    made = spec(data, seed, device, generator=generator, mle_steps=steps)
    return System(spec=made, steps=steps, **texts)


@SYSTEMS.register("mle")
def mle(*, data: Choice = "captions", seed: int = 0, device: str = "auto") -> System:
    """Maximum likelihood with an LSTM: the control of every claim for a GAN."""
    return _comparator(
        data, seed, device, "lstm",
        name="mle",
        title="Maximum likelihood, LSTM",
        article="Caccia et al. 2020 for the comparison",
        idea="Say what real text says, word by word.",
        cost="Never hears how its own sentences sound.",
        exact="models/test_generators.py::test_probabilities_sum_to_one_over_everything_it_can_write",
    )  # fmt: skip


@SYSTEMS.register("mle-transformer")
def mle_transformer(*, data: Choice = "captions", seed: int = 0, device: str = "auto") -> System:
    """Maximum likelihood with a Transformer."""
    return _comparator(
        data, seed, device, "transformer",
        name="mle-transformer",
        title="Maximum likelihood, Transformer",
        article="Vaswani et al. 2017",
        idea="The same with attention over the prefix.",
        cost="Slower than an LSTM at these sizes.",
        exact="models/test_generators.py::test_probabilities_sum_to_one_over_everything_it_can_write",
    )  # fmt: skip


@SYSTEMS.register("vae")
def vae(*, data: Choice = "captions", seed: int = 0, device: str = "auto") -> System:
    """Encode sentences with a variational autoencoder."""
    return _comparator(
        data, seed, device, {"vae": {"free_nats": 0.1, "word_dropout": 0.5}},
        name="vae",
        title="VAE",
        article="Kingma & Welling 2014; Bowman et al. 2016",
        idea="A code for each sentence, and a bound on its likelihood.",
        cost="A decoder that can do without the code does.",
        exact="baselines/test_latent.py::test_the_evidence_lower_bound_is_its_integral",
    )  # fmt: skip


@SYSTEMS.register("flow")
def flow(*, data: Choice = "captions", seed: int = 0, device: str = "auto") -> System:
    """Make a normalising flow the density of sentence codes."""
    return _comparator(
        data, seed, device, "flow",
        name="flow",
        title="Flow on codes",
        article="Dinh, Sohl-Dickstein & Bengio 2017",
        idea="An invertible network makes the codes' density exact.",
        cost="Exact for codes, a bound for sentences.",
        exact="baselines/test_flow.py::test_the_determinant_is_that_of_the_jacobian",
    )  # fmt: skip


@SYSTEMS.register("glo")
def glo(*, data: Choice = "captions", seed: int = 0, device: str = "auto") -> System:
    """One learned code a training sentence; no encoder, no adversary."""
    return _comparator(
        data, seed, device, "glo",
        name="glo",
        title="GLO",
        article="Bojanowski et al. 2018",
        idea="Learn the pairing of codes and sentences instead of fixing it at random.",
        cost="A table as long as the training set, whose rows are seldom drawn.",
        exact="baselines/test_glo.py::test_codes_lie_in_the_unit_ball",
    )  # fmt: skip
