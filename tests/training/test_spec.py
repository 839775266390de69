"""Spec: what it accepts, refuses, prints; parts that do not fit together."""

import math

import pytest
from languages import TinyLanguage, TwoClouds

from textgan_lab.objectives import LOSSES
from textgan_lab.training import Spec, Trainer

FULL = Spec(
    data={"captions": {"seed": 3}},
    generator={"lstm": {"hidden": 16}},
    discriminator={"cnn": {"widths": [2, 3]}},
    loss="hinge",
    estimator={"gumbel": {"straight_through": False}},
    remedies={"gradient_penalty": {"weight": 1.0}, "entropy": {}},
    knobs={"d_lr": 2e-4, "d_steps": 2},
    d_optimiser={"adam": {"eps": 1e-6}},
    batch_size=16,
    seed=7,
)


@pytest.mark.parametrize("spec", [Spec(data="mini"), FULL], ids=["short", "full"])
def test_the_repr_is_the_spec(spec):
    assert eval(repr(spec)) == spec == Spec.model_validate_json(spec.model_dump_json())
    assert str(spec) == repr(spec)


def test_the_repr_shows_what_was_given_and_no_more():
    assert repr(Spec(data="mini", seed=3)) == "Spec(data='mini', seed=3)"
    assert Spec(data="mini", loss={"hinge": {}}) == Spec(data="mini", loss="hinge")


def test_a_spec_does_not_change():
    with pytest.raises(ValueError, match="frozen"):
        FULL.seed = 1


@pytest.mark.parametrize(
    "field, value, known",
    [
        ("loss", "hinj", "unknown loss 'hinj'; known: " + ", ".join(LOSSES)),
        ("generator", "gru", "unknown generator 'gru'; known: lstm, mlp"),
        ("discriminator", "rnn", "unknown discriminator 'rnn'; known: cnn, lstm, mlp"),
        ("estimator", "magic", "unknown estimator 'magic'; known: pathwise, argmax"),
        ("g_optimiser", "lion", "unknown optimiser 'lion'; known: adam, sgd, rmsprop"),
        ("generator", {"lstm": {"layers": 2}}, "no option 'layers'; its options: embedding"),
        ("loss", {"hinge": {"margin": 2}}, "'hinge' has no option 'margin'; its options: none"),
        ("loss", {"hinge": {}, "wasserstein": {}}, "expected one name with its options"),
        ("data", {"mini": {}, "captions": {}}, "expected one name with its options"),
        ("remedies", {"luck": {}}, "unknown remedy 'luck'; known: input_noise"),
        ("remedies", {"entropy": {"wait": 1}}, "no option 'wait'; its options: weight"),
        ("batch_size", 0, "greater than or equal to 1"),
        ("probe_every", -1, "greater than or equal to 0"),
        ("g_clip", 0, "greater than 0"),
        ("seed", -1, "greater than or equal to 0"),
        ("mle_steps", 2.5, "integer"),
        ("knobs", {"d_lr": "fast"}, "number"),
        ("knobs", {"d_lr": True}, "d_lr"),
        ("batchsize", 3, "batchsize"),
        ("device", "gpu", "cpu"),
    ],
)
def test_an_error_names_field_value_and_what_is_known(field, value, known):
    with pytest.raises(ValueError) as error:
        Spec(**{"data": "mini", field: value})
    assert known in str(error.value)
    assert field in str(error.value) or field == "remedies"


def test_data_is_the_one_thing_that_must_be_said():
    with pytest.raises(ValueError, match="data"):
        Spec()


TEXT, POINTS = TinyLanguage(), TwoClouds()


@pytest.mark.parametrize(
    "data, spec, said",
    [
        (POINTS, {}, "is points.* 'lstm' plays text; for points: mlp, .*: pathwise"),
        (TEXT, {"discriminator": "mlp"}, "'tiny-3-3' is text.* 'mlp' plays points; for text: cnn"),
        (TEXT, {"estimator": "pathwise"}, "estimator 'pathwise' plays points"),
        (POINTS, {"generator": "mlp"}, "discriminator 'cnn' plays text"),
        (TEXT, {"estimator": "dense_reinforce"}, "one logit a token: lstm"),
        (
            TEXT,
            {"estimator": "reinforce", "loss": "wasserstein"},
            "reward 'probability' needs a binary loss, and 'wasserstein' is none.*reward='loss'",
        ),
        (
            TEXT,
            {"loss": "hinge", "remedies": {"label_smoothing": {}}},
            "remedy 'label_smoothing' needs a binary loss, not 'hinge'",
        ),
        (
            POINTS,
            {"generator": "mlp", "discriminator": "mlp", "estimator": "pathwise", "mle_steps": 5},
            "mle_steps, teacher_steps: generator 'mlp' cannot learn by likelihood",
        ),
        (
            POINTS,
            {"generator": "mlp", "discriminator": "mlp", "estimator": "pathwise",
             "remedies": {"entropy": {}}},
            "remedy 'entropy' does not apply to points",
        ),
        (TEXT, {"knobs": {"lr": 1.0}}, "unknown knob 'lr'; this run has: d_lr, d_beta1"),
        (TEXT, {"knobs": {"d_lr": 11.0}}, r"knob d_lr: 11.0 is outside \[0, 10\]"),
        (TEXT, {"knobs": {"d_lr": math.nan}}, "knob d_lr: nan is outside"),
        (TEXT, {"knobs": {"d_steps": 1.5}}, "knob d_steps: expected a whole number"),
        (TEXT, {"knobs": {"entropy.weight": 0.1}}, "unknown knob 'entropy.weight'"),
        (TEXT, {"remedies": {"entropy": {"weight": -1.0}}}, "knob entropy.weight: -1.0 is outside"),
    ],
)  # fmt: skip
def test_parts_that_do_not_fit_are_refused_with_advice(data, spec, said):
    with pytest.raises(ValueError, match=said):
        Trainer(Spec(data="given", device="cpu", probe_every=0, **spec), data=data)


def test_an_unknown_corpus_is_named_with_the_known_ones():
    with pytest.raises(ValueError, match="'no-such-corpus'.*mini"):
        Trainer(Spec(data="no-such-corpus"))


def test_a_run_has_the_knobs_of_its_parts_and_no_others():
    def knobs(**spec):
        return set(Trainer(Spec(data="given", device="cpu", **spec), data=TEXT).knobs.table)

    plain = knobs()
    assert plain == {
        "d_lr", "d_beta1", "d_beta2", "g_lr", "g_beta1", "g_beta2", "d_steps", "g_steps",
        "d_dropout", "d_noise", "label_smoothing", "temperature",
    }  # fmt: skip
    assert knobs(mle_steps=1) - plain == {"mle_lr"}
    assert knobs(estimator="reinforce") == plain - {"temperature"}
    assert knobs(loss="hinge") == plain - {"label_smoothing"}
    assert knobs(remedies={"entropy": {}}) - plain == {"entropy.weight"}
    assert knobs(d_optimiser="sgd") == plain - {"d_beta1", "d_beta2"} | {"d_momentum"}


def test_options_reach_their_parts():
    t = Trainer(
        Spec(
            data="given", generator={"lstm": {"hidden": 16, "embedding": 8}}, device="cpu",
            d_optimiser={"adam": {"eps": 1e-3}}, remedies={"entropy": {"weight": 0.3}},
            estimator={"gumbel": {"straight_through": False}}, knobs={"d_lr": 0.25},
        ),
        data=TEXT,
    )  # fmt: skip
    assert t.generator.lstm.hidden_size == 16 and t.generator.embed.embedding_dim == 8
    assert t.game.optimisers["d"].eps == 1e-3 and t.estimator.straight_through is False
    assert t.knobs["entropy.weight"] == 0.3 and t.mirror.slots["d_lr"].item() == 0.25
