"""The data plane on a Dask worker: runs tasks in slots, reports on them, and sends rows to peers.

The plugin translates: messages of the scheduler become calls of the worker's ``AgentSession``, and reports of its tasks
become events. Instructions run one after another in their own thread, so that the worker's event loop stays responsive.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from threading import Thread
from typing import Any

from distributed import Worker, WorkerPlugin
from distributed.comm.addressing import get_address_host

from sabotnb.cluster import control_codec
from sabotnb.cluster.agent_session import AgentSession
from sabotnb.cluster.process import have_process_alone, outlive_interrupts
from sabotnb.cluster.result_server import ResultServer
from sabotnb.config import Config
from sabotnb.errors import StaleMessage
from sabotnb.protocol import AgentInfo, Command, Event, Fence, Heartbeat, RunId
from sabotnb.task import warm_up

logger = logging.getLogger("sabotnb.agent")

SLOTS_PER_THREAD = 4
"""Slots per Dask thread, for a worker without a resource ``slot``."""

LOOPBACK = "127.0.0.1"
METRICS_SECONDS = 0.5
PROBES = 4
"""Threads for concurrent probes; separate, so that a click does not wait for clients that pull results."""

PROBE_SECONDS = 1.0

QUANTITIES = frozenset({"slot", "cpu", "memory"})
"""Dask resources that are amounts; every other one is a tag (``gpu``, ``highmem``)."""


class Agent(WorkerPlugin):
    """Worker plugin: one agent per process. Its id is new for every process, and after each ``Fence``."""

    name = "sabotnb-agent"
    idempotent = True

    def __init__(self, config: Config | None = None) -> None:
        self._config = config or Config()

    async def setup(self, worker: Worker) -> None:
        """Start listening and register with the JobManager; Dask calls this in every worker, existing or new."""
        self._worker = worker
        self._loop = asyncio.get_running_loop()
        self._fencing: asyncio.Task[None] | None = None
        self._beats: list[asyncio.Task[None]] = []
        self._reports: list[Event] = []
        self._leaving = False
        self._instructions = ThreadPoolExecutor(1, "sabot-instructions")
        self._result_server = ResultServer()
        self._probes = ThreadPoolExecutor(PROBES, "sabot-probe")
        worker.handlers["sabot_pull"] = self.sabot_pull
        worker.handlers["sabot_probe"] = self.sabot_probe
        worker.handlers["sabot_samples"] = self.sabot_samples
        worker.stream_handlers["sabot-deploy"] = self._on_deploy
        worker.stream_handlers["sabot-commit"] = self._on_commit
        worker.stream_handlers["sabot-tell"] = self._on_tell
        alone = not worker.address.startswith("inproc://")
        if alone:
            have_process_alone()
        if worker.nanny is not None:
            outlive_interrupts()
        await self._enroll()
        if alone:
            Thread(target=_warm_up, name="sabot-warm-up", daemon=True).start()
        self._beats = [
            asyncio.create_task(self._every(self._config.heartbeat_seconds, self._heartbeat)),
            asyncio.create_task(self._every(METRICS_SECONDS, self._send_metrics)),
            asyncio.create_task(self._every(PROBE_SECONDS, self._take_out_probes)),
        ]

    async def teardown(self, worker: Worker) -> None:
        """Stop every task; Dask waits about four seconds for this."""
        for ended in (*self._beats, self._fencing):
            if ended is not None:
                ended.cancel()
        await self._loop.run_in_executor(self._instructions, self._session.end)
        self._leaving = True
        self._instructions.shutdown(wait=False)
        self._result_server.close()
        self._probes.shutdown(wait=False, cancel_futures=True)

    async def sabot_pull(self, run: str, **request: Any) -> Any:
        """Answer a client that pulls results of a collecting task: see ``ResultServer.answer``."""
        return await self._result_server.answer(self._session.results, RunId.parse(run), **request)

    async def sabot_probe(self, run: str, **request: Any) -> list[dict[str, Any]]:
        """Answer a client that samples an operator's output: see ``TaskRunner.probe``. Waits in a thread."""
        probe = self._session.runner.probe
        return await self._loop.run_in_executor(self._probes, lambda: probe(RunId.parse(run), **request))

    async def sabot_samples(self, run: str) -> list[dict[str, Any]]:
        """Answer a client that asks for late and failing rows: see ``TaskRunner.samples``."""
        samples = self._session.runner.samples
        return await self._loop.run_in_executor(self._probes, lambda: samples(RunId.parse(run)))

    # Registration

    async def _enroll(self) -> None:
        worker = self._worker
        agent: str = await worker.scheduler.sabot_enroll(address=worker.address)
        self._session = AgentSession(
            agent, self._report_from_thread, self._config, worker.security, _listening_host(worker)
        )
        endpoints = await self._loop.run_in_executor(self._instructions, self._session.begin)
        await worker.scheduler.sabot_register(agent=control_codec.dumps(self._info(agent, endpoints)))

    def _info(self, agent: str, endpoints: Mapping[str, str]) -> AgentInfo:
        worker = self._worker
        resources = dict(worker.state.total_resources)
        memory = worker.memory_manager.memory_limit
        return AgentInfo(
            id=agent,
            address=worker.address,
            host=get_address_host(worker.address),
            pid=os.getpid(),
            slots=int(resources.get("slot", SLOTS_PER_THREAD * worker.state.nthreads)),
            resources={"memory": memory, **resources} if memory else resources,
            tags=frozenset(resources) - QUANTITIES,
            endpoints=endpoints,
        )

    def _fence(self, agent: str) -> None:
        if agent == self._session.agent and not self._is_fencing():
            self._fencing = asyncio.create_task(self._register_again())

    def _is_fencing(self) -> bool:
        return self._fencing is not None and not self._fencing.done()

    async def _register_again(self) -> None:
        logger.warning("%s was declared lost; registering again under a new id", self._session.agent)
        try:
            await self._loop.run_in_executor(self._instructions, self._session.end)
            await self._enroll()
        except Exception:
            logger.exception("this worker cannot register again; restart it")

    # Instructions

    def _on_deploy(self, message: bytes, blobs: Mapping[str, bytes]) -> None:
        self._enqueue(lambda session: session.deploy(control_codec.loads(message), blobs))

    def _on_commit(self, message: bytes, blobs: Mapping[str, bytes]) -> None:
        self._enqueue(lambda session: session.commit(control_codec.loads(message), blobs))

    def _on_tell(self, message: bytes) -> None:
        self._enqueue(lambda session: self._pass_on(session, control_codec.loads(message)))

    def _pass_on(self, session: AgentSession, command: Command) -> None:
        if isinstance(command, Fence):
            self._loop.call_soon_threadsafe(self._fence, command.agent)
        else:
            session.command(command)

    def _enqueue(self, act: Callable[[AgentSession], None]) -> None:
        """Run ``act`` in the instructions' thread, on the session that is current now, even if it has ended by then.

        An agent that is leaving has no tasks any more, so instructions that arrive after that are dropped.
        """
        if not self._leaving:
            self._instructions.submit(_carry_out, act, self._session)

    # Reports

    def _report_from_thread(self, event: Event) -> None:
        self._loop.call_soon_threadsafe(self._report, event)

    def _report(self, event: Event) -> None:
        """Send ``event`` in one message with all others of this turn of the loop: tasks start by the hundred."""
        self._reports.append(event)
        if len(self._reports) == 1:
            self._loop.call_soon(self._send_reports)

    def _send_reports(self) -> None:
        events, self._reports = self._reports, []
        self._worker.batched_send({"op": "sabot-events", "events": control_codec.dumps(events)})

    def _heartbeat(self) -> None:
        if not self._is_fencing():  # a heartbeat of an id that is not registered yet would be fenced
            self._report(Heartbeat(self._session.agent, tuple(self._session.runner.hanging())))

    def _send_metrics(self) -> None:
        metrics = self._session.metrics()
        if metrics.counters:
            self._report(metrics)

    def _take_out_probes(self) -> None:
        self._session.runner.take_out_probes()

    async def _every(self, seconds: float, act: Callable[[], None]) -> None:
        while True:
            await asyncio.sleep(seconds)
            act()


def _carry_out(act: Callable[[AgentSession], None], session: AgentSession) -> None:
    """Log exceptions of an instruction, because nothing waits for its result."""
    try:
        act(session)
    except StaleMessage as stale:
        logger.info("refused: %s", stale)
    except Exception:
        logger.exception("%s cannot carry out an instruction", session.agent)


def _warm_up() -> None:
    """Warm up in a separate thread, so that neither setup nor the first job waits for it."""
    try:
        warm_up()
    except Exception:
        logger.exception("the first job will be slow")


def _listening_host(worker: Worker) -> str:
    """The host at which other agents reach this one: the one that Dask listens on."""
    return LOOPBACK if worker.address.startswith("inproc://") else str(get_address_host(worker.address))
