"""Slices that somebody holds keep nothing else alive."""

import gc

import pyarrow as pa
import pytest

from sabotnb.native.compact import compact, own_bytes, without_unused

COLUMNS = {
    "int": pa.array(range(10_000)),
    "text": pa.array([None if i % 7 == 0 else f"text {i}" for i in range(10_000)]),
    "bool": pa.array([i % 3 == 0 for i in range(10_000)]),
    "list": pa.array([[i, None] for i in range(10_000)]),
    "struct": pa.array([{"x": i, "s": str(i)} for i in range(10_000)]),
    "dictionary": pa.array([f"value {i % 5}" for i in range(10_000)]).dictionary_encode(),
    "null": pa.nulls(10_000),
}


def held(batch):
    return compact(batch, own_bytes(batch))


@pytest.mark.parametrize("name", COLUMNS)
def test_a_small_slice_is_copied_and_a_whole_batch_is_not(name):
    whole = pa.record_batch({"x": COLUMNS[name]})
    assert held(whole) is whole
    piece = whole.slice(17, 100)
    kept = held(piece)
    kept.validate(full=True)
    assert kept.equals(piece)
    assert kept.schema.equals(whole.schema)
    column = kept.column(0)
    if name == "dictionary":
        assert column.dictionary.buffers()[2].address == COLUMNS[name].dictionary.buffers()[2].address
        column = column.indices
    assert column.get_total_buffer_size() <= 2 * column.nbytes
    assert held(kept) is kept


def test_memory_of_the_rest_goes():
    gc.collect()
    before = pa.total_allocated_bytes()
    pieces = []
    for _ in range(20):
        batch = pa.record_batch({"x": pa.array(range(100_000)).cast(pa.float64())})
        pieces.append(held(batch.slice(5, 1000)))
    del batch
    assert pa.total_allocated_bytes() - before < 20 * 1000 * 8 * 2


def test_shared_dictionaries_are_no_bytes_of_a_batch():
    texts = pa.DictionaryArray.from_arrays(pa.array([0, 1], pa.int32()), pa.array(["x" * 1000, "y" * 1000]))
    assert own_bytes(pa.record_batch({"s": texts, "n": pa.array([1, 2])})) == 2 * 4 + 2 * 8


@pytest.mark.parametrize("index", [pa.int8(), pa.uint32()])
def test_values_that_no_row_has_are_left_out_of_a_large_dictionary(index):
    column = pa.DictionaryArray.from_arrays(pa.array([99, None, 7, 99], index), pa.array([str(i) for i in range(100)]))
    kept = without_unused(column)
    kept.validate(full=True)
    assert kept.type == column.type
    assert kept.to_pylist() == ["99", None, "7", "99"]
    assert len(kept.dictionary) == 2
    assert without_unused(kept) is kept
    plain = pa.array([1])
    assert without_unused(plain) is plain
