"""G's half of a step on points: noise, points, opinion, loss, gradient, update."""

import torch

from .g_half import GHalf
from .phase import Phase, short
from .plane import plane


class PointsHalf(GHalf):
    """G's update on points, told on the whole batch."""

    def _phases(self) -> list[Phase]:
        twin, rollout = self.twin, self.seen["rollout"][-1]
        d, fake, real = twin.discriminator, rollout.x.detach(), twin.data.validation[:256]
        z = torch.randn(
            len(fake), twin.generator.latent, generator=self._stream(), device=fake.device
        )
        x = self.seen["on_input"][-1].detach().requires_grad_()
        (slope,) = torch.autograd.grad(twin.loss.g(d(x)), x)
        pull = -len(x) * slope
        before, after = self._both(lambda: twin.generator.sample(len(fake), self._stream()))
        moved, lengths = self._moved()
        s = self._logit()
        dots = {"real": real, "fake": fake}
        mean_pull = torch.linalg.vector_norm(pull, dim=1).mean().item()
        went = torch.linalg.vector_norm(after - before, dim=1).mean().item()
        return [
            self._phase(
                "noise", "noise",
                f"All that differs between two points of G is chance: {z.shape[1]} normal numbers "
                f"each; the first two of {len(z)} points' are shown.{self._several()}",
                plane=plane({"noise": z}),
            ),
            self._phase(
                "points", "points made",
                f"G maps each of the {len(fake)} noises to a point.", plane=plane(dots),
            ),
            self._phase(
                "score", "D's opinion",
                f"D reads each point{self._how_read()}; for the first it answers s = {short(s)}. "
                f"{self._scale()} The ground shows D everywhere.",
                values={"s": s}, plane=plane(dots, d),
            ),
            self._loss(),
            self._phase(
                "credit", "gradient at each point",
                f"At every fake point D's slope says which way its loss falls; a point's arrow has "
                f"length {short(mean_pull)} on average, drawn to a common scale.",
                values={"pull": mean_pull}, plane=plane(dots, d, pull),
            ),
            self._phase(
                "update", "G moves",
                f"{moved} From the same noise the points moved {short(went)} on average.",
                values={**lengths, "moved": went},
                plane=plane({"real": real, "before": before, "fake": after}, d),
            ),
        ]  # fmt: skip

    def _stream(self) -> torch.Generator:
        stream = torch.Generator(self.twin.device)
        stream.set_state(self.noise)
        return stream
