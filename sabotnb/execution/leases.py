"""Leases of agents: who has not been heard of for too long.

The scheduler of a local cluster shares its process with the user's kernel. When that is busy, heartbeats wait in a
queue, so the machine's own delay is added to every lease before anybody is given up.
"""

from __future__ import annotations


class Leases:
    """Last sign of life of each agent; times are those of the machine's ``now``."""

    def __init__(self, duration: float) -> None:
        self.duration = duration
        self._heard: dict[str, float] = {}

    def heard(self, agent: str, now: float) -> None:
        """``agent`` is alive at ``now``."""
        self._heard[agent] = now

    def forget(self, agent: str) -> None:
        """``agent`` has no lease any more."""
        self._heard.pop(agent, None)

    def extend(self, lag: float) -> None:
        """No heartbeat could arrive for ``lag`` seconds: every lease lasts that much longer."""
        self._heard = {agent: heard + lag for agent, heard in self._heard.items()}

    def expired(self, now: float) -> list[str]:
        """Agents whose lease is over."""
        return [agent for agent, heard in self._heard.items() if now - heard > self.duration]
