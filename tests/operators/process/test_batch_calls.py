"""Process functions of whole batches: one value for each key, as arrays."""

from datetime import datetime, timedelta
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sabotnb as sb
from sabotnb.errors import UserFunctionError
from sabotnb.testing import Harness

START = datetime(2024, 1, 1)
SCHEMA = pa.schema({"k": pa.string(), "x": pa.int64(), "t": pa.timestamp("us")})


def batch(*rows):
    return [{"k": k, "x": x, "t": START + timedelta(minutes=minutes)} for k, x, minutes in rows]


class Totals(sb.KeyedProcess):
    total = sb.value("int64", default=0)
    names = sb.value("string")
    output = {"k": "string", "total": "int64", "name": "string"}
    sides = {"large": {"k": "string"}}

    def on_batch(self, batch, ctx):
        total = self.total.get().to_numpy() + np.add.reduceat(batch["x"].to_numpy(), ctx.starts)
        self.total.set(total)
        before = self.names.get()
        self.names.set(pc.fill_null(ctx.keys["k"], "nothing"))
        ctx.emit("large", ctx.keys.filter(pa.array(total > 10)))
        yield {"k": ctx.keys["k"], "total": total, "name": before}


def test_a_batch_is_sorted_by_key_and_states_have_a_value_for_each():
    with Harness(Totals, SCHEMA, key="k") as harness:
        harness.push(batch(("a", 1, 0), ("b", 10, 0), ("a", 2, 0))).push(batch((None, 7, 0), ("b", 5, 0)))
        assert [tuple(row.values()) for row in harness.rows] == [
            ("a", 3, None),
            ("b", 10, None),
            ("b", 15, "b"),
            (None, 7, None),
        ]
        assert harness.side("large") == [{"k": "b"}]


class Sorted(sb.KeyedProcess):
    output = {"k": "string", "x": "int64", "t": pa.timestamp("us")}

    def on_batch(self, batch, ctx):
        return batch


def test_rows_of_a_key_keep_their_order():
    with Harness(Sorted, SCHEMA, key="k") as harness:
        harness.push(batch(("b", 1, 0), ("a", 2, 0), ("b", 0, 0), ("a", 1, 0)))
        assert [(row["k"], row["x"]) for row in harness.rows] == [("b", 1), ("b", 0), ("a", 2), ("a", 1)]


class Timed(sb.KeyedProcess):
    seen = sb.value("int64", default=0)
    output = {"k": "string", "at": pa.timestamp("us"), "seen": "int64"}

    def on_batch(self, batch, ctx):
        ends = np.append(ctx.starts[1:], batch.num_rows)
        self.seen.set(self.seen.get().to_numpy() + ends - ctx.starts)
        times = batch["t"].take(pa.array(ends - 1))
        ctx.timer(pc.add(times, pa.scalar(timedelta(minutes=10))))

    def on_timer(self, at, ctx):
        return pa.record_batch([ctx.keys["k"], at, self.seen.get()], ["k", "at", "seen"])


def test_timers_come_as_arrays_one_for_each_key():
    with Harness(Timed, SCHEMA, key="k") as harness:
        harness.push(batch(("a", 0, 0), ("b", 0, 1))).push(batch(("a", 0, 2), ("a", 0, 2)))
        harness.advance(int((START - datetime(1970, 1, 1) + timedelta(minutes=11)) / timedelta(microseconds=1)))
        assert sorted((row["k"], row["at"].minute, row["seen"]) for row in harness.rows) == [("a", 10, 3), ("b", 11, 1)]
        assert [row["at"].minute for row in harness.end().rows][2:] == [12]


class Expiring(sb.KeyedProcess):
    total = sb.value("double", default=0.0, ttl="10m")
    names = sb.list_state("string", ttl="10m")
    output = {"k": "string", "total": "double", "names": pa.list_(pa.string())}

    def on_batch(self, batch, ctx):
        total = self.total.get().to_numpy() + np.add.reduceat(batch["x"].to_numpy(), ctx.starts)
        yield {"k": ctx.keys["k"], "total": total, "names": self.names.get()}
        self.total.set(total)
        self.names.set([[name] for name in ctx.keys["k"].to_pylist()])


def test_values_expire_by_event_time():
    with Harness(Expiring, SCHEMA, key="k") as harness:
        for minutes in (0, 9, 19, 28):
            harness.push(batch(("a", 1, minutes)))
        assert [(row["total"], row["names"]) for row in harness.rows] == [
            (1.0, None),
            (2.0, ["a"]),
            (1.0, None),
            (2.0, ["a"]),
        ]


class PerRow(sb.KeyedProcess):
    total = sb.value("int64", default=0)
    output = {"k": "string", "total": "int64", "name": "string"}

    def on_row(self, row, ctx):
        self.total.set(self.total.get() + row["x"])
        ctx.timer("1m")

    def on_timer(self, at, ctx):
        yield {"k": ctx.key, "total": self.total.get()}


class PerBatch(PerRow):
    on_row = None

    def on_batch(self, batch, ctx):
        self.total.set(self.total.get().to_numpy() + np.add.reduceat(batch["x"].to_numpy(), ctx.starts))
        for number, start in enumerate(ctx.starts.tolist()):
            for row in range(start, [*ctx.starts.tolist(), batch.num_rows][number + 1]):
                times = [None] * len(ctx.starts)
                times[number] = batch["t"][row].as_py() + timedelta(minutes=1)
                ctx.timer(pa.array(times, pa.timestamp("us")))

    def on_timer(self, at, ctx):
        yield {"k": ctx.keys["k"], "total": self.total.get(), "name": pa.nulls(len(at), pa.string())}


ROWS = st.lists(
    st.tuples(st.none() | st.sampled_from("abcd"), st.integers(0, 9), st.integers(0, 30)).map(lambda row: row),
    max_size=20,
)


@given(rows=ROWS, cuts=st.sets(st.integers(1, 19)), steps=st.lists(st.integers(0, 40), max_size=3))
@settings(max_examples=60, deadline=None)
def test_rows_and_batches_give_the_same_in_any_batches(rows, cuts, steps):
    rows = sorted(rows, key=lambda row: row[2])
    results = []
    for cls, bounds in ((PerRow, {0, len(rows)}), (PerBatch, {0, len(rows), *cuts}), (PerRow, {0, len(rows), *cuts})):
        ends = sorted(bound for bound in bounds if bound <= len(rows))
        with Harness(cls, SCHEMA, key="k") as harness:
            for start, stop in pairwise(ends):
                harness.push(batch(*rows[start:stop]))
            harness.end()
            results.append(sorted(((row["k"], row["total"]) for row in harness.rows), key=repr))
    assert results[0] == results[1] == results[2]


def bad(method, **more):
    states = {"total": sb.value("int64", default=0), "output": {"n": "int64"}, "sides": {"alerts": {"n": "int64"}}}
    return type("Bad", (sb.KeyedProcess,), {**states, "on_batch": method, **more})


@pytest.mark.parametrize(
    ("method", "said"),
    [
        (
            lambda self, batch, ctx: self.total.set([1]),
            "total.set got 1 values for 2 keys; pass one for each row of ctx.keys",
        ),
        (lambda self, batch, ctx: self.total.set(["x", "y"]), "total.set got 'x' (str), and the state is int64"),
        (lambda self, batch, ctx: ctx.timer("5m"), "sets a timer, which nothing answers; define on_timer"),
        (lambda self, batch, ctx: ctx.emit("alrts", batch), "did you mean 'alerts'?"),
        (lambda self, batch, ctx: {"m": [1]}, "gave other columns than declared"),
        (lambda self, batch, ctx: {"n": ["x"]}, "gave 'n' ="),
        (lambda self, batch, ctx: batch["y"], "The batch has: k, x, t"),
        (lambda self, batch, ctx: batch["x"] > 5, "define on_row(self, row, ctx)"),
    ],
)
def test_what_a_method_does_wrong_is_said(method, said):
    with Harness(bad(method), SCHEMA, key="k") as harness, pytest.raises(UserFunctionError) as raised:
        harness.push(batch(("a", 1, 0), ("b", 2, 0)))
    assert said in str(raised.value)
    assert "test_batch_calls.py:" in str(raised.value)
