"""A progress line for long work: in a terminal, in a notebook, and sober when nobody watches."""

import sys
import time


class Progress:
    """Shows what is done, the rate and the time left, at most four times a second.

    In a kernel it is one output that is replaced, so an executed notebook keeps the last line only;
    in a terminal one line that is written over. Elsewhere only that last line is shown, and before
    it, with ``every``, a line each so many seconds.
    """

    def __init__(self, total: int, label: str, unit: str = "step", every: float | None = None):
        self.total, self.label, self.unit = total, label, unit
        self.start, self._shown = time.monotonic(), 0.0
        self._handle = _kernel_display()
        self._terminal = self._handle is None and sys.stderr.isatty()
        watched = self._terminal or self._handle is not None
        self._pause = 0.25 if watched else every  # seconds between two looks; None: no look

    def update(self, done: int, note: str = "") -> None:
        """Show that ``done`` of all are behind us."""
        now = time.monotonic()
        if self._pause is None or now - max(self._shown, self.start) < self._pause:
            return
        self._shown = now
        text = f"{self.label}: {done}/{self.total}"
        if done:
            rate = done / (now - self.start)
            text += f", {_rate(rate)}, {_time((self.total - done) / rate)} left"
        self._show(f"{text}, {note}" if note else text, "\r" if self._terminal else "\n")

    def close(self, done: int, note: str = "") -> None:
        """Show the line that stays."""
        seconds = time.monotonic() - self.start
        rate = _rate(done / seconds if seconds else 0.0)
        unit = self.unit if done == 1 else f"{self.unit}s"
        text = f"{self.label}: {done} {unit} in {_time(seconds, '.1f')}, {rate}"
        self._show(f"{text}. {note}" if note else text, "\n")

    def _show(self, text: str, end: str) -> None:
        if self._handle is not None:
            self._handle.update({"text/plain": text}, raw=True)
        else:
            sys.stderr.write(f"\r\x1b[K{text}{end}" if self._terminal else text + end)
            sys.stderr.flush()


def _rate(rate: float) -> str:
    return f"{rate:.1f}/s" if rate >= 1 or not rate else f"{60 * rate:.1f}/min"


def _time(seconds: float, form: str = ".0f") -> str:
    """Return a duration as one reads it: seconds, then minutes, then hours.

    >>> _time(61.26, ".1f"), _time(150), _time(3600 * 5)
    ('61.3 s', '2.5 min', '5.0 h')
    """
    if seconds < 120:
        return f"{seconds:{form}} s"
    return f"{seconds / 60:.1f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _kernel_display():
    ipython = sys.modules.get("IPython")
    shell = ipython and ipython.get_ipython()
    if shell is None or not hasattr(shell, "kernel"):
        return None
    from IPython.display import display

    return display({"text/plain": ""}, raw=True, display_id=True)
