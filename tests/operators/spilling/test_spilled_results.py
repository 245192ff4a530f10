"""Operators whose key groups go to a file return what they return from memory."""

import gc
import tempfile
import weakref
from dataclasses import replace

import pyarrow as pa
import pytest
from grouped_rows import ORDERED, ROW, SCHEMA, batch_of
from hypothesis import given, settings
from hypothesis import strategies as st
from spilled_specs import ORDERED_SPECS, SPECS, SPILLING, inputs_of, played, scripts

from sabotnb.config import Config
from sabotnb.errors import OutOfMemory
from sabotnb.eventtime import with_clock
from sabotnb.graph import Aggregate, AggregateColumn, Distinct, Join, Phase
from sabotnb.graph.ports import input_ports
from sabotnb.operators import create
from sabotnb.protocol import OperatorContext, RunId
from sabotnb.testing import EndPort, Harness, Push, assert_rows

LIMITS = st.sampled_from([1, 2_000, 5_000, 20_000])


@pytest.mark.parametrize("name", SPECS)
@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_results_do_not_depend_on_the_budget(name, data):
    steps = data.draw(scripts(SPECS[name]))
    config = Config(batch_rows=3, state_bytes=data.draw(LIMITS))
    assert_rows(played(SPECS[name], steps, config).rows, played(SPECS[name], steps, Config()).rows)


@pytest.mark.parametrize("name", ORDERED_SPECS)
@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_results_of_ordered_columns_do_not_depend_on_the_budget(name, data):
    spec = ORDERED_SPECS[name]
    steps = data.draw(scripts(spec, ORDERED))
    expected = played(spec, steps, Config(), ORDERED).rows
    assert_rows(played(spec, steps, SPILLING, ORDERED).rows, expected)


@given(rows=st.lists(ROW, min_size=1, max_size=8))
@settings(max_examples=10, deadline=None)
def test_rows_without_keys_are_distinct(rows):
    steps = [Push(batch_of(rows, SCHEMA)), Push(batch_of(rows[:2], SCHEMA)), EndPort()]
    assert_rows(played(Distinct(()), steps, SPILLING).rows, played(Distinct(()), steps, Config()).rows)


NUMBERS = pa.schema({"k": pa.int64(), "x": pa.int64()})
SUM = Aggregate(("k",), (AggregateColumn("s", "sum", "x"),), NUMBERS)


def numbers(start=0, rows=1000):
    return pa.record_batch([pa.array(range(start, start + rows)), pa.array(range(rows))], schema=NUMBERS)


@pytest.mark.parametrize("config", [Config(), SPILLING], ids=["memory", "file"])
@pytest.mark.parametrize("name", SPECS)
def test_a_closed_operator_is_freed_before_garbage_collection(name, config):
    rows = [{"k": k, "n": 1, "x": 2, "s": "text", "y": 3} for k in "abcde"]
    schemas = inputs_of(SPECS[name])
    operator = create(SPECS[name], schemas)
    states = {}
    operator.open(OperatorContext(RunId("a", 1), "a", 0, 1, 8, config=config, ends=True, states=states))
    for port in (*range(len(schemas)), *range(len(schemas))):
        list(operator.process(port, partial_of(SPECS[name], rows, schemas[port])))
    freed = [weakref.ref(operator), *map(weakref.ref, states.values())]
    gc.disable()
    try:
        operator.close()
        states.clear()
        del operator
        assert [known() for known in freed] == [None] * len(freed)
    finally:
        gc.enable()


@pytest.mark.parametrize("name", SPECS)
def test_each_kind_spills(name, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    rows = [{"k": k, "n": 1, "x": 2, "s": "text", "y": 3} for k in "abcde"]
    schemas = inputs_of(SPECS[name])
    with Harness(SPECS[name], *schemas, config=SPILLING) as harness:
        for port in (*range(len(schemas)), *range(len(schemas))):
            harness.push(partial_of(SPECS[name], rows, schemas[port]), port)
        assert harness._context.counters.spilled_bytes > 0
        assert list(tmp_path.iterdir()) == []
        harness.end()
        assert list(tmp_path.iterdir()) == []


def test_memory_stays_within_the_budget():
    with Harness(SUM, NUMBERS, config=Config(state_bytes=1 << 20)) as harness:
        for start in range(0, 100_000, 1000):
            harness.push(numbers(start))
            assert harness.state_size[1] < 1.3 * (1 << 20)
        assert len(harness.end().rows) == 100_000


def test_keys_that_come_often_are_aggregated_before_they_spill():
    often = [*range(10)] * 99
    with Harness(SUM, NUMBERS, config=Config(state_bytes=50_000), groups=8) as harness:
        for start in range(0, 5_000, 10):
            keys = [*often, *range(start + 10, start + 20)]
            harness.push(pa.record_batch([keys, [1] * len(keys)], schema=NUMBERS))
        assert 0 < harness._context.counters.spilled_bytes < 500_000, "16 MB of rows"
        sums = {row["k"]: row["s"] for row in harness.end().rows}
    assert sums == {k: 500 * 99 if k < 10 else 1 for k in range(5_010)}


def test_a_folder_that_cannot_be_written_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    with (
        Harness(SUM, NUMBERS, config=SPILLING) as harness,
        pytest.raises(OutOfMemory, match=r"'.*missing': No such file or directory. .* by SABOTNB_STATE_BYTES"),
    ):
        harness.push(numbers()).push(numbers())


def test_nothing_spills_while_the_input_may_not_end():
    operator = create(Distinct(("k",)), [NUMBERS])
    ctx = OperatorContext(RunId("endless", 1), "distinct_0", 0, 1, 8, config=SPILLING)
    operator.open(ctx)
    for _ in range(3):
        rows = [batch for start in (0, 500) for batch in operator.process(0, numbers(start))]
    assert ctx.counters.spilled_bytes == 0
    assert rows == []


def test_rows_that_waited_leave_when_the_input_has_become_endless():
    first, second = create(Distinct(("k",)), [NUMBERS]), create(Distinct(("k",)), [NUMBERS])
    ctx = OperatorContext(RunId("bounded", 1), "distinct_0", 0, 1, 8, config=SPILLING, ends=True)
    first.open(ctx)
    returned = [row for start in (0, 500) for batch in first.process(0, numbers(start)) for row in batch.to_pylist()]
    wakes = []
    endless = OperatorContext(RunId("endless", 1), "distinct_0", 0, 1, 8, wake=lambda: wakes.append(1))
    second.open(endless)
    for spec, state in endless.states.items():
        for group in ctx.states[spec].groups():
            state.load(group, ctx.states[spec].export(group))
    second.restored([first.memo()])
    assert wakes == [1]
    returned += [row for batch in second.on_wake() for row in batch.to_pylist()]
    assert sorted(row["k"] for row in returned) == [*range(1500)]
    assert [*second.process(0, numbers(500))] == []


@pytest.mark.parametrize("rows", [numbers(), with_clock(numbers(), 5)])
@pytest.mark.parametrize("spec", [Distinct(("k",)), Join(("k",), ("k",), "left")])
def test_rows_that_wait_hold_the_watermark_back(spec, rows):
    schemas = [NUMBERS] * input_ports(spec)
    with Harness(spec, *schemas, config=SPILLING) as harness:
        last = len(schemas) - 1
        harness.push(numbers(), last).advance(3)
        if last:
            harness.push(numbers(500), last).end(last)
        harness.push(rows).push(rows).advance(5)
        assert harness.watermark == 3
        assert harness.end().watermark == 5
        assert sum(batch.num_rows for batch in harness.batches) == (3000 if last else 1000)


def partial_of(spec, rows, schema):
    """The rows as a batch of the operator's input."""
    if isinstance(spec, Aggregate) and spec.phase is Phase.FINAL:
        return Harness(replace(spec, phase=Phase.PARTIAL), SCHEMA).push(batch_of(rows, SCHEMA)).batches[0]
    return batch_of(rows, schema)
