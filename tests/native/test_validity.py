import ctypes
import struct

import pyarrow as pa
import pytest

from sabotnb.native.validity import check_batch, check_table, checked


def of(data_type, length, *buffers):
    return pa.Array.from_buffers(data_type, length, [None, *(pa.py_buffer(buffer) for buffer in buffers)])


def indexes(*values):
    return pa.DictionaryArray.from_arrays(pa.array(values, pa.int32()), pa.array(["a", "b"]), safe=False)


FAR = struct.pack("iii", 0, 1 << 28, 2)
BROKEN = {
    "offsets beyond the text": of(pa.string(), 2, FAR, b"ab"),
    "offsets that go back": of(pa.large_string(), 2, struct.pack("qqq", 0, 2, 1), b"ab"),
    "an index beyond the dictionary": indexes(0, 1 << 20),
    "an index below zero": indexes(0, -5),
    "a broken dictionary": pa.DictionaryArray.from_arrays(pa.array([0]), of(pa.string(), 2, FAR, b"ab"), safe=False),
    "offsets of a list": pa.Array.from_buffers(
        pa.list_(pa.int8()), 2, [None, pa.py_buffer(FAR)], children=[pa.array([1, 2], pa.int8())]
    ),
    "a view of nothing": of(pa.string_view(), 1, struct.pack("<i4sii", 40, b"abcd", 7, 99)),
    "an index in a struct": pa.StructArray.from_arrays([indexes(7)], ["x"]),
}


@pytest.mark.parametrize("array", BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize("text", [True, False])
def test_what_would_end_the_process_is_refused(array, text: bool):
    with pytest.raises(pa.ArrowInvalid, match="column 'x': "):
        check_batch(pa.RecordBatch.from_arrays([array], ["x"]), text=text)
    with pytest.raises(pa.ArrowInvalid, match="column 'x': "):
        check_table(pa.table({"x": pa.chunked_array([array.slice(0, 0), array])}), text=text)
    with pytest.raises(pa.ArrowException):
        checked(pa.chunked_array([array.slice(0, 0), array]), text=text)


def test_a_dictionary_that_batches_share_is_checked_once():
    values = pa.array(["a", "b"])
    known: dict[str, pa.Array] = {}
    first = pa.RecordBatch.from_arrays([pa.DictionaryArray.from_arrays(pa.array([0, 1]), values)], ["x"])
    check_batch(first, known=known)
    assert known["x"].equals(values)
    for wrong in (2, -1):
        bad = pa.DictionaryArray.from_arrays(pa.array([0, wrong]), values, safe=False)
        with pytest.raises(pa.ArrowInvalid, match="column 'x': "):
            check_batch(pa.RecordBatch.from_arrays([bad], ["x"]), known=known)
    broken = BROKEN["a broken dictionary"]
    with pytest.raises(pa.ArrowInvalid, match="column 'x': "):
        check_batch(pa.RecordBatch.from_arrays([broken], ["x"]), known=known)


def test_text_that_is_not_utf_8_is_refused_where_that_is_asked_for():
    batch = pa.RecordBatch.from_arrays([of(pa.string(), 1, struct.pack("ii", 0, 2), b"\xff\xfe")], ["x"])
    check_batch(batch, text=False)
    with pytest.raises(pa.ArrowInvalid, match="UTF8"):
        check_batch(batch)


def test_no_bytes_stand_for_any_number_of_rows():
    with pytest.raises(pa.ArrowInvalid, match="1099511627776 rows of nothing"):
        check_batch(pa.RecordBatch.from_arrays([pa.Array.from_buffers(pa.null(), 1 << 40, [None])], ["x"]))
    check_batch(pa.RecordBatch.from_arrays([pa.nulls(1000)], ["x"]))


def claiming(batch, rows):
    """``batch`` from a library that says that it has ``rows`` rows."""
    array, schema = (ctypes.create_string_buffer(size) for size in (80, 72))
    batch._export_to_c(ctypes.addressof(array), ctypes.addressof(schema))
    ctypes.c_int64.from_buffer(array).value = rows
    return pa.RecordBatch._import_from_c(ctypes.addressof(array), ctypes.addressof(schema))


@pytest.mark.parametrize("rows", [0, 2, 5])
def test_columns_have_as_many_values_as_the_batch_has_rows(rows):
    batch = claiming(pa.RecordBatch.from_pydict({"x": [1, 2, 3]}), rows)
    with pytest.raises(pa.ArrowInvalid, match=f"column 'x' has 3 values for {rows} rows"):
        check_batch(batch)


def batch_that_claims(column, length):
    """A batch of ``column``, which has 1037 values, damaged so that it claims ``length`` values."""
    stream, written = pa.BufferOutputStream(), pa.RecordBatch.from_arrays([column], ["c"])
    with pa.ipc.new_stream(stream, written.schema) as writer:
        writer.write_batch(written)
    raw = stream.getvalue().to_pybytes().replace((1037).to_bytes(8, "little"), length.to_bytes(8, "little"))
    return next(iter(pa.ipc.open_stream(raw)))


@pytest.mark.parametrize("text", [True, False])
@pytest.mark.parametrize("known", [None, {}])
@pytest.mark.parametrize("length", [5000, 1 << 24, 1 << 40])
@pytest.mark.parametrize("data_type", [pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())], ids=str)
def test_lengths_beyond_the_buffers_are_refused(data_type, length, known, text):
    column = pa.array(["abc"] * 1037).cast(data_type)
    with pytest.raises(pa.ArrowInvalid, match="column 'c': Buffer #1 too small"):
        check_batch(batch_that_claims(column, length), text=text, known=known)
