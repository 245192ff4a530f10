"""``map_async``: many calls at a time, in order or not, with timeouts; its thread ends with its operator."""

import asyncio
import threading

import async_gate
import pyarrow as pa
import pytest
from hypothesis import strategies as st

import sabotnb as sb
from sabotnb.blobs import capture
from sabotnb.errors import SchemaError, UserFunctionError
from sabotnb.graph import MapAsync, OnError
from sabotnb.operators.map_async.async_operator import MapAsyncOperator
from sabotnb.operators.map_async.pending_rows import PendingRows
from sabotnb.protocol import EndReason
from sabotnb.testing import Harness, KeyedStateSuite

SCHEMA = pa.schema({"x": pa.int64()})
ROWS = sb.Stream.from_rows([{"x": x} for x in range(100)])


async def answered(row):
    import async_gate

    gate = async_gate.current()
    gate.started.append(row["x"])
    gate.arrived.release()
    try:
        while not gate.open[row["x"]].is_set():  # noqa: ASYNC110  the test opens it from another thread
            await asyncio.sleep(0)
    finally:
        gate.ended.append(row["x"])
    return {"x": row["x"]}


@pytest.fixture
def gate():
    return async_gate.renew()


def spec(fn, **options):
    return MapAsync(capture(fn, "map_async"), SCHEMA, **options)


def operator(fn, **options):
    made = MapAsyncOperator(spec(fn, **options), [SCHEMA])
    return made, Harness(made, SCHEMA)


def wait_done(made, *numbers):
    """Wait until the calls of these rows are done."""
    while not all(pending.done for pending in made._pending.in_flight if pending.number in numbers):
        made._any_done.wait(0.01)


def answer(gate, made, *values):
    for value in values:
        gate.open[value].set()
    wait_done(made, *values)


def test_results_leave_in_the_order_of_the_rows(gate):
    made, harness = operator(answered, concurrency=3)
    with harness:
        harness.push([{"x": x} for x in range(5)])
        for _ in range(3):
            gate.arrived.acquire()
        assert sorted(gate.started) == [0, 1, 2]
        answer(gate, made, 1, 2)
        assert harness.wake().rows == []
        answer(gate, made, 0)
        assert [row["x"] for row in harness.wake().rows] == [0, 1, 2]
        answer(gate, made, 3, 4)
        assert [row["x"] for row in harness.end().rows] == [0, 1, 2, 3, 4]
        assert harness.wakes == 5


def test_results_may_leave_as_they_come(gate):
    made, harness = operator(answered, concurrency=3, ordered=False)
    with harness:
        harness.push([{"x": x} for x in range(3)])
        answer(gate, made, 2)
        assert [row["x"] for row in harness.wake().rows] == [2]
        answer(gate, made, 0, 1)
        assert [row["x"] for row in harness.end().rows] == [2, 0, 1]


def test_no_input_is_taken_while_rows_wait_for_their_call(gate):
    made, harness = operator(answered, concurrency=2)
    with harness:
        assert made.accepts()
        harness.push([{"x": 0}, {"x": 1}])
        assert made.accepts()
        harness.push([{"x": 2}])
        assert not made.accepts()
        answer(gate, made, 0)
        harness.wake()
        assert made.accepts()
        answer(gate, made, 1, 2)


def test_a_watermark_waits_for_the_rows_before_it(gate):
    made, harness = operator(answered, concurrency=2)
    with harness:
        assert harness.advance(5).watermark == 5
        harness.push([{"x": 0}, {"x": 1}, {"x": 2}]).advance(10).push([{"x": 3}]).advance(20)
        assert harness.watermark == 5
        answer(gate, made, 0, 1)
        assert harness.wake().watermark == 5
        answer(gate, made, 2)
        assert harness.wake().watermark == 10
        answer(gate, made, 3)
        assert harness.wake().watermark == 20


def test_rows_whose_results_have_not_left_are_state_and_are_asked_again(gate):
    made, harness = operator(answered, concurrency=2)
    with harness:
        harness.push([{"x": x} for x in range(4)])
        answer(gate, made, 0)
        harness.wake()
        exported = list(harness.states["pending"].export(0))
    assert [row["x"] for batch in exported for row in batch.to_pylist()] == [1, 2, 3]
    for event in gate.open.values():
        event.set()
    _, other = operator(answered, concurrency=2)
    with other:
        other.states["pending"].load(0, exported)
        assert [row["x"] for row in other.end().rows] == [1, 2, 3]


def test_closing_ends_the_thread_while_calls_are_in_flight(gate):
    before = set(threading.enumerate())
    _, harness = operator(answered)
    harness.push([{"x": 0}])
    gate.arrived.acquire()
    (thread,) = set(threading.enumerate()) - before
    harness.close()
    assert not thread.is_alive()
    assert gate.ended == [0]


def test_it_runs_with_plain_functions_and_coroutines():
    async def doubled(row):
        await asyncio.sleep(0)
        return [{"y": row["x"] * 2}] * (row["x"] % 2)

    async def yielding(row):
        yield {"y": row["x"]}
        yield {"y": -row["x"]}

    odd = [{"y": x * 2} for x in range(1, 100, 2)]
    ordered = ROWS.map_async(doubled, {"y": "int64"}, concurrency=7)
    assert sorted(ordered.to_rows(), key=lambda row: row["y"]) == odd
    unordered = ROWS.map_async(doubled, {"y": "int64"}, ordered=False).to_rows()
    assert sorted(unordered, key=lambda row: row["y"]) == odd
    plain = ROWS.map_async(lambda row: {"y": row["x"] * 2} if row["x"] % 2 else None, concurrency=3)
    assert plain.schema.equals(pa.schema({"y": pa.int64()}))
    assert sorted(plain.to_rows(), key=lambda row: row["y"]) == odd
    assert len(ROWS.map_async(yielding).to_rows()) == 200
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("map_async")] == []


async def odd_only(row):
    if row["x"] % 2 == 0:
        raise ValueError(f"even: {row['x']}")
    return {"x": row["x"]}


async def forever(row):
    if row["x"] == 1:
        await asyncio.Event().wait()
    return {"x": row["x"]}


async def own_timeout(row):
    raise TimeoutError("mine")


async def wrong_column(row):
    return {"z": 1}


async def wrong_type(row):
    return {"x": "text"}


async def exits(row):
    raise SystemExit(3)


@pytest.mark.parametrize(
    ("fn", "said"),
    [
        (odd_only, "raised ValueError: even: 0  test_async_operator.py:"),
        (forever, "has not returned for 10ms; give it longer, map_async(fn, timeout='10ms')"),
        (own_timeout, "raised TimeoutError: mine  test_async_operator.py:"),
        (wrong_column, "gave a row with 'z', declared are x"),
        (wrong_type, "gave 'x' = 'text' (str), declared is int64"),
        (exits, "SystemExit: 3"),
    ],
)
def test_what_a_call_does_wrong_is_said_with_its_row(fn, said):
    _, harness = operator(fn, timeout=10_000)
    with harness, pytest.raises(UserFunctionError) as raised:
        harness.push([{"x": 0}, {"x": 1}]).end()
    assert said in str(raised.value)
    assert ("1" if fn is forever else "0") in raised.value.sample


def test_rows_that_fail_go_to_the_side_output():
    _, harness = operator(odd_only, on_error=OnError.SIDE)
    with harness:
        harness.push([{"x": x} for x in range(4)]).end()
        assert [row["x"] for row in harness.rows] == [1, 3]
        assert harness.side("errors") == [
            {"x": 0, "error": "ValueError: even: 0"},
            {"x": 2, "error": "ValueError: even: 2"},
        ]


def test_a_stopped_input_still_answers_what_it_has_received(gate):
    for event in gate.open.values():
        event.set()
    _, harness = operator(answered)
    with harness:
        harness.push([{"x": 0}]).end(reason=EndReason.STOPPED)
        assert harness.rows == [{"x": 0}]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"concurrency": 0}, "concurrency=0: give the number of calls at a time"),
        ({"timeout": 0}, "timeout=0 lets no call end"),
        ({"ordered": "yes"}, "ordered is 'yes'; write True"),
    ],
)
def test_options_that_mean_nothing_are_refused(options, said):
    with pytest.raises(SchemaError, match=said):
        ROWS.map_async(odd_only, SCHEMA, **options)


def test_the_schema_is_inferred_by_calling_a_coroutine_function():
    async def both(row):
        return {"x": row["x"], "name": str(row["x"])}

    assert ROWS.map_async(both).schema.equals(pa.schema({"x": pa.int64(), "name": pa.string()}))
    with pytest.raises(UserFunctionError, match="to find its schema and raised ValueError"):
        ROWS.map_async(odd_only)


class TestPendingRows(KeyedStateSuite):
    rows = st.lists(st.fixed_dictionaries({"x": st.integers(0, 9)}), max_size=5)
    keyed = False

    def make(self):
        return PendingRows(SCHEMA)

    def feed(self, state, rows):
        if rows:
            state.add(pa.RecordBatch.from_pylist(rows, schema=SCHEMA))
            state.call_next()

    def results(self, state):
        return sorted(row["x"] for batch in state.export(0) for row in batch.to_pylist())

    def many(self):
        state = self.make()
        state.add(pa.RecordBatch.from_pylist([{"x": x} for x in range(10_000)], schema=SCHEMA))
        return state
