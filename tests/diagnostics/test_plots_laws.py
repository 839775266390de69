"""Plots of Gaussian laws: what is drawn are the numbers of the closed forms."""

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure

from textgan_lab.diagnostics import colours
from textgan_lab.diagnostics.plots import distances, gaussians, noise_slopes, slopes
from textgan_lab.metrics.gaussians import best_noise, gaussian_gradients

matplotlib.use("agg")


@pytest.fixture
def ax():
    return Figure().subplots()


def lines(ax):
    return {line.get_label(): line for line in ax.get_lines()}


def test_one_gaussian_comes_with_its_divergences_and_the_optimal_d(ax):
    assert gaussians(3.0, ax=ax) is ax
    drawn = lines(ax)
    assert "q at 3: JS 0.5268, KL 4.5, reverse KL 4.5, W1 3" in drawn
    d = drawn["optimal D"]
    assert d.get_color() == colours.TRUTH and d.get_linestyle() == "--"
    x, y = d.get_data()
    assert y.max() == pytest.approx(1.4 / np.sqrt(2 * np.pi), rel=1e-3)  # D = 1, far on p's side
    ax.figure.draw_without_rendering()
    (right,) = ax.child_axes
    assert right.get_ylabel() == "optimal D, 0 to 1"
    assert right.get_ylim()[1] == pytest.approx(ax.get_ylim()[1] / y.max(), rel=1e-3)
    assert np.interp(1.5, x, y) == pytest.approx(y.max() / 2, rel=0.02)  # halfway D = 1/2


def test_several_gaussians_are_numbered_and_have_no_d(ax):
    drawn = lines(gaussians([1, 3], std=2.0, ax=ax))
    assert [name.split(":")[0] for name in drawn] == ["p, the data", "q1 at 1", "q2 at 3"]
    q = drawn[next(name for name in drawn if name.startswith("q2"))]
    assert q.get_ydata().max() == pytest.approx(1 / (2 * np.sqrt(2 * np.pi)), rel=1e-3)


def test_js_ends_at_ln_2_and_w1_is_the_separation(ax):
    mu = np.array([0.5, 5.0, 20.0])
    drawn = lines(distances(mu, ax=ax))
    assert drawn["JS(p, q)"].get_ydata()[-1] == pytest.approx(np.log(2))
    assert drawn["W1(p, q)"].get_ydata().tolist() == pytest.approx(mu.tolist())
    assert drawn["KL(p, q)"].get_ydata().tolist() == pytest.approx((mu**2 / 2).tolist())
    assert ax.get_yscale() == "log" and "nats" in ax.get_ylabel()


def test_slopes_of_losses_and_of_divergences_coincide(ax):
    mu = np.array([1.0, 10.0, 20.0])
    g = gaussian_gradients(0, 1, mu, 1)
    slopes(mu, ax=ax)
    drawn = lines(ax)
    assert drawn["saturating"].get_ydata().tolist() == g["saturating"].tolist()
    truth = [line for line in ax.get_lines() if line.get_color() == colours.TRUTH]
    assert truth[0].get_ydata() == pytest.approx(drawn["saturating"].get_ydata(), rel=1e-9)
    assert truth[1].get_ydata() == pytest.approx(drawn["their sum"].get_ydata(), rel=1e-9)
    assert drawn["saturating"].get_color() == colours.G


def test_the_best_noise_sits_on_its_curve_and_near_laws_have_none(ax):
    noise_slopes([1.0, 8.0], np.geomspace(0.1, 10, 50), ax=ax)
    dots = [line for line in ax.get_lines() if line.get_marker() == "o" and len(line.get_xdata())]
    sigma, slope = best_noise(8.0)
    assert [(float(d.get_xdata()[0]), float(d.get_ydata()[0])) for d in dots] == [(sigma, slope)]
    assert lines(ax)["8 apart"].get_ydata().max() <= slope * (1 + 1e-9)
