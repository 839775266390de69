"""What a diagnosis that follows a run costs: one look against the 25 training steps before it.

Run it with ``python tests/benchmarks/diagnosis.py [STEPS]``. Training and looking take turns in one
process and are timed by its CPU clock, so that whatever else the machine does hits both. A second
table lets the record go on to 50,000 steps without training, to show that a look does not grow
with it. Writes ``results/diagnosis.md``.
"""

import copy
import datetime
import os
import platform
import statistics
import sys
import time
from pathlib import Path

import torch

import textgan_lab as tl
from textgan_lab.diagnostics import Online

HERE = Path(__file__).parent
STRIDE = 25  # steps between looks, the default of Spec.probe_every
LONG = (2000, 10000, 50000)  # steps of the record in the second table
LOOKS = 40  # looks a figure there


def interleaved(trainer: tl.Trainer, steps: int) -> list[tuple[float, float]]:
    """Return CPU seconds of each 25 steps, and of the look that follows them."""
    online, pairs = Online(lambda: trainer.telemetry), []
    online.report()
    for _ in range(steps // STRIDE):
        begin = time.process_time()
        for _ in trainer.steps(STRIDE):
            pass
        middle = time.process_time()
        online.report()
        pairs.append((middle - begin, time.process_time() - middle))
    return pairs


def long(trainer: tl.Trainer) -> dict[int, list[float]]:
    """Return CPU seconds of looks at a record that repeats the run's rows without end."""
    rows, samples = list(trainer.telemetry.rows), list(trainer.telemetry.samples)
    record = copy.copy(trainer.telemetry)
    record.rows, record.samples = [], []
    online, found = Online(record), {}
    for look in range((LONG[-1] + LOOKS * STRIDE) // STRIDE):
        for i in range(STRIDE):
            t = look * STRIDE + i
            record.rows.append({**rows[t % len(rows)], "step": t})
        record.samples.append({**samples[look % len(samples)], "step": t + 1})
        begin = time.process_time()
        online.report()
        spent = time.process_time() - begin
        for length in LONG:
            if length <= t < length + LOOKS * STRIDE:
                found.setdefault(length, []).append(spent)
    return found


def report(pairs: list[tuple[float, float]], grown: dict[int, list[float]], load: float) -> str:
    """Return both tables, with all they need to be judged in their header."""
    steady = pairs[len(pairs) // 2 :]
    ratios = [look / trained for trained, look in steady]
    quarter = len(pairs) // 4
    rows = "\n".join(
        f"| {STRIDE * quarter * i} to {STRIDE * quarter * (i + 1)} "
        f"| {1e3 * statistics.median(t for t, _ in part):.1f} "
        f"| {1e3 * statistics.median(s for _, s in part):.2f} "
        f"| {statistics.median(s / t for t, s in part):.2%} |"
        for i in range(4)
        for part in [pairs[quarter * i : quarter * (i + 1)]]
    )
    trained = statistics.median(t for t, _ in steady)
    far = "\n".join(
        f"| {length:,} | {1e3 * statistics.median(spent):.2f} "
        f"| {statistics.median(spent) / trained:.2%} |"
        for length, spent in grown.items()
    )
    return f"""# What following a run with a diagnosis costs

Written by `python tests/benchmarks/diagnosis.py`; captions, default spec, batch 64.
{datetime.date.today()}; {platform.machine()}, {os.cpu_count()} cores; torch {torch.__version__},
one thread; Python {platform.python_version()}; load average {load:.1f} before the start (0 would be
an idle machine); CPU time of this process.

**One look costs {statistics.median(ratios):.2%} of the {STRIDE} steps before it**: median of the
newer half of {len(pairs)} pairs, 90 % of them below {statistics.quantiles(ratios, n=10)[-1]:.2%}.

| steps of the run | {STRIDE} steps, ms | a look, ms | look / steps |
|---|---|---|---|
{rows}

The same record repeated without training, {LOOKS} looks each:

| steps of the record | a look, ms | look / {STRIDE} steps |
|---|---|---|
{far}
"""


def main() -> None:
    """Measure, write the tables, and show them."""
    torch.set_num_threads(1)
    steps = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    load = os.getloadavg()[0]
    trainer = tl.Trainer(tl.Spec(data="captions", device="cpu"))
    pairs = interleaved(trainer, steps)
    text = report(pairs, long(trainer), load)
    (HERE / "results" / "diagnosis.md").write_text(text, encoding="utf-8")
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
