"""Process functions of single rows: state, timers, side outputs, late rows, expiry."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import sabotnb as sb
from sabotnb.errors import UserFunctionError
from sabotnb.testing import Harness

START = datetime(2024, 1, 1)


def at(minutes):
    return START + timedelta(minutes=minutes)


def us(minutes):
    return int((at(minutes) - datetime(1970, 1, 1)) / timedelta(microseconds=1))


def rows(*given):
    return [{"k": k, "x": x, "t": at(minutes)} for k, x, minutes in given]


class Totals(sb.KeyedProcess):
    total = sb.value("int64", default=0)
    output = {"k": "string", "total": "int64"}

    def on_row(self, row, ctx):
        self.total.set(self.total.get() + row["x"])
        yield {"k": ctx.key, "total": self.total.get()}


def test_each_key_has_a_state_of_its_own():
    with Harness(Totals, key="k") as harness:
        harness.push(rows(("a", 1, 0), ("b", 10, 0), ("a", 2, 0))).push(rows(("a", 4, 0), (None, 7, 0), (None, 1, 0)))
        assert [(row["k"], row["total"]) for row in harness.rows] == [
            ("a", 1),
            ("b", 10),
            ("a", 3),
            ("a", 7),
            (None, 7),
            (None, 8),
        ]


def test_two_instances_of_one_class_are_independent():
    with Harness(Totals, key="k") as one, Harness(Totals, key="k") as other:
        one.push(rows(("a", 1, 0)))
        other.push(rows(("a", 5, 0)))
        one.push(rows(("a", 1, 0)))
        assert [row["total"] for row in one.rows] == [1, 2]
        assert [row["total"] for row in other.rows] == [5]


def test_the_key_of_several_columns_is_a_tuple():
    class Keys(sb.KeyedProcess):
        output = {"key": "string"}

        def on_row(self, row, ctx):
            return {"key": repr(ctx.key)}

    with Harness(Keys, key=["k", "x"]) as harness:
        assert harness.push(rows(("a", 1, 0))).rows == [{"key": "('a', 1)"}]


class Idle(sb.KeyedProcess):
    last = sb.value(pa.timestamp("us"))
    output = {"k": "string", "since": pa.timestamp("us")}

    def on_row(self, row, ctx):
        self.last.set(ctx.event_time)
        ctx.timer(ctx.event_time + timedelta(minutes=10))

    def on_timer(self, at, ctx):
        if at - self.last.get() >= timedelta(minutes=10):
            yield {"k": ctx.key, "since": self.last.get()}


def test_timers_fire_in_the_order_of_time_when_the_watermark_passes():
    with Harness(Idle, key="k") as harness:
        harness.push(rows(("b", 0, 2), ("a", 0, 1), ("b", 0, 5)))
        assert harness.advance(us(11) - 1).rows == []
        assert harness.advance(us(11)).rows == [{"k": "a", "since": at(1)}]
        assert harness.advance(us(60)).rows == [{"k": "a", "since": at(1)}, {"k": "b", "since": at(5)}]


def test_a_duration_advances_from_the_latest_row():
    with Harness(Idle, key="k") as harness:
        assert harness.push(rows(("a", 0, 1), ("b", 0, 3))).advance("10m").rows == [
            {"k": "a", "since": at(1)},
            {"k": "b", "since": at(3)},
        ]


class Timers(sb.KeyedProcess):
    """Sets the timers that the rows name, and tells when they fire."""

    output = {"k": "string", "fired": "int64"}
    again = {}

    def on_row(self, row, ctx):
        ctx.timer(at(row["x"]))
        ctx.timer(at(row["x"]))

    def on_timer(self, fired, ctx):
        minute = int((fired - START) / timedelta(minutes=1))
        yield {"k": ctx.key, "fired": minute}
        for later in self.again.get(minute, ()):
            ctx.timer(at(later))


def fired(harness):
    return [(row["k"], row["fired"]) for row in harness.rows]


def test_a_timer_that_is_set_twice_fires_once():
    with Harness(Timers, key="k") as harness:
        harness.push(rows(("a", 5, 0))).push(rows(("a", 5, 1))).advance(us(5))
        assert fired(harness) == [("a", 5)]


def test_a_timer_of_the_past_fires_at_the_next_watermark():
    with Harness(Timers, key="k") as harness:
        harness.push(rows(("a", 20, 0))).advance(us(10)).push(rows(("a", 3, 10)))
        assert fired(harness) == []
        assert fired(harness.advance(us(11))) == [("a", 3)]


def test_timers_that_timers_set_fire_in_order_with_the_others():
    class Again(Timers):
        again = {5: [7, 2], 7: [8]}

    with Harness(Again, key="k") as harness:
        harness.push(rows(("a", 5, 0), ("b", 6, 0), ("b", 8, 0), ("b", 9, 0))).advance(us(8))
        assert fired(harness) == [("a", 5), ("b", 6), ("a", 7), ("a", 8), ("b", 8)]
        assert fired(harness.advance(us(9)))[5:] == [("a", 2), ("b", 9)]


def test_all_timers_fire_at_the_end_of_the_input_and_a_chain_of_timers_ends():
    class Hourly(Timers):
        again = {minute: [minute + 60] for minute in range(0, 6000, 60)}

    with Harness(Hourly, key="k") as harness:
        harness.push(rows(("a", 0, 0), ("b", 240, 130))).end()
        assert fired(harness) == [("a", 0), ("a", 60), ("a", 120), ("a", 180), ("b", 240)]


def test_a_stopped_input_fires_nothing():
    with Harness(Timers, key="k") as harness:
        assert harness.push(rows(("a", 5, 0))).end(reason="stopped").rows == []


def test_timers_of_processing_time_go_by_the_clock():
    class Clock(sb.KeyedProcess):
        output = {"k": "string", "now": "string"}

        def on_row(self, row, ctx):
            ctx.timer("5m", time="processing")

        def on_timer(self, at, ctx):
            assert ctx.event_time is None
            yield {"k": ctx.key, "now": f"{at:%H:%M}"}

    with Harness(Clock, pa.schema({"k": pa.string()}), key="k") as harness:
        harness.push([{"k": "a"}]).advance("4m")
        assert harness.rows == []
        harness.push([{"k": "b"}]).advance("1m")
        assert harness.rows == [{"k": "a", "now": "00:05"}]
        assert harness.end().rows[1:] == [{"k": "b", "now": "00:09"}]


def test_rows_behind_the_watermark_are_late():
    with Harness(Totals, key="k") as harness:
        harness.push(rows(("a", 1, 5))).advance(us(10)).push(rows(("a", 1, 9), ("a", 1, 10)))
        assert [row["total"] for row in harness.rows] == [1, 2]
        assert harness.side("late") == [{"k": "a", "x": 1, "t": at(9), "late_by": timedelta(minutes=1)}]


def test_delayed_rows_are_late_for_their_own_clock():
    from sabotnb.eventtime import with_clock

    with Harness(Totals, key="k") as harness:
        harness.push(rows(("a", 1, 5)))
        batch = pa.RecordBatch.from_pylist(rows(("a", 1, 3), ("b", 1, 4)), schema=harness._inputs[0])
        harness.push(with_clock(batch, pa.array([us(4), us(4)])))
        assert [row["k"] for row in harness.rows] == ["a", "b"]
        assert [row["late_by"] for row in harness.side("late")] == [timedelta(minutes=1)]


class Kinds(sb.KeyedProcess):
    items = sb.list_state("int64", ttl="10m")
    counts = sb.map_state("string", "int64", ttl="10m")
    last = sb.value("int64", default=-1, ttl="10m")
    output = {"items": pa.list_(pa.int64()), "counts": "string", "last": "int64"}

    def on_row(self, row, ctx):
        yield {"items": self.items.get(), "counts": str(sorted(self.counts.items())), "last": self.last.get()}
        if row["x"] >= 0:
            self.items.append(row["x"])
            name = "even" if row["x"] % 2 == 0 else "odd"
            self.counts[name] = self.counts.get(name, 0) + 1
            self.last.set(row["x"])


def test_states_expire_by_event_time():
    with Harness(Kinds, key="k") as harness:
        harness.push(rows(("a", 1, 0), ("a", 2, 9), ("a", -1, 18))).push(
            rows(("a", -1, 19), ("a", 3, 19), ("a", -1, 19))
        )
        assert [(row["items"], row["counts"], row["last"]) for row in harness.rows] == [
            ([], "[]", -1),
            ([1], "[('odd', 1)]", 1),
            ([1, 2], "[('even', 1), ('odd', 1)]", 2),
            ([], "[]", -1),
            ([], "[]", -1),
            ([3], "[('odd', 1)]", 3),
        ]
        harness.advance(us(100))
        assert harness.states["process"].groups() == []


class Changes(sb.KeyedProcess):
    """Does what ``x`` says with states that expire, and returns what is in them."""

    items = sb.list_state("int64", ttl="10m")
    counts = sb.map_state("int64", "int64", ttl="10m")
    last = sb.value("int64", default=-1, ttl="10m")
    output = {"items": pa.list_(pa.int64()), "counts": "string", "last": "int64"}

    def on_row(self, row, ctx):
        x = row["x"]
        if x % 5 == 1:
            self.items.append(x)
            self.counts[x % 3] = x
            self.last.set(x)
        elif x % 5 == 2:
            self.items.set([x])
            self.counts.pop(x % 3)
        elif x % 5 == 3:
            self.items.clear()
            self.counts.clear()
            self.last.clear()
        yield {"items": self.items.get(), "counts": str(sorted(self.counts.items())), "last": self.last.get()}


STEPS = st.tuples(st.sampled_from("ab"), st.integers(0, 20), st.integers(-3, 25))
"""A key, what ``Changes`` does, and the minutes since the row before."""


@given(steps=st.lists(STEPS, min_size=1, max_size=30))
@example(steps=[("a", 1, 0), ("a", 6, 20)])
def test_states_expire_alike_however_rows_are_divided_into_batches(steps):
    minutes = np.cumsum([step for _, _, step in steps]).tolist()
    timed = [(k, x, 100 + minute) for (k, x, _), minute in zip(steps, minutes, strict=True)]
    with Harness(Changes, key="k") as whole, Harness(Changes, key="k") as single:
        whole.push(rows(*timed))
        for row in timed:
            single.push(rows(row))
        assert whole.rows == single.rows


def test_lists_and_maps_are_used_as_those_of_python():
    class Uses(sb.KeyedProcess):
        items = sb.list_state("string")
        named = sb.map_state("string", "int64")
        output = {"what": "string"}

        def on_row(self, row, ctx):
            self.items.extend(["x", "y"])
            self.named["a"] = 1
            self.named["b"] = 2
            del self.named["a"]
            kept = (
                len(self.items),
                list(self.items),
                len(self.named),
                "a" in self.named,
                self.named.pop("c", 9),
                list(self.named),
            )
            if row["x"] == 1:
                self.items.set(["z"])
                self.named.clear()
                self.named["d"] = 4
            yield {"what": repr(kept)}

    with Harness(Uses, key="k") as harness:
        harness.push(rows(("a", 0, 0), ("a", 1, 0))).push(rows(("a", 0, 0)))
        assert [row["what"] for row in harness.rows] == [
            "(2, ['x', 'y'], 1, False, 9, ['b'])",
            "(4, ['x', 'y', 'x', 'y'], 1, False, 9, ['b'])",
            "(3, ['z', 'x', 'y'], 2, False, 9, ['d', 'b'])",
        ]


def test_cleared_keys_leave_no_state():
    class Seen(sb.KeyedProcess):
        x = sb.value("string")
        y = sb.list_state("string")
        z = sb.map_state("string", "string")
        output = {"k": "string"}

        def on_row(self, row, ctx):
            if row["x"]:
                self.x.set("a")
                self.y.append("b")
                self.z["c"] = "d"
            else:
                self.x.clear()
                self.y.clear()
                self.z.clear()

    with Harness(Seen, key="k") as harness:
        harness.push(rows(("a", 1, 0), ("b", 1, 0)))
        assert len(harness.states["process"].groups()) == 2
        harness.push(rows(("a", 0, 0), ("b", 0, 0)))
        assert harness.states["process"].groups() == []


class Limits(sb.KeyedProcess):
    limit = 10
    output = {"k": "string", "x": "int64"}
    sides = {"alerts": {"x": "int64"}}

    def on_row(self, row, ctx):
        if row["x"] > self.limit:
            ctx.emit("alerts", {"x": row["x"]})
        yield {"k": ctx.key, "x": row["x"]}

    def on_side_row(self, row, ctx):
        self.limit = row["limit"]


def test_a_side_input_changes_thresholds_live():
    schema = pa.schema({"k": pa.string(), "x": pa.int64(), "t": pa.timestamp("us")})
    side = pa.schema({"limit": pa.int64()})
    with Harness(Limits, schema, side, key="k") as harness:
        harness.push(rows(("a", 11, 0))).push([{"limit": 20}], port=1).push(rows(("a", 15, 0), ("a", 21, 0)))
        assert harness.side("alerts") == [{"x": 11}, {"x": 21}]
        with Harness(Limits, schema, side, key="k") as moved:
            moved.states["side"].load(0, harness.states["side"].export(0))
            assert moved.push(rows(("a", 15, 0), ("a", 25, 0))).side("alerts") == [{"x": 25}]
    assert Limits.limit == 10


def test_event_times_have_the_zone_of_the_column():
    class Zone(sb.KeyedProcess):
        output = {"at": "string"}

        def on_row(self, row, ctx):
            assert ctx.event_time == row["t"]
            ctx.timer(ctx.event_time + timedelta(hours=1))

        def on_timer(self, at, ctx):
            yield {"at": at.isoformat()}

    schema = pa.schema({"k": pa.string(), "t": pa.timestamp("ns", "Europe/Paris")})
    with Harness(Zone, schema, key="k") as harness:
        harness.push([{"k": "a", "t": datetime(2024, 7, 1, 10, tzinfo=UTC)}]).end()
        assert harness.rows == [{"at": "2024-07-01T13:00:00+02:00"}]


def test_many_rows_of_one_call_come_in_batches():
    class Many(sb.KeyedProcess):
        output = {"n": "int64"}

        def on_row(self, row, ctx):
            for n in range(5000):
                yield {"n": n}

    with Harness(Many, key="k") as harness:
        harness.push(rows(("a", 1, 0)))
        assert [row["n"] for row in harness.rows] == list(range(5000))
        assert max(batch.num_rows for batch in harness.batches) <= 1024


def raising(method):
    return type(
        "Bad",
        (sb.KeyedProcess,),
        {
            "output": {"n": "int64"},
            "sides": {"alerts": {"n": "int64"}},
            "total": sb.value("int64"),
            "on_row": method,
            "on_timer": lambda self, at, ctx: None,
        },
    )


def emits_unknown(self, row, ctx):
    ctx.emit("alrts", {"n": 1})


def wrong_name(self, row, ctx):
    return {"m": 1}


def wrong_type(self, row, ctx):
    return {"n": "text"} if row["x"] == 2 else {"n": 1}


def wrong_state(self, row, ctx):
    self.total.set("text" if row["x"] == 2 else 1)


def no_dict(self, row, ctx):
    return 5


def no_time(self, row, ctx):
    ctx.timer(5)


def assigns(self, row, ctx):
    self.total = 5


@pytest.mark.parametrize(
    ("method", "said"),
    [
        (emits_unknown, "no such side output, declared are ['alerts']; did you mean 'alerts'?"),
        (wrong_name, "gave a row with 'm', and its output declares n"),
        (wrong_type, "gave 'n' = 'text' (str), declared is int64; give that"),
        (wrong_state, "set state 'total' to 'text' (str), which is not int64"),
        (no_dict, "gave 5 (int); it must give a dict, None, or an iterable of dicts"),
        (no_time, "timer(5) is neither a time nor a duration; write ctx.timer(ctx.event_time"),
        (assigns, "write self.total.set(5)"),
        (lambda self, row, ctx: row["y"], "The row has: k, x, t"),
    ],
)
def test_what_a_method_does_wrong_is_said_with_its_row(method, said):
    with Harness(raising(method), key="k") as harness, pytest.raises(UserFunctionError) as raised:
        harness.push(rows(("a", 1, 0), ("b", 2, 0)))
    assert said in str(raised.value)
    assert "test_row_calls.py:" in str(raised.value)
    assert raised.value.operator == "operator_0"
    assert ("b" if "text" in said else "a") in raised.value.sample


def test_an_error_in_a_timer_names_key_and_time():
    class Fails(Timers):
        def on_timer(self, at, ctx):
            raise ValueError("no")

    with Harness(Fails, key="k") as harness, pytest.raises(UserFunctionError, match="raised ValueError: no") as raised:
        harness.push(rows(("a", 5, 0))).end()
    assert "a" in raised.value.sample
    assert "2024-01-01 00:05" in raised.value.sample
