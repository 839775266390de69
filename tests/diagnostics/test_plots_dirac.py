"""Plots of the Dirac-GAN: what is drawn is what `dynamics` says, where it says it."""

import math

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, to_rgba
from matplotlib.figure import Figure

from textgan_lab.diagnostics import colours
from textgan_lab.diagnostics.plots import dirac
from textgan_lab.dynamics import System, simulate


@pytest.fixture
def ax():
    return Figure().subplots()


def labelled(ax):
    return {line.get_label(): line for line in ax.get_lines() if line.get_label()[0] != "_"}


def drawn(ax):
    """Render the figure: a label or a limit that cannot be drawn fails here."""
    ax.figure.canvas.draw()
    return ax


def test_the_field_stands_the_right_way_round(ax, monkeypatch):
    seen = {}

    def streamplot(self, x, y, u, v, **_):
        seen.update(x=x, y=y, u=u, v=v)

    monkeypatch.setattr(Axes, "streamplot", streamplot)
    dirac.vector_field("wgan_gp", ax, limit=1.5, weight=2.0, target=0.5)
    row, column = 30, 4  # psi = 0.75, theta = -1.2: v = (-psi, theta - 2 (psi - 0.5))
    assert (seen["x"][column], seen["y"][row]) == pytest.approx((-1.2, 0.75))
    assert seen["u"][row, column] == pytest.approx(-0.75)
    assert seen["v"][row, column] == pytest.approx(-1.2 - 2 * 0.25)


def test_field_equilibrium_and_trajectories_share_the_axes(ax):
    paths = [simulate("r1", steps=40), simulate("r1", steps=30, gamma=1.0)]
    assert dirac.vector_field("r1", ax, paths, limit=1.2, gamma=0.3) is ax
    lines = labelled(drawn(ax))
    assert list(lines) == ["r1", "r1 gamma=1", "equilibrium"]
    for path in paths:
        x, y = lines[path.label].get_data()
        assert x.tolist() == path.theta.tolist() and y.tolist() == path.psi.tolist()
    assert [list(d) for d in lines["equilibrium"].get_data()] == [[0], [0]]
    single = [line.get_data() for line in ax.get_lines() if len(line.get_xdata()) == 1]
    ends = [(path.theta[i], path.psi[i]) for path in paths for i in (0, -1)]
    assert [(x[0], y[0]) for x, y in single] == [*ends, (0, 0)]
    assert ax.get_xlim() == ax.get_ylim() == (-1.2, 1.2)
    assert ax.get_title() == "r1 gamma=0.3"
    assert ax.xaxis.label.get_color() == colours.G and "θ" in ax.get_xlabel()
    assert ax.yaxis.label.get_color() == colours.D and "ψ" in ax.get_ylabel()
    colour = [lines[path.label].get_color() for path in paths]
    assert len(set(colour)) == 2 and not {colours.D, colours.G} & set(colour)


def test_the_clip_is_drawn_where_it_is(ax):
    dirac.vector_field("wasserstein_clipped", ax, clip=0.5)
    dashed = [line.get_ydata()[0] for line in ax.get_lines() if line.get_linestyle() == "--"]
    assert dashed == [-0.5, 0.5]
    other = Figure().subplots()
    dirac.vector_field(System(loss="wasserstein"), other)
    assert all(line.get_linestyle() != "--" for line in other.get_lines())


def test_a_path_that_left_float64_ends_where_it_was_last_a_number(ax):
    path = simulate("r1", h=1.0, steps=300, gamma=1000.0)
    dirac.vector_field("r1", ax, [path])
    x, y = labelled(drawn(ax))[path.label].get_data()
    assert len(x) == len(y) == np.isfinite(path.radius).sum() < 300


def test_radius_draws_every_path_with_its_verdict_beside_the_law(ax):
    paths = [simulate("non_saturating"), simulate("wasserstein", steps=100)]
    law = math.sqrt(2) * 1.04 ** (np.arange(101) / 2)
    dirac.radius(paths, ax, exact={"sqrt(2h)": math.sqrt(0.4), "exact": law})
    lines = labelled(drawn(ax))
    names = ["non_saturating: limit cycle", "wasserstein: diverges", "sqrt(2h)", "exact"]
    assert list(lines) == names and ax.get_yscale() == "log"
    assert lines[names[0]].get_ydata() == pytest.approx(paths[0].radius)
    assert lines["exact"].get_ydata() == pytest.approx(lines[names[1]].get_ydata())
    level = lines["sqrt(2h)"]
    assert len(level.get_ydata()) == 501 and set(level.get_ydata()) == {math.sqrt(0.4)}
    assert (level.get_color(), level.get_linestyle()) == (colours.TRUTH, "--")


def test_step_sizes_that_differ_are_named(ax):
    dirac.radius([simulate("r1", h=0.2), simulate("r1", h=0.1)], ax)
    assert [name.split(":")[0] for name in labelled(ax)] == ["r1, h=0.2", "r1, h=0.1"]


def test_radius_leaves_out_what_a_log_axis_cannot_show(ax):
    path = simulate("r1", h=1.0, steps=300, gamma=1000.0)
    dirac.radius([path], ax)
    (line,) = drawn(ax).get_lines()
    shown = np.isfinite(line.get_ydata())
    assert (path.radius[shown] < 1e200).all() and (path.radius[~shown] >= 1e200).all()
    assert 10 < shown.sum() < 300


def test_eigenvalues_of_the_field_fall_on_the_published_curve(ax):
    gammas = [0.0, 0.6, 1.0, 1.25]
    dirac.eigenvalues("r1", "gamma", gammas, ax=ax)
    (marks,) = [c for c in ax.collections if len(c.get_offsets()) == 8]
    # -gamma/2 +- sqrt(gamma^2 - 1)/2: gamma 0.6 has 0.8i/2, gamma 1.25 has 0.75/2
    expected = [(0, 0.5), (0, -0.5), (-0.3, 0.4), (-0.3, -0.4), (-0.5, 0), (-0.5, 0),
                (-0.25, 0), (-1.0, 0)]  # fmt: skip
    assert np.asarray(marks.get_offsets()) == pytest.approx(np.array(expected), abs=1e-12)
    assert marks.get_array().tolist() == [0.0, 0.0, 0.6, 0.6, 1.0, 1.0, 1.25, 1.25]
    drawn(ax)
    assert "imaginary axis" in labelled(ax) and "unit circle" not in labelled(ax)
    assert "per unit of time" in ax.get_xlabel()
    assert ax.figure.axes[1].get_ylabel() == "gamma"
    left, right = ax.get_xlim()
    assert left < -1 and right > 0 and ax.get_ylim()[1] > 0.5


def test_eigenvalues_of_updates_stand_against_the_unit_circle(ax):
    dirac.eigenvalues("wasserstein", "h", [0.1, 0.5], ax=ax)
    (marks,) = [c for c in ax.collections if len(c.get_offsets()) == 4]
    expected = [(1, 0.1), (1, -0.1), (1, 0.5), (1, -0.5)]
    assert np.asarray(marks.get_offsets()) == pytest.approx(np.array(expected), abs=1e-15)
    x, y = labelled(drawn(ax))["unit circle"].get_data()
    assert np.hypot(x, y) == pytest.approx(np.ones(len(x)))
    assert "per update" in ax.get_xlabel() and ax.get_title() == "wasserstein: eigenvalues"
    for low, high, reach in ((*ax.get_xlim(), 1), (*ax.get_ylim(), 0.5)):
        assert low < reach < high


def test_a_multiplier_beyond_1_is_in_view(ax):
    dirac.eigenvalues("r1", "h", [3.0], ax=ax, alternating=True, d_steps=2, gamma=1.0)
    (marks,) = [c for c in ax.collections if len(c.get_offsets()) == 2]
    # D alone multiplies psi by (1 - 3)^2 = 4; with G, by roots of x^2 - (5 - 1.5 * -1.5) x + 4
    found = np.asarray(marks.get_offsets())[:, 0]
    assert found == pytest.approx([(7.25 + 36.5625**0.5) / 2, (7.25 - 36.5625**0.5) / 2])
    assert ax.get_xlim()[0] < found.min() and found.max() < ax.get_xlim()[1]


def test_what_is_held_fixed_is_used_and_said(ax):
    dirac.eigenvalues(
        "r1", "gamma", [0.1, 10.0], h=0.4, ax=ax, alternating=True, d_steps=2, loss="wasserstein"
    )
    assert ax.get_title() == "r1 loss=wasserstein, alternating 1:2, h=0.4: eigenvalues"
    (marks,) = [c for c in ax.collections if len(c.get_offsets()) == 4]
    first = np.asarray(marks.get_offsets())[:2] @ [1, 1j]
    # D: psi <- 0.96 psi + 0.4 theta, twice; then theta <- theta - 0.4 psi: determinant 0.96^2,
    # psi gets 0.4 (1 + 0.96) theta, so the trace is 0.96^2 + 1 - 0.4 * 0.784
    assert first.prod().real == pytest.approx(0.96**2)
    assert first.sum().real == pytest.approx(0.96**2 + 1 - 0.3136)
    assert isinstance(marks.norm, LogNorm)  # 0.1 to 10 is two decades


def test_the_stable_side_is_the_shaded_one(ax):
    dirac.eigenvalues("consensus", "gamma", [0.5, 1.0], ax=ax)
    drawn(ax)
    grey = [p for p in ax.patches if p.get_facecolor() == to_rgba("0.95")]
    (box,) = (p.get_window_extent().transformed(ax.transData.inverted()) for p in grey)
    assert box.x1 == pytest.approx(0) and box.x0 < -0.25


def test_axes_are_made_when_none_are_given():
    from matplotlib import pyplot

    for made in (
        dirac.vector_field("ttur"),
        dirac.radius([simulate("r1", steps=5)]),
        dirac.eigenvalues("instance_noise", "sigma", [0.5, 1.0]),
    ):
        drawn(made)
        pyplot.close(made.figure)


@pytest.mark.parametrize(
    "draw, said",
    [
        (lambda ax: dirac.vector_field("r1", ax, limit=0.0), "limit is 0.0"),
        (lambda ax: dirac.vector_field("gan", ax), "unknown Dirac-GAN 'gan'"),
        (lambda ax: dirac.eigenvalues("r1", "gamma", [], ax=ax), "values of gamma"),
        (lambda ax: dirac.eigenvalues("r1", "weight", [1.0], ax=ax), "no option 'weight'"),
        (lambda ax: dirac.eigenvalues("wgan_gp", "weight", [1.0], ax=ax), "kink"),
    ],
)
def test_what_cannot_be_drawn_is_refused_by_name(ax, draw, said):
    with pytest.raises(ValueError, match=said):
        draw(ax)
