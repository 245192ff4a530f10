"""The control plane on the scheduler: a thin shell around ``execution.Machine``.

Theory of operation
-------------------
Dask's callbacks, the agents' messages and the clients' calls become events; the machine's instructions become messages,
timers and replies (``MachineDriver``). All decisions are in the machine. What clients read of it, they ask the
``WatchServer``; rows that agents hold, the ``AgentRequests``. This module registers all handlers with Dask, and
translates what happens to workers and sessions.

**Constraints of Dask.** The loop also serves Dask, and in a local cluster it shares the process of the user's kernel.
Nothing here blocks, reads a file or unpickles a function. An exception in a stream handler would make Dask close
the worker's connection, so ``_on_agent_events`` logs it instead.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Coroutine, Sequence
from dataclasses import replace
from typing import Any
from uuid import uuid4

from distributed import Scheduler, SchedulerPlugin
from distributed.scheduler import WorkerState

from sabotnb.cluster import control_codec
from sabotnb.cluster.agent_requests import AgentRequests
from sabotnb.cluster.blob_store import Blobs
from sabotnb.cluster.change_notifier import AGENTS, ChangeNotifier
from sabotnb.cluster.edits import Edits
from sabotnb.cluster.machine_driver import MachineDriver
from sabotnb.cluster.metrics_page import serve_metrics
from sabotnb.cluster.resumable_runs import Chosen
from sabotnb.cluster.roster import Roster
from sabotnb.cluster.store_driver import stored_summary
from sabotnb.cluster.watch_server import WatchServer
from sabotnb.config import Config
from sabotnb.errors import SabotnbError, StoreUnavailable
from sabotnb.execution import Machine
from sabotnb.metrics import JobMetrics
from sabotnb.protocol import (
    AgentInfo,
    AgentLeaving,
    AgentUp,
    Failure,
    JobRequest,
    Reply,
    ResumeRun,
    SessionChanged,
    SourceWarned,
    Submit,
)
from sabotnb.task import SourceWarnings

logger = logging.getLogger("sabotnb.job_manager")


def _later_number(last: int) -> int:
    """A run number above those of earlier clusters, so that files left by a killed run are known to be older."""
    return max(last + 1, int(1000 * time.time()))


class JobManager(SchedulerPlugin):
    """Scheduler plugin that runs jobs: feeds the machine, sends its instructions, and answers clients.

    Everything runs on the scheduler's event loop. Clients call the ``sabot_*`` handlers through a ``ClusterClient``;
    values travel as bytes of ``control_codec``.
    """

    name = "sabotnb-job-manager"
    idempotent = True

    def __init__(self, config: Config | None = None) -> None:
        self._config = config or Config()

    async def start(self, scheduler: Scheduler) -> None:
        """Register handlers and start; Dask calls this when the plugin is registered."""
        self._scheduler = scheduler
        self._loop = asyncio.get_running_loop()
        self._machine = Machine(self._config, _later_number)
        self._roster = Roster()
        self._warnings = SourceWarnings()
        self._clients: dict[str, str] = {}
        """By Dask client that has submitted a job, its session."""
        self.topics = ChangeNotifier()
        self._driver = MachineDriver(scheduler, self._machine, self._roster, self.topics, self._config)
        self._edits = Edits(self._machine, self._driver, self.topics)
        overview = self._machine.overview
        agents = AgentRequests(scheduler, self._roster, overview)
        scheduler.handlers.update(
            {
                handler.__name__: handler
                for handler in (
                    self.sabot_enroll,
                    self.sabot_register,
                    self.sabot_let_go,
                    self.sabot_take_away,
                    self.sabot_command,
                    self.sabot_submit,
                    self.sabot_edit,
                    self.sabot_hold,
                    self.sabot_resume,
                    self.sabot_store,
                    self.sabot_stored_runs,
                    WatchServer(overview, self.topics).sabot_watch,
                    agents.sabot_pull,
                    agents.sabot_probe,
                    agents.sabot_samples,
                )
            }
        )
        self._retire = scheduler.handlers["retire_workers"]
        scheduler.handlers["retire_workers"] = self._retire_workers
        scheduler.stream_handlers["sabot-events"] = self._on_agent_events
        serve_metrics(scheduler, self._metrics_of_all)

    async def close(self) -> None:
        """Stop timers, and close the job store; Dask calls this when the scheduler closes."""
        await self._driver.close()

    @property
    def busy(self) -> bool:
        """True while some job is not over."""
        return any(not run.state.terminal for run in self._machine.jobs.values())

    # Agents

    def remove_worker(self, scheduler: Scheduler, worker: str, **_: Any) -> None:
        """A worker's connection was closed: declare its agent lost at once, without waiting for its lease."""
        for agent in self._roster.at([worker]):
            self._agent_left(agent, "its connection was closed")

    def valid_workers_downscaling(self, scheduler: Scheduler, workers: list[WorkerState]) -> list[WorkerState]:
        """The ``workers`` that Dask may close when there is little to do: those without held slots."""
        idle = {agent.address for agent in self._machine.overview.idle()}
        return [worker for worker in workers if worker.address in idle or not self._roster.at([worker.address])]

    async def _retire_workers(
        self, workers: Sequence[str] | None = None, names: Sequence[Any] | None = None, **options: Any
    ) -> Any:
        """Retire workers: their agents receive no new tasks, and jobs that lose tasks report the reason."""
        named = {worker.address for worker in self._scheduler.workers.values() if worker.name in (names or ())}
        for agent in self._roster.at(named.union(workers or ())):
            if agent in self._machine.agents:
                self._driver.take(AgentLeaving(agent, "its Dask worker was retired"))
        return await self._retire(workers=workers, names=names, **options)

    async def sabot_let_go(self, count: int) -> tuple[int, list[Any]]:
        """Choose ``count`` idle agents, the newest first, which receive no new tasks from now on.

        Returns how many are idle, and the Dask names of the chosen workers; no names if too few are idle.
        """
        idle = self._machine.overview.idle()
        leaving = idle[::-1][:count] if len(idle) >= count else []
        for agent in leaving:
            self._driver.take(AgentLeaving(agent.id, "the cluster was scaled down"))
        return len(idle), [self._scheduler.workers[agent.address].name for agent in leaving]

    async def sabot_take_away(self, agent: str, reason: str) -> None:
        """A user is about to end an agent: no function of the user is to blame for what it loses."""
        if agent in self._machine.agents:
            self._driver.take(AgentLeaving(agent, reason))

    async def sabot_enroll(self, address: str) -> str:
        """Return a new agent id for the worker at ``address``; a worker that was fenced loses its previous id."""
        for previous in self._roster.at([address]):
            self._agent_left(previous, "it registered again")
        return self._roster.enroll(address)

    async def sabot_register(self, agent: bytes) -> None:
        """An enrolled agent is ready for tasks."""
        info: AgentInfo = control_codec.loads(agent)
        await self._roster.register(info.id)
        self._driver.take(AgentUp(info))
        self.topics.wake(AGENTS)

    def _agent_left(self, agent: str, reason: str) -> None:
        self._driver.agent_left(agent, reason)
        self.topics.wake(AGENTS)

    def _on_agent_events(self, worker: str, events: bytes) -> None:
        """Feed an agent's events to the machine, in order."""
        try:
            for event in control_codec.loads(events):
                if isinstance(event, SourceWarned):
                    self._warnings.log(event)
                else:
                    self._driver.take(event)
        except Exception:
            logger.exception("unreadable message from %s", worker)

    # Clients

    async def sabot_command(self, command: bytes) -> bytes:
        """Answer a command of a client with its ``Reply``."""
        return control_codec.dumps(await self._driver.ask(control_codec.loads(command), {}))

    async def sabot_submit(self, request: bytes, blobs: Blobs, client: str) -> bytes:
        """``submit_stream_job`` for a Dask client; its session holds the job's name while it is connected."""
        job: JobRequest = control_codec.loads(request)
        self._connect(client, job.owner)
        return control_codec.dumps(await self.submit_stream_job(job, blobs))

    async def sabot_hold(self, job: str, owner: str) -> bytes:
        """Answer with a ``Reply`` that is a failure if another session holds the name of ``job``."""
        return control_codec.dumps(Reply("", failure=self._machine.held(job, owner)))

    async def sabot_edit(self, request: bytes, blobs: Blobs, client: str) -> bytes:
        """``sabot_submit`` for a job that goes on from the state of the running one of its name."""
        job: JobRequest = control_codec.loads(request)
        self._connect(client, job.owner)
        return control_codec.dumps(await self._owned(job.name, self._edits.edit(job, blobs)))

    async def sabot_resume(self, job: str, chosen: bytes, parallelism: int | None, owner: str, client: str) -> bytes:
        """Go on with the newest run of ``job`` in the store, from a checkpoint; answers with a ``Reply``."""
        self._connect(client, owner)
        work = self._resume(job, control_codec.loads(chosen), parallelism, owner)
        return control_codec.dumps(await self._owned(job, work))

    async def sabot_store(self) -> tuple[str, str]:
        """Where the job store is, or why there is none."""
        problem = await self._driver.store.problem()
        return ("", problem) if problem else (await self._driver.store.location(), "")

    async def sabot_stored_runs(self) -> bytes:
        """The newest run of each job in the store; none if there is no store, or it does not answer."""
        if await self._driver.store.problem():
            return control_codec.dumps([])
        try:
            records = await self._driver.store.records()
        except StoreUnavailable as error:  # jobs of this cluster are listed all the same, and clusters close
            logger.warning("the jobs of the store are not listed: %s", error)
            records = []
        return control_codec.dumps([stored_summary(record) for record in records])

    def _connect(self, client: str, owner: str) -> None:
        """Let the machine know that a session is connected, before its jobs: their names belong to it."""
        if client not in self._clients:
            self._clients[client] = owner
            self._driver.take(SessionChanged(owner, connected=True))

    async def submit_stream_job(self, request: JobRequest, blobs: Blobs) -> Reply:
        """Submit a job and wait for the ``Reply``, which has the id of the run or the reason for a refusal.

        ``blobs`` are its functions and tables by sha256.
        """
        return await self._owned(request.name, self._driver.ask(Submit(uuid4().hex, request), blobs))

    async def _resume(self, job: str, chosen: Chosen, parallelism: int | None, owner: str) -> Reply:
        store = self._driver.store
        resumable = await store.find(job, chosen, parallelism)
        record, request = resumable.stored.record, replace(resumable.stored.request, owner=owner)
        command = ResumeRun(
            uuid4().hex,
            request,
            record.run,
            record.next_epoch,
            resumable.cuts,
            newest=resumable.newest,
            starts=resumable.stored.starts,
            at=time.time(),
        )
        return await self._driver.ask(command, resumable.stored.blobs, lambda _run, _blobs: store.resume(resumable))

    async def _owned(self, job: str, work: Coroutine[Any, Any, Reply]) -> Reply:
        """The reply of ``work``, which is done while this scheduler owns ``job``, or the failure to own it."""
        try:
            async with self._driver.store.owning(job):
                return await work
        except SabotnbError as refused:
            return Reply("", failure=Failure(type(refused).__name__, str(refused)))
        finally:
            work.close()  # it has not begun if the job is not owned

    def add_client(self, scheduler: Scheduler, client: str) -> None:
        """A Dask client has connected or reconnected."""
        if client in self._clients:
            self._driver.take(SessionChanged(self._clients[client], connected=True))

    def remove_client(self, scheduler: Scheduler, client: str) -> None:
        """A Dask client's connection has ended."""
        owner = self._clients.get(client)
        others = [other for other, whose in self._clients.items() if whose == owner and other != client]
        if owner is not None and not any(other in scheduler.clients for other in others):
            self._driver.take(SessionChanged(owner, connected=False))

    def _metrics_of_all(self) -> list[JobMetrics]:
        metrics_of_all = [
            self._machine.overview.metrics(self._loop.time(), time.time(), job) for job in self._machine.jobs
        ]
        return [metrics for metrics in metrics_of_all if metrics is not None]
