"""Checkpoints: one file that is either whole or refused.

A file begins with the sha256 of what follows, because torch does not notice flipped bits. It is
written beside its place, flushed to the disk and moved over, so a kill leaves the old one intact.
"""

import hashlib
import io
import os
from pathlib import Path
from typing import Any

import torch

MAGIC = b"textgan_lab checkpoint 1 sha256 "


class DamagedCheckpoint(ValueError):
    """A file that is no checkpoint, or not what was once written."""


def write(state: dict[str, Any], path: str | Path) -> Path:
    """Write ``state`` (tensors and plain Python values) to ``path``, atomically and durably."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    payload = io.BytesIO()
    torch.save(state, payload)
    body = payload.getbuffer()
    scratch = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with scratch.open("wb") as file:
            file.write(MAGIC + hashlib.sha256(body).hexdigest().encode() + b"\n")
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        os.replace(scratch, path)
    except BaseException:
        scratch.unlink(missing_ok=True)
        raise
    if os.name == "posix":  # the new name itself must reach the disk; Windows cannot open folders
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    return path


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
