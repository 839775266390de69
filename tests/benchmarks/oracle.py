"""The oracle experiment of SeqGAN, on both axes: what G writes under the truth, and the reverse.

    python tests/benchmarks/oracle.py [--seeds 0 1 2] [--weights FILE] [--workers 2]

A random LSTM is the language (Yu et al. 2017, section 5.1: vocabulary 5,000, sentences of 20). An
LSTM of the same size learns 9,984 of its sentences by maximum likelihood, and then plays against
the published discriminator under Monte-Carlo rollouts. Two oracles: one of our own, whose weights
the seed draws as well, and, where their file is found, the published weights. Oracle NLL, what the
literature compares, is -ln p of what G writes; it rewards a G that writes little but safely. So the
other axis stands beside it, -ln q of fresh sentences of the oracle; and three controls: likelihood
sampled at lower temperatures, the same play with a baseline, and the same play with a D that never
learns. Writes ``results/oracle.md``; about a quarter of an hour a seed, oracle and core.
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
from ranges import spread

import textgan_lab as tl
from textgan_lab.data import LSTMOracle
from textgan_lab.metrics import self_bleu

PUBLISHED = Path(__file__).parents[3] / "shared" / "data" / "seqgan_oracle.npz"
RESULTS = Path(__file__).parent / "results" / "oracle.md"
SENTENCES, LENGTH, BATCH = 9_984, 20, 64
EPOCHS = 40  # of likelihood; 120 in the paper, of which the later ones change little
D_FIRST, D_STEPS, MOVES = 300, 5, 60  # updates of D before play and a move; moves of G
LOOKED_AT = 2_000  # sentences a measurement
TEMPERATURES = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5)
OURS, THEIRS = "our own weights", "the published weights"
LIKELIHOOD, SEQGAN = "likelihood", "SeqGAN as published: reward D, no baseline"
PAID = {"constant": {"value": -1.0}}  # 2 D - 1 less -1: the published reward D, twice
ARMS = {  # whether D learns, and the options of the rollouts
    SEQGAN: (True, {"completions": 16, "baseline": PAID}),
    "with a baseline: 2 D - 1 less its running mean": (
        True, {"completions": 16, "baseline": "moving"},
    ),
    "with a D that never learns, no baseline": (False, {"completions": 1, "baseline": PAID}),
}  # fmt: skip


def trainer(oracle: LSTMOracle, seed: int, **parts) -> tl.Trainer:
    """Return a trainer at the published sizes and initial weights, but for D's shared gate."""
    spec = tl.Spec(
        data="oracle",
        generator={"lstm": {"embedding": 32, "hidden": 32, "init_std": 0.1}},
        discriminator={"seqgan_cnn": {"gate": "shared"}},
        batch_size=BATCH,
        probe_every=0,
        seed=seed,
        device="cpu",
        **{"estimator": "reinforce", "knobs": {"mle_lr": 1e-2}, **parts},
    )
    return tl.Trainer(spec, data=oracle)


def arm(oracle: LSTMOracle, seed: int, learns: bool, options: dict) -> tl.Trainer:
    """Return the trainer of one way to play, with a D that learns or stays as it starts."""
    return trainer(
        oracle, seed,
        estimator={"rollouts": {"policy": "delayed", "rate": 0.8, **options}},
        d_first_steps=D_FIRST if learns else 0,
        knobs={
            "g_lr": 1e-2, "d_lr": 1e-3, "d_dropout": 0.25, "d_steps": D_STEPS if learns else 0,
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
    floor = oracle.nll_per_token(held_out)
    rows = [{
        "stage": "real data", "oracle NLL": floor, "held-out NLL": floor,
        "self-BLEU-2": self_bleu(held_out.tolist())[2], "words used": held_out.unique().numel(),
    }]  # fmt: skip
    steps = EPOCHS * SENTENCES // BATCH
    learner, begin = trainer(oracle, seed, mle_steps=steps), time.process_time()
    learner.run(steps)
    spent = time.process_time() - begin
    for t in TEMPERATURES:
        stage = LIKELIHOOD if t == 1 else f"{LIKELIHOOD} at temperature {t}"
        found = looked_at(learner.generator, oracle, held_out, t)
        rows.append({"stage": stage, **found, "CPU s": spent})
    for stage, (learns, options) in ARMS.items():
        player, begin = arm(oracle, seed, learns, options), time.process_time()
        player.generator.load_state_dict(learner.generator.state_dict())
        player.run(player.spec.d_first_steps + MOVES)
        spent = time.process_time() - begin
        right = [r["d_accuracy"] for r in player.telemetry.rows if "d_accuracy" in r][-20:]
        found = looked_at(player.generator, oracle, held_out, 1.0)
        accuracy = statistics.fmean(right) if right else None
        rows.append({"stage": stage, **found, "D's accuracy": accuracy, "CPU s": spent})
    return [{"oracle": which, "seed": seed, **row} for row in rows]


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
    """Return how far SeqGAN ends below its own likelihood, median and range."""
    at = {(r["seed"], r["stage"]): r[axis] for r in rows}
    seeds = dict.fromkeys(r["seed"] for r in rows)
    return spread([at[s, LIKELIHOOD] - at[s, SEQGAN] for s in seeds], "+.3f")


def report(rows: list[dict], seeds: list[int]) -> str:
    """Return the page."""
    parts = [
        "# SeqGAN's oracle experiment",
        "",
        f"`python tests/benchmarks/oracle.py`, {date.today()}, torch {torch.__version__}, "
        f"{platform.machine()}, one thread a run. {EPOCHS} epochs of likelihood on "
        f"{SENTENCES:,} sentences, {D_FIRST} updates of D, then {MOVES} moves of G with {D_STEPS} "
        "updates of D each; G, its rates and rollouts as published; D at the published filters, "
        "with a gate that shares the highway's weights, fewer updates and ten times the rate; the "
        f"D that never learns judges one completion. {LOOKED_AT:,} fresh sentences a measurement. "
        "Oracle NLL: -ln p of what G writes; held-out NLL: -ln q of fresh sentences of the oracle; "
        "nats a token, smaller is better, and only both together say something. D's accuracy: "
        f"the mean of its last 20 updates. Median [range] over seeds {', '.join(map(str, seeds))}; "
        "where each run ended, never its best.",
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
            for row in found:
                sys.stdout.write(f"{row}\n")
            sys.stdout.flush()
            done = sorted({row["seed"] for row in rows})  # a long run leaves what it has
            RESULTS.write_text(report(rows, done), encoding="utf-8")
    sys.stdout.write(RESULTS.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
