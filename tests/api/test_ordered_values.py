"""Ordered dictionaries of numbers, dates and other values: compared by category order, as those of text are."""

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import feather

import sabotnb as sb
from sabotnb import col
from sabotnb.errors import SabotnbError
from sabotnb.testing import Harness

DAYS = [dt.date(2024, 1, 3), dt.date(2024, 1, 1), dt.date(2024, 1, 2)]
TIMES = [dt.datetime(2024, 1, day, 12, tzinfo=dt.UTC) for day in (3, 1, 2)]
KINDS: dict[str, tuple[pa.DataType, list[Any]]] = {
    "int64": (pa.int64(), [30, 10, 20]),
    "int8, equal to indexes": (pa.int8(), [2, 0, 1]),
    "uint64": (pa.uint64(), [2**64 - 1, 0, 2**63]),
    "double": (pa.float64(), [1.5, -0.5, 0.1]),
    "float": (pa.float32(), [1.5, -0.5, 0.25]),
    "decimal": (pa.decimal128(5, 2), [Decimal("3.50"), Decimal("1.25"), Decimal("2.00")]),
    "date": (pa.date32(), DAYS),
    "time": (pa.timestamp("us", "UTC"), TIMES),
    "nanoseconds": (pa.timestamp("ns"), [time.replace(tzinfo=None) for time in TIMES]),
    "duration": (pa.duration("us"), [dt.timedelta(days) for days in (3, 1, 2)]),
    "bytes": (pa.binary(), [b"c", b"a", b"b"]),
}
EVERY_KIND = pytest.mark.parametrize(("kind", "values"), KINDS.values(), ids=KINDS)
CODES = [0, 1, None, 2, 1, 0]


def column(codes: list[int | None], values: list[Any], kind: pa.DataType) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(codes, pa.int8()), pa.array(values, kind), ordered=True)


def stream(values: list[Any], kind: pa.DataType) -> sb.Stream:
    return sb.Stream.from_arrow(pa.table({"c": column(CODES, values, kind), "n": range(len(CODES))}))


def found(of: sb.Stream, values: list[Any]) -> list[int | None]:
    """The places in the order of the values in column c."""
    decoded = of.select(c=col("c")).to_arrow()["c"].to_pylist()
    return [None if value is None else values.index(value) for value in decoded]


@EVERY_KIND
def test_constants_are_compared_by_category(kind: pa.DataType, values: list[Any]):
    first, middle, last = values
    given, c = stream(values, kind), col("c")
    for expr, expected in [
        (c < middle, [0, 0]),
        (c <= middle, [0, 1, 1, 0]),
        (c > middle, [2]),
        (sb.lit(last) > c, [0, 1, 1, 0]),
        (c.is_between(first, middle), [0, 1, 1, 0]),
        (c.is_between(middle, last, closed="right"), [2]),
        (c == middle, [1, 1]),
        (c != middle, [0, 2, 0]),
        (c.is_in([middle, last]), [1, 2, 1]),
        (c >= col("c"), [0, 1, 2, 1, 0]),
        (~(c < middle) & (col("n") > 1), [2, 1]),
        (sb.when(c > first).then(c < last).otherwise(None), [1, 1]),
        (c.fill_null(last) > middle, [None, 2]),
    ]:
        expected_rows = [2 if place is None else place for place in expected]
        shown = given.filter(expr).select(c=c.fill_null(last))
        assert found(shown, values) == expected_rows, expr


@EVERY_KIND
def test_constants_may_be_chosen(kind: pa.DataType, values: list[Any]):
    first, middle, last = values
    given, c = stream(values, kind), col("c")
    for expr, expected in [
        (c.fill_null(middle), [0, 1, 1, 2, 1, 0]),
        (c.clip(middle, last), [1, 1, None, 2, 1, 1]),
        (c.clip(upper=middle), [0, 1, None, 1, 1, 0]),
        (sb.coalesce(c, last), [0, 1, 2, 2, 1, 0]),
        (sb.when(col("n") > 3).then(c).otherwise(last), [2, 2, 2, 2, 1, 0]),
        (sb.when(c < last).then(c).otherwise(first), [0, 1, 0, 0, 1, 0]),
    ]:
        chosen = given.select("n", c=expr)
        assert chosen.schema.field("c").type.ordered
        assert found(chosen, values) == expected, expr


@EVERY_KIND
def test_verbs_go_by_category(kind: pa.DataType, values: list[Any]):
    given = stream(values, kind)
    assert found(given.sort("c"), values) == [0, 0, 1, 1, 2, None]
    assert found(given.sort("c", descending=True), values) == [2, 1, 1, 0, 0, None]
    assert found(given.agg(c=col("c").min()), values) == [0]
    assert found(given.agg(c=col("c").max()), values) == [2]
    assert found(given.top(2, by="c"), values) == [2, 1]
    counted = given.group_by("c").agg(n=sb.count()).sort("c")
    assert found(counted, values) == [0, 1, 2, None]
    assert [row["n"] for row in counted.to_rows()] == [2, 2, 1, 1]
    assert [row["n"] for row in given.agg(n=col("n").arg_max("c")).to_rows()] == [3]
    joined = given.join(stream(values, kind).distinct("c").select("c", other=col("c")), on="c")
    assert found(joined.filter(col("c") >= col("other")).sort("c"), values) == [0, 0, 1, 1, 2]


def in_memory(tables: list[pa.Table], _: Path) -> sb.Stream:
    return sb.union(*map(sb.Stream.from_arrow, tables))


def in_chunks(tables: list[pa.Table], _: Path) -> sb.Stream:
    return sb.Stream.from_arrow(pa.concat_tables(tables))


def in_files(tables: list[pa.Table], folder: Path) -> sb.Stream:
    for number, table in enumerate(tables):
        feather.write_feather(table, folder / f"{number}.arrow")
    return sb.Stream.from_ipc(folder)


@EVERY_KIND
@pytest.mark.parametrize("given", [in_memory, in_chunks, in_files])
@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_constants_may_be_categories_of_another_dictionary(
    tmp_path: Path, given: Callable[..., sb.Stream], order: tuple[int, int], kind: pa.DataType, values: list[Any]
):
    tables = [pa.table({"c": column([0, 0], values[:1], kind)}), pa.table({"c": column([2, 0], values, kind)})]
    read = given([tables[at] for at in order], tmp_path)
    assert found(read.filter(col("c") > values[1]), values) == [2]
    assert found(read.filter(col("c") < values[2]), values) == [0, 0, 0]
    assert sorted(found(read.select(c=col("c").clip(values[1])), values)) == [1, 1, 1, 2]
    assert sorted(found(read.sort("c"), values)) == [0, 0, 0, 2]


@EVERY_KIND
def test_jobs_of_a_cluster(tmp_path: Path, kind: pa.DataType, values: list[Any]):
    tables = [pa.table({"c": column([0, 0], values[:1], kind)}), pa.table({"c": column([2, 0, None], values, kind)})]
    read = in_files(tables, tmp_path)
    chosen = read.select(c=col("c").fill_null(values[1])).filter(col("c") <= values[1])
    with sb.local(processes=False):
        assert sorted(found(chosen.group_by("c").agg(n=sb.count()), values)) == [0, 1]
        chosen.sink_ipc(tmp_path / "out").run().wait()
        ranged = chosen.range_partition("c").to_arrow()
    assert sorted(map(values.index, ranged["c"].to_pylist())) == [0, 0, 0, 1]
    again = sb.Stream.from_ipc(tmp_path / "out")
    assert found(again.sort("c"), values) == [0, 0, 0, 1]


@pytest.mark.parametrize(
    ("kind", "values", "constant", "same"),
    [
        (pa.int64(), [30, 10, 20], 10.0, 10),
        (pa.int64(), [30, 10, 20], Decimal(10), 10),
        (pa.int32(), [30, 10, 20], pa.scalar(10, pa.int64()), 10),
        (pa.float64(), [1.5, 1.0, 0.1], 1, 1.0),
        (pa.decimal128(5, 2), [Decimal("3.50"), Decimal("1.00")], 1, Decimal("1.00")),
        (pa.date32(), DAYS, "2024-01-01", DAYS[1]),
        (pa.timestamp("s"), [dt.datetime(2024, 1, 3), dt.datetime(2024, 1, 1)], DAYS[1], dt.datetime(2024, 1, 1)),
        (pa.timestamp("us", "UTC"), TIMES, "2024-01-01T13:00:00+01:00", TIMES[1]),
        (pa.large_string(), ["z", "a"], "a", "a"),
        (pa.bool_(), [True, False], sb.lit(value=False), False),
    ],
)
def test_constants_are_the_categories_that_equal_them(
    kind: pa.DataType, values: list[Any], constant: Any, same: object
):
    given = sb.Stream.from_arrow(pa.table({"c": column([0, 1, 0, None], values, kind)}))
    assert given.filter(col("c") >= constant).to_arrow()["c"].to_pylist() == [same]
    assert given.select(c=col("c").fill_null(constant)).to_arrow()["c"].to_pylist()[-1] == same


@pytest.mark.parametrize(
    ("kind", "values", "constant", "message"),
    [
        (
            pa.int64(),
            [30, 10],
            11,
            r"11 is not a category of 'c', which has 30 < 10\. Use one of them, or plain values",
        ),
        (pa.int64(), [30, 10], 10.5, r"10\.5 is not a category, because the categories are int64; compare plain val"),
        (pa.int8(), [30, 10], 1000, r"1000 is not a category, because the categories are int8; compare plain values"),
        (
            pa.int64(),
            [30, 10],
            "10",
            r"string has no place in the order of categories; compare plain .*cast\('int64'\)",
        ),
        (pa.int64(), [1, 0], True, "bool has no place in the order of categories"),
        (pa.date32(), DAYS, dt.date(2024, 1, 4), r"2024-01-04 is not a category of 'c', which has 2024-01-03 < "),
        (pa.date32(), DAYS, "tomorrow", "'tomorrow' is not a category, because the categories are date32"),
        (
            pa.decimal128(5, 2),
            [Decimal("3.50")],
            Decimal(4),
            r"4\.00 is not a .*col\('c'\).cast\(pa.decimal128\(5, 2\)",
        ),
        (pa.timestamp("us", "UTC"), TIMES, 5, r"int64 has no place in .*\.cast\('timestamp\[us, tz=UTC\]'\)"),
    ],
)
def test_constants_that_are_not_categories_are_refused(
    kind: pa.DataType, values: list[Any], constant: Any, message: str
):
    given = sb.Stream.from_arrow(pa.table({"c": column([0], values, kind)}))
    for expr in (col("c") < constant, col("c").fill_null(constant), col("c").clip(constant)):
        with pytest.raises(SabotnbError, match=message):
            given.select(c=expr).to_rows()


@pytest.mark.parametrize(
    ("verb", "message"),
    [
        (lambda one, other: one.union(other), "'c' meets two orders of categories: 30 < 10 < 20, and 10 < 20"),
        (lambda one, other: one.union(other).sort("c"), r"or compare plain values: \.cast\('int64'\)"),
        (
            lambda one, other: one.join(other.select("n", d="c"), on="n").filter(col("c") < col("d")),
            "'c' and 'd' meet two orders of categories",
        ),
        (
            lambda one, _: one.join(stream(["a", "b", "c"], pa.string()).select("n", d="c"), on="n").filter(
                col("c") < col("d")
            ),
            "categories of string and of int64 have no common order; compare plain values",
        ),
    ],
)
def test_two_orders_are_refused(verb: Callable[..., sb.Stream], message: str):
    other = sb.Stream.from_arrow(pa.table({"c": column([0], [10, 20], pa.int64()), "n": [0]}))
    with pytest.raises(SabotnbError, match=message):
        verb(stream([30, 10, 20], pa.int64()), other).to_rows()


def test_a_task_knows_categories_that_only_other_tasks_read():
    tables = [pa.table({"c": column([0, 0], [30], pa.int64())}), pa.table({"c": column([2], [30, 10, 20], pa.int64())})]
    both = in_memory(tables, Path())
    (batch,) = tables[0].to_batches()
    with Harness.of(both.filter(col("c") > 10)) as task:
        assert task.push(batch).end().rows == []
    with Harness.of(both.select(c=col("c").clip(10))) as task:
        assert task.push(batch).end().rows == [{"c": 10}] * 2
    with Harness.of(both.filter(col("c") > 15)) as task, pytest.raises(SabotnbError, match="15 is not a category"):
        task.push(batch).end()


def test_unions_of_ordered_bytes_of_two_layouts():
    one, other = (stream([b"c", b"a", b"b"], kind) for kind in (pa.binary(), pa.large_binary()))
    assert found(one.union(other).sort("c"), [b"c", b"a", b"b"]) == [0] * 4 + [1] * 4 + [2, 2, None, None]


@EVERY_KIND
def test_parquet_refuses_orders_that_it_would_lose(tmp_path: Path, kind: pa.DataType, values: list[Any]):
    given = stream(values, kind)
    if pa.types.is_binary(kind):
        with sb.local(processes=False):
            given.sink_parquet(tmp_path).run().wait()
        assert found(sb.Stream.from_parquet(tmp_path).sort("c"), values) == [0, 0, 1, 1, 2, None]
        return
    with pytest.raises(SabotnbError, match=r"lose the order of its categories\. Write Arrow IPC, or plain") as refused:
        given.sink_parquet(tmp_path / "out")
    advice = str(refused.value).partition("plain values: ")[2]
    plain = eval("given" + advice, {"given": given, "col": col, "pa": pa})
    assert plain.schema.field("c").type == kind
    plain.sink_parquet(tmp_path / "out")
