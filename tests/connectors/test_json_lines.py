import json
import math

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sabotnb.connectors.json_lines import json_lines

rows = st.lists(
    st.fixed_dictionaries(
        {
            "i": st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1)),
            "f": st.one_of(st.none(), st.floats()),
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
    expected = [
        {name: None if isinstance(value, float) and not math.isfinite(value) else value for name, value in row.items()}
        for row in rows[start:]
    ]
    lines = json_lines(batch).decode().split("\n")
    assert lines.pop() == ""
    assert [json.loads(line) for line in lines] == expected


@pytest.mark.parametrize(
    ("micros", "text"),
    [([0, None], "1970-01-01T00:00:00"), ([0, 1], "1970-01-01T00:00:00.000000"), ([-1], "1969-12-31T23:59:59.999999")],
)
def test_fractions_of_seconds_only_where_there_are_some(micros, text):
    batch = pa.RecordBatch.from_pydict({"t": pa.array(micros, pa.int64()).cast(pa.timestamp("us"))})
    assert json.loads(json_lines(batch).split(b"\n")[0]) == {"t": text}
