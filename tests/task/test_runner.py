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
from sabotnb.protocol.control import (
    CancelTasks,
    Deployment,
    Fence,
    ForgetJob,
    PauseSources,
    ResumeSources,
    StartSources,
    StopSources,
    TaskState,
)
from sabotnb.protocol.ids import Attempt, TaskId
from sabotnb.task.host import Makers
from sabotnb.task.result_buffers import Results
from sabotnb.task.runner import TaskRunner
from sabotnb.testing import Hold

SOURCES = {
    "some": lambda: numbers([[1], [2]]),
    "waiting": lambda: numbers([[1], Hold(threading.Event())]),
}
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


def deployment(execution, name="job", epoch=1):
    attempts = [Attempt(TaskId(name, vertex, 0), number, epoch) for number, vertex in enumerate(execution.vertices)]
    data, _ = execution_graph_codec.dump(execution)
    placement = dict.fromkeys(execution.vertices, ("agent-1",))
    splits = {TaskId(name, "numbers", 0): tuple(numbers([]).splits())}
    return Deployment(name, epoch, data, placement, {}, tuple(attempts), splits)


class Agent:
    def __init__(self):
        self.reports = Reports()
        self.results = Results(TINY)
        self.exchange = Exchange("agent-1", TINY)
        self.runner = TaskRunner(self.exchange, self.reports, self.results, TINY, MAKERS)

    def read(self, name="job", epoch=1):
        batches = 0
        while not (pulled := self.pull(batches, name, epoch)).ended:
            batches = pulled.next
        return pulled.next

    def pull(self, seq, name="job", epoch=1):
        key = "operator.1", 0
        return self.results.take(name, epoch, {key: seq}, 1 << 20, timeout=60)[key]


@pytest.fixture
def agent():
    agent = Agent()
    yield agent
    agent.runner.stop()
    agent.exchange.stop()


def test_a_job_runs_from_its_deployment_to_its_removal(agent):
    agent.runner.deploy(deployment(job()), {})
    agent.reports.wait(TaskState.RUNNING, 2)
    agent.runner.command(StartSources("job", 1))
    assert agent.read() == 2
    finished = agent.reports.wait(TaskState.FINISHED, 2)
    assert [changed.counters.rows_in for changed in finished] == [2, 2]
    assert [changed.sent for changed in finished if changed.sent] == [{0: (2, 16)}]
    agent.runner.command(ForgetJob("job", 1))
    with pytest.raises(StaleMessage, match="released"):
        agent.pull(0)


def test_an_ended_task_is_dropped_also_without_a_request_for_metrics(agent):
    agent.runner.deploy(deployment(job()), {})
    agent.reports.wait(TaskState.RUNNING, 2)
    tasks = [weakref.ref(task) for task in agent.runner._tasks()]
    assert len(agent.runner.metrics()) == len(tasks) == 2
    agent.runner.command(StartSources("job", 1))
    assert agent.read() == 2
    agent.reports.wait(TaskState.FINISHED, 2)
    while any(task() is not None and task().alive for task in tasks):
        pass
    gc.collect()
    assert [task() for task in tasks] == [None, None]
    assert (agent.runner.metrics(), agent.runner.sent()) == ({}, {})


def test_an_ended_task_releases_its_operators_before_garbage_collection(agent, monkeypatch):
    operators = []

    def remembered(spec, inputs):
        operator = Doubled()
        operators.append(weakref.ref(operator))
        return operator

    monkeypatch.setattr(agent.runner, "_host", replace(agent.runner._host, makers=replace(MAKERS, operator=remembered)))
    gc.disable()
    try:
        agent.runner.deploy(deployment(job()), {})
        agent.reports.wait(TaskState.RUNNING, 2)
        agent.runner.command(StartSources("job", 1))
        agent.read()
        agent.reports.wait(TaskState.FINISHED, 2)
        assert [operator() for operator in operators] == [None]
    finally:
        gc.enable()


def test_jobs_do_not_see_each_other(agent):
    for name, operator in (("first", 1), ("endless", 2)):
        agent.runner.deploy(deployment(job(operator=operator), name), {})
    agent.reports.wait(TaskState.RUNNING, 4)
    for name in ("first", "endless"):
        agent.runner.command(StartSources(name, 1))
    assert agent.read("first") == 2
    agent.runner.command(CancelTasks("endless", 1))
    agent.reports.wait(TaskState.CANCELED, 1)
    agent.reports.wait_until(lambda: len(agent.reports.ends()) == 4)


def test_a_cancel_ends_every_task(agent):
    agent.runner.deploy(deployment(job("waiting")), {})
    agent.runner.command(CancelTasks("job", 1))
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
    runner.command(CancelTasks("job", 1))
    agent.reports.wait(TaskState.CANCELED, 2)
    runner.stop()
    assert Attempt(TaskId("job", "operator", 0), 1, 1) in runner.hanging()
    released.set()
    threads[0].join()
    assert Attempt(TaskId("job", "operator", 0), 1, 1) not in runner.hanging()


def test_a_stop_drains_the_job(agent):
    agent.runner.deploy(deployment(job("waiting")), {})
    agent.runner.command(StartSources("job", 1))
    assert agent.pull(0).next == 1
    agent.runner.command(StopSources("job", 1))
    assert agent.read() == 1
    agent.reports.wait(TaskState.FINISHED, 2)


def test_a_pause_reaches_the_sources_and_ends_with_resume(agent):
    agent.runner.deploy(deployment(job()), {})
    for command in (PauseSources, StartSources, ResumeSources):
        agent.runner.command(command("job", 1))
    assert agent.read() == 2


def test_a_probe_returns_the_rows_of_each_task(agent):
    agent.runner.deploy(deployment(job("waiting")), {})
    operators = [("numbers", "numbers"), ("operator", "operator"), ("operator", "operator.1")]
    assert [agent.runner.probe("job", 1, *operator, ["x"], 5, wait=0)[0]["seen"] for operator in operators] == [0, 0, 0]
    agent.runner.command(StartSources("job", 1))
    probed = [agent.runner.probe("job", 1, *operator, ["x"], 5, wait=60) for operator in operators]
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
        agent.runner.probe("job", 1, "operator", "nothing", [], 5, wait=0)
    with pytest.raises(StaleMessage, match="epoch 1 runs here"):
        agent.runner.probe("job", 2, "operator", "operator", [], 5, wait=0)
    agent.runner.command(StartSources("job", 1))
    agent.read()
    agent.reports.wait(TaskState.FINISHED, 2)
    with pytest.raises(StaleMessage, match="its tasks here have ended"):
        agent.runner.probe("job", 1, "operator", "operator", [], 5, wait=0)


@pytest.mark.parametrize("command", [StartSources, StopSources, PauseSources, ResumeSources, CancelTasks])
def test_a_stale_command_is_refused(agent, command):
    with pytest.raises(StaleMessage, match="job 'job', epoch 1: it does not run here"):
        agent.runner.command(command("job", 1))
    agent.runner.deploy(deployment(job("waiting"), epoch=2), {})
    with pytest.raises(StaleMessage, match="job 'job', epoch 1: epoch 2 runs here"):
        agent.runner.command(command("job", 1))
    agent.runner.command(ForgetJob("job", 1))
    assert len(agent.runner.metrics()) == 2


@pytest.mark.parametrize("epoch", [1, 2])
def test_a_stale_deployment_is_refused(agent, epoch):
    agent.runner.deploy(deployment(job("waiting"), epoch=2), {})
    with pytest.raises(StaleMessage, match=r"was deployed here in epoch 2|numbers\[0\]#0@2 was deployed here before"):
        agent.runner.deploy(deployment(job(), epoch=epoch), {})
    agent.runner.command(ForgetJob("job", 2))
    with pytest.raises(StaleMessage, match="was deployed here in epoch 2"):
        agent.runner.deploy(deployment(job(), epoch=epoch), {})


def test_a_second_deployment_of_an_epoch_adds_tasks(agent):
    whole = deployment(job())
    for attempt in reversed(whole.attempts):  # receivers before senders
        agent.runner.deploy(replace(whole, attempts=(attempt,)), {})
    agent.reports.wait(TaskState.RUNNING, 2)
    agent.runner.command(StartSources("job", 1))
    assert agent.read() == 2
    agent.reports.wait(TaskState.FINISHED, 2)


def test_a_later_epoch_replaces_the_tasks_of_an_earlier_epoch(agent):
    agent.runner.deploy(deployment(job("waiting"), epoch=1), {})
    agent.runner.deploy(deployment(job(), epoch=2), {})
    agent.reports.wait(TaskState.CANCELED, 2)
    agent.runner.command(StartSources("job", 2))
    assert agent.read(epoch=2) == 2


def test_a_deployment_that_cannot_be_read_fails_its_tasks(agent):
    agent.runner.deploy(replace(deployment(job()), execution={"version": 99}), {})
    failed = agent.reports.wait(TaskState.FAILED, 2)
    assert "version 99" in failed[0].failure.message
    agent.runner.command(CancelTasks("job", 1))
    agent.runner.command(ForgetJob("job", 1))


def test_a_fence_ends_all_tasks(agent):
    agent.runner.deploy(deployment(job("waiting"), "one"), {})
    agent.runner.deploy(deployment(job("waiting"), "two"), {})
    agent.runner.command(Fence("agent-1"))
    assert len(agent.reports.of(TaskState.CANCELED)) == 4
    assert agent.runner.metrics() == {}
