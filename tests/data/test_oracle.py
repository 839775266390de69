"""The LSTM oracle, against one written in plain numpy, one token at a time."""

import itertools
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import stats

from textgan_lab.data.oracle import ARRAYS, LSTMOracle
from textgan_lab.data.sources import CORPORA

torch.set_num_threads(1)
PUBLISHED = Path(__file__).parents[3] / "shared" / "data" / "seqgan_oracle.npz"


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def arrays(vocab=7, embedding=3, hidden=4, seed=0):
    random = np.random.default_rng(seed)
    size = {"V": vocab, "E": embedding, "H": hidden}
    return {n: random.standard_normal([size[s] for s in shape]) for n, shape in ARRAYS.items()}


def by_hand(w, sentence):
    """Return log p of one list of oracle tokens, scalar by scalar where it matters."""

    def sigmoid(v):
        return 1 / (1 + np.exp(-v))

    h = c = np.zeros(len(w["Ui"]))
    x, total = w["emb"][0], 0.0
    for token in sentence:
        i = sigmoid(x @ w["Wi"] + h @ w["Ui"] + w["bi"])
        f = sigmoid(x @ w["Wf"] + h @ w["Uf"] + w["bf"])
        o = sigmoid(x @ w["Wog"] + h @ w["Uog"] + w["bog"])
        c = f * c + i * np.tanh(x @ w["Wc"] + h @ w["Uc"] + w["bc"])
        h = o * np.tanh(c)
        logits = h @ w["Wo"] + w["bo"]
        total += logits[token] - math.log(sum(math.exp(v) for v in logits))
        x = w["emb"][token]
    return total


@pytest.fixture
def weights(tmp_path):
    """Write a small set of weights; return the arrays and their file."""
    w = arrays()
    np.savez(tmp_path / "small.npz", **w)
    return w, tmp_path / "small.npz"


def test_log_prob_equals_the_plain_recurrence(weights):
    w, path = weights
    oracle = LSTMOracle.from_npz(path, length=6)
    sentences = [[0, 1, 2, 3, 4, 5], [6, 6, 6, 6, 6, 6], [0, 0, 0, 0, 0, 0], [5, 3, 0, 6, 1, 2]]
    found = oracle.log_prob(torch.tensor(sentences) + 4)
    expected = torch.tensor([by_hand(w, s) for s in sentences], dtype=torch.float64)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
    assert oracle.nll_per_token(torch.tensor(sentences) + 4) == pytest.approx(
        -expected.mean().item() / 6
    )


def test_next_token_laws_multiply_to_the_sentence(weights):
    oracle = LSTMOracle.from_npz(weights[1], length=6)
    ids = torch.tensor([[0, 1, 2, 3, 4, 5], [6, 6, 6, 6, 6, 6]]) + 4
    log_p = oracle.next_log_prob(ids)
    assert log_p.shape == (2, 6, oracle.vocab_size)
    torch.testing.assert_close(log_p.exp().sum(2), torch.ones(2, 6, dtype=torch.float64))
    assert (log_p[..., :4] == -torch.inf).all()
    sentence = log_p.gather(2, ids[..., None]).sum((1, 2))
    torch.testing.assert_close(sentence, oracle.log_prob(ids), rtol=0, atol=1e-12)


def test_all_sentences_together_have_probability_one():
    oracle = LSTMOracle(vocab_size=5, hidden=3, length=4)
    ids = torch.tensor(list(itertools.product(range(5), repeat=4))) + 4
    assert oracle.log_prob(ids).exp().sum().item() == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("vocab", [5, 9])  # 9 fills its 3 x 3 blocks, 5 does not
def test_samples_follow_the_law(vocab):
    oracle = LSTMOracle(vocab_size=vocab, hidden=3, length=2, seed=2)
    ids = torch.tensor(list(itertools.product(range(vocab), repeat=2))) + 4
    n = 100_000
    drawn = oracle.sample(n, seeded(1)) - 4
    seen = (drawn[:, 0] * vocab + drawn[:, 1]).bincount(minlength=vocab**2)
    expected = n * oracle.log_prob(ids).exp()
    often = expected >= 5  # the chi-square law needs counts; what is rare goes into one cell
    cells = torch.cat([expected[often], expected[~often].sum()[None] + 1e-9])
    counts = torch.cat([seen[often], seen[~often].sum()[None]]).double()
    assert stats.chisquare(counts.numpy(), (cells * (n / cells.sum())).numpy()).pvalue > 1e-3


def test_samples_do_not_depend_on_who_draws_next_or_on_global_randomness():
    oracle = LSTMOracle(vocab_size=50, hidden=4, length=5)
    before = torch.get_rng_state()
    assert torch.equal(oracle.sample(300, seeded(1)), oracle.sample(300, seeded(1)))
    assert not torch.equal(oracle.sample(300, seeded(1)), oracle.sample(300, seeded(2)))
    assert torch.equal(before, torch.get_rng_state())
    assert oracle.sample(0, seeded()).shape == (0, 5)


def test_what_cannot_be_a_sentence_has_probability_zero():
    oracle = LSTMOracle(vocab_size=6, hidden=3, length=3)
    good = torch.tensor([[4, 9, 5]])
    bad = good.repeat(6, 1)
    bad[range(6), [0, 1, 2, 0, 1, 2]] = torch.tensor([0, 1, 2, 3, 10, -1])
    found = oracle.log_prob(torch.cat([good, bad]))
    assert found.isfinite().tolist() == [True, *[False] * 6]
    assert (found[1:] == -math.inf).all()
    for ids in (torch.ones(2, 4, dtype=torch.int64), torch.ones(3), torch.ones(2, 3)):
        with pytest.raises(ValueError, match=r"expected token ids \[n, 3\]"):
            oracle.log_prob(ids)
    with pytest.raises(ValueError, match="no sentences to score"):
        oracle.nll_per_token(good[:0])


def test_the_data_contract():
    oracle = CORPORA.make("oracle", {"vocab_size": 11, "hidden": 4, "length": 5, "pool": 20})
    assert (oracle.kind, oracle.law, oracle.entropy) == ("text", oracle, None)
    assert oracle.vocab_size == len(oracle.vocabulary) == 15
    assert oracle.support.tolist() == [False] * 4 + [True] * 11
    assert [tuple(s.shape) for s in (oracle.train, oracle.validation, oracle.test)] == [
        (20, 5), (1000, 5), (1000, 5),
    ]  # fmt: skip
    assert oracle.train.min() >= 4 and oracle.train.max() < 15
    assert oracle.mode_names == [] and oracle.modes(oracle.train).tolist() == [0] * 20
    assert oracle.decode(torch.tensor([4, 14, 5])) == "0 10 1"
    assert oracle.decode(torch.tensor([[4, 4], [6, 5]])) == ["0 0", "2 1"]
    assert "11 tokens, embedding 4, hidden 4, sentences of 5" in repr(oracle)


def test_what_defines_the_data_defines_its_fingerprint(weights):
    _, path = weights
    same = {"vocab_size": 7, "hidden": 4, "length": 5, "seed": 0, "pool": 9}
    changed = [{"vocab_size": 8}, {"hidden": 5}, {"length": 6}, {"seed": 1}, {"pool": 8}]
    oracles = [LSTMOracle(**same), *(LSTMOracle(**{**same, **c}) for c in changed)]
    oracles.append(LSTMOracle.from_npz(path, length=5, pool=9))
    assert len({o.fingerprint for o in oracles}) == len(oracles)
    assert LSTMOracle(**same).fingerprint == oracles[0].fingerprint


def test_weights_are_drawn_from_the_standard_normal_law():
    oracle = LSTMOracle(vocab_size=300, hidden=32)
    drawn = torch.cat([w.flatten() for w in oracle._weights.values()])
    assert stats.kstest(drawn.numpy(), "norm").pvalue > 1e-3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"Ui": None, "bo": None}, "small.npz: no oracle weights: lacks Ui, bo; it has emb, Wi"),
        ({"Wf": np.zeros((2, 4))}, r"Wf has shape \(2, 4\), expected \(3, 4\)"),
        ({"bo": np.zeros(8)}, r"bo has shape \(8,\), expected \(7,\)"),
        ({"emb": np.zeros(7)}, "emb and Wi must be matrices"),
        ({"bc": np.full(4, np.nan)}, r"bc \(float64\) must hold finite real numbers"),
        ({"bc": np.array(["a"] * 4)}, r"bc \(<U1\) must hold finite real numbers"),
        ({"bc": np.array([None] * 4, dtype=object)}, "allow_pickle=False"),
    ],
)
def test_weights_that_do_not_fit_are_refused_by_name(tmp_path, change, message):
    kept = {n: a for n, a in {**arrays(), **change}.items() if a is not None}
    np.savez(tmp_path / "small.npz", **kept)
    with pytest.raises(ValueError, match=message):
        LSTMOracle.from_npz(tmp_path / "small.npz")


def test_files_that_are_no_archives_are_refused(tmp_path):
    path = tmp_path / "weights.npz"
    with pytest.raises(FileNotFoundError, match="weights.npz"):
        LSTMOracle.from_npz(path)
    whole = tmp_path / "whole.npz"
    np.savez(whole, **arrays())
    single = tmp_path / "single.npy"
    np.save(single, np.zeros(3))
    contents = [b"", b"text", b"PK\x03\x04 torn", whole.read_bytes()[:-100], single.read_bytes()]
    for content in contents:
        path.write_bytes(content)
        with pytest.raises(ValueError, match="weights.npz: no oracle weights: "):
            LSTMOracle.from_npz(path)


def test_sizes_that_make_no_oracle_are_refused(weights):
    for options in ({"vocab_size": 0}, {"hidden": 2.5}, {"length": 0}, {"pool": 0}):
        with pytest.raises(ValueError, match=f"{next(iter(options))} must be a whole number"):
            LSTMOracle(**options)
    with pytest.raises(ValueError, match="its vocab_size is 7, the option says 5000"):
        CORPORA.make("oracle", {"path": weights[1]})
    options = {"path": weights[1], "vocab_size": 7, "hidden": 4, "length": 3}
    assert CORPORA.make("oracle", options).name == "small"


@pytest.mark.skipif(not PUBLISHED.exists(), reason=f"no published weights at {PUBLISHED}")
def test_sentences_of_the_published_oracle_score_what_the_literature_says():
    # Yu et al. 2017 and its successors: real data scores about 5.75 nats per token
    oracle = LSTMOracle.from_npz(PUBLISHED)
    assert (oracle.vocab_size, oracle.length) == (5004, 20)
    ids = oracle.sample(1500, seeded(5))
    assert oracle.nll_per_token(ids) == pytest.approx(5.75, abs=0.05)
    with np.load(PUBLISHED, allow_pickle=False) as archive:
        w = {n: archive[n].astype(np.float64) for n in archive}
    sentence = (ids[0] - 4).tolist()
    assert oracle.log_prob(ids[:1]).item() == pytest.approx(by_hand(w, sentence), abs=1e-9)
