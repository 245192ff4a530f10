import io

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sabotnb.native.footer import footer_fault

TABLE = pa.table(
    {
        "i": pa.array([1, 2], pa.int32()),
        "s": ["a", None],
        "deep": [{"x": [{"y": [1.5]}]}, None],
        "m": pa.array([[("a", [1])], []], pa.map_(pa.string(), pa.list_(pa.int8()))),
        "f": pa.array([b"ab", b"cd"], pa.binary(2)),
        "n": pa.nulls(2),
    }
)


def footer(data):
    return data[-8 - int.from_bytes(data[-8:-4], "little") : -8]


def written(**options):
    target = io.BytesIO()
    pq.write_table(TABLE, target, **options)
    return footer(target.getvalue())


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"version": "1.0", "use_compliant_nested_type": False},
        {"data_page_version": "2.0", "write_page_index": True},
        {"write_statistics": False},
        {"row_group_size": 1, "sorting_columns": [pq.SortingColumn(0)]},
    ],
    ids=str,
)
def test_footers_of_arrow_are_sound(options):
    assert footer_fault(written(**options)) is None


def test_footers_of_others_and_without_columns_are_sound():
    target = io.BytesIO()
    pl.from_arrow(TABLE.drop_columns("m")).write_parquet(target)
    assert footer_fault(footer(target.getvalue())) is None
    pq.write_table(pa.table({}), target := io.BytesIO())
    assert footer_fault(footer(target.getvalue())) is None


def test_every_part_of_a_footer_is_damaged():
    whole = written()
    for length in range(len(whole) - 1):
        assert footer_fault(whole[:length]) == "its footer is damaged"


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        (b"\x15\x02\x19", b"\x15\x04\x19", "a column chunk is of another type than its column"),
        (b"\x19\x18\x01i", b"\x19\x18\x01j", "a column chunk has another name than its column"),
        (b"\x18\x04\x02\x00\x00\x00", b"\x18\x02\x02\x00", "the statistics of a column are not values of its type"),
    ],
)
def test_what_contradicts_the_schema_is_named(old, new, fault):
    whole = written()
    assert old in whole
    assert footer_fault(whole.replace(old, new)) == fault


@settings(max_examples=300)
@given(data=st.binary(max_size=200))
def test_any_bytes_have_an_answer(data):
    assert footer_fault(data) is None or isinstance(footer_fault(data), str)


@settings(max_examples=300)
@given(at=st.integers(0, len(written()) - 1), new=st.integers(0, 255))
def test_any_change_has_an_answer(at, new):
    data = bytearray(written())
    data[at] = new
    assert footer_fault(bytes(data)) is None or isinstance(footer_fault(bytes(data)), str)
