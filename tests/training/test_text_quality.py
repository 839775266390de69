"""Judging text without its law: what each measure sees, and what the judges leave untouched."""

import math
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from textgan_lab import Grammar, Spec, Trainer, load_corpus
from textgan_lab.data import Corpus
from textgan_lab.data.law import BOS, EOS, PAD
from textgan_lab.metrics import bleu, self_bleu
from textgan_lab.models.generators import LSTMGenerator
from textgan_lab.training.text_quality import ROWS, TextJudges, embeddings, text_quality

COCO = Path(__file__).parents[3] / "shared" / "data" / "coco_captions.txt"
SMALL = {"steps": 100, "embedding": 16, "hidden": 32, "device": "cpu"}
TAUGHT = 700
# how far a sample of the same law may lie from the floor: four standard deviations over eight
# samples, and what the draw of the floor itself adds
NOISE = {
    "bleu_2": 0.02, "bleu_3": 0.04, "bleu_4": 0.09, "bleu_5": 0.11,
    "self_bleu_2": 0.03, "self_bleu_3": 0.04, "self_bleu_4": 0.07, "self_bleu_5": 0.07,
    "lm_nll": 0.08, "reverse_lm_nll": 0.1, "fed": 0.03,
    "unique_ratio": 0.001, "distinct_2": 0.04, "copied": 0.001,
}  # fmt: skip


@pytest.fixture(scope="module")
def sentences():
    """Distinct captions of the grammar as text, whose law is forgotten here."""
    grammar = Grammar.load("data/captions.yaml")
    ids = grammar.sample(2400, torch.Generator().manual_seed(1))
    return list(dict.fromkeys(grammar.decode(ids)))


@pytest.fixture(scope="module")
def corpus(sentences):
    return Corpus.from_lines("decoded captions", sentences[:1000], split=(0.7, 0.15, 0.15))


@pytest.fixture(scope="module")
def others(corpus, sentences):
    """Sentences of the same law that stand in no split of the corpus."""
    return corpus.encode(sentences[1000 : 1000 + TAUGHT])


@pytest.fixture(scope="module")
def judges(corpus):
    return TextJudges(corpus, n=100, taught=600, seeds=(0, 1), **SMALL)


@pytest.fixture(scope="module")
def trainer(corpus):
    spec = Spec(data="decoded", mle_steps=20, probe_every=0, device="cpu")
    return Trainer(spec, data=corpus).run(20)


def apart(table):
    """Return by how many times the noise of one law each measure differs from its floor."""
    found = (table["value"] - table["real"]).drop("held_out_nll")
    return {name: difference / NOISE[name] for name, difference in found.items()}


def shuffled(ids):
    """Return sentences with their words in random order."""
    noise, ids = torch.Generator().manual_seed(0), ids.clone()
    for row in ids:
        words = int((row > EOS).sum())
        row[:words] = row[torch.randperm(words, generator=noise)]
    return ids


def test_a_perfect_sampler_scores_the_floor_on_every_measure(judges, others):
    table = judges.quality(others)
    assert all(abs(times) <= 1 for times in apart(table).values()), table
    assert (table["low"] <= table["value"]).drop("held_out_nll").all()
    assert (table["value"] <= table["high"]).drop("held_out_nll").all()
    assert table.attrs == {"n": 100, "taught": 600, "seeds": [0, 1]}


def test_one_repeated_sentence_is_seen_by_variety_reverse_lm_and_fed(judges, others):
    table = judges.quality(others[:1].expand(TAUGHT, -1))
    words = int((others[0] > EOS).sum())
    assert len(set(others[0, :words].tolist())) == words - 1  # "the" twice, no pair twice
    value, times = table["value"], apart(table)
    assert [value[f"self_bleu_{n}"] for n in (2, 3, 4, 5)] == [1, 1, 1, 1]
    assert value["unique_ratio"] == value["distinct_2"] == 1 / 100
    assert times["reverse_lm_nll"] > 10 and times["fed"] > 10
    assert value["lm_nll"] > 0.5  # said by who read real text: its own reader knows it by heart


def test_fed_of_one_point_is_its_distance_and_the_whole_spread(judges, others):
    bench = judges._bench(0, lambda: None)
    real, point = embeddings(bench.reader, bench.references), embeddings(bench.reader, others[:1])
    spread = real.var(0, ddof=1).sum()
    expected = 1 + ((real.mean(0) - point[0]) ** 2).sum() / spread  # no covariance to overlap with
    found = bench.measure(others[:1].expand(100, -1), bench.reader)["fed"]
    assert found == pytest.approx(expected, rel=1e-9)


def test_shuffled_words_are_seen_by_bleu_both_lms_and_fed(judges, others):
    table = judges.quality(shuffled(others))
    times = apart(table)
    for name in ("bleu_2", "bleu_3", "bleu_4", "bleu_5"):
        assert times[name] < -2, name
    for name in ("lm_nll", "reverse_lm_nll", "fed"):
        assert times[name] > 2, name
    assert table["value"]["unique_ratio"] == 1 and table["value"]["copied"] == 0


def test_copies_of_the_training_split_are_seen_by_nothing_but_copied(judges, corpus):
    table = judges.quality(corpus.train)
    value, times = table["value"], apart(table)
    assert value["copied"] == 1 and table["real"]["copied"] == 0
    assert times["lm_nll"] < 0  # its reader has read them: below the floor is no praise
    for name in set(times) - {"copied", "lm_nll"}:
        assert abs(times[name]) <= 1, name


def test_sentences_in_another_order_or_as_text_score_the_same(judges, corpus, others):
    noise = torch.Generator().manual_seed(3)
    again = others[torch.randperm(len(others), generator=noise)]
    one = TextJudges(corpus, n=50, taught=100, seeds=[4], **SMALL | {"steps": 5})
    table = one.quality(others)
    assert table.equals(one.quality(again))
    assert table.equals(one.quality(corpus.decode(again)))


def test_equal_seeds_give_equal_tables_and_other_seeds_other_ones(trainer):
    few = {"n": 30, "taught": 60, **SMALL, "steps": 5}
    first = text_quality(trainer, seeds=[0, 1], **few)
    assert first.equals(text_quality(trainer, seeds=[0, 1], **few))
    other = text_quality(trainer, seeds=[2, 3], **few)
    assert (first.loc["fed"] != other.loc["fed"]).all()
    assert first["real"]["self_bleu_2"] != other["real"]["self_bleu_2"]  # other sentences, too
    assert first["real_low"]["self_bleu_2"] < first["real_high"]["self_bleu_2"]


def test_looking_leaves_no_trace_in_the_run_nor_in_any_global_stream(trainer):
    before, host, numbers = trainer.snapshot(), torch.get_rng_state(), np.random.get_state()[1]
    rows = trainer.telemetry.text()
    text_quality(trainer, n=20, taught=20, seeds=[0], **SMALL | {"steps": 3})
    after = trainer.snapshot()
    assert torch.equal(before["g"], after["g"]) and before["applied"] == after["applied"]
    for name, state in before["streams"].items():
        assert torch.equal(state, after["streams"][name])
    assert torch.equal(host, torch.get_rng_state())
    assert (numbers == np.random.get_state()[1]).all()
    assert rows == trainer.telemetry.text()


def test_held_out_nll_is_that_of_the_law_that_was_sampled(trainer, corpus):
    whole = {"n": len(corpus.test), "taught": len(corpus.test), "seeds": [0], **SMALL, "steps": 2}
    corpus_all = TextJudges(corpus, **whole)
    table = corpus_all.quality(trainer)
    tokens = (corpus.test != PAD).sum().item()
    expected = -trainer.generator.log_prob(corpus.test).sum().item() / tokens
    assert table["value"]["held_out_nll"] == pytest.approx(expected, rel=1e-6)
    assert math.isnan(table["real"]["held_out_nll"])  # nobody knows the entropy of real text
    hot = corpus_all.quality(trainer, 50.0)["value"]["held_out_nll"]
    assert hot == pytest.approx(math.log(corpus.support.sum()), abs=0.05)  # almost uniform


def test_a_latent_code_has_a_bound_and_says_so(corpus):
    spec = Spec(data="decoded", generator="vae", mle_steps=1, probe_every=0, device="cpu")
    table = text_quality(
        Trainer(spec, data=corpus), n=20, taught=20, seeds=[0], **SMALL | {"steps": 2}
    )
    assert "held_out_nll" not in table.index
    # an untrained decoder gives each of the possible words about the same chance
    assert table["value"]["held_out_nll_bound"] == pytest.approx(
        math.log(corpus.support.sum()), abs=0.3
    )


def test_both_readers_are_of_one_size_and_read_equally_much(judges, others, monkeypatch):
    read, reader = [], TextJudges._reader

    def watched(self, ids, s, tick):
        made = reader(self, ids, s, tick)
        read.append((len(ids), s, sum(p.numel() for p in made.parameters())))
        return made

    monkeypatch.setattr(TextJudges, "_reader", watched)
    fresh = TextJudges(judges.corpus, n=40, taught=30, seeds=[7], **SMALL | {"steps": 2})
    fresh.quality(others)
    assert len(read) == 2 and read[0] == read[1] and read[0][:2] == (30, 7)
    fresh.quality(others)
    assert len(read) == 3  # the reader of real text is kept


def test_an_embedding_is_the_mean_of_the_states_that_predict_the_tokens(corpus, others):
    with torch.random.fork_rng():
        reader = LSTMGenerator(corpus, embedding=4, hidden=3)
    ids = others[:2]
    found = embeddings(reader, ids)
    for row, point in zip(ids, found, strict=True):
        state, token, states = reader.start(1, None), torch.tensor([BOS]), []
        for following in row[row != PAD]:
            features, state = reader.step(reader.feed(reader.embed(token)), state)
            states.append(features)
            token = following[None]
        expected = torch.stack(states).mean(0)[0].tolist()
        assert point.tolist() == pytest.approx(expected, abs=1e-6)


def test_words_alone_are_compared_and_each_seed_draws_its_own(judges, corpus, others):
    zero, one = (judges._bench(s, lambda: None) for s in (0, 1))
    for drawn in ("references", "others"):
        assert not torch.equal(getattr(zero, drawn), getattr(one, drawn))
    written, real = ([t.split() for t in corpus.decode(x)] for x in (others[:9], zero.references))
    found = zero.measure(others[:9], zero.reader)
    assert found["bleu_3"] == pytest.approx(bleu(written, real)[3], rel=1e-12)
    assert found["self_bleu_3"] == pytest.approx(self_bleu(written)[3], rel=1e-12)


def test_every_row_is_listed_once():
    assert len(set(ROWS)) == len(ROWS)
    assert set(NOISE) == set(ROWS) - {"held_out_nll", "held_out_nll_bound"}


def test_what_cannot_be_judged_is_refused(judges, corpus, others, trainer):
    points = {"generator": "mlp", "discriminator": "mlp", "estimator": "pathwise"}
    ring = Trainer(Spec(data="ring", probe_every=0, device="cpu", **points))
    with pytest.raises(TypeError, match="'ring' is no text"):
        text_quality(ring)
    pairs = SimpleNamespace(kind="text", name="dialogue", given=3)
    with pytest.raises(ValueError, match="'dialogue' gives prompts; only plain sentences"):
        TextJudges(pairs)
    with pytest.raises(TypeError, match="corpus=?"):
        text_quality(others)
    with pytest.raises(ValueError, match="599 sentences, 600 are needed.*taught"):
        judges.quality(others[:599])
    with pytest.raises(ValueError, match="expected a number above 0, got 0"):
        judges.quality(trainer, 0)
    with pytest.raises(ValueError, match="0.8, but sentences are written already"):
        judges.quality(others, 0.8)
    with pytest.raises(ValueError, match=r"expected ids \[n, 17\] int64.*got \[700, 5\]"):
        judges.quality(others[:, :5])
    other = Corpus.from_lines("other", corpus.decode(others))
    with pytest.raises(ValueError, match="learned 'decoded captions'.*another text or split"):
        TextJudges(other, **SMALL).quality(trainer)
    with pytest.raises(ValueError, match="n is 151, there are 150 held-out sentences"):
        TextJudges(corpus, n=151)
    with pytest.raises(ValueError, match="taught is 701, there are 700 training sentences"):
        TextJudges(corpus, taught=701)
    with pytest.raises(ValueError, match="seeds: expected one or more"):
        TextJudges(corpus, seeds=[])


@pytest.mark.parametrize(
    ("row", "position"),
    [
        ([4, 1, 2, 0], 1),  # <bos> is never written
        ([4, 2, 5, 0], 2),  # a word after <eos>
        ([0, 0, 0, 0], 0),  # the empty sentence is <eos>, not nothing
        ([4, 0, 5, 2], 1),  # a gap
        ([4, 9999, 2, 0], 1),  # no such id
        ([4, -1, 2, 0], 1),
    ],
)
def test_what_is_no_sentence_is_named_by_its_place(judges, others, row, position):
    broken = others.clone()
    broken[5] = PAD
    broken[5, :4] = torch.tensor(row)
    with pytest.raises(ValueError, match=f"sentence 5, position {position}: id {row[position]} "):
        judges.quality(broken)


def test_a_cut_sentence_and_an_empty_one_are_sentences(judges, others):
    odd = others.clone()
    odd[0] = 4  # never ended
    odd[1] = PAD
    odd[1, 0] = EOS
    assert judges._legal(odd) is odd
    found = judges._bench(0, lambda: None).measure(odd[:2], judges._bench(0, lambda: None).reader)
    assert all(map(math.isfinite, found.values()))


@pytest.mark.skipif(not COCO.exists(), reason=f"no captions at {COCO}")
def test_real_captions_score_their_floor_and_copies_are_seen():
    corpus = load_corpus("coco-captions", path=COCO, vocab_size=500, max_length=12)
    judges = TextJudges(corpus, n=200, taught=1000, seeds=[0], **SMALL | {"steps": 60})
    halves = judges.quality(torch.cat([corpus.validation, corpus.test]))
    value, real = halves["value"], halves["real"]
    for name in ("bleu_2", "self_bleu_2", "distinct_2", "unique_ratio"):
        assert value[name] == pytest.approx(real[name], abs=0.06), name
    for name in ("lm_nll", "reverse_lm_nll"):
        assert value[name] == pytest.approx(real[name], abs=0.15), name
    assert value["copied"] == real["copied"] == 0
    assert judges.quality(corpus.train)["value"]["copied"] == 1
