"""The live lab: one thread trains, one draws, and widget callbacks only leave notes for them.

The trainer's thread owns the trainer: buttons queue commands for it, sliders write the host copy of
a knob. The view's thread reads telemetry and nothing else, so that watching never changes a run.
"""

import atexit
import json
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Literal

from .. import atomic
from ..diagnostics.report import Online, Report
from ..telemetry import Telemetry
from ..training import Trainer
from ..training.scenarios import SCENARIOS, Scenario
from ..training.slow_motion import trace
from . import charts, scenes, view

KEPT = 16  # snapshots to rewind to
MOVES = {"d": Trainer.d_step, "g": Trainer.g_step, "both": lambda trainer: list(trainer.steps(1))}
_LABS: dict[str, "LiveLab"] = {}  # the lab that runs under each name


class LiveLab:
    """Train live, with every knob under a slider; or, with ``live=False``, the same headless.

    Running the cell that makes a lab again stops the one it made before (same ``name``). Headless,
    no thread starts, calls block until they are done, and displaying the lab shows its last frame.

    Args:
        trainer: what to train.
        scenario: what to load instead of a trainer: a name in `SCENARIOS`, or what
            ``SCENARIOS.make(name, {"seed": 3})`` returned.
        steps: how many steps `start` takes; without it a scenario runs as long as it says, a
            headless lab that replays a session to the session's end, a live one until paused.
        live: whether to run in the background with widgets.
        name: labs of different names may run side by side.
        snapshot_every: steps between the snapshots that `rewind` and `branch` go back to.
    """

    def __init__(
        self,
        trainer: Trainer | None = None,
        *,
        scenario: str | Scenario | None = None,
        steps: int | None = None,
        live: bool = True,
        name: str = "lab",
        snapshot_every: int = 100,
    ):
        if (trainer is None) == (scenario is None):
            raise TypeError("LiveLab: give a Trainer, or scenario=..., one of the two")
        self.scenario: Scenario | None = None
        if scenario is not None:
            self.scenario = _scenario(scenario)
            trainer = self.scenario.trainer()
            steps = self.scenario.steps if steps is None else steps
        if not isinstance(trainer, Trainer):
            raise TypeError(f"LiveLab: expected a Trainer, got {trainer!r}")
        if not live and steps is None:
            if trainer.schedule.session is None:
                raise ValueError("LiveLab: headless it needs to know when to stop; give steps=...")
            steps = max(0, trainer.schedule.session["steps"] - trainer.t)
        if steps is not None and steps < 0:
            raise ValueError(f"LiveLab: steps must be 0 or more, got {steps}")
        if snapshot_every < 1:
            raise ValueError(f"LiveLab: snapshot_every must be 1 or more, got {snapshot_every}")
        self.trainer, self.live, self.name = trainer, live, name
        self.parent: Telemetry | None = None
        self.cured, self._ill = False, None
        self.scenes: list[scenes.Scene] = []  # of the step in slow motion, from the one on show
        self.arrived: list[tuple[int, str, float]] = []  # (step under way, knob, value) of sliders
        self.error: BaseException | None = None
        self.notice = ""
        self._target = None if steps is None else trainer.t + steps
        self._every = snapshot_every
        self._snapshots: dict[int, dict[str, Any]] = {}
        self._iterator = None
        self._idle = threading.Event()
        self._idle.set()
        self._commands: queue.Queue = queue.Queue()
        self._widget = None
        self._diagnosis = Online(lambda: self.trainer.telemetry)
        self._diagnosing = threading.Lock()
        if name in _LABS:
            _LABS.pop(name).close()
        self._keep()
        if live:
            _LABS[name] = self
            self._thread = threading.Thread(target=self._loop, name=f"{name}: train", daemon=True)
            self._thread.start()

    # ---- what a person does --------------------------------------------------------------------

    def start(self) -> None:
        """Train in the background (headless: here and now); harmless when already running."""
        self._do(self._start)

    def pause(self) -> None:
        """Stop after the step under way; `start` goes on as if nothing had happened."""
        self._do(self._pause)

    def step(self, who: Literal["d", "g", "both"] = "both") -> None:
        """Take one step in which D, G, or both move; pauses a running lab."""
        if who not in MOVES:
            raise ValueError(f"step: expected 'd', 'g' or 'both', got {who!r}")
        self._do(self._step, who)

    def rewind(self, t: int) -> None:
        """Go back to the newest snapshot at or before step ``t`` and forget what came after."""
        self._do(self._rewind, t)

    def branch(self, t: int | None = None) -> Trainer:
        """Leave this run as it is and go on with a copy, from step ``t`` (default: from here).

        The run left behind stays on the curves, in grey. Returns the new trainer, ``lab.trainer``.
        """
        return self._do(self._branch, t)

    def slow(self) -> list[scenes.Scene]:
        """Take one step of the run in slow motion: its phases in order, the first one on show.

        It is a step like any other, bit for bit; pauses a running lab.
        """
        return self._do(self._slow)

    def next_phase(self) -> None:
        """Show the next phase of the step in slow motion; after the last one nothing."""
        self._do(self._next_phase)

    def load(self, scenario: str | Scenario, seed: int = 0) -> Trainer:
        """Make the run of a scenario, ready to start; what ran before is let go.

        Args:
            scenario: a name in `SCENARIOS`, or a scenario.
            seed: of a scenario given by name.

        Raises:
            UnknownName: no such scenario; the message lists them.
        """
        return self._do(self._load, scenario, seed)

    def cure(self) -> Trainer:
        """Make the loaded scenario's cured twin, same seed, from the start, ready to start.

        The ill run stays on the curves, in grey. Raises ValueError when no scenario is loaded.
        """
        return self._do(self._cure)

    @property
    def report(self) -> Report:
        """The diagnosis of the run so far, looked at anew only when something was measured."""
        with self._diagnosing:  # the view asks, and cells may
            return self._diagnosis.report()

    def wait(self) -> None:
        """Block until the lab is idle; raise what training raised, if it failed."""
        self._idle.wait()
        if self.error is not None:
            raise self.error

    def export(self, path: str | Path) -> Path:
        """Write the session as JSON: spec, schedule of all turns, steps. It replays headless.

        ``Trainer(Spec(**session["spec"]), Schedule.load(path)).run(session["steps"])`` gives the
        same weights, bit for bit on CPU.
        """
        return self._do(self._export, Path(path))

    def close(self) -> None:
        """End both threads; the trainer stays where it is."""
        if self.live and self._thread.is_alive():
            self._commands.put((None, None, ()))
            if threading.current_thread() is not self._thread:
                self._thread.join()
            if self._widget is not None:
                self._widget.end()
        if _LABS.get(self.name) is self:
            del _LABS[self.name]

    @property
    def state(self) -> str:
        """What the lab does: "running", "paused", "finished", "failed" or "closed"."""
        if self.live and not self._thread.is_alive():
            return "closed"
        if self.error is not None:
            return "failed"
        if not self._idle.is_set():
            return "running"
        return "finished" if self._target == self.trainer.t else "paused"

    @property
    def snapshots(self) -> list[int]:
        """The steps that `rewind` and `branch` can go back to."""
        return sorted(self._snapshots)

    # ---- the trainer's thread ------------------------------------------------------------------

    def _do(self, action: Callable, *args: Any, wait: bool = True) -> Any:
        """Have ``action`` done by the thread that owns the trainer; headless that is this one."""
        if not self.live:
            return action(*args)
        if not self._thread.is_alive():
            raise RuntimeError("this lab was closed (its cell ran again); use the newer one")
        future: Future = Future()
        self._commands.put((future if wait else None, action, args))
        return future.result() if wait else None

    def _loop(self) -> None:
        while True:
            try:
                future, action, args = self._commands.get(block=self._iterator is None)
            except queue.Empty:
                self._advance()
                continue
            if action is None:
                self._pause()
                return
            try:
                result = action(*args)
            except Exception as error:
                if future is None:  # a button: nobody waits, so the status line says it
                    self.notice = str(error)
                else:
                    future.set_exception(error)
            else:
                if future is not None:
                    future.set_result(result)

    def _advance(self) -> None:
        """Take one step of a running lab, and pause it when that was the last."""
        try:
            goes_on = self._one_step()
        except BaseException as error:  # `wait` raises it, where somebody listens
            self.error, goes_on = error, False
        if not goes_on:
            try:
                self._pause()
            except BaseException as error:
                self.error = self.error or error

    def _one_step(self) -> bool:
        step = next(self._iterator, None)
        if step is None:
            if self.trainer.diverged:
                self.notice = "loss or gradient not finite: stopped, last good weights kept"
            return False
        if self.trainer.t % self._every == 0:
            self._keep()
        now = time.monotonic()
        if self.live and self.trainer.device.type == "cpu" and now - self._flushed > 1 / view.FPS:
            self._flushed = now
            self.trainer.flush()  # on a GPU this would be a sync: there the probes' rhythm serves
        return self._target is None or self.trainer.t < self._target

    def _start(self) -> None:
        if self._iterator is not None:
            return
        if self._target is not None and self.trainer.t >= self._target:
            if not self.live:
                return
            self._target = None  # the planned steps are done: now until paused
        self.error, self.notice, self.scenes, self._flushed = None, "", [], 0.0
        self._idle.clear()
        self._iterator = self.trainer.steps()
        if not self.live:
            while self._iterator is not None:
                self._advance()
            if self.error is not None:
                raise self.error

    def _pause(self) -> None:
        iterator, self._iterator = self._iterator, None
        try:
            if iterator is not None:
                iterator.close()  # flushes
        finally:
            self._idle.set()

    def _step(self, who: str) -> None:
        self._settle()
        MOVES[who](self.trainer)

    def _slow(self) -> list[scenes.Scene]:
        self._settle()
        self.scenes = scenes.of(trace(self.trainer))
        return list(self.scenes)

    def _next_phase(self) -> None:
        self.scenes = self.scenes[1:]

    def _settle(self, notice: str = "") -> None:
        """Pause, and put away what the last command left on show."""
        self._pause()
        self.error, self.notice, self.scenes = None, notice, []

    def _keep(self) -> None:
        self._snapshots[self.trainer.t] = self.trainer.snapshot()
        if len(self._snapshots) > KEPT:  # thin out: the start and every other one stay
            for t in self.snapshots[1:-1:2]:
                del self._snapshots[t]

    def _nearest(self, t: int) -> int:
        there = [s for s in self._snapshots if s <= t]
        if not there:
            raise ValueError(f"no snapshot at or before step {t}; there are {self.snapshots}")
        return max(there)

    def _rewind(self, t: int) -> None:
        self._pause()
        t = self._nearest(t)
        self._settle(f"rewound to step {t}")
        self.trainer.restore(self._snapshots[t])
        self._forget(t)

    def _branch(self, t: int | None) -> Trainer:
        self._settle()
        child = self.trainer.branch()
        if t is not None:
            t = self._nearest(t)
            child.restore(self._snapshots[t])
            self._forget(t)
        child.telemetry.events.append({"event": "branch", "step": child.t})
        self.parent, self.trainer = self.trainer.telemetry, child
        self.notice = f"branched at step {child.t}; the parent is drawn in grey"
        return child

    def _load(self, scenario: str | Scenario, seed: int = 0) -> Trainer:
        scenario = _scenario(scenario, seed)
        self._settle(f"{scenario.title}: loaded, ready to run")
        self.scenario, self.cured, self.parent = scenario, False, None
        return self._begin(scenario.trainer())

    def _cure(self, start: bool = False) -> Trainer:
        if self.scenario is None:
            raise ValueError("cure: no scenario is loaded; load one first")
        cured = self.scenario.trainer(cured=True)
        self._settle("the cured twin, from the start; the ill run is drawn in grey")
        if not self.cured:
            self._ill = self.trainer.telemetry
        self.cured, self.parent = True, self._ill
        self._begin(cured)
        if start:
            self._start()
        return cured

    def _begin(self, trainer: Trainer) -> Trainer:
        """Go on with another run, from its start."""
        self.trainer, self._target = trainer, self.scenario.steps
        self._snapshots, self.arrived = {}, []
        self._keep()
        return trainer

    def _forget(self, t: int) -> None:
        """Drop what belongs to steps after t."""
        self._snapshots = {s: kept for s, kept in self._snapshots.items() if s <= t}
        self.arrived = [arrival for arrival in self.arrived if arrival[0] < t]

    def _export(self, path: Path) -> Path:
        self.trainer.flush()
        session = {
            "spec": self.trainer.spec.model_dump(),
            "data": self.trainer.data.fingerprint,
            "steps": self.trainer.t,
            "arrived": self.arrived,
            "schedule": [list(entry) for entry in self.trainer.telemetry.schedule()],
        }
        atomic.write(path, json.dumps(session, indent=1).encode())
        self.notice = f"exported to {path}"
        return path

    # ---- display -------------------------------------------------------------------------------

    def frame(self) -> dict[str, str]:
        """Return what is on show now, as HTML, part by part from top to bottom."""
        telemetry, version = self.trainer.telemetry, self.trainer.knobs.read().version
        report, scene = self.report, next(iter(self.scenes), None)
        return {
            "status": self.status(),
            "news": self._news(report),
            "scenario": view.scenario(self.scenario, self.cured),
            "slow": scene._repr_html_() if scene else "",
            "strip": charts.strip(telemetry, self.parent, version, report.findings),
            "board": view.board(telemetry.samples[-1] if telemetry.samples else None),
            "diagnosis": report._repr_html_(),
        }

    def status(self) -> str:
        """Return the status line, as HTML."""
        trainer, timings = self.trainer, self.trainer.telemetry.timings
        rate = timings[-1]["steps_per_second"] if timings else 0.0
        return view.status(self.state, trainer.t, trainer.phase, rate)

    def _news(self, report: Report) -> str:
        blocked = (e["why"] for e in self.trainer.telemetry.events if e["event"] == "blocked")
        error = f"{type(self.error).__name__}: {self.error}" if self.error else ""
        return view.news(self.notice or next(blocked, ""), error, report)

    def _ipython_display_(self) -> None:
        from IPython.display import HTML, display

        if not self.live:
            display(HTML("".join(self.frame().values())))
            return
        if self._widget is None:
            from .controls import Controls  # ipywidgets, only where somebody looks

            self._widget = Controls(self)
        display(self._widget.box)

    def __repr__(self) -> str:
        return f"LiveLab({self.name!r}, {self.state}, t={self.trainer.t})"


def _scenario(scenario: str | Scenario, seed: int = 0) -> Scenario:
    if isinstance(scenario, Scenario):
        return scenario
    return SCENARIOS.make(scenario, {"seed": seed})


def _close_all() -> None:
    for lab in list(_LABS.values()):
        lab.close()


atexit.register(_close_all)
