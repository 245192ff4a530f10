"""What is said of a job while one of its agents does not report."""

import pytest
from simulator import Simulator, request

from sabotnb.execution.status.silent_agents import silence
from sabotnb.metrics import TaskCounters
from sabotnb.protocol import MetricsReported


class TwoAgents(Simulator):
    """A job with a task on each of two agents; all time passes at once."""

    def __init__(self):
        super().__init__(agents=2, slots=1)
        self.submit(request(vertices=(("work", 2),), commits=False))

    def report(self, agent, at):
        self.now = at
        mine = {attempt: TaskCounters() for who, attempt in self.running if who == agent}
        self.feed(MetricsReported(agent, mine, at=at))

    def sentence(self):
        found = silence(self.machine.jobs["job"], self.now)
        return found and found.sentence


def test_an_agent_that_has_not_reported_for_a_while_is_named_with_the_age_of_its_figures():
    cluster = TwoAgents()
    for second in range(1, 5):
        cluster.report("agent-1", second)
        cluster.report("agent-2", second)
    assert cluster.sentence() is None
    cluster.report("agent-1", 6)
    assert cluster.sentence() is None
    cluster.report("agent-1", 12)
    assert cluster.sentence() == (
        "agent-2 has not reported for 8 s: its process is suspended, or a function blocks it. "
        "The metrics of its 1 task are that old."
    )


@pytest.mark.parametrize("end", ["finish", "fail"])
def test_nothing_is_said_of_a_job_that_is_over(end):
    cluster = TwoAgents()
    getattr(cluster, end)()
    cluster.now = 60
    assert cluster.sentence() is None
