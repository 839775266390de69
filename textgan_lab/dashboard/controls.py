"""The lab's widgets, and the one thread that draws them."""

import math
import threading
import time
from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import Any

import ipywidgets as widgets

from ..diagnostics import colours
from ..knobs import Knob, Snapshot
from ..training.scenarios import SCENARIOS, Scenario
from . import view
from .charts import round_step
from .view import FPS, number

NOW = "now"
OWN = "a run of your own"  # on show in the picker where no scenario is loaded
PLAYERS = {
    "g": ("Generator", colours.G),
    "d": ("Discriminator", colours.D),
    "both": ("Both", colours.TURN),
}
STYLE = """<style>
.textgan-lab .widget-slider {--jp-widgets-inline-height: 23px}
.textgan-lab .widget-slider .widget-label {
  font: 13px/1.2 sans-serif; height: auto; text-align: left; white-space: normal; margin: 0}
.textgan-lab .widget-label b {font-size: 15px; font-weight: normal; margin-right: 4px}
.textgan-lab .widget-label span {opacity: .75}
.textgan-lab .widget-readout {font-size: 15px; min-width: 58px; pointer-events: none}
.textgan-lab .jupyter-button {font-size: 16px; height: 34px; line-height: 32px; padding: 0 8px}
.textgan-lab .widget-dropdown {height: 34px}
.textgan-lab .widget-dropdown select {font-size: 16px; height: 34px}
.textgan-lab .widget-html-content {line-height: 1.2; min-width: 0}
</style>"""
CELLS = {  # of one player's knobs: as many side by side as are wide enough to be turned by hand
    "grid_template_columns": "repeat(auto-fill, minmax(240px, 1fr))",
    "grid_gap": "2px 16px",
    "align_items": "flex-end",
    "padding": "0 3px",  # a handle on its first stop reaches out of its slider
}


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
        self.html = {name: widgets.HTML() for name in lab.frame()}
        self.error: Exception | None = None
        self._trainer, self._loaded = lab.trainer, lab.scenario
        self._shown = lab.trainer.knobs.read()
        self.knobs = widgets.HBox(layout={"flex_flow": "row wrap"})
        self._lay_out_knobs()
        self._view = threading.Thread(target=self._loop, name=f"{lab.name}: view", daemon=True)
        self.box = widgets.VBox(
            [widgets.HTML(STYLE, layout={"display": "none"}), self._head(), self._buttons(),
             self.html["scenario"], self.html["diagnosis"], self.html["slow"], self.knobs,
             self.html["strip"], self.html["board"]]
        )  # fmt: skip
        self.box.add_class("textgan-lab")
        self._draw(lab.frame())
        self.buttons["next phase"].layout.display = "none"
        self._view.start()

    def end(self) -> None:
        """Wait for the last frame; the lab has been closed."""
        if threading.current_thread() is not self._view:
            self._view.join()

    # ---- knobs ---------------------------------------------------------------------------------

    def _lay_out_knobs(self) -> None:
        """Make the sliders of the run on show; another run may have other knobs."""
        sliders, columns = {}, []
        table = self._trainer.knobs.table.values()
        for player, (heading, colour) in PLAYERS.items():
            knobs = [knob for knob in table if knob.player == player]
            if knobs:
                title = widgets.HTML(
                    f'<b style="font:bold 18px sans-serif;color:{colour}">{heading}</b>'
                )
                own = {knob.name: self._slider(knob, colour) for knob in knobs}
                cells = widgets.GridBox(list(own.values()), layout=CELLS)
                layout = {"flex": "1 1 400px", "margin": "0 12px 0 0"}
                columns.append(widgets.VBox([title, cells], layout=layout))
                sliders |= own
        self.sliders, self.knobs.children = sliders, columns

    def _slider(self, knob: Knob, colour: str) -> widgets.SelectionSlider:
        meaning = knob.meaning + (f" [{knob.unit}]" if knob.unit else "")
        slider = widgets.SelectionSlider(
            options=_options(knob, self._shown.values[knob.name]),
            value=self._shown.values[knob.name],
            # the whole first line: a long name takes no room from its slider
            description=f"<b>{escape(knob.name)}</b> <span>{escape(meaning)}</span>",
            description_allow_html=True,
            tooltip=f"{knob.name}: {meaning}",
            continuous_update=True,
            style={"description_width": "100%", "handle_color": colour},
            layout={"flex_flow": "row wrap", "width": "auto", "height": "auto"},
        )
        _wake(slider)
        slider.observe(self._turned(knob.name), names="value")
        return slider

    def _turned(self, name: str):
        def turned(change: dict) -> None:
            if threading.current_thread() is self._view:  # whose moves follow the knobs
                return
            trainer = self.lab.trainer
            if name not in trainer.knobs.table:  # moved while another run was being loaded
                self.lab.notice = f"this run has no knob {name}; its slider moved too late"
                return
            self.lab.arrived.append((trainer.t, name, change["new"]))
            trainer.knobs.set({name: change["new"]}, source="slider")

        return turned

    def _follow(self, snapshot: Snapshot) -> None:
        """Move the sliders to where a cell, a schedule or a rewind turned the knobs."""
        for name, slider in self.sliders.items():
            value = snapshot.values[name]
            if slider.value == value:
                continue
            options = _options(self._trainer.knobs.table[name], value)
            if slider.options != options:
                # The page clips a place beyond the stops it knows, and would send that back as a
                # turn: so stops change while the slider stands on the first, which is always there.
                slider.index = 0
                slider.options = options
            slider.value = value

    # ---- buttons -------------------------------------------------------------------------------

    def _buttons(self) -> widgets.Widget:
        lab = self.lab
        snapshots = lab.snapshots[::-1]
        self.back_to, self.branch_at = Pick(snapshots), Pick([NOW, *snapshots])
        groups = [
            [
                self._button("▶ run", lambda: self._leave(lab._start)),
                self._button("❚❚ pause", lambda: self._leave(lab._pause)),
            ],
            [
                self._button("step D", lambda: self._leave(lab._step, "d")),
                self._button("step G", lambda: self._leave(lab._step, "g")),
                self._button("step both", lambda: self._leave(lab._step, "both")),
                self._button("slow motion", lambda: self._leave(lab._slow)),
                self._button("next phase", lambda: self._leave(lab._next_phase)),
            ],
            [
                self._button("⟲ rewind", lambda: self._leave(lab._rewind, self.back_to.value)),
                self.back_to.box,
            ],
            [
                self._button("⎇ branch", lambda: self._leave(lab._branch, self._from())),
                self.branch_at.box,
            ],
            [self._button("export", lambda: self._leave(lab._export, _session_path()))],
        ]
        row = [widgets.HBox(group, layout={"margin": "0 12px 0 0"}) for group in groups]
        return widgets.HBox(row, layout={"flex_flow": "row wrap"})

    def _head(self) -> widgets.Widget:
        """Return status and news, and beside them the scenarios and what unfolds the diagnosis."""
        lab, self.buttons = self.lab, {}
        self.scenario = widgets.Dropdown(options=[OWN, *SCENARIOS], layout={"width": "200px"})
        self.unfold = widgets.ToggleButton(description="diagnosis", layout={"width": "auto"})
        self.unfold.observe(self._unfolded, names="value")
        self.html["diagnosis"].layout.display = "none"
        for widget in (self.scenario, self.unfold):
            _wake(widget)
        self.html["status"].layout = {"flex": "1 1 510px", "min_width": "0"}
        load = self._button("load", lambda: self._leave(lab._load, self.scenario.value))
        cure = self._button("cure", lambda: self._leave(lab._cure, True))
        self.scenario.value = _offered(self._loaded)
        self._allow()
        first = [self.html["status"], widgets.HBox([self.scenario, load, cure, self.unfold])]
        layout = {"flex_flow": "row wrap", "align_items": "center"}
        return widgets.VBox([widgets.HBox(first, layout=layout), self.html["news"]])

    def _allow(self) -> None:
        """Have only those buttons pressed for which there is something: to load, or to cure."""
        self.buttons["load"].disabled = self.scenario.value == OWN
        self.buttons["cure"].disabled = self._loaded is None or self._loaded.cure is None

    def _unfolded(self, change: dict) -> None:
        self.html["diagnosis"].layout.display = "" if change["new"] else "none"

    def _button(self, label: str, command: Callable[[], Any]) -> widgets.Button:
        button = widgets.Button(description=label, layout={"width": "auto"})
        button.on_click(lambda _: command())
        self.buttons[label] = button
        return button

    def _leave(self, action: Callable, *args: Any) -> None:
        """Leave a command with the lab; a button waits for nothing."""
        self.lab._do(action, *args, wait=False)

    def _from(self) -> int | None:
        return None if self.branch_at.value == NOW else self.branch_at.value

    def _offer(self) -> None:
        snapshots = self.lab.snapshots[::-1]
        self.back_to.offer(snapshots)
        self.branch_at.offer([NOW, *snapshots])

    # ---- the view's thread ---------------------------------------------------------------------

    def _loop(self) -> None:
        try:
            while self.lab.state != "closed":
                self._refresh()
                time.sleep(1 / FPS)
            self._refresh()
            choices = self.back_to.box, self.branch_at.box, self.scenario, self.unfold
            for widget in (*self.sliders.values(), *self.buttons.values(), *choices):
                widget.disabled = True
        except Exception as error:  # drawing is optional: it ends, training goes on, and says so
            self.error = error
            self.lab.notice = f"the view stopped: {type(error).__name__}: {error}"
            self.html["news"].value = view.news(self.lab.notice)

    def _refresh(self) -> None:
        self._draw(self.lab.frame())
        trainer = self.lab.trainer
        if trainer is not self._trainer:
            old, self._trainer = self._trainer, trainer
            if trainer.knobs.table != old.knobs.table:
                self._shown = trainer.knobs.read()
                self._lay_out_knobs()
        snapshot = trainer.knobs.read()
        if snapshot is not self._shown:
            self._follow(snapshot)
            self._shown = snapshot
        self._offer()
        if self.lab.scenario is not self._loaded:
            self._loaded = self.lab.scenario
            self.scenario.value = _offered(self._loaded)
        self._allow()
        self.buttons["next phase"].layout.display = "" if self.lab.scenes else "none"

    def _draw(self, frame: dict[str, str]) -> None:
        for name, html in frame.items():
            if self.html[name].value != html:
                self.html[name].value = html


class Pick:
    """A dropdown of steps that come and go; it stands on the first until somebody picks another."""

    def __init__(self, options: list):
        self.picked: Any = None
        self._offering: threading.Thread | None = None
        self.box = widgets.Dropdown(options=options, layout={"width": "84px"})
        _wake(self.box)
        self.box.observe(self._moved, names="value")

    @property
    def value(self) -> Any:
        """What a button pressed now would use."""
        return self.box.options[0] if self.picked is None else self.picked

    def _moved(self, change: dict) -> None:
        if threading.current_thread() is not self._offering:
            self.picked = change["new"]

    def offer(self, options: list) -> None:
        """Replace the options; a step that is gone gives way to the nearest before it."""
        if list(self.box.options) == options:
            return
        if self.picked not in options:
            steps = [t for t in options if isinstance(t, int) and isinstance(self.picked, int)]
            self.picked = max((t for t in steps if t < self.picked), default=None)
        self._offering = threading.current_thread()
        self.box.options = options
        self.box.value = self.value
        self._offering = None


def _wake(widget: widgets.Widget) -> None:
    """Have the page send a widget's first message at once.

    The first one goes to the kernel's main shell and waits while a cell runs; later ones do not.
    Asking the page to count views uses that first message up.
    """
    widget._view_count = 0


def _offered(loaded: Scenario | None) -> str:
    """Return what the picker shows while a run is on show."""
    return loaded.name if loaded and loaded.name in SCENARIOS else OWN


def _options(knob: Knob, value: float) -> tuple[tuple[str, float], ...]:
    return tuple((number(stop), stop) for stop in stops(knob, value))


def _session_path() -> Path:
    return Path(f"session-{time.strftime('%Y%m%d-%H%M%S')}.json").resolve()
