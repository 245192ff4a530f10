"""Key groups that move from one task to another in the middle change nothing in what comes out of both."""

from dataclasses import replace

import pyarrow as pa
import pytest
from grouped_rows import BY_ORDER, COLUMNS, ORDERED, ROW, SCHEMA, batch_of
from hypothesis import given, settings
from hypothesis import strategies as st

from sabotnb.blobs import capture, capture_value
from sabotnb.expr import partial_schema
from sabotnb.graph.ports import input_ports, port_keys
from sabotnb.graph.specs import Aggregate, Distinct, Join, Phase, Reduce, Top
from sabotnb.native import hash_rows, key_groups
from sabotnb.testing import Harness

GROUPS = 4
RIGHT = pa.schema({"k": pa.string(), "n": pa.int16(), "y": pa.int64()})
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
ORDERED_SPECS = {
    "aggregate": Aggregate(("k", "s"), COLUMNS, ORDERED),
    "aggregate by order": Aggregate(("k", "n"), COLUMNS[:4] + BY_ORDER, ORDERED),
    "merged aggregate": Aggregate(("k",), COLUMNS[:4] + BY_ORDER[:2], ORDERED, Phase.FINAL),
    "distinct": Distinct(("k", "s")),
    "reduce": replace(SPECS["reduce"], schema=pa.schema([ORDERED.field("k"), SCHEMA.field("x")])),
    "top": Top(("k",), 2, "s", rank="r"),
    "top with ties": Top(("s",), 2, "k", reverse=True, ties=True),
    **{f"{how} join": Join(("k",), ("k",), how) for how in ("inner", "left", "semi", "anti", "full")},
}


def inputs_of(spec, left):
    """The schemas of the ports."""
    if isinstance(spec, Reduce):
        return [pa.schema([left.field("k"), left.field("x")])]
    if isinstance(spec, Aggregate) and spec.phase is Phase.FINAL:
        return [partial_schema(spec.keys, spec.columns, spec.schema)]
    right = RIGHT if left is SCHEMA else pa.schema([*left.remove(left.get_field_index("x")), RIGHT.field("y")])
    return [left, right][: input_ports(spec)]


class Tasks:
    """Two tasks of one operator, and which of them owns each key group."""

    def __init__(self, spec, left):
        self.spec = spec
        self.ports = input_ports(spec)
        self.schemas = inputs_of(spec, left)
        self.tasks = [self.fresh(index) for index in (0, 1)]
        self.owners = [0] * GROUPS
        self.gone = []
        self.partial = None
        if isinstance(spec, Aggregate) and spec.phase is Phase.FINAL:
            self.partial = Harness(replace(spec, phase=Phase.PARTIAL), left)

    def fresh(self, index):
        return Harness(self.spec, *self.schemas, groups=GROUPS, index=index, parallelism=2)

    def push(self, port, rows):
        if self.partial is not None:
            batch = self.partial.push(batch_of(rows, self.spec.schema)).batches[-1]
        else:
            batch = batch_of(rows, self.schemas[port])
        groups = key_groups(hash_rows([batch.column(key) for key in port_keys(self.spec, port)]), GROUPS).to_pylist()
        for index, task in enumerate(self.tasks):
            task.push(batch.filter(pa.array([self.owners[group] == index for group in groups], pa.bool_())), port)

    def move(self, groups):
        for group in groups:
            self._move(group, self.tasks[self.owners[group]], self.tasks[1 - self.owners[group]])
            self.owners[group] = 1 - self.owners[group]

    def restart(self):
        """Load the state of each task into a new one, which has met no rows."""
        self.gone = list(self.tasks)
        for index, old in enumerate(self.gone):
            self.tasks[index] = self.fresh(index)
            for group in range(GROUPS):
                self._move(group, old, self.tasks[index])

    def _move(self, group, old, new):
        for name, state in old.states.items():
            if group in state.groups():
                new.states[name].load(group, state.export(group))
                state.drop(group)

    def end(self, port):
        for task in self.tasks:
            task.end(port)

    def rows(self):
        return sorted((sorted(row.items()) for task in self.gone + self.tasks for row in task.rows), key=repr)


STEPS = st.lists(
    st.tuples(st.just("push"), st.integers(0, 1), st.lists(ROW, min_size=1, max_size=8))
    | st.tuples(st.just("move"), st.just(0), st.sets(st.integers(0, GROUPS - 1)))
    | st.tuples(st.just("end"), st.integers(0, 1), st.none()),
    max_size=8,
)


def run(spec, steps, *, moving, left=SCHEMA):
    tasks = Tasks(spec, left)
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


@pytest.mark.parametrize("name", ORDERED_SPECS)
@given(steps=STEPS)
@settings(max_examples=40, deadline=None)
def test_results_of_ordered_columns_do_not_depend_on_moves(name, steps):
    spec = ORDERED_SPECS[name]
    assert run(spec, steps, moving=True, left=ORDERED) == run(spec, steps, moving=False, left=ORDERED)


ALL_SPECS = [(spec, SCHEMA) for spec in SPECS.values()] + [(spec, ORDERED) for spec in ORDERED_SPECS.values()]
NAMES = [*SPECS, *(f"ordered {name}" for name in ORDERED_SPECS)]


@pytest.mark.parametrize(("spec", "left"), ALL_SPECS, ids=NAMES)
@given(rows=st.lists(ROW, min_size=1, max_size=8), probes=st.lists(ROW, min_size=1, max_size=8))
@settings(max_examples=20, deadline=None)
def test_a_new_operator_goes_on_with_loaded_state(spec, left, rows, probes):
    results = []
    for restarts in (False, True):
        tasks = Tasks(spec, left)
        tasks.push(tasks.ports - 1, rows)
        if restarts:
            tasks.restart()
        for port in reversed(range(tasks.ports)):
            if port == 0 and tasks.ports == 2:
                tasks.push(0, probes)
            tasks.end(port)
        results.append(tasks.rows())
    assert results[0] == results[1]
