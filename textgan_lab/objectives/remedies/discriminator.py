"""Remedies that change what D reads, what it is told, or how large its weights may be."""

import torch
import torch.nn.functional as F

from ...knobs import Knob
from ..losses import mean
from .contract import REMEDIES, Remedy, simplex


@REMEDIES.register("input_noise")
class InputNoise(Remedy):
    """Gaussian noise on D's input, real and fake: it makes their supports overlap.

    Formula  D(x + sigma * n), n standard normal per coordinate of the simplex point
    Watch    D* is then ln p/q of the noised laws, nearer to 0; importance weights of sentences are
             not to be had from it, and estimators that need them do without this remedy
    Paper    Sonderby et al. 2017; Arjovsky & Bottou 2017
    """

    always = True
    states = False
    log_odds = False

    def __init__(self, *, std: float = 0.0):
        self.knob = Knob(
            "d_noise",
            std,
            (0.0, 10.0),
            "noise on what D reads",
            unit="std",
            player="d",
            slider=(0.0, 1.0),
        )

    def on_input(self, x, vocab_size, strength, noise):
        """Add the noise; ids become simplex points first."""
        x = simplex(x, vocab_size)
        n = torch.randn(x.shape, generator=noise, device=x.device, dtype=x.dtype)
        return x + strength.to(x.dtype) * n


@REMEDIES.register("label_smoothing")
class LabelSmoothing(Remedy):
    """One-sided label smoothing: real sentences carry the label 1 - epsilon.

    Formula  softplus(-s) + epsilon s, which is the cross-entropy with that label
    Watch    D* is then ln (1 - epsilon) p / (q + epsilon p), no longer the density ratio ln p/q:
             estimators that weigh sentences by it do without this remedy, and forward_kl, whose
             pull exp(s) then ends at (1 - epsilon) / epsilon, covers modes less than its name says
    Paper    Salimans et al. 2016
    """

    always = True
    binary_only = True
    log_odds = False

    def __init__(self, *, epsilon: float = 0.0):
        self.knob = Knob(
            "label_smoothing",
            epsilon,
            (0.0, 0.5),
            "real label is 1 minus this",
            player="d",
        )

    def d_term(self, play):
        """Return the mean real logit, which epsilon then weighs."""
        return mean(play.real_logits, play.real_mask)


@REMEDIES.register("weight_clipping")
class WeightClipping(Remedy):
    """Keep every weight of D within [-c, c], biases and embeddings included: its slope is bounded.

    Formula  w <- min(max(w, -c), c) after each of D's updates; c = 0 does not clip at all
    Watch    the bound on the slope grows with width and depth, and most weights end at +-c: D
             becomes a simpler function than it could be
    Paper    Arjovsky, Chintala & Bottou 2017 (c = 0.01, with RMSprop); CSGAN-NMT has c = 1
    """

    def __init__(self, *, bound: float = 0.01):
        self.knob = Knob(
            "weight_clipping.bound",
            bound,
            (0.0, 1000.0),
            "largest size of a weight of D; 0: no bound",
            player="d",
            scale="log",
            slider=(0.001, 10.0),
        )

    def on_weights(self, weights, strength):
        """Clip them."""
        bound = strength.to(weights.dtype)
        weights.clamp_(-bound, bound)


@REMEDIES.register("output_decay")
class OutputDecay(Remedy):
    """Pull D's output layer towards 0; the rest of D is free, and its features may grow instead.

    Formula  1/2 (||w||^2 + b^2), w and b of the layer that turns features into the logit
    Paper    Yu et al. 2017, whose release has weight 0.2 on the two logits of a softmax, beside the
             mean over real and fake rows. That is 0.2 here: two logits of difference s, opposite to
             each other, are half as expensive as s, and a mean of both sides is half their sum
    """

    kinds = ("text",)
    needs = {"discriminator": "output"}

    def __init__(self, *, weight: float = 0.2):
        self.knob = Knob(
            "output_decay.weight",
            weight,
            (0.0, 1000.0),
            "how hard D's output layer is pulled to 0",
            player="d",
            scale="log",
            slider=(0.001, 10.0),
        )

    def d_term(self, play):
        """Return half the squared norm of weights and bias of D's output layer."""
        return sum(p.square().sum() for p in play.d.output.parameters()) / 2


@REMEDIES.register("mismatch")
class Mismatch(Remedy):
    """Show D real replies under prompts of other rows as fakes, so that it must read the prompt.

    Without them D need not look at prompts for as long as fake replies give themselves away, and
    then teaches G nothing about them.

    Formula  E softplus(s(prompt of row i + 1, reply of row i)) over real rows; weighed by w,
             D* = ln p / (q + w r), where r has prompts and replies of p, independent of each other
    Watch    r holds true pairs too, where replies fit several prompts: at q = p D still prefers
             replies that fit few
    Paper    Reed et al. 2016 (weight 1, all fakes together then halved)
    """

    kinds = ("text",)
    binary_only = True
    log_odds = False
    needs = {"data": "given"}

    def __init__(self, *, weight: float = 1.0):
        self.knob = Knob(
            "mismatch.weight",
            weight,
            (0.0, 100.0),
            "how much a wrong prompt counts as a fake",
            player="d",
            scale="log",
            slider=(0.01, 10.0),
        )

    def d_term(self, play):
        """Return the mean of softplus(s) over real replies with prompts of other rows."""
        if len(play.real) < 2:
            raise ValueError("mismatch: expected a batch of at least 2 rows, got 1")
        prompts = play.real[:, : play.given].roll(1, 0)
        wrong = torch.cat([prompts, play.real[:, play.given :]], 1)
        return mean(F.softplus(play.d(wrong)), play.real_mask)
