"""Slots in pieces of bounded size."""

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from sabotnb.state.slot_ranges import FIRST_ROWS, PIECE_BYTES, PIECE_ROWS, SlotRange, cut, fixed_row_bytes, in_pieces


@given(sizes=st.lists(st.integers(0, 20), max_size=6), limit=st.integers(1, 7))
def test_spans_cover_all_slots_once_in_lists_of_the_limit(sizes, limit):
    pieces = list(cut(enumerate(sizes), limit))
    assert [sum(map(len, piece)) for piece in pieces[:-1]] == [limit] * (len(pieces) - 1)
    slots = [(span.group, slot) for piece in pieces for span in piece for slot in range(span.start, span.stop)]
    assert slots == [(group, slot) for group, size in enumerate(sizes) for slot in range(size)]
    assert all(isinstance(span, SlotRange) and len(span) for piece in pieces for span in piece)


def lengths(size, values, row_bytes=None):
    """How many rows are read at a time."""
    found = []

    def read(start, stop):
        found.append((start, stop))
        return pa.record_batch({"x": values(stop - start)})

    assert sum(batch.num_rows for batch in in_pieces(size, read, row_bytes)) == size
    assert [start for start, _ in found[1:]] == [stop for _, stop in found[:-1]]
    return [stop - start for start, stop in found]


def test_small_rows_come_many_at_a_time():
    rest = 200_000 - FIRST_ROWS - 3 * PIECE_ROWS
    assert lengths(200_000, lambda rows: pa.array(range(rows))) == [FIRST_ROWS, *[PIECE_ROWS] * 3, rest]


def test_rows_of_a_known_size_are_all_read_in_large_pieces():
    schema = pa.schema({"i": pa.int64(), "d": pa.decimal128(38), "b": pa.bool_(), "t": pa.timestamp("us")})
    assert fixed_row_bytes(schema) == 32
    assert lengths(200_000, pa.nulls, 32) == [*[PIECE_ROWS] * 3, 200_000 - 3 * PIECE_ROWS]
    assert lengths(10, pa.nulls, PIECE_BYTES // 4) == [4, 4, 2]
    assert lengths(2, pa.nulls, 2 * PIECE_BYTES) == [1, 1]


def test_rows_of_texts_and_lists_have_no_known_size():
    assert fixed_row_bytes(pa.schema({"i": pa.int64(), "s": pa.string()})) is None
    assert fixed_row_bytes(pa.schema({"l": pa.list_(pa.int64())})) is None
    assert fixed_row_bytes(pa.schema([])) == 0


def test_large_rows_come_few_at_a_time():
    text = pa.array(["x" * 100_000])
    few = PIECE_BYTES // 100_004
    rest = 1300 - FIRST_ROWS - few
    assert lengths(1300, lambda rows: text.take(pa.array([0] * rows))) == [FIRST_ROWS, few, rest]


def test_no_rows_are_no_piece():
    assert lengths(0, pa.nulls) == []
