"""Count windows of drawn rows against their definition, in any batches."""

from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sabotnb.blobs import capture
from sabotnb.graph import Aggregate, AggregateColumn, CountWindow, Reduce, Top, Window
from sabotnb.operators.windows import count_operator, count_store
from sabotnb.operators.windows.count_store import CountStore
from sabotnb.protocol import EndReason
from sabotnb.testing import Harness, KeyedStateSuite

KEY = pa.dictionary(pa.int32(), pa.string(), ordered=True)
SCHEMA = pa.schema({"k": KEY, "v": pa.int64()})
LISTED = AggregateColumn("v", "collect_list", "v")
Row = tuple[str | None, int]

ROWS = st.lists(st.tuples(st.sampled_from(["a", "b", None]), st.integers(0, 99)), min_size=1, max_size=40)
SHAPES = st.tuples(st.integers(1, 7), st.integers(1, 7)).map(lambda pair: CountWindow(max(pair), min(pair)))


def listed(shape: CountWindow, keys: tuple[str, ...] = ("k",)) -> Window:
    return Window(Aggregate(keys, (LISTED,), SCHEMA), shape)


def batch_of(rows: Sequence[Row]) -> pa.RecordBatch:
    codes = pa.array([None if key is None else "ab".index(key) for key, _ in rows], pa.int32())
    keys = pa.DictionaryArray.from_arrays(codes, pa.array(["a", "b"]), ordered=True)
    return pa.record_batch([keys, pa.array([value for _, value in rows], pa.int64())], schema=SCHEMA)


def pushed(harness: Harness, rows: Sequence[Row], cuts: set[int]) -> None:
    for start, stop in pairwise(sorted({0, len(rows), *(cut for cut in cuts if cut < len(rows))})):
        harness.push(batch_of(rows[start:stop]))


def windows(rows: Sequence[Row], shape: CountWindow, *, keyed: bool, complete: bool) -> list[Any]:
    """The values of each window, by the number of the row that completed it."""
    values = defaultdict(list)
    found = []
    for key, value in rows:
        group = key if keyed else None
        values[group].append(value)
        if len(values[group]) % shape.every == 0:
            found.append((group, values[group][-shape.n :]))
    for group, of_key in values.items():
        end = (len(of_key) // shape.every + 1) * shape.every
        if not complete and len(of_key) % shape.every:
            found.append((group, of_key[max(0, end - shape.n) :]))
    return found


def found(harness: Harness) -> list[Any]:
    return [(row.get("k"), row["v"]) for row in harness.rows]


@pytest.mark.parametrize("keyed", [True, False], ids=["keyed", "global"])
@given(rows=ROWS, shape=SHAPES, cuts=st.sets(st.integers(1, 40)), removed=st.sampled_from([0, 1 << 14]))
@settings(max_examples=150, deadline=None)
def test_windows_have_the_last_rows_of_their_key(
    rows: list[Row], shape: CountWindow, cuts: set[int], removed: int, *, keyed: bool
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(count_store, "MIN_REMOVED", removed)
        patch.setattr(count_operator, "ROWS_AT_ONCE", 5 if removed == 0 else 1 << 17)
        harness = Harness(listed(shape, ("k",) if keyed else ()), SCHEMA)
        pushed(harness, rows, cuts)
        assert found(harness) == windows(rows, shape, keyed=keyed, complete=True)
        harness.end(0)
    assert sorted(found(harness), key=repr) == sorted(windows(rows, shape, keyed=keyed, complete=False), key=repr)


@given(rows=ROWS, more=ROWS, shape=SHAPES)
@settings(max_examples=100, deadline=None)
def test_counts_move_with_their_keys(rows: list[Row], more: list[Row], shape: CountWindow) -> None:
    old, new = (Harness(listed(shape), SCHEMA, groups=4) for _ in range(2))
    pushed(old, rows, {5, 11})
    for group in old.states["rows"].groups():
        new.states["rows"].load(group, old.states["rows"].export(group))
    pushed(new, more, {7})
    assert found(old) + found(new) == windows([*rows, *more], shape, keyed=True, complete=True)


def test_a_stopped_input_drops_windows_that_are_not_complete_and_counts_them() -> None:
    harness = Harness(listed(CountWindow(2, 2)), SCHEMA)
    harness.push(batch_of([("a", 1), ("a", 2), ("a", 3)]))
    harness.end(0, EndReason.STOPPED)
    assert found(harness) == [("a", [1, 2])]
    assert harness._context.counters.open_windows == 1


def test_top_and_reduce_of_each_window() -> None:
    rows = batch_of([("a", 3), ("a", 1), ("b", 7), ("a", 2), ("a", 5)])
    total = capture(lambda left, right: {**left, "v": left["v"] + right["v"]}, "reduce")
    for verb, values in ((Top(("k",), 1, "v"), [3, 5, 7]), (Reduce(("k",), total, SCHEMA), [4, 7, 7])):
        harness = Harness(Window(verb, CountWindow(2, 2)), SCHEMA)
        harness.push(rows)
        harness.end(0)
        assert harness.rows == [{"k": key, "v": value} for key, value in zip("aab", values, strict=True)]


def test_rows_of_complete_windows_are_removed() -> None:
    store = CountStore(SCHEMA, ("k",), n=10, every=10, groups=4)
    sizes = []
    for _ in range(100):
        store.add(batch_of([("a", 1)] * 999))
        sizes.append(store.size()[1])
    assert max(sizes) <= 2 * max(sizes[:40])


class TestCountStore(KeyedStateSuite):
    rows = st.lists(st.tuples(st.sampled_from(["a", "b", None]), st.integers(0, 9)), max_size=20)

    def make(self) -> CountStore:
        return CountStore(pa.schema({"k": pa.string(), "v": pa.int64()}), ("k",), 1000, 1000, self.groups)

    def feed(self, state: CountStore, rows: Sequence[Any]) -> None:
        if rows:
            keys, values = zip(*rows, strict=True)
            state.add(pa.record_batch([pa.array(keys, pa.string()), pa.array(values)], names=["k", "v"]))

    def results(self, state: CountStore) -> list[Any]:
        rest = state.rest()
        if rest is None:
            return []
        batches = [rest.rows.take(rest.numbers[a:b]) for a, b in zip(rest.starts, rest.stops, strict=True)]
        return sorted(((batch["k"][0].as_py(), sorted(batch["v"].to_pylist())) for batch in batches), key=repr)

    def many(self) -> CountStore:
        return self.fed([(str(key), key) for key in range(10_000)])
