from datetime import date, datetime
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sabotnb.connectors.pruning import may_match
from sabotnb.expr import col, evaluate, lit

TABLE = pa.table(
    {
        "n": pa.array([10, 20, None], pa.int32()),
        "f": pa.array([1.5, float("nan"), 2.5]),
        "s": ["b", "d", "c"],
        "d": pa.array([date(2024, 1, 1), date(2024, 2, 1), None]),
        "t": pa.array([datetime(2024, 1, 1), datetime(2024, 2, 1), None], pa.timestamp("ms")),
        "p": pa.array([Decimal("1.10"), Decimal("2.20"), None]),
        "nothing": pa.array([None, None, None], pa.int64()),
        "b": [True, True, True],
    }
)


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("p") / "a.parquet"
    pq.write_table(TABLE, path)
    return pq.ParquetFile(path)


@pytest.mark.parametrize(
    ("predicate", "expected"),
    [
        (col("n") > 19, True),
        (col("n") > 20, False),
        (lit(20) < col("n"), False),
        (col("n") <= 9, False),
        (col("n") == 15, True),
        (col("n") == 21, False),
        (col("n") != 21, True),
        (col("n").is_between(21, 30), False),
        (col("n").is_between(20, 30), True),
        ((col("n") > 20) | (col("s") == "c"), True),
        ((col("n") > 20) | (col("s") == "e"), False),
        ((col("n") > 10) & (col("s") > "d"), False),
        (col("f") > 2.5, False),
        (col("f") < 1.5, False),
        (col("f") <= 1.5, True),
        (col("s") >= "d", True),
        (col("s") < "b", False),
        (col("d") > date(2024, 2, 1), False),
        (col("t") > datetime(2024, 1, 31), True),
        (col("t") > datetime(2024, 2, 1), False),
        (col("p") > Decimal("2.2"), False),
        (col("nothing") > 1, False),
        (col("nothing").is_null(), True),
        (col("nothing").is_not_null(), False),
        (col("b").is_null(), False),
        (col("n").is_null(), True),
        (col("n") * 2 > 1000, True),  # not a column and a constant: the reader will see
    ],
)
def test_table(file, predicate, expected):
    assert may_match(predicate, file.metadata.row_group(0), file.schema_arrow) is expected


@settings(deadline=None, max_examples=60)
@given(
    values=st.lists(st.one_of(st.none(), st.integers(-5, 5)), min_size=1, max_size=8),
    limit=st.integers(-6, 6),
    kind=st.sampled_from(["__lt__", "__le__", "__gt__", "__ge__", "__eq__", "__ne__"]),
)
def test_a_group_with_a_matching_row_is_never_pruned(tmp_path_factory, values, limit, kind):
    path = tmp_path_factory.mktemp("p") / "a.parquet"
    table = pa.table({"n": pa.array(values, pa.int64())})
    pq.write_table(table, path)
    opened = pq.ParquetFile(path)
    predicate = getattr(col("n"), kind)(limit)
    matches = evaluate(predicate, table.to_batches()[0]).to_pylist().count(True)
    pruned = not may_match(predicate, opened.metadata.row_group(0), opened.schema_arrow)
    assert not (matches and pruned)
    if kind not in ("__eq__", "__ne__"):
        assert pruned == (matches == 0)
