"""Quality and diversity side by side: what one number about samples hides, two show."""

import math
from collections.abc import Sequence

import pandas
import torch
from torch import Tensor

from ..data.law import PAD, seed
from ..metrics import bleu, compare_laws, self_bleu, unique_ratio
from .probes import without_padding

TYPOS = 0.01  # share of random typing in the law that scores fakes, see `quality`


def quality(
    trainer, temperatures: Sequence[float] = (1.0,), *, n: int = 1000, max_n: int = 4
) -> pandas.DataFrame:
    """Return how good and how diverse a generator's sentences are, one row a temperature.

    Looking leaves no trace in the run. Columns, each on ``n`` fresh sentences:

    ``temperature``            divides the logits of every next token
    ``js``, ``bayes_accuracy`` against the data's law, exact log-probabilities; nats, share
    ``oracle_nll.sentence``    E_q[-ln p~], nats per sentence: what the law makes of the fakes, with
                               p~ = 0.99 p + 0.01 random typing, or one slip would cost infinity
    ``held_out_nll.sentence``  E_p[-ln q], nats per sentence: what the fakes' law makes of test data
    ``possible``               share of fakes with p > 0
    ``unique_ratio``           share of distinct fakes
    ``bleu``, ``self_bleu``    mean BLEU-``max_n`` of fakes against the test data, and of each fake
                               against all others

    Raises  TypeError for data that are points, ValueError for data whose law is not known, for a
            generator whose likelihood is not, and for temperatures that are not above 0
    """
    data, generator = trainer.data, trainer.generator
    if data.kind != "text":
        raise TypeError(f"quality: {data.name!r} is no text")
    if data.law is None:
        raise ValueError(f"quality: the law of {data.name!r} is not known; nothing exact to say")
    if not generator.likelihood:
        raise ValueError(f"quality: generator {generator.name!r} cannot tell how likely a text is")
    for temperature in temperatures:
        if not temperature > 0:
            raise ValueError(f"temperature: expected a number above 0, got {temperature!r}")
    test = data.test.to(trainer.device)
    references, real = without_padding(test), data.law.log_prob(test).cpu()
    rows = []
    with trainer._lock:  # one G for all rows, though a lab may be training it
        for temperature in temperatures:
            source = torch.Generator(trainer.device)
            source.manual_seed(seed(trainer.spec.seed, "quality", trainer.t))
            fake = generator.sample(n, source, temperature)
            log_p = data.law.log_prob(fake).cpu()
            held_out = tempered_log_prob(generator, test, temperature).cpu()
            own = tempered_log_prob(generator, fake, temperature).cpu()
            found = compare_laws(real, held_out, log_p, own)
            sentences = without_padding(fake)
            rows.append(
                {
                    "temperature": temperature,
                    "js": found.js,
                    "bayes_accuracy": found.bayes_accuracy,
                    "oracle_nll.sentence": -with_typos(log_p, fake, data.support).mean().item(),
                    "held_out_nll.sentence": -held_out.mean().item(),
                    "possible": log_p.isfinite().double().mean().item(),
                    "unique_ratio": unique_ratio(sentences),
                    "bleu": bleu(sentences, references, max_n)[max_n],
                    "self_bleu": self_bleu(sentences, max_n)[max_n],
                }
            )
    return pandas.DataFrame(rows)


@torch.no_grad()
def tempered_log_prob(generator, ids: Tensor, temperature: float) -> Tensor:
    """Return exact log q of sentences when every next-token law is q^(1/temperature), normalised.

    Shapes  ids [n, time] -> [n] float64, nats per sentence
    """
    log_q = (generator.score(ids).log_p.double() / temperature).log_softmax(2)
    return (log_q.gather(2, ids[..., None]).squeeze(2) * (ids != PAD)).sum(1)


def with_typos(log_p: Tensor, ids: Tensor, support: Tensor, share: float = TYPOS) -> Tensor:
    """Return log((1 - share) p + share u), u = random typing: each token uniform over ``support``.

    A law again, above 0 on every string of tokens, as the random LSTMs are that published
    ``NLL_oracle`` come from.

    Shapes  log_p [n], ids [n, time] -> [n], nats per sentence

    >>> ids, support = torch.tensor([[4, 2, 0]]), torch.tensor([False, False, True, False, True])
    >>> with_typos(torch.tensor([-math.inf]), ids, support, 0.01).exp()  # 0.01 / 2 / 2
    tensor([0.0025])
    """
    typing = -(ids != PAD).sum(1).to(log_p) * math.log(support.sum())
    return torch.logaddexp(log_p + math.log1p(-share), typing + math.log(share))
