"""The contract, over every detector of the catalogue and one of one's own."""

import dataclasses
import inspect
import math

import numpy as np
import pytest

import textgan_lab as tl
from textgan_lab.diagnostics.detectors import DETECTORS, Detector, labelled, readings
from textgan_lab.diagnostics.report import diagnose
from textgan_lab.diagnostics.signals import FAMILIES, NotApplicable, Signals
from textgan_lab.telemetry import Telemetry


def one_hot(t):
    """Return counts that sit in one cell, another one at each look."""
    return np.bincount([t // 25 % 8], minlength=8) * 2560


def stay(t):
    return np.bincount([3], minlength=8) * 2560


def later(before, after, at=200):
    return lambda t: before if t < at else after


FEW = {"unique_ratio": 0.02, "distinct_2": 0.01, "cells_entropy": 0.1}
FLAT = {"held_out_nll": 3.0}
# code -> sick faces: what is changed in a healthy record
SICK = {
    "vanishing-gradient": [
        {"g_grad_norm": later(2.0, 1e-3), "d_accuracy": 0.99},
        {"loss": "saturating", "d_logit_fake": -9.0, "d_accuracy": 0.99},  # dead from the start
    ],
    "blocked-gradient": [{"g_grad_norm": 0.0, "g_grad_cosine": 0.0}],
    "mode-collapse": [
        {**FEW, "cells": stay},
        {"text": False, "cells_entropy": 0.1, "cells": stay},
        {"unique_ratio": 0.02, "cells": stay},  # few sentences, of many words
        {"distinct_2": 0.01, "cells": stay},  # many sentences, of few words
    ],
    "rotating-collapse": [
        {**FEW, "cells": one_hot},
        {"text": False, "cells_entropy": 0.1, "cells": one_hot},
    ],
    "discriminator-overpowers": [
        {"d_accuracy": 1.0, "d_loss.adversarial": 0.01, **FLAT},
        {"loss": "hinge", "d_accuracy": 1.0, "d_loss.adversarial": 0.01, **FLAT},
        {"text": False, "d_accuracy": 1.0, "d_loss.adversarial": 0.01, "cells_js": 0.3},
    ],
    "false-equilibrium": [{"d_accuracy": 0.5, "d_accuracy_held_out": 0.52, "cells_accuracy": 0.99}],
    "oscillation": [{"d_logit_fake": lambda t: math.sin(t / 5)}],
    "misleading-loss": [{"g_loss.adversarial": lambda t: 1.0 + (t / 25 * 7) % 5}],
    "noisy-gradient": [{"g_grad_cosine": lambda t: 0.3 * (-1) ** t}],
    "divergence": [
        {"d_loss": later(1.3, math.nan, 390)},
        {"g_grad_norm": later(2.0, math.inf, 390)},
        {"d_grad_norm": later(1.0, 500.0)},
        {"d_logit_fake": later(-0.3, -5e4, 250)},
    ],
    "discriminator-overfits": [{"d_memory": 1.5}],
    "exposure-bias": [{"exposure_gap": 0.3, "exposure_gap_se": 0.05}],
}
FACES = [(code, i) for code, faces in SICK.items() for i in range(len(faces))]


def examined(code, telemetry):
    detector = DETECTORS[code]()
    return detector.examine(readings(telemetry, [detector])[code])


def test_every_detector_has_a_sick_face():
    assert set(SICK) == set(DETECTORS)
    assert [*DETECTORS] == [
        "vanishing-gradient", "blocked-gradient", "mode-collapse", "rotating-collapse",
        "discriminator-overpowers", "false-equilibrium", "oscillation", "misleading-loss",
        "noisy-gradient", "divergence", "discriminator-overfits", "exposure-bias",
    ]  # fmt: skip


def test_a_healthy_run_is_healthy_and_what_needs_a_law_is_untold(record):
    report = diagnose(record())
    assert report.codes == ["healthy"], report
    assert [*report.untold] == ["exposure-bias"]
    assert len(report.passed) == len(DETECTORS) - 1


@pytest.mark.parametrize(("code", "face"), FACES)
def test_the_sick_face_is_found_and_the_healthy_one_is_not(record, code, face):
    found = examined(code, record(**SICK[code][face]))
    assert found is not None and found.code == code
    healthy = record(exposure_gap=0.001, exposure_gap_se=0.05)
    assert examined(code, healthy) is None


@pytest.mark.parametrize(("code", "face"), FACES)
def test_moving_any_threshold_past_the_score_takes_the_finding_back(record, code, face):
    detector = DETECTORS[code]()
    taken = readings(record(**SICK[code][face]), [detector])[code]
    scores = taken[-1].scores
    kept = [name for name, held in detector.keeps(scores).items() if held]
    assert detector.examine(taken) is not None
    for name in kept:
        beyond = -1 if name.endswith("_max") else 1
        past = scores[name] + beyond * max(1e-9, 1e-9 * abs(scores[name]))
        if detector.any_of:
            assert kept == [name]  # nothing else holds it up
        assert dataclasses.replace(detector, **{name: past}).examine(taken) is None, name
        on_it = dataclasses.replace(detector, **{name: scores[name]})
        assert on_it.holds(scores), f"{name}: a limit that is met counts"


@pytest.mark.parametrize(("code", "face"), FACES)
def test_evidence_has_the_numbers_and_the_thresholds(record, code, face):
    detector = DETECTORS[code]()
    taken = readings(record(**SICK[code][face]), [detector])[code]
    found, scores = detector.examine(taken), taken[-1].scores
    for name, held in detector.keeps(scores).items():
        if held:
            what, limit = detector.limits()[name], getattr(detector, name)
            assert f"{what}: {scores[name]:.3g}" in found.evidence
            assert f" {limit:.3g}" in found.evidence
    assert found.value in scores.values()
    assert found.threshold in [getattr(detector, name) for name in scores]


@pytest.mark.parametrize("code", SICK)
def test_an_empty_record_tells_nothing(code):
    with pytest.raises(NotApplicable, match="no moment of play"):
        examined(code, Telemetry())


@pytest.mark.parametrize("code", [code for code in SICK if code != "blocked-gradient"])
def test_a_record_without_the_columns_tells_nothing_and_says_what_is_missing(code):
    bare = Telemetry()
    bare.rows += [{"step": t, "phase": "adversarial", "mle_loss": 1.0} for t in range(500)]
    if code == "divergence":  # losses that are not there are not lost
        assert examined(code, bare) is None
        return
    with pytest.raises(NotApplicable, match="recorded|measured|lacks|no known value"):
        examined(code, bare)


def test_since_is_the_first_moment_from_which_the_rule_held_to_the_end(record):
    # a window is the newest half of play and at least 4 moments; norms fall at step 200 and the
    # median over the window falls once more than half of its rows are low: at row 300 of 200..300
    # the window has 150 rows (6 of 12 moments), 100 of them low
    found = examined("vanishing-gradient", record(**SICK["vanishing-gradient"][0]))
    assert found.since == 299
    # memory is high between 100 and 200 only, then again from 300: the last stretch counts
    memory = {"d_memory": lambda t: 1.5 if 100 <= t < 200 or t >= 300 else 0.0}
    readings_of = readings(record(steps=600, **memory))["discriminator-overfits"]
    detector = DETECTORS["discriminator-overfits"]()
    held = [r.step for r in readings_of if r.scores and detector.holds(r.scores)]
    found = detector.examine(readings_of)
    assert found.since in held and found.since - 25 not in held
    assert all(step in held for step in range(found.since, 600, 25))


def test_one_moment_alone_is_no_finding(record):
    sick = readings(record(d_memory=1.5, steps=100))["discriminator-overfits"]
    assert [r.scores is not None for r in sick] == [False, False, False, True]
    detector = DETECTORS["discriminator-overfits"]()
    assert detector.examine(sick) is None
    assert dataclasses.replace(detector, patience=1).examine(sick).since == 99


def test_a_cured_run_is_healthy_again(record):
    sick = {name: later(value, healthy) for (name, value), healthy in zip(
        FEW.items(), (0.97, 0.29, math.log(8)), strict=True)}  # fmt: skip
    before, after = record(steps=200, **sick), record(steps=500, **sick)
    assert diagnose(before).codes == ["mode-collapse"]
    assert diagnose(after).codes == ["healthy"]


def test_units_of_losses_and_norms_do_not_matter(record):
    def scaled(factor, names, **changes):
        telemetry = record(**changes)
        for row in telemetry.rows:
            row.update({name: row[name] * factor for name in names})
        return readings(telemetry)

    norms = ("d_grad_norm", "g_grad_norm")
    critic = ("d_loss", "d_loss.adversarial", "g_loss.adversarial", "d_logit_real", "d_logit_fake")
    changes = {"d_logit_fake": lambda t: math.sin(t / 5), "g_grad_norm": later(2.0, 1e-3)}
    for names in (norms, critic):
        one, many = (scaled(f, names, loss="wasserstein", **changes) for f in (1.0, 1000.0))
        for code, taken in one.items():
            for a, b in zip(taken, many[code], strict=True):
                assert (a.scores is None) == (b.scores is None)
                for name, score in (a.scores or {}).items():
                    if name != "logit_min":  # a size, by definition
                        assert score == pytest.approx(b.scores[name], rel=1e-9), (code, name)


def test_what_only_a_law_can_tell_changes_nothing(record, truth):
    for faces in SICK.values():
        assert diagnose(record(**faces[0])) == diagnose(record(**faces[0], **truth))


# ---- words --------------------------------------------------------------------------------------


def test_every_remedy_named_is_a_part_or_a_knob():
    trainer = tl.Trainer(tl.Spec(data="mini", mle_steps=1, probe_every=0))
    known = {*tl.LOSSES, *tl.REMEDIES, *tl.ESTIMATORS, *trainer.knobs, *tl.Spec.model_fields}
    direction = {"higher", "lower", "more", "fewer", "larger", "smaller"}
    for code, part in DETECTORS.items():
        for remedy in labelled(part)["Try"].split(", "):
            *adverb, name = remedy.split(" ")
            assert name in known, f"{code}: {name}"
            assert set(adverb) <= direction and len(adverb) < 2, f"{code}: {remedy}"


@pytest.mark.parametrize("code", SICK)
def test_documentation_and_class_fit(code):
    part = DETECTORS[code]
    doc = labelled(part)
    assert [*doc] == ["Reads", "Formula", "Rule", "Means", "Try", "Fails when", "Paper"]
    assert all(doc.values())
    assert issubclass(part, Detector) and part.severity in ("issue", "tip")
    assert part.notebook[:2].isdigit()
    assert part.limits() and all(name.endswith(("_max", "_min")) for name in part.limits())
    for name in part.limits():
        assert name in doc["Rule"], f"{code}: the rule does not mention {name}"
    assert inspect.getdoc(part).splitlines()[0].endswith(".")


def test_families_are_those_of_the_losses():
    import torch

    assert set(FAMILIES) == set(tl.LOSSES)
    for name, family in FAMILIES.items():
        loss = tl.LOSSES[name]
        if family.balance is not None:
            silent = torch.zeros(3, dtype=torch.float64)
            assert loss.d(silent, silent).item() == pytest.approx(family.balance, abs=1e-12)
        for s in (-4.0, 0.0, 3.0):
            logit = torch.tensor(s, dtype=torch.float64, requires_grad=True)
            (slope,) = torch.autograd.grad(loss.generator(logit), logit)
            assert family.weight(s) == pytest.approx(abs(slope.item()), abs=1e-12)


def test_a_detector_of_ones_own_is_one_class(record):
    @dataclasses.dataclass(frozen=True, kw_only=True)
    class LongSentences(Detector):
        """Sentences are long.

        Means  they are long
        Try    entropy
        """

        name = "long-sentences"
        notebook = "00_tour"
        length_min: float = 9.0

        def scores(self, signals: Signals):
            return {"length_min": signals.typical("length")}

    assert diagnose(record(length=4.0), [LongSentences()]).codes == ["healthy"]
    (found,) = diagnose(record(length=12.0), [LongSentences()]).findings
    assert (found.evidence, found.remedies) == ("length: 12 ≥ 9", ("entropy",))
    with pytest.raises(TypeError, match="expected detectors, got 'long-sentences'"):
        diagnose(record(), ["long-sentences"])
