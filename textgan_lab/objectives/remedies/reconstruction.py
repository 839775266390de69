"""Remedies of a G that can read: terms that hold it to real sentences, through its own code.

With the estimator "autoencoding" they make an autoencoding GAN: VAE-GAN, Larsen et al. 2016.
"""

import torch

from ...knobs import Knob
from .contract import REMEDIES, Remedy


@REMEDIES.register("elbo")
class Elbo(Remedy):
    """Hold an autoencoding G to its likelihood bound: reconstruct real rows, pay for the code.

    Formula  the generator's ``nll_loss`` on real rows, nats a token: for a VAE minus the ELBO, its
             KL weighed by beta
    Paper    Larsen et al. 2016, where a distance of features replaces the reconstruction
    """

    kinds = ("text",)
    needs = {"generator": "reconstruct"}

    def __init__(self, *, weight: float = 1.0):
        self.knob = Knob(
            "elbo.weight",
            weight,
            (0.0, 1000.0),
            "how hard G is held to its likelihood bound",
            unit="per nat a token",
            player="g",
            scale="log",
            slider=(0.001, 100.0),
        )

    def g_term(self, move):
        """Return what the likelihood phase minimises, on fresh real rows."""
        return move.g.nll_loss(move.real(), move.noise, None)


@REMEDIES.register("feature_reconstruction")
class FeatureReconstruction(Remedy):
    """Bring what G writes from the code of a real row near to that row, as D's features see both.

    Formula  1/2 ||f(x) - f(x~)||^2, f D's features, summed; mean over rows; x~ is drawn under the
             code of x, word by word, straight through at ``temperature``
    Paper    Larsen et al. 2016: the log-density of f(x) under N(f(x~), I), but for a constant
    """

    kinds = ("text",)
    needs = {"generator": "reconstruct", "discriminator": "features"}

    def __init__(self, *, weight: float = 0.01, temperature: float = 1.0):
        if not temperature > 0:
            raise ValueError(
                f"feature_reconstruction: temperature must be above 0, got {temperature!r}"
            )
        self.temperature = temperature
        self.knob = Knob(
            "feature_reconstruction.weight",
            weight,
            (0.0, 1000.0),
            "how near D's features of a reconstruction must come",
            player="g",
            scale="log",
            slider=(0.001, 100.0),
        )

    def g_term(self, move):
        """Return half the mean squared distance of D's features; D is only read."""
        real = move.real()
        temperature = torch.full((), self.temperature, device=real.device)
        again = move.g.reconstruct(real, move.noise, temperature, straight_through=True)
        with torch.no_grad():
            wanted = move.d.features(real)
        return (move.d.features(again.x) - wanted).square().sum(1).mean() / 2
