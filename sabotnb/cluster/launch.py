"""Starts a local cluster or connects to any Dask cluster, and sets up its agents."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import distributed
from distributed.comm.addressing import parse_address, parse_host_port
from distributed.deploy.spec import SpecCluster

from sabotnb.cluster.announcement import Announcement, announce_local, find_announced
from sabotnb.cluster.certificates import new_certificate, security_of
from sabotnb.cluster.checks import check_installed
from sabotnb.cluster.cluster import Cluster, Resize
from sabotnb.cluster.main_guard import ADVICE, check_main_guard
from sabotnb.cluster.private_cluster import PrivateCluster
from sabotnb.config import Config
from sabotnb.errors import ClusterLost, EnvError, JobError, StoreError

CONNECT_SECONDS = 10.0

CANCEL_SECONDS = 3.0
"""How long the end of a cluster waits for its jobs to be canceled."""


def local_cluster(
    workers: int | None = None,
    slots: int | None = None,
    *,
    processes: bool = True,
    config: Config | None = None,
) -> Cluster:
    """Start a cluster that lives as long as this process: one worker process per core, ``slots`` (4) each.

    Listens on 127.0.0.1 only, and lets in only sessions of this user, by a certificate of its own.
    ``processes=False`` runs the agents in this process: quick, for tests and debuggers.

    Raises:
        EnvError: a script without a ``__main__`` guard, or workers that do not start.
    """
    if processes:
        check_main_guard()
    config = config or Config.from_environment()
    certificate, key = new_certificate()
    security = security_of(certificate, key)
    try:
        dask_cluster = PrivateCluster(workers, slots, security, processes=processes, hosts=config.hosts())
    except RuntimeError as error:
        raise EnvError(f"the workers did not start ({error}); if this is a script, {ADVICE}") from error
    client = distributed.Client(dask_cluster, set_as_default=False)
    left: list[Path] = []
    if processes:
        size = (dask_cluster.workers_at_start, dask_cluster.slots_each)
        address = dask_cluster.scheduler_address
        left.append(announce_local(Announcement.of_this_process(address, *size, certificate, key)))

    def end(cluster: Cluster) -> None:
        for path in left:
            path.unlink(missing_ok=True)
        _end(cluster, dask_cluster)

    return Cluster(client, config=config, resize=resize_of(dask_cluster), close=end, ends_jobs=True)


def connect(client_or_address: distributed.Client | str, security: Any = None, config: Config | None = None) -> Cluster:
    """Use a running Dask cluster, given a synchronous client of it or its scheduler's address.

    ``tls://`` addresses need ``security`` (a ``distributed.Security``), except those of clusters that sabotnb runs for
    this user. The plugins are registered if they are not yet.

    Raises:
        ClusterLost: no scheduler answers there.
        EnvError: sabotnb is missing on the scheduler or a worker, or the client is an asynchronous one.
    """
    if isinstance(client_or_address, str):
        client = _client_of(client_or_address, security)
        check_installed(client)
        return Cluster(client, config=config, close=lambda _: disconnect(client))
    client = client_or_address
    if not isinstance(client, distributed.Client):
        raise EnvError(f"{client!r} is not a cluster: pass sb.connect a distributed.Client, or 'tcp://host:8786'")
    if client.asynchronous:
        raise EnvError("the client is asynchronous: give sb.connect the scheduler's address, and it makes its own")
    if client.status != "running":
        raise ClusterLost(f"the client is {client.status}: make a new one, or sb.local()")
    check_installed(client)
    deployer = client.cluster
    return Cluster(client, config=config, resize=resize_of(deployer) if isinstance(deployer, SpecCluster) else None)


def disconnect(client: distributed.Client) -> None:
    """Close ``client``. Without the traceback that Dask logs where this interrupts its attempts to connect again."""

    def is_wanted(record: logging.LogRecord) -> bool:
        return not (record.exc_info and isinstance(record.exc_info[1], asyncio.CancelledError))

    log = logging.getLogger(distributed.client.__name__)
    log.addFilter(is_wanted)
    try:
        client.close()
    finally:
        log.removeFilter(is_wanted)


def resize_of(cluster: SpecCluster) -> Resize:
    """A function that adds workers to a Dask deployer, or removes named ones."""

    async def resize(workers: int, leaving: Sequence[Any]) -> None:
        if leaving:
            await cluster.scale_down(leaving)
        else:
            cluster.scale(workers)
            await cluster

    return resize


def _client_of(address: str, security: Any) -> distributed.Client:
    if address.startswith("tls://") and security is None:
        security = _known_security(address)
    scheme, location = parse_address(address)
    try:
        if scheme in ("tcp", "tls"):
            parse_host_port(location)
    except ValueError as error:
        raise EnvError(f"{address!r} is not the address of a scheduler ({error}): write 'tcp://host:8786'") from error
    if scheme == "tcp" and security is not None and security.require_encryption:
        raise EnvError(f"{address} has no TLS, which the given security requires: write 'tls://{location}'")
    try:
        return distributed.Client(address, security=security, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, TimeoutError) as error:
        raise ClusterLost(
            f"no scheduler answers at {address} ({error}): `dask scheduler` starts one, sb.local() a whole cluster"
        ) from error


def _known_security(address: str) -> distributed.Security:
    announced = find_announced(address)
    if announced is None:
        raise EnvError(
            f"{address} uses TLS, and is not a cluster that sabotnb runs for this user: "
            "sb.connect(address, security=distributed.Security(...))"
        )
    return announced.security


def _end(cluster: Cluster, deployer: PrivateCluster) -> None:
    """Cancel running jobs, so that no partial output stays, and end the processes.

    Jobs with a checkpoint are not canceled: another session can resume them.
    """
    with suppress(ClusterLost, JobError, StoreError):  # no jobs to cancel, or it is not known which can be resumed
        resumable = {stored.run for stored in cluster.jobs.stored_runs() if stored.resumable}
        running = [run for run in cluster.jobs.jobs() if not run.state.terminal and run.run not in resumable]
        for run in running:
            cluster.jobs.cancel(run.job)
        deadline = time.monotonic() + CANCEL_SECONDS
        for run in running:
            cluster.jobs.wait(run.run, max(0.0, deadline - time.monotonic()))
    cluster.client.close()
    deployer.close()
