"""A store of rows joins small batches, and holds the same rows."""

import pyarrow as pa
import pytest

from sabotnb.state import GroupedRows

SCHEMA = pa.schema({"k": pa.dictionary(pa.int32(), pa.string()), "x": pa.int64()})
WORDS = pa.array([f"word {number}" for number in range(50)])


def batch(number, rows=1000, words=WORDS):
    codes = pa.array([(number + row) % 50 for row in range(rows)], pa.int32())
    numbers = pa.array([None if row % 7 == 0 else number for row in range(rows)], pa.int64())
    return pa.RecordBatch.from_arrays([pa.DictionaryArray.from_arrays(codes, words), numbers], schema=SCHEMA)


@pytest.mark.parametrize("own", [False, True], ids=["one dictionary", "dictionaries of their own"])
def test_small_batches_are_joined_in_their_order(own):
    rows = GroupedRows(SCHEMA, ["k"], 8)
    batches = [batch(number, words=WORDS.take(pa.array(range(50))) if own else WORDS) for number in range(100)]
    for each in batches:
        rows.add(each)
    rows.join_small()
    taken = []
    while (first := rows.take_first()) is not None:
        taken.append(first)
    assert len(taken) == 2
    assert pa.Table.from_batches(taken).to_pylist() == pa.Table.from_batches(batches).to_pylist()
    assert rows.rows == rows.size()[1] == 0
    assert own or all(each.column("k").dictionary.buffers()[2].address == WORDS.buffers()[2].address for each in taken)


def test_large_batches_are_left_as_they_are():
    rows = GroupedRows(SCHEMA, ["k"], 8)
    large = [batch(number, rows=70_000) for number in range(3)]
    for each in large:
        rows.add(each)
    rows.join_small()
    assert [rows.take_first().column("x").buffers()[1].address for _ in large] == [
        each.column("x").buffers()[1].address for each in large
    ]
