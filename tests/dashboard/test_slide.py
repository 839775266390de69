"""A plot under sliders: the call is the same, live or not."""

import matplotlib
import pytest
from matplotlib import pyplot

from textgan_lab.dashboard.slide import slide

matplotlib.use("agg")


def plot_into(seen):
    def plot(a, b=0.0):
        seen.append((a, b))
        return pyplot.subplots()[1]

    return plot


def test_headless_it_draws_once_at_the_start():
    seen = []
    before = pyplot.get_fignums()
    assert slide(plot_into(seen), live=False, a=(1.5, 0, 2), b=(3, 0, 4)) is None
    assert seen == [(1.5, 3)]
    (drawn,) = set(pyplot.get_fignums()) - set(before)  # left open for the notebook to show
    pyplot.close(drawn)


def test_a_slider_redraws_and_leaves_no_figure_open():
    seen, before = [], pyplot.get_fignums()
    box = slide(plot_into(seen), a=(1.0, 0.0, 2.0))
    slider = box.children[0]
    assert (slider.description, slider.min, slider.max, slider.value) == ("a", 0, 2, 1)
    assert seen == [(1.0, 0.0)]
    slider.value = 0.5
    assert seen[-1] == (0.5, 0.0) and len(seen) == 2
    assert pyplot.get_fignums() == before


@pytest.mark.parametrize("given", [(3, 0, 2), (1, 1, 1)])
def test_a_start_outside_its_range_is_refused(given):
    with pytest.raises(ValueError, match="slide: a starts at"):
        slide(plot_into([]), live=False, a=given)
