"""Plots of modes over time: what is drawn is what was recorded."""

import base64
import io
import re

import numpy as np
import pytest
from matplotlib import pyplot
from matplotlib.colors import to_rgba
from PIL import Image

from textgan_lab.diagnostics import colours, plots
from textgan_lab.telemetry import Telemetry

SHARES = [(1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.25, 0.25, 0.5)]


def record(shares=SHARES):
    telemetry = Telemetry()
    telemetry.rows.append(
        {"step": 0, "phase": "mle", "mode.left": 0.5, "mode.right": 0.0, "mode.none": 0.5}
    )
    for i, (left, right, none) in enumerate(shares):
        seen = {"mode.left": left, "mode.right": right, "mode.none": none}
        telemetry.rows += [
            {"step": 10 * i + 5, "phase": "adversarial"},
            {"step": 10 * i + 9, "phase": "adversarial", **seen},
        ]
    return telemetry


@pytest.fixture
def ax():
    figure, ax = pyplot.subplots()
    yield ax
    pyplot.close(figure)


def test_the_map_has_a_row_a_mode_and_a_column_a_measurement_of_play(ax):
    plots.mode_map(record(), ax)
    (image,) = ax.images
    assert np.array_equal(image.get_array(), np.array(SHARES).T)
    assert image.get_extent() == [4, 34, 2.5, -0.5]
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["left", "right", "none"]


def test_the_map_says_how_far_the_histogram_moves(ax):
    plots.mode_map(record([(1, 0, 0), (0, 1, 0)]), ax)
    assert ax.get_xlabel() == "step (temporal JS 0.69 of at most 1.10 nats)"


def test_the_map_can_begin_later(ax):
    plots.mode_map(record(), ax, since=19)
    assert ax.images[0].get_array().shape == (3, 2)


def test_many_modes_get_few_labels(ax):
    telemetry = Telemetry()
    shares = {f"mode.{i}": 1 / 25 for i in range(25)} | {"mode.none": 0.0}
    telemetry.rows.append({"step": 0, "phase": "adversarial", **shares})
    plots.mode_map(telemetry, ax)
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["0", "13", "none"]


def test_a_run_without_modes_is_refused():
    with pytest.raises(KeyError, match="no modes"):
        plots.mode_map(Telemetry())
    with pytest.raises(ValueError, match="no measurement of play from step 500 on"):
        plots.mode_map(record(), since=500)


def test_a_film_has_a_frame_a_measurement_and_a_bar_a_mode(tmp_path):
    film = plots.mode_film(record())
    ax = film._fig.axes[0]
    heights = []
    for frame in range(3):
        film._draw_frame(frame)
        heights.append(tuple(bar.get_height() for bar in ax.patches))
    assert heights == SHARES
    assert ax.get_title() == "step 29"
    tones = [bar.get_facecolor() for bar in ax.patches]
    assert tones == [to_rgba(colours.FAKE), to_rgba(colours.FAKE), to_rgba("0.7")]
    film.save(tmp_path / "modes.gif", writer="pillow", dpi=20)
    with Image.open(tmp_path / "modes.gif") as saved:
        assert saved.n_frames == 3


def test_a_film_shows_itself_with_buttons():
    page = plots.mode_film(record(), names=["right", "none"])._repr_html_()
    assert page.count("data:image/png;base64") == 4 and page.count("<button") == 9
    assert "▷</button>" in page


def test_where_no_script_may_run_a_film_is_its_first_frame():
    page = plots.mode_film(record())._repr_html_()
    still = re.search(r'<img src="data:image/png;base64,([^"]*)"', page)[1]
    drawn = Image.open(io.BytesIO(base64.b64decode(still, validate=True)))
    assert drawn.format == "PNG" and drawn.size[0] > 300


def test_a_film_needs_no_network():
    page = plots.mode_film(record())._repr_html_()
    assert "<link" not in page and "https:" not in page and "fa-" not in page


def test_points_lie_over_the_circles_of_the_modes(ax):
    plots.points([[1.0, 2.0], [0.0, 0.0]], [[0.0, 0.0], [3.0, 0.0]], std=0.5, title="here", ax=ax)
    assert ax.collections[0].get_offsets().tolist() == [[1.0, 2.0], [0.0, 0.0]]
    assert [(c.center, c.radius) for c in ax.patches] == [((0.0, 0.0), 1.5), ((3.0, 0.0), 1.5)]
    assert ax.get_xlim() == (-5.25, 5.25) and ax.get_title() == "here"


def test_points_of_another_space_are_refused():
    with pytest.raises(ValueError, match=r"got \[1, 3\] and \[1, 2\]"):
        plots.points([[1.0, 2.0, 3.0]], [[0.0, 0.0]], std=1.0)
