"""The process of a detached cluster: ``python -m sabotnb.cluster.keeper ORDER``, started by ``detached_cluster``."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import distributed
import psutil

from sabotnb.cluster.agent import Agent
from sabotnb.cluster.clusters import local_options, resize_of
from sabotnb.cluster.job_manager import JobManager
from sabotnb.config import Config

ANNOUNCEMENT = "cluster.json"
IDLE_CHECK_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Announcement:
    """What the file in the runtime folder says; ``began`` tells the process from a later one of the same pid."""

    address: str
    pid: int
    workers: int
    slots: int
    began: float = 0.0

    @property
    def alive(self) -> bool:
        """True while that very process runs."""
        try:
            return bool(psutil.Process(self.pid).create_time() == self.began)
        except psutil.NoSuchProcess:
            return False


@dataclass(frozen=True, slots=True)
class Order:
    """What the process is told on its command line; ``announce`` is the pipe that its starter listens to."""

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
    config = Config(**order.config)
    options = local_options(order.workers, order.slots, processes=True)
    async with distributed.LocalCluster(asynchronous=True, **options) as cluster:
        job_manager = JobManager(config)
        await cluster.scheduler.register_scheduler_plugin(job_manager, idempotent=True)
        async with distributed.Client(cluster, asynchronous=True, set_as_default=False) as client:
            await client.register_plugin(Agent(config))
        cluster.scheduler.handlers["sabot_scale"] = resize_of(cluster)
        path = Path(order.folder) / ANNOUNCEMENT
        size = (options["n_workers"], options["resources"]["slot"])
        began = psutil.Process().create_time()
        _announce(path, Announcement(cluster.scheduler_address, os.getpid(), *size, began), order.announce)
        try:
            await _idle_or_told(cluster.scheduler, job_manager, ending, order.idle_seconds)
        finally:
            path.unlink(missing_ok=True)


def _announce(path: Path, announcement: Announcement, pipe: int) -> None:
    text = json.dumps(asdict(announcement))
    temporary = path.with_suffix(".new")
    temporary.write_text(text)
    temporary.replace(path)
    with os.fdopen(pipe, "w") as starter:
        starter.write(text + "\n")


async def _idle_or_told(
    scheduler: distributed.Scheduler, job_manager: JobManager, ending: asyncio.Event, idle_seconds: float
) -> None:
    """Return when ``ending`` is set, or nobody has been connected and no job has run for ``idle_seconds``."""
    clock = asyncio.get_running_loop().time
    needed = clock()
    while not ending.is_set():
        if job_manager.busy or any(name != "fire-and-forget" for name in scheduler.clients):
            needed = clock()
        elif clock() - needed >= idle_seconds:
            return
        with suppress(TimeoutError):
            await asyncio.wait_for(ending.wait(), min(IDLE_CHECK_SECONDS, idle_seconds))


if __name__ == "__main__":
    asyncio.run(serve(Order(**json.loads(sys.argv[1]))))
