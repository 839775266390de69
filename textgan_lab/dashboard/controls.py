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
from ..training.scenarios import SCENARIOS
from . import view
from .view import FPS, number, round_step

NOW = "now"
PLAYERS = {
    "g": ("Generator", colours.G),
    "d": ("Discriminator", colours.D),
    "both": ("Both", colours.TURN),
}
STYLE = """<style>
.textgan-lab .widget-label, .textgan-lab .widget-readout {font-size: 15px}
.textgan-lab .widget-readout {min-width: 58px; pointer-events: none}
.textgan-lab .jupyter-button {font-size: 16px; height: 34px; line-height: 32px; padding: 0 8px}
.textgan-lab .widget-dropdown {height: 34px}
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
        self.html = {name: widgets.HTML() for name in lab.frame()}
        self.error: Exception | None = None
        self._trainer = lab.trainer
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
                label = f"{max(len(knob.name) for knob in knobs)}ch"
                sliders |= {knob.name: self._slider(knob, label, colour) for knob in knobs}
                rows = [_row(sliders[knob.name], knob) for knob in knobs]
                layout = {"flex": "1 1 400px", "margin": "0 12px 0 0"}
                columns.append(widgets.VBox([title, *rows], layout=layout))
        self.sliders, self.knobs.children = sliders, columns

    def _slider(self, knob: Knob, label: str, colour: str) -> widgets.SelectionSlider:
        slider = widgets.SelectionSlider(
            options=_options(knob, self._shown.values[knob.name]),
            value=self._shown.values[knob.name],
            description=knob.name,
            tooltip=_meaning(knob),
            continuous_update=True,
            style={"description_width": label, "handle_color": colour},
            layout={"flex": "3 1 270px", "width": "auto"},
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
        row = [
            self._button("▶ run", lambda: self._leave(lab._start)),
            self._button("❚❚ pause", lambda: self._leave(lab._pause)),
            self._button("step D", lambda: self._leave(lab._step, "d"), gap=True),
            self._button("step G", lambda: self._leave(lab._step, "g")),
            self._button("step both", lambda: self._leave(lab._step, "both")),
            self._button("slow motion", lambda: self._leave(lab._slow)),
            self._button("next phase", lambda: self._leave(lab._next_phase)),
            self._button("⟲ rewind", lambda: self._leave(lab._rewind, self.back_to.value), True),
            self.back_to.box,
            self._button("⎇ branch", lambda: self._leave(lab._branch, self._from()), True),
            self.branch_at.box,
            self._button("export", lambda: self._leave(lab._export, _session_path()), True),
        ]
        return widgets.HBox(row, layout={"flex_flow": "row wrap"})

    def _head(self) -> widgets.Widget:
        """Return status and news, and beside them the scenarios and what unfolds the diagnosis."""
        lab, self.buttons = self.lab, {}
        self.scenario = widgets.Dropdown(options=list(SCENARIOS), layout={"width": "200px"})
        self.unfold = widgets.ToggleButton(description="diagnosis", layout={"width": "auto"})
        self.unfold.observe(self._unfolded, names="value")
        self.html["diagnosis"].layout.display = "none"
        for widget in (self.scenario, self.unfold):
            _wake(widget)
        self.html["status"].layout = {"flex": "1 1 0", "min_width": "0", "overflow": "hidden"}
        load = self._button("load", lambda: self._leave(lab._load, self.scenario.value))
        cure = self._button("cure", lambda: self._leave(lab._cure, True))
        first = [self.html["status"], self.scenario, load, cure, self.unfold]
        return widgets.VBox(
            [widgets.HBox(first, layout={"align_items": "center"}), self.html["news"]]
        )

    def _unfolded(self, change: dict) -> None:
        self.html["diagnosis"].layout.display = "" if change["new"] else "none"

    def _button(self, label: str, command: Callable[[], Any], gap: bool = False) -> widgets.Button:
        margin = f"2px 2px 2px {'14px' if gap else '2px'}"
        button = widgets.Button(description=label, layout={"width": "auto", "margin": margin})
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


def _row(slider: widgets.SelectionSlider, knob: Knob) -> widgets.Widget:
    text = escape(_meaning(knob))
    meaning = widgets.HTML(
        f'<div title="{text}" style="font:13px/15px sans-serif;max-height:30px;'
        f'overflow:hidden;opacity:.75">{text}</div>',
        layout={"flex": "2 1 90px", "min_width": "0", "margin": "0 0 0 8px"},
    )
    return widgets.HBox([slider, meaning], layout={"align_items": "center", "height": "29px"})


def _options(knob: Knob, value: float) -> tuple[tuple[str, float], ...]:
    return tuple((number(stop), stop) for stop in stops(knob, value))


def _meaning(knob: Knob) -> str:
    return knob.meaning + (f" [{knob.unit}]" if knob.unit else "")


def _session_path() -> Path:
    return Path(f"session-{time.strftime('%Y%m%d-%H%M%S')}.json").resolve()
