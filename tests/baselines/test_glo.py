"""GLO: one code a sentence, learned only when its row is drawn, and what random codes teach."""

import pytest
import torch
from languages import TinyLanguage, seeded

from textgan_lab.baselines.glo import GLO
from textgan_lab.training import Spec, Trainer

torch.set_num_threads(1)
SMALL = {"latent": 3, "embedding": 4, "hidden": 6}


def build(data=None, **options):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return GLO(data or TinyLanguage(), **{**SMALL, **options})


def trainer(options=None, *, data=None, seed=0, **spec):
    spec = {"mle_steps": 3, "batch_size": 8, "probe_every": 0, "device": "cpu", **spec}
    generator = {"glo": {**SMALL, **(options or {})}}
    return Trainer(
        Spec(data="given", generator=generator, seed=seed, **spec), data=data or TinyLanguage()
    )


@pytest.mark.parametrize("rate", [1.0, 4.0])
def test_codes_lie_in_the_unit_ball(rate):
    g = build(code_rate=rate)
    w = torch.tensor([[0.3, 0.0, 0.4], [3.0, 0.0, -4.0], [0.0, 0.0, 0.0]])
    with torch.no_grad():
        g.table[:3] = w / rate
    expected = torch.tensor([[0.3, 0.0, 0.4], [0.6, 0.0, -0.8], [0.0, 0.0, 0.0]])
    torch.testing.assert_close(g.codes(torch.arange(3)), expected)
    every = torch.linalg.vector_norm(g.codes(), dim=1)
    assert len(every) == 300 and every.max() <= 1 + 1e-6 and (every < 0.999).any()


def test_the_loss_is_that_of_the_rows_under_their_codes():
    g, rows = build(), torch.tensor([7, 0, 7, 250])
    ids = TinyLanguage().train[rows]
    expected = -g.decoder.under(g.codes()[rows]).log_prob(ids).sum() / 12
    assert g.nll_loss(ids, seeded(), rows).item() == pytest.approx(expected.item(), rel=1e-6)
    (grad,) = torch.autograd.grad(g.nll_loss(ids, seeded(), rows), g.table)
    assert grad.abs().sum(1).nonzero().flatten().tolist() == [0, 7, 250]


def test_a_code_learns_only_after_its_row_was_drawn():
    t = trainer(remedies={})
    drawn, draw = set(), t.game.draw

    def watched():
        rows = draw()
        drawn.update(rows.tolist())
        return rows

    t.game.draw = watched
    before = t.generator.table.detach().clone()
    list(t.steps(3))
    moved = (t.generator.table != before).any(1).nonzero().flatten().tolist()
    assert moved == sorted(drawn) and 8 < len(moved) <= 24


def test_a_rate_is_a_factor_on_adams_steps():
    steps = []
    for rate in (1.0, 5.0):
        t = trainer({"code_rate": rate}, mle_steps=1)
        with torch.no_grad():
            t.generator.table.mul_(0.01)  # deep inside the ball
        before = t.generator.codes().detach()
        list(t.steps(1))
        steps.append((t.generator.codes().detach() - before).abs().amax().item())
    assert steps[1] == pytest.approx(5 * steps[0], rel=0.01)


def test_new_codes_have_mean_and_covariance_of_the_learned():
    g, n = build(), 40_000
    with torch.no_grad():
        g.table[:, 1] = 0.8 * g.table[:, 0] + 0.3
    codes, drawn = g.codes().detach(), g.draw(n, seeded(1))
    assert not drawn.requires_grad
    se = codes.std(0) / n**0.5
    assert ((drawn.mean(0) - codes.mean(0)).abs() < 4 * se).all()
    expected = torch.cov(codes.t(), correction=0)
    torch.testing.assert_close(torch.cov(drawn.t()), expected, rtol=0.05, atol=0.004)


def test_fixed_codes_stay():
    t = trainer({"learn_codes": False})
    before = t.generator.table.clone()
    assert "table" not in dict(t.generator.named_parameters())
    assert torch.equal(before, trainer().generator.table)  # the same first codes
    list(t.steps(3))
    assert torch.equal(t.generator.table, before)


def test_learned_codes_tell_sentences_apart_and_random_ones_do_not():
    """Training NLL of a decoder that sees codes alone, and the share of its sentences that exist.

    Law: twelve sentences of sixty-four, so that guessing a sentence word by word fails.
    """
    data = Few()
    for seed in range(3):
        found = {}
        for learn in (True, False):
            options = {"hidden": 24, "reads": False, "learn_codes": learn}
            t = trainer(
                options, data=data, seed=seed, mle_steps=250, batch_size=64, knobs={"mle_lr": 1e-2}
            )
            list(t.steps(250))
            losses = [row["mle_loss"] for row in t.telemetry.rows]
            ids = t.generator.sample(1000, seeded(1))
            possible = data.law.log_prob(ids).isfinite().double().mean().item()
            found[learn] = sum(losses[-20:]) / 20, possible
        (learned, real), (fixed, noise) = found[True], found[False]
        assert learned < 0.3 * fixed, found
        assert real > noise + 0.2, found


class Few(TinyLanguage):
    """Twelve of the sixty-four sentences of three words among four."""

    def __init__(self):
        super().__init__(words=4, pool=400)
        kept = torch.randperm(len(self.sentences), generator=seeded(8))[:12]
        self.sentences, self.log_p = self.sentences[kept], self.log_p[kept].log_softmax(0)
        self.train = self.sample(400, seeded(9))


def test_a_rate_of_nothing_is_refused():
    with pytest.raises(ValueError, match="glo: code_rate must be above 0, got 0.0"):
        build(code_rate=0.0)
