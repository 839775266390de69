"""Quality and diversity of samples, on a language small enough to sum over."""

import math
import threading

import pytest
import torch
from languages import TinyLanguage

from textgan_lab import Spec, Trainer
from textgan_lab.data.law import seed
from textgan_lab.metrics import bleu, compare_laws
from textgan_lab.training.probes import without_padding
from textgan_lab.training.quality import quality, tempered_log_prob, with_typos

POINTS = {"generator": "mlp", "discriminator": "mlp", "estimator": "pathwise", "probe_every": 0}


@pytest.fixture(scope="module")
def trainer():
    spec = Spec(data="mini", mle_steps=150, probe_every=0, knobs={"mle_lr": 1e-2})
    return Trainer(spec).run(150)


def test_a_tempered_law_is_the_generators_own_at_one_and_a_power_of_it_elsewhere(trainer):
    ids, _ = trainer.data.enumerate()
    own = trainer.generator.log_prob(ids)
    assert torch.allclose(tempered_log_prob(trainer.generator, ids, 1.0), own, atol=1e-4)
    # the next-token law after <bos>, by the definition: q^(1/T) over its sum
    q = trainer.generator.score(ids[:1]).log_p[0, 0].double().exp()
    token = ids[0, :1]
    short = torch.cat([token[None], torch.zeros_like(ids[:1, 1:])], 1)  # one token, then padding
    cold = q.sqrt()[token] / q.sqrt().sum()
    found = tempered_log_prob(trainer.generator, short, 2.0).exp()
    assert found.item() == pytest.approx(cold.item(), rel=1e-5)


def test_a_lab_waits_while_quality_looks(trainer, monkeypatch):
    kept, free, sample = trainer._lock, [], trainer.generator.sample

    def other_thread_may_enter():
        if kept.acquire(blocking=False):
            free.append(True)
            kept.release()

    def watched(*args):
        thread = threading.Thread(target=other_thread_may_enter)
        thread.start()
        thread.join()
        return sample(*args)

    monkeypatch.setattr(trainer.generator, "sample", watched)
    quality(trainer, (0.5, 1.0), n=10)
    assert not free


def test_samples_follow_the_tempered_law(trainer):
    fake = trainer.generator.sample(4000, torch.Generator().manual_seed(0), 0.5)
    own = tempered_log_prob(trainer.generator, fake, 0.5)
    common, counts = torch.unique(fake, dim=0, return_counts=True)
    top = common[counts.argmax()]
    expected = own[(fake == top).all(1)][0].exp().item()
    share = counts.max().item() / 4000
    assert share == pytest.approx(expected, abs=4 * math.sqrt(expected / 4000))


def test_a_colder_generator_repeats_itself_and_flatters_the_oracle_nll(trainer):
    table = quality(trainer, [1.0, 0.1], n=400)
    warm, cold = table.iloc[0], table.iloc[1]
    assert cold["oracle_nll.sentence"] < warm["oracle_nll.sentence"]
    assert cold["js"] > warm["js"] and cold["held_out_nll.sentence"] > warm["held_out_nll.sentence"]
    assert cold["unique_ratio"] < warm["unique_ratio"]
    assert cold["self_bleu"] > warm["self_bleu"]


def test_looking_changes_nothing_and_repeats(trainer):
    before = trainer.snapshot()
    first = quality(trainer, n=50)
    after = trainer.snapshot()
    assert torch.equal(before["g"], after["g"])
    for name, state in before["streams"].items():
        assert torch.equal(state, after["streams"][name])
    assert first.equals(quality(trainer, n=50))


def test_a_typo_costs_what_random_typing_makes_of_it():
    support = torch.tensor([False, False, True, True, True, True])  # four tokens can be typed
    ids = torch.tensor([[4, 5, 2], [4, 2, 0]])
    log_p = torch.tensor([0.25, 0.0], dtype=torch.float64).log()
    found = with_typos(log_p, ids, support, share=0.1).exp()
    assert found.tolist() == pytest.approx([0.9 * 0.25 + 0.1 / 64, 0.1 / 16])


def test_what_is_held_out_was_never_trained_on():
    """The training rows are one sentence over and over; all figures are of the test rows."""
    data = TinyLanguage(eos=True)
    data.train = data.sentences[:1].expand(300, -1)
    trainer = Trainer(Spec(data="given", probe_every=0, device="cpu"), data=data)
    (row,) = quality(trainer, n=200, max_n=2).to_dict("records")
    log_q = trainer.generator.log_prob(data.test)
    assert row["held_out_nll.sentence"] == pytest.approx(-log_q.mean().item(), rel=1e-5)
    fakes = trainer.generator.sample(200, _noise_of_quality(trainer))
    found = bleu(without_padding(fakes), without_padding(data.test), 2)[2]
    assert row["bleu"] == pytest.approx(found)
    log_p, own = data.law.log_prob(fakes), trainer.generator.log_prob(fakes)
    laws = compare_laws(data.law.log_prob(data.test), log_q.detach(), log_p, own.detach())
    assert row["js"] == pytest.approx(laws.js, abs=1e-5)


def _noise_of_quality(trainer):
    return torch.Generator().manual_seed(seed(trainer.spec.seed, "quality", trainer.t))


def test_what_cannot_be_judged_is_refused(trainer):
    with pytest.raises(ValueError, match="expected a number above 0, got 0"):
        quality(trainer, [0])
    with pytest.raises(TypeError, match="'ring' is no text"):
        quality(Trainer(Spec(data="ring", **POINTS)))
