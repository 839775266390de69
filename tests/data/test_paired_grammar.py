"""Paired grammars: the law of a reply given its prompt, by hand and by summing over all pairs."""

import math

import pytest
import torch
from languages import BOS, EOS, PAD, chi_square, seeded

from textgan_lab.data import Grammar, GrammarError, PairedGrammar, load_corpus, shipped
from textgan_lab.training import Spec, Trainer

torch.set_num_threads(1)

# p(tom) = 3/4 2/3 + 1/4 = 3/4, p(little ann) = 3/4 1/3 = 1/4
HOUSE = """
templates: {where is WHO is in the PLACE: 1}
modes:
  kitchen: {probability: 3/4, WHO: {tom | he: 2/3, little ann | she: 1/3}, PLACE: kitchen}
  farm: {probability: 1/4, WHO: tom | he, PLACE: {farm: 1/2, big barn: 1/2}}
"""
SHIPPED = ["dialogue", "captions-by-scene"]


def house():
    return PairedGrammar.from_text(HOUSE, name="house")


@pytest.fixture(scope="module")
def shipped_pairs():
    return {name: load_corpus(name) for name in SHIPPED}


def enumerated(law):
    """Return rows, ln p(prompt, reply), ln p(prompt) by summation, and each row's prompt."""
    rows, joint = law.enumerate()
    prompts, which = rows[:, : law.given].unique(dim=0, return_inverse=True)
    p = torch.zeros(len(prompts), dtype=torch.float64).scatter_add_(0, which, joint.exp())
    return rows, joint, p.log()[which], prompts[which]


# -- the law -----------------------------------------------------------------------------------


def test_rows_by_hand():
    law = house()
    assert (law.given, law.length) == (4, 4 + 7)  # "where is little ann", "he is in the big barn"
    assert law.vocabulary[4:] == [
        "where", "is", "tom", "he", "little", "ann", "she", "in", "the", "kitchen", "farm", "big",
        "barn",
    ]  # fmt: skip
    rows = law.encode([("where is tom", "he is in the kitchen"), ("where is little ann", "he")])
    assert rows.tolist() == [
        [PAD, 4, 5, 6, 7, 5, 11, 12, 13, EOS, PAD],
        [4, 5, 8, 9, 7, EOS, PAD, PAD, PAD, PAD, PAD],
    ]
    assert law.decode(rows) == [
        "where is tom | he is in the kitchen", "where is little ann | he",
    ]  # fmt: skip
    said = [law.vocabulary[i] for i in law.support.nonzero().flatten()]
    assert said == ["<eos>", "is", "he", "she", "in", "the", "kitchen", "farm", "big", "barn"]


def test_the_law_by_hand():
    law = house()
    pairs = {
        ("where is tom", "he is in the kitchen"): (3 / 4, 2 / 3),
        ("where is tom", "he is in the farm"): (3 / 4, 1 / 6),
        ("where is tom", "he is in the big barn"): (3 / 4, 1 / 6),
        ("where is little ann", "she is in the kitchen"): (1 / 4, 1.0),
        ("where is little ann", "she is in the farm"): (1 / 4, 0.0),  # ann is in no farm
        ("where is tom", "she is in the kitchen"): (3 / 4, 0.0),  # the pronoun follows the name
        ("where is ann", "she is in the kitchen"): (0.0, 0.0),  # nobody asks that
    }
    rows = law.encode(list(pairs))
    prompt, reply = (
        torch.tensor(p, dtype=torch.float64) for p in zip(*pairs.values(), strict=True)
    )
    assert law.log_prob(rows).dtype == torch.float64
    exact = {"rtol": 0, "atol": 1e-15}
    torch.testing.assert_close(law.log_prob(rows).exp(), reply, **exact)
    torch.testing.assert_close(law.prompt_log_prob(rows[:, :4]).exp(), prompt, **exact)
    torch.testing.assert_close(law.joint_log_prob(rows).exp(), prompt * reply, **exact)
    by_hand = 3 / 4 * (2 / 3 * math.log(3 / 2) + 2 / 6 * math.log(6))  # of ann nothing is open
    assert law.entropy == pytest.approx(by_hand, abs=1e-15)
    assert law.size == 4


def test_where_a_prompt_ends_is_known_when_the_reply_begins():
    law = PairedGrammar.from_text(
        "{templates: {who | he: 1/4, who else | she: 3/4}, modes: {one: {}}}"
    )
    rows = law.encode([("who", "he"), ("who else", "she"), ("who", "she")])
    assert law.log_prob(rows).exp().tolist() == [1.0, 1.0, 0.0] and law.entropy == 0
    assert law.prompt_log_prob(rows[:, :2]).exp().tolist() == pytest.approx([0.25, 0.75, 0.25])


@pytest.mark.parametrize("name", ["house", *SHIPPED])
def test_replies_to_each_prompt_sum_to_one_and_their_entropy_is_exact(name, shipped_pairs):
    law = house() if name == "house" else shipped_pairs[name]
    rows, joint, prompt, _ = enumerated(law)
    assert len(rows) == law.size == len(rows.unique(dim=0))
    close = {"rtol": 0, "atol": 1e-12}
    torch.testing.assert_close(law.joint_log_prob(rows), joint, **close)
    torch.testing.assert_close(law.prompt_log_prob(rows[:, : law.given]), prompt, **close)
    torch.testing.assert_close(law.log_prob(rows), joint - prompt, **close)
    assert joint.exp().sum().item() == pytest.approx(1, abs=1e-12)
    entropy = -(joint.exp() * (joint - prompt)).sum().item()
    assert law.entropy == pytest.approx(entropy, abs=1e-12)


@pytest.mark.parametrize("name", ["house", "dialogue"])
def test_whatever_is_no_pair_is_impossible(name, shipped_pairs):
    """Every row that differs from a pair in one place: possible if and only if it is a pair too."""
    law = house() if name == "house" else shipped_pairs[name]
    known = set(map(tuple, law.enumerate()[0].tolist()))
    rows = law.sample(8, seeded(3))
    ids = torch.arange(-1, law.vocab_size + 2)
    changed = rows.repeat(law.length * len(ids), 1)
    column = torch.arange(law.length).repeat_interleave(8 * len(ids))
    changed[torch.arange(len(changed)), column] = ids.repeat_interleave(8).repeat(law.length)
    expected = torch.tensor([row in known for row in map(tuple, changed.tolist())])
    assert expected.sum() > 8 * law.length  # each row unchanged, and some with another word
    for log_prob in (law.log_prob, law.joint_log_prob):
        assert torch.equal(log_prob(changed).isfinite(), expected)


def test_padding_counts_on_the_left_of_a_prompt_alone():
    law = house()
    (row,) = law.encode([("where is tom", "he is in the kitchen")]).tolist()
    right = [*row[1:4], PAD, *row[4:]]  # prompt padded on its right
    gap = [4, PAD, 5, 6, *row[4:]]
    empty = [PAD] * 4 + row[4:]
    cut = [*row[:9], PAD, PAD]
    marked = [BOS, *row[1:]]
    found = law.log_prob(torch.tensor([row, right, gap, empty, cut, marked]))
    assert found.isfinite().tolist() == [True] + 5 * [False]


# -- draws -------------------------------------------------------------------------------------


def test_draws_follow_the_law(shipped_pairs):
    law, n = shipped_pairs["dialogue"], 40_000
    rows, joint, _, _ = enumerated(law)
    ids = law.sample(n, seeded(1))
    assert ids.shape == (n, 12) and ids.dtype == torch.int64
    place = {row: i for i, row in enumerate(map(tuple, rows.tolist()))}
    hits = torch.tensor([place[row] for row in map(tuple, ids.tolist())])  # KeyError: impossible
    assert chi_square(hits.bincount(minlength=len(rows)), n * joint.exp()) > 1e-4


def test_replies_follow_the_law_given_their_prompts():
    law, n = house(), 30_000
    prompts = law.encode([("where is tom", "he"), ("where is little ann", "he")])[:, :4]
    rows = law.replies(prompts.repeat(n, 1), seeded(1))
    assert torch.equal(rows[:, :4], prompts.repeat(n, 1)) and law.log_prob(rows).isfinite().all()
    said, counts = torch.unique(rows[::2, 4:], dim=0, return_counts=True)
    asked = torch.cat([prompts[:1].expand(len(said), -1), said], 1)
    assert len(said) == 3 and chi_square(counts, n * law.log_prob(asked).exp()) > 1e-4
    assert law.decode(rows[1::2].unique(dim=0)) == ["where is little ann | she is in the kitchen"]


def test_a_prompt_that_nobody_asks_has_no_reply():
    law = house()
    prompts = law.encode([("where is tom", "he"), ("where is ann", "she")])[:, :4]
    with pytest.raises(ValueError, match=r"house: nobody asks 'where is ann'"):
        law.replies(prompts, seeded())


def test_draws_are_seeded_and_leave_global_randomness_alone(shipped_pairs):
    before = torch.get_rng_state()
    for law in shipped_pairs.values():
        assert torch.equal(law.sample(9, seeded(1)), law.sample(9, seeded(1)))
        assert not torch.equal(law.sample(9, seeded(1)), law.sample(9, seeded(2)))
        prompts = law.sample(50, seeded(3))[:, : law.given]
        a, b, c = (law.replies(prompts, seeded(s)) for s in (1, 1, 2))
        assert torch.equal(a, b) and not torch.equal(a, c)
    assert torch.equal(before, torch.get_rng_state())


# -- what a reply is about ---------------------------------------------------------------------


def test_a_reply_is_about_its_own_words_whatever_was_asked():
    law = house()
    assert law.mode_names == ["kitchen", "farm"] and law.mode_probs == [0.75, 0.25]
    pairs = [
        ("where is tom", "he is in the kitchen"),
        ("where is tom", "big barn the kitchen"),  # two of the farm's words against one
        ("where is little ann", "she"),  # said in the kitchen only
        ("kitchen kitchen kitchen", "the farm"),  # the prompt is not looked at
        ("where is tom", "he is in the"),
        ("where is tom", "tom ann"),  # words of prompts are nobody's
    ]
    assert law.modes(law.encode(pairs)).tolist() == [0, 1, 0, 1, 2, 2]
    ended = torch.tensor([[PAD, 4, 5, 6, 7, EOS, 13, 13, PAD, PAD, PAD]])
    assert law.modes(ended).tolist() == [2]  # what follows <eos> is not said


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_replies_have_the_modes_they_were_made_in(name, shipped_pairs):
    law = shipped_pairs[name]
    rows, joint, _, _ = enumerated(law)
    shares = torch.zeros(len(law.mode_names) + 1, dtype=torch.float64)
    shares.scatter_add_(0, law.modes(rows), joint.exp())
    assert shares.tolist() == pytest.approx([*law.mode_probs, 0.0], abs=1e-12)


def test_dialogue_by_hand(shipped_pairs):
    law = shipped_pairs["dialogue"]
    pairs = {
        # dull 1/10 .0375, kitchen 9/80 .4 .3
        ("where is the chef", "i do not know"): 0.75 * 0.00375 / (0.00375 + 0.0135),
        ("where is the chef", "the chef is in the kitchen"): 0.5 * 0.0135 / (0.00375 + 0.0135),
        # dull 1/10 .25, eight scenes of 9/80 .4 .25 each
        ("where is the woman", "no idea"): 0.25 * 0.025 / (0.025 + 0.09),
        ("where is the woman", "she is near the zoo"): 0.3 * 0.01125 / (0.025 + 0.09),
        ("where is the woman", "he is near the zoo"): 0.0,
        ("what does the chef cook", "the soup"): 0.4 / (0.4 + 0.1),
        ("what does the man cook", "the bread"): 0.1 / (0.4 + 0.1),
        ("what does the chef cook", "i do not know"): 0.0,
        ("who milks the ewe", "the shepherd behind the farm"): 0.2 * 0.2,
        ("who milks the soup", "the shepherd behind the farm"): 0.0,
    }
    found = law.log_prob(law.encode(list(pairs))).exp().tolist()
    assert found == pytest.approx(list(pairs.values()), abs=1e-14)


def test_captions_by_scene_are_the_captions_given_their_scene(shipped_pairs):
    law, plain = shipped_pairs["captions-by-scene"], Grammar.load("captions")
    assert (law.given, law.length) == (1, 1 + plain.length)
    ids = plain.sample(500, seeded(1))
    scenes = [plain.mode_names[i] for i in plain.modes(ids)]
    rows = law.encode(list(zip(scenes, plain.decode(ids), strict=True)))
    expected = plain.log_prob(ids) + math.log(8)
    torch.testing.assert_close(law.log_prob(rows), expected, rtol=0, atol=1e-12)
    assert law.entropy == pytest.approx(plain.entropy - math.log(8), abs=1e-12)
    others = law.encode([(scenes[0], text) for text in plain.decode(ids)])
    same = torch.tensor([scene == scenes[0] for scene in scenes])
    assert torch.equal(law.log_prob(others).isfinite(), same)
    assert torch.equal(law.modes(others), plain.modes(ids))


# -- as data -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SHIPPED)
def test_the_data_contract(name, shipped_pairs):
    law = shipped_pairs[name]
    assert (law.name, law.kind, law.law) == (name, "text", law)
    assert [len(getattr(law, s)) for s in ("train", "validation", "test")] == [30_000, 1000, 1000]
    assert law.train.shape[1] == law.length and law.train.device.type == "cpu"
    assert law.vocabulary[:4] == ["<pad>", "<bos>", "<eos>", "<unk>"] and "|" not in law.vocabulary
    assert law.vocab_size == len(law.vocabulary) == len(law.support) == len(set(law.vocabulary))
    written = law.train[:, law.given :]
    assert torch.equal(
        written.unique(), torch.cat([torch.tensor([PAD]), law.support.nonzero()[:, 0]])
    )
    texts = [tuple(pair.split(" | ")) for pair in law.decode(law.test)]
    assert torch.equal(law.encode(texts), law.test)
    assert f"{law.size:,} pairs" in repr(law) and " | " in repr(law)


def test_the_fingerprint_is_that_of_language_seed_and_pool():
    base = house().fingerprint
    assert house().fingerprint == base and len(base) == 64
    assert PairedGrammar.from_text("# a comment\n" + HOUSE, name="house").fingerprint == base
    others = [
        PairedGrammar.from_text(HOUSE, seed=1),
        PairedGrammar.from_text(HOUSE, pool=7),
        PairedGrammar.from_text(HOUSE.replace("2/3", "1/2").replace("1/3", "1/2")),
        PairedGrammar.from_text(HOUSE.replace("is WHO is", "are WHO is")),
    ]
    assert len({base, *(law.fingerprint for law in others)}) == 5


def test_a_file_with_marks_holds_pairs(tmp_path):
    (tmp_path / "pairs.yaml").write_text(HOUSE)
    law = load_corpus(tmp_path / "pairs.yaml", pool=5)
    assert isinstance(law, PairedGrammar) and law.train.shape == (5, 11) and law.name == "pairs"
    (tmp_path / "plain.yaml").write_text(HOUSE.replace("|", "and"))
    assert isinstance(load_corpus(tmp_path / "plain.yaml"), Grammar)
    assert PairedGrammar.load("dialogue").fingerprint == load_corpus("dialogue").fingerprint


def test_characters_pair_as_words_do():
    sums = (
        "{unit: character, templates: {A = | B: 1}, "
        "modes: {one: {A: 1+1, B: 2}, two: {A: [2+2, 1+3], B: 4}}}"
    )
    law = PairedGrammar.from_text(sums)
    rows = law.encode([("1+1=", "2"), ("1+1=", "4")])
    assert law.decode(rows) == ["1+1= | 2", "1+1= | 4"] and rows.shape == (2, 4 + 2)
    assert law.log_prob(rows).tolist() == [0.0, -math.inf] and law.entropy == 0


def test_a_generator_of_replies_trains_on_it():
    spec = Spec(data="captions-by-scene", probe_every=2, probe_size=16, batch_size=8, device="cpu")
    trainer = Trainer(spec).run(2)
    found = trainer.telemetry.rows[-1]
    assert found["possible"] == 0 and found["oracle_nll"] == math.inf and found["mode.none"] < 1
    assert found["held_out_nll.sentence"] > trainer.data.entropy


# -- errors ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("templates: a B\nmodes: {x: {B: [c, d]}}", 1, "has 0 marks |; a pair has one"),
        ("templates: a | b | c\nmodes: {x: {}}", 1, "has 2 marks |"),
        ("templates: a | B\nmodes:\n  x: {B: c | d}", 1, "has 2 marks |"),
        (
            "templates: A\nmodes:\n  x:\n    A:\n      - a | b\n      - c",
            6,
            "either every alternative",
        ),
        ("templates: A | b\nmodes:\n  x: {A: ['', c]}", 1, "can leave the prompt empty"),
        ("templates: '| b'\nmodes: {x: {}}", 1, "can leave the prompt empty"),
        ("templates: a | B\nmodes:\n  x: {B: ['', c]}", 1, "can leave the reply empty"),
        ("length: 9\ntemplates: a | b\nmodes: {x: {}}", 1, "`length` does not apply to pairs"),
    ],
)
def test_what_is_no_pair_is_refused_with_its_line(text, line, message):
    with pytest.raises(GrammarError) as caught:
        PairedGrammar.from_text(text, name="pets.yaml")
    assert str(caught.value).startswith(f"pets.yaml:{line}: ") and message in str(caught.value)


def test_other_shapes_and_unknown_words_are_refused():
    law = house()
    with pytest.raises(ValueError, match=r"house: expected token ids \[n, 11\].*take 4.*\[2, 7\]"):
        law.log_prob(torch.zeros(2, 7, dtype=torch.int64))
    with pytest.raises(ValueError, match=r"expected token ids \[n, 4\]"):
        law.prompt_log_prob(torch.zeros(2, 11, dtype=torch.int64))
    with pytest.raises(ValueError, match=r"torch.float32"):
        law.modes(torch.zeros(2, 11))
    with pytest.raises(ValueError, match=r"'cow' in 'the cow' is not in the language"):
        law.encode([("where is tom", "the cow")])
    with pytest.raises(ValueError, match=r"prompt 'is is is is is' has 5 tokens, expected 1 to 4"):
        law.encode([("is is is is is", "he")])
    with pytest.raises(ValueError, match=r"reply '' has 0 tokens, expected 1 to 6"):
        law.encode([("where is tom", "")])
    with pytest.raises(ValueError, match="house: pool must be a whole number"):
        PairedGrammar.from_text(HOUSE, name="house", pool=0)
    with pytest.raises(ValueError, match="4 sentences, more than limit=3"):
        law.enumerate(limit=3)


@pytest.mark.parametrize("name", SHIPPED)
def test_the_data_card_states_what_is_measured(name, shipped_pairs):
    law = shipped_pairs[name]
    row = (
        f"| {name} | {law.size:,} | {law.vocab_size} | {law.given} + {law.length - law.given} "
        f"| {law.entropy:.4f} | {', '.join(law.mode_names)} |"
    )
    assert row in shipped("README.md").read_text(encoding="utf-8").splitlines()
