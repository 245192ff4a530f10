"""Partitioning against Python lists; pyarrow's own ``take`` does not know every type."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sabotnb.errors import TypeMismatch
from sabotnb.native import hash_rows, key_groups, partition, scatter


def rows_of(batch):
    """Repr, because NaN must be equal to itself."""
    return [repr(row) for row in batch.to_pylist()] if batch is not None else []


def expected(batch, destinations, partitions):
    rows = rows_of(batch)
    return [[row for row, d in zip(rows, destinations, strict=True) if d == p] for p in range(partitions)]


def u16(values):
    return pa.array(values, pa.uint16())


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_scatter_sends_each_row_where_it_should(batches, data):
    batch = data.draw(batches)
    partitions = data.draw(st.integers(1, 9))
    destination = st.integers(0, partitions - 1)
    destinations = data.draw(st.lists(destination, min_size=batch.num_rows, max_size=batch.num_rows))
    pieces = scatter(batch, u16(destinations), partitions)
    assert [rows_of(piece) for piece in pieces] == expected(batch, destinations, partitions)
    for piece in pieces:
        if piece is not None:
            assert piece.num_rows > 0
            assert piece.schema.equals(batch.schema)
            piece.validate(full=True)


@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_partition_follows_the_table(key_arrays, data):
    rows = data.draw(st.integers(0, 60))
    columns = data.draw(st.lists(key_arrays(rows), min_size=1, max_size=3))
    batch = pa.record_batch(columns, names=list("abc"[: len(columns)]))
    keys = data.draw(st.lists(st.sampled_from(range(len(columns))), min_size=1, unique=True))
    partitions = data.draw(st.integers(1, 5))
    table = data.draw(st.lists(st.integers(0, partitions - 1), min_size=1, max_size=140))
    groups = key_groups(hash_rows([batch.column(key) for key in keys]), len(table)).to_pylist()
    pieces = partition(batch, keys, u16([0, *table]).slice(1), partitions)
    assert [rows_of(piece) for piece in pieces] == expected(batch, [table[g] for g in groups], partitions)


def test_dictionary_is_kept_not_copied():
    column = pa.array(["a", "b", "a", None]).dictionary_encode()
    pieces = scatter(pa.record_batch([column], names=["x"]), u16([1, 0, 0, 1]), 2)
    assert [piece.column(0).dictionary.buffers()[2].address for piece in pieces] == [
        column.dictionary.buffers()[2].address
    ] * 2


def test_one_destination_gives_the_batch_itself():
    batch = pa.record_batch({"x": [1, 2, 3]})
    assert scatter(batch, u16([2, 2, 2]), 4) == [None, None, batch, None]
    assert partition(batch, [0], u16([1] * 128), 2)[1] is batch
    assert partition(batch, [0], u16([0] * 128), 1)[0] is batch


def test_empty_batch_has_no_pieces():
    empty = pa.record_batch({"x": pa.array([], pa.string())})
    assert scatter(empty, u16([]), 3) == partition(empty, [0], u16([0, 1]), 3) == [None] * 3
    assert partition(empty, [0], u16([0]), 1) == [None]


def test_extension_types_stay():
    column = pa.ExtensionArray.from_storage(pa.uuid(), pa.array([b"a" * 16, None, b"c" * 16], pa.binary(16)))
    first, second = scatter(pa.record_batch([column], names=["id"]), u16([1, 0, 1]), 2)
    assert first.schema.field(0).type == pa.uuid()
    assert second.column(0).storage.to_pylist() == [b"a" * 16, b"c" * 16]


def test_rows_of_a_large_batch_stay_in_order():
    values = np.arange(200_000)
    pieces = scatter(pa.record_batch({"x": values, "s": [f"{v}" for v in values]}), u16(values % 7), 7)
    for remainder, piece in enumerate(pieces):
        assert piece.column("x").to_pylist() == list(range(remainder, 200_000, 7))
        assert piece.column("s").to_pylist() == [f"{v}" for v in range(remainder, 200_000, 7)]


def test_refuses_wrong_destinations():
    batch = pa.record_batch({"x": [1, 2]})
    with pytest.raises(ValueError, match="row 1 is for partition 2 of 2"):
        scatter(batch, u16([0, 2]), 2)
    with pytest.raises(ValueError, match="1 destinations for 2 rows"):
        scatter(batch, u16([0]), 2)
    with pytest.raises(ValueError, match="0 partitions"):
        scatter(batch, u16([0, 0]), 0)
    with pytest.raises(TypeMismatch, match="uint16"):
        scatter(batch, pa.array([0, 1]), 2)
    with pytest.raises(TypeMismatch, match="uint16"):
        scatter(batch, u16([0, None]), 2)


def test_refuses_wrong_tables():
    batch = pa.record_batch({"x": [1, 2]})
    with pytest.raises(ValueError, match="key group 1 to partition 3 of 3"):
        partition(batch, [0], u16([0, 3]), 3)
    with pytest.raises(TypeMismatch, match="table"):
        partition(batch, [0], u16([]), 3)
