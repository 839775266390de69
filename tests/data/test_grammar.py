"""Grammars: exact probabilities, against sums worked by hand and over the whole language."""

import itertools
import math
from collections import Counter
from random import Random

import pytest
import torch
from scipy import stats

from textgan_lab.data.grammar import Grammar
from textgan_lab.data.grammar_file import GrammarError
from textgan_lab.data.law import EOS, PAD
from textgan_lab.data.sources import CORPORA, load_corpus, shipped

torch.set_num_threads(1)
NAMES = ["captions", "mini", "arithmetic"]


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module", params=NAMES)
def grammar(request):
    return Grammar.load(request.param, pool=500)


@pytest.fixture(scope="module")
def captions():
    return Grammar.load("captions")


@pytest.fixture(scope="module")
def mini():
    return Grammar.load("mini")


def entropy_of(*probabilities):
    return -sum(p * math.log(p) for p in probabilities)


# --- the law -------------------------------------------------------------------------------------


def test_all_sentences_together_have_probability_one(grammar):
    ids, log_prob = grammar.enumerate()
    assert len(ids) == grammar.size == len(ids.unique(dim=0))
    assert log_prob.exp().sum().item() == pytest.approx(1, abs=1e-12)
    torch.testing.assert_close(grammar.log_prob(ids), log_prob, rtol=0, atol=1e-12)


def test_entropy_is_the_mean_of_minus_log_prob_over_the_language(grammar):
    _, log_prob = grammar.enumerate()
    assert grammar.entropy == pytest.approx(-(log_prob.exp() * log_prob).sum().item(), abs=1e-12)


def test_the_size_and_entropy_of_captions_by_hand(captions):
    # scenes x templates x DET x (no adjective or one of six) x AGENT x VERB x OBJ x PREP
    assert captions.size == 8 * 2 * 2 * 7 * 4 * 3 * 3 * 3 == 24_192
    by_slot = [
        math.log(8),
        entropy_of(0.6, 0.4),  # template
        entropy_of(0.6, 0.4),  # DET
        entropy_of(0.4, *[0.1] * 6),  # ADJ
        entropy_of(0.25, 0.25, 0.3, 0.2),  # AGENT
        3 * entropy_of(0.5, 0.3, 0.2),  # VERB, OBJ, PREP
    ]
    assert captions.entropy == pytest.approx(sum(by_slot), abs=1e-12)
    assert captions.entropy == pytest.approx(9.6387, abs=1e-4)
    assert (captions.length, captions.vocab_size) == (10, 89)
    assert len(captions._arcs) < 200  # equal beliefs are one state; a tree would have 100,000


def test_the_probability_of_one_caption_by_hand(captions):
    a, b = "the tall chef cooks the soup in the kitchen", "near the zoo a man admires the lion"
    by_hand = [
        1 / 8 * 0.6 * 0.4 * 0.1 * 0.3 * 0.5 * 0.5 * 0.5,  # template A, "the", "tall", chef ...
        1 / 8 * 0.4 * 0.3 * 0.6 * 0.4 * 0.25 * 0.2 * 0.5,  # template B, "near", "a", none, man ...
    ]
    found = captions.log_prob(captions.encode([a, b]))
    torch.testing.assert_close(found, torch.tensor(by_hand, dtype=torch.float64).log())


def test_the_sizes_of_mini_and_arithmetic_by_hand(mini):
    assert mini.size == 4 * 2 * 3 * 2 * 2 * 2 == 192
    facts = Grammar.load("arithmetic")
    assert facts.size == 100 + 55 + 100 + 90  # sums, differences >= 0, products, exact quotients
    by_hand = math.log(4) + (math.log(100) * 2 + math.log(55) + math.log(90)) / 4
    assert facts.entropy == pytest.approx(by_hand, abs=1e-12)


def test_arithmetic_is_correct_and_complete():
    grammar = Grammar.load("arithmetic")
    of_mode = {
        "sum": {f"{a}+{b}={a + b}" for a in range(10) for b in range(10)},
        "difference": {f"{a}-{b}={a - b}" for a in range(10) for b in range(a + 1)},
        "product": {f"{a}*{b}={a * b}" for a in range(10) for b in range(10)},
        "quotient": {f"{b * q}/{b}={q}" for b in range(1, 10) for q in range(10)},
    }
    ids, _ = grammar.enumerate()
    modes, text = grammar.modes(ids), grammar.decode(ids)
    for m, name in enumerate(grammar.mode_names):
        assert {t for t, mode in zip(text, modes, strict=True) if mode == m} == of_mode[name]


def test_whatever_is_no_sentence_has_probability_zero(captions):
    good = captions.encode(["the tall chef cooks the soup in the kitchen"])
    assert captions.grammatical(good).tolist() == [True]
    sentences = {tuple(row.tolist()) for row in captions.enumerate()[0]}
    corrupted = []
    for position in range(captions.length):
        for word in range(captions.vocab_size):
            changed = good[0].clone()
            changed[position] = word
            corrupted.append(changed)
    corrupted = torch.stack(corrupted)
    truth = [tuple(row.tolist()) in sentences for row in corrupted]
    assert captions.grammatical(corrupted).tolist() == truth
    # itself at 10 places, and other words: 1 "a"; 5 adjectives; 3 agents; 2 verbs, objects, PREPs
    assert sum(truth) == 10 + 1 + 5 + 3 + 2 + 2 + 2


def test_strings_of_any_shape_and_id_are_judged(mini):
    a, poems = mini.encode(["a teacher reads poems", "teacher a reads poems"])
    words = a[:4]
    cases = {
        "cut before <eos>": (words, False),
        "no padding": (a[:5], True),
        "more padding": (torch.cat([a, torch.tensor([PAD, PAD])]), True),
        "<eos> twice": (torch.cat([words, torch.tensor([EOS, EOS])]), False),
        "a word after <eos>": (torch.cat([words, torch.tensor([EOS, int(a[0])])]), False),
        "an unused id": (torch.cat([words, torch.tensor([EOS, mini.vocab_size])]), False),
        "a negative id": (torch.cat([words, torch.tensor([EOS, -1])]), False),
        "padding first": (torch.cat([torch.tensor([PAD]), a]), False),
        "nothing": (a[:0], False),
        "other order": (poems, False),
    }
    found = {case: mini.grammatical(ids[None]).tolist() for case, (ids, _) in cases.items()}
    assert found == {case: [legal] for case, (_, legal) in cases.items()}
    assert mini.log_prob(a[None, :0]).tolist() == [-math.inf]
    # an id beyond the vocabulary must not be read as a word of the next state: here, END's <pad>
    assert not mini.grammatical(torch.tensor([[mini.vocab_size]]))
    assert mini.log_prob(torch.empty((0, 6), dtype=torch.int64)).shape == (0,)
    with pytest.raises(ValueError, match=r"token ids \[n, time\].*\[6\]"):
        mini.log_prob(a)
    with pytest.raises(ValueError, match="whole numbers, got torch.float32"):
        mini.modes(torch.zeros(2, 6))


def test_samples_follow_the_law(mini):
    ids, log_prob = mini.enumerate()
    index = {tuple(row.tolist()): i for i, row in enumerate(ids)}
    n = 100_000
    drawn = mini.sample(n, seeded(1))
    assert drawn.shape == (n, 6) and drawn.dtype == torch.int64
    rows, repeats = drawn.unique(dim=0, return_counts=True)
    seen = torch.zeros(len(ids), dtype=torch.float64)
    seen[[index[tuple(row.tolist())] for row in rows]] = repeats.double()
    p_value = stats.chisquare(seen.numpy(), (n * log_prob.exp()).numpy()).pvalue
    assert p_value > 1e-3


def test_samples_are_seeded_and_leave_global_randomness_alone(mini):
    before = torch.get_rng_state()
    one, same, other = (mini.sample(50, seeded(s)) for s in (3, 3, 4))
    assert torch.equal(one, same) and not torch.equal(one, other)
    assert torch.equal(before, torch.get_rng_state())


SHARED = """
templates: {X Y: 1}
modes:
  one: {probability: 1/4, X: {a: 0.5, b: 0.5}, Y: c}
  two: {probability: 3/4, X: {a: 0.2, d: 0.8}, Y: c}
"""


def test_a_sentence_that_two_modes_share_counts_once():
    grammar = Grammar.from_text(SHARED)
    p = {"a c": 1 / 4 * 0.5 + 3 / 4 * 0.2, "b c": 1 / 4 * 0.5, "d c": 3 / 4 * 0.8}
    ids, log_prob = grammar.enumerate()
    found = dict(zip(grammar.decode(ids), log_prob.exp().tolist(), strict=True))
    assert found == pytest.approx(p, abs=1e-15)
    assert grammar.size == 3
    assert grammar.entropy == pytest.approx(entropy_of(*p.values()), abs=1e-12)


def test_phrases_share_beginnings_and_slots_are_left_out():
    grammar = Grammar.from_text(
        """
templates: {A B: 0.5, so B A: 0.5}
slots:
  A: {"": 0.4, very old: 0.6}
  B: {dog: 0.9, very nice dog: 0.1}
modes: {all: {}}
"""
    )
    p = {
        "dog": 0.5 * 0.4 * 0.9,
        "very nice dog": 0.5 * 0.4 * 0.1,
        "very old dog": 0.5 * 0.6 * 0.9,
        "very old very nice dog": 0.5 * 0.6 * 0.1,
        "so dog": 0.5 * 0.9 * 0.4,
        "so very nice dog": 0.5 * 0.1 * 0.4,
        "so dog very old": 0.5 * 0.9 * 0.6,
        "so very nice dog very old": 0.5 * 0.1 * 0.6,
    }
    ids, log_prob = grammar.enumerate()
    found = dict(zip(grammar.decode(ids), log_prob.exp().tolist(), strict=True))
    assert found == pytest.approx(p, abs=1e-15)
    assert grammar.length == 7  # so very nice dog very old <eos>


def test_enumeration_has_a_limit(captions):
    with pytest.raises(ValueError, match="captions: 24,192 sentences, more than limit=1,000"):
        captions.enumerate(limit=1_000)


# --- modes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "mode"),
    [
        ("the tall chef cooks the soup in the kitchen", "kitchen"),
        ("a man feeds the cow behind the farm", "farm"),
        ("lion lion lion", "zoo"),  # ungrammatical text has a mode too
        ("chef cooks lion", "kitchen"),  # two words against one
        ("lion chef", "kitchen"),  # a tie goes to the mode named first
        ("the tall man in the", "none"),  # only shared words
        ("", "none"),
    ],
)
def test_the_mode_is_the_one_with_most_words_of_its_own(captions, text, mode):
    found = captions.modes(captions.encode([text]))
    assert [*captions.mode_names, "none"][found] == mode


def test_words_after_the_end_and_unknown_ids_count_for_no_mode(captions):
    ids = captions.encode(["chef", "chef", "man"])
    ids[0, 2:6] = ids.new_tensor([captions.vocabulary.index("lion")] * 4)
    ids[1, :5] = ids.new_tensor([captions.vocab_size, -1, 10**6, ids[1, 0], EOS])
    assert captions.modes(ids).tolist() == [0, 0, 8]


def test_every_sentence_of_a_mode_is_recognised(mini):
    ids, log_prob = mini.enumerate()
    share = torch.zeros(5, dtype=torch.float64).index_add_(0, mini.modes(ids), log_prob.exp())
    assert share.tolist() == pytest.approx([*mini.mode_probs, 0])


# --- the data contract ---------------------------------------------------------------------------


def test_the_data_contract(grammar):
    assert grammar.kind == "text" and grammar.law is grammar
    assert grammar.vocabulary[:4] == ["<pad>", "<bos>", "<eos>", "<unk>"]
    words = grammar.vocab_size - 4
    assert grammar.support.tolist() == [False, False, True, False, *[True] * words]
    assert [len(s) for s in (grammar.train, grammar.validation, grammar.test)] == [500, 1000, 1000]
    assert not torch.equal(grammar.validation, grammar.test)
    assert grammar.grammatical(grammar.train).all()
    assert torch.equal(grammar.encode(grammar.decode(grammar.train)), grammar.train)
    assert grammar.decode(grammar.train[0]) == grammar.decode(grammar.train[:1])[0]
    assert repr(grammar) == repr(Grammar.load(grammar.name, pool=500))
    assert f"{grammar.size:,} sentences" in repr(grammar)


def test_what_defines_the_data_defines_its_fingerprint():
    text = "templates: {N V: 1}\nmodes: {all: {N: {cat: 0.5, dog: 0.5}, V: sits}}"
    grammars = [
        Grammar.from_text(text),
        Grammar.from_text("# a remark\n" + text.replace("0.5", "1/2")),
        Grammar.from_text(text, seed=1),
        Grammar.from_text(text, pool=10),
        Grammar.from_text(text.replace("cat: 0.5, dog: 0.5", "cat: 0.4, dog: 0.6")),
        Grammar.from_text(text.replace("dog", "cow")),
        Grammar.from_text("length: 4\n" + text),
    ]
    prints = [g.fingerprint for g in grammars]
    assert prints[0] == prints[1] and len(prints[0]) == 64
    assert len(set(prints)) == len(prints) - 1


def test_splits_do_not_depend_on_what_is_read_first():
    one, other = Grammar.load("mini", pool=20), Grammar.load("mini", pool=30)
    held_out = one.test
    assert len(other.train) == 30 and torch.equal(other.test, held_out)
    assert not torch.equal(one.train, Grammar.load("mini", pool=20, seed=1).train)


def test_encoding_names_what_it_cannot_encode(mini):
    with pytest.raises(ValueError, match="mini: 'cats' in 'a teacher reads cats' is not"):
        mini.encode(["a teacher reads cats"])
    with pytest.raises(ValueError, match="has 6 tokens; at most 5 and <eos> fit"):
        mini.encode(["a a a a a a"])


# --- files ---------------------------------------------------------------------------------------


def test_grammars_are_found_by_name_and_by_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # the working directory does not matter for shipped ones
    names = ["mini", "mini.yaml", "data/mini.yaml"]
    assert len({Grammar.load(name, pool=5).fingerprint for name in names}) == 1
    (tmp_path / "own.yaml").write_bytes(b"\xef\xbb\xbftemplates: hello\nmodes: {all: {}}\n")
    assert Grammar.load("own.yaml").decode(Grammar.load("own.yaml").train[0]) == "hello"
    assert CORPORA.make("mini", {"pool": 7, "seed": 3}).train.shape == (7, 6)
    assert load_corpus("captions", pool=3).name == "captions"
    with pytest.raises(ValueError, match="no data file 'nowhere.yaml' is shipped"):
        Grammar.load("nowhere")
    with pytest.raises(FileNotFoundError, match="elsewhere/mini.yaml: no such grammar file"):
        Grammar.load("elsewhere/mini.yaml")
    for bad in ({"pool": 0}, {"pool": 2.5}, {"seed": -1}):
        with pytest.raises(ValueError, match=rf"mini: {next(iter(bad))} must be a whole number"):
            Grammar.load("mini", **bad)


def test_yaml_words_that_yaml_would_turn_into_something_else_stay_words():
    grammar = Grammar.from_text("templates: W\nmodes: {all: {W: [no, on, 1_0, 2001-01-01, ~]}}")
    assert grammar.vocabulary[4:] == ["no", "on", "1_0", "2001-01-01", "~"]


GOOD = """\
length: 3
templates:
  DET N: 1
slots:
  DET: {a: 0.5, the: 0.5}
modes:
  pets: {N: {cat: 0.5, dog: 0.5}}
  farm: {N: {cow: 1/3, sheep: 2/3}}
"""


def test_the_grammar_that_is_broken_below_is_good():
    assert Grammar.from_text(GOOD).size == 8


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("DET N: 1", "DET ADJ N: 1", 3, "unknown slot ADJ in mode 'pets'; known: DET, N"),
        ("the: 0.5", "the: 0.4", 5, "slot DET: probabilities sum to 0.9, expected exactly 1"),
        ("DET N: 1", "DET N: 0.5", 3, "templates: probabilities sum to 0.5"),
        ("cow: 1/3", "cow: -1/3", 8, "above 0 and up to 1, got -1/3"),
        ("cow: 1/3", "cow: 0", 8, "above 0 and up to 1, got 0"),
        ("cow: 1/3", "cow: lots", 8, "'cow': expected a probability like 0.25 or 1/4, got 'lots'"),
        ("cow: 1/3", "cow: nan", 8, "expected a probability"),
        ("cow: 1/3", "cow: 1/0", 8, "expected a probability"),
        ("cow: 1/3", "cow: [1]", 8, "expected a probability like 0.25 or 1/4, got a list"),
        ("{cow: 1/3, sheep: 2/3}", "{}", 8, "slot N: empty"),
        ("{cow: 1/3, sheep: 2/3}", "", 8, "slot N: empty"),
        ("{cow: 1/3, sheep: 2/3}", "['']", 8, "slot N: empty"),
        ("sheep: 2/3", "cow: 2/3", 8, "slot N: 'cow' is given twice (first on line 8)"),
        ("{cow: 1/3, sheep: 2/3}", "[big  cow, big cow]", 8, "'big cow' is given twice"),
        ("{cow: 1/3, sheep: 2/3}", "[cow, [a]]", 8, "expected a word or phrase, got a list"),
        ("cow: 1/3", "<eos>: 1/3", 8, "<eos> is reserved"),
        ("  farm:", "  pets:", 8, "modes: 'pets' is given twice (first on line 7)"),
        ("slots:", "templates:", 4, "grammar: 'templates' is given twice (first on line 2)"),
        ("length: 3", "length: 2", 3, "mode 'pets' has up to 3 tokens with <eos>, more than"),
        ("cow:", "very big cow:", 3, "mode 'farm' has up to 5 tokens"),
        (
            "length: 3",
            "length: ten",
            1,
            "length: expected a number of tokens, 1 to 9999, got 'ten'",
        ),
        ("length: 3", "length: 0", 1, "length: expected a number of tokens"),
        ("length: 3", "unit: letter", 1, "unit: expected word or character, got 'letter'"),
        ("length: 3", "lenght: 3", 1, "unknown entry 'lenght'; known: length, unit, templates"),
        ("  DET: {a", "\tDET: {a", 5, "a tab; YAML is indented with spaces"),
        ("  DET: {a", "  DET: {a: 0.5", 5, "no valid YAML"),
        (GOOD[GOOD.index("modes:") :], "modes: {}", 6, "modes: empty"),
        ("DET: {a: 0.5, the: 0.5}", "DET: a\n  X: b", 6, "slot X is used by no template"),
        ("pets: {N", "pets: {X: b, N", 7, "mode 'pets': slot X is used by no template"),
        ("pets: {N", "pets: {noun: b, N", 7, "mode 'pets': 'noun' is no slot; slots are named in"),
        ("pets: {N: {cat: 0.5, dog: 0.5}}", "pets: cat", 7, "expected a mapping (name: value)"),
        ("pets: {N", "pets: {probability: 1/2, N", 6, "give `probability` for all modes or for"),
        ("templates:\n  DET N: 1\n", "", 5, "mode 'pets': no `templates`"),
        ("slots:\n  DET: {a: 0.5, the: 0.5}", "slots: []", 4, "slots: expected a mapping"),
        ("dog: 0.5", "? [dog] : 0.5", 7, "expected a plain name, got a list"),
        ("dog: 0.5", "dog\x07: 0.5", 7, "character 0x7"),
    ],
)
def test_a_malformed_file_is_refused_with_its_line(old, new, line, message):
    assert old in GOOD
    with pytest.raises(GrammarError) as error:
        Grammar.from_text(GOOD.replace(old, new, 1), name="pets.yaml")
    assert str(error.value).startswith(f"pets.yaml:{line}: "), error.value
    assert message in str(error.value)
    assert error.value.line == line


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("", 1, "the file is empty"),
        ("# nothing\n", 1, "the file is empty"),
        ("- a\n- b\n", 1, "grammar: expected a mapping (name: value), got a list"),
        ("templates: a\n", 1, "no `modes`"),
        ("modes: {a: {}}\n---\nx: 1\n", 2, "no valid YAML"),
        ("templates: a\nmodes:\n  x: {probability: 0.5}\n  y: {probability: 0.4}\n", 2,
         "modes: probabilities sum to 0.9"),
        ("templates: a\nmodes: {x: {templates: {}}}\n", 2, "templates: empty"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_grammar_is_refused(text, line, message):
    with pytest.raises(GrammarError) as error:
        Grammar.from_text(text, name="it.yaml")
    assert str(error.value).startswith(f"it.yaml:{line}: ") and message in str(error.value)


@pytest.mark.parametrize(
    ("text", "line", "sentence", "labels"),
    [
        # the same words left out in one slot and said in the next
        ("templates: X Y\nslots:\n  X: ['', a]\n  Y: ['',\n   a]\nmodes: {m: {}}\n", 3, "'a'",
         ["'' of slot X (line 3)", "'a' of slot X (line 3)"]),
        # a phrase that is also two words
        ("templates: X Y\nmodes:\n  m:\n    X: [a,\n        a b]\n    Y: [c,\n        b c]\n", 5,
         "'a b c'", ["'a' of slot X (line 4)", "'a b' of slot X (line 5)"]),
        # two templates that say the same
        ("templates:\n  the N: 0.5\n  D N: 0.5\nslots: {D: [a, the]}\nmodes:\n  m: {N: [x]}\n", 3,
         "'the x'", ["'the N' of templates (line 2)", "'D N' of templates (line 3)"]),
    ],
)  # fmt: skip
def test_two_derivations_of_one_sentence_are_refused(text, line, sentence, labels):
    with pytest.raises(GrammarError) as error:
        Grammar.from_text(text, name="it.yaml")
    said = str(error.value)
    assert said.startswith(f"it.yaml:{line}: ambiguous: ") and sentence in said
    assert all(label in said for label in labels), said


def test_a_shared_beginning_alone_is_no_ambiguity():
    text = "templates: X Y\nmodes: {m: {X: [a, a b], Y: [c, b]}}"
    grammar = Grammar.from_text(text)  # ac, ab, abc, abb: four sentences, one way each
    assert sorted(grammar.decode(grammar.enumerate()[0])) == ["a b", "a b b", "a b c", "a c"]


def test_a_file_in_another_encoding_is_refused_with_its_line(tmp_path):
    path = tmp_path / "latin.yaml"
    path.write_bytes("templates: N\nmodes: {a: {N: café}}\n".encode("latin-1"))
    with pytest.raises(GrammarError, match=r"latin.yaml:2: byte 31 is not UTF-8"):
        Grammar.load(path)


def test_nothing_in_a_file_is_executed():
    with pytest.raises(GrammarError, match="modes"):
        Grammar.from_text("templates: !!python/object/apply:os.system [exit]\n")


def random_grammar(random):
    """Return the text of a small grammar over a, b, c and its derivations, one by one."""
    slots = {}
    for name in "XYZ":
        phrases = ["", "a", "b", "c", "a b", "b a", "a a"]
        slots[name] = random.sample(phrases, random.randint(1, 3))
        if slots[name] == [""]:
            slots[name] = ["a"]
    templates = {" ".join(random.choices("XYZc", k=random.randint(1, 3))) for _ in range(2)}
    templates = sorted(templates)
    mine = {m: random.sample(["a", "b", "c a"], random.randint(1, 2)) for m in ("one", "two")}
    text = f"templates: {[f'W {t}' if w else f'{t} W' for w, t in enumerate(templates)]}\n"
    used = {name: words for name, words in slots.items() if any(name in t for t in templates)}
    text += f"slots: {used}\n" if used else ""
    text += "modes: {" + ", ".join(f"{m}: {{W: {words}}}" for m, words in mine.items()) + "}\n"
    derivations = []
    for mode, words in mine.items():
        for w, template in enumerate(templates):
            items = f"W {template}" if w else f"{template} W"
            choices = [{**used, "W": words}.get(item, [item]) for item in items.split()]
            for chosen in itertools.product(*choices):
                p = 1 / 2 / len(templates) / math.prod(map(len, choices))
                derivations.append((mode, " ".join(" ".join(chosen).split()), p))
    return text, derivations


def test_random_grammars_agree_with_their_derivations_or_are_ambiguous():
    random, refused = Random(0), 0
    for _ in range(300):
        text, derivations = random_grammar(random)
        once = max(Counter((mode, s) for mode, s, _ in derivations).values()) == 1
        if not once:
            refused += 1
            with pytest.raises(GrammarError, match="ambiguous"):
                Grammar.from_text(text)
            continue
        truth = Counter()
        for _, sentence, p in derivations:
            truth[sentence] += p
        grammar = Grammar.from_text(text)
        ids, log_prob = grammar.enumerate()
        found = dict(zip(grammar.decode(ids), log_prob.exp().tolist(), strict=True))
        assert found == pytest.approx(dict(truth), abs=1e-12), text
        assert grammar.entropy == pytest.approx(entropy_of(*truth.values()), abs=1e-12)
        assert grammar.size == len(truth)
    assert 50 < refused < 250  # both faces were seen


def test_the_data_card_states_what_is_measured(grammar):
    row = (
        f"| {grammar.name} | {grammar.size:,} | {grammar.vocab_size} | {grammar.length} "
        f"| {grammar.entropy:.4f} | {', '.join(grammar.mode_names)} |"
    )
    assert row in shipped("README.md").read_text(encoding="utf-8").splitlines()
