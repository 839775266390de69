"""A generator that reads the memory of its judge: MemoryGAN's."""

import torch
from torch import Tensor, nn

from ..models.generators import GENERATORS
from ..models.memory import MemoryDiscriminator
from ..models.sampling import Rollout, draw
from .coding import Decoder


@GENERATORS.register("keyed")
class KeyedGenerator(nn.Module):
    """An LSTM that writes each sentence under a key from D's memory of real ones.

    D's real slots are clusters of what it has seen; the key says which of them to write.

    Formula  q(x) = sum_c P(c) q(x | K_c) over D's slots, P(c) in proportion to h_c v_c: how often
             the slot was met, 0 for one of fakes. Slots are few, so `score` knows q exactly, in as
             many passes; what is played comes with ln q(x | K) of its own key
    Holds    D's memory, and is no owner of it: as D's slots move, so does q
    Learns   in the likelihood phase -ln q(x | K), K drawn as for writing: in the mean at least
             -ln q. D has seen nothing then, so that its keys are noise, and G learns past them;
             what they mean it learns in play, by the remedy "key_information"
    Paper    Kim, Kim & Kim 2018, whose G reads a vector of noise as well; here words are drawn
    Raises   ValueError for keys of another size than D's
    """

    kind = "text"
    likelihood = False  # of no use to an estimator: words are drawn under a key, not from q
    needs = {"discriminator": "remember"}
    memory: MemoryDiscriminator | None = None

    def __init__(self, data, *, embedding: int = 32, hidden: int = 64, key: int = 32):
        super().__init__()
        self.decoder = Decoder(data, key, embedding=embedding, hidden=hidden)
        self.given, self.key = self.decoder.given, key

    def consult(self, memory: MemoryDiscriminator) -> None:
        """Take keys from this memory from now on."""
        size = memory.keys.shape[1]
        if size != self.key:
            raise ValueError(
                f"generator 'keyed' reads keys of {self.key} numbers, and D's memory has keys of "
                f"{size}: set the option 'key' of both alike"
            )
        # past nn.Module, which would make D's weights ours
        object.__setattr__(self, "memory", memory)

    def draw(self, n: int, noise: torch.Generator) -> Tensor:
        """Draw keys to write under, [n, key]; ValueError before there is a memory to read."""
        if self.memory is None:
            raise ValueError("generator 'keyed' has no memory to draw keys from: consult() one")
        u = torch.rand(n, 2, 1, generator=noise, device=self.memory.keys.device)
        return self.memory.keys[draw(self.memory.log_prior[None], u).squeeze(1)]

    @torch.no_grad()
    def sample(
        self,
        n: int,
        generator: torch.Generator,
        temperature: float = 1.0,
        given: Tensor | None = None,
    ) -> Tensor:
        """Draw ids [n, time]; ``temperature`` divides the logits of the tokens, not of keys."""
        return self._writer(n, generator).sample(n, generator, temperature, given)

    def play(self, n: int, generator: torch.Generator, given: Tensor | None = None) -> Rollout:
        """Draw a rollout of hard tokens."""
        writer = self._writer(n, generator)
        return _signed(writer.play(n, generator, given), writer)

    def relax(
        self,
        n: int,
        generator: torch.Generator,
        temperature: Tensor,
        straight_through: bool,
        given: Tensor | None = None,
    ) -> Rollout:
        """Draw a rollout of simplex points, as `Autoregressive.relax`."""
        writer = self._writer(n, generator)
        return _signed(writer.relax(n, generator, temperature, straight_through, given), writer)

    def score(self, ids: Tensor) -> Rollout:
        """Return given sentences as a rollout whose ``log_q`` is exact: keys are summed over.

        Formula  q(x_t | x_<t) = sum_c P(c | x_<t) q(x_t | x_<t, K_c)
        """
        return Rollout(ids, ids, lambda: self._mixed(ids), self.given)

    def _mixed(self, ids: Tensor) -> Tensor:
        joint = known = None  # ln q(x_t, x_<t) for every x_t, and ln q(x_<t)
        for key, log_prior in zip(self.memory.keys, self.memory.log_prior, strict=True):
            said = self.decoder.under(key.expand(len(ids), -1)).score(ids)
            before = log_prior + said.log_q.cumsum(1) - said.log_q
            both = before[..., None] + said.log_p
            joint = both if joint is None else torch.logaddexp(joint, both)
            known = before if known is None else torch.logaddexp(known, before)
        return joint - known[..., None]

    def log_prob(self, ids: Tensor) -> Tensor:
        """Return exact ln q of whole sentences, [batch], nats, float64 sums."""
        return self.score(ids).log_q.double().sum(1)

    def nll_loss(self, ids: Tensor, noise: torch.Generator, rows: Tensor | None = None) -> Tensor:
        """Return -ln q(x | K) of real sentences under keys drawn for them, nats a token."""
        return self._writer(len(ids), noise).nll_loss(ids, noise, rows)

    def _writer(self, n: int, noise: torch.Generator) -> Decoder:
        return self.decoder.under(self.draw(n, noise))


def _signed(rollout: Rollout, writer: Decoder) -> Rollout:
    """Let a rollout say under which keys it was written."""
    rollout.key = writer.code
    return rollout
