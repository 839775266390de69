"""The lab's widgets, and the one thread that draws them."""

import math
import threading
import time
from pathlib import Path
from typing import Any

import ipywidgets as widgets

from ..knobs import Knob
from .lab import FPS

HEADINGS = {"g": "Generator", "d": "Discriminator", "both": "Both"}


class Controls:
    """Knobs grouped by player, buttons, curves, sentences, for one `LiveLab`.

    Callbacks come on whichever thread the kernel chooses, so they do nothing but leave a value with
    the knobs or a command with the lab.
    """

    def __init__(self, lab: Any):
        self.lab = lab
        self.sliders: dict[str, widgets.Widget] = {}
        self._following = False
        self.html = {name: widgets.HTML() for name in ("status", "strip", "board")}
        self.error: Exception | None = None
        box = widgets.VBox(
            [self.html["status"], self._buttons(), self._knobs(), self.html["strip"],
             self.html["board"]]
        )  # fmt: skip
        self.box = box
        self._draw(lab.frame())
        self._view = threading.Thread(target=self._loop, name=f"{lab.name}: view", daemon=True)
        self._view.start()

    # ---- knobs ---------------------------------------------------------------------------------

    def _knobs(self) -> widgets.Widget:
        columns = []
        table = self.lab.trainer.knobs.table.values()
        for player, heading in HEADINGS.items():
            knobs = [knob for knob in table if knob.player == player]
            if knobs:
                title = widgets.HTML(f'<div style="font:bold 18px sans-serif">{heading}</div>')
                rows = [self._row(knob) for knob in knobs]
                columns.append(widgets.VBox([title, *rows], layout={"margin": "0 24px 6px 0"}))
        return widgets.HBox(columns, layout={"flex_flow": "row wrap"})

    def _row(self, knob: Knob) -> widgets.Widget:
        low, high = knob.shown
        value = self.lab.trainer.knobs[knob.name]
        common = {
            "description": knob.name,
            "continuous_update": True,
            "style": {"description_width": "170px"},
            "layout": {"width": "440px"},
        }
        if knob.integer:
            slider = widgets.IntSlider(value=value, min=int(low), max=int(high), **common)
        elif knob.scale == "log":
            slider = widgets.FloatLogSlider(
                value=min(max(value, low), high), min=math.log10(low), max=math.log10(high),
                step=0.05, readout_format=".1e", **common,
            )  # fmt: skip
        else:
            slider = widgets.FloatSlider(
                value=min(max(value, low), high), min=low, max=high, step=(high - low) / 200,
                readout_format=".3f", **common,
            )  # fmt: skip
        # The first message of a widget goes to the kernel's main shell and waits while a cell runs;
        # later ones do not. Asking the page to count views uses that first message up at once.
        slider._view_count = 0
        slider.observe(self._turned(knob.name), names="value")
        self.sliders[knob.name] = slider
        unit = f" [{knob.unit}]" if knob.unit else ""
        meaning = widgets.HTML(
            f'<div style="font:13px sans-serif;color:#555;margin-left:6px">{knob.meaning}{unit}</div>'
        )
        return widgets.HBox([slider, meaning], layout={"align_items": "center"})

    def _turned(self, name: str):
        def turned(change: dict) -> None:
            if not self._following:
                self.lab.arrived.append((self.lab.trainer.t, name, change["new"]))
                self.lab.trainer.knobs.set({name: change["new"]}, source="slider")

        return turned

    def _follow(self) -> None:
        """Move the sliders to where knobs were turned from elsewhere: a cell, a schedule, a rewind."""
        snapshot = self.lab.trainer.knobs.read()
        if snapshot.source in ("slider", "by hand"):
            return
        self._following = True
        try:
            for name, slider in self.sliders.items():
                low, high = self.lab.trainer.knobs.table[name].shown
                slider.value = min(max(snapshot.values[name], low), high)
        finally:
            self._following = False

    # ---- buttons -------------------------------------------------------------------------------

    def _buttons(self) -> widgets.Widget:
        lab = self.lab
        self.back_to = widgets.Dropdown(options=lab.snapshots, layout={"width": "90px"})
        commands = {
            "▶ run": lambda: lab._do(lab._start, wait=False),
            "⏸ pause": lambda: lab._do(lab._pause, wait=False),
            "step D": lambda: lab._do(lab._step, "d", wait=False),
            "step G": lambda: lab._do(lab._step, "g", wait=False),
            "step both": lambda: lab._do(lab._step, "both", wait=False),
            "⟲ rewind to": lambda: lab._do(lab._rewind, self.back_to.value, wait=False),
            "⎇ branch from": lambda: lab._do(lab._branch, self.back_to.value, wait=False),
            "export": lambda: lab._do(lab._export, _session_path(), wait=False),
        }
        buttons = []
        for label, command in commands.items():
            button = widgets.Button(description=label, layout={"width": "auto"})
            button.style.font_size = "16px"
            button.on_click(lambda _, command=command: command())
            buttons.append(button)
        buttons.insert(-1, self.back_to)
        return widgets.HBox(buttons, layout={"flex_flow": "row wrap"})

    # ---- the view's thread ---------------------------------------------------------------------

    def _loop(self) -> None:
        shown: dict[str, str] = {}
        version = self.lab.trainer.knobs.read().version
        while self.lab._thread.is_alive():
            time.sleep(1 / FPS)
            try:
                frame = self.lab.frame()
                if frame != shown:
                    self._draw(frame)
                    shown = frame
                now = self.lab.trainer.knobs.read().version
                if now != version:
                    version = now
                    self._follow()
                if list(self.back_to.options) != self.lab.snapshots:
                    self.back_to.options = self.lab.snapshots
            except Exception as error:  # drawing is optional: it ends, training goes on, and says so
                self.error = error
                self.lab.notice = f"the view stopped: {type(error).__name__}: {error}"
                self.html["status"].value = self.lab.frame()["status"]
                return

    def _draw(self, frame: dict[str, str]) -> None:
        for name, html in frame.items():
            if self.html[name].value != html:
                self.html[name].value = html


def _session_path() -> Path:
    return Path(f"session-{time.strftime('%Y%m%d-%H%M%S')}.json").resolve()
