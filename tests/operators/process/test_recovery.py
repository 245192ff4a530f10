"""Process functions that are restored from a cut go on as if they had never stopped."""

from datetime import datetime, timedelta

import pyarrow as pa
from hypothesis import strategies as st

import sabotnb as sb
from sabotnb.blobs import capture
from sabotnb.graph import Process
from sabotnb.operators import ProcessOperator
from sabotnb.testing import Advance, EndPort, Push, Recovery, RecoverySuite, Wait

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
