"""The process of a detached cluster, started by ``detached_cluster``.

Run as ``python -m sabotnb.cluster.detached_process ORDER``.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import distributed

from sabotnb.cluster.agent import Agent
from sabotnb.cluster.announcement import ANNOUNCEMENT, Announcement
from sabotnb.cluster.certificates import new_certificate, security_of
from sabotnb.cluster.job_manager import JobManager
from sabotnb.cluster.launch import resize_of
from sabotnb.cluster.private_cluster import PrivateCluster
from sabotnb.cluster.process import raise_descriptor_limit
from sabotnb.config import Config

IDLE_CHECK_SECONDS = 1.0

MOST_LOG_BYTES = 4 << 20

STORE = "SABOTNB_STORE"
"""The environment variable with the URL of the job store, which other users cannot read."""


@dataclass(frozen=True, slots=True)
class Order:
    """Settings of the process, from its command line; ``announce`` is the pipe that its starter reads.

    Other users can read command lines, so it holds no secret: the process creates its certificate itself.
    """

    folder: str
    announce: int
    workers: int | None
    slots: int | None
    idle_seconds: float
    config: dict[str, Any] = field(default_factory=dict)


async def serve(order: Order) -> None:
    """Run scheduler and workers until told to end (SIGTERM), or idle for too long."""
    ending = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ending.set)
    config = replace(Config(**order.config), store=os.environ.get(STORE, ""))
    certificate, key = new_certificate()
    security = security_of(certificate, key)
    local = PrivateCluster(order.workers, order.slots, security, hosts=config.hosts(), asynchronous=True)
    async with local as cluster:
        job_manager = JobManager(config)
        await cluster.scheduler.register_scheduler_plugin(job_manager, idempotent=True)
        async with distributed.Client(cluster, asynchronous=True, set_as_default=False) as client:
            await client.register_plugin(Agent(config))
        cluster.scheduler.handlers["sabot_scale"] = resize_of(cluster)
        folder = Path(order.folder)
        size = (cluster.workers_at_start, cluster.slots_each)
        announcement = Announcement.of_this_process(cluster.scheduler_address, *size, certificate, key)
        announcement.write(folder)
        with os.fdopen(order.announce, "w") as starter:
            starter.write(announcement.text() + "\n")
        try:
            await _idle_or_told(cluster.scheduler, job_manager, ending, order.idle_seconds)
        finally:
            (folder / ANNOUNCEMENT).unlink(missing_ok=True)


async def _idle_or_told(
    scheduler: distributed.Scheduler, job_manager: JobManager, ending: asyncio.Event, idle_seconds: float
) -> None:
    """Return when ``ending`` is set, or no client has been connected and no job has run for ``idle_seconds``."""
    clock = asyncio.get_running_loop().time
    needed = clock()
    while not ending.is_set():
        bound_log()
        if job_manager.busy or any(name != "fire-and-forget" for name in scheduler.clients):
            needed = clock()
        elif clock() - needed >= idle_seconds:
            return
        with suppress(TimeoutError):
            await asyncio.wait_for(ending.wait(), min(IDLE_CHECK_SECONDS, idle_seconds))


def bound_log(descriptor: int = 2) -> None:
    """Empty the log when it is longer than MOST_LOG_BYTES. It is open for appending, by the workers too."""
    with suppress(OSError):  # standard error is not a file
        if os.fstat(descriptor).st_size > MOST_LOG_BYTES:
            os.ftruncate(descriptor, 0)
            os.write(descriptor, f"(this log had more than {MOST_LOG_BYTES:,} bytes, and was emptied)\n".encode())


if __name__ == "__main__":
    raise_descriptor_limit()
    asyncio.run(serve(Order(**json.loads(sys.argv[1]))))
