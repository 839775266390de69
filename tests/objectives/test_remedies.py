"""Remedies: each term against numbers worked out another way; strength 0 changes nothing at all."""

import math

import pytest
import torch
import torch.nn.functional as F
from languages import TinyLanguage, TwoClouds, seeded
from torch import nn

from textgan_lab.knobs import Schedule
from textgan_lab.models import DISCRIMINATORS, GENERATORS, Rollout
from textgan_lab.objectives import ESTIMATORS, LOSSES, REMEDIES
from textgan_lab.objectives.remedies import Move, Play, simplex
from textgan_lab.training import Spec, Trainer

torch.set_num_threads(1)
ON = {"input_noise": {"std": 0.3}, "label_smoothing": {"epsilon": 0.1}}  # the others are on
# the discriminator of published sizes, without them
SMALL = {"seqgan_cnn": {"embedding": 8, "widths": [1, 2], "filters": [8, 8]}}
ASK_FOR_ROWS = {"likelihood", "elbo", "feature_reconstruction"}  # G's terms on fresh real rows


class Answers:
    """Prompts "a" or "b a" and replies of a word, which says what the prompt's first word was."""

    name, kind, law, fingerprint = "answers", "text", None, "answers"
    vocabulary = ["<pad>", "<bos>", "<eos>", "<unk>", "a", "b"]
    vocab_size, given, length = 6, 2, 4
    support = torch.tensor([False, False, True, False, True, True])
    rows = torch.tensor([[0, 4, 4, 2], [5, 4, 5, 2]])
    train, validation, test = rows.repeat(50, 1), rows.repeat(5, 1), rows.repeat(5, 1)

    def decode(self, ids):
        if ids.dim() == 2:
            return [self.decode(row) for row in ids]
        return " ".join(self.vocabulary[i] for i in ids.tolist() if i > 2)


def play_of(d, real, fake, *, mask=None, vocab_size=None, seed=0, given=0):
    logits = d(real), d(fake)
    return Play(d, real, fake, *logits, mask, vocab_size, seeded(seed), given=given)


def move(rollout, *, g=None, real=None, seed=0):
    return Move(g, None, rollout, real, seeded(seed))


def trainer(remedies, *, kind="text", fits=None, schedule=None, data=None, **spec):
    """Build a run with parts that have what the remedy ``fits`` needs."""
    needs = REMEDIES[fits].needs if fits else {}
    if data is None:
        data = Answers() if "data" in needs else TinyLanguage(eos=True)
        data = data if kind == "text" else TwoClouds()
    parts = {} if kind == "text" else {
        "generator": "mlp", "discriminator": "mlp", "estimator": "pathwise",
    }  # fmt: skip
    for what, catalogue in (("generator", GENERATORS), ("discriminator", DISCRIMINATORS)):
        if what in needs:
            name = next(
                name for name, part in catalogue.items()
                if part.kind == kind and getattr(part, needs[what], None)
            )  # fmt: skip
            parts[what] = {name: SMALL.get(name, {})}
    spec = {"batch_size": 8, "probe_every": 0, "device": "cpu", **parts, **spec}
    return Trainer(Spec(data="given", remedies=remedies, **spec), schedule, data=data)


def weights(t):
    return torch.cat([t.game.g.flat, t.game.d.flat])


def kinds():
    return [(name, kind) for name, remedy in REMEDIES.items() for kind in remedy.kinds]


# --- over the whole catalogue --------------------------------------------------------------------


@pytest.mark.parametrize("name, kind", kinds())
def test_strength_zero_changes_no_bit(name, kind):
    none, off = (
        trainer({}, kind=kind, fits=name),
        trainer({name: ON.get(name, {})}, kind=kind, fits=name),
    )
    knob = REMEDIES.make(name, ON.get(name, {})).knob.name
    off.knobs.set({knob: 0.0})
    for t in (none, off):
        list(t.steps(10))
    assert torch.equal(weights(none), weights(off))
    rows = [[{**row} for row in t.telemetry.rows] for t in (none, off)]
    assert rows[0] == rows[1]


@pytest.mark.parametrize("name, kind", kinds())
def test_a_remedy_that_is_on_changes_the_run(name, kind):
    none, on = (
        trainer({}, kind=kind, fits=name),
        trainer({name: ON.get(name, {})}, kind=kind, fits=name),
    )
    for t in (none, on):
        list(t.steps(3))
    assert not torch.equal(weights(none), weights(on))


@pytest.mark.parametrize("name, kind", kinds())
def test_while_turned_off_it_draws_nothing_and_the_other_streams_never_notice(name, kind):
    """Off from step 3 to 6 its noise waits; what D and G draw of data and noise is the same."""
    knob = REMEDIES.make(name, ON.get(name, {})).knob
    schedule = Schedule([[3, knob.name, 0.0], [7, knob.name, knob.default or 0.1]])
    t = trainer({name: ON.get(name, {})}, kind=kind, fits=name, schedule=schedule)
    none = trainer({}, kind=kind, fits=name)
    states = []
    for _ in t.steps(10):
        next(none.steps(1))
        states.append([t.streams[s].get_state() for s in ("remedies", "d_noise")])
        for stream in ("g_noise", "d_dropout", *(["data"] if name not in ASK_FOR_ROWS else [])):
            assert torch.equal(t.streams[stream].get_state(), none.streams[stream].get_state())
    for step in range(3, 7):
        assert all(torch.equal(a, b) for a, b in zip(states[step], states[2], strict=True))


@pytest.mark.parametrize("name, kind", kinds())
def test_twenty_steps_without_nan_over_the_whole_slider(name, kind):
    remedy = REMEDIES.make(name, ON.get(name, {}))
    low, high = remedy.knob.shown
    for strength in {low, high}:
        t = trainer(
            {name: ON.get(name, {})}, kind=kind, fits=name, knobs={remedy.knob.name: strength}
        )
        list(t.steps(20))
        assert weights(t).isfinite().all() and not t.diverged and t.t == 20
        assert all(
            math.isfinite(v) for row in t.telemetry.rows for k, v in row.items() if k != "phase"
        )


@pytest.mark.parametrize("name, kind", kinds())
def test_losses_are_the_sum_of_their_logged_parts(name, kind):
    t = trainer({name: ON.get(name, {})}, kind=kind, fits=name)
    list(t.steps(3))
    for row in t.telemetry.rows:
        for loss in ("d_loss", "g_loss"):
            parts = [v for n, v in row.items() if n.startswith(f"{loss}.")]
            assert row[loss] == pytest.approx(sum(parts), rel=1e-5, abs=1e-6)
    named = [c for c in t.telemetry.columns() if c.endswith(f".{name}")]
    remedy = type(t.remedies[-1])
    acts = [f"{side}_loss.{name}" for side in "dg" if f"{side}_term" in vars(remedy)]
    if name in ("gradient_penalty", "entropy", "label_smoothing"):
        assert named == [f"{'g' if name == 'entropy' else 'd'}_loss.{name}"]
    assert set(named) <= {f"d_loss.{name}", f"g_loss.{name}", *acts}


@pytest.mark.parametrize("name", REMEDIES)
def test_a_strength_is_a_knob_with_zero_in_range_and_a_meaning(name):
    knob = REMEDIES.make(name).knob
    assert knob.bounds[0] == 0 < knob.bounds[1] and knob.meaning
    assert REMEDIES[name].always == (knob.default == 0)
    kind = REMEDIES[name].kinds[0]
    with pytest.raises(ValueError, match=f"knob {knob.name}: -1.0 is outside"):
        trainer({name: {}}, kind=kind, fits=name).knobs.set({knob.name: -1.0})


# --- gradient penalty ----------------------------------------------------------------------------


class Bowl(nn.Module):
    """A smooth critic in double precision, of whole sentences or of tokens."""

    def __init__(self, size, per_token=False):
        super().__init__()
        self.a = nn.Parameter(torch.randn(size, generator=seeded(1), dtype=torch.float64))
        self.per_token = per_token

    def forward(self, x):
        s = torch.tanh(x * self.a).square()
        return s.sum(2) if self.per_token else s.flatten(1).sum(1)


def by_differences(f, x, h=1e-5):
    """The slope of the scalar f at one point x, by central differences."""
    slope = torch.zeros_like(x)
    for i in range(x.numel()):
        step = torch.zeros_like(x).view(-1)
        step[i] = h
        step = step.view_as(x)
        slope.view(-1)[i] = (f(x + step) - f(x - step)) / (2 * h)
    return slope


@pytest.mark.parametrize("shape, per_token", [((2,), False), ((3, 4), False), ((3, 4), True)])
def test_the_gradient_penalty_against_finite_differences(shape, per_token):
    d = Bowl(shape[-1], per_token)
    g = seeded(2)
    real, fake = (torch.rand(5, *shape, generator=g, dtype=torch.float64) for _ in range(2))
    term = REMEDIES.make("gradient_penalty").d_term(play_of(d, real, fake, seed=7))
    u = torch.rand(5, generator=seeded(7), dtype=torch.float64)  # one a sentence
    expected = []
    for i in range(5):
        x = u[i] * real[i] + (1 - u[i]) * fake[i]
        score = lambda x: d(x[None]).mean().item()  # noqa: E731  (mean over time if per token)
        expected.append((by_differences(score, x).square().sum().sqrt().item() - 1) ** 2)
    assert term.item() == pytest.approx(sum(expected) / 5, rel=1e-6)


@pytest.mark.parametrize("name", ["gradient_penalty", "dragan"])
def test_the_slopes_norm_runs_over_time_and_vocabulary_jointly(name):
    """A linear D with slope 1/2 at each of 4 coordinates, 2 tokens x 2 words: norm 1."""
    d = lambda x: x.flatten(1).sum(1) / 2  # noqa: E731
    x = torch.rand(3, 2, 2, generator=seeded(), dtype=torch.float64)
    penalty = REMEDIES.make(name)
    assert penalty.d_term(play_of(d, x, x.flip(0))).item() == pytest.approx(0, abs=1e-15)
    steep = lambda x: 3 * x.flatten(1).sum(1)  # noqa: E731  slope 3 at each of 4: norm 6
    assert penalty.d_term(play_of(steep, x, x.flip(0))).item() == pytest.approx(25)


@pytest.mark.parametrize("name, side", [("r1", "real"), ("r2", "fake")])
@pytest.mark.parametrize("shape, per_token", [((2,), False), ((3, 4), False), ((3, 4), True)])
def test_a_flatness_penalty_against_finite_differences(name, side, shape, per_token):
    d, g = Bowl(shape[-1], per_token), seeded(2)
    play = play_of(d, *(torch.rand(5, *shape, generator=g, dtype=torch.float64) for _ in range(2)))
    score = lambda x: d(x[None]).mean().item()  # noqa: E731  (mean over time if per token)
    slopes = [by_differences(score, x).square().sum().item() for x in getattr(play, side)]
    assert REMEDIES.make(name).d_term(play).item() == pytest.approx(sum(slopes) / 10, rel=1e-6)


def test_ids_are_held_flat_as_one_hot_points():
    d, ids = Bowl(7), torch.tensor([[4, 5, 2], [6, 2, 0]])
    logits = torch.zeros(2)
    for name in ("r1", "r2"):
        from_ids = REMEDIES.make(name).d_term(Play(d, ids, ids, logits, logits, None, 7, seeded()))
        x = simplex(ids, 7)
        assert from_ids.item() == REMEDIES.make(name).d_term(play_of(d, x, x)).item() > 0


def test_ids_are_penalised_as_one_hot_points():
    d = Bowl(7)
    real, fake = torch.tensor([[4, 5, 2], [6, 2, 0]]), torch.tensor([[5, 5, 5], [4, 4, 2]])
    penalty = REMEDIES.make("gradient_penalty")
    logits = torch.zeros(2)
    from_ids = penalty.d_term(Play(d, real, fake, logits, logits, None, 7, seeded(3)))
    one_hot = [simplex(x, 7) for x in (real, fake)]
    assert torch.equal(one_hot[0], F.one_hot(real, 7).float())
    from_points = penalty.d_term(play_of(d, *one_hot, seed=3))
    assert from_ids.item() == from_points.item() > 0


@pytest.mark.parametrize("name", ["gradient_penalty", "dragan"])
def test_a_flat_d_is_penalised_without_nan(name):
    d = Bowl(4)
    with torch.no_grad():
        d.a.zero_()
    x = torch.rand(3, 2, 4, generator=seeded(), dtype=torch.float64)
    term = REMEDIES.make(name).d_term(play_of(d, x, x.flip(0)))
    assert term.item() == 1.0  # (0 - 1)^2
    assert torch.autograd.grad(term, d.a)[0].isfinite().all()


def test_the_penalty_moves_ds_slope_towards_one():
    for scale, grows in ((0.1, True), (5.0, False)):
        layer = nn.Linear(2, 1).double()
        with torch.no_grad():
            layer.weight.copy_(torch.tensor([[scale, 0.0]]))
        d = lambda x: layer(x).squeeze(1)  # noqa: B023, E731
        x = torch.rand(4, 2, generator=seeded(), dtype=torch.float64)
        term = REMEDIES.make("gradient_penalty").d_term(play_of(d, x, x.flip(0)))
        down = -torch.autograd.grad(term, layer.weight)[0][0, 0]
        assert (down > 0) == grows
        assert term.item() == pytest.approx((scale - 1) ** 2)


# --- dragan --------------------------------------------------------------------------------------


@pytest.mark.parametrize("centred", [True, False])
@pytest.mark.parametrize("shape, per_token", [((2,), False), ((3, 4), False), ((3, 4), True)])
def test_the_dragan_penalty_against_finite_differences(shape, per_token, centred):
    d = Bowl(shape[-1], per_token)
    real = torch.rand(5, *shape, generator=seeded(2), dtype=torch.float64)
    fake = torch.full_like(real, torch.nan)  # is no affair of this penalty
    remedy = REMEDIES.make("dragan", {"reach": 0.3, "centred": centred})
    term = remedy.d_term(play_of(d, real, fake, seed=7))
    g = seeded(7)
    u = torch.rand(5, *shape, generator=g, dtype=torch.float64)
    a = torch.rand(5, generator=g, dtype=torch.float64)  # one a row
    std = (real - real.mean()).square().mean().sqrt()  # one number for the batch
    score = lambda x: d(x[None]).mean().item()  # noqa: E731  (mean over time if per token)
    expected = []
    for i in range(5):
        x = real[i] + a[i] * 0.3 * std * (2 * u[i] - 1 if centred else u[i])
        expected.append((by_differences(score, x).square().sum().sqrt().item() - 1) ** 2)
    assert term.item() == pytest.approx(sum(expected) / 5, rel=1e-6)


def test_dragan_looks_on_all_sides_of_the_data_and_its_published_form_on_one():
    """Half the reach of std 1: (-1/2, 1/2) and (0, 1/2), times a; means 0 and 1/8."""
    x = torch.randn(200_000, 1, generator=seeded(1), dtype=torch.float64)
    for centred, mean, low in ((True, 0.0, -0.5), (False, 1 / 8, 0.0)):
        step = REMEDIES.make("dragan", {"centred": centred}).around(x, seeded(2)) - x
        step = step / x.std()
        assert abs(step.mean() - mean) < 5 * step.std() / 200_000**0.5
        assert low <= step.min() < low + 0.01 and 0.49 < step.max() <= 0.5001


def test_dragan_refuses_to_stay_where_it_is():
    with pytest.raises(ValueError, match="dragan: reach must be above 0, got 0"):
        REMEDIES.make("dragan", {"reach": 0})


# --- weight clipping -----------------------------------------------------------------------------


def test_weights_are_clipped_in_place_on_both_sides():
    weights = torch.tensor([-3.0, -0.5, 0.0, 0.2, 9.0])
    view = weights.view(5)
    bound = torch.tensor(0.5, dtype=torch.float64)  # as knobs are on the device
    assert REMEDIES.make("weight_clipping").on_weights(weights, bound) is None
    assert view.tolist() == pytest.approx([-0.5, -0.5, 0.0, 0.2, 0.5])


def test_ds_weights_stay_in_bounds_after_every_step_and_gs_are_left_alone():
    t = trainer({"weight_clipping": {}}, loss="wasserstein", knobs={"d_lr": 0.1})
    before = t.game.g.flat.abs().max()
    for step in t.steps(8):
        if step.t == 3:  # from 4 on
            t.knobs.set({"weight_clipping.bound": 0.05})
        bound = torch.tensor(0.01 if step.t < 4 else 0.05)
        assert t.game.d.flat.abs().max() == bound  # reached, too: the steps are far longer
        for p in t.discriminator.parameters():
            assert (p.abs() <= bound).all()
    assert before > 0.05 and t.game.g.flat.abs().max() > 0.05


# --- output decay --------------------------------------------------------------------------------


def small_seqgan_cnn():
    options = {"embedding": 3, "widths": [1, 2], "filters": [4, 5]}  # 9 features
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        return DISCRIMINATORS.make("seqgan_cnn", options, data=TinyLanguage()).double()


def decay_of(d):
    return REMEDIES.make("output_decay").d_term(Play(d, *[None] * 6, seeded()))


def test_output_decay_is_half_the_squared_norm_of_weights_and_bias():
    d = small_seqgan_cnn()
    with torch.no_grad():
        d.head.weight.copy_(torch.arange(9.0))
        d.head.bias.fill_(-6.0)
    assert decay_of(d).item() == (204 + 36) / 2  # 0 + 1 + 4 + ... + 64 = 204


def test_the_gradient_of_output_decay_against_finite_differences():
    d = small_seqgan_cnn()
    grads = torch.autograd.grad(decay_of(d), [*d.parameters()], materialize_grads=True)
    at = {id(p): g for p, g in zip(d.parameters(), grads, strict=True)}
    for p in d.parameters():
        before = p.detach().clone()

        def value(x, p=p):
            p.data.copy_(x)
            return decay_of(d).item()

        torch.testing.assert_close(by_differences(value, before), at[id(p)], rtol=1e-6, atol=1e-7)
        p.data.copy_(before)
    held = [name for name, p in d.named_parameters() if at[id(p)].any()]
    assert held == ["head.weight", "head.bias"]


def test_output_decay_is_the_published_one_whose_output_are_two_logits():
    """Twice the release's mean of cross-entropies with 0.2 l2 of both logits' weights is ours."""
    g = seeded(5)
    real, fake = (torch.randn(6, 9, generator=g, dtype=torch.float64) for _ in range(2))
    d = small_seqgan_cnn()
    w, b = d.head.weight.detach()[0], d.head.bias.detach()[0]
    both = torch.stack([-w / 2, w / 2]), torch.stack([-b / 2, b / 2])  # fake, real
    labels = torch.tensor([1] * 6 + [0] * 6)
    entropy = F.cross_entropy(torch.cat([real, fake]) @ both[0].T + both[1], labels)
    theirs = entropy + 0.2 * sum(x.square().sum() / 2 for x in both)
    ours = LOSSES["non_saturating"].d(real @ w + b, fake @ w + b, None, None)
    ours = ours + REMEDIES.make("output_decay").knob.default * decay_of(d)
    assert ours.item() == pytest.approx(2 * theirs.item(), abs=1e-12)


def test_the_published_discriminator_is_one_spec():
    knobs = {"d_dropout": 0.25, "d_lr": 0.0}
    t = trainer({"output_decay": {}}, discriminator=SMALL, knobs=knobs)
    values = t.game.d_update()
    norm = t.discriminator.head.weight.square().sum() + t.discriminator.head.bias.square().sum()
    assert values["d_loss.output_decay"].item() == pytest.approx(0.2 * norm.item() / 2, rel=1e-6)


def test_output_decay_holds_the_output_layer_small_in_play():
    norms = []
    for weight in (0.0, 0.2):
        t = trainer(
            {"output_decay": {"weight": weight}}, fits="output_decay", batch_size=32,
            knobs={"d_lr": 0.01},
        )  # fmt: skip
        list(t.steps(60))
        norms.append(t.discriminator.head.weight.norm().item())
    assert norms[1] < norms[0] / 2, norms


def test_output_decay_must_know_the_output_layer():
    said = (
        "remedy 'output_decay' needs 'output' of the discriminator, which 'cnn' lacks: seqgan_cnn"
    )
    with pytest.raises(ValueError, match=said):
        trainer({"output_decay": {}}, discriminator="cnn")


# --- mismatch ------------------------------------------------------------------------------------


def test_wrong_pairs_are_real_replies_under_the_prompt_of_the_row_before():
    """Three rows of a prompt of two tokens; D's logit counts ids, so softplus is by hand."""
    real = torch.tensor([[0, 4, 7, 2], [5, 6, 8, 2], [0, 9, 2, 0]])
    mask = torch.tensor([[False, False, True, True]] * 2 + [[False, False, True, False]])
    read = []

    def d(x):
        read.append(x)
        return x.float() / 10  # a logit a token

    term = REMEDIES.make("mismatch").d_term(play_of(d, real, real, mask=mask, given=2))
    wrong = [[0, 9, 7, 2], [0, 4, 8, 2], [5, 6, 2, 0]]
    assert read[-1].tolist() == wrong
    counted = [0.7, 0.2, 0.8, 0.2, 0.2]
    expected = sum(math.log1p(math.exp(s)) for s in counted) / 5
    assert term.item() == pytest.approx(expected, rel=1e-6)
    points = simplex(real, 10)
    REMEDIES.make("mismatch").d_term(play_of(lambda x: read.append(x) or x.sum((1, 2)), points,
                                             points, given=2))  # fmt: skip
    assert torch.equal(read[-1], simplex(torch.tensor(wrong), 10))


def test_a_batch_of_one_has_no_other_prompt():
    ids = torch.tensor([[4, 5]])
    with pytest.raises(ValueError, match="mismatch: expected a batch of at least 2 rows, got 1"):
        REMEDIES.make("mismatch").d_term(play_of(lambda x: x.sum(1).float(), ids, ids, given=1))


def test_with_wrong_pairs_d_learns_to_read_the_prompt():
    """G's replies are all empty: without wrong pairs, nothing but the reply need be looked at."""
    right, wrong = Answers.rows, torch.tensor([[5, 4, 4, 2], [0, 4, 5, 2]])
    for remedies in ({}, {"mismatch": {}}):
        t = trainer(remedies, data=Answers(), batch_size=32, knobs={"g_steps": 0, "d_lr": 5e-3})
        with torch.no_grad():
            t.generator.head.bias[2] = 50
        list(t.steps(60))
        with torch.no_grad():
            lead = t.discriminator(right).min() - t.discriminator(wrong).max()
        assert (lead > 2) == bool(remedies), lead


# --- likelihood ----------------------------------------------------------------------------------


def test_the_likelihood_term_is_what_the_warm_up_minimises():
    t = trainer({"likelihood": {}})
    rows = t.data.train[:20].contiguous()
    term = REMEDIES.make("likelihood").g_term(move(None, g=t.generator, real=lambda: rows))
    by_hand = -t.generator.log_prob(rows).sum() / (rows != 0).sum()
    assert term.item() == pytest.approx(by_hand.item(), rel=1e-6)
    assert term.item() == t.generator.nll_loss(rows, None, None).item()


def test_only_replies_count_in_the_likelihood_of_pairs():
    t = trainer({"likelihood": {}}, data=Answers())
    term = REMEDIES.make("likelihood").g_term(move(None, g=t.generator, real=lambda: Answers.rows))
    with torch.no_grad():
        log_q = t.generator.logits(Answers.rows).log_softmax(2)
    chosen = [log_q[i, at, Answers.rows[i, at]] for i in range(2) for at in (2, 3)]
    assert term.item() == pytest.approx(-sum(chosen).item() / 4, rel=1e-6)


def test_play_with_the_likelihood_reaches_what_play_alone_does_not():
    data = TinyLanguage(eos=True, pool=2000)
    reached = []
    for remedies in ({}, {"likelihood": {}}):
        t = trainer(remedies, data=data, batch_size=32, knobs={"g_lr": 0.02})
        list(t.steps(50))
        with torch.no_grad():
            log_q = t.generator.log_prob(data.sentences)
        reached.append((data.log_p.exp() * (data.log_p - log_q)).sum().item())  # KL(p, q), exact
    assert reached[1] < 0.1 < reached[0] / 2, reached


# --- what a remedy needs of other parts ----------------------------------------------------------


@pytest.mark.parametrize(
    "name, said",
    [
        (
            "mismatch",
            "remedy 'mismatch' needs 'given' of the data, which 'tiny-3-3' lacks: data of",
        ),
        ("likelihood", "remedy 'likelihood' does not apply to points"),
    ],
)
def test_a_remedy_that_lacks_what_it_needs_says_so(name, said):
    parts = {"generator": "mlp", "discriminator": "mlp", "estimator": "pathwise"}
    points = "points" in said
    spec = Spec(data="given", remedies={name: {}}, device="cpu", **(parts if points else {}))
    with pytest.raises(ValueError, match=said):
        Trainer(spec, data=TwoClouds() if points else TinyLanguage())


def test_a_generator_that_cannot_tell_its_likelihood_is_refused_the_remedy(monkeypatch):
    monkeypatch.setattr(GENERATORS["lstm"], "likelihood", False)
    said = "remedy 'likelihood' needs 'likelihood' of the generator, which 'lstm' lacks: "
    with pytest.raises(ValueError, match=said):
        trainer({"likelihood": {}})


def test_mismatch_needs_a_binary_loss():
    said = "remedy 'mismatch' needs a binary loss, not 'relativistic': saturating"
    with pytest.raises(ValueError, match=said):
        trainer({"mismatch": {}}, data=Answers(), loss="relativistic")


# --- label smoothing, entropy, noise -------------------------------------------------------------


@pytest.mark.parametrize("epsilon", [0.0, 0.1, 0.5])
def test_label_smoothing_is_cross_entropy_with_a_softer_label(epsilon):
    s = torch.randn(9, generator=seeded(), dtype=torch.float64, requires_grad=True)
    play = Play(None, s, s, s, s, None, None, seeded())
    term = REMEDIES.make("label_smoothing").d_term(play)
    ours = LOSSES["non_saturating"].real(s).mean() + epsilon * term
    target = torch.full_like(s, 1 - epsilon)
    theirs = F.binary_cross_entropy_with_logits(s, target)
    assert ours.item() == pytest.approx(theirs.item(), abs=1e-14)
    grads = [torch.autograd.grad(x, s)[0] for x in (ours, theirs)]
    torch.testing.assert_close(*grads, rtol=0, atol=1e-14)


def test_label_smoothing_counts_no_padding():
    s = torch.tensor([[1.0, 100.0], [3.0, 5.0]])
    mask = torch.tensor([[True, False], [True, True]])
    term = REMEDIES.make("label_smoothing").d_term(Play(None, s, s, s, s, mask, None, seeded()))
    assert term.item() == 3.0  # (1 + 3 + 5) / 3


def test_forward_kl_pulls_less_at_a_d_of_softer_labels():
    """D* = ln (1 - e) p / (q + e p): where G writes nothing e^s ends at (1 - e) / e, not at p/q."""
    loss, epsilon = LOSSES["forward_kl"], 0.1
    p = torch.tensor([0.5, 0.3, 0.2 - 1e-12, 1e-12], dtype=torch.float64)
    q = torch.tensor([0.1, 0.3, 1e-12, 0.6 - 1e-12], dtype=torch.float64)
    s = ((1 - epsilon) * p / (q + epsilon * p)).log().requires_grad_()
    d = (p * (loss.real(s) + epsilon * s)).sum() + (q * loss.fake(s)).sum()
    assert torch.autograd.grad(d, s)[0].abs().max() < 1e-12  # there D's smoothed loss is least
    worth = -loss.generator(s.detach())
    assert worth[2].item() == pytest.approx((1 - epsilon) / epsilon, rel=1e-9)
    assert (worth < (1 - epsilon) / epsilon).all() and (p / q)[2] > 1e10
    trainer({"label_smoothing": {"epsilon": epsilon}}, loss="forward_kl")  # is not refused


LOG_ODDS = [name for name in ESTIMATORS if ESTIMATORS.make(name).log_odds]


@pytest.mark.parametrize("estimator", LOG_ODDS)
@pytest.mark.parametrize("remedy", ["label_smoothing", "input_noise", "mismatch"])
def test_who_weighs_by_ln_p_over_q_does_without_what_moves_it(estimator, remedy):
    assert {"maligan", "bgan", "mixed_maligan"} <= set(LOG_ODDS)
    said = (
        f"remedy '{remedy}' moves D's logit away from ln p/q, which estimator '{estimator}' "
        f"reads: leave one of them out"
    )
    with pytest.raises(ValueError, match=said):
        trainer({remedy: {}}, data=Answers(), estimator=estimator)
    knobs = trainer({}, data=Answers(), estimator=estimator).knobs.table
    assert not {"d_noise", "label_smoothing"} & set(knobs)
    trainer({remedy: {}}, data=Answers(), estimator="reinforce")


def test_the_entropy_bonus_by_hand():
    """Entropies ln 2, ln 4 and, after <eos>, one that does not count: mean 1.5 ln 2."""
    log_p = torch.full((1, 3, 7), -1e9, dtype=torch.float64)
    log_p[0, 0, 4:6] = math.log(1 / 2)
    log_p[0, 1, 2:6] = math.log(1 / 4)
    log_p[0, 2] = math.log(1 / 7)
    ids = torch.tensor([[4, 2, 0]])
    term = REMEDIES.make("entropy").g_term(move(Rollout(ids, ids, lambda: log_p)))
    assert term.item() == pytest.approx(-1.5 * math.log(2), abs=1e-12)


def test_the_entropy_bonus_makes_g_less_decided():
    logits = torch.tensor([[[-1e9] * 4 + [2.0, 0.0, 1.0]]], dtype=torch.float64, requires_grad=True)
    ids = torch.tensor([[4]])
    term = REMEDIES.make("entropy").g_term(move(Rollout(ids, ids, lambda: logits.log_softmax(2))))
    with torch.no_grad():
        moved = logits - 0.1 * torch.autograd.grad(term, logits)[0]
    p, q = logits.softmax(2)[0, 0, 4:], moved.softmax(2)[0, 0, 4:]
    assert -(q * q.log()).sum() > -(p * p.log()).sum()


def test_input_noise_is_gaussian_of_the_given_spread_on_every_coordinate():
    ids = torch.randint(4, 7, (4000, 3), generator=seeded(1))
    sigma = torch.tensor(0.3, dtype=torch.float64)
    noisy = REMEDIES.make("input_noise").on_input(ids, 7, sigma, seeded(2))
    noise = noisy - F.one_hot(ids, 7).float()
    n = noise.numel()
    assert noisy.shape == (4000, 3, 7) and noisy.dtype == torch.float32
    assert abs(noise.mean().item()) < 4 * 0.3 / n**0.5
    assert abs(noise.std().item() / 0.3 - 1) < 4 / (2 * n) ** 0.5
    assert abs((noise**4).mean().item() / 0.3**4 - 3) < 4 * (96 / n) ** 0.5  # normal: 3
    spread = noise.flatten(1).T.corrcoef().fill_diagonal_(0)
    assert spread.abs().max() < 5 / 4000**0.5


def test_points_are_read_with_noise_in_their_own_dtype():
    x = torch.zeros(1000, 2)
    noisy = REMEDIES.make("input_noise").on_input(x, None, torch.tensor(2.0), seeded(3))
    assert noisy.dtype == torch.float32 and 1.8 < noisy.std() < 2.2 and (x == 0).all()
