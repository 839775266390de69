"""A step reads nothing back from the device: turns, noise and refusals included.

Two proofs without a GPU: every read of a tensor's value by the host is an
``aten._local_scalar_dense``, which is counted; and fake tensors have no values to read. With one,
torch itself refuses to wait.
"""

import itertools
import math

import pytest
import torch
from dialogues import TinyDialogue
from languages import Frames, TinyLanguage, TwoClouds
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

from textgan_lab.models import DISCRIMINATORS, GENERATORS
from textgan_lab.objectives import ESTIMATORS, LOSSES, REMEDIES
from textgan_lab.objectives.losses import NonSaturating
from textgan_lab.training import OPTIMISERS, Spec, Trainer
from textgan_lab.training.parts import assemble
from textgan_lab.training.spec import chosen

torch.set_num_threads(1)
SMALL = {  # what is large by default, small
    "convolutional": {"channels": 8, "blocks": 1},
    "residual": {"channels": 8, "blocks": 1},
    "seqgan_cnn": {"embedding": 8, "widths": [1, 2], "filters": [8, 8]},
}
PIECES = {"text": TinyLanguage, "pairs": TinyDialogue, "points": TwoClouds, "frames": Frames}


class HostReads(TorchDispatchMode):
    def __init__(self):
        super().__init__()
        self.n = 0

    def __torch_dispatch__(self, op, types, args=(), kwargs=None):
        self.n += op is torch.ops.aten._local_scalar_dense.default
        return op(*args, **(kwargs or {}))


def remedies(kind, parts, loss, estimator, states):
    """Return all remedies that apply, with their default strength.

    ``states`` says that D reads G's states.
    """
    return {
        name: {} for name, remedy in REMEDIES.items()
        if kind in remedy.kinds and (loss.binary or not remedy.binary_only)
        and (remedy.log_odds or not estimator.log_odds)
        and remedy.states in (None, states)
        and all(getattr(parts[what], has, None) for what, has in remedy.needs.items())
    }  # fmt: skip


def combinations():
    """Every estimator with every D that it fits; losses, Gs and optimisers in turn; remedies on."""
    optimisers, losses = itertools.cycle(OPTIMISERS), itertools.cycle(LOSSES)
    for piece, make in PIECES.items():
        data = make()
        generators = itertools.cycle(n for n, g in GENERATORS.items() if g.kind == data.kind)
        for (estimator, part), (d, judge) in itertools.product(
            ESTIMATORS.items(), DISCRIMINATORS.items()
        ):
            if {part.kind, judge.kind} != {data.kind}:
                continue
            for loss, g in itertools.islice(zip(losses, generators, strict=False), 200):
                rewarded = not LOSSES[loss].binary and "reward" in ESTIMATORS.options(estimator)
                player = GENERATORS[g]
                states = getattr(judge, "states", False)
                chosen = {"data": data, "generator": player, "discriminator": judge}
                spec = Spec(
                    data=piece,
                    generator={g: SMALL[g]} if g in SMALL else g,
                    discriminator={d: SMALL[d]} if d in SMALL else d,
                    loss=loss,
                    estimator={estimator: {"reward": "loss"}} if rewarded else estimator,
                    remedies=remedies(data.kind, chosen, LOSSES[loss], part, states),
                    d_optimiser=next(optimisers),
                    mle_steps=2 if hasattr(player, "nll_loss") else 0,
                    knobs={"d_steps": 2, **({} if states or part.log_odds else {"d_noise": 0.1})},
                    probe_every=0, batch_size=4, device="cpu",
                )  # fmt: skip
                try:
                    assemble(spec, data)
                except ValueError:  # refused with advice, which other tests read
                    continue
                yield spec
                break


def name(spec):
    estimator, _ = chosen(spec.estimator)
    return "-".join([
        spec.data, estimator, chosen(spec.generator)[0], chosen(spec.discriminator)[0], spec.loss,
        spec.d_optimiser,
    ])  # fmt: skip


COMBINATIONS = list(combinations())


def steps_with_turns(trainer, step):
    """Take six steps; between them turn whatever the run has."""
    turns = [
        {"d_lr": 0.002, "d_dropout": 0.3},
        {"g_beta1": 0.3, "g_beta2": 0.9},
        {"d_noise": 0.2, "g_lr": 0.0},
        {"d_noise": 0.0, "d_dropout": 0.0, "label_smoothing": 0.1},
        {"temperature": 0.5, "gradient_penalty.weight": 0.0, "d_momentum": 0.5, "d_alpha": 0.5},
        {"entropy.weight": 0.5, "d_steps": 0, "g_steps": 2},
    ]
    for turn in turns:
        step()
        trainer.knobs.set({n: v for n, v in turn.items() if n in trainer.knobs.table})


def test_every_part_is_among_the_combinations():
    dumped = [repr(spec.model_dump()) for spec in COMBINATIONS]
    for catalogue in (ESTIMATORS, LOSSES, REMEDIES, DISCRIMINATORS, OPTIMISERS, GENERATORS):
        for part in catalogue:
            assert any(repr(part) in text for text in dumped), part


@pytest.mark.parametrize("spec", COMBINATIONS, ids=name)
def test_no_step_reads_a_value_on_the_host(spec):
    trainer = Trainer(spec, data=PIECES[spec.data]())
    with HostReads() as reads:
        steps = trainer.steps()  # never exhausted, so nothing is flushed
        steps_with_turns(trainer, lambda: next(steps))
    assert reads.n == 0
    assert len(trainer.telemetry.turns) >= (8 if "d_noise" in trainer.knobs.table else 6)


def fake_trainer(spec, monkeypatch):
    """Build a trainer inside fake mode. ``Module.to`` swaps storages, which fakes do not have."""
    monkeypatch.setattr(torch.nn.Module, "to", lambda module, *_, **__: module)
    # draws again what fell outside, and so waits for its draws: once, before any training
    monkeypatch.setattr(torch.nn.init, "trunc_normal_", lambda weights, **_: weights)
    data = PIECES[spec.data]()  # drawn outside: its tables are ordinary Python
    mode = FakeTensorMode()
    for n in ("train", "validation", "test", "support"):
        if hasattr(data, n):
            setattr(data, n, mode.from_tensor(getattr(data, n)))
    return mode, data


@pytest.mark.parametrize("spec", COMBINATIONS[::12] + COMBINATIONS[-1:], ids=name)
def test_a_step_runs_on_tensors_without_values(spec, monkeypatch):
    mode, data = fake_trainer(spec, monkeypatch)
    with mode:
        trainer = Trainer(spec, data=data)
        steps_with_turns(trainer, trainer._step)
        assert trainer.t == 6


# --- the proofs themselves -----------------------------------------------------------------------


def prying(s):
    loss = torch.nn.functional.softplus(-s)
    return loss if loss.detach().sum().item() < 1e9 else loss.clamp(max=1e9)


def test_the_counter_sees_a_read(monkeypatch):
    monkeypatch.setattr(NonSaturating, "generator", staticmethod(prying))
    spec = next(s for s in COMBINATIONS if s.loss == "non_saturating" and s.estimator == "gumbel")
    trainer = Trainer(spec, data=PIECES[spec.data]())
    steps = trainer.steps()
    with HostReads() as reads:
        for _ in range(4):  # two of likelihood, two of play with one update of G each
            next(steps)
    assert reads.n == 2


def test_fakes_refuse_a_read(monkeypatch):
    monkeypatch.setattr(NonSaturating, "generator", staticmethod(prying))
    spec = next(s for s in COMBINATIONS if s.loss == "non_saturating" and s.estimator == "gumbel")
    mode, data = fake_trainer(spec, monkeypatch)
    with mode, pytest.raises(DataDependentOutputException):
        trainer = Trainer(spec, data=data)
        for _ in range(3):
            trainer._step()


# --- on a GPU ------------------------------------------------------------------------------------


@pytest.fixture
def no_waiting():
    """Let every wait for the GPU raise, once armed."""
    yield lambda: torch.cuda.set_sync_debug_mode("error")
    torch.cuda.set_sync_debug_mode("default")


@pytest.mark.gpu
@pytest.mark.parametrize("spec", COMBINATIONS, ids=name)
def test_no_step_waits_for_the_gpu(spec, no_waiting):
    trainer = Trainer(spec.model_copy(update={"device": "cuda"}), data=PIECES[spec.data]())
    steps = trainer.steps()
    for _ in range(spec.mle_steps + 1):  # libraries are loaded at first use
        next(steps)
    no_waiting()
    steps_with_turns(trainer, lambda: next(steps))
    torch.cuda.set_sync_debug_mode("default")
    steps.close()
    numbers = [v for row in trainer.telemetry.rows for k, v in row.items() if k != "phase"]
    assert len(trainer.telemetry.rows) == spec.mle_steps + 7
    assert all(math.isfinite(v) for v in numbers) and not trainer.diverged


@pytest.mark.gpu
def test_torch_notices_a_wait_for_the_gpu(no_waiting):
    x = torch.ones(3, device="cuda")
    no_waiting()
    with pytest.raises(RuntimeError, match="synchroniz"):
        x.sum().item()


@pytest.mark.gpu
def test_a_gpu_learns_what_a_cpu_learns():
    """Other random numbers, the same language: the warm-up reaches its law on both."""
    data, reached = TinyLanguage(eos=True, pool=4000), {}
    for device in ("cpu", "cuda"):
        spec = Spec(
            data="given", mle_steps=200, batch_size=64, probe_every=0, device=device,
            discriminator="lstm", estimator="dense_reinforce", loss="saturating",
        )  # fmt: skip
        trainer = Trainer(spec, data=data).warm_up()
        q = trainer.generator.log_prob(data.sentences.to(device)).detach().cpu()
        reached[device] = (data.log_p.exp() * (data.log_p - q)).sum().item()  # KL(p, q), exact
        list(trainer.steps(20))
        assert not trainer.diverged
        assert trainer.telemetry.rows[-1]["d_loss"] == pytest.approx(2 * math.log(2), abs=0.3)
    assert max(reached.values()) < 0.05, reached
