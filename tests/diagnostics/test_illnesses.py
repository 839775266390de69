"""What single detectors read, in records of known dynamics."""

import math

import numpy as np
import pytest

from textgan_lab.diagnostics.detectors import DETECTORS, readings
from textgan_lab.diagnostics.report import diagnose
from textgan_lab.diagnostics.signals import NotApplicable
from textgan_lab.diagnostics.watch import Watch

# ---- gradients -----------------------------------------------------------------------------------


def test_zeros_are_counted_update_by_update_in_a_long_run_too(record):
    detector = DETECTORS["blocked-gradient"]()
    long = record(steps=4100, g_grad_norm=lambda t: (t + 1) % 2)  # every other one is 0
    assert readings(long, [detector])["blocked-gradient"][-1].scores == {"zeros_min": 1.0}
    zero = readings(record(steps=4100, g_grad_norm=0.0), [detector])["blocked-gradient"]
    assert zero[-1].scores == {"zeros_min": 2048.0}


@pytest.mark.parametrize(
    ("draw", "cosine", "noisy"),
    [
        (lambda noise: noise.standard_cauchy(500), 0.0, True),
        (lambda noise: 1.0 + noise.normal(size=500), 0.5, False),  # SNR 1: 1 / (1 + 1)
        (lambda noise: np.ones(500), 1.0, False),
    ],
    ids=["cauchy", "signal", "constant"],
)
def test_gradients_of_pure_noise_are_noisy_and_those_with_a_signal_are_not(draw, cosine, noisy):
    watch, noise = Watch("non_saturating"), np.random.default_rng(0)
    for t in range(401):
        watch.log(t, g_grad=draw(noise))
    taken = readings(watch.telemetry)["noisy-gradient"]
    assert taken[-1].scores["cosine_max"] == pytest.approx(cosine, abs=0.02)
    assert (DETECTORS["noisy-gradient"]().examine(taken) is not None) == noisy


# ---- collapse ------------------------------------------------------------------------------------


def one_cell(i):
    """Return counts of 2560 tokens that all fall into one cell."""
    return np.bincount([i], minlength=8) * 2560


def test_a_collapse_onto_sentences_too_short_for_a_pair_is_found(record):
    silent = record(unique_ratio=0.02, distinct_2=math.nan, cells=lambda t: one_cell(3))
    assert "mode-collapse" in diagnose(silent).codes


def law(seed, t):
    return np.random.default_rng([seed, t]).multinomial(2560, np.full(8, 1 / 8))


def turnover(record, cells):
    return readings(record(steps=600, cells=cells))["rotating-collapse"][-1].scores["turnover_min"]


def test_turnover_is_nothing_for_one_law_all_for_rotation_and_little_for_a_drift(record):
    assert turnover(record, lambda t: np.full(8, 320)) == 0
    # the floor of a look, 7 / (4 * 2560) = 6.8e-4, is taken off: what is left is its scatter
    resampled = [turnover(record, lambda t, s=s: law(s, t)) for s in range(20)]
    assert np.mean(resampled) < 2e-4 and max(resampled) < 6e-4
    floor = 1 / (4 * 2560)  # two cells are ever occupied at once
    rotating = turnover(record, lambda t: one_cell(t // 25 % 8))
    assert rotating == pytest.approx(math.log(2) - floor, abs=1e-12)

    def drift(t):  # from one cell to the next in 600 steps: temporal JS of it all, 0.2 nats
        return np.array([600 - t, t, 0, 0, 0, 0, 0, 0])

    assert turnover(record, drift) < 0.003


# ---- oscillation ---------------------------------------------------------------------------------


def examined(code, telemetry):
    detector = DETECTORS[code]()
    return detector.examine(readings(telemetry, [detector])[code])


def dirac(steps, gamma=0.0, h=0.2):
    """Alternate descent on the Dirac-GAN (Mescheder et al. 2018): logits of fakes over time."""
    theta = psi = 1.0
    logits = []
    for _ in range(steps):
        psi += h * (theta / (1 + math.exp(theta * psi)) - gamma * psi)
        theta -= h * psi / (1 + math.exp(theta * psi))
        logits.append(theta * psi)
    return logits


def test_the_dirac_gan_circles_and_its_regularised_twin_does_not(record):
    for gamma, circles in ((0.0, True), (0.3, False), (1.0, False)):
        logits = dirac(1000, gamma)
        found = examined("oscillation", record(steps=1000, d_logit_fake=lambda t, x=logits: x[t]))
        assert (found is not None) == circles, gamma


def test_it_takes_two_to_circle(record):
    logits = dirac(1000)
    still = record(steps=1000, d_logit_fake=lambda t: logits[t], g_grad_norm=0.0)
    with pytest.raises(NotApplicable, match="G's gradient is 0: it takes two to circle"):
        examined("oscillation", still)


def swing(record, signal, steps=1000):
    detector = DETECTORS["oscillation"]()
    return readings(record(steps=steps, d_logit_fake=signal), [detector])["oscillation"][-1].scores


@pytest.mark.parametrize("periods", [4, 7.3, 12.5])
def test_a_wave_swings_nearly_by_two_and_a_dying_one_does_not_go_on(record, periods):
    def wave(t):
        return math.sin(2 * math.pi * periods * t / 500)

    # cos at lags of half a period and of a whole one, each over what is left of the window:
    # (1 - 1/p) + (1 - 1/2p) = 2 - 3/2p
    steady = swing(record, wave)
    assert steady["swing_min"] == pytest.approx(2 - 1.5 / periods, abs=0.08)
    assert steady["steadiness_min"] > 0.9
    assert steady["growth_min"] == pytest.approx(1, abs=0.1)
    dying = swing(record, lambda t: math.exp(-t / 100) * wave(t))
    # halves of the newest 500 steps lie 250 apart, over which it falls by exp(-2.5) = 0.08
    assert dying["growth_min"] == pytest.approx(0.08, abs=0.03)


@pytest.mark.parametrize("ratio", [0.5, 1.5, 2])
@pytest.mark.parametrize("periods", [5, 12, 25])
def test_a_wave_whose_frequency_drifts_is_an_oscillation(record, ratio, periods):
    def chirp(t):  # the frequency goes from f to ratio f within the newest half, steps 500 to 999
        u = (t - 500) / 500
        return math.sin(2 * math.pi * 2 * periods / (1 + ratio) * (u + (ratio - 1) * u * u / 2))

    found = record(steps=1000, d_logit_fake=chirp)
    assert examined("oscillation", found) is not None
    # a frequency even between 1 and 2: mean 3/2 over root of (1 + 2 + 4) / 3
    if ratio == 2 and periods == 12:
        steadiness = readings(found)["oscillation"][-1].scores["steadiness_min"]
        assert steadiness == pytest.approx(1.5 / math.sqrt(7 / 3), abs=0.02)


def test_nothing_and_rounding_do_not_swing(record):
    assert set(swing(record, 0.1).values()) == {0.0}
    assert swing(record, lambda t: 0.1 + 1e-4 * t)["swing_min"] == 0  # a line


def test_a_logit_that_was_lost_is_left_out_on_both_sides(record):
    def wave(t):
        return math.inf if t in (700, 701) else math.sin(t / 8)

    broken = record(steps=1000, d_logit_fake=wave, d_logit_real=lambda t: 2 * wave(t))
    assert readings(broken)["oscillation"][-1].scores["swing_min"] > 1.5


@pytest.mark.parametrize("memory", [0.0, 0.8, 0.95, 1.0])
def test_noise_that_remembers_is_no_oscillation(record, memory):
    detector, wrong = DETECTORS["oscillation"](), 0
    for seed in range(20):
        noise = np.random.default_rng(seed).normal(size=1000)
        red = np.zeros(1000)
        for t in range(1, 1000):
            red[t] = memory * red[t - 1] + noise[t]
        wrong += detector.holds(swing(record, lambda t, x=red: x[t]))
    assert wrong <= 1


# ---- exposure bias -------------------------------------------------------------------------------


def test_looks_at_the_same_real_sentences_do_not_add_up(record):
    # 8 looks in the window of 16, each 2 standard errors above 0: still 2, not 2 sqrt(8)
    found = readings(record(exposure_gap=0.1, exposure_gap_se=0.05))["exposure-bias"]
    assert found[-1].scores["z_min"] == pytest.approx(2)
    exact = readings(record(exposure_gap=0.1, exposure_gap_se=0.0))["exposure-bias"]
    assert exact[-1].scores["z_min"] == math.inf
