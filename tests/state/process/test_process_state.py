"""The state of process functions: it moves by key group, freezes without copies, and reuses the rows of erased keys."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sabotnb.state import DeclaredColumn, ProcessState, StateKind
from sabotnb.testing import KeyedStateSuite
from sabotnb.testing.keyed_state_suite import DRAWN, MANY

KEYS = pa.schema({"k": pa.string(), "n": pa.int64()})
DECLARED = (
    DeclaredColumn("flag", StateKind.VALUE, pa.bool_()),
    DeclaredColumn("text", StateKind.VALUE, pa.string(), ttl=1_000),
    DeclaredColumn("items", StateKind.LIST, pa.list_(pa.decimal128(9, 2))),
    DeclaredColumn("counts", StateKind.MAP, pa.map_(pa.string(), pa.int32())),
)
ROW = st.tuples(st.none() | st.sampled_from("abcdef"), st.integers(0, 2), st.integers(0, 99))


def feed(state, rows):
    """Write values that depend on the key alone, so that the order of rows does not count, and collect the rest."""
    for k, n, time in rows:
        slots = state.slots([pa.array([k], pa.string()), pa.array([n])])
        columns = state.columns
        columns["flag"].write(slots, pa.array([n == 1]))
        before = state.changed["text"].read(slots)[0].as_py()
        if before is None or time >= before:
            columns["text"].write(slots, pa.array([f"{k} {time}"]))
            state.changed["text"].write(slots, pa.array([time]))
        columns["items"].extend(slots.tolist(), [[time]])
        columns["counts"].update(slots.tolist(), [((), [(str(time), time)])])
        state.timers.add(np.array([time]), slots)
        state.alarms.add(np.array([time, time]), np.repeat(slots, 2))


def contents(state):
    found = []
    for group in state.groups():
        for batch in state.export(group):
            for row in batch.to_pylist():
                row["items"] = sorted(row["items"] or ())
                row["counts"] = sorted(row["counts"] or ())
                row["\0timers"], row["\0alarms"] = sorted({*row["\0timers"]}), sorted({*row["\0alarms"]})
                found.append(row)
    return sorted(found, key=repr)


class TestProcessState(KeyedStateSuite):
    rows = st.lists(ROW, max_size=5)

    def make(self):
        return ProcessState(KEYS, DECLARED, self.groups)

    def feed(self, state, rows):
        feed(state, rows)

    def results(self, state):
        return contents(state)

    def many(self):
        state = self.make()
        slots = state.slots([pa.array([str(i) for i in range(MANY)]), pa.array(np.arange(MANY) % 7)])
        state.columns["flag"].write(slots, pa.array(np.arange(MANY) % 2 == 0))
        state.timers.add(np.arange(MANY), slots)
        return state

    @given(first=rows, second=rows, gone=st.sets(st.sampled_from("abcdef")))
    @DRAWN
    def test_erased_keys_leave_nothing(self, first, second, gone):
        state = self.make()
        feed(state, first)
        slots = np.unique(
            [int(state.slots([pa.array([k], pa.string()), pa.array([n])])[0]) for k, n, _ in first if k in gone]
        )
        for column in (*state.columns.values(), *state.changed.values()):
            column.erase(slots.astype(np.int64))
        frozen, groups = state.freeze(state.groups()), state.groups()
        dead = np.isin(np.arange(state.size()[0]), slots)
        state.timers.renumber(np.where(dead, -1, np.arange(len(dead))))
        state.alarms.renumber(np.where(dead, -1, np.arange(len(dead))))
        state._keep(state._live())
        feed(state, second)
        assert contents(state) == self.expected([row for row in first if row[0] not in gone], second)
        assert sum(batch.num_rows for group in groups for batch in frozen.export(group)) <= len(
            {row[:2] for row in first}
        )


def filled(count):
    state = ProcessState(pa.schema({"k": pa.int64()}), [DeclaredColumn("x", StateKind.VALUE, pa.int64(), ttl=10)], 8)
    slots = state.slots([pa.array(np.arange(count))])
    state.columns["x"].write(slots, pa.array(np.arange(count)))
    state.changed["x"].write(slots, pa.array(np.arange(count)))
    return state


def test_the_rows_of_expired_keys_are_used_again():
    state = filled(10_000)
    state.expire(9_009)
    state.compact()
    assert state.size()[0] == 1_000
    state.compact()
    slots = state.slots([pa.array(np.arange(9_000, 10_000))])
    assert state.columns["x"].read(slots).to_pylist() == list(range(9_000, 10_000))
    assert state.size()[0] == 1_000


def test_a_value_expires_exactly_when_its_ttl_has_passed():
    state = filled(3)
    state.expire(11)
    assert state.columns["x"].read(np.arange(3)).to_pylist() == [None, None, 2]


def test_a_freeze_copies_nothing_and_keeps_old_values():
    state = filled(4)
    frozen = state.columns["x"].freeze(4)
    state.columns["x"].write(np.array([1, 3]), pa.array([11, None]))
    state.columns["x"].write(np.array([1]), pa.array([111]))
    assert frozen.read(np.arange(4)).to_pylist() == [0, 1, 2, 3]
    assert state.columns["x"].read(np.arange(4)).to_pylist() == [0, 111, 2, None]


@pytest.mark.parametrize(
    "data_type", [pa.float16(), pa.float32(), pa.date32(), pa.time64("ns"), pa.duration("s"), pa.uint64()]
)
def test_every_fixed_type_comes_back(data_type):
    state = ProcessState(pa.schema({"k": pa.int64()}), [DeclaredColumn("x", StateKind.VALUE, data_type)], 2)
    slots = state.slots([pa.array([7, 8, 9])])
    values = pa.array([0, 1, None, 3], pa.uint64()).cast(pa.int64()).slice(1)
    typed = values.cast(pa.int32()).cast(data_type) if data_type == pa.date32() else values.cast(data_type)
    state.columns["x"].write(slots, typed)
    assert state.columns["x"].read(slots).equals(typed)
