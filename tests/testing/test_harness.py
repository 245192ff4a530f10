import pyarrow as pa
import pytest

import sabotnb as sb
from sabotnb.expr import col
from sabotnb.graph import specs
from sabotnb.protocol.elements import EndReason
from sabotnb.protocol.operator import Operator
from sabotnb.testing import FailAt, Faulty, Harness, InjectedFault

X = pa.schema({"x": pa.int64()})


class Counts(Operator):
    """Forwards port 0, counts port 1, and asks for a wake once per batch."""

    def open(self, ctx):
        self.ctx, self.count, self.closed = ctx, 0, False

    def process(self, port, batch):
        self.ctx.wake()
        if port == 0:
            return (batch, ("seen", batch))
        self.count += batch.num_rows
        return ()

    def on_wake(self):
        yield pa.RecordBatch.from_pylist([{"x": -self.count}], schema=X)

    def on_end(self, port, reason):
        yield pa.RecordBatch.from_pylist([{"x": 100 * port + (reason is EndReason.STOPPED)}], schema=X)

    def close(self):
        self.closed = True


def test_a_spec_is_run_by_its_operator():
    with Harness(specs.Filter(col("x") > 1), X) as harness:
        assert harness.push([{"x": 1}, {"x": 2}]).push([{"x": None}]).push([]).rows == [{"x": 2}]


def test_an_operator_sees_ports_wakes_and_ends_and_is_closed():
    operator = Counts()
    with Harness(operator, X, X) as harness:
        harness.push([{"x": 7}]).push([{"x": 1}, {"x": 2}], port=1).wake().end(1, EndReason.STOPPED).end()
        assert harness.rows == [{"x": 7}, {"x": -2}, {"x": 101}, {"x": 0}]
        assert harness.side("seen") == [{"x": 7}]
        assert harness.side("other") == []
        assert harness.wakes == 2
        assert [batch.num_rows for batch in harness.batches] == [1, 1, 1, 1]
    assert operator.closed


class Holds(Operator):
    """Holds rows, whose event time is x, and the watermark until it is woken."""

    def open(self, ctx):
        self.held = []
        ctx.wake_in(0.5)

    def process(self, port, batch):
        self.held.append(batch)
        return ()

    def output_watermark(self, us):
        return min([us, *(batch["x"][0].as_py() for batch in self.held)])

    def on_wake(self):
        held, self.held = self.held, []
        return held


def test_an_operator_holds_a_watermark_back_until_it_is_woken():
    with Harness(Holds(), X) as harness:
        assert harness.alarms == [0.5]
        assert harness.push([{"x": 3}]).wake().push([{"x": 5}]).advance(9).watermark == 5
        assert harness.rows == [{"x": 3}]
        assert harness.wake().watermark == 9
        assert harness.advance(7).watermark == 9
        assert harness.rows == [{"x": 3}, {"x": 5}]


def test_a_port_ends_once():
    with Harness(Counts(), X) as harness, pytest.raises(KeyError):
        harness.end().end(0)


def test_the_operators_exception_is_not_wrapped():
    with Harness(Faulty(Counts(), FailAt(2)), X) as harness, pytest.raises(InjectedFault, match="step 2: process"):
        harness.push([{"x": 1}])


def test_a_batch_is_not_converted():
    batch = pa.RecordBatch.from_pylist([{"x": 5}], schema=X)
    with Harness(Counts(), X) as harness:
        assert harness.push(batch).batches[0] is batch


def test_the_last_operator_of_a_stream():
    stream = sb.Stream.from_rows([], schema=X)
    doubled = stream.filter(col("x") > 1).map_rows(lambda row: {"x": 2 * row["x"]}, schema=X)
    with Harness.of(doubled) as harness:
        assert harness.push([{"x": 1}]).rows == [{"x": 2}]
