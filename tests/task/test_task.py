import itertools
import threading
import time

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from taskjobs import (
    COLLECT,
    RUN,
    Custom,
    Deployed,
    Doubled,
    Evens,
    Exploding,
    Total,
    Written,
    X,
    graph,
    numbers,
    reads,
    rows,
    run,
    start,
    vertex,
    writes,
)

from sabotnb.config import Config
from sabotnb.eventtime import is_delayed, with_clock
from sabotnb.graph import specs
from sabotnb.operators.sort import SortOperator
from sabotnb.protocol import (
    CancelTasks,
    Cut,
    CutKind,
    PauseSources,
    ResumeSources,
    StartSources,
    StopSources,
    TakeCut,
    TaskState,
)
from sabotnb.protocol.elements import Batch, End, EndReason, Leave
from sabotnb.protocol.operator import Committable, Delayed, Operator, Prepared
from sabotnb.protocol.source import Finished, Polled
from sabotnb.protocol.state import StateSpec
from sabotnb.task.result_buffers import Pulled
from sabotnb.testing import FailAt, Faulty, FaultySink, Hold, InjectedFault, ScriptedSource


class Reached(Operator):
    """Sets an event when it is called, then calls a function of its test."""

    def __init__(self, reached, then):
        self.reached, self.then = reached, then

    def process(self, port, batch):
        self.reached.set()
        self.then()
        return (batch,)


def read_all(job, operator):
    return [
        value
        for (_, _), pulled in job.results.take(RUN, {(operator, 0): 0}, 1 << 30).items()
        for batch in pulled.batches
        for value in batch.column("x").to_pylist()
    ]


def test_a_task_runs_and_finishes_with_the_committables_of_its_sink():
    written = writes(Written)
    job = graph(
        [vertex("numbers", reads(numbers([[1], [2]])), Custom(Doubled)), vertex("written", written)],
        ("numbers", "written"),
    )
    with Deployed(job).start() as deployed:
        deployed.reports.wait(TaskState.FINISHED, 2)
        assert deployed.reports.states("numbers") == deployed.reports.states("written") == ["RUNNING", "FINISHED"]
        (finished,) = [changed for changed in deployed.reports.of(TaskState.FINISHED) if changed.committables]
        assert finished.committables == (Committable("written", {"values": [2, 4]}),)


def test_a_source_reads_no_rows_before_it_is_started():
    source = numbers([[1]])
    job = graph([vertex("numbers", reads(source), writes(Written))])
    with Deployed(job).start(sources=False) as deployed:
        deployed.reports.wait(TaskState.RUNNING)
        assert source.opened == 0
        deployed.command(StartSources(RUN, 1))
        deployed.reports.wait(TaskState.FINISHED)
        assert source.opened == 1


@pytest.mark.parametrize("started", [True, False])
def test_stopped_sources_end_the_job_with_the_rows_read_so_far(started):
    reached, totals = threading.Event(), []

    class Sees(Total):
        def open(self, ctx):
            super().open(ctx)
            totals.append(self)

        def process(self, port, batch):
            reached.set()
            return super().process(port, batch)

    source = numbers([[3], [4], Hold(threading.Event()), [5]])
    job = graph([vertex("numbers", reads(source)), vertex("total", Custom(Sees), COLLECT)], ("numbers", "total"))
    with Deployed(job, Config()).start(sources=started) as deployed:
        deployed.reports.wait(TaskState.RUNNING, 2)
        if started:
            assert reached.wait(60)
        deployed.command(StopSources(RUN, 1))
        if not started:
            deployed.command(StartSources(RUN, 1))
        deployed.reports.wait(TaskState.FINISHED, 2)
        assert totals[0].ended == [(0, EndReason.STOPPED)]
        assert read_all(deployed, "total.1") in ([[3], [7]] if started else [[0]])
    assert source.opened == source.closed


class Pausing(ScriptedSource):
    """Pauses its job during its second poll; a poll while it is paused is an error."""

    def __init__(self, *script):
        super().__init__(X, script)
        self.paused = threading.Event()

    def open(self, split):
        reader = super().open(split)
        poll = reader.poll

        def watched(max_rows):
            assert not self.paused.is_set()
            if self.polls == 1:
                self.deployed.command(PauseSources(RUN, 1))
                self.paused.set()
            return poll(max_rows)

        reader.poll = watched
        return reader


@pytest.mark.parametrize(("ending", "total"), [(ResumeSources, [7]), (StopSources, [3])])
def test_a_paused_job_is_idle_until_it_is_resumed_or_stopped(ending, total):
    source = Pausing(rows(1), rows(2), rows(4))
    job = graph([vertex("numbers", reads(source)), vertex("total", Custom(Total), COLLECT)], ("numbers", "total"))
    with Deployed(job, Config()) as deployed:
        source.deployed = deployed.start()
        assert source.paused.wait(60)
        counters = deployed.tasks["numbers[0]"].counters
        idle = counters().idle
        while counters().idle == idle:  # the time of a paused source is counted as idle
            assert counters().rows_in <= 2
        source.paused.clear()
        deployed.command(ending(RUN, 1))
        deployed.reports.wait(TaskState.FINISHED, 2)
        assert read_all(deployed, "total.1") == total


def test_a_pause_before_the_start_lasts_until_a_cancel():
    source = numbers([[1]])
    job = graph([vertex("numbers", reads(source), writes(Written))])
    with Deployed(job).start(sources=False) as deployed:
        deployed.command(PauseSources(RUN, 1))
        deployed.command(StartSources(RUN, 1))
        deployed.reports.wait(TaskState.RUNNING)
        assert deployed.cancel() == []
        assert deployed.reports.ends() == ["CANCELED"]
    assert source.polls == 0


class Endless(ScriptedSource):
    """Returns a row at every poll until ``seen`` is set."""

    def __init__(self, seen):
        super().__init__(X, [])
        self.seen = seen

    def open(self, split):
        reader = super().open(split)
        reader.poll = lambda max_rows: Finished() if self.seen.is_set() else Polled(self.batch(rows(1)), {})
        return reader


class First(Operator):
    """Returns its first batch and no other."""

    def open(self, ctx):
        self.first = True

    def process(self, port, batch):
        first, self.first = self.first, False
        return (batch,) if first else ()


@pytest.mark.parametrize("below", ["a task", "the client"])
def test_a_busy_task_sends_aged_rows(below):
    seen = threading.Event()
    reads_until_seen = [reads(Endless(seen)), Custom(First)]
    if below == "a task":
        job = graph(
            [vertex("numbers", *reads_until_seen), vertex("sink", Custom(lambda: Reached(seen, int)), COLLECT)],
            ("numbers", "sink"),
        )
    else:
        job = graph([vertex("numbers", *reads_until_seen, COLLECT)])
    with Deployed(job, Config()).start() as deployed:
        if below == "the client":
            deployed.results.take(RUN, {("numbers.2", 0): 0}, 1, timeout=60)
            seen.set()
        assert seen.wait(60)
        deployed.reports.wait(TaskState.FINISHED, len(deployed.tasks))


def test_a_task_whose_senders_left_leaves_and_does_not_end_its_operators():
    job = graph(
        [vertex("numbers", reads(numbers([]))), vertex("total", Custom(Total)), vertex("sink", Custom(Total), COLLECT)],
        ("numbers", "total"),
        ("total", "sink"),
    )
    with Deployed(job, Config()) as deployed:
        for name in ("total[0]", "sink[0]"):
            deployed.tasks[name].start()
        output = deployed.output("numbers", 0)
        for element in (Batch(pa.record_batch({"x": [7]}), 8), Leave()):
            output.emit(element)
        finished = deployed.reports.wait(TaskState.FINISHED, 2)
        assert [changed.counters.rows_out for changed in finished] == [0, 0]
        pulled = deployed.results.take(RUN, {("sink.1", 0): 0}, 1, timeout=60)
        assert pulled["sink.1", 0] == Pulled(0, (), ended=True)


NEVER_AGED = Config(gate_bytes=1, coalesce_rows=3, coalesce_seconds=1e9)
"""Slices of fewer than three rows leave only if the task flushes them; a channel takes one batch at a time."""


class Sated(Operator):
    """Emits its rows, and then has enough of them."""

    def __init__(self):
        self.hungry = True

    def accepts(self):
        return self.hungry

    def process(self, port, batch):
        self.hungry = False
        return (batch,)


@pytest.mark.parametrize("chain", [(), (Custom(Sated),)], ids=["for input", "for its operator"])
def test_rows_leave_before_a_task_waits(chain):
    seen = threading.Event()
    job = graph(
        [
            vertex("numbers", reads(numbers([[1], Hold(threading.Event())])), *chain),
            vertex("seen", Custom(lambda: Reached(seen, lambda: None)), COLLECT),
        ],
        ("numbers", "seen"),
    )
    with Deployed(job, NEVER_AGED).start():
        assert seen.wait(30)


def test_rows_leave_before_a_task_waits_for_credit():
    """Odd numbers use up the credit of their edge, whose task does not read; the even number has credit."""
    seen = threading.Event()
    job = graph(
        [
            vertex("numbers", reads(numbers([[1, 2, 3, 5], Hold(threading.Event())])), Custom(Evens)),
            vertex("even", Custom(lambda: Reached(seen, lambda: None)), COLLECT),
            vertex("odd", Custom(Total), COLLECT),
        ],
        ("numbers", "even"),
        ("numbers", "odd", "forward", 0, "odd"),
    )
    with Deployed(job, NEVER_AGED) as deployed:
        for name in ("numbers[0]", "even[0]"):
            deployed.tasks[name].start()
        deployed.command(StartSources(RUN, 1))
        assert seen.wait(30)


def test_a_task_that_sends_to_one_that_has_ended_fails():
    job = graph(
        [vertex("numbers", reads(numbers([[1], Hold(threading.Event())]))), vertex("total", Custom(Total), COLLECT)],
        ("numbers", "total"),
    )
    with Deployed(job, Config()) as deployed:
        deployed.tasks["total[0]"].start()
        deployed.output("numbers", 0).emit(End())  # and yet the task itself sends a row
        deployed.reports.wait(TaskState.FINISHED)
        deployed.tasks["numbers[0]"].start()
        deployed.command(StartSources(RUN, 1))
        (failed,) = deployed.reports.wait(TaskState.FAILED)
    assert failed.attempt.task.vertex == "numbers"
    assert (failed.failure.error, failed.failure.operator) == ("StaleMessage", "numbers")
    assert failed.failure.message.startswith("numbers: no task reads channel ")


@pytest.mark.parametrize("state", [TaskState.FAILED, TaskState.CANCELED])
def test_a_task_that_fails_or_is_canceled_does_not_fail_those_that_send_to_it(state):
    fails = FailAt(1 if state is TaskState.FAILED else 0)
    job = graph(
        [vertex("numbers", reads(numbers([[1]]))), vertex("sink", Custom(lambda: Faulty(Total(), fails)), COLLECT)],
        ("numbers", "sink"),
    )
    with Deployed(job) as deployed:
        sink = deployed.tasks["sink[0]"]
        if state is TaskState.CANCELED:
            sink.post(CancelTasks(RUN, 1))
        sink.start()
        deployed.reports.wait(state)
        assert sink.join(60)
        deployed.tasks["numbers[0]"].start()
        deployed.command(StartSources(RUN, 1))
        deployed.reports.wait(TaskState.FINISHED)
    assert deployed.reports.ends() == [state.value, "FINISHED"]


def test_a_task_whose_run_is_released_before_it_reads_its_cancel_is_canceled():
    def release():
        deployed.command(CancelTasks(RUN, 1))
        deployed.release()

    job = graph(
        [
            vertex("numbers", reads(numbers([[1], [2]])), Custom(lambda: Reached(threading.Event(), release))),
            vertex("sink", Custom(Total), COLLECT),
        ],
        ("numbers", "sink"),
    )
    with Deployed(job) as deployed:
        deployed.start()
        deployed.reports.wait_until(lambda: len(deployed.reports.ends()) == 2)
        assert deployed.reports.ends() == ["CANCELED", "CANCELED"]


class Spins(Operator):
    """Works 0.2 ms for each row in its first calls; ``then`` is called at the end of each."""

    calls_function = True

    def __init__(self, sizes, then=lambda: None):
        self.sizes, self.then = sizes, then

    def process(self, port, batch):
        self.sizes.append(batch.num_rows)
        until = time.perf_counter() + 0.0002 * batch.num_rows
        while time.perf_counter() < until:
            pass
        self.then()
        return (batch,)


def test_a_slow_function_gets_a_batch_in_slices_and_its_rows_stay_in_order():
    sizes = []
    job = graph([vertex("numbers", reads(numbers([range(4000)])), Custom(lambda: Spins(sizes)), COLLECT)])
    values = [x for batch in start(job, Config()) for x in batch["x"].to_pylist()]
    assert values == [*range(4000)]
    assert sum(sizes) == 4000
    assert max(sizes) < 2000  # 100 ms are 500 rows


def test_a_task_reads_its_mailbox_between_two_calls_of_a_slow_function():
    sizes = []
    operator = Custom(lambda: Spins(sizes, lambda: deployed.command(CancelTasks(RUN, 1))))
    with Deployed(graph([vertex("numbers", reads(numbers([range(4000)])), operator, COLLECT)]), Config()) as deployed:
        deployed.start()
        deployed.reports.wait(TaskState.CANCELED)
    assert len(sizes) == 1


def test_rows_batches_and_bytes_are_counted_on_both_sides_of_an_edge():
    job = graph(
        [vertex("numbers", reads(numbers([[1, 2], [3]]))), vertex("sink", Custom(Doubled), COLLECT)],
        ("numbers", "sink"),
    )
    with Deployed(job, Config()).start() as deployed:
        deployed.reports.wait(TaskState.FINISHED, 2)
        source, sink = deployed.tasks["numbers[0]"], deployed.tasks["sink[0]"]
        assert (source.counters().rows_in, source.counters().rows_out) == (3, 3)
        assert (source.counters().batches_out, source.counters().bytes_out) == (2, 24)
        assert (sink.counters().rows_in, sink.counters().rows_out, sink.counters().bytes_in) == (3, 3, 24)
        assert source.sent() == {0: (3, 24)}
        assert sink.sent() == {}
        last = {changed.attempt.task.vertex: changed for changed in deployed.reports.of(TaskState.FINISHED)}
        assert last["numbers"].sent == {0: (3, 24)}
        assert last["sink"].counters == sink.counters()


def test_latency_is_measured_behind_every_edge_and_not_at_the_source():
    job = graph(
        [
            vertex("numbers", reads(numbers([[1]], [[2]])), parallelism=2),
            vertex("doubled", Custom(Doubled), parallelism=2),
            vertex("sink", Custom(Doubled), COLLECT),
        ],
        ("numbers", "doubled", "hash"),
        ("doubled", "sink", "gather"),
    )
    with Deployed(job, Config()).start() as deployed:
        deployed.reports.wait(TaskState.FINISHED, 5)
        markers = {name: sum(task.counters().latency.counts.values()) for name, task in deployed.tasks.items()}
    assert markers == {"numbers[0]": 0, "numbers[1]": 0, "doubled[0]": 1, "doubled[1]": 1, "sink[0]": 2}


class Rows:
    """As many keys as there are rows, a thousand bytes each; counts how often it was measured."""

    def __init__(self):
        self.held = self.measured = 0

    def size(self):
        self.measured += 1
        return self.held, 1000 * self.held


class Sized(Doubled):
    """Counts its rows as state."""

    def __init__(self):
        self.rows = Rows()

    def open(self, ctx):
        ctx.keyed(StateSpec("rows"), self.rows)

    def process(self, port, batch):
        self.rows.held += batch.num_rows
        return super().process(port, batch)


def sized_job(operators, *script):
    def sized():
        operators.append(Sized())
        return operators[-1]

    return graph([vertex("numbers", reads(numbers(script)), Custom(sized), Custom(sized), writes(Written))])


def test_state_is_measured_once_at_the_end_without_requests():
    operators = []
    with Deployed(sized_job(operators, [1, 2], [3])).start() as deployed:
        (finished,) = deployed.reports.wait(TaskState.FINISHED)
    assert (finished.counters.state_keys, finished.counters.state_bytes) == (6, 6000)
    assert [operator.rows.measured for operator in operators] == [1, 1]


def test_a_running_task_measures_its_state_on_request():
    operators, held = [], threading.Event()
    with Deployed(sized_job(operators, [1, 2], Hold(held))).start() as deployed:
        task = deployed.tasks["numbers[0]"]
        while sum(operator.rows.held for operator in operators) < 4:
            assert task.counters().state_keys == 0
        while (counters := task.counters()).state_bytes != 4000:
            task.ask_state_size()
        assert counters.state_keys == 4


def test_the_queues_of_a_task_name_their_senders():
    job = graph(
        [vertex("numbers", reads(numbers([[1], [2]])), Custom(Exploding)), vertex("sink", COLLECT)],
        ("numbers", "sink"),
    )
    with Deployed(job).start() as deployed:
        sink = deployed.tasks["sink[0]"]
        while not (queues := sink.queues()):
            deployed.results.take(RUN, {("sink", 0): 0}, 1)
    assert [(queue.edge, queue.sender, queue.credit) for queue in queues] == [(0, 0, 0)]


def test_the_time_of_a_task_that_waits_for_credit_is_backpressured():
    job = graph(
        [vertex("numbers", reads(numbers([[1]])), Custom(Exploding)), vertex("sink", COLLECT)], ("numbers", "sink")
    )
    with Deployed(job).start() as deployed:
        deployed.reports.wait(TaskState.RUNNING, 2)
        sink = deployed.tasks["sink[0]"]
        while sink.counters().rows_in < 1:
            deployed.results.take(RUN, {("sink", 0): 0}, 1)
    assert sink.counters().backpressured > 0


def test_an_operator_is_woken_on_request():
    class Later(Operator):
        """Returns its rows when another thread wakes it, like a lookup that waits for an answer."""

        def open(self, ctx):
            self.wake, self.held, self.threads = ctx.wake, [], []

        def process(self, port, batch):
            self.held.append(batch)
            self.threads.append(threading.Thread(target=self.wake))
            self.threads[-1].start()
            return ()

        def on_wake(self):
            held, self.held = self.held, []
            return held

        def close(self):
            for thread in self.threads:
                thread.join()

    never = threading.Event()
    job = graph([vertex("numbers", reads(numbers([[1], Hold(never)])), Custom(Later), Custom(Doubled), COLLECT)])
    with Deployed(job).start() as deployed:
        assert read_all(deployed, "numbers.3") == [2]


class OneAtATime(Operator):
    """Has enough rows with one batch, which it returns when another thread has looked at it."""

    def __init__(self):
        self.held, self.most, self.threads = [], 0, []

    def open(self, ctx):
        self.wake = ctx.wake

    def process(self, port, batch):
        self.held.append(batch)
        self.most = max(self.most, len(self.held))
        self.threads.append(threading.Thread(target=self.wake))
        self.threads[-1].start()
        return ()

    def accepts(self):
        return not self.held

    def on_wake(self):
        held, self.held = self.held, []
        return held

    def on_end(self, port, reason):
        return self.on_wake()

    def close(self):
        for thread in self.threads:
            thread.join()


def test_no_batch_is_taken_while_an_operator_has_enough_rows():
    one = OneAtATime()
    job = graph([vertex("numbers", reads(numbers([[1], [2], [3], [4]])), Custom(lambda: one), COLLECT)])
    assert run(job) == [1, 2, 3, 4]
    assert one.most == 1


def test_a_task_whose_operator_has_enough_rows_can_be_canceled():
    reached = threading.Event()

    class Full(Operator):
        def process(self, port, batch):
            reached.set()
            return ()

        def accepts(self):
            return not reached.is_set()

    job = graph([vertex("numbers", reads(numbers([[1], [2]])), Custom(Full), COLLECT)])
    with Deployed(job).start() as deployed:
        reached.wait()
        deployed.command(CancelTasks(RUN, 1))
        deployed.reports.wait(TaskState.CANCELED)


class Ticking(Operator):
    """Returns the rows that it holds at each alarm; the last is the one at which it returns rows for the last time."""

    def __init__(self, seconds, times, then=lambda: None):
        self.seconds, self.times, self.then = seconds, times, then

    def open(self, ctx):
        self.wake_in, self.held = ctx.wake_in, []
        self.wake_in(self.seconds)
        self.wake_in(3600)

    def process(self, port, batch):
        self.held.append(batch)
        return ()

    def on_wake(self):
        held, self.held = self.held, []
        self.times -= bool(held)
        if self.times:
            self.wake_in(self.seconds)
        else:
            self.then()
        return held


def test_operators_of_a_chain_are_woken_at_their_alarms_while_no_input_comes():
    never = threading.Event()
    ticking = [Custom(lambda: Ticking(0.001, 1)), Custom(lambda: Ticking(0.02, 1)), Custom(lambda: Ticking(0, 1))]
    job = graph([vertex("numbers", reads(numbers([[1], Hold(never)])), *ticking, Custom(Doubled), COLLECT)])
    with Deployed(job).start() as deployed:
        assert read_all(deployed, "numbers.5") == [2]


def test_an_operator_of_a_task_without_channels_to_read_is_woken_at_its_alarms():
    job = graph(
        [
            vertex("numbers", reads(numbers([[1], Hold(threading.Event())]))),
            vertex("sink", Custom(lambda: Ticking(0, 1)), COLLECT),
        ],
        ("numbers", "sink"),
    )
    with Deployed(job).start() as deployed:
        assert read_all(deployed, "sink.1") == [1]


def test_a_busy_task_wakes_its_operators_at_their_alarms():
    seen = threading.Event()
    source = Endless(seen)  # it ends when the third alarm was answered
    job = graph([vertex("numbers", reads(source), Custom(lambda: Ticking(0.001, 3, seen.set)), Custom(Total))])
    with Deployed(job).start() as deployed:
        deployed.reports.wait(TaskState.FINISHED)


class WhenPassed(Operator):
    """Returns the numbers that it has when the watermark has passed them, in one batch."""

    delayed = Delayed.TAKE

    def open(self, ctx):
        self.numbers = []

    def process(self, port, batch):
        self.numbers += [x if is_delayed(batch) else -x for x in batch["x"].to_pylist()]
        return ()

    def on_watermark(self, us):
        numbers, self.numbers = self.numbers, []
        return (pa.record_batch({"x": numbers}),) if numbers else ()


class Marks(Operator):
    """Marks even numbers as delayed rows."""

    delayed = Delayed.KEEP

    def process(self, port, batch):
        even = pc.equal(pc.bit_wise_and(batch["x"], 1), 0)
        yield batch.filter(pc.invert(even))
        yield with_clock(batch.filter(even), 5)


@pytest.mark.parametrize("kind", ["forward", "hash", "broadcast", "rebalance"])
def test_delayed_rows_and_the_last_watermark_reach_every_task_below(kind):
    source = reads(numbers([[1, 2], [3, 4]], [[5, 6]]))
    timed, ordered = Custom(WhenPassed), Custom(lambda: SortOperator(specs.Sort(("x",), (False,)), [X]))
    job = graph(
        [
            vertex("numbers", source, Custom(Marks), parallelism=2),
            vertex("passed", timed, ordered, timed, parallelism=2),
            vertex("sink", COLLECT, parallelism=2),
        ],
        ("numbers", "passed", kind),
        ("passed", "sink"),
    )
    copies = 2 if kind == "broadcast" else 1
    assert run(job) == sorted([1, -2, 3, -4, 5, -6] * copies)


def hang(reached):
    reached.set()
    while True:
        pass


CANCELED_WHERE = {
    "waiting for its start": lambda reached: [vertex("numbers", reads(numbers([[1]])), COLLECT)],
    "waiting in a reader": lambda reached: [
        vertex(
            "numbers", reads(numbers([[1], Hold(threading.Event())])), Custom(lambda: Reached(reached, int)), COLLECT
        )
    ],
    "backpressured": lambda reached: [
        vertex("numbers", reads(numbers([[x] for x in range(50)])), Custom(lambda: Reached(reached, int)), COLLECT)
    ],
    "in an exploding iterator": lambda reached: [
        vertex("numbers", reads(numbers([[1]])), Custom(lambda: Reached(reached, int)), Custom(Exploding), COLLECT)
    ],
    "in an exploding iterator whose rows are dropped": lambda reached: [
        vertex("numbers", reads(numbers([[1]])), Custom(lambda: Reached(reached, int)), Custom(Exploding))
    ],
    "in an endless loop of the user": lambda reached: [
        vertex("numbers", reads(numbers([[1]])), Custom(lambda: Reached(reached, lambda: hang(reached))), COLLECT)
    ],
    "in an endless loop that catches exceptions": lambda reached: [
        vertex("numbers", reads(numbers([[1]])), Custom(lambda: Reached(reached, lambda: stubborn(reached))), COLLECT)
    ],
}


def stubborn(reached):
    while True:
        try:
            hang(reached)
        except Exception:  # noqa: BLE001
            continue


def test_a_task_reads_its_mailbox_while_an_operator_drops_what_another_makes_without_end():
    reached = threading.Event()
    source = reads(numbers([[1]]))
    dropped = [Custom(Exploding), Custom(lambda: Reached(reached, int)), Custom(Total)]
    with Deployed(graph([vertex("numbers", source, *dropped)])).start() as deployed:
        assert reached.wait(60)
        deployed.command(CancelTasks(RUN, 1))  # and no interrupt of the running call
        deployed.reports.wait(TaskState.CANCELED)


@pytest.mark.parametrize("where", CANCELED_WHERE)
def test_a_canceled_task_ends(where):
    reached = threading.Event()
    with Deployed(graph(CANCELED_WHERE[where](reached))).start(sources=where != "waiting for its start") as deployed:
        deployed.reports.wait(TaskState.RUNNING)
        if where != "waiting for its start":
            assert reached.wait(60)
        assert deployed.cancel() == []
        assert deployed.reports.ends() == ["CANCELED"]


def test_a_canceled_task_that_waits_in_its_gate_ends():
    job = graph(
        [vertex("numbers", reads(numbers([[1], Hold(threading.Event())]))), vertex("sink", COLLECT)],
        ("numbers", "sink"),
    )
    with Deployed(job).start() as deployed:
        deployed.reports.wait(TaskState.RUNNING, 2)
        assert deployed.cancel() == []
        assert deployed.reports.ends() == ["CANCELED", "CANCELED"]


class SlowToClose(Reached):
    """Its ``close`` does not return."""

    def close(self):
        hang(self.reached)


def test_a_cancel_that_interrupts_a_cleanup_is_not_reported_as_its_failure(caplog):
    reached, closing = threading.Event(), threading.Event()
    slow = Custom(lambda: SlowToClose(closing, reached.set))
    with Deployed(
        graph([vertex("numbers", reads(numbers([[1], Hold(threading.Event())])), slow, COLLECT)])
    ).start() as job:
        assert reached.wait(60)
        assert job.cancel() == []
        assert closing.is_set()
        assert job.reports.ends() == ["CANCELED"]
    assert caplog.records == []


class Cleaning(Written):
    """Its ``close`` ends when ``released`` is set; Python code, which an interrupt would end at once."""

    def __init__(self, released, cleaned):
        super().__init__()
        self.released, self.cleaned = released, cleaned

    def close(self):
        while not self.released.is_set():
            pass
        self.cleaned.set()


def test_a_cancel_does_not_interrupt_the_close_of_a_sink():
    released, cleaned = threading.Event(), threading.Event()
    source = numbers([[1], Hold(threading.Event())])
    job = graph([vertex("numbers", reads(source), writes(lambda: Cleaning(released, cleaned)))])
    with Deployed(job).start() as deployed:
        deployed.reports.wait(TaskState.RUNNING)
        (hanging,) = deployed.cancel()
        released.set()
        assert hanging.join(60)
        assert cleaned.is_set()
        assert deployed.reports.ends() == ["CANCELED"]


def test_a_hanging_task_is_reported_with_the_name_of_its_call():
    reached, released = threading.Event(), threading.Event()
    job = graph([vertex("numbers", reads(numbers([[1]])), Custom(lambda: Reached(reached, released.wait)), COLLECT)])
    with Deployed(job).start() as deployed:
        assert reached.wait(60)
        (hanging,) = deployed.cancel(grace=0.0)
        assert hanging.alive
        (canceled,) = deployed.reports.of(TaskState.CANCELED)
        assert "process of numbers.1 has not returned" in canceled.failure.message
        released.set()
        assert hanging.join(60)
        assert deployed.reports.ends() == ["CANCELED"]


class SlowToOpen(Reached):
    """Its ``open`` calls the function."""

    def open(self, ctx):
        self.process(0, None)


def test_a_task_that_was_reported_as_hanging_while_it_opened_does_not_report_that_it_runs():
    reached, released = threading.Event(), threading.Event()
    slow = Custom(lambda: SlowToOpen(reached, released.wait))
    with Deployed(graph([vertex("numbers", reads(numbers([[1]])), slow, COLLECT)])).start() as deployed:
        assert reached.wait(60)
        (hanging,) = deployed.cancel(grace=0.0)
        released.set()
        assert hanging.join(60)
        assert deployed.reports.states("numbers") == ["CANCELED"]


def test_a_user_function_that_exits_fails_its_task():
    def leave():
        raise SystemExit(3)

    job = graph([vertex("numbers", reads(numbers([[1]])), Custom(lambda: Reached(threading.Event(), leave)), COLLECT)])
    with Deployed(job).start() as deployed:
        (failed,) = deployed.reports.wait(TaskState.FAILED)
        assert failed.failure.message == "numbers.1: SystemExit: 3 in process"


def faulty_job(fault, operators):
    def make(operator, wrapper=Faulty):
        def build():
            operators.append(wrapper(operator(), fault))
            return operators[-1]

        return build

    source = numbers([[1], [2]])
    return source, graph(
        [
            vertex("numbers", reads(source), Custom(make(Doubled))),
            vertex("written", Custom(make(Doubled)), writes(make(Written, FaultySink))),
        ],
        ("numbers", "written"),
    )


def test_a_failure_at_any_step_is_reported_once_and_closes_everything():
    steps = []
    for step in itertools.count(1):
        fault, operators = FailAt(step), []
        source, job = faulty_job(fault, operators)
        with Deployed(job, Config()).start() as deployed:
            reports = deployed.reports
            reports.wait_until(lambda reports=reports: reports.of(TaskState.FAILED) or len(reports.ends()) == 2)
            fault_free = not reports.of(TaskState.FAILED)
            if not fault_free:
                (failed,) = deployed.reports.of(TaskState.FAILED)
                assert InjectedFault.__name__ in failed.failure.message
                assert f"step {step}: {fault.fired}" in failed.failure.message
        assert len(deployed.reports.ends()) == 2
        assert len(deployed.reports.of(TaskState.FAILED)) == (0 if fault_free else 1)
        assert [operator.closed for operator in operators] == [operator.opened for operator in operators]
        assert source.opened == source.closed
        if fault_free:
            assert fault.fired is None
            break
        steps.append(fault.fired)
    assert {"open", "process", "process, after an output", "on_watermark", "on_end", "roll", "durable", "close"} <= set(
        steps
    )


class Slow(Written):
    """Its output at a cut is durable once ``released`` is set."""

    def __init__(self, released):
        super().__init__()
        self.released = released

    def roll(self, cut):
        values, self.values = self.values, []
        return SlowOutput(values, self.released if cut else None)


class SlowOutput(Prepared):
    def __init__(self, values, released):
        self.values, self.released = values, released

    def durable(self):
        assert self.released is None or self.released.wait(60)
        return [Committable("written", {"values": self.values})]


def test_a_task_finishes_behind_its_acknowledgements_with_the_output_that_is_not_known_to_be_stored():
    released, hold = threading.Event(), threading.Event()
    source = numbers([[1], Hold(hold), [2]])
    job = graph([vertex("numbers", reads(source), writes(lambda: Slow(released)))])
    with Deployed(job).start() as deployed:
        deployed.reports.wait(TaskState.RUNNING)
        counters = deployed.tasks["numbers[0]"].counters
        while counters().rows_in < 1:  # ends: the source reads on by itself
            pass
        deployed.command(TakeCut(RUN, 1, Cut(1, CutKind.CHECKPOINT, 1)))
        hold.set()
        while source.closed == 0:  # the task is at its end, and its output of the cut is not durable
            pass
        assert [report.state.value for report in deployed.reports.all] == ["RUNNING"]
        released.set()
        (finished,) = deployed.reports.wait(TaskState.FINISHED)
        (acked,) = deployed.reports.cuts
        assert deployed.reports.order.index(acked) < deployed.reports.order.index(finished)
        first, last = ([Committable("written", {"values": [value]})] for value in (1, 2))
        assert list(acked.snapshot.committables) == first
        assert list(finished.committables) == first + last


def test_a_task_that_waits_for_its_cuts_to_be_written_can_be_canceled():
    released = threading.Event()
    source = numbers([[1]])
    job = graph([vertex("numbers", reads(source), writes(lambda: Slow(released)))])
    with Deployed(job).start(sources=False) as deployed:
        deployed.reports.wait(TaskState.RUNNING)
        deployed.command(TakeCut(RUN, 1, Cut(1, CutKind.CHECKPOINT, 1)))
        deployed.command(StartSources(RUN, 1))
        while source.closed == 0:
            pass
        assert deployed.cancel() == []
        assert deployed.reports.ends() == ["CANCELED"]
        released.set()
    assert deployed.reports.cuts == []
