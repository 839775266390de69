"""Latent codes, a D that remembers, a world without words, and what needs no adversary."""

from ..spec import Choice
from .system import SYSTEMS, UPDATES, WARM_UP, System, spec


@SYSTEMS.register("vae-gan")
def vae_gan(*, data: Choice = "captions", seed: int = 0, device: str = "auto") -> System:
    """Let a VAE's decoder play against D, and measure reconstruction in D's features.

    D judges what the decoder makes up and what it writes again, both as fakes.
    """
    return System(
        name="vae-gan",
        title="VAE-GAN",
        article="Larsen et al. 2016",
        idea="Reconstruct in D's features, besides word by word, and look real.",
        cost="Three terms to weigh; on short text the code is hardly used.",
        exact=(
            "baselines/test_autoencoding_gan.py::"
            "test_the_decoder_s_gradient_is_that_of_both_halves_and_the_encoder_s_is_zero"
        ),
        published=(
            "Distances of features alone, no likelihood of words; D's loss sums over real rows, "
            "samples and reconstructions, where here the two kinds of fakes are averaged."
        ),
        spec=spec(
            data, seed, device,
            generator={"vae": {"free_nats": 0.1}},
            estimator="autoencoding",
            remedies={"elbo": {}, "feature_reconstruction": {}},
            knobs={"g_lr": 3e-4, "d_lr": 3e-3},
        ),
        steps=WARM_UP + UPDATES,
    )  # fmt: skip


@SYSTEMS.register("memorygan")
def memorygan(*, data: Choice = "captions", seed: int = 0, device: str = "auto") -> System:
    """D keeps keys of what it has seen, real and fake, and judges by the nearest ones.

    G writes under a key of D's real slots, and both learn that what it writes should tell the key.
    """
    return System(
        name="memorygan",
        title="MemoryGAN",
        article="Kim, Kim & Kim 2018",
        idea="A D that remembers cannot be led in circles.",
        cost="It thinks what its nearest keys think; those that G reads cost more than they tell.",
        exact="models/test_memory.py::test_an_update_of_the_slots_by_hand",
        published=(
            "4096 slots, 128 nearest, keys of 256 numbers (here 32, 16, 32); noise beside the key, "
            "no warm-up; images."
        ),
        spec=spec(
            data, seed, device,
            generator="keyed",
            discriminator={"memory": {"slots": 32}},  # each is a pass more to know q exactly
            remedies={"key_information": {}},
            knobs={"g_lr": 3e-4, "d_lr": 3e-3},
        ),
        steps=WARM_UP + UPDATES,
    )  # fmt: skip


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
        published=(
            "A recurrent G and D in the space of an autoencoder, and a supervised step; the "
            "measures alone are theirs."
        ),
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
        exact=(
            "training/test_game.py::"
            "test_the_warm_up_is_adam_with_its_published_betas_down_the_mean_nll"
        ),
        published=(
            "G of 512 units, batches of 512, variational dropout, the temperature chosen on "
            "held-out text."
        ),
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
        exact=(
            "training/test_game.py::"
            "test_the_warm_up_is_adam_with_its_published_betas_down_the_mean_nll"
        ),
        published=(
            "6 blocks of 512 with 8 heads (here 2 of 32 with 2), an encoder as well, dropout 0.1."
        ),
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
        published=(
            "No free nats (they are of Kingma et al. 2016): a rising weight of the divergence and "
            "hidden words alone."
        ),
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
        published=(
            "The density of images themselves, by couplings that are convolutions; here of codes."
        ),
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
        exact="baselines/test_glo.py::test_the_loss_is_that_of_the_rows_under_their_codes",
        published=(
            "Images, a loss on Laplacian pyramids; codes begin as principal components and go by "
            "gradient descent at 10, G at 1, in the code of minimal_glo."
        ),
    )  # fmt: skip
