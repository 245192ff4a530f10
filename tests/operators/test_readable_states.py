"""The state of each kind of operator as a table to read."""

from datetime import datetime, timedelta

import pyarrow as pa
import pytest

import sabotnb as sb
from sabotnb import col
from sabotnb.operators import readable
from sabotnb.testing import Harness

T = datetime(2013, 1, 1)
ROWS = [
    {"k": "a", "x": 1, "t": T},
    {"k": "b", "x": 5, "t": T + timedelta(minutes=3)},
    {"k": "a", "x": 7, "t": T + timedelta(minutes=12)},
]
PLAIN = sb.Stream.from_rows(ROWS)
TIMED = PLAIN.with_event_time("t", max_delay="1m")
GROUPED = PLAIN.group_by("k")


class Counter(sb.KeyedProcess):
    n = sb.value(pa.int64(), default=0, ttl="1h")
    seen = sb.list_state(pa.int64())
    output = {"x": pa.int64()}

    def on_row(self, row, ctx):
        self.n.set(self.n.get() + 1)
        self.seen.append(row["x"])
        ctx.timer(row["t"] + timedelta(minutes=1))
        yield {"x": 1}

    def on_timer(self, at, ctx):
        pass


def windowed(window, **columns):
    return TIMED.group_by("k").window(window).agg(**columns)


def minutes(*numbers):
    return [T + timedelta(minutes=number) for number in numbers]


A, B = {"k": "a"}, {"k": "b"}
STATES = {
    "aggregate": (
        GROUPED.agg(n=sb.count(), total=col("x").sum(), most=col("x").max(), last=col("t").max()),
        "aggregates",
        [
            {**A, "n": 2, "total": 8, "most": 7, "last": ROWS[2]["t"]},
            {**B, "n": 1, "total": 5, "most": 5, "last": ROWS[1]["t"]},
        ],
    ),
    "mean": (
        GROUPED.agg(m=col("x").mean()),
        "aggregates",
        [{**A, "m:state0": 8.0, "m:state1": 2}, {**B, "m:state0": 5.0, "m:state1": 1}],
    ),
    "tumbling": (
        windowed(sb.tumbling("5m"), total=col("x").sum()),
        "panes",
        [
            {"window_start": T, "window_end": minutes(5)[0], **A, "total": 1},
            {"window_start": minutes(10)[0], "window_end": minutes(15)[0], **A, "total": 7},
            {"window_start": T, "window_end": minutes(5)[0], **B, "total": 5},
        ],
    ),
    "session": (
        windowed(sb.session("5m"), n=sb.count()),
        "sessions",
        [
            {**A, "first_time": T, "last_time": T, "n": 1},
            {**A, "first_time": minutes(12)[0], "last_time": minutes(12)[0], "n": 1},
            {**B, "first_time": minutes(3)[0], "last_time": minutes(3)[0], "n": 1},
        ],
    ),
    "count window": (
        GROUPED.window(sb.count_window(3)).agg(n=sb.count()),
        "rows",
        [{**ROWS[0], "position": 0}, {**ROWS[2], "position": 1}, {**ROWS[1], "position": 0}],
    ),
    "distinct": (PLAIN.distinct("k"), "keys", [A, B]),
    "sort": (PLAIN.sort("x"), "rows", ROWS),
    "top": (GROUPED.top(1, by="x"), "best", [ROWS[2], ROWS[1]]),
    "process": (
        TIMED.key_by("k").process(Counter),
        "process",
        [
            {**A, "n": 2, "seen": [1, 7], "n_changed": ROWS[2]["t"], "timers": minutes(1, 13), "alarms": []},
            {**B, "n": 1, "seen": [5], "n_changed": ROWS[1]["t"], "timers": minutes(4), "alarms": []},
        ],
    ),
    "join": (PLAIN.join(PLAIN, on="k"), "left", ROWS),
}


def exported(stream, name):
    """The rows of a state of the last operator behind ``ROWS``."""
    with Harness.of(stream) as harness:
        harness.push(ROWS)
        state = harness.states[name]
        return pa.Table.from_batches([b for group in state.groups() for b in state.export(group)], state.schema)


@pytest.mark.parametrize("kind", STATES)
def test_states(kind):
    stream, name, rows = STATES[kind]
    table = readable(exported(stream, name))
    assert sorted(table.to_pylist(), key=repr) == sorted(rows, key=repr)
    assert list(table.schema.names) == list(rows[0])


def test_late_rows_have_the_window_that_counts_them():
    panes = pa.table({"\0start": [0, 0], "\0end": [10, 10], "\0admitted": [10, 20], "n:state0": [1, 2]})
    assert readable(panes).schema.names == ["window_start", "window_end", "admitted", "n"]


def test_a_name_of_the_user_wins():
    table = pa.table({"\0start": [0], "window_start": ["mine"], "\0key time": ["key"], "\0time": [1]})
    assert readable(table).to_pylist() == [
        {
            "state_window_start": datetime(1970, 1, 1),
            "window_start": "mine",
            "time": "key",
            "state_time": datetime(1970, 1, 1, microsecond=1),
        }
    ]


def test_sums_beyond_64_bits_stay_exact():
    table = pa.table({"s:state0": pa.array([10**20], pa.decimal128(38, 0))})
    assert readable(table).to_pylist() == [{"s": 10**20}]


def test_times_at_the_ends_of_their_range_can_be_read():
    table = readable(pa.table({"\0start": [-(2**63), 2**63 - 1]}))
    assert table.column("window_start").cast(pa.int64()).to_pylist() == [-(2**63), 2**63 - 1]
    assert len(table.to_pandas()) == 2
