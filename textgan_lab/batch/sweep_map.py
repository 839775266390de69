"""The map of a sweep: what a number came to at each pair of parameters, as one SVG picture."""

import io
import json
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..diagnostics import colours

if TYPE_CHECKING:
    import pandas
    from matplotlib.axes import Axes

MOST_LEVELS = 12  # of an axis; numbers with more are put into bins
BINS = 8
MOST_PANELS = 6
LONGEST = 24  # characters of a level as shown
TEXT = "#010203"  # stands for the page's text colour, light or dark


@dataclass(frozen=True)
class Axis:
    """A parameter as an axis: its ``levels`` in order, and the level of each run."""

    name: str
    levels: tuple[str, ...]
    of_run: tuple[str, ...]
    binned: bool

    @classmethod
    def of(cls, column: "pandas.Series") -> "Axis":
        """Return a column as an axis; numbers ascend, all else stays in order of appearance."""
        from pandas.api.types import is_bool_dtype, is_numeric_dtype

        if is_numeric_dtype(column) and not is_bool_dtype(column):
            values = np.unique(column.dropna().to_numpy(dtype=float))
            if len(values) > MOST_LEVELS:
                return cls._bins(column, values)
            column = column.map(_number, na_action="ignore")
            ordered = [_number(value) for value in values]
        else:
            ordered = []
        of_run = tuple(_label(value) for value in column)
        return cls(str(column.name), tuple(dict.fromkeys([*ordered, *of_run])), of_run, False)

    @classmethod
    def _bins(cls, column: "pandas.Series", values: np.ndarray) -> "Axis":
        """Put numbers into bins of as many different values each."""
        bins = np.array_split(values, BINS)
        names = [f"{part[0]:.2g} to {part[-1]:.2g}" for part in bins]
        edges = [part[0] for part in bins[1:]]
        missing = column.isna()
        place = np.searchsorted(edges, column.fillna(0).to_numpy(dtype=float), side="right")
        of_run = tuple("" if gone else names[i] for i, gone in zip(place, missing, strict=True))
        return cls(str(column.name), tuple(dict.fromkeys([*names, *of_run])), of_run, True)


def _number(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else str(float(value))


def _label(value: Any) -> str:
    import pandas

    if isinstance(value, list | dict):
        return json.dumps(value)
    return "" if pandas.isna(value) else str(value)


def axes(frame: "pandas.DataFrame", varied: Sequence[str], seed: str = "SEED") -> list[Axis]:
    """Return the axes of a map, x then y then panels: the parameters with the most levels.

    At most three, the third only with so few levels that its panels fit; fewer when fewer vary. The
    seed is an axis only where there would be one axis otherwise.
    """
    found = [Axis.of(frame[name]) for name in varied if name != seed]
    found = [axis for axis in found if 2 <= len(axis.levels) <= 2 * MOST_LEVELS]
    found.sort(key=lambda axis: -len(axis.levels))
    if len(found) == 1 and seed in varied:
        found.append(Axis.of(frame[seed]))
    chosen, rest = found[:2], found[2:]
    panels = [axis for axis in rest if len(axis.levels) <= MOST_PANELS]
    return [*chosen, *panels[:1]]


@dataclass(frozen=True)
class Cell:
    """The runs of a cell: how many there are, are done, and measured NaN; the median of the rest.

    ``state`` is that of most runs that are not done.
    """

    runs: int
    done: int
    nan: int
    finite: int
    median: float
    state: str


def cell(rows: "pandas.DataFrame", metric: str) -> Cell:
    """Return what became of the runs in ``rows``."""
    done = rows[rows["state"] == "done"]
    values = done[metric].to_numpy(dtype=float, na_value=np.nan)
    nan = sum(metric in names for names in done["not_finite"])
    finite = values[np.isfinite(values)]
    others = rows.loc[rows["state"] != "done", "state"]
    state = others.mode().iloc[0] if len(others) else ""
    middle = float(np.median(finite)) if len(finite) else np.nan
    return Cell(len(rows), len(done), nan, len(finite), middle, state)


def draw(frame: "pandas.DataFrame", chosen: Sequence[Axis], metric: str) -> str:
    """Return the map as an SVG element; ``chosen`` is what `axes` returned, two or three.

    A cell shows the median of ``metric`` over its runs that are done, and of how many it is the
    median where that is not all. Hatched: failed; dotted: not run, or not to the end; NaN in red.
    """
    import matplotlib
    from matplotlib.cm import ScalarMappable
    from matplotlib.figure import Figure

    x, y, *more = chosen
    panels = more[0].levels if more else ("",)
    across = min(len(panels), 2 if len(x.levels) > 6 else 3)
    down = -(-len(panels) // across)
    size = (across * (1.1 + 0.72 * len(x.levels)) + 1, down * (1 + 0.46 * len(y.levels)))
    ink = {f"{what}.color": TEXT for what in ("text", "xtick", "ytick")}
    style = {
        **ink, "axes.labelcolor": TEXT, "axes.edgecolor": TEXT, "axes.titlecolor": TEXT,
        "svg.fonttype": "none", "svg.hashsalt": "map", "font.size": 9, "hatch.linewidth": 0.6,
        "text.parse_math": False,  # a dollar in a value is a dollar
    }  # fmt: skip
    cells = _cells(frame, x, y, more, metric)
    norm = _norm([c.median for c in cells.values()])
    with matplotlib.rc_context(style), warnings.catch_warnings():
        # the browser draws the text, with fonts of its own
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        figure = Figure(figsize=size, layout="constrained")
        grid = figure.subplots(down, across, squeeze=False)
        for ax, panel in zip(grid.flat, panels, strict=False):
            for (column, row, of), found in cells.items():
                if of == panel:
                    _draw(ax, x.levels.index(column), y.levels.index(row), found, norm)
            _frame(ax, x, y, f"{more[0].name} = {panel}" if more else "")
        for ax in grid.flat[len(panels) :]:
            ax.remove()
        if any(c.finite for c in cells.values()):
            figure.colorbar(ScalarMappable(norm, "viridis"), ax=grid, label=metric, shrink=0.9)
        file = io.StringIO()
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
    text = file.getvalue()
    return text[text.index("<svg") :].replace(TEXT, "currentColor")


def _cells(
    frame: "pandas.DataFrame", x: Axis, y: Axis, more: Sequence[Axis], metric: str
) -> dict[tuple[str, str, str], Cell]:
    places = list(zip(x.of_run, y.of_run, more[0].of_run if more else [""] * len(frame),
                      strict=True))  # fmt: skip
    rows: dict[tuple[str, str, str], list[int]] = {}
    for number, place in enumerate(places):
        rows.setdefault(place, []).append(number)
    return {place: cell(frame.iloc[numbers], metric) for place, numbers in rows.items()}


def _norm(medians: Sequence[float]) -> Any:
    """Return the scale of colours: logarithmic where positive values span two decades."""
    from matplotlib.colors import LogNorm, Normalize

    values = np.array([value for value in medians if np.isfinite(value)])
    if not len(values):
        return Normalize(0, 1)
    low, high = values.min(), values.max()
    if low > 0 and high / low > 100:
        return LogNorm(low, high)
    return Normalize(low, high if high > low else low + 1)


def _draw(ax: "Axes", column: int, row: int, found: Cell, norm: Any) -> None:
    import matplotlib
    from matplotlib.patches import Rectangle

    red = colours.FINDING["issue"]
    look: dict[str, Any] = {"facecolor": "none", "edgecolor": "#888888"}
    lines, ink = [], TEXT
    if found.finite:
        look = {"facecolor": matplotlib.colormaps["viridis"](norm(found.median))}
        red_, green, blue, _ = look["facecolor"]
        ink = "black" if 0.299 * red_ + 0.587 * green + 0.114 * blue > 0.55 else "white"
        lines = [f"{found.median:.3g}"]
        if found.finite < found.runs:
            lines.append(f"{found.finite} of {found.runs}")
    elif found.nan:
        look, ink, lines = {"facecolor": "none", "edgecolor": red}, red, ["NaN"]
    elif found.done < found.runs:
        look |= {"hatch": "////" if found.state in ("failed", "unreadable") else "...."}
        lines = [found.state]
    else:
        lines = ["not measured"]
    ax.add_patch(Rectangle((column + 0.03, row + 0.03), 0.94, 0.94, linewidth=0.8, **look))
    size = 8 if max(map(len, lines)) < 9 else 6.5
    ax.text(column + 0.5, row + 0.5, "\n".join(lines), color=ink, ha="center", va="center",
            fontsize=size, linespacing=1.1)  # fmt: skip


def _frame(ax: "Axes", x: Axis, y: Axis, title: str) -> None:
    ax.set(xlim=(0, len(x.levels)), ylim=(0, len(y.levels)), title=title)
    ax.set(xlabel=x.name, ylabel=y.name)
    columns, rows = ([_tail(level) for level in axis.levels] for axis in (x, y))
    turned = {"rotation": 30, "ha": "right"} if max(map(len, columns)) > 8 else {}
    ax.set_xticks(np.arange(len(columns)) + 0.5, columns, **turned)
    ax.set_yticks(np.arange(len(rows)) + 0.5, rows)
    ax.tick_params(length=0)
    for spine in ax.spines.values():
        spine.set_visible(False)


def _tail(level: str) -> str:
    """Return the end of a long level: paths differ there."""
    return level if len(level) <= LONGEST else f"…{level[1 - LONGEST :]}"
