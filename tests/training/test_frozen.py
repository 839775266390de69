"""A frozen G under a learning D: the table against the same done by hand."""

import math

import pytest
import torch
from languages import TwoClouds

from textgan_lab.training import Spec, Trainer
from textgan_lab.training.frozen import frozen_gradients

torch.set_num_threads(1)
SMALL = {"mlp": {"hidden": 8}}
SPEC = Spec(
    data="clouds", generator=SMALL, discriminator=SMALL, estimator="pathwise", loss="saturating",
    batch_size=16, probe_every=0,
)  # fmt: skip


def by_hand(at, loss, spec=SPEC, weights=None):
    knobs = {**spec.knobs, "g_steps": 0}
    trainer = Trainer(spec.model_copy(update={"knobs": knobs}), data=TwoClouds())
    if weights is not None:
        trainer.generator.load_state_dict(weights)
    list(trainer.steps(at))
    return trainer.g_gradient(loss, 64).norm().item(), trainer.telemetry.rows


def test_norms_are_those_of_a_trainer_whose_g_stands_still():
    found = frozen_gradients(
        SPEC, [0, 3, 30], ["saturating", "non_saturating"], n=64, data=TwoClouds()
    )
    assert found["d_step"].tolist() == [0, 0, 3, 3, 30, 30]
    assert found["loss"].tolist() == ["saturating", "non_saturating"] * 3
    for row in found.itertuples():
        norm, rows = by_hand(row.d_step, row.loss)
        assert row.norm == pytest.approx(norm, rel=1e-6)
        if row.d_step == 0:
            assert math.isnan(row.d_accuracy)
            continue
        recent = rows[-20:]
        for name in ("d_accuracy", "d_logit_fake"):
            mean = sum(r[name] for r in recent) / len(recent)
            assert getattr(row, name) == pytest.approx(mean, rel=1e-6)
    assert found["norm"].nunique() == 6


def test_g_takes_the_weights_it_is_given_and_keeps_them():
    trained = Trainer(SPEC, data=TwoClouds())
    list(trained.steps(20))
    before = {name: x.clone() for name, x in trained.generator.state_dict().items()}
    found = frozen_gradients(SPEC, [5], generator=trained.generator, n=64, data=TwoClouds())
    norm, _ = by_hand(5, "saturating", weights=before)
    assert found["norm"].item() == pytest.approx(norm, rel=1e-6)
    assert found["norm"].item() != pytest.approx(by_hand(5, "saturating")[0], rel=1e-3)
    assert all((x == before[name]).all() for name, x in trained.generator.state_dict().items())


def test_the_likelihood_warm_up_comes_first_and_does_not_count():
    spec = Spec(
        data="mini", generator={"lstm": {"hidden": 8}}, discriminator={"cnn": {"filters": 4}},
        mle_steps=4, batch_size=8, probe_every=0,
    )  # fmt: skip
    warm = Trainer(spec)
    list(warm.steps(4))
    found = frozen_gradients(spec, [0, 2], n=32)
    again = frozen_gradients(
        spec.model_copy(update={"mle_steps": 0}), [0], generator=warm.generator, n=32
    )
    assert found["d_step"].tolist() == [0, 2]
    assert math.isnan(found["d_accuracy"][0]) and 0 <= found["d_accuracy"][1] <= 1
    # the same weights, other draws: a warm G's gradient, not an untrained one's
    cold = frozen_gradients(spec.model_copy(update={"mle_steps": 0}), [0], n=32)
    near, far = (abs(math.log(found["norm"][0] / x["norm"][0])) for x in (again, cold))
    assert near < far


@pytest.mark.parametrize("at", [[], [-1], [3, 3], [5, 2]])
def test_updates_must_ascend(at):
    with pytest.raises(ValueError, match="ascend"):
        frozen_gradients(SPEC, at, data=TwoClouds())


def test_weights_of_another_g_are_refused():
    other = Trainer(SPEC.model_copy(update={"generator": "mlp"}), data=TwoClouds()).generator
    with pytest.raises(ValueError, match="not of this G"):
        frozen_gradients(SPEC, [0], generator=other, data=TwoClouds())
