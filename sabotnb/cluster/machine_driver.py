"""Feeds the machine with events on the scheduler's event loop, and carries out its instructions.

Theory of operation
-------------------
**One event at a time.** Everything runs on the scheduler's event loop, and ``take`` contains no await: the machine
handles an event and its instructions are carried out, in order, before any other coroutine runs. No instruction feeds
an event back directly; those that could not be carried out do so after the others (``failed_instructions``).

**Order of instructions.** They are carried out after the machine has handled the whole event, so they may describe
intermediate states. The order still matters: the ``Reply`` to a submit stores the run's blobs, which the ``Deploy``
after it sends; ``JobChanged`` drops the blobs of runs that have ended.

**Lost agents.** A message to an agent without a connection is dropped. That is safe because the loss of the connection
is itself an event, upon which the machine ends what ran there. An agent leaves the roster before the machine hears of
its loss, so instructions that follow from the loss cannot reach it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any

from distributed import Scheduler

from sabotnb.cluster import control_codec
from sabotnb.cluster.blob_store import Blobs, BlobStore
from sabotnb.cluster.change_notifier import ChangeNotifier
from sabotnb.cluster.failed_instructions import events_after, failure_to_carry_out
from sabotnb.cluster.roster import Roster
from sabotnb.cluster.store_driver import StoreDriver
from sabotnb.config import Config
from sabotnb.errors import SabotnbError, StaleMessage
from sabotnb.execution import Machine
from sabotnb.protocol import (
    AgentDown,
    Commit,
    Deploy,
    Event,
    Failure,
    GrantEpoch,
    Instruction,
    JobChanged,
    Reply,
    RunId,
    SetTimer,
    Store,
    Submitted,
    Tell,
    TimerEvent,
    UserCommand,
)

logger = logging.getLogger("sabotnb.job_manager")


Begin = Callable[[RunId, Blobs], None]
"""Records a run that has begun, with its blobs."""


class MachineDriver:
    """The machine, and what it must not know: connections, addresses, blobs, timers and the clients that wait."""

    def __init__(
        self, scheduler: Scheduler, machine: Machine, roster: Roster, changes: ChangeNotifier, config: Config
    ) -> None:
        self._scheduler = scheduler
        self._machine = machine
        self._roster = roster
        self._changes = changes
        self._loop = asyncio.get_running_loop()
        self._timers: dict[TimerEvent, asyncio.TimerHandle] = {}
        self._replies: dict[str, asyncio.Future[Reply]] = {}
        self._submitting: dict[str, tuple[Blobs, Begin]] = {}
        self._blobs = BlobStore()
        self.store = StoreDriver(config, self.take, machine.overview)

    async def close(self) -> None:
        """Stop timers, and close the job store."""
        for timer in self._timers.values():
            timer.cancel()
        await self.store.close()

    async def ask(self, command: UserCommand, blobs: Blobs, begin: Begin | None = None) -> Reply:
        """Feed a client's command and wait for the reply; ``blobs`` are those of a submitted job by sha256.

        ``begin`` records a run that begins; by default a new run.
        """
        answer: asyncio.Future[Reply] = self._loop.create_future()
        self._replies[command.id] = answer
        self._submitting[command.id] = blobs, begin or self.store.begin
        try:
            self.take(command)
            return await answer
        finally:
            del self._replies[command.id], self._submitting[command.id]

    def blobs(self, run: RunId) -> Blobs:
        """The functions and tables of a run that has not ended, by sha256."""
        return self._blobs.of(run)

    def agent_left(self, agent: str, reason: str) -> None:
        """Declare ``agent`` lost: its connection is closed, or it has registered under another id."""
        self._roster.leave(agent)  # before the event: its instructions must not be sent to this agent
        self._blobs.forget_agent(agent)
        if agent in self._machine.agents:
            self.take(AgentDown(agent, reason))

    def take(self, event: Event) -> None:
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
            self.take(event)

    def _do(self, instruction: Instruction) -> None:
        match instruction:
            case Deploy(agent, deployment):
                blobs = self._blobs.to_deploy(agent, deployment.run)
                self._tell(agent, "sabot-deploy", deployment, blobs)
            case Commit(agent, run):
                self._tell(agent, "sabot-commit", instruction, self._blobs.to_commit(agent, run))
            case Tell(agent, command):
                self._tell(agent, "sabot-tell", command)
            case Store(stored):
                self.store.store(stored)
            case GrantEpoch(run, epoch):
                self.store.grant(run, epoch)
            case SetTimer(event, at):
                self._set_timer(event, at)
            case Reply():
                self._answer(instruction)
            case JobChanged(job):
                self._drop_blobs(job)
                self.store.changed(job)
                self._changes.wake(job)

    def _tell(self, agent: str, op: str, message: Any, blobs: Blobs | None = None) -> None:
        address = self._roster.find(agent)
        if address in self._scheduler.stream_comms:
            packed = {"op": op, "message": control_codec.dumps(message)}
            self._scheduler.worker_send(address, packed if blobs is None else {**packed, "blobs": blobs})

    def _set_timer(self, event: TimerEvent, at: float) -> None:
        if event in self._timers:
            self._timers[event].cancel()
        self._timers[event] = self._loop.call_at(at, self.take, event)

    def _answer(self, reply: Reply) -> None:
        answer = self._replies.get(reply.id)
        if answer is None or answer.done():
            return
        # a new run: its blobs must be there before the Deploy that follows this reply
        if isinstance(reply.value, Submitted) and reply.value.how != "attached":
            blobs, begin = self._submitting[reply.id]
            self._blobs.keep(reply.value.run, blobs)
            begin(reply.value.run, blobs)
        answer.set_result(reply)

    def _drop_blobs(self, job: str) -> None:
        """Drop the blobs of the job's runs that have ended."""
        current = self._machine.jobs.get(job)
        if current is not None and current.state.terminal:
            self._blobs.drop(current.id)
        elif current is not None:
            self._blobs.drop_before(current.id)
