"""Rows by key group against lists of rows."""

from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from aggregates_oracle import rank
from hypothesis import given, settings
from hypothesis import strategies as st

from sabotnb.state.grouped_batches import GroupedBatch, GroupedBatches, join
from sabotnb.state.retention import ALL_ROWS, LOT_ROWS, Direction, Retention, _kept
from sabotnb.state.row_store import RowStore
from sabotnb.state.slot_ranges import PIECE_BYTES, PIECE_ROWS

UP, DOWN = Direction.UP, Direction.DOWN
SCHEMA = pa.schema({"x": pa.int64(), "f": pa.float64(), "s": pa.dictionary(pa.int32(), pa.string())})
ROW = st.fixed_dictionaries(
    {
        "group": st.integers(0, 3),
        "slot": st.integers(0, 2),
        "x": st.none() | st.integers(0, 3),
        "f": st.none() | st.sampled_from([0.5, -1.0, float("nan"), -0.0]),
        "s": st.none() | st.sampled_from("abc"),
    }
).map(lambda row: {name: row[name] for name in ("group", "slot", *SCHEMA.names)})
LOTS = st.lists(st.lists(ROW, min_size=1, max_size=12), max_size=5)
KEEPS = st.builds(
    Retention,
    limit=st.none() | st.integers(1, 3),
    order=st.sampled_from([(("x", DOWN),), (("f", UP), ("x", UP)), (("s", UP), ("f", DOWN), ("x", DOWN))]),
    ties=st.booleans(),
)


def batch_of(rows):
    return pa.RecordBatch.from_pylist([{name: row[name] for name in SCHEMA.names} for row in rows], SCHEMA)


def add(pile, rows):
    groups, slots = (np.array([row[name] for row in rows]) for name in ("group", "slot"))
    return pile.add(batch_of(rows), groups.astype(np.uint16), slots.astype(np.uint32))


def piled(lots, keep=ALL_ROWS, **options):
    pile = RowStore(SCHEMA, keep, **options)
    for rows in lots:
        add(pile, rows)
    return pile


def rows_of(pieces):
    return [
        {"group": int(group), "slot": int(slot), **row}
        for piece in pieces
        for group, slot, row in zip(piece.groups, piece.slots, piece.batch.to_pylist(), strict=True)
    ]


def place(row, order):
    """Sorts as ``order`` says; nulls are last in both directions."""
    found = [row["group"], row["slot"]]
    for name, direction in order:
        above, number = rank(ord(row[name]) if isinstance(row[name], str) else row[name])
        sign = -1 if direction is DOWN and above < 2 else 1
        found.append((above == 2, sign * above, sign * number))
    return found


def kept(rows, keep):
    """The rows that are kept, by comparing each with all others of its key."""
    ordered = sorted(rows, key=lambda row: place(row, keep.order))
    if keep.limit is None:
        return ordered
    out = []
    for number, row in enumerate(ordered):
        better = sum(place(other, keep.order[:1]) < place(row, keep.order[:1]) for other in mates(row, ordered))
        before = better if keep.ties else len(mates(row, ordered[:number]))
        out += [row] if before < keep.limit else []
    return out


def mates(row, rows):
    return [other for other in rows if place(other, ()) == place(row, ())]


def same(found, expected):
    return repr(found) == repr(expected)


@given(lots=LOTS, keep=KEEPS, pile_rows=st.sampled_from([1, 5, 1000]))
@settings(max_examples=100, deadline=None)
def test_rows_are_sorted_and_cut_whatever_was_cut_before(lots, keep, pile_rows):
    pile = piled(lots, keep, pile_rows=pile_rows)
    expected = kept([row for rows in lots for row in rows], keep)
    found = rows_of(pile.arrange().pieces)
    assert same([place(row, keep.order) for row in found], [place(row, keep.order) for row in expected])
    if len(keep.order) == 3:  # rows that are equal in all columns are equal
        assert same(found, expected)
    assert pile.rows == len(expected)


def unordered(rows):
    return sorted(rows, key=repr)


@given(
    lots=LOTS,
    later=LOTS,
    dropped=st.sets(st.integers(0, 3)),
    asked=st.sampled_from([[0, 1, 2, 3], [2]]),
    joined=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_groups_are_dropped_alone_and_frozen_as_they_are(lots, later, dropped, asked, joined):
    pile, rows = piled(lots), [row for each in lots for row in each]
    if joined:
        pile.join()
    frozen = pile.freeze(asked)
    for group in dropped:
        pile.drop(group)
        assert pile.bytes_of(group) == 0
    left = [row for row in rows if row["group"] not in dropped]
    assert pile.rows == len(left)
    for each in later:
        add(pile, each)
        left += each
    assert pile.groups() == sorted({row["group"] for row in left})
    assert same(unordered(rows_of(pile.join().pieces)), unordered(left))
    for group in asked:
        of_group = [row for row in rows if row["group"] == group]
        assert same(rows_of(frozen.pieces(group)), of_group)
        assert same(rows_of(frozen.arranged(group).pieces), kept(of_group, ALL_ROWS))


@given(lots=LOTS, numbers=st.lists(st.none() | st.integers(0, 10**6), max_size=20), together=st.booleans())
@settings(max_examples=60, deadline=None)
def test_rows_are_taken_by_number_from_one_piece_or_many(lots, numbers, together):
    pieces = [GroupedBatch(batch_of(rows)) for rows in lots]
    joined = join(SCHEMA, pieces) if together else GroupedBatches(SCHEMA, pieces)
    rows = [row for piece in pieces for row in piece.batch.to_pylist()]
    wanted = [None if number is None or not rows else number % len(rows) for number in numbers]
    expected = [dict.fromkeys(SCHEMA.names) if number is None else rows[number] for number in wanted]
    for kind in (pa.int64(), pa.uint64()):
        assert same(joined.take(pa.array(wanted, kind)).to_pylist(), expected)
    start = len(rows) // 3
    assert same(joined.slice(start, len(rows)).to_pylist(), rows[start:])


def test_many_rows_are_sorted_lot_by_lot():
    random = np.random.default_rng(1)
    rows = 3 * LOT_ROWS
    x, groups, slots = random.integers(0, 100, rows), random.integers(0, 50, rows), random.integers(0, 9, rows)
    pile = RowStore(pa.schema({"x": pa.int64()}), Retention(order=(("x", UP),)))
    pile.add(pa.record_batch({"x": x}), groups.astype(np.uint16), slots.astype(np.uint32))
    order = np.lexsort((x, slots, groups))
    found = pile.arrange()
    assert (found.column("x").to_numpy() == x[order]).all()
    assert (found.groups == groups[order]).all()
    assert (found.slots == slots[order]).all()


def test_the_rows_that_came_first_are_given_up_first():
    nulls = dict.fromkeys(SCHEMA.names)
    pile = piled([[nulls | {"x": x, "group": x % 2, "slot": 0} for x in range(rows)] for rows in (3, 2)])
    pile.drop(1)
    assert pile.take_first()["x"].to_pylist() == [0, 2]
    assert pile.take_first()["x"].to_pylist() == [0]
    assert pile.take_first() is None
    assert (pile.rows, pile.nbytes) == (0, 0)


@pytest.mark.parametrize(("width", "rows"), [(8, PIECE_ROWS), (1000, PIECE_BYTES // 1006)])
def test_frozen_rows_come_in_pieces(width, rows):
    pile = RowStore(pa.schema({"s": pa.binary(width)}))
    values = pa.array([b"x" * width], pa.binary(width)).take(pa.array(np.zeros(150_000, np.int64)))
    pile.add(pa.record_batch({"s": values}), np.arange(150_000, dtype=np.uint16) % 2, None)
    sizes = [piece.batch.num_rows for piece in pile.freeze([1]).pieces(1)]
    assert sum(sizes) == 75_000
    assert sizes[0] == pytest.approx(rows, rel=0.01)


@given(lots=LOTS, keep=KEEPS)
@settings(max_examples=60, deadline=None)
def test_rows_that_one_piece_has_no_room_for_are_sorted_and_cut_alike(lots, keep):
    rows = [row for each in lots for row in each]
    groups, slots = (np.array([row[name] for row in rows]) for name in ("group", "slot"))
    together = GroupedBatch(batch_of(rows), groups.astype(np.uint16), slots.astype(np.uint32))
    bounds = np.cumsum([0, *map(len, lots)]).tolist()
    apart = [together.slice(start, stop) for start, stop in pairwise(bounds)]
    assert (
        _kept(GroupedBatches(SCHEMA, apart), keep).tolist() == _kept(GroupedBatches(SCHEMA, [together]), keep).tolist()
    )
