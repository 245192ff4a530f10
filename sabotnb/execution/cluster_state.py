"""Everything that the control plane knows. Only the parts of the machine, which share it, change it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from sabotnb.execution.job_run import JobRun
from sabotnb.execution.runs import Runs
from sabotnb.execution.slots import SlotPool
from sabotnb.protocol import AgentInfo, Attempt, Command, Tell


@dataclass(frozen=True, slots=True)
class ClusterState:
    """Agents by id, the runs of all jobs, and the slots."""

    agents: dict[str, AgentInfo] = field(default_factory=dict)
    runs: Runs = field(default_factory=Runs)
    pool: SlotPool = field(default_factory=SlotPool)
    sessions: set[str] = field(default_factory=set)
    """Owners of jobs that are connected."""
    hanging: dict[str, tuple[Attempt, ...]] = field(default_factory=dict)
    """Canceled tasks of each agent that do not return: their slots are free, their threads and memory are not."""

    @property
    def jobs(self) -> dict[str, JobRun]:
        """The current run of each name, in order of submission."""
        return self.runs.current

    def tell_used(self, job: JobRun, command: Command) -> Iterable[Tell]:
        """Pass ``command`` on to every agent that was given a task of ``job`` and is still there."""
        return (Tell(agent, command) for agent in job.used_agents() if agent in self.agents)


def tell_running(job: JobRun, command: Command) -> Iterable[Tell]:
    """Pass ``command`` on to every agent on which a task of ``job`` is not over."""
    return (Tell(agent, command) for agent in job.agents())
