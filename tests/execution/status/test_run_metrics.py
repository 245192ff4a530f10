"""What a job says about itself, from what its agents have reported."""

import pickle

import pytest
from simulator import Simulator, request

from sabotnb.execution.status.run_metrics import job_metrics
from sabotnb.metrics import Histogram, Load, Share, TaskCounters, TaskDot, Throughput, without_tasks
from sabotnb.protocol import MetricsReported, Queue, TaskChanged, TaskState
from sabotnb.protocol.failure import Failure
from sabotnb.protocol.job_topology import ChainedOperator, JobEdge, JobVertex

WALL = 1_000_000.0
EDGES = (JobEdge(0, "read", "write", 0, "hash", "clean", ("k",)),)


def vertices(writers=2):
    chain = (ChainedOperator("read", "source"), ChainedOperator("clean", "map", calls_function=True))
    return (
        JobVertex("read", 1, chain, reads=True),
        JobVertex("write", writers, (ChainedOperator("write", "sink"),), writes=True),
    )


class Reporting(Simulator):
    """A cluster of one agent that runs ``read -> write, write`` and reports counters by task, such as ``read[0]``."""

    def __init__(self, **more):
        super().__init__(agents=1)
        self.submit(request(vertices=vertices(), edges=EDGES, commits=False, **more))

    def attempt(self, task):
        vertex, _, index = task.removesuffix("]").partition("[")
        return next(
            it.attempt
            for it in self.machine.jobs["job"].tasks.values()
            if (it.attempt.task.vertex, it.attempt.task.index) == (vertex, int(index))
        )

    def report(self, at, sent=(), queues=(), **tasks):
        counters = {self.attempt(f"{name[:-1]}[{name[-1]}]"): counted for name, counted in tasks.items()}
        read = self.attempt("read[0]")
        self.now = at
        self.feed(
            MetricsReported(
                "agent-1",
                counters,
                {(read, 0): sent} if sent else {},
                {self.attempt(f"{name[:-1]}[{name[-1]}]"): held for name, held in dict(queues).items()},
                at=at + 77,  # the agent's clock is another one
            )
        )

    def metrics(self):
        return job_metrics(self.machine.jobs["job"], self.now, WALL + self.now)

    def vertex(self, name):
        return next(one for one in self.metrics().vertices if one.id == name)


def test_rates_are_differences_over_the_agents_clock():
    cluster = Reporting()
    for second in range(10):
        cluster.report(second, read0=TaskCounters(rows_in=100 * second, batches_in=second, bytes_in=800 * second))
    (task, *_) = cluster.metrics().tasks
    assert task.into == Throughput(900, 9, 7200, rows_rate=100, batches_rate=1, bytes_rate=800)


def test_a_task_that_has_reported_once_has_totals_and_shares_but_no_rates():
    cluster = Reporting()
    cluster.report(1, read0=TaskCounters(rows_in=5, busy=1, idle=3))
    (task, *_) = cluster.metrics().tasks
    assert (task.into, task.load) == (Throughput(5), Load(0.25, 0.75, 0))


def test_shares_are_those_of_the_last_seconds_and_add_up_to_one():
    cluster = Reporting()
    cluster.report(1, write0=TaskCounters(idle=100))
    cluster.report(2, write0=TaskCounters(idle=100.2, busy=0.5, backpressured=0.3))
    load = cluster.metrics().tasks[1].load
    assert (load.busy, load.idle, load.backpressured) == pytest.approx((0.5, 0.2, 0.3))


def test_a_task_that_is_over_keeps_its_totals_and_flows_no_more():
    cluster = Reporting()
    cluster.report(1, read0=TaskCounters(rows_in=5))
    cluster.report(2, read0=TaskCounters(rows_in=10))
    last = TaskCounters(rows_in=12, rows_out=7, busy=1, idle=1)
    cluster.feed(
        TaskChanged("agent-1", cluster.attempt("read[0]"), TaskState.FINISHED, counters=last, sent={0: (7, 70)})
    )
    metrics = cluster.metrics()
    assert (metrics.tasks[0].into, metrics.tasks[0].load) == (Throughput(12), Load(0.5, 0.5))
    assert metrics.edges[0].sent == Throughput(7, 0, 70)


def test_a_vertex_adds_up_its_tasks_and_names_the_busiest_and_the_skew():
    cluster = Reporting()
    for second in (1, 2):
        cluster.report(
            second,
            write0=TaskCounters(rows_in=10 * second, busy=0.2 * second, idle=0.8 * second, state_keys=2),
            write1=TaskCounters(rows_in=30 * second, busy=0.8 * second, idle=0.2 * second, state_keys=3),
        )
    write = cluster.vertex("write")
    assert (write.into.rows, write.into.rows_rate, write.skew, write.state_keys) == (80, 40, 1.5, 5)
    assert (write.busiest, write.busiest_task, write.load) == pytest.approx((0.8, 1, Load(0.5, 0.5)))
    assert (write.tasks, write.states) == (2, {"RUNNING": 2})


def test_a_vertex_has_the_longest_pause_of_its_tasks_and_all_that_they_spilled():
    cluster = Reporting()
    cluster.report(1, write0=TaskCounters(cut_pause=0.5, spilled_bytes=3), write1=TaskCounters(cut_pause=0.2))
    assert [task.cut_pause for task in cluster.metrics().tasks] == [0, 0.5, 0.2]
    assert (cluster.vertex("write").cut_pause, cluster.vertex("write").spilled_bytes) == (0.5, 3)


def test_the_spread_of_rows_is_that_of_the_last_half_minute():
    cluster = Reporting()
    for second in range(0, 3600, 5):
        cluster.report(second, write0=TaskCounters(rows_in=10 * second), write1=TaskCounters(rows_in=10 * second))
    assert (cluster.vertex("write").skew, cluster.metrics().edges[0].shares) == (1.0, (Share(0, 0.5), Share(1, 0.5)))
    for second in range(3600, 3640, 5):
        late = second - 3600
        write1 = TaskCounters(rows_in=36_000 + 30 * late)
        cluster.report(second, write0=TaskCounters(rows_in=36_000 + 10 * late), write1=write1)
    assert (cluster.vertex("write").skew, cluster.vertex("write").skew_task) == (1.5, 1)
    assert cluster.metrics().edges[0].shares == (Share(1, 0.75), Share(0, 0.25))


def test_the_spread_of_rows_is_that_of_the_tasks_that_run_and_of_all_at_the_end():
    cluster = Reporting()
    assert cluster.vertex("write").skew is None
    for second in (1, 6):
        cluster.report(second, write0=TaskCounters(rows_in=100 * second), write1=TaskCounters(rows_in=300 * second))
    last = TaskCounters(rows_in=600)
    cluster.feed(TaskChanged("agent-1", cluster.attempt("write[0]"), TaskState.FINISHED, counters=last))
    assert (cluster.vertex("write").skew, cluster.vertex("write").skew_task) == (1.0, 1)
    cluster.feed(
        TaskChanged("agent-1", cluster.attempt("write[1]"), TaskState.FINISHED, counters=TaskCounters(rows_in=1800))
    )
    assert (cluster.vertex("write").skew, cluster.vertex("write").skew_task) == (1.5, 1)


def test_a_job_says_whether_it_commits_and_whether_it_stops():
    cluster = Reporting()
    assert (cluster.metrics().commits, cluster.metrics().stopping) == (False, False)
    cluster.silent = {"agent-1"}
    cluster.command("stop", "job")
    assert cluster.metrics().stopping
    assert cluster.metrics().finding.sentence == "The job is stopping: rows already read are processed."


def test_operators_within_a_chain_have_rows_of_their_own():
    cluster = Reporting()
    cluster.report(1, read0=TaskCounters(operators={"read": 10}))
    cluster.report(2, read0=TaskCounters(operators={"read": 30, "clean": 5}))
    counted = [(one.id, one.rows, one.rows_rate) for one in cluster.vertex("read").operators]
    assert counted == [("read", 30, 20), ("clean", 5, 5)]


def test_an_edge_has_what_was_sent_its_fullest_channel_and_who_got_how_much():
    cluster = Reporting()
    cluster.report(1, sent=(10, 100), write0=TaskCounters(rows_in=3), write1=TaskCounters(rows_in=1))
    cluster.report(
        2,
        sent=(30, 300),
        read0=TaskCounters(),
        write0=TaskCounters(rows_in=6),
        write1=TaskCounters(rows_in=2),
        queues={"write0": (Queue(0, 0, held=90, credit=10),), "write1": (Queue(0, 0, held=10, credit=90),)},
    )
    cluster.report(3, sent=(50, 500), read0=TaskCounters())
    (edge,) = cluster.metrics().edges
    assert (edge.id, edge.type, edge.keys, edge.channels) == ("job@1:read->write:0", "hash", ("k",), 2)
    assert (edge.queued, edge.fill, edge.shares) == (100, 0.9, (Share(0, 0.75), Share(1, 0.25)))
    assert (edge.sent.rows, edge.sent.rows_rate, edge.sent.bytes_rate) == (50, 20, 200)


@pytest.mark.parametrize(
    ("queues", "tasks", "longest"),
    [
        ({}, [0.0, 0.0], 0.0),
        ({"write0": (Queue(0, 0, 10, 5, 0.1), Queue(0, 1, 20, 5, 0.2))}, [pytest.approx(0.3), 0.0], 0.3),
        ({"write0": (Queue(0, 0, 10, 5, 0.1),), "write1": (Queue(0, 0, 20, 5, 0.4),)}, [0.1, 0.4], 0.4),
        ({"write0": (Queue(0, 0, 10, 5, None),), "write1": (Queue(0, 0, 20, 5, 0.4),)}, [None, 0.4], 0.4),
        ({"write0": (Queue(0, 0, 1, 1),), "write1": (Queue(0, 0, 1, 1),)}, [None, None], None),
    ],
)
def test_queue_seconds_are_those_of_the_task_that_needs_longest(queues, tasks, longest):
    cluster = Reporting()
    cluster.report(1, write0=TaskCounters(rows_in=3), write1=TaskCounters(rows_in=1), queues=queues)
    metrics = cluster.metrics()
    assert [task.queue_seconds for task in metrics.tasks if task.vertex == "write"] == tasks
    found = [metrics.edges[0].queue_seconds, cluster.vertex("write").queue_seconds]
    assert found == [longest if longest is None else pytest.approx(longest)] * 2


def test_a_vertex_has_a_dot_for_each_of_a_few_tasks_the_worst_first():
    cluster = Reporting()
    for second in (1, 2):
        cluster.report(second, write0=TaskCounters(idle=second), write1=TaskCounters(busy=second))
    assert cluster.vertex("write").dots == (TaskDot(1, "RUNNING", 1.0), TaskDot(0, "RUNNING", 0.0))
    cluster.fail()
    assert [dot.state for dot in cluster.vertex("read").dots] == ["FAILED"]
    wide = Simulator(agents=1, slots=17)
    wide.submit(request(vertices=(("work", 17),)))
    assert wide.machine.overview.metrics(0, WALL, "job").vertices[0].dots == ()


def test_what_is_watched_does_not_grow_with_the_number_of_tasks():
    def size(tasks):
        cluster = Simulator(agents=1, slots=tasks)
        cluster.submit(request(vertices=vertices(tasks), edges=EDGES, commits=False))
        for second in (1, 2):
            counters = {attempt: TaskCounters(rows_in=second) for _, attempt in cluster.running}
            cluster.feed(MetricsReported("agent-1", counters, at=second))
        metrics = cluster.machine.overview.metrics(2, WALL, "job")
        return len(pickle.dumps(metrics)), len(pickle.dumps(without_tasks(metrics)))

    (some_whole, some), (many_whole, many) = size(100), size(1000)
    assert many_whole > 9 * some_whole
    assert many < 1.1 * some


def test_the_job_counts_what_sources_read_and_sinks_took():
    cluster = Reporting()
    aside = {"rows_out": 100}  # of operators in the sink's chain
    for second in (1, 2):
        cluster.report(
            second,
            read0=TaskCounters(rows_in=5 * second, rows_out=8),
            write0=TaskCounters(**aside, operators={"write": 3 * second}),
            write1=TaskCounters(**aside, operators={"write": 1}),
        )
    metrics, summary = cluster.metrics(), cluster.machine.overview.summaries()[0]
    assert (metrics.rows_in.rows, metrics.rows_out, metrics.state) == (10, Throughput(7, rows_rate=3), "RUNNING")
    assert (summary.rows_in, summary.rows_out) == (10, 7)


def test_a_vertex_without_rows_is_idle_since_its_last_one():
    cluster = Reporting()
    cluster.report(1, read0=TaskCounters(rows_in=5), write0=TaskCounters())
    cluster.report(4, read0=TaskCounters(rows_in=9), write0=TaskCounters())
    assert [cluster.vertex(name).idle_since for name in ("read", "write")] == [None, WALL]
    cluster.report(6, read0=TaskCounters(rows_in=9))
    assert cluster.vertex("read").idle_since == WALL + 4


def test_watermarks_are_the_lowest_and_make_the_lag():
    cluster = Reporting()
    write1 = TaskCounters(watermark=int((WALL - 30) * 1e6))
    cluster.report(1, write0=TaskCounters(watermark=int(WALL * 1e6)), write1=write1)
    metrics = cluster.metrics()
    assert metrics.lag == pytest.approx(31)
    assert cluster.vertex("write").watermark == write1.watermark
    assert Reporting().metrics().lag is None


def test_latencies_come_from_the_markers():
    cluster = Reporting()
    slow, fast = Histogram(), Histogram()
    slow.add(1.0)
    fast.add(0.001)
    cluster.report(1, write0=TaskCounters(latency=slow), write1=TaskCounters(latency=fast))
    latency = cluster.vertex("write").latency
    assert (latency.p50, latency.p99) == pytest.approx((0.001, 1.0), rel=0.2)
    assert cluster.vertex("read").latency is None


def test_history_has_a_rate_per_second():
    cluster = Reporting()
    for half in range(20):
        cluster.report(half / 2, read0=TaskCounters(rows_out=50 * half))
    assert cluster.vertex("read").history == (0.0, *[100.0] * 9)
    for second in range(10, 500):
        cluster.report(second, read0=TaskCounters(rows_out=100 * second))
    assert len(cluster.vertex("read").history) == 120


def test_reports_about_another_attempt_change_nothing():
    cluster = Reporting()
    stale = cluster.attempt("read[0]")
    cluster.command("cancel", "job")
    cluster.submit(request(vertices=vertices(), edges=EDGES))
    before = cluster.metrics()
    cluster.feed(MetricsReported("agent-1", {stale: TaskCounters(rows_in=5)}, at=3))
    assert cluster.metrics() == before


def test_a_failure_is_told_with_the_operator_and_its_vertex():
    cluster = Reporting()
    failure = Failure("UserFunctionError", "clean: raised", "clean", "line 3", "n\n0", everything="all of it")
    agent, attempt = cluster.running.pop(0)
    cluster.feed(TaskChanged(agent, attempt, TaskState.FAILED, failure))
    error = cluster.metrics().error
    assert (error.kind, error.operator, error.vertex) == ("UserFunctionError", "clean", "read")
    assert (error.traceback, error.sample, error.everything) == ("line 3", "n\n0", "all of it")


def test_the_version_grows_with_everything_that_happens():
    cluster = Reporting()
    versions = [cluster.metrics().version]
    for happens in (
        lambda: cluster.report(1, read0=TaskCounters(rows_in=1)),
        lambda: cluster.command("pause", "job"),
        lambda: cluster.command("resume", "job"),
        cluster.finish,
    ):
        happens()
        versions.append(cluster.metrics().version)
    assert versions == sorted(set(versions))


def test_who_looks_when_nothing_has_happened_gets_what_was_said_before():
    cluster = Reporting()
    looks = [cluster.machine.overview.metrics(cluster.now, WALL, "job") for _ in range(2)]
    assert looks[0] is looks[1]
    cluster.command("pause", "job")
    assert cluster.machine.overview.metrics(cluster.now, WALL, "job").paused


def test_a_job_that_waits_says_for_what():
    cluster = Simulator(agents=1, slots=4)
    cluster.submit(request(name="first", vertices=(("work", 3),)))
    cluster.submit(request(name="second", vertices=(("work", 2),)))
    metrics = cluster.machine.overview.metrics(0, WALL, "second")
    assert (metrics.state, metrics.waits) == ("PENDING", "needs 2 slots, 1 free (job 'first' holds 3)")
    assert [(one.id, one.tasks, one.states) for one in metrics.vertices] == [("work", 2, {})]


def test_figures_of_a_large_job_are_made_anew_at_most_every_while_but_steering_shows_at_once():
    cluster = Simulator(agents=1, slots=500)
    cluster.submit(request(vertices=(("work", 500),)))
    (task, *_) = cluster.machine.jobs["job"].tasks.values()

    def look(after):
        cluster.feed(MetricsReported("agent-1", {task.attempt: TaskCounters()}, at=after))
        return cluster.machine.overview.metrics(after, WALL + after, "job")

    first, soon, later = look(0), look(0.1), look(0.3)
    assert (first is soon, soon is later) == (True, False)
    cluster.command("pause", "job")
    assert look(0.31).paused


def test_a_report_about_tasks_that_are_over_changes_nothing():
    cluster = Reporting()
    cluster.report(1, read0=TaskCounters(rows_in=10))
    cluster.report(2, read0=TaskCounters(rows_in=20))
    cluster.lose(1)
    before = cluster.metrics()
    cluster.feed(MetricsReported("agent-1", {cluster.attempt("read[0]"): TaskCounters(rows_in=30)}, {}, {}, at=80))
    assert cluster.metrics() == before


def test_totals_of_a_task_that_was_lost_are_not_final_and_have_the_age_of_its_last_report():
    cluster = Reporting()
    cluster.report(1, read0=TaskCounters(rows_in=10), write0=TaskCounters(rows_in=5))
    cluster.report(3, read0=TaskCounters(rows_in=20))
    cluster.feed(
        TaskChanged("agent-1", cluster.attempt("read[0]"), TaskState.FINISHED, counters=TaskCounters(rows_in=30))
    )
    cluster.lose(1)
    known = [(task.into.rows, task.final, task.reported) for task in cluster.metrics().tasks]
    assert known == [(30, True, WALL + 3), (5, False, WALL + 1), (0, False, None)]


def test_tasks_of_a_lost_agent_do_not_flow_any_more():
    cluster = Reporting()
    for second in (1, 2):
        cluster.report(second, read0=TaskCounters(rows_in=10 * second))
    cluster.lose(1)
    assert (cluster.metrics().state, cluster.metrics().rows_in) == ("FAILED", Throughput(20))


def test_operators_and_edges_have_their_watermark_and_operators_their_late_rows():
    cluster = Reporting()
    timed = {"watermarks": {"read": 9, "clean": 8}, "output_watermark": 7, "operators": {"read": 40, "clean": 30}}
    cluster.report(
        1,
        read0=TaskCounters(rows_in=40, late_rows={"clean": 4}, awaited={"clean": 20}, **timed),
        write0=TaskCounters(watermarks={"write": 6}, open_windows=2, waiting_rows=5),
        write1=TaskCounters(watermarks={"write": 5}, open_windows=1),
    )
    read, write = cluster.vertex("read").operators, cluster.vertex("write").operators
    assert [(one.watermark, one.awaited, one.late, one.late_share) for one in (*read, *write)] == [
        (9, None, 0, 0.0),
        (8, 20, 4, 0.1),
        (5, None, 0, 0.0),
    ]
    assert [edge.watermark for edge in cluster.metrics().edges] == [7]
    assert (cluster.metrics().open_windows, cluster.metrics().waiting_rows) == (3, 5)


def test_late_rows_of_a_first_phase_are_those_of_the_operator_that_the_user_wrote():
    cluster = Simulator(agents=1)
    chain = (ChainedOperator("read", "source"), ChainedOperator("window_0_partial", "window", part_of="window_0"))
    merging = JobVertex("window_0", 1, (ChainedOperator("window_0", "window"),))
    edges = (JobEdge(0, "read", "window_0", 0, "hash", "window_0_partial", ("k",)),)
    cluster.submit(request(vertices=(JobVertex("read", 1, chain, reads=True), merging), edges=edges, commits=False))
    attempts = {it.attempt.task.vertex: it.attempt for it in cluster.machine.jobs["job"].tasks.values()}
    counted = {
        attempts["read"]: TaskCounters(rows_in=40, late=4, late_rows={"window_0_partial": 4}, operators={"read": 40}),
        attempts["window_0"]: TaskCounters(rows_in=20, late=1, late_rows={"window_0": 1}),
    }
    cluster.feed(MetricsReported("agent-1", counted, {}, {}, at=1))
    found = job_metrics(cluster.machine.jobs["job"], 1, WALL)
    assert {one.id: (one.late, one.late_share) for vertex in found.vertices for one in vertex.operators} == {
        "read": (0, 0.0),
        "window_0_partial": (0, 0.0),
        "window_0": (5, 0.1),
    }
    assert [one.part_of for vertex in found.vertices for one in vertex.operators] == ["", "window_0", ""]
    assert ({vertex.id: vertex.late for vertex in found.vertices}, found.late) == ({"read": 0, "window_0": 5}, 5)


def test_rows_of_the_far_future_are_counted():
    cluster = Reporting()
    cluster.report(1, read0=TaskCounters(ahead=3))
    metrics = cluster.metrics()
    assert (metrics.ahead, [task.ahead for task in metrics.tasks if task.vertex == "read"]) == (3, [3])


@pytest.mark.parametrize(("behind", "lag"), [(2.5, 2.5), (-3.0, -3.0), (40 * 86400.0, None)])
def test_the_lag_is_that_of_live_data(behind, lag):
    cluster = Reporting()
    cluster.report(1, write0=TaskCounters(watermark=int((WALL + 1 - behind) * 1e6)))
    assert cluster.metrics().lag == lag
