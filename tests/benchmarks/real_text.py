"""Real captions, where no law is known: likelihood alone and two adversarial runs after it.

``python tests/benchmarks/real_text.py [CAPTIONS]``; the captions of COCO, split by our own seed.
Each seed trains a likelihood LSTM once for each discriminator, judges it at two temperatures, lets
both play on, and judges them again. Writes results/real_text.md; about ten minutes on one core.
"""

import platform
import sys
import time
from datetime import date
from pathlib import Path

import pandas
import torch

import textgan_lab as tl
from textgan_lab.training.text_quality import TextJudges

CAPTIONS = Path(__file__).parents[3] / "shared" / "data" / "coco_captions.txt"
READING = {"max_length": 20, "vocab_size": 2000}
SEEDS, READING_STEPS = (0, 1, 2), 300
WARM_UP, PLAY = 500, 200  # updates of G by likelihood, and after it against D
SYSTEMS = {
    "Gumbel, fast D": {
        "discriminator": "cnn",
        "estimator": "gumbel",
        "knobs": {"g_lr": 3e-4, "d_lr": 1e-2},
    },
    "dense REINFORCE": {
        "discriminator": "lstm",
        "estimator": "dense_reinforce",
        "remedies": {"entropy": {"weight": 0.02}},
        "knobs": {"g_lr": 1e-3, "d_lr": 2e-3},
    },
}


def run(seed: int, corpus: tl.Corpus) -> dict[str, pandas.Series]:
    """Return what the judges of one seed say of real text and of each system of that seed."""
    judges = TextJudges(corpus, seeds=[seed], steps=READING_STEPS, device="cpu")
    told: dict[str, pandas.Series] = {}
    for name, system in SYSTEMS.items():
        spec = tl.Spec(
            data="coco-captions",
            mle_steps=WARM_UP,
            probe_every=0,
            seed=seed,
            device="cpu",
            **system,
        )
        trainer = tl.Trainer(spec, data=corpus).run(WARM_UP)
        if not told:
            table = judges.quality(trainer)
            told["real"] = table["real"]
            told["likelihood"] = table["value"]
            told["likelihood, T = 0.8"] = judges.quality(trainer, 0.8)["value"]
        told[name] = judges.quality(trainer.run(PLAY))["value"]
        if trainer.diverged:
            raise RuntimeError(f"{name}, seed {seed}: diverged; no row to report")
    return told


def report(told: list[dict[str, pandas.Series]], corpus: tl.Corpus, seconds: float) -> str:
    """Return the table: a row a measure, a column a system, median and range over seeds."""
    systems = list(told[0])
    lines = []
    for measure in told[0]["likelihood"].index:
        cells = []
        for system in systems:
            seen = pandas.Series([t[system][measure] for t in told])
            known = f"{seen.median():.3g} [{seen.min():.3g}, {seen.max():.3g}]"
            cells.append("unknown" if seen.isna().all() else known)
        lines.append(f"| {measure} | " + " | ".join(cells) + " |")
    audit, judges = corpus.audit(), TextJudges(corpus)  # makes no reader before one is needed
    table = "\n".join(lines)
    return f"""# Real captions: what no known law can judge

`python tests/benchmarks/real_text.py`, {date.today()}, torch {torch.__version__},
{platform.machine()}, one thread, {seconds:.0f} s of CPU. {len(corpus.train):,} training captions
of at most {READING["max_length"]} words, vocabulary {corpus.vocab_size:,}; split by seed 0, not as
published ("{audit.verdict}" by n-grams). Every G is the default LSTM after {WARM_UP} updates by
likelihood; the last two then played {PLAY} updates against D, batch 64.

Median [range] over {len(told)} of {len(SEEDS)} seeds, each with its own G, judges and draws.
`real`: as many other captions, which is what a perfect G would score, and the aim.
{judges.n:,} sentences a side, readers that learned {judges.taught:,} by {READING_STEPS} updates;
likelihoods in nats a token. What each row means: `TextJudges.quality`.

| | {" | ".join(systems)} |
|{"---|" * (1 + len(systems))}
{table}
"""


def main() -> None:
    """Run all seeds and write the table."""
    torch.set_num_threads(1)
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else CAPTIONS
    corpus, start = tl.load_corpus("coco-captions", path=path, **READING), time.process_time()
    told = []
    for seed in SEEDS:  # the table grows by a seed at a time: a run that is cut short leaves one
        told.append(run(seed, corpus))
        text = report(told, corpus, time.process_time() - start)
        (Path(__file__).parent / "results" / "real_text.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
