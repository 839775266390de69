"""Policy gradients: D's opinion is a reward, and credit goes to words, prefixes or sentences."""

from ..spec import Choice
from .system import SYSTEMS, UPDATES, WARM_UP, System, spec

D_FIRST = 100  # updates of D alone after the warm-up


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
    """Reward every prefix, and do nothing else of ScratchGAN: the ablation of its paper."""
    return System(
        name="seqgan-step",
        title="SeqGAN-step",
        article="de Masson d'Autume et al. 2019",
        idea="A causal D judges every prefix, so that no rollout is needed.",
        cost="Without large batches and an entropy bonus it learns slowly, if at all.",
        exact="objectives/test_estimators.py::test_the_claim_about_bias_holds",
        spec=spec(
            data, seed, device,
            discriminator="lstm",
            estimator={"dense_reinforce": {"discount": 0.5}},
            mle_steps=0,
            knobs={"g_lr": 5e-3, "d_lr": 5e-3},
        ),
        steps=UPDATES,
    )  # fmt: skip


@SYSTEMS.register("scratchgan")
def scratchgan(*, data: Choice = "captions", seed: int = 0, device: str = "auto") -> System:
    """No warm-up: dense rewards, a discount, batches of 1,024, a regularised D."""
    return System(
        name="scratchgan",
        title="ScratchGAN",
        article="de Masson d'Autume et al. 2019",
        idea="Large batches quiet the policy gradient enough to learn a language from nothing.",
        cost="An update costs 16 of the others'; in seconds it is behind for long.",
        exact="objectives/test_estimators.py::test_score_functions_in_expectation",
        spec=spec(
            data, seed, device,
            discriminator="lstm",
            estimator={"dense_reinforce": {"discount": 0.5}},
            remedies={"entropy": {"weight": 0.02}},
            mle_steps=0,
            batch_size=128,
            accumulate=8,
            knobs={"g_lr": 5e-3, "d_lr": 5e-3, "d_dropout": 0.1},
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
        spec=spec(
            data, seed, device,
            estimator="relax",
            d_first_steps=D_FIRST,
            knobs={"g_lr": 1e-3, "d_lr": 1e-3},
        ),
        steps=WARM_UP + D_FIRST + UPDATES,
    )  # fmt: skip
