"""A progress line for long work: in a terminal, in a notebook, and sober when nobody watches."""

import sys
import time


class Progress:
    """Shows steps done, rate and time left, at most four times a second; ends as one plain line.

    In a kernel it is one output that is replaced, so an executed notebook keeps the last line only.
    Where standard error is no terminal only that last line is shown.
    """

    def __init__(self, total: int, label: str):
        self.total, self.label, self.start, self._shown = total, label, time.monotonic(), 0.0
        self._handle = _kernel_display()
        self._terminal = self._handle is None and sys.stderr.isatty()

    def update(self, done: int) -> None:
        """Show that ``done`` steps are behind us."""
        now = time.monotonic()
        if now - self._shown < 0.25 or done == 0:
            return
        self._shown = now
        rate = done / (now - self.start)
        left = (self.total - done) / rate
        self._show(f"{self.label}: {done}/{self.total}, {rate:.1f}/s, {left:.0f} s left", "\r")

    def close(self, done: int, note: str = "") -> None:
        """Show the line that stays."""
        seconds = time.monotonic() - self.start
        rate = done / seconds if seconds else 0.0
        text = f"{self.label}: {done} steps in {seconds:.1f} s, {rate:.1f}/s"
        self._show(f"{text}. {note}" if note else text, "\n")

    def _show(self, text: str, end: str) -> None:
        if self._handle is not None:
            self._handle.update({"text/plain": text}, raw=True)
        elif self._terminal or end == "\n":
            sys.stderr.write(f"\r\x1b[K{text}{end}" if self._terminal else text + end)
            sys.stderr.flush()


def _kernel_display():
    ipython = sys.modules.get("IPython")
    shell = ipython and ipython.get_ipython()
    if shell is None or not hasattr(shell, "kernel"):
        return None
    from IPython.display import display

    return display({"text/plain": ""}, raw=True, display_id=True)
