"""Keys of every type meet in their group, whether it is in memory or in a file."""

import datetime as dt
import decimal
import math

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sabotnb.config import Config
from sabotnb.graph import Aggregate, AggregateColumn, Distinct, Join
from sabotnb.testing import Harness, assert_rows

TEXTS = ["", "a", "b", "ab", "é", "a\0"]
TIMES = [dt.datetime(1970, 1, 1), dt.datetime(2030, 2, 3, 4, 5, 6, 7), dt.datetime(1900, 1, 1)]
DECIMALS = [decimal.Decimal(text) for text in ("0.00", "1.50", "-1.50", "99.99")]
FLOATS = [0.0, -0.0, 1.5, math.nan, math.inf, -math.inf]
SMALL = [0, 1, 2, 3, 100]
VALUES = {
    pa.bool_(): [True, False],
    pa.int8(): [*SMALL, -1, -128],
    pa.int32(): [*SMALL, -1],
    pa.int64(): [*SMALL, -1, 2**63 - 1, -(2**63)],
    pa.uint16(): SMALL,
    pa.uint64(): [*SMALL, 2**63, 2**64 - 1],
    pa.float32(): FLOATS,
    pa.float64(): FLOATS,
    pa.string(): TEXTS,
    pa.large_string(): TEXTS,
    pa.string_view(): TEXTS,
    pa.binary(): [text.encode() for text in TEXTS],
    pa.binary(2): [b"ab", b"\0\0", b"ba"],
    pa.dictionary(pa.int32(), pa.string()): TEXTS,
    pa.decimal128(4, 2): DECIMALS,
    pa.decimal128(20, 2): DECIMALS,
    pa.date32(): [time.date() for time in TIMES],
    pa.timestamp("us"): TIMES,
    pa.timestamp("s"): [time.replace(microsecond=0) for time in TIMES],
    pa.timestamp("ms", "UTC"): [time.replace(microsecond=0, tzinfo=dt.UTC) for time in TIMES],
    pa.duration("us"): [dt.timedelta(0), dt.timedelta(seconds=1), dt.timedelta(days=-3)],
}
OTHERS = [
    (pa.int32(), pa.int64()),
    (pa.uint64(), pa.int64()),
    (pa.int64(), pa.uint64()),
    (pa.uint16(), pa.int8()),
    (pa.float32(), pa.float64()),
    (pa.string(), pa.dictionary(pa.int32(), pa.string())),
    (pa.dictionary(pa.int32(), pa.string()), pa.large_string()),
]
PAIRS = [*((kind, kind) for kind in VALUES if kind != pa.string_view()), *OTHERS]  # sources convert views


def batches(kind, name):
    """Batches of a key column of that type and a column of numbers."""
    schema = pa.schema({"k": kind, name: pa.int64()})
    keys = st.lists(st.none() | st.sampled_from(VALUES[kind]), min_size=1, max_size=8)
    return st.lists(keys, min_size=1, max_size=4).map(
        lambda lists: [
            pa.RecordBatch.from_arrays([pa.array(values, kind), pa.array(range(len(values)))], schema=schema)
            for values in lists
        ]
    )


def rows_of(spec, inputs, config, parts):
    """What ``spec`` returns if the ports get a batch in turn, and the last port ends first."""
    with Harness(spec, *inputs, config=config, groups=8) as harness:
        for number in range(4):
            for port, batches in enumerate(parts):
                if number < len(batches):
                    harness.push(batches[number], port)
        for port in reversed(range(len(inputs))):
            harness.end(port)
        return harness.rows


def check(spec, *parts):
    inputs = [batches[0].schema for batches in parts]
    expected = rows_of(spec, inputs, Config(), parts)
    assert_rows(rows_of(spec, inputs, Config(state_bytes=1), parts), expected)


@pytest.mark.parametrize("kind", VALUES, ids=str)
@given(data=st.data())
@settings(max_examples=10, deadline=None)
def test_grouping(kind, data):
    rows = data.draw(batches(kind, "x"))
    columns = (AggregateColumn("n", "count"), AggregateColumn("s", "sum", "x"))
    check(Aggregate(("k",), columns, rows[0].schema), rows)
    check(Distinct(("k",)), rows)


@pytest.mark.parametrize(("left", "right"), PAIRS, ids=str)
@pytest.mark.parametrize("how", ["left", "full", "anti"])
@given(data=st.data())
@settings(max_examples=8, deadline=None)
def test_joins(how, left, right, data):
    if how == "full" and left != right:
        how = "inner"  # the key of a right row without a partner has the type of the left one
    check(Join(("k",), ("k",), how), data.draw(batches(left, "x")), data.draw(batches(right, "y")))
