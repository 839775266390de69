"""A small trainer, a finding, and no lab that outlives its test."""

import time

import pytest

from textgan_lab.dashboard import lab as labs
from textgan_lab.diagnostics.detectors import Finding
from textgan_lab.training import Spec, Trainer

TINY = {
    "data": "mini",
    "generator": {"lstm": {"hidden": 8}},
    "discriminator": {"cnn": {"filters": 8}},
    "batch_size": 8,
    "probe_every": 10,
    "probe_size": 16,
    "device": "cpu",
}


def finding(code="mode-collapse", severity="issue", since=5, evidence="2 < 3"):
    return Finding(code, severity, since, 2.0, 3.0, evidence, "means", ("d_noise",), "03")


@pytest.fixture
def make():
    def make(schedule=None, **changes):
        return Trainer(Spec(**{**TINY, **changes}), schedule)

    yield make
    for lab in list(labs._LABS.values()):
        lab.close()


@pytest.fixture
def until():
    def until(holds, seconds=10):
        end = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < end, "waited in vain"
            time.sleep(0.005)

    return until
