"""Named systems: each is what its article describes, plays, and has the test that it claims."""

import ast
import math
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from dialogues import TinyDialogue
from languages import PAD, Frames, TinyLanguage

from textgan_lab.objectives import ESTIMATORS
from textgan_lab.training import SYSTEMS, Trainer
from textgan_lab.training.spec import chosen
from textgan_lab.training.systems import UPDATES

torch.set_num_threads(1)
TESTS = Path(__file__).parents[1]
DATA = {
    "captions": lambda: TinyLanguage(eos=True, length=6, words=2),
    "dialogue": lambda: TinyDialogue(eos=True),
    "captions-by-scene": lambda: TinyDialogue(eos=True),
    "waves": Frames,
}


# --- what makes each of them what its article is -------------------------------------------------


def estimator(system, name, **settings):
    """Whether that is how the gradient comes about, with these settings, told or not."""
    chosen_name, options = chosen(system.spec.estimator)
    if system.rival or chosen_name != name:
        return False
    made = ESTIMATORS.make(chosen_name, options)
    return all(getattr(made, setting) == value for setting, value in settings.items())


def subtracts(system, words, **settings):
    """Whether what is paid is so much more than ``words`` say."""
    made = ESTIMATORS.make(*chosen(system.spec.estimator))
    control = getattr(made, "reference", None)
    return (
        not system.rival
        and control is not None
        and words in control.in_words
        and all(getattr(control, setting) == value for setting, value in settings.items())
    )


def remedy(system, name, **options):
    return not system.rival and system.spec.remedies.get(name) == options


def part(field, name, **options):
    """A question: whether that part is played with, with these options and no others."""
    adversarial = field in ("loss", "discriminator")

    def asked(system):
        playing = not (adversarial and system.rival)
        return playing and chosen(getattr(system.spec, field)) == (name, options)

    return asked


def falls(system, knob, first, last):
    """Whether a knob only ever falls in play, from and to those values, and before the end."""
    begun = system.spec.mle_steps + system.spec.d_first_steps
    turns = [(t, value) for t, name, value in system.schedule.content() if name == knob]
    values = [value for _, value in turns]
    return (
        values[:1] == [first]
        and values[-1:] == [pytest.approx(last)]
        and values == sorted(values, reverse=True)
        and begun == turns[0][0] <= turns[-1][0] < begun + UPDATES
    )


def a_move(n):
    """A question: whether D learns n times for each move of G."""
    return lambda s: not s.rival and s.spec.knobs.get("d_steps", 1) == n


SAYINGS = {  # what an article may say, and whether a system does so
    # before play
    "G begins by likelihood": lambda s: not s.rival and s.spec.mle_steps > 0,
    "from nothing": lambda s: s.spec.mle_steps == s.spec.d_first_steps == 0,
    "D begins ahead": lambda s: s.spec.d_first_steps > 0 and s.spec.d_first_accuracy is None,
    "D begins right 0.82 of the time": lambda s: s.spec.d_first_accuracy == 0.82,
    "likelihood alone": lambda s: s.rival,
    # who moves, how
    "a lesson after each move": lambda s: s.spec.teacher_steps == 1,
    "one move of D": a_move(1),
    "five moves of D": a_move(5),
    "ten moves of D": a_move(10),
    "prefixes judged by a faster D": lambda s: (
        estimator(s, "dense_reinforce") and s.spec.knobs["d_lr"] == 10 * s.spec.knobs["g_lr"]
    ),
    "no momentum": lambda s: s.spec.g_optimiser == s.spec.d_optimiser == "rmsprop",
    "1,024 sentences a move": lambda s: s.spec.batch_size * s.spec.accumulate == 1024,
    # generators
    "an LSTM": part("generator", "lstm"),
    "a relational memory": part("generator", "relational"),
    "a Transformer": part("generator", "transformer"),
    "all words at once": part("generator", "convolutional", blocks=2),
    "attention over the source": part("generator", "attention"),
    "a code for each sentence": lambda s: chosen(s.spec.generator)[0] in ("vae", "flow", "glo"),
    "free nats": lambda s: chosen(s.spec.generator)[1].get("free_nats") == 0.1,
    "half of the words hidden": lambda s: chosen(s.spec.generator)[1].get("word_dropout") == 0.5,
    "an encoder": lambda s: chosen(s.spec.generator)[0] == "vae",
    "an invertible network": part("generator", "flow"),
    "codes learned one by one": part("generator", "glo"),
    "a key of D's memory": part("generator", "keyed"),
    "series of frames": part("generator", "series_cnn"),
    # discriminators
    "D a CNN": part("discriminator", "cnn"),
    "D reads prefixes": part("discriminator", "lstm"),
    "D of many embeddings": part("discriminator", "multi_representation"),
    "D of residual convolutions": part("discriminator", "residual", blocks=2),
    "D a CNN on source and target": part("discriminator", "pair_cnn"),
    "D an RNN on source and target": part("discriminator", "pair_lstm"),
    "D reads G's states": part("discriminator", "behaviour"),
    "D has a memory": part("discriminator", "memory", slots=32),
    "D a CNN on frames": part("discriminator", "series_cnn"),
    "D with dropout": lambda s: s.spec.knobs.get("d_dropout") == 0.1,
    # losses
    "-log D": part("loss", "non_saturating"),
    "no sigmoid, no logarithm": part("loss", "wasserstein"),
    "real against fake": part("loss", "relativistic"),
    "D's boundary": part("loss", "boundary_seeking"),
    "minus the logit": part("loss", "reverse_kl"),
    "minus the density ratio": part("loss", "forward_kl"),
    # estimators
    "2 D - 1 is the reward": lambda s: any(
        estimator(s, name, reward="probability")
        for name in ("reinforce", "rollouts", "dense_reinforce", "regs", "relax")
    ),
    "one reward a sentence": lambda s: estimator(s, "reinforce"),
    "less what the others got": lambda s: subtracts(s, "the other sentences"),
    "less what was got before": lambda s: subtracts(s, "past batches"),
    "of which hardly a tenth is remembered": lambda s: subtracts(s, "past batches", decay=0.08),
    "less what 0.6 is worth": lambda s: subtracts(s, "0.2", value=0.2),
    "two endings a word": lambda s: estimator(s, "rollouts", completions=2),
    "five endings a word": lambda s: estimator(s, "rollouts", completions=5),
    "by a G that lags, 0.8 of the old": lambda s: estimator(
        s, "rollouts", policy="delayed", rate=0.8
    ),
    "by G itself": lambda s: estimator(s, "rollouts", policy="live"),
    "a reward a word, and 0.23 of those after it": lambda s: estimator(
        s, "dense_reinforce", discount=0.23
    ),
    "a reward a word, D shown one prefix": lambda s: estimator(s, "regs"),
    "a learned control variate a word": lambda s: estimator(s, "relax"),
    "weights D / (1 - D) over the batch": lambda s: estimator(s, "maligan"),
    "weights D / (1 - D) over groups of 20": lambda s: (
        estimator(s, "bgan", group=20) and s.spec.batch_size % 20 == 0 < s.spec.batch_size - 20
    ),
    "ever fewer words of real sentences": lambda s: (
        estimator(s, "mixed_maligan", completions=5)
        and s.spec.batch_size > 1
        and falls(s, "prefix", 9, 0)
    ),
    "soft words": lambda s: estimator(s, "gumbel", straight_through=False),
    "hard words, soft slopes": lambda s: estimator(s, "gumbel", straight_through=True),
    "ever colder, to 1/100": lambda s: falls(s, "temperature", 1.0, 0.01),
    "what it writes again is fake, too": lambda s: estimator(s, "autoencoding"),
    "the slope of D at G's states": lambda s: estimator(s, "professor_forcing"),
    "the slope of D at the frames": lambda s: estimator(s, "pathwise"),
    # remedies
    "weights within 0.05": lambda s: remedy(s, "weight_clipping", bound=0.05),
    "weights within 1": lambda s: remedy(s, "weight_clipping", bound=1.0),
    "gradients within 1": lambda s: s.spec.g_clip == s.spec.d_clip == 1.0,
    "D's slope held at 1, weight 10": lambda s: remedy(s, "gradient_penalty", weight=10.0),
    "a bound on likelihood": lambda s: remedy(s, "elbo"),
    "reconstruction in D's features": lambda s: remedy(s, "feature_reconstruction"),
    "what is written tells its key": lambda s: remedy(s, "key_information"),
    "wrong pairs are fakes": lambda s: remedy(s, "mismatch", weight=1.0),
    "no remedy": lambda s: not s.spec.remedies,
}

LEARNED, AHEAD = "G begins by likelihood", "D begins ahead"
PLAIN = {"an LSTM", "D a CNN", "-log D", "one move of D", "no remedy"}
PAID = {LEARNED, AHEAD, "2 D - 1 is the reward"}
RELAXED = {LEARNED, "hard words, soft slopes"}
DENSE = (
    PLAIN - {"D a CNN"} | {"from nothing", "D reads prefixes", "2 D - 1 is the reward"}
    | {"a reward a word, and 0.23 of those after it", "less what was got before"}
    | {"of which hardly a tenth is remembered", "prefixes judged by a faster D"}
)  # fmt: skip
CRITIC = {"no sigmoid, no logarithm", "soft words"}
DIALOGUE = PAID | {
    "an LSTM", "-log D", "five moves of D", "a lesson after each move", "no remedy",
    "less what was got before",
}  # fmt: skip
TRANSLATION = {
    LEARNED, "attention over the source", "a lesson after each move", "no momentum", "-log D",
    "weights within 1", "gradients within 1", "one move of D",
}  # fmt: skip
TAUGHT_BY_ROLLOUTS = TRANSLATION | {
    "D begins right 0.82 of the time", "2 D - 1 is the reward", "five endings a word",
    "by G itself", "less what 0.6 is worth",
}  # fmt: skip
ARTICLES = {
    "reinforce": PLAIN | PAID | {"one reward a sentence", "less what the others got"},
    "seqgan": PLAIN | PAID | {
        "two endings a word", "by a G that lags, 0.8 of the old", "less what was got before",
    },
    "seqgan-step": DENSE,
    "scratchgan": DENSE | {"1,024 sentences a move", "D with dropout"},
    "relax": PLAIN | PAID | {"a learned control variate a word"},
    "maligan": PLAIN | {LEARNED, AHEAD, "weights D / (1 - D) over the batch"},
    "mixed-maligan": PLAIN | {LEARNED, AHEAD, "ever fewer words of real sentences"},
    "bgan": PLAIN | {LEARNED, AHEAD, "weights D / (1 - D) over groups of 20"},
    "bgan-continuous": PLAIN - {"-log D"} | RELAXED | {"D's boundary"},
    "gumbel-gan": PLAIN | RELAXED,
    "relgan": {
        LEARNED, "a relational memory", "D of many embeddings", "real against fake", "soft words",
        "ever colder, to 1/100", "five moves of D", "no remedy",
    },
    "transformer-gan": PLAIN - {"an LSTM"} | RELAXED | {"a Transformer"},
    "wgan": CRITIC | {
        LEARNED, "an LSTM", "D a CNN", "five moves of D", "weights within 0.05", "no momentum",
    },
    "wgan-gp": CRITIC | {
        "from nothing", "all words at once", "D of residual convolutions", "ten moves of D",
        "D's slope held at 1, weight 10",
    },
    "reverse-kl": PLAIN - {"-log D"} | RELAXED | {"minus the logit"},
    "forward-kl": PLAIN - {"-log D"} | RELAXED | {"minus the density ratio"},
    "dialogue-regs": DIALOGUE | {"D reads prefixes", "a reward a word, D shown one prefix"},
    "dialogue-rollouts": DIALOGUE | {
        "D a CNN on source and target", "five endings a word", "by G itself",
    },
    "csgan-nmt": TAUGHT_BY_ROLLOUTS | {"D a CNN on source and target"},
    "csgan-nmt-rnn": TAUGHT_BY_ROLLOUTS | {"D an RNN on source and target"},
    "csgan-nmt-professor": TRANSLATION | {
        AHEAD, "D reads G's states", "the slope of D at G's states",
    },
    "conditional-gan": PLAIN - {"no remedy"} | RELAXED | {"wrong pairs are fakes"},
    "vae-gan": PLAIN - {"an LSTM", "no remedy"} | {
        LEARNED, "a code for each sentence", "an encoder", "free nats",
        "what it writes again is fake, too", "a bound on likelihood",
        "reconstruction in D's features",
    },
    "memorygan": PLAIN - {"an LSTM", "D a CNN", "no remedy"} | RELAXED | {
        "a key of D's memory", "D has a memory", "what is written tells its key",
    },
    "waves-gan": {
        "from nothing", "series of frames", "D a CNN on frames", "-log D", "one move of D",
        "the slope of D at the frames", "no remedy",
    },
    "mle": {"likelihood alone", "an LSTM", "no remedy"},
    "mle-transformer": {"likelihood alone", "a Transformer", "no remedy"},
    "vae": {
        "likelihood alone", "a code for each sentence", "an encoder", "free nats",
        "half of the words hidden", "no remedy",
    },
    "flow": {"likelihood alone", "a code for each sentence", "an invertible network", "no remedy"},
    "glo": {
        "likelihood alone", "a code for each sentence", "codes learned one by one", "no remedy",
    },
}  # fmt: skip


@pytest.mark.parametrize("name", SYSTEMS)
def test_it_is_what_its_article_describes(name):
    """Of all that an article may say, each system does what its own says, and nothing else."""
    system = SYSTEMS.make(name)
    assert {words for words, done in SAYINGS.items() if done(system)} == ARTICLES[name]


def test_every_saying_is_of_use():
    assert set().union(*ARTICLES.values()) == set(SAYINGS)


@pytest.mark.parametrize("name", SYSTEMS)
def test_what_its_article_has_and_it_has_not_is_said(name):
    published = SYSTEMS.make(name).published
    assert len(published) > 20 and "\n" not in published and published.endswith(".")


# --- that they run -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SYSTEMS)
def test_its_exactness_test_exists(name):
    file, _, function = SYSTEMS.make(name).exact.partition("::")
    tree = ast.parse((TESTS / file).read_text(encoding="utf-8"))
    assert function in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def tiny(name, **changes):
    """A trainer of a system's own spec on a language small enough to look into."""
    spec = SYSTEMS.make(name, {"seed": 3, "device": "cpu"}).spec
    return Trainer(spec.model_copy(update=changes), data=DATA[spec.data]())


@pytest.mark.parametrize("name", SYSTEMS)
def test_it_plays(name):
    system = SYSTEMS.make(name, {"seed": 3, "device": "cpu"})
    assert system.name == name and system.spec.seed == 3
    short = {"mle_steps": 2, "d_first_steps": 2} if system.spec.mle_steps else {}
    small = {"batch_size": 4, "accumulate": min(2, system.spec.accumulate), "probe_every": 3}
    trainer = tiny(name, **short, **small)
    phases = [step.phase for step in trainer.steps(6)]
    assert phases[-1] == "adversarial" and not trainer.diverged
    assert all(math.isfinite(v) for v in trainer.telemetry.rows[-2].values() if v != phases[-1])
    assert {"g_loss", "d_loss"} <= set(trainer.telemetry.rows[-1])


@pytest.mark.parametrize("name", SYSTEMS)
def test_its_budget_holds_some_play_unless_it_knows_none(name):
    system = SYSTEMS.make(name)
    prepared = system.spec.mle_steps + system.spec.d_first_steps
    assert system.rival == (name in {"mle", "mle-transformer", "vae", "flow", "glo"})
    assert system.steps == prepared if system.rival else system.steps == prepared + UPDATES
    assert all(step < system.steps for step, *_ in system.schedule.content())


def test_a_head_start_ends_when_d_is_right_as_often_as_asked():
    system = SYSTEMS.make("csgan-nmt", {"device": "cpu"})
    easy = system.spec.model_copy(update={"mle_steps": 1, "batch_size": 8})
    trainer = Trainer(easy, data=TinyDialogue(eos=True)).warm_up()
    (begun,) = [e for e in trainer.telemetry.events if e["event"] == "play"]
    first = [row["d_accuracy"] for row in trainer.telemetry.rows if row["phase"] == "d_first"]
    assert begun["step"] == trainer.t == 1 + len(first) < 1 + easy.d_first_steps
    assert begun["d_accuracy"] == pytest.approx(sum(first[-10:]) / 10)
    assert sum(first[-20:-10]) / 10 < 0.82 <= begun["d_accuracy"]


def test_options_are_data_seed_and_device():
    for name in SYSTEMS:
        assert list(SYSTEMS.options(name)) == ["data", "seed", "device"]
        assert SYSTEMS.make(name, {"data": "mini"}).spec.data == "mini"


# --- what the critics minimise, worked out again -------------------------------------------------


def first_batch(twin, soft):
    """The rows and fakes of D's first update, drawn from the same streams."""
    rows = torch.randint(len(twin.data.train), (8,), generator=twin.streams["data"])
    real = twin.data.train[rows]
    given = real[:, : getattr(twin.data, "given", 0)]
    warm = torch.ones(())
    played = twin.generator.relax(
        8, twin.streams["g_noise"], warm, not soft, *([given] if given.shape[1] else [])
    )  # fmt: skip
    return real, played


def worked_out(name, **changes):
    """A twin at its first step, and a trainer that has taken D's first update by itself."""
    changes = {"mle_steps": 0, "batch_size": 8, "probe_every": 0, **changes}
    trainer, twin = tiny(name, **changes), tiny(name, **changes)
    return trainer, twin, {k: v.item() for k, v in trainer.game.d_update().items()}


def one_hot(ids, twin):
    return F.one_hot(ids, twin.data.vocab_size).float()


def test_wgans_critic_goes_down_the_difference_of_means_by_rmsprop_and_is_clipped():
    """Four changes: a mean without sigmoid or logarithm, torch's RMSprop, no momentum, a clip."""
    trainer, twin, said = worked_out("wgan")
    real, played = first_batch(twin, soft=True)
    d = twin.discriminator
    assert (played.x > 0).sum(2).max() > 1  # soft words
    loss = d(played.x.detach()).mean() - d(real).mean()
    assert said["d_loss"] == pytest.approx(loss.item(), abs=1e-6)
    optimiser = torch.optim.RMSprop(d.parameters(), lr=1e-3, alpha=0.99)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(d.parameters(), twin.spec.d_clip)
    known = torch.cat([p.grad.flatten().abs() for p in d.parameters()]) > 1e-5  # above rounding
    optimiser.step()
    moved = torch.cat([p.detach().flatten() for p in d.parameters()]).clamp(-0.05, 0.05)
    assert known.double().mean() > 0.2
    assert torch.allclose(trainer.game.d.flat[known], moved[known], atol=1e-6)
    assert trainer.game.d.flat.abs().max().item() == pytest.approx(0.05)


def test_wgan_gps_critic_adds_ten_times_the_squared_distance_of_its_slope_from_1():
    """The slope by torch.func, sentence by sentence, between a real row and a soft fake."""
    _, twin, said = worked_out("wgan-gp")
    real, played = first_batch(twin, soft=True)
    d, fake = twin.discriminator, played.x.detach()
    u = torch.rand(8, generator=twin.streams["remedies"])
    between = u[:, None, None] * one_hot(real, twin) + (1 - u[:, None, None]) * fake
    slopes = torch.func.vmap(torch.func.grad(lambda x: d(x[None])[0]))(between)
    penalty = 10 * (slopes.square().sum((1, 2)).sqrt() - 1).square().mean().item()
    distance = (d(fake).mean() - d(real).mean()).item()
    assert penalty > 0.1
    assert said["d_loss.gradient_penalty"] == pytest.approx(penalty, rel=1e-4)
    assert said["d_loss"] == pytest.approx(distance + penalty, rel=1e-4)


def test_a_conditional_d_minimises_real_fake_and_wrong_pairs():
    """-ln D(real) - ln(1 - D(fake)) - ln(1 - D(reply of a row, prompt of the row before it))."""
    _, twin, said = worked_out("conditional-gan")
    real, played = first_batch(twin, soft=False)
    d, ids = twin.discriminator, played.ids
    assert torch.equal(ids[:, :2], real[:, :2])
    wrong = torch.cat([real[:, :2].roll(1, 0), real[:, 2:]], 1)
    p = [d(x).sigmoid() for x in (real, ids, wrong)]
    loss = -(p[0].log() + (1 - p[1]).log() + (1 - p[2]).log()).mean()
    assert said["d_loss"] == pytest.approx(loss.item(), rel=1e-5)
    assert (real != wrong).any() and (real[:, 2:] != PAD).any()
