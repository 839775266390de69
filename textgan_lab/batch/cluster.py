"""Dask distributed as the engine of a sweep: on this machine, or wherever its scheduler listens.

The scheduler's workers need this library, the notebook and the folder of runs under the same paths
as here. What Dask moves is small and plain: a path, parameters, and what became of the run.
"""

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any


class Cluster:
    """Calls as tasks of a Dask cluster; a worker that is lost loses its call, not the sweep.

    Args:
        address: of a scheduler (``tcp://host:8786``); "local" starts one here with ``workers``
            processes; or an object of Dask's own, a cluster (``SLURMCluster``) or a client.
        workers: processes of a local cluster.
        resources: what a worker must have free for a call, such as ``{"GPU": 1}``; the workers of
            a local cluster are said to have just that.
        patience: seconds to wait for a scheduler that does not answer, at first and later on.

    Raises:
        ModuleNotFoundError: Dask is not installed; says how to install it.
        OSError: no scheduler answers there.
    """

    def __init__(
        self,
        address: Any = "local",
        workers: int = 2,
        resources: Mapping[str, float] | None = None,
        patience: float = 60.0,
    ):
        try:
            from dask import distributed
        except ImportError as error:
            raise ModuleNotFoundError(
                "a cluster needs Dask: pip install 'textgan-lab[cluster]'", name=error.name
            ) from None
        self._resources, self._patience = dict(resources or {}), patience
        self._own = []  # what we started, and end
        if address == "local":
            address = distributed.LocalCluster(
                n_workers=workers, threads_per_worker=1, dashboard_address=None,
                resources=self._resources, host="127.0.0.1", silence_logs=logging.ERROR,
            )  # fmt: skip
            self._own.append(address)
        self._address = getattr(address, "scheduler_address", address)
        if isinstance(address, distributed.Client):
            self.client, self._address = address, address.scheduler.address
        else:
            self.client = self._connect()

    def _connect(self) -> Any:
        from dask import distributed

        until = time.monotonic() + self._patience
        while True:
            try:
                client = distributed.Client(self._address, timeout=5, set_as_default=False)
            except OSError:
                if time.monotonic() > until:
                    raise OSError(
                        f"no Dask scheduler answers at {self._address}; start one (dask scheduler, "
                        f"dask worker {self._address}), or give --dask local"
                    ) from None
            else:
                self._own.insert(0, client)
                return client

    def submit(self, call: Callable, *args: Any) -> Any:
        """Return Dask's future of ``call(*args)``; waits for a scheduler that is being restarted.

        A call is never answered from an earlier one like it: what became of a run may change.
        """
        if self.client.status in ("closed", "closing"):
            self.client = self._connect()
        return self.client.submit(call, *args, pure=False, resources=self._resources or None)

    def close(self) -> None:
        """End what was started here; a scheduler of somebody else's goes on."""
        for one in self._own:
            one.close()

    def __enter__(self) -> "Cluster":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
