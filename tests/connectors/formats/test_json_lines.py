import json
import math

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sabotnb.connectors.formats.json_lines import json_lines
from sabotnb.errors import SinkError

rows = st.lists(
    st.fixed_dictionaries(
        {
            "i": st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1)),
            "f": st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False)),
            's"\n': st.one_of(st.none(), st.text(st.characters(exclude_categories=["Cs"]))),
            "b": st.one_of(st.none(), st.booleans()),
            "l": st.one_of(st.none(), st.lists(st.text(st.characters(exclude_categories=["Cs"])), max_size=2)),
        }
    ),
    max_size=20,
)
SCHEMA = pa.schema(
    {"i": pa.int64(), "f": pa.float64(), 's"\n': pa.string(), "b": pa.bool_(), "l": pa.list_(pa.string())}
)


@settings(deadline=None, max_examples=100)
@given(rows=rows, start=st.integers(0, 5))
def test_a_json_parser_reads_the_rows(rows, start):
    batch = pa.RecordBatch.from_pylist(rows, SCHEMA).slice(start)
    lines = json_lines(batch).decode().split("\n")
    assert lines.pop() == ""
    assert [json.loads(line) for line in lines] == rows[start:]


@pytest.mark.parametrize(
    ("micros", "text"),
    [([0, None], "1970-01-01T00:00:00"), ([0, 1], "1970-01-01T00:00:00.000000"), ([-1], "1969-12-31T23:59:59.999999")],
)
def test_fractions_of_seconds_only_where_there_are_some(micros, text):
    batch = pa.RecordBatch.from_pydict({"t": pa.array(micros, pa.int64()).cast(pa.timestamp("us"))})
    assert json.loads(json_lines(batch).split(b"\n")[0]) == {"t": text}


@pytest.mark.parametrize("data_type", [pa.float16(), pa.float32(), pa.float64()])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_numbers_that_json_lacks_are_refused(data_type, value):
    column = pa.array([1.0, None, value], pa.float64()).cast(data_type)
    advice = r"make it null, .with_columns\(\*\*\{'x': .*is_finite\(\).*\}\), or write Parquet"
    with pytest.raises(SinkError, match=f"column 'x' has {value}, which JSON cannot hold: {advice}"):
        json_lines(pa.record_batch({"x": column}))
    lists = pa.ListArray.from_arrays([0, 3], column)
    with pytest.raises(SinkError, match=f"column 'x' has {value}, which JSON cannot hold: write Parquet"):
        json_lines(pa.record_batch({"x": lists}))


@pytest.mark.parametrize(
    ("column", "texts"),
    [
        (pa.array([1, None], pa.duration("s")), ["1", "null"]),
        (pa.array([1_000_000, 2_000_000], pa.duration("us")), ["1", "2"]),
        (pa.array([1, -1_500_000_000], pa.duration("ns")), ["1E-9", "-1.500000000"]),
        (pa.array([0], pa.int64()).cast(pa.timestamp("ns", "Europe/Berlin")), ['"1970-01-01T00:00:00Z"']),
        (pa.array([b"\xff", None], pa.binary()), ['"/w=="', "null"]),
        (pa.array([[1, None], [], None]), ["[1,null]", "[]", "null"]),
        (pa.array([[1, 2], None], pa.list_(pa.int8(), 2)), ["[1,2]", "null"]),
        (pa.array([{"a": 1, "b": "x"}, None, {}]), ['{"a":1,"b":"x"}', "null", '{"a":null,"b":null}']),
        (pa.array([{}, None], pa.struct([])), ["{}", "null"]),
        (pa.array([[("a", 1)], [], None], pa.map_("string", "int8")), ['[{"key":"a","value":1}]', "[]", "null"]),
        (pa.array([[{"a": [None]}, None]]), ['[{"a":[null]},null]']),
        (pa.nulls(2), ["null", "null"]),
    ],
)
def test_values_as_text(column, texts):
    lines = [f'{{"x":{text}}}\n' for text in texts]
    assert json_lines(pa.record_batch({"x": column})).decode() == "".join(lines)
    assert json_lines(pa.record_batch({"x": column.slice(1)})).decode() == "".join(lines[1:])
