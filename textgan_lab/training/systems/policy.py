"""Policy gradients: D's opinion is a reward, and credit goes to words, prefixes or sentences."""

from ..spec import Choice
from .system import SYSTEMS, UPDATES, WARM_UP, System, spec

D_FIRST = 100  # updates of D alone after the warm-up
SCRATCH = {"dense_reinforce": {"discount": 0.23, "baseline_decay": 0.08}}  # as ScratchGAN has it
FAST_D = {"g_lr": 5e-3, "d_lr": 5e-2}  # at equal rates scratchgan learns next to nothing (measured)


@SYSTEMS.register("reinforce")
def reinforce(*, data: Choice = "captions", seed: int = 0, device: str = "auto") -> System:
    """Pay each sentence what D thinks of it, less what the others of the batch got."""
    return System(
        name="reinforce",
        title="REINFORCE",
        article="Williams 1992",
        idea="Discrete words need no derivative: pay each sentence what D thinks of it.",
        cost="High variance; no word knows what it did.",
        exact="objectives/test_estimators.py::test_the_claim_about_bias_holds",
        published="The reward is given there: no D learns it.",
        spec=spec(
            data, seed, device,
            estimator={"reinforce": {"baseline": "leave_one_out"}},
            d_first_steps=D_FIRST,
            knobs={"g_lr": 1e-3, "d_lr": 1e-3},
        ),
        steps=WARM_UP + D_FIRST + UPDATES,
    )  # fmt: skip


@SYSTEMS.register("seqgan")
def seqgan(*, data: Choice = "captions", seed: int = 0, device: str = "auto") -> System:
    """Monte-Carlo rollouts credit every word, by a policy that lags behind."""
    return System(
        name="seqgan",
        title="SeqGAN",
        article="Yu et al. 2017",
        idea="Finish each prefix several times; what D thinks of the endings is the word's credit.",
        cost="As many completions a word as rollouts; the lagging policy biases their mean.",
        exact="objectives/test_rollouts.py::test_a_delayed_policy_is_biased_and_a_live_one_is_not",
        published=(
            "16 endings a word; no baseline; the reward is D; a D of 1,720 filters and a highway "
            "layer, 15 epochs a move after 50 of its own; 120 epochs of likelihood; Adam at 0.01 "
            "for G, 1e-4 for D."
        ),
        spec=spec(
            data, seed, device,
            estimator={"rollouts": {"completions": 2, "policy": "delayed", "rate": 0.8}},
            d_first_steps=D_FIRST,
            knobs={"g_lr": 1e-3, "d_lr": 1e-3},
        ),
        steps=WARM_UP + D_FIRST + UPDATES,
    )  # fmt: skip


@SYSTEMS.register("seqgan-step")
def seqgan_step(*, data: Choice = "captions", seed: int = 0, device: str = "auto") -> System:
    """Reward every prefix as ScratchGAN does, but in small batches, and nothing of D dropped."""
    return System(
        name="seqgan-step",
        title="SeqGAN-step",
        article="de Masson d'Autume et al. 2019",
        idea="A causal D judges every prefix, so that no rollout is needed.",
        cost="Small batches leave the gradient noisy: within 300 updates it learns nothing.",
        exact="objectives/test_estimators.py::test_the_claim_about_bias_holds",
        published="LSTMs of 512 units and GloVe words; see scratchgan.",
        spec=spec(
            data, seed, device,
            discriminator="lstm",
            estimator=SCRATCH,
            mle_steps=0,
            knobs=FAST_D,
        ),
        steps=UPDATES,
    )  # fmt: skip


@SYSTEMS.register("scratchgan")
def scratchgan(*, data: Choice = "captions", seed: int = 0, device: str = "auto") -> System:
    """No warm-up: a reward for every prefix, batches of 1,024, a D that is fast and drops out."""
    return System(
        name="scratchgan",
        title="ScratchGAN",
        article="de Masson d'Autume et al. 2019",
        idea="Large batches quiet the policy gradient enough to learn a language from nothing.",
        cost="32 times the sentences an update, ten times the CPU time of SeqGAN's.",
        exact="objectives/test_estimators.py::test_score_functions_in_expectation",
        published=(
            "G of two LSTM layers of 512 with GloVe words; D with layer norm, decay 1e-6 and a "
            "place signal, its learning rate 98 times G's (here 10); 512 sentences an update in "
            "the released code; rewards with D's dropout on; 200,000 updates."
        ),
        spec=spec(
            data, seed, device,
            discriminator="lstm",
            estimator=SCRATCH,
            mle_steps=0,
            batch_size=128,
            accumulate=8,
            knobs={**FAST_D, "d_dropout": 0.1},
        ),
        steps=UPDATES,
    )  # fmt: skip


@SYSTEMS.register("relax")
def relax(*, data: Choice = "captions", seed: int = 0, device: str = "auto") -> System:
    """REINFORCE with a learned control variate for every step, still without bias."""
    return System(
        name="relax",
        title="RELAX, step by step",
        article="Tucker et al. 2017 (REBAR); Grathwohl et al. 2018",
        idea="What a relaxed word predicts of the reward is subtracted, and its mean given back.",
        cost="Two relaxed passes and a network of its own.",
        exact="objectives/test_relax.py::test_any_control_variate_leaves_the_mean_alone",
        published=(
            "One categorical at a time, not a sentence; REGAN's code, for sentences: batches of "
            "128, strings of 3 or 15 characters."
        ),
        spec=spec(
            data, seed, device,
            estimator="relax",
            d_first_steps=D_FIRST,
            knobs={"g_lr": 1e-3, "d_lr": 1e-3},
        ),
        steps=WARM_UP + D_FIRST + UPDATES,
    )  # fmt: skip
