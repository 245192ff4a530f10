"""How many runs and keys one side of a join by time keeps, whatever is added and looked for."""

import numpy as np
import pyarrow as pa

from sabotnb.native import TimeProbe
from sabotnb.operators.timejoins.timed_rows import TimedRows

SCHEMA = pa.schema({"k": pa.int64()})
ROWS = 10_000


def filled(state, start):
    numbers = np.arange(start, start + ROWS)
    state.add(pa.RecordBatch.from_arrays([pa.array(numbers)], schema=SCHEMA), numbers, numbers)
    return state


def found(state, start, count=ROWS):
    """The keys of the stored rows that rows with their keys and times meet."""
    numbers = np.arange(start, start + count)
    keys = []
    for run, slots in state.meet([pa.array(numbers)], numbers, numbers):
        probe = TimeProbe(run.index, slots, numbers, numbers)
        while (pairs := probe.next(ROWS)) is not None:
            keys += run.rows.take(pa.array(pairs[1]))["k"].to_pylist()
    return sorted(keys)


def test_runs_are_merged_once_probing_them_has_cost_as_much():
    state = TimedRows(SCHEMA, SCHEMA, 4)
    for start in range(0, 20 * ROWS, ROWS):
        filled(state, start)
    runs = [len(state.runs)]
    for _ in range(20):
        assert found(state, 0, 20 * ROWS) == [*range(20 * ROWS)]
        runs.append(len(state.runs))
    assert runs[0] == 20
    assert runs[-1] == 1
    assert runs == sorted(runs, reverse=True)


def test_rows_that_nothing_looks_for_are_neither_merged_nor_indexed():
    state = TimedRows(SCHEMA, SCHEMA, 4)
    empty = state.size()[1]
    for start in range(0, 20 * ROWS, ROWS):
        filled(state, start)
    assert found(state, 30 * ROWS) == []
    assert [len(run) for run in state.runs] == [ROWS] * 20
    assert state.size()[1] - empty < 20 * ROWS * 40
    assert all(run.slots is None for run in state.runs)


def test_small_runs_are_merged_when_they_are_added():
    state = TimedRows(SCHEMA, SCHEMA, 4)
    for number in range(5000):
        state.add(pa.RecordBatch.from_pydict({"k": [number]}, schema=SCHEMA), np.array([number]), np.array([number]))
    assert len(state.runs) < 20
    assert found(state, 0, 5000) == [*range(5000)]


def test_keys_of_dropped_rows_do_not_pile_up():
    state = TimedRows(SCHEMA, SCHEMA, 4)
    sizes = []
    for start in range(0, 60 * ROWS, ROWS):
        assert found(filled(state, start), start) == [*range(start, start + ROWS)]
        state.expire(start + ROWS // 2)
        sizes.append(state.size()[1])
    assert max(sizes) == max(sizes[:20])
