"""Whatever happens in whatever order, no run is left where nothing will ever happen to it."""

from contextlib import suppress

from hypothesis import given, settings
from hypothesis import strategies as st
from simulator import Simulator, agent, request

from sabotnb.errors import StaleMessage
from sabotnb.execution.transitions import BEGUN
from sabotnb.protocol import (
    AgentLeaving,
    AgentUp,
    CommitOverdue,
    Committed,
    JobState,
    PeerLost,
    RestartDue,
    RestartOverdue,
    Submitted,
)

NAMES = st.sampled_from(["a", "b"])
AGENTS = st.integers(1, 4)
STEPS = st.one_of(
    st.tuples(st.just("submit"), NAMES, st.sampled_from(["f", "g"]), st.integers(1, 5), st.booleans(), st.booleans()),
    st.tuples(st.sampled_from(["cancel", "stop", "pause", "resume", "drop results"]), NAMES),
    st.tuples(st.sampled_from(["finish", "fail"]), NAMES),
    st.tuples(st.sampled_from(["up", "leave", "lose", "silence", "speak"]), AGENTS),
    st.tuples(st.just("part"), AGENTS, AGENTS),
    st.tuples(st.just("restart")),
)


class World:
    """A simulated cluster of agents with two slots, and the runs whose submission was answered."""

    def __init__(self):
        self.cluster = Simulator(agents=2, slots=2)
        self.submitted = set()

    def alive(self, number):
        return f"agent-{number}" in self.cluster.machine.agents

    def take(self, step):
        match step:
            case ("submit", name, fingerprint, tasks, commits, restarts):
                work = (("work", tasks),)
                self.submit(request(name, work, fingerprint=fingerprint, commits=commits, restarts=restarts))
            case ("finish" | "fail" as what, name):
                if any(attempt.run.job == name for _, attempt in self.cluster.running):
                    getattr(self.cluster, what)(name)
            case ("up" | "leave" | "lose" | "silence" | "speak" as what, number):
                getattr(self, what)(number)
            case ("part", one, other) if one != other and self.alive(one):
                self.cluster.feed(PeerLost(f"agent-{one}", f"agent-{other}", "broken pipe"))
            case ("restart",):
                self.cluster.fire(RestartDue)
            case (("cancel" | "stop" | "pause" | "resume" | "drop results") as kind, name):
                self.cluster.command(kind, name)

    def up(self, number):
        if not self.alive(number):
            self.cluster.feed(AgentUp(agent(number, 2)))

    def leave(self, number):
        if self.alive(number):
            self.cluster.feed(AgentLeaving(f"agent-{number}", "it may"))

    def lose(self, number):
        if self.alive(number):
            self.cluster.lose(number)

    def silence(self, number):
        if self.alive(number):
            self.cluster.silent.add(f"agent-{number}")

    def speak(self, number):
        with suppress(StaleMessage):  # what it was told is over
            self.cluster.speak(f"agent-{number}")

    def submit(self, job):
        before = self.run(job.name)
        answer = self.cluster.submit(job)
        if not isinstance(answer, Submitted):
            return
        self.submitted.add(answer.run)
        if answer.how == "attached":
            assert before.state in BEGUN
            assert not before.stopping

    def run(self, run):
        job = self.cluster.machine.overview.run(run)
        return (job.successor or job) if job is not None and isinstance(run, str) else job

    def settle(self):
        """Every silent agent does what it was told, and every task that can finishes."""
        for number in range(1, 5):
            self.speak(number)
        self.cluster.fire(RestartDue)
        self._finish_all()
        self.cluster.fire(CommitOverdue)
        self.cluster.fire(RestartOverdue)  # runs with too few slots share those there are
        self._finish_all()
        self.cluster.fire(RestartOverdue)

    def _finish_all(self):
        for _ in range(20):
            for _, attempt in list(self.cluster.running):
                if any(one[1] == attempt for one in self.cluster.running):
                    self.take(("finish", attempt.run.job))


@settings(max_examples=300, deadline=None)
@given(st.lists(STEPS, max_size=25))
def test_nothing_is_left_in_between(steps):
    world = World()
    for step in steps:
        try:
            world.take(step)
        except StaleMessage:
            continue
        tasks = [attempt.task for _, attempt in world.cluster.running]
        assert len(set(tasks)) == len(tasks), "a task has two attempts that run"
    world.settle()
    pool = world.cluster.machine.pool
    for submitted in world.submitted:
        run = world.run(submitted)
        if run is None or run.state.terminal:
            continue
        assert run.state is JobState.PENDING
        assert not pool.could_ever_fit(run.slot_requests)
    assert pool.statistics().holders == {}


COMMITTING_STEPS = st.one_of(
    st.tuples(st.sampled_from(["up", "lose", "leave", "silence", "speak"]), AGENTS),
    st.tuples(st.just("fire")),
    st.tuples(st.sampled_from(["cancel", "stop"]), st.just("a")),
    st.tuples(st.just("late"), AGENTS),
)


@settings(max_examples=500, deadline=None)
@given(st.lists(COMMITTING_STEPS, max_size=20))
def test_a_job_leaves_committing_whatever_becomes_of_its_agents(steps):
    world = World()
    world.take(("submit", "a", "f", 2, True, True))
    for number in range(1, 5):
        world.cluster.silent.add(f"agent-{number}")
    world.take(("finish", "a"))
    run = world.run("a").id
    assert world.run("a").state is JobState.COMMITTING
    for step in steps:
        try:
            match step:
                case ("fire",):
                    world.cluster.fire(CommitOverdue)
                case ("late", number):  # a report of an agent that was perhaps not asked, or is gone
                    world.cluster.feed(Committed(f"agent-{number}", run, 1, "commit"))
                case _:
                    world.take(step)
        except StaleMessage:
            continue
    world.settle()
    assert world.run(run).state in (JobState.FINISHED, JobState.FAILED)
    assert world.cluster.machine.pool.statistics().holders == {}
