"""The state of the control plane, shared by the parts of the machine; only they change it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from sabotnb.errors import StaleMessage
from sabotnb.execution.job_run import JobRun, TaskVertex
from sabotnb.execution.runs import Runs
from sabotnb.execution.slots import SlotPool
from sabotnb.protocol import AgentInfo, Attempt, Command, Tell


@dataclass(frozen=True, slots=True)
class ClusterState:
    """Agents by id, the runs of all jobs, the slot pool, and the connected sessions."""

    agents: dict[str, AgentInfo] = field(default_factory=dict)
    runs: Runs = field(default_factory=Runs)
    pool: SlotPool = field(default_factory=SlotPool)
    sessions: set[str] = field(default_factory=set)
    """Ids of the sessions that own jobs and are connected."""
    hanging: dict[str, tuple[Attempt, ...]] = field(default_factory=dict)
    """By agent, canceled tasks whose functions do not return: slots are free, threads and memory are not."""

    @property
    def jobs(self) -> dict[str, JobRun]:
        """The current run of each name, in order of submission."""
        return self.runs.current

    def find_task(self, agent: str, attempt: Attempt, does: str) -> tuple[JobRun, TaskVertex]:
        """Return the task that ``agent`` reports about, and its run; StaleMessage if it is over or another agent's."""
        job = self.jobs.get(attempt.run.job)
        task = job.tasks.get(attempt.task) if job else None
        fenced = agent not in self.agents
        if job is None or task is None or task.attempt != attempt or task.slot.agent != agent or fenced:
            raise StaleMessage(f"{agent} {does} {attempt}, which is over")
        return job, task

    def tell_used(self, job: JobRun, command: Command) -> Iterable[Tell]:
        """Send ``command`` to every registered agent that ever had a task of ``job``."""
        return (Tell(agent, command) for agent in job.used_agents() if agent in self.agents)


def tell_running(job: JobRun, command: Command) -> Iterable[Tell]:
    """Send ``command`` to every agent on which a task of ``job`` has not ended."""
    return (Tell(agent, command) for agent in job.agents())
