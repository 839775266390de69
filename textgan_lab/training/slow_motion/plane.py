"""Points on show: what a plane holds."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from .phase import Plane

GRID = 25  # places a side at which D is asked about the plane


def plane(
    dots: Mapping[str, Tensor], d: nn.Module | None = None, arrows: Tensor | None = None
) -> Plane:
    """Return points in their first two coordinates; D's ground only where those are all."""
    flat = {label: x.detach().cpu()[:, :2] for label, x in dots.items()}
    flat = {n: torch.cat([x, x.new_zeros(len(x), 2 - x.shape[1])], 1) for n, x in flat.items()}
    everywhere = torch.cat(list(flat.values())).abs()
    size = 1.1 * everywhere.nan_to_num(0.0, 0.0, 0.0).max().item() or 1.0
    grid = ()
    dims = {x.shape[1] for x in dots.values()}
    if d is not None and dims == {2}:
        side = torch.linspace(-size, size, GRID)
        y, x = torch.meshgrid(side, side, indexing="ij")
        device = next(d.parameters()).device
        with torch.no_grad():
            p = d(torch.stack([x, y], 2).view(-1, 2).to(device)).sigmoid().view(GRID, GRID)
        grid = tuple(map(tuple, p.tolist()))
    pulls = ()
    if arrows is not None:
        pulls = tuple(map(tuple, torch.cat([flat["fake"], arrows.cpu()[:, :2]], 1).tolist()))
    return Plane({n: tuple(map(tuple, x.tolist())) for n, x in flat.items()}, size, pulls, grid)
