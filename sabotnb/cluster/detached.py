"""Starts, finds and ends a local cluster that outlives the process that started it.

Scheduler and workers are a separate process group. A file in the user's runtime folder holds its address and
certificate, by which later sessions find it. It ends by itself after a time without a client and without a running job.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import distributed

from sabotnb.cluster import detached_process
from sabotnb.cluster.announcement import Announcement, announced, find_detached
from sabotnb.cluster.cluster import Cluster
from sabotnb.cluster.detached_process import STORE, Order
from sabotnb.cluster.launch import CONNECT_SECONDS, disconnect
from sabotnb.cluster.user_folders import runtime_folder
from sabotnb.config import Config
from sabotnb.errors import ClusterLost, EnvError
from sabotnb.private_files import open_private, private_folder

IDLE_SECONDS = 600.0
LOG_TAIL = 2000

_started: list[subprocess.Popen[bytes]] = []
"""Kept because Python warns when a process object is dropped while its process runs, which is intended here."""


def detached_cluster(
    workers: int | None = None,
    slots: int | None = None,
    *,
    idle_seconds: float = IDLE_SECONDS,
    folder: Path | None = None,
    config: Config | None = None,
) -> Cluster:
    """Connect to the user's detached cluster, starting it if there is none. Needs no ``__main__`` guard.

    ``close`` disconnects and leaves it running; ``end_detached`` ends it.

    Raises:
        EnvError: it runs with different numbers of workers or slots, or its process does not start.
        ClusterLost: its process is running, but does not answer.
    """
    config = config or Config.from_environment()
    folder = private_folder(folder, "give another one") if folder else runtime_folder()
    for process in _started:
        process.poll()  # reaps it if it has ended; until then it is a zombie
    with _only_one_starts(folder):
        announced = find_detached(folder) or _start(folder, workers, slots, idle_seconds, config)
    if (workers not in (None, announced.workers)) or (slots not in (None, announced.slots)):
        raise EnvError(
            f"the detached cluster has workers={announced.workers}, slots={announced.slots}: "
            "sb.local(detached=True) takes it as it is, env.scale(n) changes it"
        )
    client = _connected(announced)
    scheduler: Any = client.scheduler

    async def resize(count: int, leaving: Sequence[Any]) -> None:
        await scheduler.sabot_scale(workers=count, leaving=list(leaving))

    return Cluster(client, config=config, resize=resize, close=lambda _: disconnect(client))


def end_detached(folder: Path | None = None) -> bool:
    """Tell the detached cluster to end, without waiting for it; returns False if there is none."""
    announced = find_detached(folder)
    if announced is not None:
        os.kill(announced.pid, signal.SIGTERM)
    return announced is not None


@contextmanager
def _only_one_starts(folder: Path) -> Iterator[None]:
    with open_private(folder / "cluster.lock") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _start(folder: Path, workers: int | None, slots: int | None, idle: float, config: Config) -> Announcement:
    """Start the process and wait until it has announced itself, or has died."""
    log = folder / "cluster.log"
    reading, writing = os.pipe()
    order = Order(str(folder), writing, workers, slots, idle, asdict(replace(config, store="")))
    with open_private(log, os.O_TRUNC | os.O_APPEND) as output, os.fdopen(reading) as starter:
        _started.append(
            subprocess.Popen(  # noqa: S603 - our own interpreter and module
                [sys.executable, "-m", detached_process.__name__, json.dumps(asdict(order))],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=(writing,),
                env={**os.environ, STORE: config.store},  # not in the order: a URL may hold a password
                start_new_session=True,
            )
        )
        os.close(writing)
        line = starter.readline()
    if not line:
        tail = log.read_text(errors="replace")[-LOG_TAIL:]
        raise EnvError(f"the detached cluster did not start; the end of {log}:\n{tail}")
    return announced(line)


def _connected(announced: Announcement) -> distributed.Client:
    try:
        return distributed.Client(
            announced.address, security=announced.security, timeout=CONNECT_SECONDS, set_as_default=False
        )
    except OSError as error:
        raise ClusterLost(
            f"the detached cluster (process {announced.pid}) does not answer at {announced.address}: "
            f"end it with `kill -9 {announced.pid}`, then sb.local(detached=True) starts another"
        ) from error
