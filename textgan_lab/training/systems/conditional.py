"""Replies to a prompt: dialogue, translation, captions on demand."""

from ..spec import Choice
from .policy import D_FIRST
from .system import SYSTEMS, UPDATES, WARM_UP, System, spec

UNDECIDED = {"constant": {"value": 0.2}}  # 2 D - 1 at D = 0.6, which CSGAN-NMT subtracts


@SYSTEMS.register("dialogue-regs")
def dialogue_regs(*, data: Choice = "dialogue", seed: int = 0, device: str = "auto") -> System:
    """D judges one random prefix of each reply, and pays every word what its prefix is worth."""
    return System(
        name="dialogue-regs",
        title="Adversarial dialogue, REGS",
        article="Li et al. 2017",
        idea="Credit for every word without rollouts: D learns to judge partial replies.",
        cost="The value of a prefix stands for that of its endings: biased, and less exact.",
        exact="objectives/test_rollouts.py::test_regs_credits_each_word_with_its_own_prefix_only",
        published=(
            "A hierarchical LSTM of 512 for D; gradient descent at 1 for G, 0.01 for D; a baseline "
            "read off the prompt; batches of 64. The released code has no REGS."
        ),
        spec=spec(
            data, seed, device,
            discriminator="lstm",
            estimator="regs",
            d_first_steps=D_FIRST,
            teacher_steps=1,
            knobs={"g_lr": 1e-3, "d_lr": 1e-3, "d_steps": 5, "mle_lr": 1e-3},
        ),
        steps=WARM_UP + D_FIRST + UPDATES,
    )  # fmt: skip


@SYSTEMS.register("dialogue-rollouts")
def dialogue_rollouts(*, data: Choice = "dialogue", seed: int = 0, device: str = "auto") -> System:
    """Play the same game with rollouts: five endings for every prefix of a reply."""
    return System(
        name="dialogue-rollouts",
        title="Adversarial dialogue, Monte Carlo",
        article="Li et al. 2017",
        idea="What D thinks of whole replies is the credit of their words.",
        cost="Five endings a word; its authors found it better than REGS, and slower.",
        exact=(
            "objectives/test_rollouts.py::"
            "test_every_prefix_gets_the_rewards_of_its_own_completions"
        ),
        published=(
            "A hierarchical LSTM of 512 for D; gradient descent at 1 for G, 0.01 for D; a baseline "
            "read off the prompt; batches of 64."
        ),
        spec=spec(
            data, seed, device,
            discriminator="pair_cnn",
            estimator={"rollouts": {"completions": 5}},
            d_first_steps=D_FIRST,
            teacher_steps=1,
            knobs={"g_lr": 1e-3, "d_lr": 1e-3, "d_steps": 5, "mle_lr": 1e-3},
        ),
        steps=WARM_UP + D_FIRST + UPDATES,
    )  # fmt: skip


def _translation(data: Choice, seed: int, device: str, **parts):
    """Return what the translators share: attention, lessons, RMSProp, bounds on D."""
    return spec(
        data, seed, device,
        generator="attention",
        remedies={"weight_clipping": {"bound": 1.0}},
        teacher_steps=1,
        g_optimiser="rmsprop",
        d_optimiser="rmsprop",
        g_clip=1.0,
        d_clip=1.0,
        **{
            "estimator": {"rollouts": {"completions": 5, "baseline": UNDECIDED}},
            "d_first_steps": 1000,
            "d_first_accuracy": 0.82,
            "knobs": {"g_lr": 1e-3, "d_lr": 1e-3, "mle_lr": 1e-3},
            **parts,
        },
    )  # fmt: skip


@SYSTEMS.register("csgan-nmt")
def csgan_nmt(*, data: Choice = "dialogue", seed: int = 0, device: str = "auto") -> System:
    """Sequence to sequence with attention against a CNN that reads source and target."""
    return System(
        name="csgan-nmt",
        title="CSGAN-NMT",
        article="Yang et al. 2018",
        idea="D starts neither blind nor perfect, at 0.82, and every policy step has a lesson.",
        cost="Much preparation; the lessons do most of the learning.",
        exact=(
            "objectives/test_rollouts.py::test_every_prefix_gets_the_rewards_of_its_own_completions"
        ),
        published=(
            "20 endings a word; D gets to 0.82 on held-out pairs by Adam (here on its batches by "
            "RMSProp), and sees 5,000 fresh pairs a move; each number of D's gradient within 1 "
            "(here the norm, and G's too); RMSProp at 1e-5 for G, 1e-4 for D; G a Transformer of 6 "
            "blocks of 512, or an LSTM."
        ),
        spec=_translation(data, seed, device, discriminator="pair_cnn"),
        steps=WARM_UP + 1000 + UPDATES,
    )


@SYSTEMS.register("csgan-nmt-rnn")
def csgan_nmt_rnn(*, data: Choice = "dialogue", seed: int = 0, device: str = "auto") -> System:
    """Translate against a recurrent D, which its authors found to be right too early."""
    return System(
        name="csgan-nmt-rnn",
        title="CSGAN-NMT, recurrent D",
        article="Yang et al. 2018",
        idea="An RNN reads replies in order, and tells fakes sooner than a CNN.",
        cost="Word by word it is not right 0.82 of the time before play; rewards stay below 0.",
        exact=(
            "objectives/test_rollouts.py::test_every_prefix_gets_the_rewards_of_its_own_completions"
        ),
        published="As for csgan-nmt; its authors prefer the CNN.",
        spec=_translation(data, seed, device, discriminator="pair_lstm"),
        steps=WARM_UP + 1000 + UPDATES,
    )


@SYSTEMS.register("csgan-nmt-professor")
def csgan_nmt_professor(
    *, data: Choice = "dialogue", seed: int = 0, device: str = "auto"
) -> System:
    """Translate with a D that reads G's states: is it led by a real reply, or on its own."""
    return System(
        name="csgan-nmt-professor",
        title="CSGAN-NMT, professor forcing",
        article="Lamb et al. 2016; Yang et al. 2018",
        idea="G should feel the same when it writes as when it reads; no reward, no rollouts.",
        cost="The way from states to words learns in the lessons only; they alone do as well.",
        exact=(
            "objectives/test_professor_forcing.py::"
            "test_the_gradient_is_that_through_the_states_of_every_sentence"
        ),
        published=(
            "The paper names it, its released code teaches by real replies alone; Lamb et al. move "
            "G by likelihood in the same update, here in one of its own."
        ),
        spec=_translation(
            data, seed, device,
            discriminator="behaviour",
            estimator="professor_forcing",
            d_first_steps=D_FIRST,
            d_first_accuracy=None,  # G's states tell too little for 0.82, however long D looks
            knobs={"g_lr": 1e-4, "d_lr": 1e-3, "mle_lr": 1e-3},  # at 1e-3 G unlearns (measured)
        ),
        steps=WARM_UP + D_FIRST + UPDATES,
    )  # fmt: skip


@SYSTEMS.register("conditional-gan")
def conditional_gan(
    *, data: Choice = "captions-by-scene", seed: int = 0, device: str = "auto"
) -> System:
    """Caption a label; real captions under a wrong label are fakes as well."""
    return System(
        name="conditional-gan",
        title="Conditional GAN",
        article="Mirza & Osindero 2014; Reed et al. 2016 for wrong pairs",
        idea="Say what is wanted; D checks the answer against the question.",
        cost="D may ignore the label unless it sees wrong pairs.",
        exact=(
            "training/test_systems.py::"
            "test_a_conditional_d_minimises_real_fake_and_wrong_pairs"
        ),
        published=(
            "Images; Reed et al. halve the sum of fakes and wrong pairs; no likelihood first."
        ),
        spec=spec(
            data, seed, device,
            remedies={"mismatch": {"weight": 1.0}},
            knobs={"g_lr": 3e-4, "d_lr": 1e-2},
        ),
        steps=WARM_UP + UPDATES,
    )  # fmt: skip
