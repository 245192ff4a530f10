"""Key groups that move from one task to another in the middle change nothing in what comes out of both."""

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sabotnb.blobs import capture, capture_value
from sabotnb.expr.aggregates import type_to_text
from sabotnb.graph.ports import input_ports, port_keys
from sabotnb.graph.specs import Aggregate, AggregateColumn, Distinct, Join, Reduce, Top
from sabotnb.native import hash_rows, key_groups
from sabotnb.testing import Harness

GROUPS = 4
SCHEMA = pa.schema({"k": pa.dictionary(pa.int32(), pa.string()), "n": pa.int64(), "x": pa.int64(), "s": pa.string()})
SIDES = [SCHEMA, pa.schema({"k": pa.string(), "n": pa.int16(), "y": pa.int64()})]
ROW = st.fixed_dictionaries(
    {
        "k": st.none() | st.sampled_from("abcde"),
        "n": st.none() | st.integers(0, 2),
        "x": st.none() | st.integers(0, 9),
        "y": st.integers(0, 9),
        "s": st.none() | st.text("xy", max_size=3),
    }
)


class Total:
    def __init__(self):
        self.seen = []

    def update(self, values):
        self.seen += values.drop_null().to_pylist()

    def merge(self, other):
        self.seen += other.seen

    def result(self):
        return sum(self.seen)


COLUMNS = (
    AggregateColumn("rows", "count"),
    AggregateColumn("total", "sum", "x"),
    AggregateColumn("text", "max", "s"),
    AggregateColumn("texts", "n_unique", "s"),
    AggregateColumn("median", "quantile", "x", options={"q": 0.5}),
    AggregateColumn("own", "custom", "x", options={"returns": type_to_text(pa.int64())}, function=capture(Total, "")),
)
REDUCED = pa.schema([SCHEMA.field("k"), SCHEMA.field("x")])
SPECS = {
    "aggregate": Aggregate(("k", "n"), COLUMNS, SCHEMA),
    "distinct": Distinct(("k", "n")),
    "reduce": Reduce(
        ("k",),
        capture(lambda left, right: {"x": max(left["x"] or 0, right["x"] or 0)}, "reduce"),
        REDUCED,
        capture_value({"x": 0}, "init"),
    ),
    "top": Top(("k",), 2, "x", rank="r"),
    "top with ties": Top(("k",), 2, "x", reverse=True, ties=True),
    **{f"{how} join": Join(("k", "n"), ("k", "n"), how) for how in ("inner", "left", "semi", "anti")},
    **{f"{how} join": Join(("k",), ("k",), how) for how in ("right", "full")},
}


class Tasks:
    """Two tasks of one operator, and which of them owns each key group."""

    def __init__(self, spec):
        self.spec = spec
        self.ports = input_ports(spec)
        schemas = [REDUCED] if isinstance(spec, Reduce) else SIDES[: self.ports]
        self.schemas = schemas
        self.tasks = [Harness(spec, *schemas, groups=GROUPS, index=index, parallelism=2) for index in (0, 1)]
        self.owners = [0] * GROUPS

    def push(self, port, rows):
        schema = self.schemas[port]
        batch = pa.RecordBatch.from_pylist([{name: row[name] for name in schema.names} for row in rows], schema)
        groups = key_groups(hash_rows([batch.column(key) for key in port_keys(self.spec, port)]), GROUPS).to_pylist()
        for index, task in enumerate(self.tasks):
            task.push(batch.filter(pa.array([self.owners[group] == index for group in groups], pa.bool_())), port)

    def move(self, groups):
        for group in groups:
            old, new = self.tasks[self.owners[group]], self.tasks[1 - self.owners[group]]
            for name, state in old.states.items():
                new.states[name].load(group, state.export(group))
                state.drop(group)
            self.owners[group] = 1 - self.owners[group]

    def end(self, port):
        for task in self.tasks:
            task.end(port)

    def rows(self):
        return sorted((sorted(row.items()) for task in self.tasks for row in task.rows), key=repr)


STEPS = st.lists(
    st.tuples(st.just("push"), st.integers(0, 1), st.lists(ROW, min_size=1, max_size=8))
    | st.tuples(st.just("move"), st.just(0), st.sets(st.integers(0, GROUPS - 1)))
    | st.tuples(st.just("end"), st.integers(0, 1), st.none()),
    max_size=8,
)


def run(spec, steps, *, moving):
    tasks = Tasks(spec)
    ended = set()
    for step, port, what in [*steps, ("move", 0, {0, 2}), ("end", 0, None), ("end", 1, None)]:
        if step == "move":
            if moving:
                tasks.move(what)
        elif port < tasks.ports and port not in ended:
            if step == "push":
                tasks.push(port, what)
            else:
                ended.add(port)
                tasks.end(port)
    return tasks.rows()


@pytest.mark.parametrize("name", SPECS)
@given(steps=STEPS)
@settings(max_examples=40, deadline=None)
def test_results_do_not_depend_on_moves(name, steps):
    assert run(SPECS[name], steps, moving=True) == run(SPECS[name], steps, moving=False)
