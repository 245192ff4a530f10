from datetime import date, datetime
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sabotnb.connectors.formats.pruning import may_match
from sabotnb.expr import col, evaluate, lit

NAN = float("nan")
TABLE = pa.table(
    {
        "n": pa.array([10, 20, None], pa.int32()),
        "f": pa.array([1.5, NAN, 2.5]),
        "s": ["b", "d", "c"],
        "d": pa.array([date(2024, 1, 1), date(2024, 2, 1), None]),
        "t": pa.array([datetime(2024, 1, 1), datetime(2024, 2, 1), None], pa.timestamp("ms")),
        "p": pa.array([Decimal("1.10"), Decimal("2.20"), None]),
        "nothing": pa.array([None, None, None], pa.int64()),
        "b": [True, True, True],
        "c": pa.array([1500, 2500, None], pa.time64("ns")),
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
        (col("n").is_between(20, 30, closed="left"), True),
        (col("n").is_between(20, 30, closed="right"), False),
        (col("n").is_between(20, 30, closed="none"), False),
        (col("n").is_between(5, 10, closed="left"), False),
        (~(col("n") > 20), True),
        (~(col("f") <= 2.5), True),  # as NaN passes
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
        (col("c") >= pa.scalar(2500, pa.time64("ns")), True),
        (col("c") > pa.scalar(2500, pa.time64("ns")), False),
        (col("c") < pa.scalar(1500, pa.time64("ns")), False),
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


MOMENTS = st.integers(-3, 3).map(lambda count: pa.scalar(count * 500, pa.timestamp("ns")))
CLOCKS = st.integers(0, 6).map(lambda count: pa.scalar(count * 500, pa.time64("ns")))
DECIMALS = st.integers(-3, 3).map(lambda number: Decimal(number) / 4)
VALUES = {
    "n": (pa.int32(), st.integers(-5, 5), st.integers(-6, 6)),
    "u": (pa.uint64(), st.sampled_from([0, 1, 2**63, 2**64 - 1]), st.sampled_from([0, 1, 2**63, 2**64 - 1])),
    "f": (pa.float64(), st.sampled_from([-1.5, -0.0, 0.0, 2.5, NAN]), st.sampled_from([-2, 0.0, -0.0, 2.5, NAN])),
    "s": (pa.string(), st.sampled_from(["", "a", "ab", "ä"]), st.sampled_from(["", "a", "b", "ä"])),
    "t": (pa.timestamp("ns"), MOMENTS, MOMENTS),
    "z": (pa.timestamp("ms", "Europe/Berlin"), st.integers(-2, 2), st.just(datetime(1970, 1, 1))),
    "b": (pa.bool_(), st.booleans(), st.booleans()),
    "c": (pa.time64("ns"), CLOCKS, CLOCKS),
    "p": (pa.decimal64(12, 2), DECIMALS, DECIMALS),
    "y": (pa.binary(), st.binary(max_size=2), st.binary(max_size=2)),
    "g": (pa.float32(), st.sampled_from([0.1, -0.1, NAN]), st.sampled_from([0.1, -0.1, 1])),
}


def rows():
    columns = {name: st.none() | values for name, (_, values, _) in VALUES.items()}
    return st.lists(st.fixed_dictionaries(columns), min_size=1, max_size=6)


def comparisons(name):
    limits = VALUES[name][2]
    return st.one_of(
        st.sampled_from([col(name).is_null(), col(name).is_not_null()]),
        st.builds(
            lambda kind, limit, turned: getattr(lit(limit) if turned else col(name), kind)(
                col(name) if turned else limit
            ),
            st.sampled_from(["__lt__", "__le__", "__gt__", "__ge__", "__eq__", "__ne__"]),
            limits,
            st.booleans(),
        ),
        st.builds(
            lambda low, high, closed: col(name).is_between(low, high, closed=closed),
            limits,
            limits,
            st.sampled_from(["both", "left", "right", "none"]),
        ),
    )


predicates = st.recursive(
    st.sampled_from([*VALUES]).flatmap(comparisons),
    lambda inner: st.one_of(
        st.builds(lambda one, other: one & other, inner, inner),
        st.builds(lambda one, other: one | other, inner, inner),
        inner.map(lambda one: ~one),
    ),
    max_leaves=4,
)


@settings(deadline=None, max_examples=300)
@given(rows=rows(), predicate=predicates)
def test_a_group_with_a_matching_row_is_never_pruned(tmp_path_factory, rows, predicate):
    path = tmp_path_factory.mktemp("p") / "a.parquet"
    columns = {name: pa.array([row[name] for row in rows], kind) for name, (kind, _, _) in VALUES.items()}
    table = pa.table(columns)
    pq.write_table(table, path)
    opened = pq.ParquetFile(path)
    if not may_match(predicate, opened.metadata.row_group(0), opened.schema_arrow):
        assert True not in evaluate(predicate, table.combine_chunks().to_batches()[0]).to_pylist()


@settings(deadline=None, max_examples=100)
@given(values=st.lists(st.none() | st.integers(-5, 5), min_size=1, max_size=8), predicate=comparisons("n"))
def test_a_group_is_pruned_wherever_its_extremes_allow(tmp_path_factory, values, predicate):
    path = tmp_path_factory.mktemp("p") / "a.parquet"
    pq.write_table(pa.table({"n": pa.array(values, pa.int32())}), path)
    opened = pq.ParquetFile(path)
    known = [value for value in values if value is not None]
    between = [*range(min(known, default=0), max(known, default=-1) + 1), *([None] if None in values else [])]
    possible = evaluate(predicate, pa.record_batch({"n": pa.array(between, pa.int32())})).to_pylist().count(True)
    if predicate.node.fn not in ("not_equal", "is_between"):  # these look at one end at a time
        assert may_match(predicate, opened.metadata.row_group(0), opened.schema_arrow) is (possible > 0)


def test_only_columns_that_are_read_as_they_are_count(file):
    group, schema = file.metadata.row_group(0), file.schema_arrow
    read_otherwise = schema.remove(schema.get_field_index("n"))
    assert not may_match((col("n") > 20) & (col("s") > "z"), group, read_otherwise)
    assert may_match(col("n") > 20, group, read_otherwise)
    assert may_match(col("n").is_null(), group, read_otherwise)


def test_a_column_with_a_dot_in_its_name_is_not_the_field_of_a_struct(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"a.b": [1, 2], "a": [{"b": 5}, {"b": 6}]}), path)
    opened = pq.ParquetFile(path)
    assert may_match(col("a.b") < 3, opened.metadata.row_group(0), opened.schema_arrow)
