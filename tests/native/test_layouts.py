from decimal import Decimal

import pyarrow as pa
import pytest

from sabotnb.native.layouts import decoded_array, plain_batch

VIEWS = pa.struct([("x", pa.string_view()), ("n", pa.int8())])
LARGE = pa.struct([("x", pa.large_string()), ("n", pa.int8())])

NARROW = pa.DictionaryArray.from_arrays(pa.array([0, None, 1], pa.int8()), pa.array(["a", "b"]))
WIDE = pa.dictionary(pa.int32(), pa.string())


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (pa.array(["a", None, "much longer than a view"], pa.string_view()), pa.large_string()),
        (pa.array([b"a", None, b""], pa.binary_view()), pa.large_binary()),
        (pa.array([["a"], None, []], pa.list_(pa.string_view())), pa.list_(pa.large_string())),
        (pa.array([["a"], None, []], pa.large_list(pa.string_view())), pa.large_list(pa.large_string())),
        (pa.array([{"x": "a", "n": 1}, None, {"x": None, "n": 2}], VIEWS), LARGE),
        (pa.RunEndEncodedArray.from_arrays(pa.array([2, 3], pa.int32()), pa.array([7, None])), pa.int64()),
        (
            pa.DictionaryArray.from_arrays(pa.array([0, None, 1], pa.int8()), pa.array(["a", "b"], pa.string_view())),
            pa.dictionary(pa.int32(), pa.large_string()),
        ),
        (NARROW, WIDE),
        (NARROW.cast(pa.dictionary(pa.uint64(), pa.string())), WIDE),
        (
            pa.DictionaryArray.from_arrays(NARROW.indices, ["b", "a"], ordered=True),
            pa.dictionary(pa.int32(), "str", ordered=True),
        ),
        (pa.StructArray.from_arrays([NARROW], ["x"], mask=pa.array([False, True, False])), pa.struct({"x": WIDE})),
        (pa.ListArray.from_arrays(pa.array([0, 2, None, 3]), NARROW), pa.list_(WIDE)),
        (pa.LargeListArray.from_arrays(pa.array([0, 2, None, 3], pa.int64()), NARROW), pa.large_list(WIDE)),
        (pa.FixedSizeListArray.from_arrays(pa.concat_arrays([NARROW, NARROW]), 2), pa.list_(WIDE, 2)),
        (pa.MapArray.from_arrays(pa.array([0, 2, None, 3]), pa.array([1, 2, 3]), NARROW), pa.map_(pa.int64(), WIDE)),
        (pa.array([Decimal("1.5"), None, Decimal("-2.5")], pa.decimal32(5, 1)), pa.decimal128(5, 1)),
        (pa.array([[Decimal("1.5")], None, []], pa.list_(pa.decimal64(12, 1))), pa.list_(pa.decimal128(12, 1))),
    ],
    ids=lambda given: str(given.type) if isinstance(given, pa.Array) else "",
)
@pytest.mark.parametrize("start", [0, 1, 3])
def test_the_same_values_in_a_layout_that_rows_can_be_taken_of(column, expected, start):
    batch = pa.record_batch({"x": column}).slice(start)
    plain = plain_batch(batch)
    assert plain.schema.field("x").type == expected
    assert plain.to_pylist() == batch.to_pylist()
    assert plain.take(pa.array(range(plain.num_rows), pa.int64())).equals(plain)


@pytest.mark.parametrize("index", [pa.int8(), pa.int32()])
@pytest.mark.parametrize("ordered", [False, True])
def test_a_null_among_the_values_of_a_dictionary_becomes_a_null_index(index, ordered):
    column = pa.DictionaryArray.from_arrays(pa.array([2, 1, None, 0, 2], index), ["q", None, "r"], ordered=ordered)
    plain = plain_batch(pa.record_batch({"x": column}))
    assert plain["x"].to_pylist() == ["r", None, None, "q", "r"]
    assert plain["x"].dictionary.to_pylist() == ["q", "r"]
    pa.Table.from_batches([plain, plain_batch(pa.record_batch({"x": column[1:]}))]).unify_dictionaries()


def test_a_batch_of_plain_layouts_is_handed_on():
    batch = pa.record_batch({"x": [1, 2], "text": ["a", "b"]})
    assert plain_batch(batch) is batch


@pytest.mark.parametrize("start", [0, 1])
@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (NARROW, pa.string()),
        (
            pa.StructArray.from_arrays([NARROW, NARROW.indices], ["x", "n"]),
            pa.struct({"x": pa.string(), "n": pa.int8()}),
        ),
        (pa.ListArray.from_arrays(pa.array([0, 2, None, 3]), NARROW), pa.list_(pa.string())),
        (pa.MapArray.from_arrays(pa.array([0, 2, 3]), pa.array([1, 2, 3]), NARROW), pa.map_(pa.int64(), pa.string())),
    ],
)
def test_values_without_dictionaries(column, expected, start: int):
    decoded = decoded_array(column.slice(start))
    assert decoded.type == expected
    assert decoded.to_pylist() == column.slice(start).to_pylist()
    assert decoded_array(decoded) is decoded
