"""The control plane on the scheduler: a thin shell around ``execution.Machine``.

Theory of operation
-------------------
Dask's callbacks, the agents' messages and the clients' calls become events; the machine's instructions become messages,
timers and replies. All decisions are in the machine. This module only translates, and knows what the machine must not
know: addresses (``Roster``), blobs (``BlobStore``), timers, and the clients that wait (``ChangeNotifier``).

**One event at a time.** Everything runs on the scheduler's event loop, and ``_take`` contains no await: the machine
handles an event and its instructions are carried out, in order, before any other coroutine runs. No instruction feeds
an event back directly; those that could not be carried out do so after the others (``failed_instructions``). Handlers
that do await (``sabot_wait``, ``sabot_watch``, ``_ask``) must read the machine again afterwards, because anything may
have happened in the meantime.

**Order of instructions.** They are carried out after the machine has handled the whole event, so they may describe
intermediate states. The order still matters: the ``Reply`` to a submit stores the run's blobs, which the ``Deploy``
after it sends; ``JobChanged`` drops the blobs of runs that have ended.

**Lost agents.** A message to an agent without a connection is dropped. That is safe because the loss of the connection
is itself an event (``remove_worker``), upon which the machine ends what ran there. An agent leaves the roster before
the machine hears of its loss, so instructions that follow from the loss cannot reach it.

**Constraints of Dask.** The loop also serves Dask, and in a local cluster it shares the process of the user's kernel.
Nothing here blocks, reads a file or unpickles a function. An exception in a stream handler would make Dask close
the worker's connection, so ``_on_agent_events`` logs it instead.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4

from distributed import Scheduler, SchedulerPlugin
from distributed.scheduler import WorkerState

from sabotnb.cluster import control_codec
from sabotnb.cluster.blob_store import Blobs, BlobStore
from sabotnb.cluster.change_notifier import ChangeNotifier
from sabotnb.cluster.failed_instructions import events_after, failure_to_carry_out
from sabotnb.cluster.metrics_page import serve_metrics
from sabotnb.cluster.roster import Roster
from sabotnb.config import Config
from sabotnb.errors import SabotnbError, StaleMessage
from sabotnb.execution import Machine
from sabotnb.metrics import JobMetrics, without_tasks
from sabotnb.protocol import (
    AgentDown,
    AgentInfo,
    AgentLeaving,
    AgentUp,
    Commit,
    Deploy,
    Event,
    Failure,
    Instruction,
    JobChanged,
    JobRequest,
    Reply,
    RunId,
    RunRef,
    SessionChanged,
    SetTimer,
    Submit,
    Submitted,
    TaskState,
    Tell,
    TimerEvent,
    UserCommand,
)

logger = logging.getLogger("sabotnb.job_manager")

Stamp = tuple[int, float]
"""Version and time of a run's metrics."""

UNCHANGED = "unchanged"
"""Stands for metrics that the client already has."""

PROBED_ROWS = 1000
"""Approximate number of rows that all tasks together return to one probe."""

PROBE_SECONDS = 5.0
"""Agents that answer a probe later than its own wait plus this are left out."""

AGENTS = ""
"""The topic for changes among the agents; every other topic is the name of a job."""


def _news(metrics: JobMetrics | None, known: Stamp | None) -> JobMetrics | str | None:
    if metrics is None:
        return None
    if known is not None and (metrics.version, metrics.at) == tuple(known):
        return UNCHANGED
    return metrics if metrics.terminal else without_tasks(metrics)


def _later_number(last: int) -> int:
    """A run number above those of earlier clusters, so that files left by a killed run are known to be older."""
    return max(last + 1, int(1000 * time.time()))


class JobManager(SchedulerPlugin):
    """Scheduler plugin that runs jobs: feeds the machine, sends its instructions, and answers clients.

    Everything runs on the scheduler's event loop. Clients call the ``sabot_*`` handlers through a ``ClusterClient``;
    values travel as ``wire`` bytes.
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
        self._timers: dict[TimerEvent, asyncio.TimerHandle] = {}
        self._replies: dict[str, asyncio.Future[Reply]] = {}
        self._clients: dict[str, str] = {}
        """By Dask client that has submitted a job, its session."""
        self._submitting: dict[str, Blobs] = {}
        self._blobs = BlobStore()
        self.topics = ChangeNotifier()
        scheduler.handlers.update(
            {
                handler.__name__: handler
                for handler in (
                    self.sabot_enroll,
                    self.sabot_register,
                    self.sabot_wait_agents,
                    self.sabot_let_go,
                    self.sabot_command,
                    self.sabot_submit,
                    self.sabot_status,
                    self.sabot_views,
                    self.sabot_wait,
                    self.sabot_metrics,
                    self.sabot_job_metrics,
                    self.sabot_figures,
                    self.sabot_watch,
                    self.sabot_slots,
                    self.sabot_jobs,
                    self.sabot_pull,
                    self.sabot_probe,
                    self.sabot_samples,
                )
            }
        )
        self._retire = scheduler.handlers["retire_workers"]
        scheduler.handlers["retire_workers"] = self._retire_workers
        scheduler.stream_handlers["sabot-events"] = self._on_agent_events
        serve_metrics(scheduler, self._metrics_of_all)

    async def close(self) -> None:
        """Stop timers; Dask calls this when the scheduler closes."""
        for timer in self._timers.values():
            timer.cancel()

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
        return [one for one in workers if one.address in idle or not self._roster.at([one.address])]

    async def _retire_workers(
        self, workers: Sequence[str] | None = None, names: Sequence[Any] | None = None, **options: Any
    ) -> Any:
        """Retire workers: their agents receive no new tasks, and jobs that lose tasks report the reason."""
        named = {worker.address for worker in self._scheduler.workers.values() if worker.name in (names or ())}
        for agent in self._roster.at(named.union(workers or ())):
            if agent in self._machine.agents:
                self._take(AgentLeaving(agent, "its Dask worker was retired"))
        return await self._retire(workers=workers, names=names, **options)

    async def sabot_let_go(self, count: int) -> tuple[int, list[Any]]:
        """Choose ``count`` idle agents, the newest first, which receive no new tasks from now on.

        Returns how many are idle, and the Dask names of the chosen workers; no names if too few are idle.
        """
        idle = self._machine.overview.idle()
        leaving = idle[::-1][:count] if len(idle) >= count else []
        for agent in leaving:
            self._take(AgentLeaving(agent.id, "the cluster was scaled down"))
        return len(idle), [self._scheduler.workers[agent.address].name for agent in leaving]

    async def sabot_enroll(self, address: str) -> str:
        """Return a new agent id for the worker at ``address``; a worker that was fenced loses its previous id."""
        for former in self._roster.at([address]):
            self._agent_left(former, "it registered again")
        return self._roster.enroll(address)

    async def sabot_register(self, agent: bytes) -> None:
        """An enrolled agent is ready for tasks."""
        info: AgentInfo = control_codec.loads(agent)
        await self._roster.register(info.id)
        self._take(AgentUp(info))
        self.topics.wake(AGENTS)

    async def sabot_wait_agents(self, count: int, seconds: float) -> int:
        """Wait until there are ``count`` agents, at most ``seconds``; returns how many there are."""
        deadline = self._loop.time() + seconds
        while len(self._machine.agents) != count and (left := deadline - self._loop.time()) > 0:
            await self.topics.wait_changed((AGENTS,), left)
        return len(self._machine.agents)

    def _agent_left(self, agent: str, reason: str) -> None:
        self._roster.leave(agent)  # before the event: its instructions must not be sent to this agent
        self._blobs.forget_agent(agent)
        if agent in self._machine.agents:
            self._take(AgentDown(agent, reason))
        self.topics.wake(AGENTS)

    def _on_agent_events(self, worker: str, events: bytes) -> None:
        """Feed an agent's events to the machine, in order."""
        try:
            for event in control_codec.loads(events):
                self._take(event)
        except Exception:
            logger.exception("unreadable message from %s", worker)

    # Clients

    async def sabot_command(self, command: bytes) -> bytes:
        """Answer a command of a client with its ``Reply``."""
        return control_codec.dumps(await self._ask(control_codec.loads(command), {}))

    async def sabot_submit(self, request: bytes, blobs: Blobs, client: str) -> bytes:
        """``submit_stream_job`` for a Dask client; its session holds the job's name while it is connected."""
        job: JobRequest = control_codec.loads(request)
        if client not in self._clients:
            self._clients[client] = job.owner
            # before the submit: names of jobs belong to sessions that the machine knows to be connected
            self._take(SessionChanged(job.owner, connected=True))
        return control_codec.dumps(await self.submit_stream_job(job, blobs))

    async def submit_stream_job(self, request: JobRequest, blobs: Blobs) -> Reply:
        """Submit a job and wait for the ``Reply``, which has the id of the run or the reason for a refusal.

        ``blobs`` are its functions and tables by sha256.
        """
        return await self._ask(Submit(uuid4().hex, request), blobs)

    def add_client(self, scheduler: Scheduler, client: str) -> None:
        """A Dask client has connected or reconnected."""
        if client in self._clients:
            self._take(SessionChanged(self._clients[client], connected=True))

    def remove_client(self, scheduler: Scheduler, client: str) -> None:
        """A Dask client's connection has ended."""
        owner = self._clients.get(client)
        others = [one for one, whose in self._clients.items() if whose == owner and one != client]
        if owner is not None and not any(one in scheduler.clients for one in others):
            self._take(SessionChanged(owner, connected=False))

    async def _ask(self, command: UserCommand, blobs: Blobs) -> Reply:
        answer: asyncio.Future[Reply] = self._loop.create_future()
        self._replies[command.id] = answer
        self._submitting[command.id] = blobs
        try:
            self._take(command)
            return await answer
        finally:
            del self._replies[command.id], self._submitting[command.id]

    async def sabot_status(self, run: bytes) -> bytes:
        """The ``RunStatus``; None if the run is not known."""
        return control_codec.dumps(self._machine.overview.status(control_codec.loads(run)))

    async def sabot_views(self, run: bytes) -> bytes:
        """The data kept for showing the run, from its request; None if the run is not known."""
        return control_codec.dumps(self._machine.overview.views(control_codec.loads(run)))

    async def sabot_wait(self, run: bytes, seconds: float, unlike: str = "") -> bytes:
        """Wait until the run has ended and return its ``RunStatus``; None if the run is not known.

        Returns only its ``JobState`` after ``seconds``, or once the state differs from ``unlike``.
        """
        waited: RunId = control_codec.loads(run)
        deadline = self._loop.time() + seconds
        while (state := self._machine.overview.state(waited)) is not None:
            left = deadline - self._loop.time()
            if state.terminal:
                break
            if left <= 0 or unlike not in ("", state.value):
                return control_codec.dumps(state)
            await self.topics.wait_changed((waited.job,), left)
        return control_codec.dumps(self._machine.overview.status(waited))

    async def sabot_job_metrics(self, run: bytes) -> bytes:
        """The run's ``JobMetrics``; None if the run is not known."""
        return control_codec.dumps(self._job_metrics(control_codec.loads(run)))

    async def sabot_figures(self, run: bytes, per: str) -> bytes:
        """Rows per channel or per second (``status.job_series``); None if the run is not known."""
        wanted: RunRef = control_codec.loads(run)
        return control_codec.dumps(self._machine.overview.figures(self._loop.time(), time.time(), wanted, per))

    async def sabot_watch(self, runs: bytes, seconds: float, known: Sequence[Stamp | None]) -> bytes:
        """Return the ``JobMetrics`` (or None) of each run when the state of one changes, or after ``seconds``.

        Metrics include tasks only if the run is over, because clients do not ask again then. ``known`` holds the
        versions and times of the metrics that the client has; those that did not change come back as ``UNCHANGED``.
        """
        watched: Sequence[RunId] = control_codec.loads(runs)
        await self.topics.wait_changed(tuple(run.job for run in watched), seconds)
        found = [self._job_metrics(run) for run in watched]
        return control_codec.dumps([_news(metrics, stamp) for metrics, stamp in zip(found, known, strict=True)])

    async def sabot_metrics(self, job: str | None = None) -> bytes:
        """``get_metrics_summary`` for a client."""
        return control_codec.dumps(self.get_metrics_summary(job))

    async def sabot_slots(self) -> bytes:
        """One row per agent."""
        return control_codec.dumps(self._machine.overview.slots())

    async def sabot_jobs(self) -> bytes:
        """A ``RunSummary`` of each job."""
        return control_codec.dumps(self._machine.overview.summaries())

    async def sabot_pull(self, agent: str, **request: Any) -> Any:
        """Forward a pull of results for a client that cannot reach the agent's worker."""
        return await self._scheduler.rpc(self._roster.address(agent)).sabot_pull(**request)

    async def sabot_probe(
        self, run: str, vertex: str, operator: str, keys: list[str], rows: int, wait: float
    ) -> dict[str, Any]:
        """The last rows that left ``operator``, by task, from all agents that run ``vertex``.

        ``{"tasks": [...], "silent": [...]}``: results of ``TaskRunner.probe`` by task, and agents that did not answer.
        """
        job = self._machine.overview.run(RunId.parse(run))
        tasks = [task for task in job.tasks.values() if task.attempt.task.vertex == vertex] if job else []
        running = [task.slot.agent for task in tasks if task.state is TaskState.RUNNING]
        agents = list(dict.fromkeys(running))
        each = max(1, min(rows, PROBED_ROWS // max(1, len(running))))
        request: dict[str, Any] = {"run": run, "vertex": vertex, "operator": operator}
        request |= {"keys": keys, "rows": each, "wait": wait}
        asked = (asyncio.wait_for(self._probe(agent, request), wait + PROBE_SECONDS) for agent in agents)
        answers = await asyncio.gather(*asked, return_exceptions=True)
        given = dict(zip(agents, answers, strict=True))
        return {
            "tasks": [task for answer in given.values() if isinstance(answer, list | tuple) for task in answer],
            "silent": [agent for agent, answer in given.items() if isinstance(answer, BaseException)],
        }

    async def _probe(self, agent: str, request: Mapping[str, Any]) -> list[dict[str, Any]]:
        tasks: list[dict[str, Any]] = await self._scheduler.rpc(self._roster.address(agent)).sabot_probe(**request)
        return tasks

    async def sabot_samples(self, run: str) -> list[dict[str, Any]]:
        """The last late and failing rows of a run, by task; agents that do not answer are left out."""
        job = self._machine.overview.run(RunId.parse(run))
        agents = dict.fromkeys(task.slot.agent for task in job.tasks.values()) if job else {}
        asked = (asyncio.wait_for(self._samples(agent, run), PROBE_SECONDS) for agent in agents)
        answers = await asyncio.gather(*asked, return_exceptions=True)
        return [sample for answer in answers if isinstance(answer, list | tuple) for sample in answer]

    async def _samples(self, agent: str, run: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = await self._scheduler.rpc(self._roster.address(agent)).sabot_samples(run=run)
        return found

    def get_metrics_summary(self, job: str | None = None) -> dict[str, Any]:
        """Jobs and tasks by state, total rows and bytes, and uptime in seconds: of one job, or of all jobs."""
        runs = [run for run in self._machine.overview.summaries() if job in (None, run.job)]
        tasks: Counter[str] = Counter()
        for run in runs:
            tasks.update(run.counts)
        started = [run.started for run in runs if run.started is not None]
        return {
            "jobs": dict(Counter(run.state.value for run in runs)),
            "tasks": dict(tasks),
            "rows": sum(run.rows for run in runs),
            "bytes": sum(run.bytes for run in runs),
            "uptime": self._loop.time() - min(started) if started else 0.0,
        }

    def _job_metrics(self, run: RunRef) -> JobMetrics | None:
        return self._machine.overview.metrics(self._loop.time(), time.time(), run)

    def _metrics_of_all(self) -> list[JobMetrics]:
        found = [self._job_metrics(job) for job in self._machine.jobs]
        return [metrics for metrics in found if metrics is not None]

    # The machine

    def _take(self, event: Event) -> None:
        """Feed the machine and carry out its instructions. A defect is logged, and fails the command that caused it."""
        try:
            instructions = self._machine.handle(self._loop.time(), event)
        except StaleMessage as stale:
            logger.info("refused: %s", stale)  # expected after every cancel: reports and commands cross
        except Exception as defect:
            logger.exception("the control plane cannot handle %s", event)
            if isinstance(event, UserCommand):
                kind = type(defect).__name__ if isinstance(defect, SabotnbError) else "ProtocolError"
                self._answer(Reply(event.id, failure=Failure(kind, str(defect))))
        else:
            self._carry_out(instructions)

    def _carry_out(self, instructions: Sequence[Instruction]) -> None:
        """Carry out every instruction; one that raises fails its job, after the others were carried out."""
        following: list[Event] = []
        for instruction in instructions:
            try:
                self._do(instruction)
            except Exception as defect:
                logger.exception("the scheduler cannot carry out %s", type(instruction).__name__)
                failure = failure_to_carry_out(instruction, defect)
                if isinstance(instruction, Reply):
                    self._answer(Reply(instruction.id, failure=failure))
                following += events_after(instruction, failure)
        for event in following:
            self._take(event)

    def _do(self, instruction: Instruction) -> None:
        match instruction:
            case Deploy(agent, deployment):
                blobs = self._blobs.to_deploy(agent, deployment.run)
                self._tell(agent, "sabot-deploy", deployment, blobs)
            case Commit(agent, run):
                self._tell(agent, "sabot-commit", instruction, self._blobs.to_commit(agent, run))
            case Tell(agent, command):
                self._tell(agent, "sabot-tell", command)
            case SetTimer(event, at):
                self._set_timer(event, at)
            case Reply():
                self._answer(instruction)
            case JobChanged(job):
                self._drop_blobs(job)
                self.topics.wake(job)

    def _tell(self, agent: str, op: str, message: Any, blobs: Blobs | None = None) -> None:
        address = self._roster.find(agent)
        if address in self._scheduler.stream_comms:
            packed = {"op": op, "message": control_codec.dumps(message)}
            self._scheduler.worker_send(address, packed if blobs is None else {**packed, "blobs": blobs})

    def _set_timer(self, event: TimerEvent, at: float) -> None:
        if event in self._timers:
            self._timers[event].cancel()
        self._timers[event] = self._loop.call_at(at, self._take, event)

    def _answer(self, reply: Reply) -> None:
        answer = self._replies.get(reply.id)
        if answer is None or answer.done():
            return
        # a new run: its blobs must be there before the Deploy that follows this reply
        if isinstance(reply.value, Submitted) and reply.value.how != "attached":
            self._blobs.keep(reply.value.run, self._submitting[reply.id])
        answer.set_result(reply)

    def _drop_blobs(self, job: str) -> None:
        """Drop the blobs of the job's runs that have ended."""
        current = self._machine.jobs.get(job)
        if current is not None and current.state.terminal:
            self._blobs.drop(current.id)
        elif current is not None:
            self._blobs.drop_before(current.id)
