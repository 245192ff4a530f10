"""A local Dask cluster that only its owner can use.

Dask's own local cluster runs pickled code from every client that connects, shows state and logs on HTTP pages of the
scheduler and of each worker, and keeps its working directories where other users may have put files.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

import dask
from dask.system import CPU_COUNT
from dask.utils import parse_timedelta
from distributed import Nanny, Scheduler, Security, Worker
from distributed.core import Server, Status
from distributed.deploy.spec import SpecCluster
from distributed.system import MEMORY_LIMIT

from sabotnb.cluster.agent import LOOPBACK, SLOTS_PER_THREAD
from sabotnb.cluster.certificates import http_token
from sabotnb.cluster.http_gate import HttpAccess, close_to_strangers
from sabotnb.cluster.pending_connections import limit_handshakes
from sabotnb.cluster.user_folders import scratch_folder


class LimitsHandshakes(Server):
    """Limits how many unauthenticated connections it keeps, and for how long."""

    async def listen(self, *arguments: Any, **options: Any) -> None:
        """Listen, and set the limits in the same turn of the event loop, before anything can be accepted."""
        await super().listen(*arguments, **options)  # type: ignore[no-untyped-call]
        limit_handshakes(self.listeners[-1])


class PrivateScheduler(LimitsHandshakes, Scheduler):
    """A scheduler whose HTTP pages require the token. ``hosts`` are its names besides those of the loopback."""

    def __init__(self, *, hosts: Sequence[str] = (), **options: Any) -> None:
        self._http_hosts = tuple(hosts)
        super().__init__(**options)

    def start_http_server(self, *arguments: Any, **options: Any) -> None:
        """Listen, and install the gate in the same turn of the event loop, before any request can be answered."""
        super().start_http_server(*arguments, **options)  # type: ignore[no-untyped-call]
        close_to_strangers(self.http_server, HttpAccess(http_token(self.security), self._http_hosts))


class PrivateWorker(LimitsHandshakes, Worker):
    """A worker without HTTP pages."""

    def start_http_server(self, *arguments: Any, **options: Any) -> None:
        """Do nothing: no HTTP server is started."""


class PrivateNanny(LimitsHandshakes, Nanny):
    """Watches a ``PrivateWorker``, and starts another one when it dies."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, worker_class=PrivateWorker, **options)  # type: ignore[misc]


class PrivateCluster(SpecCluster):
    """Scheduler in this process, workers in processes of their own or in this one; all listen on the loopback only.

    Every worker has ``slots`` slots, and a thread for Dask itself, since tasks have their own.
    """

    def __init__(
        self,
        workers: int | None,
        slots: int | None,
        security: Security,
        *,
        processes: bool = True,
        hosts: Sequence[str] = (),
        asynchronous: bool = False,
    ) -> None:
        self.workers_at_start = workers or CPU_COUNT
        self.slots_each = slots or SLOTS_PER_THREAD
        common = {
            "host": LOOPBACK if processes else None,
            "protocol": "tls://" if processes else "inproc://",
            "security": security,
            "local_directory": str(scratch_folder()),
        }
        pages = {"dashboard": True, "dashboard_address": f"{LOOPBACK}:0", "hosts": hosts}
        worker = {
            "cls": PrivateNanny if processes else PrivateWorker,
            "options": {
                **common,
                "nthreads": 1,
                "resources": {"slot": self.slots_each},
                "memory_limit": MEMORY_LIMIT // self.workers_at_start,
                "dashboard": False,
                "silence_logs": logging.CRITICAL,
            },
        }
        super().__init__(  # type: ignore[no-untyped-call]
            workers=dict.fromkeys(range(self.workers_at_start), worker),
            scheduler={"cls": PrivateScheduler, "options": {**common, "port": 0, **pages}},
            worker=worker,
            security=security,
            asynchronous=asynchronous,
            silence_logs=logging.CRITICAL,
        )

    def _update_worker_status(self, op: str, msg: Any) -> None:
        """Leave a worker that died to its nanny, which starts another one.

        ``SpecCluster`` (seen in distributed 2026.8) closes the nanny if there is no worker when ``lost-worker-timeout``
        is over, even if that one died only then, or takes long to start. Its slots would be gone until ``scale``.
        """
        if op == "remove":
            name = self.scheduler_info["workers"][msg]["name"]
            seconds = parse_timedelta(dask.config.get("distributed.deploy.lost-worker-timeout"))
            asyncio.get_running_loop().call_later(seconds, self._drop_closed, name)
        super(SpecCluster, self)._update_worker_status(op, msg)  # type: ignore[no-untyped-call]

    def _drop_closed(self, name: Any) -> None:
        """Remove a retired worker, so that ``scale`` can start another one in its place."""
        if name in self.workers and self.workers[name].status == Status.closed:
            del self.workers[name]
