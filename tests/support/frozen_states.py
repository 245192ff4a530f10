"""Frozen states for tests of checkpoint files: rows by key group as they are."""

import pyarrow as pa

from sabotnb.protocol import RunId, StateSpec, TaskId
from sabotnb.storage import FrozenState

RUN = RunId("flights of 2013/../x", 3)
TASK = TaskId(RUN, "aggregate_0", 1)


class Rows:
    """Frozen state that exports these batches."""

    def __init__(self, groups):
        self.groups = groups

    def export(self, group):
        yield from self.groups[group]


def state(operator, name, groups, **spec):
    """The state ``name`` of ``operator``: batches by group."""
    schema = next(batch for batches in groups.values() for batch in batches).schema
    return FrozenState(operator, StateSpec(name, **spec), schema, sorted(groups), Rows(groups))


def batch(**columns):
    """A batch of Python lists or arrays."""
    return pa.record_batch({name: pa.array(values) for name, values in columns.items()})


def contents(reader):
    """Everything in a file: batches as rows by operator, state and group."""
    return {
        (stored.operator, stored.spec.name, group): [
            row for rows in reader.batches(stored.operator, stored.spec.name, group) for row in rows.to_pylist()
        ]
        for stored in reader.states()
        for group in stored.groups
    }
