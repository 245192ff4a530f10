"""Values that Python has no object for are named, with their column, wherever rows become Python's."""

import pyarrow as pa
import pytest

import sabotnb as sb
from sabotnb import col, errors

BEYOND = 2**62
CASES = [
    (pa.timestamp("us"), BEYOND, "column 't' has a timestamp[us] (4611686018427387904) that Python cannot hold"),
    (pa.timestamp("us", "UTC"), -BEYOND, "column 't' has a timestamp[us, tz=UTC] (-4611686018427387904)"),
    (pa.timestamp("s"), 2**40, "column 't' has a timestamp[s]"),
    (pa.duration("s"), BEYOND, "column 't' has a duration[s] (4611686018427387904)"),
]
ROWS_OF = [
    lambda s: s.to_rows(),
    lambda s: s.map_rows(lambda row: row, schema={"n": "int64"}).to_rows(),
    lambda s: s.map_rows(lambda row: {"n": row["n"]}),
    lambda s: s.reduce(lambda left, right: left).to_rows(),
]


def stream(data_type: pa.DataType, value: int) -> sb.Stream:
    return sb.Stream.from_arrow(pa.table({"n": [1, 2], "t": pa.array([0, value], pa.int64()).cast(data_type)}))


@pytest.mark.parametrize(("data_type", "value", "message"), CASES)
@pytest.mark.parametrize("rows_of", ROWS_OF)
def test_a_time_beyond_pythons_years_names_its_column(rows_of, data_type, value: int, message: str) -> None:
    with pytest.raises(errors.SabotnbError) as raised:
        rows_of(stream(data_type, value))
    assert message in str(raised.value)


def test_what_the_message_says_works() -> None:
    endless = stream(pa.timestamp("us"), BEYOND)
    assert endless.to_arrow().num_rows == 2
    assert [row["n"] for row in endless.filter(col("t").is_between("0001-01-01", "9999-12-31")).to_rows()] == [1]
