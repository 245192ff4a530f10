"""Text as timestamps: what Python's ``strptime`` reads, and nothing that it refuses."""

import datetime as dt

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sabotnb.errors import ExpressionError, TypeMismatch
from sabotnb.expr import bind, col, evaluate


def parsed(texts, written, text_type=None):
    batch = pa.record_batch({"s": pa.array(texts, text_type or pa.string())})
    return evaluate(col("s").str.to_datetime(written), batch).to_pylist()


@pytest.mark.parametrize(
    ("text", "written", "expected"),
    [
        ("2024-02-29", "%Y-%m-%d", dt.datetime(2024, 2, 29)),
        ("1 Mar 2024", "%d %b %Y", dt.datetime(2024, 3, 1)),
        ("2024-060", "%Y-%j", dt.datetime(2024, 2, 29)),
        ("2024-02-01 10:20:30.5", "%F %T.%f", dt.datetime(2024, 2, 1, 10, 20, 30, 500_000)),
        ("2024-02-01 10:20:30.000005", "%F %T%.f", dt.datetime(2024, 2, 1, 10, 20, 30, 5)),
        ("2024-02-01 10:20:30", "%F %T%.f", dt.datetime(2024, 2, 1, 10, 20, 30)),
        ("1969-12-31 23:59:59.75", "%F %T%.f", dt.datetime(1969, 12, 31, 23, 59, 59, 750_000)),
        ("2024-01-31T23:00:00-02:00", "%FT%T%z", dt.datetime(2024, 2, 1, 1)),
        ("2024-03-01 00:30:00.25 +0100", "%F %T.%f %z", dt.datetime(2024, 2, 29, 23, 30, 0, 250_000)),
        ("50 %", "%M %%", dt.datetime(1900, 1, 1, 0, 50)),
        (" 2024-3- 1", "%Y-%m-%e", dt.datetime(2024, 3, 1)),
        ("1700000000", "%s", dt.datetime(2023, 11, 14, 22, 13, 20)),
    ],
)
@pytest.mark.parametrize("text_type", [pa.string(), pa.large_string(), pa.dictionary(pa.int8(), pa.string())])
def test_text_of_a_format(text, written, expected, text_type):
    assert parsed([text, None], written, text_type) == [expected, None]


@pytest.mark.parametrize(
    ("text", "written", "why"),
    [
        ("2024-02-30", "%Y-%m-%d", "'2024-02-30' is a day that does not exist"),
        ("20230229", "%Y%m%d", "a day that does not exist"),
        ("31 Jun 2024", "%d %b %Y", "a day that does not exist"),
        ("2023-366", "%Y-%j", "a day that does not exist"),
        ("2024-02-30T23:00:00-02:00", "%FT%T%z", "a day that does not exist"),
        ("2024-02-01 10:20:30.1234567", "%F %T.%f", "is not as '%Y-%m-%d %H:%M:%S.%f' says"),
        ("2024-02-01", "%F %T", "Failed to parse"),
    ],
)
def test_other_text_raises(text, written, why):
    with pytest.raises(ExpressionError, match=why):
        parsed([None, text], written)


@pytest.mark.parametrize("written", ["%Q", "%G-W%V-%u", "%c", "%", 5])
def test_a_format_that_cannot_be_read_is_refused_when_written(written):
    with pytest.raises(TypeMismatch, match="to_datetime"):
        bind(col("s").str.to_datetime(written), pa.schema({"s": pa.string()}))


DATES = st.tuples(st.integers(1900, 2100), st.integers(1, 12), st.integers(1, 31))
CLOCKS = st.tuples(st.integers(0, 23), st.integers(0, 59), st.integers(0, 59), st.integers(0, 999_999))
FORMATS = ["%Y-%m-%d %H:%M:%S.%f", "%d.%m.%Y %H:%M", "%Y%m%d%H%M%S", "%B %d, %Y %I:%M %p", "%f:%S:%M:%H %d/%m/%Y"]


@settings(deadline=None)
@given(date=DATES, clock=CLOCKS, written=st.sampled_from(FORMATS))
def test_python_reads_the_same(date, clock, written):
    year, month, day = date
    names = dt.datetime(2000, month, 1, *clock)
    text = names.strftime(written.replace("%Y", str(year)).replace("%d", f"{day:02}"))
    try:
        expected = dt.datetime.strptime(text, written)
    except ValueError:
        with pytest.raises(ExpressionError):
            parsed([text], written)
    else:
        assert parsed([text], written) == [expected]
