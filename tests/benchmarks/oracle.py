"""The oracle experiment of SeqGAN, on both axes: what G writes under the truth, and the reverse.

    python tests/benchmarks/oracle.py [--seeds 0 1 2] [--weights FILE] [--workers 2]

A random LSTM is the language (Yu et al. 2017, section 5.1: vocabulary 5,000, sentences of 20). An
LSTM of the same size learns 9,984 of its sentences by maximum likelihood, and then plays against
the published discriminator under Monte-Carlo rollouts. Two oracles: one of our own, whose weights
the seed draws as well, and, where their file is found, the published weights. Oracle NLL, what the
literature compares, is -ln p of what G writes; it rewards a G that writes little but safely. So the
other axis stands beside it: -ln q of fresh sentences of the oracle, and a control that costs
nothing, likelihood sampled at lower temperatures. Writes ``results/oracle.md``.
"""

import argparse
import platform
import statistics
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from datetime import date
from multiprocessing import get_context
from pathlib import Path

import torch

import textgan_lab as tl
from textgan_lab.data import LSTMOracle
from textgan_lab.metrics import self_bleu

PUBLISHED = Path(__file__).parents[3] / "shared" / "data" / "seqgan_oracle.npz"
RESULTS = Path(__file__).parent / "results" / "oracle.md"
SENTENCES, LENGTH, BATCH = 9_984, 20, 64
EPOCHS = 60  # of likelihood; 120 in the paper, where the last half changes little
D_FIRST, D_STEPS, MOVES = 500, 10, 100  # updates of D before play and a move; moves of G
LOOKED_AT = 2_000  # sentences a measurement
TEMPERATURES = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5)
OURS, THEIRS = "our own weights", "the published weights"


def spec(seed: int) -> tl.Spec:
    """Return the published setting; D takes fewer updates, on fakes that are fresh each time."""
    return tl.Spec(
        data="oracle",
        generator={"lstm": {"embedding": 32, "hidden": 32, "init_std": 0.1}},
        discriminator={"seqgan_cnn": {"gate": "shared"}},
        estimator={"rollouts": {"completions": 16, "policy": "delayed", "rate": 0.8}},
        batch_size=BATCH,
        mle_steps=EPOCHS * SENTENCES // BATCH,
        d_first_steps=D_FIRST,
        probe_every=0,
        seed=seed,
        device="cpu",
        knobs={
            "g_lr": 1e-2, "d_lr": 1e-4, "mle_lr": 1e-2, "d_dropout": 0.25, "d_steps": D_STEPS,
        },
    )  # fmt: skip


@torch.no_grad()
def looked_at(generator, oracle: LSTMOracle, held_out: torch.Tensor, temperature: float) -> dict:
    """Return both axes and two measures of diversity, of G at a temperature, in nats a token."""
    noise = torch.Generator().manual_seed(LOOKED_AT)
    written = generator.sample(LOOKED_AT, noise, temperature=temperature)
    held_out_nll = 0.0
    for rows in held_out.split(100):  # all logits of all sentences are a gigabyte
        log_q = (generator.logits(rows) / temperature).log_softmax(2)
        held_out_nll -= log_q.gather(2, rows[..., None]).double().sum().item()
    return {
        "oracle NLL": oracle.nll_per_token(written),
        "held-out NLL": held_out_nll / held_out.numel(),
        "self-BLEU-2": self_bleu(written.tolist())[2],
        "words used": written.unique().numel(),
    }


def run(job: tuple[str, str | None, int]) -> list[dict]:
    """Train one seed on one oracle; return what is measured, one row a stage."""
    which, weights, seed = job
    torch.set_num_threads(1)
    kinds = {"length": LENGTH, "seed": seed, "pool": SENTENCES}
    oracle = LSTMOracle.from_npz(weights, **kinds) if weights else LSTMOracle(**kinds)
    held_out = oracle.sample(LOOKED_AT, torch.Generator().manual_seed(10**6 + seed))
    trainer, rows = tl.Trainer(spec(seed), data=oracle), []
    begin, first = time.process_time(), trainer.spec.mle_steps

    def look(stage: str, t: float = 1.0) -> None:
        found = looked_at(trainer.generator, oracle, held_out, t)
        accuracy = trainer.telemetry.rows[-1].get("d_accuracy") if trainer.telemetry.rows else None
        rows.append({
            "oracle": which, "seed": seed, "stage": stage, **found, "D's accuracy": accuracy,
            "CPU s": time.process_time() - begin,
        })  # fmt: skip

    floor = oracle.nll_per_token(held_out)
    rows.append({
        "oracle": which, "seed": seed, "stage": "real data", "oracle NLL": floor,
        "held-out NLL": floor, "self-BLEU-2": self_bleu(held_out.tolist())[2],
        "words used": held_out.unique().numel(),
    })  # fmt: skip
    for _ in trainer.steps(first + D_FIRST + MOVES):
        if trainer.t == first:
            for t in TEMPERATURES:
                look("likelihood" if t == 1 else f"likelihood at temperature {t}", t)
        elif trainer.t > first + D_FIRST and (trainer.t - first - D_FIRST) % (MOVES // 4) == 0:
            look(f"SeqGAN, {trainer.t - first - D_FIRST} moves")
    return rows


def spread(values: list[float | None], form: str) -> str:
    """Return median and range; a dash where nothing was measured."""
    known = [v for v in values if v is not None]
    if not known:
        return "–"
    parts = statistics.median(known), min(known), max(known)
    middle, low, high = (format(v, form) for v in parts)
    return f"{middle} [{low}, {high}]"


def table(rows: list[dict]) -> str:
    """Return the measurements of one oracle, median and range over seeds."""
    columns = {
        "oracle NLL": ".3f", "held-out NLL": ".3f", "self-BLEU-2": ".2f", "words used": ".0f",
        "D's accuracy": ".2f", "CPU s": ".0f",
    }  # fmt: skip
    head = ("stage", *columns)
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for stage in dict.fromkeys(r["stage"] for r in rows):
        mine = [r for r in rows if r["stage"] == stage]
        cells = [spread([r.get(name) for r in mine], form) for name, form in columns.items()]
        lines.append("| " + " | ".join([stage, *cells]) + " |")
    return "\n".join(lines)


def gain(rows: list[dict], axis: str) -> str:
    """Return how far the last of SeqGAN is below its own likelihood, median and range."""
    stages = list(dict.fromkeys(r["stage"] for r in rows))
    at = {(r["seed"], r["stage"]): r[axis] for r in rows}
    seeds = dict.fromkeys(r["seed"] for r in rows)
    return spread([at[s, "likelihood"] - at[s, stages[-1]] for s in seeds], "+.3f")


def report(rows: list[dict], seeds: list[int]) -> str:
    """Return the page."""
    parts = [
        "# SeqGAN's oracle experiment",
        "",
        f"`python tests/benchmarks/oracle.py`, {date.today()}, torch {torch.__version__}, "
        f"{platform.machine()}, one thread a run. {EPOCHS} epochs of likelihood on "
        f"{SENTENCES:,} sentences, {D_FIRST} updates of D, then {MOVES} moves of G with {D_STEPS} "
        f"updates of D each; sizes, rates, rollouts and initial weights as published, D with fewer "
        f"updates. {LOOKED_AT:,} fresh sentences a measurement. Oracle NLL: -ln p of what G "
        "writes; held-out NLL: -ln q of fresh sentences of the oracle; nats a token, smaller is "
        f"better, and only both together say something. Median [range] over seeds "
        f"{', '.join(map(str, seeds))}; the last measurement of each, never the best.",
    ]
    for which in dict.fromkeys(r["oracle"] for r in rows):
        mine = [r for r in rows if r["oracle"] == which]
        parts += [
            "", f"## {which.capitalize()}", "", table(mine), "",
            f"SeqGAN below its own likelihood: {gain(mine, 'oracle NLL')} in oracle NLL, "
            f"{gain(mine, 'held-out NLL')} in held-out NLL.",
        ]  # fmt: skip
    return "\n".join(parts) + "\n"


def main() -> None:
    """Run all seeds on both oracles and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--weights", type=Path, default=PUBLISHED, help="an .npz of an oracle")
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    oracles = {OURS: None}
    if given.weights.exists():
        oracles[THEIRS] = str(given.weights)
    else:
        sys.stdout.write(f"no file {given.weights}: our own weights only\n")
    jobs = [(which, weights, seed) for seed in given.seeds for which, weights in oracles.items()]
    rows = []
    with ProcessPoolExecutor(given.workers, mp_context=get_context("spawn")) as pool:
        for found in pool.map(run, jobs):
            rows += found
            sys.stdout.write(f"{len(rows) // len(found)}/{len(jobs)} {found[-1]}\n")
            sys.stdout.flush()
    text = report(rows, given.seeds)
    RESULTS.write_text(text, encoding="utf-8")
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
