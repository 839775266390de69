"""A text GAN from scratch beside the exact truth: how far it comes, over seeds.

The scenario ``from-scratch``: dense REINFORCE with an entropy bonus on the caption grammar, no
warm-up, the learning rate of G decaying as a schedule of turns. Writes results/from_scratch.md;
about three minutes on one core.
"""

import platform
import statistics
import time
from datetime import date
from pathlib import Path

import torch

import textgan_lab as tl
from textgan_lab.diagnostics.truth import Truth

SEEDS, LAST = range(5), 5


def run(seed: int, data) -> dict[str, float]:
    """Train one seed; return the mean of the last measurements."""
    scenario = tl.SCENARIOS.make("from-scratch", {"seed": seed})
    trainer, start = scenario.trainer(data=data), time.process_time()
    for _ in trainer.steps(scenario.steps):
        pass
    seconds = time.process_time() - start
    truth = Truth(trainer.telemetry, looks=lambda n: LAST)
    names = ("js", "held_out_nll.sentence", "possible", "modes", "bayes_accuracy", "d_accuracy")
    ends = {name: truth.late(name) for name in names}
    return {"seed": seed, "first js": truth.start["js"], **ends, "CPU s": seconds}


def main() -> None:
    """Run all seeds and write the table."""
    torch.set_num_threads(1)
    data = tl.load_corpus("captions")
    steps = tl.SCENARIOS.make("from-scratch").steps
    rows = [run(seed, data) for seed in SEEDS]
    names = list(rows[0])
    summary = [
        f"{statistics.median(r[n] for r in rows):.3g} [{min(r[n] for r in rows):.3g}, "
        f"{max(r[n] for r in rows):.3g}]"
        for n in names[1:]
    ]
    lines = [
        "# From scratch on the caption grammar",
        "",
        f"`python tests/benchmarks/from_scratch.py`, {date.today()}, torch {torch.__version__}, "
        f"{platform.machine()}, one thread. {steps:,} updates a seed; each figure is the mean of "
        f"the last {LAST} measurements (256 samples each). The ceiling of JS is ln 2 = 0.693, "
        f"the entropy of the language {data.entropy:.2f} nats a sentence, its modes 8.",
        "",
        "| " + " | ".join(names) + " |",
        "|" + "---|" * len(names),
        *("| " + " | ".join(f"{r[n]:.3g}" for n in names) + " |" for r in rows),
        "| median [range] | " + " | ".join(summary) + " |",
        "",
    ]
    result = Path(__file__).parent / "results" / "from_scratch.md"
    result.write_text("\n".join(lines), encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
