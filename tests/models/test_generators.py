"""Generators: exact likelihood on languages small enough to enumerate, and what they draw."""

import pytest
import torch
from dialogues import TinyDialogue
from languages import BOS, EOS, PAD, UNK, Frames, TinyLanguage, chi_square, seeded

from textgan_lab.models import GENERATORS
from textgan_lab.models.sampling import gumbel

torch.set_num_threads(1)
TEXT = [name for name, part in GENERATORS.items() if part.kind == "text"]
PAIRED = [name for name in TEXT if getattr(GENERATORS[name], "paired", False)]
WRITERS = [name for name in TEXT if GENERATORS[name].likelihood and name not in PAIRED]
POINTS = [name for name, part in GENERATORS.items() if part.kind == "points"]
DIALOGUE = TinyDialogue().prompts.repeat(10, 1)


def build(name, data, seed=0, scale=2.0):
    """Build a generator with weights so large that its law is far from uniform."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        generator = GENERATORS.make(name, data=data)
    with torch.no_grad():
        for p in generator.parameters():
            p.mul_(scale)
    return generator


def test_every_generator_says_what_it_plays():
    assert sorted([*TEXT, *POINTS]) == sorted(GENERATORS) and TEXT and POINTS
    assert {"lstm", "transformer", "relational"} <= {*WRITERS} and "attention" in PAIRED


@pytest.fixture(params=[False, True], ids=["cut", "eos"])
def language(request):
    return TinyLanguage(eos=request.param)


@pytest.fixture(params=WRITERS)
def generator(request, language):
    return build(request.param, language)


def test_probabilities_sum_to_one_over_everything_it_can_write(generator, language):
    double = generator.double()
    q = double.log_prob(language.playable).exp()
    assert len(q) == (40 if language.support[EOS] else 27)
    assert q.sum().item() == pytest.approx(1, abs=1e-12)
    assert q.dtype == torch.float64 and q.min() < 0.5 / len(q)  # far from uniform, as it should be


def test_single_precision_is_good_to_six_digits(generator, language):
    q = generator.log_prob(language.playable).exp()
    assert q.sum().item() == pytest.approx(1, abs=1e-5)
    exact = generator.double().log_prob(language.playable).exp()
    torch.testing.assert_close(q, exact, rtol=1e-4, atol=1e-6)


def test_frequencies_are_the_probabilities(generator, language):
    n = 30_000
    ids = generator.sample(n, seeded(1))
    hits = (ids[:, None] == language.playable).all(2)
    assert hits.any(1).all(), "a string that cannot be written"
    expected = generator.double().log_prob(language.playable).exp() * n
    assert chi_square(hits.sum(0), expected) > 1e-4


def test_play_and_score_agree_on_what_was_played(generator):
    rollout = generator.play(50, seeded(2))
    scored = generator.score(rollout.ids)
    assert torch.equal(rollout.log_q, scored.log_q) and rollout.log_q.requires_grad
    by_hand = rollout.log_p.double().exp()
    torch.testing.assert_close(by_hand.sum(2), torch.ones(50, 3).double(), rtol=0, atol=1e-6)
    assert torch.equal(rollout.ids, generator.sample(50, seeded(2)))


def test_relaxed_rollouts_score_like_their_ids_when_straight_through(generator):
    rollout = generator.relax(50, seeded(3), torch.tensor(0.7), straight_through=True)
    scored = generator.score(rollout.ids)
    torch.testing.assert_close(rollout.log_q, scored.log_q, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("straight_through", [False, True])
def test_a_soft_rollout_that_is_fed_tokens_scores_like_its_ids(generator, straight_through):
    """Fed its own points, ln q is that of no sentence; fed tokens, words do not see soft ones."""
    draw = seeded(3), torch.tensor(0.7), straight_through
    rollout = generator.relax(50, *draw, feed_tokens=True)
    scored = generator.score(rollout.ids)
    torch.testing.assert_close(rollout.log_q, scored.log_q, rtol=1e-5, atol=1e-5)
    own = generator.relax(50, seeded(3), torch.tensor(0.7), straight_through)
    assert torch.equal(own.x[:, 0], rollout.x[:, 0])
    off = (own.log_q - generator.score(own.ids).log_q).abs().max()
    assert (off < 1e-4) == straight_through


def test_the_gradient_of_a_word_stays_at_its_position_where_tokens_are_fed(language):
    """The embedding is read as hard tokens only, so what reaches it of the last point is what

    teacher forcing on the same words gives.
    """
    generator = build("lstm", language)
    weights = torch.randn(language.vocab_size, generator=seeded(10))
    noise = gumbel((3, 40, language.vocab_size), seeded(3), torch.float32)
    rollout = generator.relax(40, seeded(3), torch.tensor(0.7), False, feed_tokens=True)
    forced = ((generator.logits(rollout.ids)[:, 2] + noise[2]) / 0.7).softmax(1)
    open_ = rollout.mask[:, 2]
    assert open_.any()
    grads = [
        torch.autograd.grad((y[open_] @ weights).sum(), list(generator.parameters()))
        for y in (rollout.x[:, 2], forced)
    ]
    for ours, theirs in zip(*grads, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)


def test_nothing_follows_eos_and_nothing_outside_the_support_occurs(generator, language):
    for ids in (
        generator.sample(2000, seeded(4)),
        generator.relax(2000, seeded(5), torch.tensor(1.0), straight_through=False).ids,
    ):
        ended = (ids == EOS).cumsum(1) - (ids == EOS).long() > 0
        assert torch.equal(ids == PAD, ended)
        assert not ((ids == BOS) | (ids == UNK)).any()
        assert language.support[ids[~ended]].all()
        assert ended.any() == language.support[EOS]


def test_a_word_outside_the_support_has_probability_zero(language):
    language.support[5] = False
    for name in WRITERS:
        generator = build(name, language)
        said = (language.playable == 5).any(1)
        q = generator.double().log_prob(language.playable).exp()
        assert torch.equal(q[said], torch.zeros_like(q[said]))
        assert q.sum().item() == pytest.approx(1, abs=1e-12)
        assert not (generator.sample(2000, seeded(1)) == 5).any()


def test_all_positions_at_once_are_as_step_by_step(generator, language):
    """In a batch of everything it can write, ends and padding included."""
    generator.double()
    at_once = generator.logits(language.playable)
    generator.one_pass = False
    stepwise = generator.logits(language.playable)
    torch.testing.assert_close(at_once, stepwise, rtol=0, atol=1e-12)


def test_logits_read_only_what_came_before(generator):
    ids = torch.tensor([[4, 5, 6], [4, 6, 5], [5, 5, 6]])
    logits = generator.logits(ids)
    torch.testing.assert_close(logits[0, :2], logits[1, :2], rtol=0, atol=0)
    torch.testing.assert_close(logits[0, :1], logits[2, :1], rtol=0, atol=0)
    assert not torch.allclose(logits[0, 2], logits[1, 2])
    assert not torch.allclose(logits[0, 1], logits[2, 1])


def test_temperature_zero_plays_the_likeliest_token_every_time(generator, language):
    ids = generator.sample(20, seeded(6), temperature=0)
    assert torch.equal(ids, ids[:1].expand_as(ids))
    row, logits = ids[:1], generator.logits(ids[:1])
    best = logits.argmax(2)
    counted = row != PAD
    assert torch.equal(row[counted], best[counted])


def test_temperature_divides_the_logits(generator, language):
    n, temperature = 20_000, 2.5
    first = generator.sample(n, seeded(7), temperature)[:, 0]
    p = (generator.double().logits(language.playable[:1])[0, 0] / temperature).softmax(0)
    assert chi_square(torch.bincount(first, minlength=len(p)), n * p) > 1e-4


@pytest.mark.parametrize("temperature", [0.05, 1.0, 5.0])
def test_soft_points_lie_on_the_simplex(generator, temperature):
    rollout = generator.relax(64, seeded(8), torch.tensor(temperature), straight_through=False)
    torch.testing.assert_close(rollout.x.sum(2), torch.ones(64, 3), rtol=0, atol=1e-5)
    assert (rollout.x >= 0).all() and torch.equal(rollout.x.argmax(2), rollout.ids)
    after = rollout.ids == PAD
    assert torch.equal(rollout.x[after][:, PAD], torch.ones(int(after.sum())))


def test_straight_through_hands_on_exactly_the_token(generator, language):
    rollout = generator.relax(64, seeded(9), torch.tensor(1.0), straight_through=True)
    one_hot = torch.nn.functional.one_hot(rollout.ids, language.vocab_size).float()
    assert torch.equal(rollout.x.detach(), one_hot)
    weights = torch.randn(rollout.x.shape, generator=seeded(10))
    grads = torch.autograd.grad((rollout.x * weights).sum(), list(generator.parameters()))
    assert all(g.abs().sum() > 0 for g in grads)


def test_the_straight_through_gradient_is_that_of_the_soft_point(language):
    """At the last position, where nothing is fed back: same noise, same gradient on the head."""
    short = TinyLanguage(length=1, eos=bool(language.support[EOS]))
    for name in WRITERS:
        generator = build(name, short)
        weights = torch.randn(30, 1, short.vocab_size, generator=seeded(11))
        grads = []
        for hard in (False, True):
            x = generator.relax(30, seeded(12), torch.tensor(0.8), straight_through=hard).x
            loss = (x * weights).sum()
            grads.append(torch.autograd.grad(loss, generator.head.weight)[0])
        torch.testing.assert_close(grads[0], grads[1], rtol=1e-5, atol=1e-6)


def test_lower_temperature_is_closer_to_hard_tokens(generator):
    largest = []
    for t in (5.0, 1.0, 0.1):
        rollout = generator.relax(256, seeded(13), torch.tensor(t), straight_through=False)
        largest.append(rollout.x[:, 0].amax(1).mean().item())
    assert largest[0] < largest[1] < largest[2] > 0.95


def test_the_first_relaxed_token_follows_the_softmax(generator, language):
    n = 20_000
    ids = generator.relax(n, seeded(14), torch.tensor(1.0), straight_through=True).ids[:, 0]
    p = generator.double().logits(language.playable[:1])[0, 0].softmax(0)
    assert chi_square(torch.bincount(ids, minlength=len(p)), n * p) > 1e-4


ALONE = [name for name, part in GENERATORS.items() if not getattr(part, "needs", {})]


@pytest.mark.parametrize("name", ALONE)
def test_a_draw_depends_on_its_stream_alone(name):
    data = TinyLanguage() if name in TEXT else Frames()
    data, given = (TinyDialogue(), DIALOGUE) if name in PAIRED else (data, None)
    generator, before = build(name, data), torch.get_rng_state()
    a, b, c = (generator.sample(40, seeded(s), given=given) for s in (1, 1, 2))
    assert torch.equal(a, b) and not torch.equal(a, c)
    assert not a.requires_grad and torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("name", POINTS)
def test_points_are_differentiable_in_the_weights(name):
    data = Frames()
    generator = build(name, data, scale=1.0)
    rollout = generator.play(32, seeded(1))
    assert rollout.x.shape == (32, data.dim) and rollout.ids is None
    grads = torch.autograd.grad(rollout.x.sum(), list(generator.parameters()))
    assert all(g.abs().sum() > 0 for g in grads)
    assert torch.equal(rollout.x.detach(), generator.sample(32, seeded(1)))


def test_an_lstm_starts_from_a_normal_law_where_asked(language):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        options = {"hidden": 64, "init_std": 0.1}
        generator = GENERATORS.make("lstm", options, data=language)
    for name, p in generator.named_parameters():
        if p.numel() > 200:
            assert p.mean().item() == pytest.approx(0, abs=0.4 / p.numel() ** 0.5), name
            assert p.std().item() == pytest.approx(0.1, rel=3 / (2 * p.numel()) ** 0.5), name
    with pytest.raises(ValueError, match="init_std: expected a number above 0"):
        GENERATORS.make("lstm", {"init_std": 0.0}, data=language)
