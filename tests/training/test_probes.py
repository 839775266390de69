"""Measuring and looking: what it finds is right, and it leaves no trace in the training."""

import itertools
import math

import pytest
import torch
from languages import EOS, PAD, TinyLanguage, TwoClouds, seeded

from textgan_lab.data.sources import load_corpus
from textgan_lab.training import PROBES, Spec, Trainer
from textgan_lab.training.probes import Measurement, measure, opinions

torch.set_num_threads(1)


def build(data=None, **spec):
    spec = {"data": "given", "batch_size": 8, "probe_size": 64, "device": "cpu", **spec}
    return Trainer(Spec(**spec), data=data or TinyLanguage(eos=True))


DENSE = {"discriminator": "lstm", "estimator": "dense_reinforce", "knobs": {"d_dropout": 0.3}}
POINTS = {"generator": "mlp", "discriminator": "mlp", "estimator": "pathwise"}


@pytest.mark.parametrize(
    "spec, data", [({}, None), (DENSE, None), (POINTS, TwoClouds())], ids=["cnn", "lstm", "points"]
)
def test_how_often_one_measures_or_looks_changes_no_weight(spec, data):
    runs = []
    for every in (0, 1, 25):
        t = build(data, probe_every=every, **spec)
        list(t.steps(50))
        runs.append((t._g.flat, t._d.flat, [r["d_loss"] for r in t.telemetry.rows]))
    looked = build(data, probe_every=7, **spec)
    for step in looked.steps(50):
        _ = step.values
        looked.show()
        if looked.data.kind == "text":
            looked.sample(3, temperature=0.5)
        looked.measure()
        looked.snapshot()
        repr(looked)
    runs.append((looked._g.flat, looked._d.flat, [r["d_loss"] for r in looked.telemetry.rows]))
    for g, d, losses in runs[1:]:
        assert torch.equal(g, runs[0][0]) and torch.equal(d, runs[0][1]) and losses == runs[0][2]


def test_what_is_measured_at_a_step_does_not_depend_on_how_often():
    often, seldom = build(probe_every=5), build(probe_every=10)
    for t in (often, seldom):
        list(t.steps(20))
    for step in (9, 19):
        assert often.telemetry.rows[step] == seldom.telemetry.rows[step]
    assert "js" in often.telemetry.rows[4] and "js" not in seldom.telemetry.rows[4]
    at = [s["step"] for s in seldom.telemetry.samples]
    assert at == [10, 20]


def test_held_out_means_the_validation_sentences():
    t = build(probe_every=3, probe_size=40).run(3)
    expected = -t.generator.log_prob(t.data.validation[:40]).mean().item()
    assert t.telemetry.latest("held_out_nll.sentence") == pytest.approx(expected, rel=1e-6)


def test_looking_twice_shows_the_same():
    t = build().run(2)
    assert t.show() == t.show() and t.sample(4) == t.sample(4)
    before = t.show()
    t.run(1)
    assert t.show() != before


# --- the numbers, against sums over the language -------------------------------------------------


@pytest.fixture(scope="module")
def measured():
    """A trained pair, and everything measured on 4,000 sentences of each law."""
    data = TinyLanguage(eos=True)
    t = build(data, mle_steps=30, batch_size=32, discriminator="lstm", probe_every=0)
    t.run(60)
    real, fake = data.sample(4000, seeded(1)), t.generator.sample(4000, seeded(2))
    found = measure(Measurement(t.generator, t.discriminator, data, real, fake, 0.0))
    q = t.generator.double().log_prob(data.playable).detach().exp()
    p = data.log_prob(data.playable).exp()
    t.generator.float()
    return t, data, real, fake, found, p, q


def within(value, expected, spread, n=4000):
    assert abs(value - expected) < 4 * spread / n**0.5, (value, expected)


def test_the_true_divergence(measured):
    *_, found, p, q = measured
    m = (p + q) / 2
    js = (torch.xlogy(p, p / m) + torch.xlogy(q, q / m)).sum().item() / 2
    assert abs(found["js"] - js) < 4 * found["js_se"] and found["js_se"] < 0.01
    bayes = torch.maximum(p, q).sum().item() / 2
    within(found["bayes_accuracy"], bayes, 0.5)
    within(found["possible"], q[p > 0].sum().item(), 0.5)


def test_likelihoods_and_entropy(measured):
    t, data, real, fake, found, p, q = measured
    surprise = -q.log()
    spread = surprise[p > 0].std().item()
    within(found["held_out_nll.sentence"], torch.where(p > 0, p * surprise, 0).sum().item(), spread)
    tokens = (real != PAD).sum().item()
    assert found["held_out_nll"] == pytest.approx(found["held_out_nll.sentence"] * 4000 / tokens)
    # sum over positions of H(q(.|x_<t)) along q is H(q), so per token it is H(q) over mean length
    length = (q * (data.playable != PAD).sum(1)).sum().item()
    entropy = -(q * q.log()).sum().item()
    assert found["g_entropy"] == pytest.approx(entropy / length, rel=0.03)
    assert found["oracle_nll"] == math.inf  # the generator cuts some sentences, which p forbids


def test_the_oracle_nll_where_everything_is_possible():
    data = TinyLanguage()
    t = build(data)
    fake = t.generator.sample(500, seeded(1))
    found = measure(Measurement(t.generator, t.discriminator, data, data.validation, fake, 0.0))
    assert found["oracle_nll"] == pytest.approx(-data.log_prob(fake).sum().item() / 1500)
    assert found["possible"] == 1.0


def test_modes_and_diversity(measured):
    t, data, real, fake, found, p, q = measured
    for i, name in enumerate([*data.mode_names, "none"]):
        share = (data.modes(fake) == i).double().mean().item()
        assert found[f"mode.{name}"] == pytest.approx(share)
        within(share, q[data.modes(data.playable) == i].sum().item(), 0.5)
    assert found["modes"] == 3.0
    assert found["unique_ratio"] == len(fake.unique(dim=0)) / 4000
    pairs = {pair for row in fake.tolist() for pair in itertools.pairwise(row) if pair[1] != PAD}
    total = (fake[:, 1:] != PAD).sum().item()
    assert found["distinct_2"] == pytest.approx(len(pairs) / total)


def test_a_mode_is_present_from_a_tenth_of_its_even_share():
    data = TinyLanguage()

    def modes(counts):
        fake = torch.tensor([[4 + i, 4, 4] for i, n in enumerate(counts) for _ in range(n)])
        return PROBES["modes"](Measurement(None, None, data, data.validation, fake, 0.0))["modes"]

    assert modes([28, 1, 0]) == 2.0  # 1/29 is more than a tenth of 1/3
    assert modes([30, 1, 0]) == 1.0  # 1/31 is less
    assert modes([10, 10, 10]) == 3.0


def test_held_out_accuracy_counts_tokens_up_to_eos(measured):
    t, data, real, fake, found, *_ = measured
    with torch.no_grad():
        said_real, said_fake = t.discriminator(real) > 0, t.discriminator(fake) < 0
    right = said_real[real != PAD].double().mean() + said_fake[fake != PAD].double().mean()
    assert found["d_accuracy_held_out"] == pytest.approx(right.item() / 2)


def test_a_critic_is_judged_halfway_between_its_means():
    data = TwoClouds()
    shifted = lambda x: x[:, 0] * 3 + 40  # noqa: E731  all above 0: an absolute threshold says half
    real, fake = data.train[:100], data.train[:100] - torch.tensor([5.0, 0.0])
    m = Measurement(None, shifted, data, real, fake, None)
    assert PROBES["accuracy"](m)["d_accuracy_held_out"] == 1.0
    m = Measurement(None, shifted, data, real, fake, 0.0)
    assert PROBES["accuracy"](m)["d_accuracy_held_out"] == 0.5


def test_points_without_a_law_get_only_what_applies():
    t = build(TwoClouds(), probe_every=5, **POINTS).run(5)
    assert [c for c in t.telemetry.columns() if not c.startswith(("d_", "g_"))] == []
    assert "d_accuracy_held_out" in t.telemetry.columns()
    (sample,) = t.telemetry.samples
    assert sample["step"] == 5 and len(sample["points"]) == 8 and len(sample["points"][0]) == 2


def test_points_with_a_law_have_modes():
    ring = load_corpus("ring", pool=200)
    t = build(ring, probe_every=2, **POINTS).run(2)
    row = t.telemetry.rows[-1]
    shares = [v for n, v in row.items() if n.startswith("mode.")]
    assert len(shares) == 9 and sum(shares) == pytest.approx(1)
    assert "js" not in row  # the generator's density is not known


# --- D's opinion of tokens -----------------------------------------------------------------------


def test_opinions_of_a_per_token_d_are_its_probabilities():
    logits = torch.tensor([[0.0, 2.0, 9.0], [-1.0, 0.0, 1.0]])

    def d(ids):
        return logits

    d.per_token = True
    ids = torch.tensor([[4, EOS, PAD], [4, 5, 6]])
    p, scores = opinions(d, ids, 7)
    sigmoid = [1 / (1 + math.exp(-s)) for s in (2.0, 1.0)]
    assert p.tolist() == pytest.approx(sigmoid)  # at the last counted token
    assert scores[0].tolist() == pytest.approx([0.0, sigmoid[0] - 0.5, 0.0])


def test_opinions_of_a_linear_d_are_exact():
    """D(x) sums the weights of its tokens: a score is a token's weight over the average."""
    weight = torch.tensor([0.0, 1.0, 2.0, 3.0, 4.0, -1.0, 5.0])  # mean 2

    def d(x):
        return (x @ weight).sum(1)

    d.per_token = False
    ids = torch.tensor([[4, 5, EOS], [6, EOS, PAD]])
    p, scores = opinions(d, ids, 7)
    assert p.tolist() == pytest.approx([1 / (1 + math.exp(-s)) for s in (5.0, 7.0)])
    assert scores.tolist() == [[2.0, -3.0, 0.0], [3.0, 0.0, 0.0]]


def test_samples_shown_are_words_with_a_score_each():
    t = build().run(2)
    shown = t.show(5)
    assert shown["step"] == 2 and len(shown["sentences"]) == 5
    for sentence in shown["sentences"]:
        assert len(sentence["tokens"]) == len(sentence["scores"]) >= 1
        assert set(sentence["tokens"]) <= {"a", "b", "c", "<eos>"}
        assert 0 <= sentence["p_real"] <= 1
    assert all(set(s.split()) <= {"a", "b", "c"} for s in t.sample(5))
