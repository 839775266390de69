"""Labels from the truth, thresholds from healthy runs, and the figures that are stored."""

import dataclasses
import math
import re
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
from typer.testing import CliRunner

from textgan_lab import cli
from textgan_lab.batch import archive, collection, validation
from textgan_lab.batch.archive import Run
from textgan_lab.batch.conditions import between, both, conditions, truth_of
from textgan_lab.batch.settings import SEEDS, SETTINGS
from textgan_lab.batch.validation import Alarm, Case, Tally
from textgan_lab.diagnostics.detectors import DETECTORS, Detector, Reading, limit
from textgan_lab.telemetry import Telemetry
from textgan_lab.training import Spec

LOOKS, STRIDE, FAKES = 12, 10, 100


def record(text=True, head_start=0, **late) -> Telemetry:
    """A run whose last third is as ``late`` says, number or function of the look, else healthy."""
    modes = late.pop("modes", [0.25] * 4 + [0.0])
    cells = late.pop("cells", [250, 250, 250, 250])
    stepwise = {"d_loss": 1.4, "g_loss": 0.7, "d_accuracy": 0.55, "g_grad_norm": 0.5}
    measured = {"d_accuracy_held_out": 0.55, "d_memory": 0.0}
    if text:
        late.setdefault("held_out_nll.sentence", lambda look: 12.0 if look else 12.01)
        sentence = {"held_out_nll.sentence": 12.0, "bayes_accuracy": 0.7, "g_entropy": 1.0}
        measured |= {"held_out_nll": 1.0, **sentence}
    telemetry = Telemetry()
    spec = {"probe_size": FAKES, "loss": "non_saturating"}
    telemetry.events.append({"event": "start", "step": 0, "spec": spec, "cells": list("abcd")})
    for t in range(LOOKS * STRIDE):
        look = t // STRIDE
        given = {n: v(look) if callable(v) else v for n, v in late.items()}
        row = {"step": t, "phase": "adversarial"}
        row |= {n: given.get(n, v) for n, v in stepwise.items() if n[0] != "g" or t >= head_start}
        telemetry.rows.append(row)
        if t % STRIDE == STRIDE - 1:
            row |= {n: given.get(n, v) for n, v in measured.items()}
            shares = modes(look) if callable(modes) else modes
            row |= {f"mode.{i}": share for i, share in enumerate(shares)}
            counts = cells(look) if callable(cells) else cells
            telemetry.samples.append({"step": t + 1, "cells": list(counts)})
    return telemetry


TEXT, POINTS = {"entropy": 10.0}, {"shares": [0.25] * 4}


def judged(telemetry, facts):
    return conditions(truth_of(telemetry, facts))


def test_between_has_two_thresholds_either_way():
    assert [between(v, 0.4, 0.75) for v in (0.4, 0.5, 0.75)] == [True, None, False]
    assert [between(v, 0.75, 0.4) for v in (0.75, 0.5, 0.4)] == [True, None, False]


def test_both_is_false_as_soon_as_one_is():
    assert both(True, True) is True
    assert both(None, False) is False
    assert both(True, None) is None


ONE = {"modes": [1.0, 0, 0, 0, 0], "g_entropy": 0.1}
ILL = {
    "mode-collapse": (ONE, {"modes": [0.25] * 4 + [0.0], "g_entropy": 1.0}),
    "rotating-collapse": (
        {"modes": lambda look: np.eye(5)[look % 4], "g_entropy": 0.1},
        {"modes": [1.0, 0, 0, 0, 0]},
    ),
    "false-equilibrium": ({"bayes_accuracy": 1.0}, {"d_accuracy_held_out": 0.95}),
    "discriminator-overpowers": ({"d_accuracy": 0.99}, {"d_accuracy": 0.9}),
    "vanishing-gradient": ({"g_grad_norm": 1e-4, "d_accuracy": 0.99}, {"d_accuracy": 0.6}),
    "divergence": ({"d_loss": -1e5}, {"d_loss": -10.0}),
    "discriminator-overfits": ({"d_memory": 1.0}, {"d_memory": 0.2}),
}


@pytest.mark.parametrize("code", ILL)
def test_each_condition_has_two_faces(code):
    sick, well = ILL[code]
    found = judged(record(**sick), TEXT)
    assert found[code] is True and found["healthy"] is False
    assert judged(record(**{**sick, **well}), TEXT)[code] is False


def test_nothing_wrong_is_healthy_and_a_doubt_is_neither():
    assert judged(record(), TEXT)["healthy"] is True
    doubt = judged(record(d_memory=0.5), TEXT)
    assert doubt["discriminator-overfits"] is None and doubt["healthy"] is None
    # nothing wrong, but 5 nats from the truth over 10 tokens, and no nearer than at first
    far = judged(record(**{"held_out_nll.sentence": lambda look: 15 + look / 100}), TEXT)
    assert True not in far.values() and far["healthy"] is None


def test_a_gradient_of_zero_is_blocked_and_has_not_vanished():
    found = judged(record(g_grad_norm=0.0, d_accuracy=1.0), TEXT)
    assert found["vanishing-gradient"] is False and found["blocked-gradient"] is True
    tiny = judged(record(g_grad_norm=1e-9, d_accuracy=1.0), TEXT)
    assert tiny["vanishing-gradient"] is True and tiny["blocked-gradient"] is False


def test_points_that_come_and_go_oscillate():
    def there(look):
        return [0.25] * 4 + [0.0] if look % 2 else [0.05] * 4 + [0.8]

    found = judged(record(text=False, modes=there), POINTS)
    assert found["oscillation"] is True and "blocked-gradient" not in found
    assert judged(record(text=False), POINTS)["oscillation"] is False
    assert "oscillation" not in judged(record(), TEXT)


def test_what_turns_does_not_oscillate_as_well():
    def there(look):
        return np.eye(5)[look % 4] if look % 2 else [0, 0, 0, 0, 1.0]

    found = judged(record(text=False, modes=there), POINTS)
    assert found["oscillation"] is None


def test_a_critic_has_no_accuracy_to_be_at_equilibrium_with():
    telemetry = record(bayes_accuracy=1.0)
    assert judged(telemetry, TEXT)["false-equilibrium"] is True
    telemetry.events[0]["spec"]["loss"] = "wasserstein"
    told = judged(telemetry, TEXT)
    assert not {"false-equilibrium", "discriminator-overpowers"} & set(told)


def test_of_points_a_small_gap_to_a_bound_says_nothing():
    # TV .5: the best D is right at .75 at least; D's .55 is below that by less than .25
    found = judged(record(text=False, modes=[0.5, 0.25, 0, 0, 0.25]), POINTS)
    assert found["false-equilibrium"] is None
    # TV .75, .875 at least
    found = judged(record(text=False, modes=[0.25, 0, 0, 0, 0.75]), POINTS)
    assert found["false-equilibrium"] is True


def test_numbers_that_were_lost_are_a_divergence():
    telemetry = record()
    telemetry.events.append({"event": "divergence", "step": 7, "values": {}})
    assert judged(telemetry, TEXT)["divergence"] is True


def test_three_looks_are_not_judged():
    telemetry = record()
    telemetry.truncate(3 * STRIDE)
    with pytest.raises(ValueError, match="3 measurements of play, of which 4 would be late"):
        truth_of(telemetry, TEXT)


# ---- archives -----------------------------------------------------------------------------------


def test_an_archive_gives_back_what_diagnoses_read(tmp_path):
    values = iter(np.random.default_rng(0).lognormal(0, 9, LOOKS * STRIDE))
    first = record(head_start=25, d_loss=lambda look: float(next(values)))
    runs = [Run("a", 0, first, TEXT), Run("b", 3, record(text=False), POINTS)]
    back = archive.read(archive.write(tmp_path / "runs.npz", runs))
    assert [(run.setting, run.seed, run.facts) for run in back] == [
        ("a", 0, TEXT),
        ("b", 3, POINTS),
    ]
    for then, now in zip(runs, back, strict=True):
        assert [s["cells"] for s in now.telemetry.samples] == [
            s["cells"] for s in then.telemetry.samples
        ]
        for old, new in zip(then.telemetry.rows, now.telemetry.rows, strict=True):
            assert set(old) == set(new)
            assert all(
                new[n] == pytest.approx(v, rel=2**-12, abs=1e-37) for n, v in old.items()
                if n != "phase"
            )  # fmt: skip
        assert judged(now.telemetry, now.facts) == judged(then.telemetry, then.facts)


def test_the_same_runs_make_the_same_bytes(tmp_path):
    paths = [archive.write(tmp_path / f"{i}.npz", [Run("a", 0, record())]) for i in range(2)]
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_an_archive_keeps_lost_numbers_and_drops_a_loss_said_twice(tmp_path):
    telemetry = record(d_loss=lambda look: math.inf if look > 9 else 1.5)
    for row in telemetry.rows:
        row["d_loss.adversarial"] = row["d_loss"]
    (back,) = archive.read(archive.write(tmp_path / "runs.npz", [Run("a", 0, telemetry)]))
    assert [row["d_loss"] for row in back.telemetry.rows][-1] == math.inf
    assert [r["d_loss.adversarial"] for r in back.telemetry.rows] == [
        r["d_loss"] for r in telemetry.rows
    ]


def test_a_gap_in_a_column_is_refused(tmp_path):
    telemetry = record()
    del telemetry.rows[50]["g_loss"]
    with pytest.raises(ValueError, match="column g_loss: missing at step 50, after it had begun"):
        archive.write(tmp_path / "runs.npz", [Run("a", 0, telemetry)])


def test_what_is_no_archive_says_so(tmp_path):
    (tmp_path / "x.npz").write_bytes(b"PK no")
    with pytest.raises(ValueError, match=r"x\.npz: no archive of runs"):
        archive.read(tmp_path / "x.npz")
    np.savez(tmp_path / "y.npz", a=np.zeros(3))
    with pytest.raises(ValueError, match=r"y\.npz: no archive of runs"):
        archive.read(tmp_path / "y.npz")


# ---- settings -----------------------------------------------------------------------------------


def test_each_family_has_twenty_settings_half_of_which_calibrate():
    for family in collection.FAMILIES:
        own = [setting for setting in SETTINGS.values() if setting.family == family]
        assert len(own) >= 20
        assert sum(setting.calibrates for setting in own) == len(own) // 2
    assert len(SEEDS) == 8


@pytest.mark.parametrize("name", SETTINGS)
def test_settings_are_specs(name):
    setting = SETTINGS[name]
    assert setting.name == name and Spec(**setting.fields, seed=0).model_dump()
    play = setting.steps - setting.fields.get("mle_steps", 0)
    assert play // setting.fields.get("probe_every", 25) >= 8  # moments of play


def test_no_two_settings_are_the_same():
    kinds = [repr((s.fields, s.steps, s.head_start)) for s in SETTINGS.values()]
    assert len(set(kinds)) == len(kinds)


def test_a_made_run_is_found_and_packed(tmp_path):
    key = ("ring-eager-g", 5)
    setting = SETTINGS[key[0]]
    short = dataclasses.replace(setting, steps=100)
    SETTINGS[key[0]] = short
    try:
        assert list(collection.make(tmp_path, [key])) == [key]
    finally:
        SETTINGS[key[0]] = setting
    assert key not in collection.missing(tmp_path)
    assert len(collection.missing(tmp_path)) == len(collection.everything()) - 1
    (run,) = collection.runs(collection.pack(tmp_path, tmp_path / "packed"))
    assert (run.setting, run.seed, run.facts["shares"]) == (*key, [0.125] * 8)
    assert len(run.telemetry.rows) == 100
    assert run.telemetry.rows[-1]["d_loss"] == pytest.approx(
        float(short.trainer(5).run(100).telemetry.rows[-1]["d_loss"]), rel=2**-12
    )


def test_a_folder_without_archives_says_so(tmp_path):
    with pytest.raises(FileNotFoundError, match="no archive of runs there"):
        collection.runs(tmp_path)


# ---- calibration and comparison -----------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Low(Detector):
    """Two limits, of which the first moves.

    Means  nothing
    Try    nothing
    """

    name: ClassVar[str] = "low"
    notebook: ClassVar[str] = "00_tour"
    x_max: float = limit(5.0, "x")
    y_min: float = limit(1.0, "y")


def taken(*scores: tuple[float, float]) -> list[Reading]:
    return [Reading(i, {"x_max": x, "y_min": y}) for i, (x, y) in enumerate(scores)]


def known(name="ring-even", seed=0, truth=None, **readings) -> Case:
    named = {code.replace("_", "-"): found for code, found in readings.items()}
    return Case(name, seed, truth or {"healthy": True}, named, (0, 100), 0.6, 1.4)


def test_the_level_is_where_the_last_two_readings_both_alarm():
    assert validation.level(Low(), "x_max", taken((0, 2), (3, 2), (2, 2))) == 3
    assert validation.level(Low(), "x_max", taken((3, 2), (2, 0))) == math.inf  # y does not hold
    assert validation.level(Low(), "y_min", taken((3, 4), (2, 6))) == 4
    assert validation.level(Low(), "x_max", [*taken((3, 2)), Reading(1, None, "why")]) == math.inf


def test_calibration_tightens_beyond_healthy_runs_and_never_loosens():
    healthy = [known(low=taken((x, 2), (x, 2))) for x in (3.0, 4.0, 7.0)]
    moved = validation.calibrated(Low(), healthy, alpha=0.01)
    assert moved.x_max == np.nextafter(3.0, 0) and moved.y_min == 1.0
    with pytest.raises(KeyError):
        validation.diagnose([moved], known())  # without readings of it
    assert "low" not in validation.diagnose([moved], healthy[0])
    assert "low" in validation.diagnose([Low()], healthy[0])
    assert validation.calibrated(Low(x_max=1.0), healthy, alpha=0.01) == Low(x_max=1.0)


def test_calibration_spends_its_share_of_alarms():
    healthy = [known(low=taken((float(x), 2), (float(x), 2))) for x in range(1, 40)]
    moved = validation.calibrated(Low(x_max=9.0), healthy, alpha=0.05)  # floor(40 * .05) = 2
    alarms = ["low" in validation.diagnose([moved], case) for case in healthy]
    assert sum(alarms) == 2


def test_an_alarm_needs_patience_and_may_pass():
    passing = known(low=taken((9, 2), (3, 2), (3, 2), (9, 2)))
    lasting = known(low=taken((9, 2), (3, 2), (3, 2), (3, 2)))
    short = known(low=taken((9, 2), (3, 2), (9, 2), (3, 2)))
    assert validation.diagnose([Low()], lasting) == {"low": 2}  # holds from 1, said at 2
    assert validation.diagnose([Low()], passing) == {"healthy": 0}
    assert [validation.ever([Low()], case) for case in (passing, lasting, short)] == [
        True,
        True,
        False,
    ]


def test_tallies_count_by_hand():
    cases = [
        known("ring-even", 0, {"divergence": True, "healthy": False}),
        known("ring-even", 1, {"divergence": True, "healthy": False}),
        known("pair-even", 0, {"divergence": False, "healthy": True}),
        known("pair-even", 1, {"divergence": None, "healthy": None}),
    ]
    told = [{"divergence": 25}, {"healthy": 0}, {"divergence": 50}, {"divergence": 0}]
    table = validation.tallies(cases, told)
    expected = Tally(1, 1, 1, frozenset({"ring-even"}), (0.75,))
    assert table["divergence"] == expected
    assert (expected.precision, expected.recall, expected.f1) == (0.5, 0.5, 0.5)
    # one healthy run, not told so; one ill run was told healthy
    assert table["healthy"] == Tally(0, 1, 1, frozenset({"pair-even"}))
    assert validation.macro_f1(table) == 0.25  # of divergence and healthy; no other code occurs
    alarm = Alarm.of(cases, ["healthy" not in diagnosis for diagnosis in told])
    assert alarm == Alarm(hits=1, ill=2, alarms=1, healthy=1)
    assert (alarm.precision, alarm.recall) == (0.5, 0.5)


def test_naive_rules_are_the_published_ones():
    rules = {name: rule(known()) for name, rule in validation.RULES.items()}
    assert set(rules.values()) == {False}
    loud = dataclasses.replace(known(), accuracy=0.85, loss=0.4)
    assert [rule(loud) for rule in validation.RULES.values()] == [True, True, False]


def test_intervals_are_exact():
    # Clopper-Pearson with no success in 10: 1 - .025^(1/10)
    assert validation.interval(0, 10) == (0.0, pytest.approx(1 - 0.025**0.1))
    assert validation.interval(0, 0) == (0.0, 1.0)


def test_no_counted_code_reads_its_own_label():
    assert set(validation.COUNTED) - {"healthy"} <= set(DETECTORS)
    assert "discriminator-overfits" not in validation.COUNTED  # its label is its own column


# ---- what is stored -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def recomputed() -> str:
    return validation.report()


def test_the_stored_table_is_what_the_shipped_records_give(recomputed):
    stored = validation.RESULT.read_text(encoding="utf-8")
    assert stored == recomputed, "run: textgan-lab detectors validate"


def test_the_corpus_is_whole_and_small():
    assert not collection.missing(collection.SHIPPED)
    assert sum(file.stat().st_size for file in collection.SHIPPED.glob("*.npz")) < 5e6


def test_diagnoses_beat_what_is_promised(recomputed):
    left_out, text = map(float, re.findall(r"Macro-F1 (\d\.\d\d)", recomputed))
    assert left_out >= 0.85 and text >= 0.75


def test_the_command_line_writes_the_table(tmp_path, monkeypatch):
    monkeypatch.setattr(collection, "missing", lambda folder: [])
    monkeypatch.setattr(validation, "report", lambda folder: f"of {folder.name}\n")
    monkeypatch.setattr(validation.store, "__defaults__", (tmp_path / "table.md",))
    answer = CliRunner().invoke(cli.app, ["detectors", "validate", "--runs", str(tmp_path)])
    assert answer.exit_code == 0, answer.output
    assert (tmp_path / "table.md").read_text() == f"of {tmp_path.name}\n"
    empty = CliRunner().invoke(cli.app, ["detectors", "validate", "--workers", "0"])
    assert empty.exit_code == 2
