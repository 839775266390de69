"""Generators that reply to a prompt: what is given stays, counts nowhere, and matters."""

import pytest
import torch
import torch.nn.functional as F
from dialogues import TinyDialogue
from languages import BOS, EOS, PAD, UNK, TinyLanguage, chi_square, seeded

from textgan_lab.models import GENERATORS

torch.set_num_threads(1)
WRITERS = [n for n, part in GENERATORS.items() if part.kind == "text" and part.likelihood]
S = TinyDialogue.given


def build(name, data, seed=0):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        generator = GENERATORS.make(name, data=data)
    with torch.no_grad():
        for p in generator.parameters():
            p.mul_(2)
    return generator


@pytest.fixture(params=[False, True], ids=["cut", "eos"])
def data(request):
    return TinyDialogue(eos=request.param)


@pytest.fixture(params=WRITERS)
def generator(request, data):
    return build(request.param, data)


def law(generator, data):
    """Return q(reply | prompt) of everything that can be replied, [prompts, replies] float64."""
    rows = data.playable.flatten(0, 1)
    return generator.double().log_prob(rows).exp().view(data.playable.shape[:2]).detach()


def test_replies_to_each_prompt_have_probability_one_together_and_depend_on_it(generator, data):
    q = law(generator, data)
    torch.testing.assert_close(q.sum(1), torch.ones(4).double(), rtol=0, atol=1e-12)
    for other in range(1, 4):
        assert (q[0] - q[other]).abs().sum() > 0.02


def test_frequencies_under_a_prompt_are_the_probabilities(generator, data):
    n = 8000
    rows = generator.sample(4 * n, seeded(1), given=data.prompts.repeat(n, 1)).view(n, 4, -1)
    assert torch.equal(rows[..., :S], data.prompts.expand(n, -1, -1))
    q = law(generator, data)
    for k in range(4):
        hits = (rows[:, k, None] == data.playable[k]).all(2)
        assert hits.any(1).all(), "a reply that cannot be written"
        assert chi_square(hits.sum(0), n * q[k]) > 1e-4


def test_scoring_at_once_is_as_writing_step_by_step(generator, data):
    generator.double()
    rows = data.playable.flatten(0, 1)
    at_once = generator.logits(rows)[:, S:]
    generator.one_pass = False
    torch.testing.assert_close(at_once, generator.logits(rows)[:, S:], rtol=0, atol=1e-12)


def test_what_is_given_counts_nowhere_and_is_handed_on(generator, data):
    given = data.prompts.repeat(10, 1)
    tau = torch.tensor(0.7)
    for rollout in (
        generator.play(40, seeded(2), given),
        generator.relax(40, seeded(2), tau, True, given),
        generator.relax(40, seeded(2), tau, False, given),
    ):
        assert torch.equal(rollout.ids[:, :S], given) and not rollout.mask[:, :S].any()
        assert torch.equal(rollout.mask[:, S:], rollout.ids[:, S:] != PAD)
        assert (rollout.log_q[:, :S] == 0).all() and (rollout.entropy[:, :S] == 0).all()
        own = (rollout.ids[:, S:] == BOS) | (rollout.ids[:, S:] == UNK)
        assert not own.any() and data.support[rollout.ids[:, S:][rollout.mask[:, S:]]].all()
        scored = generator.score(rollout.ids)
        if not rollout.x.is_floating_point():
            assert torch.equal(rollout.log_q, scored.log_q)
            continue
        one_hot = F.one_hot(given, data.vocab_size).float()
        assert torch.equal(rollout.x[:, :S], one_hot)
        torch.testing.assert_close(rollout.x.sum(2), torch.ones(40, data.length))
        grads = torch.autograd.grad(rollout.x[:, S:].square().sum(), list(generator.parameters()))
        assert sum(g.abs().sum() for g in grads) > 0
    scored = generator.score(data.playable[0])
    assert torch.equal(scored.mask.sum(1), (data.playable[0, :, S:] != PAD).sum(1))


def test_a_straight_through_reply_scores_like_its_ids(generator, data):
    given = data.prompts.repeat(10, 1)
    rollout = generator.relax(40, seeded(3), torch.tensor(0.7), True, given)
    expected = generator.score(rollout.ids).log_q
    torch.testing.assert_close(rollout.log_q, expected, rtol=1e-5, atol=1e-5)


def test_the_first_relaxed_token_of_a_reply_follows_its_law(generator, data):
    n = 8000
    given = data.prompts[2:3].expand(n, -1)
    ids = generator.relax(n, seeded(4), torch.tensor(1.0), True, given).ids[:, S]
    p = generator.double().logits(data.playable[2, :1])[0, S].softmax(0)
    assert chi_square(torch.bincount(ids, minlength=len(p)), n * p) > 1e-4


def test_more_than_the_prompt_can_be_given(generator, data):
    """The reply's first word too: it is kept, and the rest follows the law under it."""
    n = 8000
    start = data.playable[1, 0, : S + 1]
    rows = generator.sample(n, seeded(5), given=start.expand(n, -1))
    assert (rows[:, : S + 1] == start).all()
    q = law(generator, data)[1]
    fits = (data.playable[1, :, S] == start[S]).double()
    hits = (rows[:, None] == data.playable[1]).all(2)
    assert hits.any(1).all()
    assert chi_square(hits.sum(0), n * q * fits / (q * fits).sum()) > 1e-4


@pytest.mark.parametrize("name", WRITERS)
def test_a_reply_that_was_given_whole_is_kept_and_an_end_in_it_ends_it(name):
    data = TinyDialogue(eos=True)
    generator = build(name, data)
    start = torch.tensor([[4, 5, EOS], [4, 5, 6]]).repeat(50, 1)
    for ids in (
        generator.sample(100, seeded(6), given=start),
        generator.relax(100, seeded(6), torch.tensor(1.0), True, start).ids,
    ):
        assert torch.equal(ids[:, :3], start)
        assert (ids[::2, 3:] == PAD).all() and (ids[1::2, 3] != PAD).all()


@pytest.mark.parametrize("name", WRITERS)
def test_an_end_in_the_prompt_ends_nothing(name):
    generator = build(name, TinyDialogue(eos=True))
    rows = generator.sample(50, seeded(7), given=torch.tensor([[4, EOS]]).expand(50, -1))
    assert (rows[:, S] != PAD).all()


@pytest.mark.parametrize("name", WRITERS)
def test_a_missing_prompt_is_named(name):
    generator = build(name, TinyDialogue())
    for call in (
        lambda: generator.sample(3, seeded()),
        lambda: generator.play(3, seeded()),
        lambda: generator.relax(3, seeded(), torch.tensor(1.0), True),
        lambda: generator.sample(3, seeded(), given=torch.full((3, 1), 4)),
    ):
        with pytest.raises(ValueError, match=r"gives the first 2 tokens .*pass given=\[n, 2\]"):
            call()


@pytest.mark.parametrize("name", [n for n in WRITERS if not hasattr(GENERATORS[n], "paired")])
def test_plain_text_can_be_begun_too(name):
    """On data without prompts whatever is given is a prefix, with the law of what follows."""
    data, n = TinyLanguage(eos=True), 8000
    generator = build(name, data)
    ids = generator.sample(n, seeded(8), given=torch.tensor([[5]]).expand(n, -1))
    q = generator.double().log_prob(data.playable).exp()
    fits = (data.playable[:, 0] == 5).double()
    hits = (ids[:, None] == data.playable).all(2)
    assert hits.any(1).all() and chi_square(hits.sum(0), n * q * fits / (q * fits).sum()) > 1e-4


def test_padding_of_a_prompt_gets_no_attention():
    """Attention falls on what was said: a prompt's padding has weight exactly 0."""
    data = TinyDialogue()
    generator = build("attention", data).double()
    h, c, read, padding = generator.start(4, data.prompts)
    assert torch.equal(padding < 0, data.prompts == PAD)
    changed = read + 5.0 * (data.prompts == PAD)[..., None]
    token = generator.feed(generator.embed.weight)[torch.full((4,), BOS)]
    for states in zip(
        generator.step(token, (h, c, read, padding)),
        generator.step(token, (h, c, changed, padding)),
        strict=True,
    ):
        if torch.is_tensor(states[0]):
            assert torch.equal(*states)
    moved = generator.step(token, (h, c, read + 5.0, padding))[0]
    assert not torch.allclose(moved, generator.step(token, (h, c, read, padding))[0])


def test_a_generator_of_replies_refuses_data_without_prompts():
    with pytest.raises(ValueError, match="'attention' replies to a prompt.*'tiny-3-3' has none"):
        build("attention", TinyLanguage())


def test_a_generator_from_noise_alone_refuses_prompts():
    with pytest.raises(ValueError, match="'convolutional' writes from noise.*'dialogue-3-3' gives"):
        GENERATORS.make("convolutional", data=TinyDialogue())
