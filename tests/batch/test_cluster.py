"""Dask as an engine: a scheduler and workers as processes of their own; what is asked of them."""

import json
import sys
from contextlib import ExitStack

import pytest
from dask_processes import free_port, scheduler, workers

from textgan_lab.batch.cluster import Cluster
from textgan_lab.batch.grid import make_grid
from textgan_lab.batch.sweep import sweep


@pytest.fixture
def toy(write_notebook):
    """A notebook that claims to be where its worker is."""
    return write_notebook(
        "toy.ipynb", ("N = 0", "parameters"), ("import os\nprint(os.environ['PLACE'])", "claim")
    )


class Recorded:
    """Stands for a Dask client."""

    status = "running"

    def __init__(self):
        self.calls = []

    def submit(self, *args, **options):
        self.calls.append((args, options))


def test_a_call_is_sent_with_the_resources_it_needs_and_never_answered_from_another():
    cluster = Cluster.__new__(Cluster)
    cluster.client, cluster._resources = Recorded(), {"GPU": 1.0}
    cluster.submit(divmod, 7, 3)
    assert cluster.client.calls == [((divmod, 7, 3), {"pure": False, "resources": {"GPU": 1.0}})]


def test_without_dask_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "dask", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'textgan-lab\[cluster\]'"):
        Cluster()


def test_where_no_scheduler_answers_it_says_so():
    with pytest.raises(OSError, match="no Dask scheduler answers at tcp://127.0.0.1:"):
        Cluster(f"tcp://127.0.0.1:{free_port()}", patience=0)


@pytest.mark.parametrize(
    "address", ["localhost", "localhost:8786", "tls://127.0.0.1:1", "tcp://h", "tcp://a b:1", ""]
)
def test_what_is_no_address_is_refused_at_once(address):
    with pytest.raises(ValueError, match=f"{address!r} is no address: expected tcp://host:port"):
        Cluster(address)


@pytest.mark.parametrize("error", [UnicodeError("label empty"), MemoryError("3 EiB")])
def test_who_is_no_scheduler_is_named(error, monkeypatch):
    """What Dask raises for a host like ``a..b``, and where a web server answers."""

    class Refused:
        def __new__(cls, *_, **__):
            raise error

    monkeypatch.setattr("dask.distributed.Client", Refused)
    with pytest.raises(ValueError, match=rf"tcp://h:1: nobody there who speaks as .*{error}"):
        Cluster("tcp://h:1", patience=0)


def test_a_local_cluster_has_no_resources():
    with pytest.raises(ValueError, match="a local cluster has none"):
        Cluster("local", resources={"GPU": 1})


@pytest.mark.notebook
def test_runs_go_to_the_workers_that_have_what_they_need(toy, tmp_path):
    port = free_port()
    spare = ("--local-directory", str(tmp_path))
    with (
        scheduler(port),
        workers(port, 1, *spare, PLACE="elsewhere"),
        Cluster(f"tcp://127.0.0.1:{port}", resources={"GPU": 1}) as cluster,
        ExitStack() as stack,
    ):
        cluster.client.wait_for_workers(1, timeout=60)
        assert cluster.lack() == "no worker started with GPU=1"
        more = workers(port, 1, "--resources", "GPU=1", *spare, PLACE="with a GPU")
        stack.enter_context(more)
        cluster.client.wait_for_workers(2, timeout=60)
        assert cluster.lack() == ""
        grid = make_grid(toy, grid={"N": [0, 1, 2]})
        made = sweep(grid, root=tmp_path / "runs", engine=cluster)
    assert set(made.states.values()) == {"done"}, made.errors
    records = [json.loads(file.read_text()) for file in (tmp_path / "runs").glob("*/run.json")]
    assert [record["claims"] for record in records] == [["with a GPU"]] * 3
