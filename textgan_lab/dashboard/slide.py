"""A plot under sliders: the same call, live or headless."""

from collections.abc import Callable
from typing import Any

from matplotlib.axes import Axes


def slide(
    plot: Callable[..., Axes], live: bool = True, **sliders: tuple[float, float, float]
) -> Any:
    """Return sliders that redraw ``plot``, or, with ``live=False``, draw it once and return None.

    A notebook shows what a cell's last line returns, so no semicolon belongs behind this one.

    Args:
        plot: takes the sliders' values by name, makes one figure and returns its Axes.
        live: whether there is somebody to move them.
        sliders: name to (start, lowest, highest).

    Raises ValueError for a start outside its range.
    """
    for name, (start, low, high) in sliders.items():
        if not low <= start <= high or low == high:
            raise ValueError(f"slide: {name} starts at {start}, outside [{low}, {high}]")
    if not live:
        plot(**{name: start for name, (start, _, _) in sliders.items()})
        return None
    import ipywidgets
    from IPython.display import clear_output, display
    from matplotlib import pyplot

    def draw(**values: float) -> None:
        figure = plot(**values).figure
        clear_output(wait=True)
        display(figure)
        pyplot.close(figure)  # or the inline backend shows it once more below

    made = {
        name: ipywidgets.FloatSlider(
            value=start, min=low, max=high, step=(high - low) / 200, description=name,
            layout={"width": "32em"}, style={"description_width": "initial"},
        )
        for name, (start, low, high) in sliders.items()
    }  # fmt: skip
    output = ipywidgets.interactive_output(draw, made)
    return ipywidgets.VBox([*made.values(), output])
