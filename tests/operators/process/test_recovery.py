"""Process functions that are restored from a cut go on as if they had never stopped."""

from datetime import datetime, timedelta

import pyarrow as pa
import pytest
from hypothesis import strategies as st

import sabotnb as sb
from sabotnb.blobs import capture
from sabotnb.errors import CheckpointError
from sabotnb.graph import Process
from sabotnb.operators import ProcessOperator
from sabotnb.protocol import fit_state
from sabotnb.testing import Advance, EndPort, Push, Recovery, RecoverySuite, Wait
from sabotnb.testing.recovery_task import CutTask

MINUTE = 60_000_000
START = int((datetime(2024, 1, 1) - datetime(1970, 1, 1)) / timedelta(microseconds=1))
SCHEMA = pa.schema({"k": pa.string(), "x": pa.int64(), "t": pa.timestamp("us")})
SIDE = pa.schema({"limit": pa.int64()})
OUTPUT = {"k": "string", "what": "string"}


class Everything(sb.KeyedProcess):
    """Uses each kind of state and timers; what it yields depends on all of them."""

    total = sb.value("int64", default=0, ttl="20m")
    items = sb.list_state("int64", ttl="30m")
    counts = sb.map_state("int64", "int64")
    word = sb.value("string")
    output = OUTPUT

    def __init__(self):
        self.limit = 0

    def on_row(self, row, ctx):
        self.total.set(self.total.get() + row["x"])
        self.items.append(row["x"])
        self.counts[row["x"] % 3] = self.counts.get(row["x"] % 3, 0) + 1
        self.word.set((self.word.get() or "") + str(row["x"]))
        ctx.timer(f"{row['x'] * 3 + 1}m")
        what = f"{self.total.get()} {self.items.get()} {sorted(self.counts.items())} {self.word.get()} {self.limit}"
        yield {"k": ctx.key, "what": what}

    def on_timer(self, at, ctx):
        yield {"k": ctx.key, "what": f"{at:%H:%M} {self.total.get()} {self.items.get()} {self.limit}"}
        if len(self.items) > 3:
            self.items.clear()
            ctx.timer("5m")

    def on_side_row(self, row, ctx):
        self.limit += row["limit"]


class Batches(sb.KeyedProcess):
    total = sb.value("int64", default=0, ttl="20m")
    output = OUTPUT

    def on_batch(self, batch, ctx):
        import numpy as np

        sums = np.add.reduceat(batch.column("x").to_numpy(), ctx.starts)
        self.total.set(pa.array(self.total.get().to_numpy() + sums))
        ctx.timer(pa.array(np.maximum.reduceat(batch.column("t").to_numpy(), ctx.starts)).cast(pa.timestamp("us")))
        yield pa.record_batch({"k": ctx.keys.column(0), "what": self.total.get().cast(pa.string())})

    def on_timer(self, at, ctx):
        yield pa.record_batch({"k": ctx.keys.column(0), "what": pa.array([f"at {time}" for time in at.to_pylist()])})


class ByTheClock(sb.KeyedProcess):
    seen = sb.value("int64", default=0, ttl="90s")
    output = OUTPUT

    def on_row(self, row, ctx):
        self.seen.set(self.seen.get() + 1)
        ctx.timer(f"{row['x'] + 1}s", time="processing")
        yield {"k": ctx.key, "what": f"row {self.seen.get()}"}

    def on_timer(self, at, ctx):
        yield {"k": ctx.key, "what": f"{at:%M:%S} {self.seen.get()}"}


@st.composite
def scripts(draw, *, side):
    steps, minute, side_open = [], 0, side
    for kind in draw(st.lists(st.sampled_from(["push", "push", "advance", "side", "end side"]), max_size=6)):
        if kind == "push":
            times = draw(st.lists(st.integers(minute - 3, minute + 30), min_size=1, max_size=6))
            rows = [(draw(st.sampled_from("abcd")), draw(st.integers(0, 5)), START + time * MINUTE) for time in times]
            columns = zip(zip(*rows, strict=True), (pa.string(), pa.int64(), pa.timestamp("us")), strict=True)
            steps.append(Push(pa.record_batch([pa.array(values, kind) for values, kind in columns], schema=SCHEMA)))
        elif kind == "advance":
            minute += draw(st.integers(1, 25))
            steps.append(Advance(START + minute * MINUTE))
        elif kind == "side" and side_open:
            steps.append(Push([{"limit": draw(st.integers(1, 9))}], port=1))
        elif kind == "end side" and side_open:
            side_open = False
            steps.append(EndPort(1))
    return [*steps, EndPort(0), *[EndPort(1)] * side_open]


def recovery_of(cls, time, *inputs, side_input=False):
    schema = pa.schema({"k": pa.string(), "what": pa.string()})
    spec = Process(("k",), capture(cls, "process"), schema, time=time, side_input=side_input)
    return Recovery(lambda clock: ProcessOperator(spec, inputs, clock), inputs, [("k",), None][: len(inputs)])


class TestRows(RecoverySuite):
    steps = scripts(side=True)

    def recovery(self):
        return recovery_of(Everything, "t", SCHEMA, SIDE, side_input=True)


class TestBatches(RecoverySuite):
    steps = scripts(side=False)

    def recovery(self):
        return recovery_of(Batches, "t", SCHEMA)


class TestProcessingTime(RecoverySuite):
    steps = st.lists(
        st.builds(Wait, st.sampled_from([0.5, 3.0, 100.0]))
        | st.lists(st.fixed_dictionaries({"k": st.sampled_from("abc"), "x": st.integers(0, 5)}), max_size=4).map(Push),
        max_size=6,
    ).map(lambda steps: [*steps, EndPort(0)])

    def recovery(self):
        return recovery_of(ByTheClock, None, SCHEMA.remove(2))


def declared(**states):
    """A class with these states that yields their values."""

    def on_row(self, row, ctx):
        shown = [getattr(self, name).get() for name in states]
        if row["x"] >= 0:
            for name in states:
                getattr(self, name).set(row["x"])
        yield {"k": ctx.key, "what": repr(shown)}

    return type("Versions", (sb.KeyedProcess,), {"output": OUTPUT, "on_row": on_row, **states})


def continued(before, after):
    """What a new version of a class yields for a key, after the old one has set all its states to 7."""
    first, second = (recovery_of(cls, "t", SCHEMA).make(lambda: 0) for cls in (before, after))
    tasks = [CutTask(lambda _clock, made=made: made) for made in (first, second)]
    tasks[0].push(0, pa.record_batch([["a"], [7], pa.array([START], pa.timestamp("us"))], schema=SCHEMA))
    cut = tasks[0].cut()
    ((saved, (groups, frozen)),), ((spec, state),) = cut.states.items(), tasks[1].states.items()
    fit = fit_state("process_0", saved, tasks[0].states[saved].schema, spec, state.schema)
    for group in groups:
        state.load(group, map(fit.converted, frozen.export(group)))
    second.restored([cut.memo])
    tasks[1].push(0, pa.record_batch([["a"], [-1], pa.array([START + MINUTE], pa.timestamp("us"))], schema=SCHEMA))
    return tasks[1].output[""][0]["what"]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({"a": "int64"}, {"a": "int64", "b": "int64"}, "[7, 9]"),
        ({"a": "int32"}, {"a": "int64"}, "[7]"),
        ({"a": "int64"}, {"a": ("int64", "30m")}, "[7]"),
        ({"a": "int64"}, {"a": ("int64", "30s")}, "[9]"),
        ({"a": ("int64", "30s")}, {"a": "int64"}, "[7]"),
        ({"a": "int64", "b": "int64"}, {"a": "int64"}, r"operator 'process_0' has no field 'b' now, .* \(int64\)"),
        ({"a": "int64"}, {"a": "string"}, "has the field 'a', which was int64 in the checkpoint, and is string now"),
    ],
)
def test_another_version_of_the_class_goes_on_with_its_state(before, after, expected):
    versions = []
    for states in (before, after):
        given = {name: (of, None) if isinstance(of, str) else of for name, of in states.items()}
        default = {"string": "9"}
        versions.append(
            declared(**{name: sb.value(of, default=default.get(of, 9), ttl=ttl) for name, (of, ttl) in given.items()})
        )
    if expected.startswith("["):
        assert continued(*versions) == expected
    else:
        with pytest.raises(CheckpointError, match=expected):
            continued(*versions)
