"""The life of an agent under one id, from registration until its process ends or it is fenced."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from sabotnb.cluster.commit_runner import commit_failure, commit_or_abort
from sabotnb.config import Config
from sabotnb.errors import SabotnbError
from sabotnb.exchange import Exchange
from sabotnb.protocol import (
    Command,
    Commit,
    Committed,
    Deployment,
    DropRun,
    EndRun,
    Event,
    MetricsReported,
    PeerLost,
    RunId,
)
from sabotnb.task import Results, TaskRunner

logger = logging.getLogger("sabotnb.agent")


class AgentSession:
    """Tasks, channels and results under one agent id.

    ``begin``, ``deploy``, ``command``, ``commit`` and ``end`` are called from one thread; ``report`` from any. Other
    agents connect to ``host``, with the TLS of ``security`` (a ``distributed.Security``).
    """

    def __init__(self, agent: str, report: Callable[[Event], None], config: Config, security: Any, host: str) -> None:
        self.agent = agent
        self.results = Results(config)
        self._report = report
        self._exchange = Exchange(agent, config, security, self._on_peer_lost, host)
        self.runner = TaskRunner(self._exchange, report, self.results, config)
        """The tasks; any thread may read them."""
        self._committing = ThreadPoolExecutor(4, "sabot-commit")
        self._blobs: dict[RunId, Mapping[str, bytes]] = {}

    def begin(self) -> Mapping[str, str]:
        """Open the data server; returns its endpoints."""
        return self._exchange.start()

    def end(self) -> None:
        """Drop every task, channel and result."""
        self.runner.stop()
        self._exchange.stop()
        self._committing.shutdown(wait=False)

    def deploy(self, deployment: Deployment, blobs: Mapping[str, bytes]) -> None:
        """Start tasks; an error that prevents it is reported as their failure. StaleMessage if the run is over."""
        self._blobs[deployment.run] = blobs
        self.runner.deploy(deployment, blobs)

    def command(self, command: Command) -> None:
        """Pass a command on to the job's tasks; StaleMessage if they are over."""
        if isinstance(command, EndRun | DropRun):
            self._blobs.pop(command.run, None)
        if not isinstance(command, EndRun):
            self.runner.command(command)

    def commit(self, instruction: Commit, blobs: Mapping[str, bytes]) -> None:
        """Commit or abort a job's output in a thread, and report the result."""
        self._committing.submit(self._commit, instruction, blobs or self._blobs.get(instruction.run, {}))

    def metrics(self) -> MetricsReported:
        """Counters and queues of every task now."""
        runner = self.runner
        return MetricsReported(self.agent, runner.metrics(), runner.sent(), runner.queues(), time.monotonic())

    def _on_peer_lost(self, peer: str, reason: str) -> None:
        self._report(PeerLost(self.agent, peer, reason))

    def _commit(self, instruction: Commit, blobs: Mapping[str, bytes]) -> None:
        failure, saved = None, ""
        try:
            saved = commit_or_abort(instruction, blobs)
        except BaseException as error:  # without a report the job would wait forever
            if not isinstance(error, SabotnbError):  # which says all there is to say, to the job's owner
                logger.exception("%s cannot %s the output of %s", self.agent, instruction.action, instruction.run)
            failure = commit_failure(instruction, error)
        about = (instruction.run, instruction.epoch, instruction.action)
        self._report(Committed(self.agent, *about, failure, instruction.cut, saved))
