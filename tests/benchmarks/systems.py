"""Every named system at the class-room budget: exact truth at equal updates and at equal seconds.

Writes results/systems.md, whose table README shows. About half an hour on two cores.
"""

import argparse
import platform
import statistics
from concurrent.futures import ProcessPoolExecutor
from datetime import date
from multiprocessing import get_context
from pathlib import Path

import torch

import textgan_lab as tl
from textgan_lab.training.gallery import gallery
from textgan_lab.training.spec import chosen
from textgan_lab.training.systems import UPDATES, WARM_UP

SEEDS = range(5)
SECONDS = 10.0  # CPU seconds of one thread, preparation included
LOOKED_AT = 1000  # fresh samples a measurement
RESULTS = Path(__file__).parent / "results" / "systems.md"


def run(job: tuple[str, int]) -> dict:
    """Train one system on one seed; return what its measurements say at both budgets."""
    name, seed = job
    torch.set_num_threads(1)
    found = gallery([name], seed=seed, seconds=SECONDS, samples=LOOKED_AT, device="cpu")
    looks = found.drop(columns="trainer").set_index("budget").to_dict("index")
    return {"system": name, "seed": seed, **looks}


def spread(values: list[float | None], digits: int = 2) -> str:
    """Return median and range; a dash where nothing exact can be said."""
    known = sorted(v for v in values if v is not None)
    if not known:
        return "–"
    low, middle, high = known[0], statistics.median(known), known[-1]
    return f"{middle:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


def table(results: list[dict]) -> str:
    """Return the table, one row a system in the order of the catalogue."""
    head = (
        "system", "article", "data", "estimator", "loss", "D", "before play", "its gradient's test",
        "true JS", "modes", "possible", "held-out NLL", f"true JS at {SECONDS:.0f} s", "CPU s",
    )  # fmt: skip
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for name in dict.fromkeys(r["system"] for r in results):
        mine = [r for r in results if r["system"] == name]
        system = tl.SYSTEMS.make(name)
        spec, rival = system.spec, system.steps == system.spec.mle_steps
        prepared = [f"{spec.mle_steps} MLE"] if spec.mle_steps else []
        if spec.d_first_steps:
            until = f" until {spec.d_first_accuracy}" if spec.d_first_accuracy else ""
            prepared.append(f"{spec.d_first_steps} D{until}")

        def column(budget: str, key: str, digits: int = 2, mine=mine) -> str:
            return spread([r[budget].get(key) for r in mine], digits)

        parts = ["–"] * 3 if rival else [
            chosen(spec.estimator)[0], spec.loss, chosen(spec.discriminator)[0],
        ]  # fmt: skip
        cells = [
            f"`{name}`", system.article, chosen(spec.data)[0], *parts,
            "–" if rival else ", ".join(prepared) or "nothing",
            f"`{system.exact.split('::')[1]}`",
            column("updates", "js"), column("updates", "modes", 0), column("updates", "possible"),
            column("updates", "held_out_nll.sentence", 1), column("seconds", "js"),
            column("updates", "spent", 0),
        ]  # fmt: skip
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Run all seeds and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("systems", nargs="*", help="only these; nothing is written then")
    given = parser.parse_args()
    names = given.systems or list(tl.SYSTEMS)
    jobs = [(name, seed) for seed in SEEDS for name in names]
    context = get_context("spawn")
    with ProcessPoolExecutor(given.workers, mp_context=context) as pool:
        results = []
        for result in pool.map(run, jobs):
            results.append(result)
            print(f"{len(results)}/{len(jobs)} {result['system']}", flush=True)
    found = table(results)
    print(found)
    if given.systems:
        return
    RESULTS.write_text(
        "# Every system on its language\n\n"
        f"`python tests/benchmarks/systems.py`, {date.today()}, torch {torch.__version__}, "
        f"{platform.machine()}, one thread a run. Class-room sizes; {UPDATES} updates of G in play "
        f"after each system's own preparation, {WARM_UP + UPDATES} likelihood updates for those "
        f"without an adversary. Median and range over {len(SEEDS)} seeds; {LOOKED_AT:,} fresh "
        "samples a measurement; JS in nats (ceiling 0.693) and exact, a dash where ln q is not "
        "known; NLL in nats a sentence. CPU seconds include the preparation.\n\n"
        f"{found}\n",
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()
