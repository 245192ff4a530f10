"""Forwards requests of clients for rows to the agents that have them, on the scheduler."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from distributed import Scheduler

from sabotnb.cluster.roster import Roster
from sabotnb.execution import Overview
from sabotnb.protocol import RunId, TaskState

PROBED_ROWS = 1000
"""Approximate number of rows that all tasks together return to one probe."""

PROBE_SECONDS = 5.0
"""Agents that answer a probe later than its own wait plus this are left out."""


class AgentRequests:
    """Asks agents for results, probed rows and samples. Belongs to the scheduler's event loop."""

    def __init__(self, scheduler: Scheduler, roster: Roster, overview: Overview) -> None:
        self._scheduler = scheduler
        self._roster = roster
        self._overview = overview

    async def sabot_pull(self, agent: str, **request: Any) -> Any:
        """Forward a pull of results for a client that cannot reach the agent's worker."""
        return await self._worker(agent).sabot_pull(**request)

    async def sabot_probe(
        self, run: str, vertex: str, operator: str, keys: list[str], rows: int, wait: float
    ) -> dict[str, Any]:
        """The last rows that left ``operator``, by task, from all agents that run ``vertex``.

        ``{"tasks": [...], "silent": [...]}``: results of ``TaskRunner.probe`` by task, and agents that did not answer.
        """
        job = self._overview.run(RunId.parse(run))
        tasks = [task for task in job.tasks.values() if task.attempt.task.vertex == vertex] if job else []
        running = [task.slot.agent for task in tasks if task.state is TaskState.RUNNING]
        agents = list(dict.fromkeys(running))
        each = max(1, min(rows, PROBED_ROWS // max(1, len(running))))
        request: dict[str, Any] = {"run": run, "vertex": vertex, "operator": operator}
        request |= {"keys": keys, "rows": each, "wait": wait}
        answers = await self._ask("sabot_probe", agents, request, wait + PROBE_SECONDS)
        return {
            "tasks": _rows(answers),
            "silent": [agent for agent, answer in zip(agents, answers, strict=True) if not _has_rows(answer)],
        }

    async def sabot_samples(self, run: str) -> list[dict[str, Any]]:
        """The last late and failing rows of a run, by task; agents that do not answer are left out."""
        job = self._overview.run(RunId.parse(run))
        agents = list(dict.fromkeys(task.slot.agent for task in job.tasks.values())) if job else []
        return _rows(await self._ask("sabot_samples", agents, {"run": run}, PROBE_SECONDS))

    async def _ask(self, handler: str, agents: Sequence[str], request: dict[str, Any], seconds: float) -> list[Any]:
        """The answer of each agent, or the exception with which it was not given."""

        async def ask(agent: str) -> Any:
            return await getattr(self._worker(agent), handler)(**request)

        asked = (asyncio.wait_for(ask(agent), seconds) for agent in agents)
        return await asyncio.gather(*asked, return_exceptions=True)

    def _worker(self, agent: str) -> Any:
        return self._scheduler.rpc(self._roster.address(agent))


def _has_rows(answer: object) -> bool:
    return isinstance(answer, list | tuple)


def _rows(answers: Sequence[Any]) -> list[dict[str, Any]]:
    return [row for answer in answers if _has_rows(answer) for row in answer]
