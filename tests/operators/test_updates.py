"""Verbs over updates: a row that was replaced does not count, whatever the batches, wakes and cuts."""

from datetime import datetime, timedelta

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sabotnb as sb
from sabotnb import col
from sabotnb.errors import SabotnbError
from sabotnb.graph import Top
from sabotnb.operators.readable_states import readable
from sabotnb.testing import Harness

ENDLESS = sb.Stream.from_rate(1_000).with_columns(k=col("value") % 3, g=col("value") % 2)
COUNTED = ENDLESS.group_by("k", "g").agg(n=sb.count())
SCHEMA = pa.schema({"k": pa.int64(), "g": pa.int64(), "n": pa.int64()})
SECOND = 1_000_000
START = datetime(2024, 1, 1)
END = (1_704_067_200 + 10) * SECOND
"""Ten seconds behind START."""


def ranks(rows: list[dict]) -> dict[int, tuple[int, int]]:
    """The last row of each rank."""
    return {row["rank"]: (row["k"], row["n"]) for row in rows}


def test_a_row_that_was_replaced_leaves_the_top() -> None:
    top = ENDLESS.group_by("k").agg(n=sb.count()).top(2, by="n", rank="rank")
    with Harness.of(top) as harness:
        harness.push([{"k": 0, "n": 5}, {"k": 1, "n": 4}]).wake()
        harness.push([{"k": 0, "n": 9}]).wake()
        assert ranks(harness.rows) == {1: (0, 9), 2: (1, 4)}


def test_a_row_that_falls_lets_another_into_the_top() -> None:
    top = ENDLESS.group_by("k").agg(n=col("value").min()).top(1, by="n", rank="rank")
    with Harness.of(top) as harness:
        harness.push([{"k": 0, "n": 5}, {"k": 1, "n": 4}]).wake()
        harness.push([{"k": 0, "n": 1}]).wake()
        assert ranks(harness.rows) == {1: (1, 4)}


ROWS = st.lists(
    st.fixed_dictionaries({"k": st.integers(0, 4), "g": st.integers(0, 1), "n": st.integers(0, 9)}), max_size=8
)
STEPS = st.lists(st.tuples(ROWS, st.sampled_from(["", "wake", "cut"])), max_size=8)


@given(STEPS, st.booleans())
@settings(max_examples=60, deadline=None)
def test_a_top_of_updates_has_the_current_rows(steps: list[tuple[list[dict], str]], keyed: bool) -> None:
    spec = Top(("g",) if keyed else (), 2, "n", rank="rank", every=SECOND, updated=("k", "g"))
    current: dict[tuple[int, int], dict] = {}
    found: dict[tuple[int, int], dict] = {}
    harness = Harness(spec, SCHEMA)
    for rows, then in [*steps, ([], "wake")]:
        if rows:
            harness.push(rows)
        current |= {(row["k"], row["g"]): row for row in rows}
        if then:
            harness.wake()
            found |= {(row["g"] if keyed else 0, row["rank"]): row for row in harness.rows}
        if then == "cut":
            harness = _restored(harness, spec)
    expected = {}
    for group in {0, 1} if keyed else {0}:
        among = [row for row in current.values() if not keyed or row["g"] == group]
        best = sorted(among, key=lambda row: (-row["n"], row["k"], row["g"]))[:2]
        expected |= {(group, rank): row | {"rank": rank} for rank, row in enumerate(best, 1)}
    assert found == expected


def _restored(harness: Harness, spec: Top) -> Harness:
    """Another operator with the state of this one."""
    moved = Harness(spec, SCHEMA)
    for state, keyed in harness.states.items():
        for group in keyed.groups():
            moved.states[state].load(group, list(keyed.export(group)))
    return moved


TIMED = sb.Stream.from_rows([{"t": START, "k": "a", "x": 1}], event_time="t", max_delay="0s")
HOURLY = TIMED.group_by("k").window(sb.tumbling("10s"), lateness="40s").agg(n=sb.count())
SAME = sb.same_window()
CASES: dict[str, tuple[sb.Stream, list[dict]]] = {
    "aggregate": (
        HOURLY.window(SAME).agg(n=col("n").sum(), rows=sb.count()),
        [{"n": 3, "rows": 2}, {"n": 4, "rows": 2}],
    ),
    "aggregate by key": (
        HOURLY.group_by("k").window(SAME).agg(n=col("n").sum()),
        [{"k": "a", "n": 2}, {"k": "b", "n": 1}, {"k": "a", "n": 3}],
    ),
    "own lateness": (
        HOURLY.group_by("k").window(SAME, lateness="5s").agg(n=col("n").sum()),
        [{"k": "a", "n": 2}, {"k": "b", "n": 1}, {"k": "a", "n": 3}],
    ),
    "top": (
        HOURLY.window(SAME).top(2, by="n", rank="r"),
        [
            {"r": 1, "k": "a", "n": 2},
            {"r": 2, "k": "b", "n": 1},
            {"r": 1, "k": "a", "n": 3},
            {"r": 2, "k": "b", "n": 1},
        ],
    ),
    "latest": (
        HOURLY.group_by("k").window(SAME).latest(),
        [{"k": "a", "n": 2}, {"k": "b", "n": 1}, {"k": "a", "n": 3}],
    ),
    "reduce": (
        HOURLY.window(SAME).reduce(lambda left, right: {**left, "n": left["n"] + right["n"]}),
        [{"n": 3}, {"n": 4}],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_corrections_of_a_window_correct_the_next(name: str) -> None:
    stream, expected = CASES[name]
    bounds = {"window_start": START, "window_end": START + timedelta(seconds=10)}
    with Harness.of(stream) as harness:
        harness.push([bounds | {"k": "a", "n": 2}, bounds | {"k": "b", "n": 1}]).advance(END)
        harness.push([bounds | {"k": "a", "n": 3}]).advance(END + 2 * SECOND)
        assert [{key: row[key] for key in expected[0]} for row in harness.rows] == expected


def test_groups_by_a_value_that_updates_change_are_refused() -> None:
    with pytest.raises(SabotnbError, match="an update may change n"):
        COUNTED.group_by("n").top(1, by="k")
    with pytest.raises(SabotnbError, match="an update may change n"):
        HOURLY.group_by("n").window(SAME).agg(rows=sb.count())


def test_groups_by_what_is_computed_from_the_key_are_taken() -> None:
    assert COUNTED.group_by(even=col("k") % 2).top(1, by="n").schema.names == ["k", "g", "n", "even"]
    assert HOURLY.group_by(first=col("k").str.upper()).window(SAME).agg(rows=sb.count()).schema.names[2] == "first"


@pytest.mark.parametrize("options", [{}, {"ties": True, "rank": "r"}], ids=str)
def test_a_top_whose_rows_cannot_be_told_apart_is_refused(options: dict) -> None:
    with pytest.raises(SabotnbError, match=r"top\(2\) of an endless stream returns updates"):
        COUNTED.top(2, by="n", **options)
    with pytest.raises(SabotnbError, match=r"top\(2\) of windows that are corrected returns updates"):
        HOURLY.window(SAME).top(2, by="n", **options)
    with pytest.raises(SabotnbError, match=r"top\(2\) of windows that are corrected returns updates"):
        TIMED.window(sb.tumbling("10s"), lateness="5s").top(2, by="x", **options)


def test_readable_state_of_updates_has_the_current_rows() -> None:
    with Harness.of(COUNTED.top(1, by="n", rank="rank")) as harness:
        harness.push([{"k": 0, "g": 1, "n": 5}, {"k": 1, "g": 1, "n": 4}]).push([{"k": 0, "g": 1, "n": 9}])
        (state,) = harness.states.values()
        shown = readable(pa.Table.from_batches(list(state.export(0))))
        assert shown.to_pylist() == [{"k": 0, "g": 1, "n": 9}, {"k": 1, "g": 1, "n": 4}]
