"""The counts of a run that goes on from a cut, with the same tasks and with others."""

import pytest
from simulator import Simulator, request

from sabotnb.execution.run_counts import counted_before, counts_at_cut
from sabotnb.execution.status.run_metrics import job_metrics
from sabotnb.metrics import Report, TaskCounters
from sabotnb.protocol import (
    CheckpointPolicy,
    CutAcked,
    CutCounts,
    CutDue,
    CutKind,
    JobTopology,
    MetricsReported,
    PeerLost,
    RestartDue,
    ResumeRun,
    RunId,
    Split,
    Stop,
    Store,
    StoredCut,
    TaskChanged,
    TaskId,
    TaskSnapshot,
    TaskState,
)
from sabotnb.protocol.job_topology import ChainedOperator, JobEdge, JobVertex

RUN = RunId("job", 1)
EDGES = (JobEdge(0, "read", "count", 0, "hash", "clean", ("k",)),)


def chain(*names):
    return tuple(ChainedOperator(name, "map") for name in names)


def vertices(readers=1, counters=2):
    return (
        JobVertex("read", readers, chain("read", "clean"), reads=True),
        JobVertex("count", counters, chain("count", "out"), writes=True),
    )


def topology(readers=1, counters=2):
    return JobTopology.of(vertices(readers, counters), EDGES)


READ = CutCounts(
    rows_in=100,
    rows_out=80,
    batches_in=10,
    batches_out=9,
    bytes_in=800,
    bytes_out=640,
    bytes_done=500,
    ahead=3,
    operators={"read": 100, "clean": 80},
    sent_rows={"read->count:0": 80},
    sent_bytes={"read->count:0": 640},
)
COUNTED = (
    CutCounts(rows_in=50, operators={"count": 7, "out": 6}, late_rows={"count": 5}),
    CutCounts(rows_in=30, operators={"count": 4, "out": 4}, late_rows={"count": 2}, open_windows=9),
)


def cut(*snapshots, run=RUN, operators=None):
    """A cut of a run with one task that reads, and two that count."""
    tasks = [TaskId(run, "read", 0), TaskId(run, "count", 0), TaskId(run, "count", 1)]
    chains = operators or {"read": ("read", "clean"), "count": ("count", "out")}
    return StoredCut(
        run, 1, 1, CutKind.CHECKPOINT, 128, {"read": 1, "count": 2}, chains, dict(zip(tasks, snapshots, strict=True))
    )


def counted(*counts, **more):
    return cut(*(TaskSnapshot(counts=of_task) for of_task in counts), **more)


def test_what_a_task_has_counted_is_kept_as_it_was():
    counters = TaskCounters(
        100, 80, 10, 9, 800, 640, 1.5, late=4, bytes_done=500, ahead=3, operators={"read": 100, "clean": 80}
    )
    counters.late_rows = {"clean": 4}
    kept = counts_at_cut(Report(7.0, counters, {0: (80, 640)}), topology(), ended=False)
    assert (kept.rows_in, kept.sent_rows, kept.late_rows) == (100, {"read->count:0": 80}, {"clean": 4})
    before = counted_before(counted(kept, *COUNTED), topology())[TaskId(RUN, "read", 0)]
    assert before.sent == {0: (80, 640)}
    counters.busy = 0.0  # shares of the time are those of an attempt
    assert before.counters == counters


@pytest.mark.parametrize("ended", [False, True])
def test_what_a_stop_has_dropped_is_counted_again_unless_the_task_had_ended(ended):
    counters = TaskCounters(open_windows=5, waiting_rows=6)
    kept = counts_at_cut(Report(0.0, counters), topology(), ended=ended)
    assert (kept.open_windows, kept.waiting_rows) == ((5, 6) if ended else (0, 0))


@pytest.mark.parametrize(("readers", "counters"), [(1, 2), (3, 1), (2, 3), (1, 5)])
def test_the_sums_are_those_of_the_cut_with_any_parallelism(readers, counters):
    before = counted_before(counted(READ, *COUNTED), topology(readers, counters))
    assert len(before) == readers + counters
    total = TaskCounters()
    for report in before.values():
        total = report.counters.plus(total)
    assert total == TaskCounters(
        180,
        80,
        10,
        9,
        800,
        640,
        late=7,
        bytes_done=500,
        ahead=3,
        open_windows=9,
        operators={"read": 100, "clean": 80, "count": 11, "out": 10},
        late_rows={"count": 7},
    )
    sent = [report.sent[0] for task, report in before.items() if task.vertex == "read"]
    assert [sum(column) for column in zip(*sent, strict=True)] == [80, 640]


def test_each_task_goes_on_with_its_own_counts_if_there_are_as_many():
    before = counted_before(counted(READ, *COUNTED), topology())
    assert [before[TaskId(RUN, "count", index)].counters.operators for index in range(2)] == [
        {"count": 7, "out": 6},
        {"count": 4, "out": 4},
    ]


def test_operators_keep_their_counts_in_another_chain():
    parted = (
        JobVertex("read", 1, chain("read"), reads=True),
        JobVertex("clean", 1, chain("clean", "count", "out"), writes=True),
    )
    before = counted_before(counted(READ, *COUNTED), JobTopology.of(parted, ()))
    read, rest = before[TaskId(RUN, "read", 0)].counters, before[TaskId(RUN, "clean", 0)].counters
    assert (read.rows_in, read.rows_out, read.operators) == (100, 0, {"read": 100})
    assert (rest.rows_in, rest.operators, rest.late) == (0, {"clean": 80, "count": 11, "out": 10}, 7)


def test_a_cut_of_an_earlier_version_has_counted_nothing():
    before = counted_before(cut(*[TaskSnapshot()] * 3), topology())
    assert {report.counters.rows_in for report in before.values()} == {0}


class Counting(Simulator):
    """A cluster of two agents, one of which may be lost, that runs ``read -> count, count``."""

    def __init__(self, **more):
        super().__init__(agents=2, slots=3)
        policy = CheckpointPolicy(10.0, "/checkpoints")
        self.request = request(
            vertices=vertices(),
            edges=EDGES,
            restarts=True,
            splits={"read": (Split("a", rows=400),)},
            checkpoint=policy,
            **more,
        )

    @property
    def job(self):
        return self.machine.jobs["job"]

    def tasks(self):
        return [(task.slot.agent, task.attempt) for task in self.job.tasks.values()]

    def report(self, rows_read, *rows_out):
        """The agents report how many rows were read and written in this epoch, a second after the last report."""
        self.now += 1.0
        for who, attempt in self.tasks():
            counters, sent = self.counters(attempt, rows_read, *rows_out)
            edges = {(attempt, edge): rows for edge, rows in sent.items()}
            self.feed(MetricsReported(who, {attempt: counters}, edges, at=self.now))

    def counters(self, attempt, rows_read, *rows_out):
        if attempt.task.vertex == "read":
            return TaskCounters(rows_read, rows_read, operators={"read": rows_read}), {0: (rows_read, 8 * rows_read)}
        return TaskCounters(operators={"out": rows_out[attempt.task.index]}), {}

    def cut(self, rows_read, *rows_out):
        """Take a checkpoint at which so many rows were read and written in this epoch."""
        self.deaf = {"agent-1", "agent-2"}
        self.fire(CutDue)
        self.deaf = set()
        for who, attempt in self.tasks():
            counters, sent = self.counters(attempt, rows_read, *rows_out)
            self.feed(CutAcked(who, attempt, self.job.cuts.number, TaskSnapshot(), counters, sent))

    def metrics(self):
        return job_metrics(self.job, self.now, self.now)

    def rows(self):
        """What people read of the run: rows in and out of its status and its metrics."""
        summary, metrics = self.machine.overview.status("job"), self.metrics()
        assert (summary.rows_in, summary.rows_out) == (metrics.rows_in.rows, metrics.rows_out.rows)
        assert sum(task.sent[0][0] for task in summary.tasks if task.sent) == metrics.edges[0].sent.rows
        return summary.rows_in, summary.rows_out, metrics.edges[0].sent.rows

    def restart(self):
        self.feed(PeerLost("agent-1", "agent-2", "broken pipe"))
        self.fire(RestartDue)


def test_counts_go_on_from_the_cut_and_rates_do_not_jump():
    cluster = Counting()
    cluster.submit(cluster.request)
    cluster.report(100, 40, 50)
    cluster.cut(120, 50, 60)
    cluster.report(180, 70, 80)
    assert cluster.rows() == (180, 150, 180)
    assert cluster.metrics().progress == 0.45
    last_row_at = dict(cluster.job.last_row_at)
    cluster.restart()
    assert cluster.rows() == (120, 110, 120)
    assert cluster.metrics().progress == 0.3
    cluster.report(0, 0, 0)
    assert (cluster.rows(), cluster.job.last_row_at) == ((120, 110, 120), last_row_at)
    cluster.report(30, 10, 20)
    assert cluster.rows() == (150, 140, 150)
    metrics = cluster.metrics()
    assert (metrics.rows_in.rows_rate, metrics.rows_out.rows_rate, metrics.edges[0].sent.rows_rate) == (30, 30, 30)
    cluster.cut(60, 30, 30)
    cluster.restart()
    assert cluster.rows() == (180, 170, 180)


def test_counts_begin_again_with_a_run_that_begins_again():
    cluster = Counting()
    cluster.submit(cluster.request)
    cluster.report(100, 40, 50)
    cluster.restart()
    assert cluster.rows() == (0, 0, 0)


def test_a_resumed_run_goes_on_with_its_counts():
    cluster = Counting()
    cluster.feed(ResumeRun("r", cluster.request, RUN, 2, (counted(READ, *COUNTED),)))
    assert cluster.rows() == (100, 10, 80)


def test_a_run_that_begins_from_the_cut_of_another_counts_what_it_does_itself():
    other = RunId("other", 5)
    cluster = Counting(start_from=counted(READ, *COUNTED, run=other))
    cluster.submit(cluster.request)
    assert cluster.rows() == (0, 0, 0)
    cluster.report(7, 1, 2)
    cluster.cut(10, 2, 2)
    cluster.restart()
    assert cluster.rows() == (10, 4, 10)


def test_a_task_that_had_ended_keeps_its_counts():
    cluster = Counting()
    cluster.submit(cluster.request)
    (who, attempt), *_ = cluster.tasks()
    cluster.running.remove((who, attempt))
    counters, sent = cluster.counters(attempt, 100)
    cluster.feed(TaskChanged(who, attempt, TaskState.FINISHED, counters=counters, sent=sent))
    cluster.fire(CutDue)
    assert cluster.told_to(Store)[0].stored.tasks[attempt.task].ended
    for _ in range(2):
        cluster.restart()
        assert cluster.rows() == (100, 0, 100)


def test_a_run_that_ends_at_a_savepoint_counts_nothing_after_it():
    cluster = Counting()
    cluster.submit(cluster.request)
    cluster.report(100, 40, 50)
    cluster.deaf = {"agent-1", "agent-2"}
    cluster.feed(Stop("s", "job", ""))
    cluster.report(100, 60, 70)
    for who, attempt in cluster.tasks():
        cluster.feed(CutAcked(who, attempt, 1, TaskSnapshot(), *cluster.counters(attempt, 100, 45, 55)))
    assert (cluster.state(), cluster.rows()) == ("FINISHED", (100, 100, 100))
