"""Leases of agents: an agent is declared lost when nothing was heard from it for too long.

The scheduler of a local cluster shares its process with the user's kernel. While the kernel is busy, heartbeats wait in
a queue. Therefore the machine extends every lease by its own delay before it declares any agent lost.
"""

from __future__ import annotations


class Leases:
    """When each agent was last heard from, by the machine's clock."""

    def __init__(self, duration: float) -> None:
        self.duration = duration
        self._heard: dict[str, float] = {}

    def heard(self, agent: str, now: float) -> None:
        """Renew the lease of ``agent`` at ``now``."""
        self._heard[agent] = now

    def forget(self, agent: str) -> None:
        """Remove the lease of ``agent``."""
        self._heard.pop(agent, None)

    def extend(self, lag: float) -> None:
        """Extend every lease by ``lag`` seconds, in which no heartbeat could be handled."""
        self._heard = {agent: heard + lag for agent, heard in self._heard.items()}

    def expired(self, now: float) -> list[str]:
        """Agents whose lease has expired."""
        return [agent for agent, heard in self._heard.items() if now - heard > self.duration]
