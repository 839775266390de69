"""What an autoencoding G makes up and what it writes again: to D, fakes both."""

import torch

from .contract import ESTIMATORS
from .relaxed import Gumbel


@ESTIMATORS.register("autoencoding")
class Autoencoding(Gumbel):
    """Play half of a batch from the prior, half from the codes of real rows: both must look real.

    A code that was read off a real sentence leads the decoder to where codes of the prior seldom
    do; what it writes there has to please D as well.

    Objective    1/2 E_prior generator(s(x)) + 1/2 E_codes generator(s(x)), x relaxed as by `Gumbel`
    Gradient     reaches the decoder from both halves; codes of real rows are held, so that what
                 reads them learns from its own terms alone, as published
    Batch        n rows in all, the last n // 2 of them under codes of as many real rows: in D's
                 update, rows that D reads beside them. Published are n of each and n real ones, all
                 summed: there the fakes together weigh twice what the real ones do, here as much
    With         remedies that teach what reads: "elbo", "feature_reconstruction"
    Paper        Larsen et al. 2016
    Raises       ValueError for a batch of one
    """

    needs = {"generator": "posterior"}

    def play(self, generator, n, noise, slots, real=None):
        """Let the generator play n relaxed sentences, of which n // 2 say a real one again."""
        made_up = n - n // 2
        if made_up == n:
            raise ValueError(f"{self.name}: expected a batch of at least 2 rows, got {n}")
        rows = real()
        codes = generator.infer(rows[made_up:], noise)[0].detach()
        writer = generator.decoder.under(torch.cat([generator.draw(made_up, noise), codes]))
        given = rows[:, : generator.given] if generator.given else None
        how = slots["temperature"], self.straight_through, given, self.feed == "token"
        return writer.relax(n, noise, *how)
