"""A notebook in a real JupyterLab, driven by chromium, and what its trainer says meanwhile."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat

TOKEN = "only-this-test"
FLAGS = [
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
NO_NEWS = {"fetchNews": "false", "checkForUpdates": False}  # else a question covers the page

# A thread in the kernel writes what the trainer itself knows, also while a cell keeps the kernel.
REPORTER = """\
import json, os, threading, time

def report():
    while reporting:
        if "lab" in globals():
            trainer, threads = lab.trainer, [thread.name for thread in threading.enumerate()]
            snapshot, turns = trainer.knobs.read(), list(trainer.telemetry.turns)
            said = {
                "t": trainer.t, "state": lab.state, "arrived": list(lab.arrived), "note": note,
                "turns": [[turn.step, turn.name, turn.new] for turn in turns],
                "knobs": dict(snapshot.values), "version": snapshot.version,
                "lab": id(lab), "threads": sorted(threads), "phases": len(lab.scenes),
                "scenario": lab.scenario and lab.scenario.name, "cured": lab.cured,
            }
            with open("said.tmp", "w") as file:
                json.dump(said, file)
            os.replace("said.tmp", "said.json")
        time.sleep(0.05)

note, reporting = None, True
threading.Thread(target=report, daemon=True).start()"""
ERRAND = 'exec(open("errand.py").read())'  # what a test wants done in the kernel


@contextmanager
def jupyterlab(folder: Path) -> Iterator[str]:
    """Run JupyterLab on ``folder``, away from the settings of whoever runs this; yield its URL."""
    settings = folder / ".settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    (settings / "notification.jupyterlab-settings").write_text(json.dumps(NO_NEWS))
    private = {
        name: str(folder / f".{name.lower()}")
        for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")
    }
    private["JUPYTERLAB_SETTINGS_DIR"] = str(folder / ".settings")
    private["JUPYTERLAB_WORKSPACES_DIR"] = str(folder / ".workspaces")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1",
        f"--port={port}", "--ServerApp.port_retries=0", f"--IdentityProvider.token={TOKEN}",
        f"--ServerApp.root_dir={folder}",
    ]  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    private |= {"JUPYTER_PREFER_ENV_PATH": "1", "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    with open(folder / "server.log", "w") as log:
        server = subprocess.Popen(
            command, cwd=folder, env={**os.environ, **private}, stdout=log, stderr=subprocess.STDOUT
        )
        try:
            _until(lambda: _answers(server, folder, url), 60, "JupyterLab to answer")
            yield url
        finally:
            server.terminate()  # its kernels end with it
            try:
                server.wait(20)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def _answers(server: subprocess.Popen, folder: Path, url: str) -> bool:
    if server.poll() is not None:
        log = (folder / "server.log").read_text()
        raise RuntimeError(f"JupyterLab ended with {server.returncode}:\n{log[-3000:]}")
    try:
        with urllib.request.urlopen(f"{url}/api/status?token={TOKEN}", timeout=2):
            return True
    except OSError:
        return False


def _until(true: Callable[[], Any], seconds: float, what: str) -> Any:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = true()
        if found:
            return found
        time.sleep(0.05)
    raise TimeoutError(f"waited {seconds} s for {what}")


class LivePage:
    """A notebook of a reporter, a live cell and an errand cell, open in a browser."""

    def __init__(self, folder: Path, url: str, page: Any, live_cell: str):
        self.folder, self.url, self.page = folder, url, page
        self.errors: list[str] = []  # what the page's console complained of
        page.on("console", lambda m: self.errors.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        notebook = nbformat.v4.new_notebook()
        notebook.cells = [nbformat.v4.new_code_cell(text) for text in (REPORTER, live_cell, ERRAND)]
        notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3"}
        nbformat.write(notebook, folder / "live.ipynb")
        (folder / "errand.py").write_text("")

    def open(self) -> None:
        """Load the notebook in a workspace without history, and put the file browser away."""
        self.page.goto(f"{self.url}/lab/workspaces/test/tree/live.ipynb?reset&token={TOKEN}")
        self.wait_for_notebook()
        self.page.keyboard.press("Control+b")

    def wait_for_notebook(self) -> None:
        """Wait until the notebook is there and its kernel has nothing to do."""
        self.page.wait_for_selector(".jp-Notebook", timeout=60_000)
        self.page.wait_for_selector(
            ".jp-Notebook-ExecutionIndicator[data-status=idle]", state="attached", timeout=60_000
        )
        self.page.wait_for_timeout(2000)  # right after "idle" JupyterLab can lose a command

    def run_all(self) -> None:
        """Choose Run All Cells in the menu; return when the trainer has taken a step."""
        self.page.click(".lm-MenuBar-itemLabel >> text=/^Run$/")
        self.page.click(".lm-Menu-itemLabel >> text=/^Run All Cells$/")
        self.page.wait_for_selector(".textgan-lab .noUi-handle", timeout=60_000)
        self.until(lambda said: said["t"] > 0, 60)

    def restart(self) -> None:
        """Run the live cell again: a new lab, from step 0."""
        old = self.said()["lab"]
        self._run_cell(1)
        self.until(
            lambda said: said["lab"] != old and said["t"] > 0 and "lab: view" in said["threads"]
        )  # it trains before it is shown
        # the old sliders go from the page a moment after the old lab has gone from the kernel
        self.page.wait_for_function(
            "document.querySelectorAll('.textgan-lab').length === 1 && "
            "document.querySelector('.textgan-lab [data-state=running]')"
        )

    def errand(self, code: str) -> None:
        """Run ``code`` in the kernel, as a cell; does not wait for its end."""
        (self.folder / "errand.py").write_text(code)
        self._run_cell(2)

    def _run_cell(self, index: int) -> None:
        self.page.locator(".jp-Notebook-cell").nth(index).locator(".cm-content").click()
        self.page.keyboard.press("Control+Enter")

    def said(self) -> dict[str, Any]:
        """What the trainer said last: its steps, turns, knobs, and what reached it from sliders."""
        return json.loads((self.folder / "said.json").read_text())

    def until(self, holds: Callable[[dict], Any], seconds: float = 20) -> dict[str, Any]:
        """Wait until what the trainer says holds, and return it."""

        def heard() -> dict | None:
            if not (self.folder / "said.json").exists():
                return None
            said = self.said()
            return said if holds(said) else None

        return _until(heard, seconds, "the trainer")

    def slider(self, knob: str) -> Any:
        """A knob's slider on the page."""
        name = self.page.locator(".widget-label b", has_text=re.compile(f"^{re.escape(knob)}$"))
        return self.page.locator(".widget-slider", has=name)

    def press(self, knob: str, key: str = "ArrowRight", times: int = 1) -> None:
        """Focus a slider's handle and press a key, 0.4 s apart."""
        self.slider(knob).locator(".noUi-handle").focus()
        for _ in range(times):
            self.page.keyboard.press(key)
            self.page.wait_for_timeout(400)

    def drag(self, knob: str, moves: int = 30) -> None:
        """Drag a slider's handle to the right, 2 px a move."""
        box = self.slider(knob).locator(".noUi-handle").bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        self.page.mouse.move(x, y)
        self.page.mouse.down()
        for i in range(moves):
            self.page.mouse.move(x + 2 * (i + 1), y)
            self.page.wait_for_timeout(30)
        self.page.mouse.up()

    def choose(self, option: str) -> None:
        """Choose one of the scenarios."""
        self.page.locator(".textgan-lab select").first.select_option(option)

    def button(self, label: str) -> Any:
        """One of the lab's buttons on the page."""
        return self.page.locator(".textgan-lab button", has_text=label)

    def click(self, label: str) -> None:
        """Click one of the lab's buttons."""
        self.button(label).click()


@contextmanager
def chromium(folder: Path, width: int = 1300, height: int = 950) -> Iterator[Any]:
    """Yield a page of a headless chromium with a profile of its own."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            str(folder / ".profile"),
            executable_path=shutil.which("chromium"),
            headless=True,
            viewport={"width": width, "height": height},
            args=FLAGS,
        )
        try:
            yield context.pages[0]
        finally:
            context.close()
