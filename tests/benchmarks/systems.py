"""Every named system at the class-room budget: exact truth at equal updates and at equal seconds.

    python tests/benchmarks/systems.py [--workers 2] [system ...]

Five seeds each; about half an hour on two cores. Writes ``results/systems.md``, and the part of it
that README shows. Systems that are named are run and shown, and nothing is written.
"""

import argparse
import platform
from concurrent.futures import ProcessPoolExecutor
from datetime import date
from multiprocessing import get_context
from pathlib import Path

import torch
from ranges import spread

import textgan_lab as tl
from textgan_lab.training.gallery import catalogue as catalogued
from textgan_lab.training.gallery import gallery
from textgan_lab.training.systems import UPDATES, WARM_UP

SEEDS = range(5)
SECONDS = 10.0  # CPU seconds of one thread, preparation included
LOOKED_AT = 1000  # fresh samples a measurement
RESULTS = Path(__file__).parent / "results" / "systems.md"
README = Path(__file__).parents[2] / "README.md"
PARTS = ("article", "data", "G", "estimator", "loss", "D", "before play", "exactness test")
BRIEF = (
    "system", "article", "estimator", "loss", "D", "before play", "exactness test", "true JS",
    "modes", "possible",
)  # fmt: skip


def run(job: tuple[str, int]) -> dict:
    """Train one system on one seed; return what its measurements say at both budgets."""
    name, seed = job
    torch.set_num_threads(1)
    found = gallery([name], seed=seed, seconds=SECONDS, samples=LOOKED_AT, device="cpu")
    looks = found.drop(columns="trainer").set_index("budget").to_dict("index")
    return {"system": name, "seed": seed, **looks}


def rows(results: list[dict]) -> list[dict[str, str]]:
    """Return one row a system in the order of the catalogue: its parts, and what was measured."""
    catalogue, found = catalogued(), []
    for name in dict.fromkeys(r["system"] for r in results):
        mine = [r for r in results if r["system"] == name]

        def at(budget: str, key: str, form: str = ".2f", mine=mine) -> str:
            return spread([r[budget].get(key) for r in mine], form)

        parts = catalogue.loc[name, list(PARTS)].fillna("–").to_dict()
        found.append({
            "system": f"`{name}`", **parts, "exactness test": f"`{parts['exactness test']}`",
            "true JS": at("updates", "js"),
            "modes": at("updates", "modes", ".0f"),
            "possible": at("updates", "possible"),
            "held-out NLL": at("updates", "held_out_nll.sentence", ".1f"),
            f"true JS at {SECONDS:.0f} s": at("seconds", "js"),
            "CPU s": at("updates", "spent", ".0f"),
        })  # fmt: skip
    return found


def markdown(found: list[dict[str, str]], columns: tuple[str, ...] | None = None) -> str:
    """Return rows as a table of some columns, or of all."""
    columns = columns or tuple(found[0])
    lines = [f"| {' | '.join(columns)} |", "|" + "---|" * len(columns)]
    return "\n".join([*lines, *(f"| {' | '.join(row[c] for c in columns)} |" for row in found)])


def replaced(text: str, table: str) -> str:
    """Return README with the table that begins as ``table`` does replaced by it."""
    head = table.split(" | ")[0]
    begin = text.index(f"{head} |")
    return text[:begin] + table + text[text.index("\n\n", begin) :]


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
    found = rows(results)
    print(markdown(found))
    if given.systems:
        return
    text = README.read_text(encoding="utf-8")
    README.write_text(replaced(text, markdown(found, BRIEF)), encoding="utf-8")
    RESULTS.write_text(
        "# Every system on its language\n\n"
        f"`python tests/benchmarks/systems.py`, {date.today()}, torch {torch.__version__}, "
        f"{platform.machine()}, one thread a run. Class-room sizes; {UPDATES} updates of G in play "
        f"after each system's own preparation, {WARM_UP + UPDATES} likelihood updates for those "
        f"without an adversary. Median and range over {len(SEEDS)} seeds; {LOOKED_AT:,} fresh "
        "samples a measurement; JS in nats (ceiling 0.693) and exact, a dash where ln q is not "
        "known; NLL in nats a sentence. CPU seconds include the preparation.\n\n"
        f"{markdown(found)}\n",
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()
