"""Maps agents to the addresses of their workers, from enrollment until they are lost."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Collection

from sabotnb.errors import StaleMessage

ORDER_SECONDS = 1.0
"""How long a registration waits for agents with smaller numbers, so that lists of agents are in order."""


class Roster:
    """Addresses of workers by agent. Ids are numbered and never reused. Belongs to one event loop."""

    def __init__(self) -> None:
        self._addresses: dict[str, str] = {}
        self._enrolled = 0
        self._enrolling: dict[str, asyncio.Future[None]] = {}

    def enroll(self, address: str) -> str:
        """Return a new id for the agent of the worker at ``address``."""
        self._enrolled += 1
        agent = f"agent-{self._enrolled}"
        self._addresses[agent] = address
        self._enrolling[agent] = asyncio.get_running_loop().create_future()
        return agent

    async def register(self, agent: str) -> None:
        """Mark an enrolled agent as ready. Agents that start together become ready in the order of their numbers.

        Raises:
            StaleMessage: the agent was lost in the meantime.
        """
        before = list(itertools.takewhile(lambda other: other != agent, self._enrolling))
        if before:
            await asyncio.wait([self._enrolling[other] for other in before], timeout=ORDER_SECONDS)
        if agent not in self._enrolling:
            raise StaleMessage(f"{agent} is not enrolled (any more)")
        self._enrolling.pop(agent).set_result(None)

    def leave(self, agent: str) -> None:
        """The agent is gone."""
        del self._addresses[agent]
        if agent in self._enrolling:
            self._enrolling.pop(agent).set_result(None)

    def find(self, agent: str) -> str | None:
        """The address of the agent's worker; None if it is gone."""
        return self._addresses.get(agent)

    def address(self, agent: str) -> str:
        """The address of the agent's worker; StaleMessage if it is gone."""
        address = self.find(agent)
        if address is None:
            raise StaleMessage(f"{agent} is gone")
        return address

    def at(self, addresses: Collection[str]) -> list[str]:
        """The agents at those addresses."""
        return [agent for agent, address in self._addresses.items() if address in addresses]
