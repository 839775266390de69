"""The collection: the runs of all settings and seeds, as found in a folder, made, or packed.

A folder of it holds archives, each of one run or of many. The shipped one has a file a family.
"""

import functools
import json
import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from . import archive
from .archive import Run
from .records import CHECKOUT
from .settings import SEEDS, SETTINGS

SHIPPED = CHECKOUT / "tests" / "corpus"
FAMILIES = tuple(dict.fromkeys(setting.family for setting in SETTINGS.values()))


def runs(folder: str | Path = SHIPPED) -> list[Run]:
    """Return the runs in a folder's archives, in the order of settings and seeds.

    Raises:
        FileNotFoundError: no archive there.
    """
    files = sorted(Path(folder).glob("*.npz"))
    if not files:
        raise FileNotFoundError(f"{folder}: no archive of runs there (*.npz)")
    found = {(run.setting, run.seed): run for file in files for run in archive.read(file)}
    order = [(name, seed) for name in SETTINGS for seed in SEEDS]
    return [found[key] for key in order if key in found]


def everything() -> list[tuple[str, int]]:
    """Return all runs there can be, setting and seed; a part of them, too, has every setting."""
    return [(name, seed) for seed in SEEDS for name in SETTINGS]


def missing(folder: str | Path) -> list[tuple[str, int]]:
    """Return which runs a folder lacks."""
    files = Path(folder).glob("*.npz")
    there = {(run.setting, run.seed) for file in files for run in archive.read(file)}
    return [key for key in everything() if key not in there]


def make(
    folder: str | Path, wanted: Sequence[tuple[str, int]], workers: int = 1
) -> Iterator[tuple[str, int]]:
    """Train the runs that are wanted into a folder, one archive each; yield each when it is there.

    ``workers`` processes share the work, each with one thread. What is there stays, so that a
    stopped job goes on where it was.
    """
    jobs = [(str(folder), *job) for job in wanted]
    if workers == 1:
        yield from map(_made, jobs)
        return
    spawn = multiprocessing.get_context("spawn")  # torch's threads do not survive a fork
    with ProcessPoolExecutor(workers, mp_context=spawn) as pool:
        yield from pool.map(_made, jobs)


def _made(job: tuple[str, str, int]) -> tuple[str, int]:
    import torch

    torch.set_num_threads(1)
    folder, name, seed = job
    setting = SETTINGS[name]
    data, facts = _data(json.dumps(setting.fields["data"]))
    trainer = setting.trainer(seed, data)
    for _ in trainer.steps(setting.steps):
        pass
    run = Run(name, seed, trainer.telemetry, facts)
    archive.write(Path(folder) / f"{name}.{seed}.npz", [run])
    return name, seed


@functools.cache
def _data(choice: str) -> tuple[Any, dict[str, Any]]:
    """Return a corpus and what its truth is: entropy in nats a sentence, or shares of modes."""
    from ..data import load_corpus

    given = json.loads(choice)
    name, options = (given, {}) if isinstance(given, str) else next(iter(given.items()))
    data = load_corpus(name, **options)
    if data.kind != "text":
        return data, {"shares": [float(f"{p:.5g}") for p in data.mode_probs]}
    entropy = data.entropy
    if entropy is None:  # a law with no closed form: 10,000 of its own sentences
        import torch

        from ..data.law import seed

        own = data.law.sample(10_000, torch.Generator().manual_seed(seed("entropy")))
        entropy = -data.law.log_prob(own).mean().item()
    return data, {"entropy": float(f"{entropy:.5g}")}


def pack(source: str | Path, target: str | Path = SHIPPED) -> Path:
    """Write a folder's runs into another as one archive a family; return that folder."""
    every = runs(source)
    for family in FAMILIES:
        own = [run for run in every if SETTINGS[run.setting].family == family]
        archive.write(Path(target) / f"{family}.npz", own)
    return Path(target)
