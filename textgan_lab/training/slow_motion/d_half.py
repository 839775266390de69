"""D's half of a step, in phases."""

from typing import Any

import torch
from torch import Tensor

from ...models.sampling import Rollout
from ...objectives.losses import mean
from .half import Half, math_of
from .phase import Line, Phase, short
from .plane import plane


class DHalf(Half):
    """What D is shown, what it says, what it pays, and how it moves."""

    player = "d"
    observed = ("batch", "rollout", "judged")

    def _phases(self) -> list[Phase]:
        twin, play = self.twin, self.seen["judged"][-1]
        real, fake = self.seen["batch"][-1], self.seen["rollout"][-1]
        what = "sentence" if self._text else "point"
        shown_here = (
            "first pair stands here" if self._text else "batch is shown, the first pair read"
        )
        s_real, s_fake = self._logits(play)
        loss, count = twin.loss, len(real)
        at_real = mean(loss.real(play.real_logits), play.real_mask).item()
        at_fake = mean(loss.fake(play.fake_logits), fake.mask).item()
        terms = self._terms()
        total = self.values["d_loss"]
        pair = (
            self._alone(loss.real, play.real_logits, play.real_mask),
            self._alone(loss.fake, play.fake_logits, fake.mask),
        )
        names = [
            f"mean over real of {math_of(loss.real)}",
            f"mean over fake of {math_of(loss.fake)}",
        ]
        formula = (
            f"d_loss = {' + '.join([*names, *(name for name, _ in terms)])}\n"
            f"       = {' + '.join(map(short, (at_real, at_fake, *(v for _, v in terms))))}"
            f" = {short(total)}\n"
            f"this pair: {short(pair[0])} for the real one, {short(pair[1])} for the fake one"
        )
        moved, lengths = self._moved()
        clean, clean_after = self._both(
            lambda: self._asked(real, fake.ids if self._text else fake.x)
        )
        shown = {"s_real": s_real, "s_fake": s_fake}
        return [
            self._phase(
                "samples", "what D is shown",
                f"The data hand over a real {what} and G makes a fake one; {count} of each, the "
                f"{shown_here}.{self._several()}",
                **self._picture(real, fake, judged=False),
            ),
            self._phase(
                "score", "D's opinion",
                f"D reads each{self._how_read()} and answers with a number s: {short(s_real)} for "
                f"the real one, {short(s_fake)} for the fake one. {self._scale()}",
                values=shown, **self._picture(real, fake, judged=True),
            ),
            self._phase(
                "loss", "D's loss",
                f"D is paid for a large s on real and a small s on fake: the mean over {count} of "
                f"each, and the gradient of that sum says how to do better.",
                formula=formula, values={
                    "d_loss": total, "real": at_real, "fake": at_fake,
                    "real.first": pair[0], "fake.first": pair[1],
                },
            ),
            self._phase(
                "update", "D moves",
                f"{moved} On the same clean pair its s goes from {short(clean[0])} to "
                f"{short(clean_after[0])} for the real one, from {short(clean[1])} to "
                f"{short(clean_after[1])} for the fake one.",
                values={
                    **lengths, "s_real": clean[0], "s_real_after": clean_after[0],
                    "s_fake": clean[1], "s_fake_after": clean_after[1],
                },
                **self._afterwards(real, fake),
            ),
        ]  # fmt: skip

    def _logits(self, play) -> tuple[float, float]:
        """Return D's logits on the first pair, at its end where there is one a token."""
        pair = []
        masks = (play.real_mask, self.seen["rollout"][-1].mask)
        for s, mask in zip((play.real_logits, play.fake_logits), masks, strict=True):
            pair.append(s[0].item() if s.dim() == 1 else s[0, mask[0].nonzero()[-1]].item())
        return pair[0], pair[1]

    @torch.no_grad()
    def _asked(self, real: Tensor, fake: Tensor) -> tuple[float, float]:
        answers = []
        for x in (real[:1], fake[:1]):
            s = self.twin.discriminator(x)
            last = 0 if s.dim() == 1 else (0, int((x[0] != 0).sum()) - 1)
            answers.append(s[last].item())
        return answers[0], answers[1]

    def _picture(self, real: Tensor, fake: Rollout, judged: bool) -> dict[str, Any]:
        if not self._text:
            dots = {"real": real, "fake": fake.x}
            return {"plane": plane(dots, self.twin.discriminator if judged else None)}
        pair = (("real", real[0]), ("fake", fake.ids[0]))
        if not judged:
            return {"lines": tuple(Line(label, self._words(ids)) for label, ids in pair)}
        return {"lines": tuple(self._judged_line(label, ids)[0] for label, ids in pair)}

    def _afterwards(self, real: Tensor, fake: Rollout) -> dict[str, Any]:
        self._at(self.after)
        picture = self._picture(real, fake, judged=True)
        self._at(self.before)
        return picture
