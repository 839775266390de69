"""The device's side of telemetry: rows wait in a buffer there and come over in one copy."""

from collections.abc import Mapping

import torch
from torch import Tensor


class Recorder:
    """Rows of scalars on the device, each with its own names, read by the host all at once."""

    def __init__(self, rows: int, device: torch.device):
        self.device = device
        self._buffer = torch.empty(rows, 0, device=device)
        self._waiting: list[tuple[dict, list[str]]] = []

    def write(self, head: dict, values: Mapping[str, Tensor]) -> None:
        """Add a row: ``head`` stays on the host as it is, ``values`` are 0-dim device tensors."""
        names, row = list(values), len(self._waiting)
        if len(names) > self._buffer.shape[1]:
            wider = self._buffer.new_empty(len(self._buffer), len(names))
            wider[:, : self._buffer.shape[1]] = self._buffer
            self._buffer = wider
        if names:
            stacked = torch.stack([v.detach().float() for v in values.values()])
            self._buffer[row, : len(names)].copy_(stacked)
        self._waiting.append((head, names))

    @property
    def full(self) -> bool:
        """Whether the next row would not fit."""
        return len(self._waiting) == len(self._buffer)

    def flush(self) -> list[dict]:
        """Return the rows that wait, oldest first: the one place where the loop syncs."""
        numbers = self._buffer[: len(self._waiting)].cpu().numpy()
        rows = []
        for (head, names), row in zip(self._waiting, numbers, strict=True):
            # str of a float32 is its shortest exact form: 0.3, not 0.30000001192092896
            rows.append({**head, **{n: float(str(x)) for n, x in zip(names, row, strict=False)}})
        self._waiting.clear()
        return rows
