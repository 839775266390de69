import math

import numpy as np
import pytest
import torch

from textgan_lab.diagnostics import diagnose
from textgan_lab.diagnostics.watch import Watch

REAL = ["a cat sat", "a dog ran", "the cat ran", "the dog sat"]


def test_numbers_of_logits_and_gradients_worked_by_hand():
    watch = Watch("non_saturating")
    watch.log(
        3, d_loss=1.5, g_loss=0.7, real_logits=[1.0, 3.0, -1.0, 1.0], fake_logits=[-2.0, 1.0],
        held_out_logits=[-1.0, 1.0, -1.0, 1.0], g_grad=[3.0, 4.0], d_grad_norm=2.5,
    )  # fmt: skip
    watch.log(5, g_grad=[[4.0, 3.0]], held_out_nll=2.25)
    first, second = watch.telemetry.rows
    assert first == {
        "step": 3, "phase": "adversarial", "d_loss": 1.5, "d_loss.adversarial": 1.5,
        "g_loss": 0.7, "g_loss.adversarial": 0.7,
        "d_accuracy": (3 / 4 + 1 / 2) / 2, "d_accuracy_real": 0.75, "d_accuracy_fake": 0.5,
        "d_logit_real": 1.0, "d_logit_fake": -0.5,
        "d_accuracy_held_out": (1 / 2 + 1 / 2) / 2,
        # variances 8/3 and 4/3: the mean 2, so (1 - 0) / sqrt(2)
        "d_memory": pytest.approx(1 / math.sqrt(2), abs=1e-15),
        "d_grad_norm": 2.5, "g_grad_norm": 5.0, "g_grad_cosine": 0.0,
    }  # fmt: skip
    assert second["g_grad_cosine"] == pytest.approx(24 / 25, abs=1e-15)
    assert second["held_out_nll"] == 2.25


def test_a_critic_is_right_above_the_middle_of_both_means():
    watch = Watch("wasserstein")
    watch.log(0, real_logits=[5.0, 9.0], fake_logits=[3.0, 7.0])  # the middle is 6
    assert watch.telemetry.rows[0]["d_accuracy_real"] == 0.5
    assert watch.telemetry.rows[0]["d_accuracy_fake"] == 0.5
    watch = Watch("hinge")
    watch.log(0, real_logits=[5.0, 9.0], fake_logits=[3.0, 7.0])  # all called real
    assert watch.telemetry.rows[0]["d_accuracy_real"] == 1.0
    assert watch.telemetry.rows[0]["d_accuracy_fake"] == 0.0


def test_samples_of_text_are_measured_against_real_data():
    watch = Watch("hinge", real=REAL)
    watch.log(0, samples=["a cat sat", "a cat sat", "a cat swam", "the dog"])
    row, (sample,), start = (
        watch.telemetry.rows[0], watch.telemetry.samples, watch.telemetry.events[0]
    )  # fmt: skip
    assert start["cells"] == ["(end)", "a", "cat", "sat", "dog", "ran", "the", "(others)"]
    assert sample == {"step": 1, "cells": [4, 3, 3, 2, 1, 0, 1, 1]}
    # variety is that of two samples, half as many as are real: three pairs, each of them twice
    assert row["unique_ratio"] == 0.5 and row["distinct_2"] == 3 / 6
    shares = np.array([4, 3, 3, 2, 1, 1, 1]) / 15
    assert row["cells_entropy"] == pytest.approx(-(shares * np.log(shares)).sum(), abs=1e-12)
    assert start["floors"]["unique_ratio"] == 1.0
    ids = Watch("hinge", real=torch.tensor([[4, 5], [5, 4], [4, 4], [5, 5]]))
    ids.log(0, samples=[[4, 4], [4, 4]])
    assert ids.telemetry.samples[0]["cells"] == [4, 0, 2, 0]


def test_points_fall_into_the_cell_of_the_nearest_real_prototype():
    corners = np.array([[0.0, 0.0], [4.0, 0.0], [0.0, 4.0], [4.0, 4.0]] * 3)
    watch = Watch("hinge", real=corners)
    watch.log(0, samples=torch.tensor([[0.1, 0.2], [3.0, 3.5]], requires_grad=True))
    # prototypes: the first point, the farthest from it, then the two others in order
    assert watch.telemetry.samples[0]["cells"] == [1, 1, 0, 0]
    assert "unique_ratio" not in watch.telemetry.rows[0]


def test_a_generator_that_falls_silent_has_collapsed():
    watch = Watch("hinge", real=REAL * 50)
    for t in range(0, 200, 25):
        watch.log(t, samples=[""] * 100)
    assert watch.telemetry.samples[0]["cells"] == [100, 0, 0, 0, 0, 0, 0, 0]
    assert diagnose(watch.telemetry).codes == ["mode-collapse"]


def test_more_samples_do_not_look_less_varied():
    noise = np.random.default_rng(0)
    words = [f"w{i}" for i in range(20)]

    def text(n):
        return [" ".join(noise.choice(words, 4)) for _ in range(n)]

    watch = Watch("hinge", real=text(100))
    for t in range(0, 200, 25):
        watch.log(t, samples=text(4000))
    assert diagnose(watch.telemetry).codes == ["healthy"]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_numbers_of_16_bits_are_read(dtype):
    watch = Watch("hinge", real=torch.tensor([[0.0], [1.0], [0.0], [1.0]], dtype=dtype))
    watch.log(
        0, real_logits=torch.ones(2, dtype=dtype), fake_logits=-torch.ones(2, dtype=dtype),
        samples=torch.ones(3, 1, dtype=dtype),
    )  # fmt: skip
    assert watch.telemetry.rows[0]["d_accuracy"] == 1.0
    assert watch.telemetry.samples[0]["cells"] == [0, 3]


def test_a_foreign_run_is_diagnosed():
    watch, noise = Watch("saturating", real=REAL * 50), np.random.default_rng(0)
    words = ["a", "cat", "sat", "dog", "ran", "the"]
    for t in range(400):
        samples = [" ".join(noise.choice(words, 3)) for _ in range(200)] if t % 25 == 0 else None
        watch.log(
            t, d_loss=0.01, real_logits=torch.full((8,), 9.0, requires_grad=True),
            fake_logits=torch.full((8,), -9.0), g_grad_norm=1e-4, samples=samples,
        )  # fmt: skip
    report = diagnose(watch.telemetry)
    assert report.codes == ["vanishing-gradient", "discriminator-overpowers"]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Watch("wgan"), "unknown loss 'wgan'; known: saturating, non_saturating, "),
        (lambda: Watch("hinge", real=["a b"]), "expected some hundreds of real samples, got 1"),
        (lambda: Watch("hinge", real=np.zeros((5, 2, 2))), "expected points .n, dim., got"),
        (lambda: Watch("hinge", real="a cat sat"), "expected sentences or points, got 'a cat"),
        (lambda: Watch("hinge").log(0, samples=REAL), "samples need real data"),
        (lambda: Watch("hinge").log(0, real_logits=[1.0]), "logits come together"),
        (lambda: Watch("hinge").log(0, real_logits=[], fake_logits=[1.0]), "real_logits is empty"),
        (lambda: Watch("hinge", real=REAL).log(0, samples=np.ones((9, 2))), "real data are text"),
        (lambda: Watch("hinge", real=REAL).log(0, samples=["a"]), "hundreds of samples, got 1"),
        (lambda: Watch("hinge", real=[[0.1, 0.2]] * 9), "real: expected points as an array"),
        (
            lambda: Watch("hinge").log(
                0, real_logits=[1.0, 2.0], fake_logits=[1.0], held_out_logits=[1.0]
            ),
            "held_out_logits and real_logits: expected 2 or more each",
        ),
    ],
)
def test_mistakes_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_steps_go_forward_and_gradients_keep_their_length():
    watch = Watch("hinge")
    watch.log(4, g_grad=[1.0, 2.0])
    with pytest.raises(ValueError, match="step 4 after step 4"):
        watch.log(4)
    with pytest.raises(ValueError, match="g_grad has 3 numbers, the one before 2"):
        watch.log(5, g_grad=[1.0, 2.0, 3.0])
