import csv
import io
import math

import pyarrow as pa
import pyarrow.csv
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sabotnb.connectors.formats.csv_lines import csv_header, csv_lines
from sabotnb.connectors.formats.json_lines import json_lines
from sabotnb.errors import SinkError

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "i": st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1)),
            "f": st.one_of(st.none(), st.floats(allow_nan=False), st.integers(-9, 9).map(float)),
            's"\n,': st.one_of(st.none(), TEXT),
            "b": st.one_of(st.none(), st.booleans()),
            "t": st.one_of(st.none(), st.datetimes()),
        }
    ),
    min_size=1,
    max_size=20,
)
SCHEMA = pa.schema({"i": pa.int64(), "f": pa.float64(), 's"\n,': pa.string(), "b": pa.bool_(), "t": pa.timestamp("us")})


@settings(deadline=None, max_examples=100)
@given(rows=ROWS, start=st.integers(0, 5))
def test_a_csv_parser_reads_the_rows(rows, start):
    batch = pa.RecordBatch.from_pylist(rows, SCHEMA).slice(start)
    text = csv_header(SCHEMA) + csv_lines(batch)
    read = pyarrow.csv.read_csv(
        io.BytesIO(text),
        parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True),
        convert_options=pyarrow.csv.ConvertOptions(
            column_types=SCHEMA, strings_can_be_null=True, quoted_strings_can_be_null=False, null_values=[""]
        ),
    )
    assert read.to_pylist() == batch.to_pylist()


@settings(deadline=None, max_examples=50)
@given(values=st.lists(st.floats(), min_size=1))
def test_floats_are_written_so_that_they_are_read_as_such(values):
    lines = csv_lines(pa.record_batch({"f": values})).decode().splitlines()
    for text, value in zip(lines, values, strict=True):
        assert not text.lstrip("-").isdigit()
        assert float(text) == value or (math.isnan(value) and text == "nan")


def test_nulls_and_empty_texts_differ():
    batch = pa.record_batch({"a": ["", None], "b": [None, 'x"y']})
    assert csv_lines(batch) == b'"",\n,"x""y"\n'
    assert list(csv.reader(io.StringIO(csv_lines(batch).decode()))) == [["", ""], ["", 'x"y']]


@pytest.mark.parametrize("lines", [csv_lines, json_lines])
@pytest.mark.parametrize("zone", [None, "Europe/Berlin"])
def test_the_first_nanoseconds_which_no_parser_reads_are_refused(lines, zone):
    kind = pa.timestamp("ns", zone)
    with pytest.raises(SinkError, match=r"1677-09-21 00:12:43.145224193"):
        lines(pa.record_batch({"t": pa.array([0, -(2**63) + 1], pa.int64()).cast(kind)}))
    text = lines(pa.record_batch({"t": pa.array([-9_223_372_036_000_000_000], pa.int64()).cast(kind)}))
    assert b"00:12:44" in text
