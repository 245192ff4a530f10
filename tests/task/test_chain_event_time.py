"""How watermarks and delayed rows pass the operators of a chain."""

from itertools import islice

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from taskjobs import RUN, Exploding, Total, X, rows

from sabotnb.eventtime import clocks, is_delayed, with_clock
from sabotnb.graph import specs
from sabotnb.graph.job_graph import Operator as Node
from sabotnb.metrics import TaskCounters
from sabotnb.protocol import (
    MAX_WATERMARK,
    Delayed,
    EndReason,
    Operator,
    OperatorContext,
    SinkOperator,
    Status,
    Watermark,
)
from sabotnb.task.chain import Chain
from sabotnb.task.probes import Probes
from sabotnb.task.pulled_rows import PulledRows
from sabotnb.task.stage import Emission, PassThrough, Stage
from sabotnb.task.steps import StepFailed, Steps


def batch(*values):
    return pa.RecordBatch.from_pylist(rows(*values), schema=X)


def delayed(**by_clock):
    """Rows with their clocks: ``delayed(c5=[1, 2])`` are two rows that the clock 5 has passed."""
    values = [(value, int(name[1:])) for name, values in by_clock.items() for value in values]
    return with_clock(batch(*(value for value, _ in values)), pa.array([clock for _, clock in values]))


class Run:
    """A chain of ``operators`` named op_0, op_1, ...; its calls return what the chain yields, rows as lists."""

    def __init__(self, *operators, untimed=()):
        nodes = [Node(f"op_{i}", specs.Union(2)) for i in range(len(operators))]
        stages = [Stage(*stage, timed=stage[0].id not in untimed) for stage in zip(nodes, operators, strict=True)]
        self.counters = TaskCounters(operators={stage.node.id: 0 for stage in stages})
        self.probes = Probes(self.counters)
        self.chain = Chain(stages, Steps(), self.probes)
        self.chain.open(lambda node: OperatorContext(RUN, node.id, 0, 1, 128))

    def process(self, *values, rows=None):
        return read(self.chain.process(0, batch(*values) if rows is None else rows))

    def watermark(self, us):
        return read(self.chain.on_watermark(us))

    def wake(self, *operators):
        return read(self.chain.on_wake(operators or self.counters.operators))

    def end(self, *ports):
        items = [item for port in ports or (0,) for item in read(self.chain.on_end(port, EndReason.EXHAUSTED))]
        return items + read(self.chain.finish(EndReason.EXHAUSTED))


def read(work):
    return [_read(item) for item in work if item is not None]


def _read(item):
    if not isinstance(item, Emission):
        return item
    values = item.batch["x"].to_pylist()
    if is_delayed(item.batch):
        values = list(zip(values, clocks(item.batch).to_pylist(), strict=True))
    return values if item.side is None else (item.side, values)


class Calls(Operator):
    """Records its rows and watermarks."""

    delayed = Delayed.KEEP

    def __init__(self):
        self.seen = []

    def process(self, port, batch):
        self.seen.append(batch["x"].to_pylist())
        return (batch,)

    def on_watermark(self, us):
        self.seen.append(us)
        return ()


class AtWatermark(Operator):
    """Stores rows, whose event time is x, until the watermark has passed them."""

    def open(self, ctx):
        self.held = []

    def process(self, port, batch):
        self.held += batch["x"].to_pylist()
        return ()

    def on_watermark(self, us):
        due = sorted(x for x in self.held if x < us)
        self.held = [x for x in self.held if x >= us]
        return [batch(x) for x in due]


class Holds(Operator):
    """Returns its rows at a wake-up or the end, as a call that waits for an answer does; its event time is x."""

    def open(self, ctx):
        self.held = []

    def process(self, port, batch):
        self.held.append(batch)
        return ()

    def output_watermark(self, us):
        return min([us, *(x for held in self.held for x in held["x"].to_pylist())])

    def on_wake(self):
        held, self.held = self.held, []
        return held

    def on_end(self, port, reason):
        return self.on_wake()


def test_what_an_operator_returns_for_a_watermark_goes_before_it():
    calls = Calls()
    run = Run(AtWatermark(), PassThrough(), calls)
    assert run.process(1, 7, 3) == []
    assert run.watermark(5) == [[1], [3], Watermark(5)]
    assert calls.seen == [[1], [3], 5]
    assert run.watermark(8) == [[7], Watermark(8)]


def test_a_watermark_that_is_no_advance_reaches_no_operator():
    calls = Calls()
    run = Run(calls, PassThrough())
    assert [run.watermark(us) for us in (5, 5, 4, 6)] == [[Watermark(5)], [], [], [Watermark(6)]]
    assert calls.seen == [5, 6]


def test_an_operator_holds_a_watermark_back_until_a_wake_up():
    before, behind = Calls(), Calls()
    run = Run(before, Holds(), behind)
    run.process(3)
    assert run.watermark(9) == [Watermark(3)]
    assert (before.seen, behind.seen) == ([[3], 9], [3])
    assert run.watermark(12) == []
    assert run.wake() == [[3], Watermark(12)]
    assert run.wake() == []
    assert behind.seen == [3, [3], 12]


def test_each_of_two_operators_holds_back_what_the_other_releases():
    run = Run(Holds(), Holds(), PassThrough())
    run.process(3)
    assert run.watermark(9) == [Watermark(3)]
    # One wake-up is for all operators: the first returns its rows, so does the second after it.
    assert run.wake() == [[3], Watermark(9)]


def test_only_operators_that_asked_for_it_are_woken():
    run = Run(Holds(), PassThrough(), Holds())
    run.process(3)
    assert run.wake("op_1", "op_2") == []
    assert run.wake("op_0") == []
    assert run.wake("op_2") == [[3]]


def test_the_end_releases_what_is_held_and_rows_come_first():
    run = Run(Holds(), AtWatermark(), Holds())
    run.process(3, 8)
    assert run.watermark(MAX_WATERMARK) == [Watermark(3)]
    assert run.end() == [[3], [8], Watermark(MAX_WATERMARK)]


def test_an_operator_that_never_met_event_time_is_not_asked_for_it():
    class NeverAsked(PassThrough):
        def output_watermark(self, us):
            raise AssertionError(us)

    run = Run(NeverAsked(), NeverAsked())
    assert [run.process(1), run.wake(), run.end()] == [[[1]], [], []]


@pytest.mark.parametrize("released", [20, 3])
def test_an_operator_can_neither_exceed_its_input_nor_go_back(released):
    class Wrong(PassThrough):
        us = 7

        def output_watermark(self, us):
            return self.us

    wrong = Wrong()
    run = Run(wrong)
    assert run.watermark(9) == [Watermark(7)]
    wrong.us = released
    assert run.wake() == ([Watermark(9)] if released == 20 else [])


def test_an_error_in_the_question_for_the_watermark_names_its_operator():
    class Fails(PassThrough):
        def output_watermark(self, us):
            raise ValueError(us)

    with pytest.raises(StepFailed, match="output_watermark of op_1 failed"):
        Run(PassThrough(), Fails()).watermark(1)


def test_the_event_time_of_each_operator_is_counted_without_the_maximum():
    run = Run(PassThrough(), Holds(), PassThrough())
    run.process(3)
    run.watermark(9)
    assert run.counters.watermarks == {"op_0": 9, "op_1": 9, "op_2": 3}
    run.watermark(MAX_WATERMARK)
    assert run.counters.snapshot().watermarks == {"op_0": 9, "op_1": 9, "op_2": 3}


def test_a_status_leaves_the_chain():
    assert read(Run(Holds()).chain.on_status(idle=True)) == [Status(idle=True)]


STEP = st.one_of(st.tuples(st.just("row"), st.integers(0, 20)), st.tuples(st.just("watermark"), st.integers(0, 20)))


@given(st.lists(st.one_of(STEP, st.just(("wake", 0))), max_size=20))
def test_no_row_follows_a_watermark_that_has_passed_it(steps):
    run, low, items = Run(Holds(), PassThrough(), AtWatermark(), Holds()), -1, []
    for name, us in steps:
        match name:
            case "row":
                items += run.process(max(us, low))  # a source keeps its promise, too
            case "watermark":
                low = max(low, us)
                items += run.watermark(us)
            case "wake":
                items += run.wake()
    items += run.watermark(MAX_WATERMARK) + run.end()
    passed = -1
    for item in items:
        if isinstance(item, Watermark):
            assert item.us > passed
            passed = item.us
        else:
            assert min(item) >= passed
    assert passed == MAX_WATERMARK
    assert sum(len(item) for item in items if not isinstance(item, Watermark)) == sum(
        name == "row" for name, _ in steps
    )


class Tuples(Operator):
    """Returns three batches at once."""

    def process(self, port, batch):
        return (batch, batch, batch)


@pytest.mark.parametrize("explodes", [Exploding, Tuples])
def test_the_chain_yields_none_between_two_pulls_without_rows(explodes):
    work = Run(explodes(), Total()).chain.process(0, batch(1))
    assert list(islice(work, 2)) == [None, None]


def test_the_chain_yields_none_between_two_empty_batches():
    class Empty(Operator):
        def process(self, port, batch):
            while True:
                yield batch.slice(0, 0)

    assert list(islice(Run(Empty()).chain.process(0, batch(1)), 3)) == [None] * 3


def test_the_chain_yields_no_none_beside_rows():
    work = Run(PassThrough(), PassThrough(), Exploding(), PassThrough()).chain.process(0, batch(1))
    assert all(item is not None for item in islice(work, 10))


# Delayed rows


class Mapped(Operator):
    """Calls a function of the user with each batch, and sends the batch to a side output."""

    delayed = Delayed.SPLIT

    def __init__(self):
        self.calls = []

    def process(self, port, batch):
        assert batch.schema == X
        self.calls.append(batch["x"].to_pylist())
        yield pa.record_batch([pa.array([x * 10 for x in self.calls[-1]])], schema=X)
        yield "errors", batch


class Late(Operator):
    """Sends rows whose clock is above 5 to the side output ``late``."""

    delayed = Delayed.TAKE

    def process(self, port, batch):
        late = is_delayed(batch) and clocks(batch)[0].as_py() > 5
        return (("late", batch),) if late else (batch,)


class Sees(Operator):
    """An operator that does not know of delayed rows."""

    def process(self, port, batch):
        assert batch.schema == X
        return (batch,)


DELAYED = delayed(c7=[1], c5=[2, 3])


@pytest.mark.parametrize(
    ("operators", "items"),
    [
        ([PassThrough], [[(1, 7), (2, 5), (3, 5)]]),
        ([PassThrough, lambda: PulledRows(pa.schema([]), None)], [[1, 2, 3]]),
        ([Sees], [[1, 2, 3]]),
        ([PassThrough, Sees, PassThrough], [[1, 2, 3]]),
        (
            [Mapped, PassThrough],
            [[(20, 5), (30, 5)], ("errors", [2, 3]), [(10, 7)], ("errors", [1])],
        ),
        ([Mapped, Mapped, Sees], None),
        ([Late], [("late", [1, 2, 3])]),
    ],
)
def test_delayed_rows_pass_as_the_operators_declare(operators, items):
    yielded = Run(*(make() for make in operators)).process(rows=DELAYED)
    assert items is None or yielded == items
    assert Run(*(make() for make in operators)).process(1) == Run(*(make() for make in operators)).process(1)


def test_a_function_is_called_for_the_rows_of_each_clock_apart():
    first, second = Mapped(), Mapped()
    Run(first, second).process(rows=delayed(c7=[1], c5=[2, 3], c8=[4]))
    assert first.calls == [[2, 3], [1], [4]]
    assert second.calls == [[20, 30], [10], [40]]


def test_a_function_is_called_only_as_far_as_its_rows_are_pulled():
    mapped = Mapped()
    work = Run(mapped, PassThrough()).chain.process(0, DELAYED)
    next(work)
    assert mapped.calls == [[2, 3]]


def test_rows_that_are_not_delayed_follow_delayed_ones():
    mapped = Mapped()
    run = Run(PassThrough(), mapped)
    assert run.process(rows=DELAYED)[0] == [(20, 5), (30, 5)]
    assert run.process(4)[0] == [40]


def test_rows_have_no_clock_behind_an_operator_that_ends_event_time():
    mapped, passed = Mapped(), Calls()
    assert Run(mapped, passed, untimed={"op_0", "op_1"}).process(rows=DELAYED)[0] == [20, 30]
    assert passed.seen == [[20, 30], [10]]
    assert Run(PassThrough(), untimed={"op_0"}).process(rows=DELAYED) == [[1, 2, 3]]


def test_a_failure_shows_rows_without_their_clock():
    class Fails(Operator):
        delayed = Delayed.KEEP

        def process(self, port, batch):
            raise ValueError

    for fails in (Fails, type("Split", (Fails,), {"delayed": Delayed.SPLIT})):
        with pytest.raises(StepFailed) as raised:
            Run(PassThrough(), fails()).process(rows=DELAYED)
        assert raised.value.batch.schema == X


def test_probes_and_sinks_get_rows_without_their_clock():
    class Written(SinkOperator):
        def process(self, port, batch):
            assert batch.schema == X
            return ()

        def roll(self, cut):
            raise AssertionError("nothing ends here")

    run = Run(PassThrough(), Written())
    probes = [run.probes.probe(name) for name in ("op_0", "op_1")]
    run.process(rows=DELAYED)
    assert [[batch.schema for batch in probe.sample().batches] for probe in probes] == [[X], [X]]
    assert run.counters.operators == {"op_0": 3, "op_1": 3}
