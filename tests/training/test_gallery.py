"""The gallery: budgets are kept, all start alike, and the control is judged by the same ruler."""

import math

import pandas
import pytest
import torch

from textgan_lab.catalogue import UnknownName
from textgan_lab.training import SYSTEMS, Spec, Trainer, gallery

torch.set_num_threads(1)
SMALL = {"updates": 4, "warm_up": 5, "samples": 32, "device": "cpu", "data": "mini"}


@pytest.fixture(scope="module")
def found():
    names = ["seqgan", "gumbel-gan", "mle"]
    return gallery.gallery(names, seed=1, seconds=0.2, looks=3, **SMALL)


def at(found, budget):
    return found[found["budget"] == budget].set_index("system")


def test_every_system_has_every_budget(found):
    assert found.groupby("system")["budget"].agg(set).map(len).tolist() == [3, 3, 3]
    assert at(found, "before play")["played"].tolist() == [0, 0, 0]
    assert at(found, "updates")["played"].tolist() == [4, 4, 4]
    assert (at(found, "seconds")["spent"] >= 0.2).all()


def test_all_with_the_same_generator_leave_the_warm_up_alike(found):
    assert at(found, "before play")["js"].nunique() == 1
    assert at(found, "updates")["js"].nunique() == 3


def test_a_head_start_of_no_updates_asks_for_no_accuracy():
    """Without a warm-up D has no head start either, and its run can still be read back."""
    small = {**SMALL, "warm_up": 0, "updates": 1, "data": "dialogue"}
    found = gallery.gallery(["csgan-nmt"], **small)
    (trainer,) = found[found["budget"] == "updates"]["trainer"]
    assert trainer.t == 1 and trainer.telemetry.rows[-1]["phase"] == "adversarial"
    assert Spec.model_validate_json(trainer.spec.model_dump_json()) == trainer.spec


def test_a_trainer_stands_where_its_row_says(found):
    now = at(found, "updates")
    # 5 of likelihood and 4 in play; seqgan's D has 100 updates alone for 250 of likelihood
    assert [trainer.t for trainer in now["trainer"]] == [5 + 2 + 4, 5 + 4, 5 + 4]
    for trainer, js in zip(now["trainer"], now["js"], strict=True):
        assert trainer.measure()["js"] == js == trainer.telemetry.latest("js")


def test_it_is_the_run_that_the_trainer_makes(found):
    spec = SYSTEMS.make("gumbel-gan", {"seed": 1, "device": "cpu", "data": "mini"}).spec
    by_hand = Trainer(spec.model_copy(update={"mle_steps": 5, "probe_every": 0, "probe_size": 32}))
    list(by_hand.steps(9))
    assert by_hand.measure()["js"] == at(found, "updates")["js"]["gumbel-gan"]


def test_a_rival_learns_on_by_likelihood(found):
    rows = at(found, "seconds")["trainer"]["mle"].telemetry.rows
    assert {row["phase"] for row in rows} == {"mle"} and len(rows) > 9


def test_schedules_of_play_stretch_with_it():
    (row,) = gallery.gallery(["relgan"], **{**SMALL, "updates": 2}).query("played == 2").trainer
    own = SYSTEMS.make("relgan").schedule.content()
    turns = row.schedule.content()
    assert turns[0] == [5, *own[0][1:]] and turns[-1] == [5 + 2, *own[-1][1:]]
    assert len(turns) == len(own)


def test_a_run_that_diverges_is_measured_where_it_stopped(monkeypatch):
    prepared = gallery._prepared

    def spoiled(*given):
        trainer, first = prepared(*given)
        whole = trainer.loss
        trainer.game.loss = type(whole.__name__, (whole,), {
            "name": whole.name, "g": classmethod(lambda cls, *a: whole.g(*a) * math.nan),
        })  # fmt: skip
        return trainer, first

    monkeypatch.setattr(gallery, "_prepared", spoiled)
    found = gallery.gallery(["gumbel-gan"], looks=2, seconds=1e6, **{**SMALL, "updates": 50})
    assert found["budget"].tolist() == ["before play", "updates", "seconds"]
    assert found["diverged"].tolist() == [False, True, True]
    assert found["trainer"][1].t < 10 and math.isfinite(found["js"][1])


def test_standings_put_the_best_first_and_real_data_last(found):
    table = gallery.standings(found, "updates")
    assert table.index[-1] == gallery.REAL and table["js"][:-1].is_monotonic_increasing
    assert math.isnan(table["js"].iloc[-1]) and 0 < table["unique_ratio"].iloc[-1] <= 1


def test_standings_name_the_budgets_there_are(found):
    with pytest.raises(ValueError, match="no row of budget 'minutes'.*before play"):
        gallery.standings(found, "minutes")


@pytest.mark.parametrize(
    ("systems", "expected"),
    [
        ({"mle": [0.1, 1.0, 0.2], "gan": [0.2, 1.1, 0.3]}, ("mle", "js")),
        ({"mle": [None, 1.0, 0.2], "gan": [None, 1.1, 0.3]}, ("mle", "held_out_nll")),
        ({"mle": [0.1, 1.0, 0.2], "gan": [None, None, 0.3]}, ("mle", "cells_js")),
        ({"mle": [0.1, 1.0, 0.2]}, (gallery.REAL, "cells_js")),
        ({"waves": [None, None, 0.2]}, (gallery.REAL, "cells_js")),
    ],
)
def test_the_referee_knows_everybody(systems, expected):
    columns = ["js", "held_out_nll", "cells_js"]
    rows = {**systems, gallery.REAL: [None, None, 0.05]}
    table = pandas.DataFrame.from_dict(rows, orient="index", columns=columns).astype(float)
    assert gallery.referee(table) == expected


def test_without_a_measure_there_is_no_referee():
    with pytest.raises(ValueError, match="no measure knows all of gan"):
        gallery.referee(pandas.DataFrame({"js": [math.nan]}, index=["gan"]))


def test_what_is_shown():
    assert gallery.shown("all") == gallery.shown("") == list(gallery.SHORT)
    assert set(gallery.SHORT) <= set(SYSTEMS)
    assert gallery.shown("relgan") == ["relgan", "mle"]
    assert gallery.shown("mle") == ["mle"] and gallery.shown("waves-gan") == ["waves-gan"]
    with pytest.raises(UnknownName, match="unknown system 'relgun'"):
        gallery.shown("relgun")


def test_a_cap_is_given_to_what_takes_it():
    assert gallery.capped("captions", vocab_size=9) == "captions"
    assert gallery.capped("python-docs", vocab_size=9) == {"python-docs": {"vocab_size": 9}}
    assert gallery.capped("a.tsv", max_prompt=3, other=1) == {"a.tsv": {"max_prompt": 3}}
    assert gallery.capped("a.yaml", vocab_size=9) == "a.yaml"
    assert gallery.capped("", vocab_size=9) is None


def test_the_catalogue_says_something_of_every_system():
    table = gallery.catalogue()
    assert list(table.index) == list(SYSTEMS) and list(table)[-1] == "exactness test"
    adversarial = ["estimator", "loss", "D", "before play"]
    assert table.drop(columns=adversarial).map(len).min(axis=None) > 2
    assert table.loc["mle", "exactness test"].startswith("test_")
    alone = table[adversarial].isna()
    assert list(table.index[alone.all(axis=1)]) == [n for n in SYSTEMS if SYSTEMS.make(n).rival]
    assert (alone.all(axis=1) == alone.any(axis=1)).all()
    assert table.loc["csgan-nmt", adversarial].tolist() == [
        "rollouts", "non_saturating", "pair_cnn", "250 MLE, 1000 D until 0.82",
    ]  # fmt: skip
    assert table.loc["scratchgan", "before play"] == "nothing"


@pytest.mark.parametrize(
    ("wrong", "match"),
    [
        ({"updates": 0}, "updates: expected 1 or more, got 0"),
        ({"warm_up": -1}, "warm_up: expected 0 or more, got -1"),
        ({"seconds": 0.0}, "seconds: expected a number above 0"),
        ({"looks": 1}, "looks: expected 0, or 2 and more"),
    ],
)
def test_budgets_that_cannot_be_kept_are_refused(wrong, match):
    with pytest.raises(ValueError, match=match):
        gallery.gallery(["mle"], **{**SMALL, **wrong})


def test_nothing_to_train_is_refused():
    with pytest.raises(ValueError, match="no system to train"):
        gallery.gallery([], **SMALL)
