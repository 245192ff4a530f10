"""A session's handle of a Dask cluster: submits jobs, and scales and checks its agents."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import distributed
from distributed.utils import get_ip

from sabotnb.cluster.agent import LOOPBACK, Agent
from sabotnb.cluster.certificates import http_token
from sabotnb.cluster.checks import Problem, check
from sabotnb.cluster.client import ClusterClient
from sabotnb.cluster.http_gate import PARAMETER
from sabotnb.cluster.job_manager import JobManager
from sabotnb.cluster.private_cluster import PrivateScheduler
from sabotnb.config import Config
from sabotnb.errors import EnvError, StoreError
from sabotnb.expr import whole
from sabotnb.protocol import JobState

SESSION = f"{os.getpid()}@{socket.gethostname()}-{uuid4().hex[:8]}"
"""Owner of the jobs that this process submits."""

SCALE_SECONDS = 30.0

Resize = Callable[[int, Sequence[Any]], Coroutine[Any, Any, None]]
"""Brings a cluster to so many workers, of which those with the given Dask names leave. Runs on the client's loop."""


class Cluster:
    """A cluster as used by the API's environment. ``jobs`` submits and watches; the methods manage the agents.

    Made by ``local_cluster``, ``detached_cluster`` or ``connect``; ``close`` ends what the session started itself.
    """

    def __init__(
        self,
        client: distributed.Client,
        *,
        config: Config | None = None,
        resize: Resize | None = None,
        close: Callable[[Cluster], None] = lambda _: None,
        ends_jobs: bool = False,
    ) -> None:
        self.client = client
        self.jobs = ClusterClient(client, SESSION)
        self._resize = resize
        self.ends_jobs = ends_jobs
        """True if closing it here ends the cluster, and its jobs with it."""
        self._close = close
        self._closed = False
        config = config or Config.from_environment()
        client.register_plugin(JobManager(config))
        client.register_plugin(Agent(config))
        if config.store:
            self._check_store(config.store)

    def _check_store(self, asked: str) -> None:
        """Raise if the store that was asked for cannot be opened, or the scheduler already has another one."""
        from sabotnb.job_store import shown_location  # a database library takes half a second to load

        try:
            opened = self.jobs.store()
            if opened != shown_location(asked):
                raise StoreError(
                    f"the cluster at {self.address} keeps its jobs in {opened}, not in {shown_location(asked)}. "
                    "Leave out store="
                )
        except StoreError:
            self.close()
            raise

    @property
    def address(self) -> str:
        """Where the scheduler listens."""
        return self.jobs.address

    @property
    def http_token(self) -> str:
        """The token of the scheduler's HTTP pages; empty on clusters that sabotnb did not start."""
        is_private = self.client.scheduler_info()["type"] == PrivateScheduler.__name__
        return http_token(self.client.security) if is_private else ""

    @property
    def dashboard_link(self) -> str:
        """Dask's dashboard, with the token that opens it."""
        link, token = str(self.client.dashboard_link), self.http_token
        if self.address.startswith("inproc://"):  # whose own host is not where its pages are
            link = f"http://{LOOPBACK}:{self.client.scheduler_info()['services']['dashboard']}/status"
        return f"{link}{'&' if '?' in link else '?'}{PARAMETER}={token}" if token else link

    @property
    def closed(self) -> bool:
        """True after ``close``."""
        return self._closed

    @property
    def gone(self) -> bool:
        """True if the cluster is lost or its client was closed elsewhere, so that every call raises ClusterLost."""
        return not self._closed and self.client.status in ("closing", "closed")

    @property
    def is_one_host(self) -> bool:
        """True if all of its agents run on the machine of this process, so that they can share a folder here."""
        here = (LOOPBACK, "::1", "localhost", socket.gethostname(), get_ip())
        return all(agent["host"] in here for agent in self.slots())

    def slots(self) -> list[dict[str, Any]]:
        """One row per agent: id, address, host, pid, slots, free, tags."""
        return self.jobs.slots()

    def scale(self, workers: int) -> None:
        """Bring the cluster to ``workers`` agents and wait until they are registered; only idle ones leave.

        Raises:
            EnvError: another session started the workers, or too few of them are idle.
        """
        wrong = EnvError(f"scale({workers!r}): give a whole number of workers, 1 or more; env.close() ends them all")
        workers = whole(workers, wrong, 1)
        resize = self._resize
        if resize is None:
            more = f"`dask worker {self.address}` starts one more"
            if self.http_token:
                more = "scale them in the session that started them, a detached cluster with sb.local(detached=True)"
            raise EnvError(f"the workers of {self.address} were started by somebody else: {more}")
        leaving = self._leaving(workers)
        self.jobs.run(lambda: resize(workers, leaving), SCALE_SECONDS)
        self.jobs.wait_agents(workers, SCALE_SECONDS)

    def kill_worker(self, worker: int | str) -> str:
        """SIGKILL the process of an agent, by its id or its row in ``slots()``, to see what happens; returns its id."""
        agents = self.slots()
        ids = [str(agent["agent"]) for agent in agents]
        unknown = EnvError(f"kill_worker({worker!r}): the agents are {', '.join(ids) or 'none'}; see env.slots()")
        index = ids.index(worker) if worker in ids else whole(worker, unknown, 0)
        if index >= len(agents):
            raise unknown
        agent = agents[index]
        if agent["pid"] == os.getpid():
            raise EnvError(f"{agent['agent']} runs in this very process; sb.local() starts processes")
        self.jobs.take_away(agent["agent"], f"env.kill_worker({worker!r}) killed it")
        if agent["host"].startswith("127."):
            os.kill(agent["pid"], signal.SIGKILL)
        else:
            self.client.run(_kill_own_process, workers=[agent["address"]], wait=False)
        return str(agent["agent"])

    def upload(self, path: str | Path) -> None:
        """Send a module (``.py``, ``.egg`` or ``.zip``) to every agent, including later ones."""
        if not Path(path).is_file():
            raise EnvError(f"upload: there is no file {path}")
        self.client.upload_file(str(path))

    def check(self) -> list[Problem]:
        """Problems and slow settings, each with what to do; empty if there are none."""
        return check(self.client, self.jobs)

    def close(self) -> None:
        """End what this session started: its connection, and a local cluster. May be called twice."""
        if not self._closed:
            self._closed = True
            self._close(self)

    def _leaving(self, workers: int) -> list[Any]:
        excess = len(self.slots()) - workers
        if excess <= 0:
            return []
        idle, leaving = self.jobs.let_go(excess)
        if excess > idle:
            busy = ", ".join(run.job for run in self.jobs.jobs() if run.state is JobState.RUNNING)
            raise EnvError(
                f"scale({workers}) takes away {excess} agents, {idle} are idle (running: {busy}): stop a job first"
            )
        return leaving


def _kill_own_process() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
