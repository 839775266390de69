"""The lab's widgets, and the one thread that draws them."""

import math
import threading
import time
from html import escape
from pathlib import Path
from typing import Any

import ipywidgets as widgets

from ..diagnostics import colours
from ..knobs import Knob, Snapshot
from .view import FPS, number, round_step

PLAYERS = {
    "g": ("Generator", colours.G),
    "d": ("Discriminator", colours.D),
    "both": ("Both", colours.TURN),
}
STYLE = """<style>
.textgan-lab .widget-label, .textgan-lab .widget-readout {font-size: 15px}
.textgan-lab .widget-readout {min-width: 58px; pointer-events: none}
.textgan-lab .jupyter-button {font-size: 16px; height: 34px; line-height: 32px; padding: 0 10px}
.textgan-lab .widget-dropdown select {font-size: 16px; height: 34px}
.textgan-lab .widget-html-content {line-height: 1.2}
</style>"""


def stops(knob: Knob, value: float) -> list[float]:
    """Return the values a slider stops at, in order: round ones, and ``value`` as it is.

    Counts stop at every whole number; linear knobs at about a hundred places, and ever closer to
    an end just below 1; logarithmic ones at six places a decade, and at 0 where that is legal.
    """
    low, high = knob.shown
    if knob.integer:
        grid = {float(i) for i in range(int(low), int(high) + 1)}
    elif knob.scale == "log":
        decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        grid = {float(f"{m}e{k}") for k in decades for m in (1, 1.5, 2, 3, 5, 7)}
        grid = {0.0 if knob.bounds[0] == 0 else low, *(x for x in grid if low <= x <= high)}
    else:
        width = round_step((high - low) / 80)
        grid = {round(i * width, 9) for i in range(math.ceil(low / width), int(high / width) + 1)}
        top = max(grid)
        grid |= {x for x in (0.999, 0.9999, 0.99999) if top < x <= high} | {low, high}
    return sorted(grid | {value})


class Controls:
    """Knobs grouped by player, buttons, curves, sentences, for one `LiveLab`.

    Callbacks come on whichever thread the kernel chooses, so they do nothing but leave a value with
    the knobs or a command with the lab.
    """

    def __init__(self, lab: Any):
        self.lab = lab
        self.sliders: dict[str, widgets.SelectionSlider] = {}
        self.html = {name: widgets.HTML() for name in ("status", "strip", "board")}
        self.error: Exception | None = None
        self._shown = lab.trainer.knobs.read()
        self._view = threading.Thread(target=self._loop, name=f"{lab.name}: view", daemon=True)
        self.box = widgets.VBox(
            [widgets.HTML(STYLE, layout={"display": "none"}), self.html["status"], self._buttons(),
             self._knobs(), self.html["strip"], self.html["board"]]
        )  # fmt: skip
        self.box.add_class("textgan-lab")
        self._draw(lab.frame())
        self._view.start()

    def end(self) -> None:
        """Wait for the last frame; the lab has been closed."""
        if threading.current_thread() is not self._view:
            self._view.join()

    # ---- knobs ---------------------------------------------------------------------------------

    def _knobs(self) -> widgets.Widget:
        columns = []
        table = self.lab.trainer.knobs.table.values()
        for player, (heading, colour) in PLAYERS.items():
            knobs = [knob for knob in table if knob.player == player]
            if knobs:
                title = widgets.HTML(
                    f'<b style="font:bold 18px sans-serif;color:{colour}">{heading}</b>'
                )
                label = f"{max(len(knob.name) for knob in knobs)}ch"
                rows = [self._row(knob, label, colour) for knob in knobs]
                layout = {"flex": "1 1 400px", "margin": "0 12px 0 0"}
                columns.append(widgets.VBox([title, *rows], layout=layout))
        return widgets.HBox(columns, layout={"flex_flow": "row wrap"})

    def _row(self, knob: Knob, label: str, colour: str) -> widgets.Widget:
        slider = widgets.SelectionSlider(
            options=_options(knob, self._shown.values[knob.name]),
            value=self._shown.values[knob.name],
            description=knob.name,
            tooltip=_meaning(knob),
            continuous_update=True,
            style={"description_width": label, "handle_color": colour},
            layout={"flex": "3 1 270px", "width": "auto"},
        )
        # The first message of a widget goes to the kernel's main shell and waits while a cell runs;
        # later ones do not. Asking the page to count views uses that first message up at once.
        slider._view_count = 0
        slider.observe(self._turned(knob.name), names="value")
        self.sliders[knob.name] = slider
        text = escape(_meaning(knob))
        meaning = widgets.HTML(
            f'<div title="{text}" style="font:13px/15px sans-serif;max-height:30px;'
            f'overflow:hidden;opacity:.75">{text}</div>',
            layout={"flex": "2 1 90px", "min_width": "0", "margin": "0 0 0 8px"},
        )
        return widgets.HBox([slider, meaning], layout={"align_items": "center", "height": "30px"})

    def _turned(self, name: str):
        def turned(change: dict) -> None:
            if threading.current_thread() is not self._view:  # whose moves follow the knobs
                self.lab.arrived.append((self.lab.trainer.t, name, change["new"]))
                self.lab.trainer.knobs.set({name: change["new"]}, source="slider")

        return turned

    def _follow(self, snapshot: Snapshot) -> None:
        """Move the sliders to where a cell, a schedule or a rewind turned the knobs."""
        for name, slider in self.sliders.items():
            value = snapshot.values[name]
            if slider.value == value:
                continue
            options = _options(self.lab.trainer.knobs.table[name], value)
            if slider.options != options:
                # The page clips a place beyond the stops it knows, and would send that back as a
                # turn: so stops change while the slider stands on the first, which is always there.
                slider.index = 0
                slider.options = options
            slider.value = value

    # ---- buttons -------------------------------------------------------------------------------

    def _buttons(self) -> widgets.Widget:
        lab = self.lab
        self.back_to = widgets.Dropdown(options=lab.snapshots, layout={"width": "90px"})
        self._back = self.back_to.value
        self.back_to.observe(self._chosen, names="value")
        commands = {
            "▶ run": lambda: lab._do(lab._start, wait=False),
            "❚❚ pause": lambda: lab._do(lab._pause, wait=False),
            "step D": lambda: lab._do(lab._step, "d", wait=False),
            "step G": lambda: lab._do(lab._step, "g", wait=False),
            "step both": lambda: lab._do(lab._step, "both", wait=False),
            "⟲ rewind to": lambda: lab._do(lab._rewind, self._back, wait=False),
            "⎇ branch from": lambda: lab._do(lab._branch, self._back, wait=False),
            "export": lambda: lab._do(lab._export, _session_path(), wait=False),
        }
        self.buttons = {}
        for label, command in commands.items():
            gap = "14px" if label in ("step D", "⟲ rewind to", "export") else "2px"
            margin = f"2px 2px 2px {gap}"
            button = widgets.Button(description=label, layout={"width": "auto", "margin": margin})
            button.on_click(lambda _, command=command: command())
            self.buttons[label] = button
        *before, export = self.buttons.values()
        return widgets.HBox([*before, self.back_to, export], layout={"flex_flow": "row wrap"})

    def _chosen(self, change: dict) -> None:
        if threading.current_thread() is not self._view:
            self._back = change["new"]

    # ---- the view's thread ---------------------------------------------------------------------

    def _loop(self) -> None:
        try:
            while self.lab.state != "closed":
                self._refresh()
                time.sleep(1 / FPS)
            self._refresh()
            for widget in (*self.sliders.values(), *self.buttons.values(), self.back_to):
                widget.disabled = True
        except Exception as error:  # drawing is optional: it ends, training goes on, and says so
            self.error = error
            self.lab.notice = f"the view stopped: {type(error).__name__}: {error}"
            self.html["status"].value = self.lab.status()

    def _refresh(self) -> None:
        self._draw(self.lab.frame())
        snapshot = self.lab.trainer.knobs.read()
        if snapshot is not self._shown:
            self._follow(snapshot)
            self._shown = snapshot
        snapshots = self.lab.snapshots
        if list(self.back_to.options) != snapshots:
            if self._back not in snapshots:
                self._back = max((t for t in snapshots if t < self._back), default=snapshots[0])
            self.back_to.options = snapshots
            self.back_to.value = self._back

    def _draw(self, frame: dict[str, str]) -> None:
        for name, html in frame.items():
            if self.html[name].value != html:
                self.html[name].value = html


def _options(knob: Knob, value: float) -> tuple[tuple[str, float], ...]:
    return tuple((number(stop), stop) for stop in stops(knob, value))


def _meaning(knob: Knob) -> str:
    return knob.meaning + (f" [{knob.unit}]" if knob.unit else "")


def _session_path() -> Path:
    return Path(f"session-{time.strftime('%Y%m%d-%H%M%S')}.json").resolve()
