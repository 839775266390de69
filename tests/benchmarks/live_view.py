"""What watching costs: steps a second with the lab's view drawn, against the same run undrawn.

Run it with ``python tests/benchmarks/live_view.py [PAIRS] [SECONDS]``. One live run in a real
JupyterLab, shown by a real browser on the same machine, is timed in windows that take turns: view
on, view off. The ratio of each pair counts, so that whatever else the machine does meanwhile hits
both. Writes ``results/live_view.md``.
"""

import datetime
import json
import os
import platform
import statistics
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
SETTLE = 0.5  # seconds before each window
LIVE_CELL = """\
import textgan_lab as tl
lab = tl.LiveLab(tl.Trainer(tl.Spec(data="captions")))
lab.start()
lab"""
# Off means that the view's thread wakes as often as ever and draws nothing; flushes go on.
MEASURE = """\
import json, os, threading, time
reporting = False

def rate(seconds):
    time.sleep({settle})  # what the other kind of window left in queues
    t, cpu, begin = lab.trainer.t, time.process_time(), time.perf_counter()
    time.sleep(seconds)
    wall = time.perf_counter() - begin
    return (lab.trainer.t - t) / wall, (time.process_time() - cpu) / wall

def measure():
    controls, pairs = lab._widget, []
    for i in range({pairs}):
        pair = {{}}
        for kind in ("on", "off") if i % 2 else ("off", "on"):
            if kind == "off":
                controls._refresh = lambda: None
            pair[kind] = rate({seconds})
            controls.__dict__.pop("_refresh", None)
        pairs.append(pair)
    size = {{name: len(html) for name, html in lab.frame().items()}}
    with open("pairs.tmp", "w") as file:
        json.dump({{"pairs": pairs, "size": size, "t": lab.trainer.t}}, file)
    os.replace("pairs.tmp", "pairs.json")

threading.Thread(target=measure).start()"""


def measured(pairs: int, seconds: float) -> dict:
    """Return what the kernel measured: pairs of (steps/s, cores in use), and a frame's size."""
    sys.path.insert(0, str(HERE.parent / "browser"))
    from live_page import LivePage, chromium, jupyterlab

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with jupyterlab(folder) as url, chromium(folder) as page:
            live = LivePage(folder, url, page, LIVE_CELL)
            live.open()
            live.run_all()
            live.until(lambda said: said["t"] > 400, 120)  # all curves are as long as they get
            live.errand(MEASURE.format(pairs=pairs, seconds=seconds, settle=SETTLE))
            page.evaluate("document.querySelector('.textgan-lab').scrollIntoView()")
            page.evaluate("""() => {
                window.frames_seen = 0;
                new MutationObserver(() => window.frames_seen++).observe(
                    document.querySelector('[data-v]').closest('.widget-html-content'),
                    {childList: true});
            }""")
            while not (folder / "pairs.json").exists():
                page.wait_for_timeout(200)
            found = json.loads((folder / "pairs.json").read_text())
            found["frames"] = page.evaluate("window.frames_seen")
            return found


def report(found: dict, seconds: float, load: float) -> str:
    """Return the table, with all it needs to be judged in its header."""
    import torch

    pairs = found["pairs"]
    ratios = [pair["on"][0] / pair["off"][0] for pair in pairs]
    model = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
         if line.startswith("model name")), platform.processor(),
    ) if Path("/proc/cpuinfo").exists() else platform.processor()  # fmt: skip
    rows = "\n".join(
        f"| {i} | {pair['off'][0]:.1f} | {pair['on'][0]:.1f} | {pair['off'][1]:.2f} "
        f"| {pair['on'][1]:.2f} | {ratio:.3f} |"
        for i, (pair, ratio) in enumerate(zip(pairs, ratios, strict=True), 1)
    )
    off, on = (statistics.median(pair[kind][0] for pair in pairs) for kind in ("off", "on"))
    strip, board = (found["size"][part] / 1000 for part in ("strip", "board"))
    fps = found["frames"] / (len(pairs) * (SETTLE + seconds))
    return f"""# The price of watching

Written by `python tests/benchmarks/live_view.py`; captions, default spec, batch 64.
{datetime.date.today()}; {model}, {os.cpu_count()} cores; torch {torch.__version__}, one thread;
Python {platform.python_version()}; kernel, JupyterLab and headless Chromium on this one machine;
load average {load:.1f} before the start (0 would be an idle machine).

**With the view on, training keeps {statistics.median(ratios):.0%} of its speed**: median of
{len(pairs)} pairs of {seconds:g} s windows, [{min(ratios):.3f}, {max(ratios):.3f}];
{off:.1f} steps/s off, {on:.1f} on. About {fps:.1f} frames a second reached the page; a frame is
{strip:.1f} kB of curves and {board:.1f} kB of sentences, each sent when it changed.

| pair | off, steps/s | on, steps/s | off, kernel's cores | on, kernel's cores | on / off |
|---|---|---|---|---|---|
{rows}
"""


def main() -> None:
    """Measure, write the table, and show it."""
    pairs = int(sys.argv[1]) if len(sys.argv) > 1 else 12
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 3.0
    load = os.getloadavg()[0]
    text = report(measured(pairs, seconds), seconds, load)
    (HERE / "results" / "live_view.md").write_text(text, encoding="utf-8")
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
