import gc
import threading
import weakref
from dataclasses import replace

import pyarrow as pa
import pytest
from taskjobs import COLLECT, TINY, Doubled, Exploding, Reports, X, graph, numbers, vertex

from sabotnb.errors import ProtocolError, StaleMessage
from sabotnb.exchange import Exchange
from sabotnb.graph import specs
from sabotnb.plan import execution_graph_codec
from sabotnb.protocol import (
    AssignSplits,
    CancelTasks,
    Cut,
    CutKind,
    CutStored,
    Deployment,
    DropRun,
    Fence,
    LineageCut,
    PauseSources,
    Placement,
    ResumeSources,
    SplitsLeft,
    StartSources,
    StopSources,
    TakeCut,
    TaskRestore,
    TaskState,
)
from sabotnb.protocol.ids import Attempt, RunId, TaskId
from sabotnb.task.host import Makers
from sabotnb.task.result_buffers import Results
from sabotnb.task.runner import TaskRunner
from sabotnb.testing import Hold

SOURCES = {
    "some": lambda: numbers([[1], [2]]),
    "waiting": lambda: numbers([[1], Hold(threading.Event())]),
}
RUN, NEXT = RunId("job", 1), RunId("job", 2)
# a union stands for any operator, as the runner does not depend on the kind
MAKERS = Makers(
    operator=lambda spec, inputs: Exploding() if spec.inputs == 2 else Doubled(),
    source=lambda spec: SOURCES[spec.options["name"]](),
)


def job(source="some", operator=1):
    return graph(
        [
            vertex("numbers", specs.Source("scripted", X, {"name": source})),
            vertex("operator", specs.Union(operator), COLLECT),
        ],
        ("numbers", "operator"),
    )


def deployment(execution, run=RUN, epoch=1):
    attempts = [Attempt(TaskId(run, vertex, 0), number, epoch) for number, vertex in enumerate(execution.vertices)]
    data, _ = execution_graph_codec.dump(execution)
    by_vertex = {attempt.task.vertex: (attempt.number,) for attempt in attempts}
    placement = Placement(dict.fromkeys(execution.vertices, ("agent-1",)), by_vertex, {})
    splits = (AssignSplits(attempts[0], tuple(numbers([]).splits()), SplitsLeft()),)
    return Deployment(run, epoch, data, placement, tuple(attempts), splits)


class Agent:
    def __init__(self):
        self.reports = Reports()
        self.results = Results(TINY)
        self.exchange = Exchange("agent-1", TINY)
        self.runner = TaskRunner(self.exchange, self.reports, self.results, TINY, MAKERS)

    def read(self, run=RUN):
        batches = 0
        while not (pulled := self.pull(batches, run)).ended:
            batches = pulled.next
        return pulled.next

    def pull(self, seq, run=RUN):
        key = "operator.1", 0
        return self.results.take(run, {key: seq}, 1 << 20, timeout=60)[key]


@pytest.fixture
def agent():
    agent = Agent()
    yield agent
    agent.runner.stop()
    agent.exchange.stop()


def test_a_job_runs_from_its_deployment_to_its_removal(agent):
    agent.runner.deploy(deployment(job()), {})
    agent.reports.wait(TaskState.RUNNING, 2)
    agent.runner.command(StartSources(RUN, 1))
    assert agent.read() == 2
    finished = agent.reports.wait(TaskState.FINISHED, 2)
    assert [changed.counters.rows_in for changed in finished] == [2, 2]
    assert [changed.sent for changed in finished if changed.sent] == [{0: (2, 16)}]
    agent.runner.command(DropRun(RUN))
    with pytest.raises(StaleMessage, match="released"):
        agent.pull(0)


def test_the_sinks_of_a_deployment_know_the_cuts_that_lead_to_it(agent, tmp_path):
    execution = graph(
        [
            vertex("numbers", specs.Source("scripted", X, {"name": "some"})),
            vertex("write", specs.Sink("csv", {"path": str(tmp_path / "out")})),
        ],
        ("numbers", "write"),
    )
    lineage = (LineageCut(RUN, 1, 5),)
    agent.runner.deploy(replace(deployment(execution, NEXT), lineage=lineage), {})
    agent.reports.wait(TaskState.RUNNING, 2)
    agent.runner.command(StartSources(NEXT, 1))
    finished = agent.reports.wait(TaskState.FINISHED, 2)
    (written,) = (committable for changed in finished for committable in changed.committables)
    assert "-r2f1b1.1.5e1c1.job.csv" in written.payload["files"][0]["final"]


def test_tasks_of_a_deployment_take_cuts(agent, tmp_path):
    agent.runner.deploy(replace(deployment(job("waiting")), storage=str(tmp_path)), {})
    agent.reports.wait(TaskState.RUNNING, 2)
    for number in (1, 2):
        agent.runner.command(TakeCut(RUN, 1, Cut(number, CutKind.CHECKPOINT, 1)))
        agent.reports.wait_until(lambda: len(agent.reports.cuts) == 2 * number)  # noqa: B023 - called at once
        agent.runner.command(CutStored(RUN, 1, number))
    assert [(acked.cut, acked.attempt.task.vertex) for acked in agent.reports.cuts] == [
        (number, vertex) for number in (1, 2) for vertex in ("numbers", "operator")
    ]
    with pytest.raises(StaleMessage, match="TakeCut of job@1, epoch 2"):
        agent.runner.command(TakeCut(RUN, 2, Cut(3, CutKind.CHECKPOINT, 2)))


def test_a_deployment_brings_what_its_tasks_are_restored_from(agent):
    new = deployment(job(), epoch=2)
    numbers, operator = new.attempts
    restores = {numbers: TaskRestore(ended=True), operator: TaskRestore(event_times={"": 7})}
    agent.runner.deploy(replace(new, restores=restores), {})
    agent.reports.wait(TaskState.RUNNING, 2)
    agent.runner.command(StartSources(RUN, 2))
    assert agent.read() == 0
    finished = agent.reports.wait(TaskState.FINISHED, 2)
    assert [changed.counters.rows_in for changed in finished] == [0, 0]


def test_an_ended_task_is_dropped_also_without_a_request_for_metrics(agent):
    agent.runner.deploy(deployment(job()), {})
    agent.reports.wait(TaskState.RUNNING, 2)
    tasks = [weakref.ref(task) for task in agent.runner._tasks()]
    assert len(agent.runner.metrics()) == len(tasks) == 2
    agent.runner.command(StartSources(RUN, 1))
    assert agent.read() == 2
    agent.reports.wait(TaskState.FINISHED, 2)
    while any(task() is not None and task().alive for task in tasks):
        pass
    gc.collect()
    assert [task() for task in tasks] == [None, None]
    assert (agent.runner.metrics(), agent.runner.sent()) == ({}, {})


class KeepsContext(Doubled):
    """As many operators do."""

    def open(self, ctx):
        self.ctx = ctx


@pytest.mark.parametrize("kind", [Doubled, KeepsContext])
def test_an_ended_task_releases_its_operators_before_garbage_collection(agent, monkeypatch, kind):
    operators = []

    def remembered(spec, inputs):
        operator = kind()
        operators.append(weakref.ref(operator))
        return operator

    monkeypatch.setattr(agent.runner, "_host", replace(agent.runner._host, makers=replace(MAKERS, operator=remembered)))
    gc.disable()
    try:
        agent.runner.deploy(deployment(job()), {})
        agent.reports.wait(TaskState.RUNNING, 2)
        agent.runner.command(StartSources(RUN, 1))
        agent.read()
        agent.reports.wait(TaskState.FINISHED, 2)
        assert [operator() for operator in operators] == [None]
    finally:
        gc.enable()


def test_jobs_do_not_see_each_other(agent):
    first, endless = RunId("first", 1), RunId("endless", 1)
    for run, operator in ((first, 1), (endless, 2)):
        agent.runner.deploy(deployment(job(operator=operator), run), {})
    agent.reports.wait(TaskState.RUNNING, 4)
    for run in (first, endless):
        agent.runner.command(StartSources(run, 1))
    assert agent.read(first) == 2
    agent.runner.command(CancelTasks(endless, 1))
    agent.reports.wait(TaskState.CANCELED, 1)
    agent.reports.wait_until(lambda: len(agent.reports.ends()) == 4)


def test_a_cancel_ends_every_task(agent):
    agent.runner.deploy(deployment(job("waiting")), {})
    agent.runner.command(CancelTasks(RUN, 1))
    agent.reports.wait(TaskState.CANCELED, 2)
    assert agent.runner.hanging() == []


def test_a_task_that_does_not_return_is_reported_as_hanging_until_it_does(agent):
    reached, released, threads = threading.Event(), threading.Event(), []

    class Hangs(Doubled):
        def open(self, ctx):
            threads.append(threading.current_thread())
            reached.set()
            released.wait()

    runner = TaskRunner(
        agent.exchange, agent.reports, agent.results, TINY, replace(MAKERS, operator=lambda *_: Hangs()), grace=0.0
    )

    runner.deploy(deployment(job()), {})
    assert reached.wait(60)
    runner.command(CancelTasks(RUN, 1))
    agent.reports.wait(TaskState.CANCELED, 2)
    runner.stop()
    assert Attempt(TaskId(RUN, "operator", 0), 1, 1) in runner.hanging()
    released.set()
    threads[0].join()
    assert Attempt(TaskId(RUN, "operator", 0), 1, 1) not in runner.hanging()


def test_a_stop_drains_the_job(agent):
    agent.runner.deploy(deployment(job("waiting")), {})
    agent.runner.command(StartSources(RUN, 1))
    assert agent.pull(0).next == 1
    agent.runner.command(StopSources(RUN, 1))
    assert agent.read() == 1
    agent.reports.wait(TaskState.FINISHED, 2)


def test_a_pause_reaches_the_sources_and_ends_with_resume(agent):
    agent.runner.deploy(deployment(job()), {})
    for command in (PauseSources, StartSources, ResumeSources):
        agent.runner.command(command(RUN, 1))
    assert agent.read() == 2


def test_a_probe_returns_the_rows_of_each_task(agent):
    agent.runner.deploy(deployment(job("waiting")), {})
    operators = [("numbers", "numbers"), ("operator", "operator"), ("operator", "operator.1")]
    assert [agent.runner.probe(RUN, *operator, ["x"], 5, wait=0)[0]["seen"] for operator in operators] == [0, 0, 0]
    agent.runner.command(StartSources(RUN, 1))
    probed = [agent.runner.probe(RUN, *operator, ["x"], 5, wait=60) for operator in operators]
    rows = [pa.ipc.open_stream(task["batch"]).read_all().to_pydict() for (task,) in probed]
    assert rows == [{"x": [1]}, {"x": [2]}, {"x": [2]}]
    assert [(task["index"], task["seen"], task["kept"], task["hot"]) for (task,) in probed] == [
        (0, 1, 1, [["1", 1]]),
        (0, 1, 1, [["2", 1]]),
        (0, 1, 1, [["2", 1]]),
    ]


def test_a_probe_of_an_ended_run_or_an_unknown_operator_is_refused(agent):
    agent.runner.deploy(deployment(job()), {})
    with pytest.raises(ProtocolError, match="no operator 'nothing'"):
        agent.runner.probe(RUN, "operator", "nothing", [], 5, wait=0)
    with pytest.raises(StaleMessage, match="job@1, epoch 1 runs here"):
        agent.runner.probe(NEXT, "operator", "operator", [], 5, wait=0)
    agent.runner.command(StartSources(RUN, 1))
    agent.read()
    agent.reports.wait(TaskState.FINISHED, 2)
    with pytest.raises(StaleMessage, match="its tasks here have ended"):
        agent.runner.probe(RUN, "operator", "operator", [], 5, wait=0)


@pytest.mark.parametrize("command", [StartSources, StopSources, PauseSources, ResumeSources, CancelTasks])
def test_a_stale_command_is_refused(agent, command):
    with pytest.raises(StaleMessage, match="job@1, epoch 1: it does not run here"):
        agent.runner.command(command(RUN, 1))
    agent.runner.deploy(deployment(job("waiting"), NEXT, epoch=2), {})
    for run, epoch in ((RUN, 2), (NEXT, 1)):
        with pytest.raises(StaleMessage, match=f"{run}, epoch {epoch}: job@2, epoch 2 runs here"):
            agent.runner.command(command(run, epoch))
    agent.runner.command(DropRun(RUN))
    assert len(agent.runner.metrics()) == 2


@pytest.mark.parametrize(("run", "epoch"), [(RUN, 1), (RUN, 3), (NEXT, 1), (NEXT, 2)])
def test_a_stale_deployment_is_refused(agent, run, epoch):
    agent.runner.deploy(deployment(job("waiting"), NEXT, epoch=2), {})
    stale = r"job@2 was deployed here in epoch 2|job@2/numbers\[0\]#0:e2 was deployed here before"
    with pytest.raises(StaleMessage, match=stale):
        agent.runner.deploy(deployment(job(), run, epoch), {})
    agent.runner.command(DropRun(NEXT))
    with pytest.raises(StaleMessage, match="job@2 was deployed here in epoch 2"):
        agent.runner.deploy(deployment(job(), run, epoch), {})


def test_a_second_deployment_of_an_epoch_adds_tasks(agent):
    whole = deployment(job())
    for attempt in reversed(whole.attempts):  # receivers before senders
        agent.runner.deploy(replace(whole, attempts=(attempt,)), {})
    agent.reports.wait(TaskState.RUNNING, 2)
    agent.runner.command(StartSources(RUN, 1))
    assert agent.read() == 2
    agent.reports.wait(TaskState.FINISHED, 2)


@pytest.mark.parametrize(("run", "epoch"), [(RUN, 2), (NEXT, 1)])
def test_a_later_epoch_or_run_replaces_the_tasks_of_an_earlier_one(agent, run, epoch):
    agent.runner.deploy(deployment(job("waiting")), {})
    agent.runner.deploy(deployment(job(), run, epoch), {})
    agent.reports.wait(TaskState.CANCELED, 2)
    agent.runner.command(StartSources(run, epoch))
    assert agent.read(run) == 2


def test_a_run_that_restarts_keeps_its_results_and_a_later_run_releases_them(agent):
    agent.runner.deploy(deployment(job("waiting")), {})
    agent.runner.command(StartSources(RUN, 1))
    assert agent.pull(0).batches
    agent.runner.deploy(replace(deployment(job(), epoch=2), attempts=()), {})
    assert agent.pull(0).batches
    agent.runner.deploy(replace(deployment(job(), NEXT), attempts=()), {})
    with pytest.raises(StaleMessage, match="the results of job@1 have been released"):
        agent.pull(0)


def test_a_deployment_that_cannot_be_read_fails_its_tasks(agent):
    agent.runner.deploy(replace(deployment(job()), execution={"version": 99}), {})
    failed = agent.reports.wait(TaskState.FAILED, 2)
    assert "version 99" in failed[0].failure.message
    agent.runner.command(CancelTasks(RUN, 1))
    agent.runner.command(DropRun(RUN))


def test_a_fence_ends_all_tasks(agent):
    agent.runner.deploy(deployment(job("waiting"), RunId("one", 1)), {})
    agent.runner.deploy(deployment(job("waiting"), RunId("two", 1)), {})
    agent.runner.command(Fence("agent-1"))
    assert len(agent.reports.of(TaskState.CANCELED)) == 4
    assert agent.runner.metrics() == {}
