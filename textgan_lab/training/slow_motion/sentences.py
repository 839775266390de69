"""G's half of a step on sentences: noise, words, opinion, loss, credit, update."""

import torch
from torch import Tensor

from ...models.sampling import Rollout, draw, gumbel
from ...objectives.estimators import Continued, Gumbel
from .g_half import GHalf
from .half import rows
from .phase import Choice, Line, Phase, short

TOP = 5  # words shown at each position


class SentencesHalf(GHalf):
    """G's update on sentences, told on the first one of the batch."""

    def _phases(self) -> list[Phase]:
        twin, rollout = self.twin, self.seen["rollout"][-1]
        ids = rollout.ids[0]
        line, _ = self._judged_line("fake", ids)
        relaxed = isinstance(twin.estimator, Gumbel)
        choices = self._choices(rollout, relaxed)
        noise = [next((c.noise for c in at if c.chosen), None) for at in choices]
        s = self._logit()
        return [
            self._noise(line.words, noise, relaxed),
            self._phase(
                "tokens", "words chosen", self._how_chosen(rollout, relaxed), choices=choices,
                values={"log_q": rollout.log_q[0].sum().item()},
            ),
            self._phase(
                "score", "D's opinion",
                f"D reads it{self._how_read()} and answers s = {short(s)}. {self._scale()}",
                values={"s": s}, lines=(line,),
            ),
            self._loss(),
            self._credit(rollout, line),
            self._update(rollout),
        ]  # fmt: skip

    def _noise(self, words: tuple[str, ...], noise: list, relaxed: bool) -> Phase:
        kind = "a Gumbel number for every word" if relaxed else "a uniform number in [0, 1)"
        role = "that of the word that won is shown" if relaxed else "it picks the word"
        known = all(x is not None for x in noise)
        under = {"noise": tuple(noise)} if known else {}
        return self._phase(
            "noise", "noise",
            f"All that differs between two sentences of G is chance: at each position {kind}"
            f"{f' ({role})' if known else ''}.{self._several()}",
            lines=(Line("fake", words, (), under),),
        )  # fmt: skip

    def _how_chosen(self, rollout: Rollout, relaxed: bool) -> str:
        said = "Word after word, G gives every word of the vocabulary a probability. "
        if isinstance(rollout, Continued):
            said = f"The first words, {rollout.kept:.0f} at most, are a real sentence's. {said}"
        if not relaxed:
            return said + "The uniform number falls on one of them, and that word is written."
        said += "To each ln q the word's noise is added, and the largest sum wins. "
        tau = self.twin._applied.values["temperature"]
        soft = f"softmax((ln q + noise) / {short(tau)})"
        if self.twin.estimator.straight_through:
            return said + f"D gets the winner; the gradient goes as if D had got {soft}."
        return said + f"D gets the mixture {soft}; its largest word stands here."

    def _choices(self, rollout: Rollout, relaxed: bool) -> tuple[tuple[Choice, ...], ...]:
        """Return the likeliest words at each position and the chosen one; noise where it is known.

        The noise is drawn again from where the stream stood. That it explains the words chosen is
        checked; a generator that draws in another way is shown without.
        """
        log_p, ids = rollout.log_p.detach(), rollout.ids
        stream = torch.Generator(log_p.device)
        stream.set_state(self.noise)
        n, length, size = log_p.shape
        playing = rollout.mask
        if relaxed:
            met = gumbel((length, n, size), stream, log_p.dtype)
            picked = (log_p + met.transpose(0, 1)).argmax(2)
            first = met[:, 0]
        else:
            u = torch.rand(2, length, n, generator=stream, device=log_p.device)
            picked = torch.stack([draw(log_p[:, t], u[:, t]) for t in range(length)], 1)
            first = u[0, :, :1].expand(length, size)
        known = bool((picked == ids)[playing].all())
        found = []
        for t in range(int(playing[0].sum())):
            chosen = int(ids[0, t])
            top = log_p[0, t].topk(min(TOP, size)).indices.tolist()
            words = top if chosen in top else [*top[:-1], chosen]
            found.append(tuple(
                Choice(
                    self.twin.data.vocabulary[i], log_p[0, t, i].exp().item(),
                    first[t, i].item() if known and (relaxed or i == chosen) else None, i == chosen,
                )
                for i in words if i == chosen or log_p[0, t, i] > -20
            ))  # fmt: skip
        return tuple(found)

    def _credit(self, rollout: Rollout, line: Line) -> Phase:
        if self.twin.estimator.credit is not None:
            return self._rewarded(line)
        return self._pulled(rollout, line)

    def _rewarded(self, line: Line) -> Phase:
        """Show what each word was paid, and what was left of it as a factor of its gradient."""
        estimator, count = self.twin.estimator, len(line.words)
        reward, returns, advantage = (x[0, :count] for x in estimator.credit)
        credit = advantage.tolist()
        under = {
            "reward": reward.tolist(), "baseline": (returns - advantage).tolist(), "credit": credit,
        }  # fmt: skip
        return self._phase(
            "credit", "credit for each word",
            f"{estimator.explained} A positive credit makes the word likelier, a negative one less "
            f"so.",
            formula=f"gradient of the loss = {estimator.formula}",
            values={f"credit.{t}": value for t, value in enumerate(credit)},
            lines=(Line("fake", line.words, tuple(credit), rows(under)),),
        )  # fmt: skip

    def _pulled(self, rollout: Rollout, line: Line) -> Phase:
        """Show D's slope at each word: how much it beats the average one, and what beats it."""
        twin, count = self.twin, len(line.words)
        x = self.seen["on_input"][-1].detach()
        if not x.is_floating_point():
            x = torch.nn.functional.one_hot(x, twin.data.vocab_size).float()
        x = x.requires_grad_()
        value = twin.loss.g(twin.discriminator(x), rollout.mask)
        (slope,) = torch.autograd.grad(value, x)
        slope = len(x) * slope[0, :count]
        legal = twin.data.support.to(slope.device)
        chosen = slope.gather(1, rollout.ids[0, :count, None])[:, 0]
        average = (slope * legal).sum(1) / legal.sum()
        best = slope.masked_fill(~legal, torch.inf).min(1)
        pull = (average - chosen).tolist()
        wished = [twin.data.vocabulary[i] for i in best.indices.tolist()]
        gain = (chosen - best.values).tolist()
        said = (
            "The loss has a slope in every word at every position: to first order, how much lower "
            "it is for this word than for the average one (credit), and which word would lower it "
            "most (gain)."
        )
        if twin.estimator.blocked:
            said += " None of it reaches G: the choice of a word is a step, and its slope is 0."
        under = {"credit": pull, "D would like": wished, "gain": gain}
        return self._phase(
            "credit", "gradient at each word", said,
            formula="credit = mean over words v of d loss / d x_v - d loss / d x_chosen",
            values={f"credit.{t}": value for t, value in enumerate(pull)},
            lines=(Line("fake", line.words, tuple(pull), rows(under)),),
        )  # fmt: skip

    def _update(self, rollout: Rollout) -> Phase:
        ids = rollout.ids[:1]

        @torch.no_grad()
        def log_q() -> Tensor:
            return self.twin.generator.score(ids).log_q[0].double()

        before, after = self._both(log_q)
        words = self._words(ids[0])
        moved, lengths = self._moved()
        old, new = before.sum().item(), after.sum().item()
        verb = "likelier" if new > old else "less likely" if new < old else "no likelier"
        under = {
            "q before": before.exp().tolist()[: len(words)],
            "q after": after.exp().tolist()[: len(words)],
        }
        shades = tuple((after - before).tolist()[: len(words)])
        return self._phase(
            "update", "G moves",
            f"{moved} This same sentence became {verb}: ln q went from {old:.4g} to {new:.4g}.",
            values={**lengths, "log_q": old, "log_q_after": new},
            lines=(Line("fake", words, shades, rows(under)),),
        )  # fmt: skip
