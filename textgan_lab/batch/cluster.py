"""Dask distributed as the engine of a sweep: on this machine, or wherever its scheduler listens.

The scheduler's workers need this library, the notebook and the folder of runs under the same paths
as here. What Dask moves is small and plain: a path, parameters, and what became of the run.
"""

import logging
import re
import time
from collections.abc import Callable, Mapping
from typing import Any

ADDRESS = re.compile(r"tcp://([^/\s:\[\]]+|\[[0-9a-fA-F:]+\]):[0-9]{1,5}")


class Cluster:
    """Calls as tasks of a Dask cluster; a worker that is lost loses its call, not the sweep.

    Args:
        address: of a scheduler (``tcp://host:8786``); "local" starts one here with ``workers``
            processes; or an object of Dask's own, a cluster (``SLURMCluster``) or a client.
        workers: processes of a local cluster.
        resources: what a worker must have free for a call, such as ``{"GPU": 1}``.
        patience: seconds to wait for a scheduler that does not answer, at first and later on.

    Raises:
        ModuleNotFoundError: Dask is not installed; says how to install it.
        ValueError: no address, or no scheduler's; or resources of a local cluster, among whose
            workers nobody deals out GPUs; the default engine of `sweep` does.
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
        self._security = None
        if address == "local":
            if self._resources:
                raise ValueError(
                    "resources are what workers were started with; a local cluster has none, and "
                    "without a cluster a sweep deals out this machine's GPUs by itself"
                )
            address = distributed.LocalCluster(
                n_workers=workers, threads_per_worker=1, dashboard_address="127.0.0.1:0",
                host="127.0.0.1", silence_logs=logging.ERROR,
            )  # fmt: skip
            self._own.append(address)
        elif isinstance(address, str) and not ADDRESS.fullmatch(address):
            raise ValueError(
                f"{address!r} is no address: expected tcp://host:port, or local; a scheduler "
                f"behind TLS takes a distributed.Client of your own, from Python"
            )
        self._target = address
        if isinstance(address, distributed.Client):
            self.client, self._security = address, address.security
            self._target = address.scheduler.address
            return
        try:
            self.client = self._connect()
        except BaseException:
            self.close()
            raise

    def _connect(self) -> Any:
        from dask import distributed

        until = time.monotonic() + self._patience
        while True:
            try:
                client = distributed.Client(
                    self._target, timeout=5, set_as_default=False, security=self._security
                )
            except OSError:
                if time.monotonic() > until:
                    raise OSError(
                        f"no Dask scheduler answers at {self._target}; start one (dask scheduler, "
                        f"then dask worker {self._target}), or give local"
                    ) from None
            except (ValueError, MemoryError) as error:  # no host's name; a web server's answer
                raise ValueError(
                    f"{self._target}: nobody there who speaks as a Dask scheduler does ({error})"
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

    def lack(self) -> str:
        """Return what a call waits for that no worker has, "" where some worker could take it."""
        if self.client.status != "running":
            return "no scheduler"
        workers = self.client.scheduler_info(n_workers=-1).get("workers", {}).values()
        needed = self._resources.items()
        if any(all(w["resources"].get(n, 0) >= amount for n, amount in needed) for w in workers):
            return ""
        wanted = ", ".join(f"{name}={amount:g}" for name, amount in needed)
        return f"no worker started with {wanted}" if wanted else "no worker"

    def close(self) -> None:
        """End what was started here; a scheduler of somebody else's goes on."""
        for one in self._own:
            one.close()

    def __enter__(self) -> "Cluster":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
