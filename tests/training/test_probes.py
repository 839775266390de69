"""Measuring and looking: what it finds is right, and it leaves no trace in the training."""

import itertools
import math

import pytest
import torch
from languages import EOS, PAD, TinyLanguage, TwoClouds, seeded

from textgan_lab.data.sources import load_corpus
from textgan_lab.training import PROBES, Spec, Trainer
from textgan_lab.training.cells import Cells
from textgan_lab.training.probes import Measurement, measure, opinions

torch.set_num_threads(1)


CPU = torch.device("cpu")


def measurement(t, data, real, fake, threshold=0.0, seen=None):
    generator, discriminator = (t.generator, t.discriminator) if isinstance(t, Trainer) else t
    seen = real if seen is None else seen
    cells = Cells(data, CPU)
    return Measurement(generator, discriminator, data, cells, real, seen, fake, threshold)


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
        runs.append((t.game.g.flat, t.game.d.flat, [r["d_loss"] for r in t.telemetry.rows]))
    looked = build(data, probe_every=7, **spec)
    for step in looked.steps(50):
        _ = step.values
        looked.show()
        if looked.data.kind == "text":
            looked.sample(3, temperature=0.5)
        looked.measure()
        looked.snapshot()
        repr(looked)
    runs.append(
        (looked.game.g.flat, looked.game.d.flat, [r["d_loss"] for r in looked.telemetry.rows])
    )
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
    found = measure(measurement(t, data, real, fake))
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
    found = measure(measurement(t, data, data.validation, fake))
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
        return PROBES["modes"](measurement((None, None), data, data.validation, fake))["modes"]

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
    m = measurement((None, shifted), data, real, fake, None)
    assert PROBES["accuracy"](m)["d_accuracy_held_out"] == 1.0
    m = measurement((None, shifted), data, real, fake, 0.0)
    assert PROBES["accuracy"](m)["d_accuracy_held_out"] == 0.5


def test_points_without_a_law_get_only_what_applies():
    t = build(TwoClouds(), probe_every=5, **POINTS).run(5)
    others = [c for c in t.telemetry.columns() if not c.startswith(("d_", "g_"))]
    assert others == ["cells_entropy", "cells_js", "cells_accuracy"]
    assert "d_accuracy_held_out" in t.telemetry.columns()
    (sample,) = t.telemetry.samples
    assert sample["step"] == 5 and len(sample["points"]) == 256 and len(sample["points"][0]) == 2


def test_points_with_a_law_have_modes():
    ring = load_corpus("ring", pool=200)
    t = build(ring, probe_every=2, **POINTS).run(2)
    row = t.telemetry.rows[-1]
    shares = [v for n, v in row.items() if n.startswith("mode.")]
    assert len(shares) == 9 and sum(shares) == pytest.approx(1)
    assert "js" not in row  # the generator's density is not known


# --- counting in cells, which needs no law --------------------------------------------------------


def test_every_token_is_counted_once_and_padding_never():
    data = TinyLanguage(eos=True)
    cells = Cells(data, CPU)
    ids = torch.tensor([[4, 4, EOS], [EOS, PAD, PAD], [6, 5, 4]])
    named = [dict(zip(cells.names, row, strict=True)) for row in cells.count(ids).tolist()]
    assert sorted(cells.names) == ["(others)", "<eos>", "a", "b", "c"]
    assert named[0] == {"a": 2, "b": 0, "c": 0, "<eos>": 1, "(others)": 0}
    assert named[1] == {"a": 0, "b": 0, "c": 0, "<eos>": 1, "(others)": 0}
    assert named[2] == {"a": 1, "b": 1, "c": 1, "<eos>": 0, "(others)": 0}


def test_tokens_that_real_text_lacks_share_a_cell(monkeypatch):
    monkeypatch.setattr("textgan_lab.training.cells.TOKENS", 2)
    data = TinyLanguage()
    cells = Cells(data, CPU)
    counts = torch.bincount(data.train.flatten(), minlength=7)[4:]
    order = counts.argsort(descending=True).tolist()
    assert cells.names == [*("abc"[i] for i in order[:2]), "(others)"]
    rarest = torch.full((1, 3), 4 + order[2])
    assert cells.count(rarest).tolist() == [[0, 0, 3]]


def test_points_are_counted_at_their_nearest_prototype_and_every_mode_has_one():
    ring = load_corpus("ring", pool=3000)
    cells = Cells(ring, CPU)
    prototypes = cells._prototypes
    assert len(cells.names) == len(prototypes) == 32
    assert set(ring.modes(prototypes).tolist()) >= set(range(8))
    x = ring.train[:500] * 1.3
    nearest = (x[:, None] - prototypes).square().sum(2).argmin(1)
    assert torch.equal(cells.count(x), torch.nn.functional.one_hot(nearest, 32))


def test_a_rare_mode_has_a_prototype_of_its_own():
    data = TwoClouds()
    crowd = 0.01 * torch.randn(2000, 2, generator=seeded(1))
    lonely = torch.tensor([[9.0, 0.0], [0.0, 9.0], [-9.0, 0.0]])
    data.train = torch.cat([crowd, lonely])
    cells = Cells(data, CPU)
    at = cells.count(torch.cat([lonely, crowd[:1]])).argmax(1)
    assert len(set(at.tolist())) == 4


def test_fewer_distinct_points_than_cells_are_all_cells():
    data = TwoClouds()
    data.train = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 0.0]])
    assert len(Cells(data, CPU).names) == 2


def test_cells_entropy_and_js_by_hand():
    data = TinyLanguage()
    real = torch.tensor([[4, 4, 4], [5, 5, 5]] * 8)  # half a, half b
    fake = torch.tensor([[4, 4, 4]] * 16)
    found = PROBES["cells"](measurement((None, None), data, real, fake))
    ln = math.log
    assert found["cells_entropy"] == 0.0
    # p = (1/2, 1/2), q = (1, 0), mixed (3/4, 1/4)
    mixed = -(0.75 * ln(0.75) + 0.25 * ln(0.25))
    assert found["cells_js"] == pytest.approx(mixed - ln(2) / 2)
    same = PROBES["cells"](measurement((None, None), data, real, real))
    assert same["cells_entropy"] == pytest.approx(ln(2)) and same["cells_js"] == 0.0
    apart = PROBES["cells"](measurement((None, None), data, real[::2], real[1::2]))
    assert apart["cells_accuracy"] == 1.0


def test_counting_never_beats_bayes(measured):
    *_, found, p, q = measured
    bayes = torch.maximum(p, q).sum().item() / 2
    assert 0.5 < found["cells_accuracy"] < bayes + 4 * 0.5 / 8000**0.5


def test_the_floors_are_what_real_data_score():
    t = build(probe_every=5, probe_size=100)
    event = t.telemetry.events[0]
    assert event["cells"] == Cells(t.data, CPU).names
    floors = event["floors"]
    assert abs(floors["cells_accuracy"] - 0.5) < 4 * 0.5 / 200**0.5
    assert 0 <= floors["cells_js"] < 0.05 and floors["cells_entropy"] <= math.log(5)
    assert 0 < floors["unique_ratio"] <= 1 and 0 < floors["distinct_2"] <= 1
    few = TinyLanguage(eos=True)
    few.validation = few.validation[:10]  # variety falls with the number of samples: as many as
    again = build(few, probe_every=5, probe_size=100).telemetry.events[0]["floors"]  # fakes count
    assert [again[n] for n in ("unique_ratio", "distinct_2", "cells_entropy")] == [
        floors[n] for n in ("unique_ratio", "distinct_2", "cells_entropy")
    ]
    t.run(5)
    (sample,) = t.telemetry.samples
    assert len(sample["cells"]) == len(event["cells"])
    assert sum(sample["cells"]) >= 100  # tokens of 100 sentences
    assert "cells" not in build(probe_every=0).telemetry.events[0]


def test_memory_is_how_much_better_d_likes_what_it_saw():
    data = TwoClouds()
    seen, unseen = torch.tensor([[3.0, 0], [5.0, 0]]), torch.tensor([[0.0, 0], [2.0, 0]])
    d = lambda x: x[:, 0]  # noqa: E731
    m = measurement((None, d), data, unseen, unseen, seen=seen)
    assert PROBES["accuracy"](m)["d_memory"] == pytest.approx(3 / 2**0.5)  # both variances are 2
    flat = lambda x: x[:, 0] * 0  # noqa: E731
    m = measurement((None, flat), data, unseen, unseen, seen=seen)
    assert PROBES["accuracy"](m)["d_memory"] == 0.0


def test_memory_counts_tokens_up_to_eos():
    data = TinyLanguage(eos=True)
    d = lambda ids: torch.where(ids == PAD, 100.0, ids.float())  # noqa: E731  per token
    seen = torch.tensor([[4, EOS, PAD], [6, 6, EOS]])  # means 3, 14/3
    unseen = torch.tensor([[EOS, PAD, PAD], [4, 4, EOS]])  # means 2, 10/3
    spread = (((14 / 3 - 3) ** 2 + (10 / 3 - 2) ** 2) / 4) ** 0.5
    m = measurement((None, d), data, unseen, unseen, seen=seen)
    expected = ((3 + 14 / 3) / 2 - (2 + 10 / 3) / 2) / spread
    assert PROBES["accuracy"](m)["d_memory"] == pytest.approx(expected)


def test_a_d_that_learnt_a_few_sentences_by_heart_has_a_memory():
    few = load_corpus("oracle", vocab_size=30, length=8, pool=16)
    t = build(few, probe_every=100, batch_size=16, knobs={"g_steps": 0, "d_lr": 5e-3}).run(100)
    assert t.telemetry.latest("d_memory") > 2
    many = load_corpus("oracle", vocab_size=30, length=8, pool=20_000)
    t = build(many, probe_every=100, batch_size=16, knobs={"g_steps": 0, "d_lr": 5e-3}).run(100)
    assert abs(t.telemetry.latest("d_memory")) < 0.7  # 64 rows a side: standard deviation 0.18


def test_the_exposure_gap_is_zero_for_the_law_itself_and_grows_with_a_law_that_drifts():
    oracle = load_corpus("oracle", vocab_size=12, length=6, pool=500)

    class Own:
        """Writes by the law, and reads it off too, but for what follows its favourite token."""

        likelihood = True

        def __init__(self, wrong):
            self.wrong = wrong

        def score(self, ids):
            log_p = oracle.next_log_prob(ids)
            if self.wrong:
                seen = (ids == 4).cumsum(1).roll(1, 1)
                seen[:, 0] = 0
                uniform = torch.where(oracle.support, -math.log(12), -torch.inf).double()
                log_p = torch.where(seen[..., None] > 0, uniform, log_p)
            return type("Scored", (), {"log_p": log_p})

    real = oracle.sample(64, seeded(1))
    fake = real.clone()
    fake[:, 0] = 4  # its own prefixes all hold that token
    gap = PROBES["exposure"](measurement((Own(False), None), oracle, real, fake))["exposure_gap"]
    assert gap == 0.0
    found = PROBES["exposure"](measurement((Own(True), None), oracle, real, fake))
    assert found["exposure_gap"] > 4 * found["exposure_gap_se"] > 0


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
