"""Checkpoints: one file that is either whole or refused.

A file begins with the sha256 of what follows, because torch does not notice flipped bits.
"""

import hashlib
import io
from pathlib import Path
from typing import Any

import torch

from .. import atomic

MAGIC = b"textgan_lab checkpoint 1 sha256 "


class DamagedCheckpoint(ValueError):
    """A file that is no checkpoint, or not what was once written."""


def write(state: dict[str, Any], path: str | Path) -> Path:
    """Write ``state`` (tensors and plain Python values) to ``path``, atomically and durably."""
    payload = io.BytesIO()
    torch.save(state, payload)
    body = payload.getvalue()
    return atomic.write(path, MAGIC + hashlib.sha256(body).hexdigest().encode() + b"\n" + body)


def read(path: str | Path) -> dict[str, Any]:
    """Return the state in ``path``; no code in the file is ever run.

    Raises:
        FileNotFoundError: no such file.
        DamagedCheckpoint: the bytes are not those that were written.
    """
    with Path(path).open("rb") as file:
        header = file.readline(len(MAGIC) + 65)
        if not (header.startswith(MAGIC) and header.endswith(b"\n")):
            raise DamagedCheckpoint(f"{path}: not a checkpoint of textgan_lab, or cut short")
        body = file.read()
    if hashlib.sha256(body).hexdigest().encode() != header[len(MAGIC) : -1]:
        raise DamagedCheckpoint(f"{path}: damaged, its checksum does not match; use an earlier one")
    return torch.load(io.BytesIO(body), map_location="cpu", weights_only=True)
