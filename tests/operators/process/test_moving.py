"""Key groups of process functions that move between tasks in the middle change nothing in what comes out."""

from datetime import datetime, timedelta

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

import sabotnb as sb
from sabotnb.native import hash_rows, key_groups
from sabotnb.testing import Harness

GROUPS = 4
START = datetime(2024, 1, 1)
MINUTE = 60_000_000
ORIGIN = int((START - datetime(1970, 1, 1)) / timedelta(microseconds=1))
SCHEMA = pa.schema({"k": pa.dictionary(pa.int32(), pa.string()), "x": pa.int64(), "t": pa.timestamp("us")})


class Everything(sb.KeyedProcess):
    """Uses each kind of state and timers; what it yields depends on all of them."""

    total = sb.value("int64", default=0, ttl="20m")
    items = sb.list_state("int64", ttl="30m")
    counts = sb.map_state("int64", "int64")
    output = {"k": "string", "what": "string"}

    def on_row(self, row, ctx):
        self.total.set(self.total.get() + row["x"])
        self.items.append(row["x"])
        self.counts[row["x"] % 3] = self.counts.get(row["x"] % 3, 0) + 1
        ctx.timer(f"{row['x'] * 3 + 1}m")
        yield {"k": ctx.key, "what": f"{self.total.get()} {self.items.get()} {sorted(self.counts.items())}"}

    def on_timer(self, at, ctx):
        yield {"k": ctx.key, "what": f"{at:%H:%M} {self.total.get()} {self.items.get()}"}
        if len(self.items) > 3:
            self.items.clear()
            ctx.timer("5m")


class Tasks:
    """Two tasks, and which of them owns each key group."""

    def __init__(self):
        self.tasks = [Harness(Everything, SCHEMA, key="k", groups=GROUPS) for _ in range(2)]
        self.owners = [0] * GROUPS

    def push(self, rows):
        keys = pa.array([k for k, _, _ in rows], pa.string()).dictionary_encode()
        times = pa.array([ORIGIN + minutes * MINUTE for _, _, minutes in rows], pa.timestamp("us"))
        batch = pa.RecordBatch.from_arrays([keys, pa.array([x for _, x, _ in rows]), times], schema=SCHEMA)
        groups = key_groups(hash_rows([keys]), GROUPS).to_pylist()
        for index, task in enumerate(self.tasks):
            task.push(batch.filter(pa.array([self.owners[group] == index for group in groups], pa.bool_())))

    def move(self, groups):
        for group in groups:
            old, new = (task.states["process"] for task in self.tasks[:: 1 - 2 * self.owners[group]])
            if group in old.groups():
                new.load(group, old.export(group))
                old.drop(group)
            self.owners[group] = 1 - self.owners[group]

    def advance(self, minutes):
        for task in self.tasks:
            task.advance(ORIGIN + minutes * MINUTE)

    def rows(self):
        return sorted(tuple(row.items()) for task in self.tasks for row in task.rows)


ROWS = st.lists(st.tuples(st.sampled_from("abcde"), st.integers(0, 9), st.integers(0, 3)), min_size=1, max_size=6)
STEPS = st.lists(st.tuples(ROWS, st.sets(st.integers(0, GROUPS - 1)), st.integers(0, 15)), max_size=6)


def run(steps, *, moving):
    tasks, now = Tasks(), 0
    for rows, moved, passed in steps:
        tasks.push([(k, x, now + later) for k, x, later in rows])
        if moving:
            tasks.move(moved)
        now += passed
        tasks.advance(now)
        if moving:
            tasks.move(moved & {1, 3})
    tasks.advance(10_000)
    return tasks.rows()


@given(steps=STEPS)
@settings(max_examples=60, deadline=None)
def test_results_do_not_depend_on_moves(steps):
    assert run(steps, moving=True) == run(steps, moving=False)
