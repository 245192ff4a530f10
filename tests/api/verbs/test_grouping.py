"""Aggregates that are calculated with: what comes out, and what is refused."""

import duckdb
import pyarrow as pa
import pytest

import sabotnb as sb
from sabotnb import col, errors

SALES = [
    {"shop": "a", "price": 4.0, "items": 2, "day": 1},
    {"shop": "a", "price": 6.0, "items": 3, "day": 2},
    {"shop": "b", "price": None, "items": 5, "day": 3},
    {"shop": None, "price": 1.0, "items": None, "day": 4},
]


@pytest.fixture
def sales() -> sb.Stream:
    return sb.Stream.from_rows(SALES)


CALCULATED = [
    (col("price").sum() / sb.count(), [5.0, None, 1.0]),
    (sb.count() * 2, [4, 2, 2]),
    (100 - col("items").max(), [97, 95, None]),
    (-col("items").sum(), [-5, -5, None]),
    (col("price").mean() > 2, [True, None, False]),
    ((col("price").max() - col("price").min()).fill_null(0.0), [2.0, 0.0, 0.0]),
    (col("items").sum().cast("string"), ["5", "5", None]),
    (col("price").std(ddof=0).round(1), [1.0, None, 0.0]),
    (col("price").first(by="day") + col("price").last(by="day"), [10.0, None, 2.0]),
    ((col("price") * col("items")).sum() / col("items").sum(), [5.2, None, None]),
    (sb.when(sb.count() > 1).then("many").otherwise("one"), ["many", "one", "one"]),
    (sb.coalesce(col("items").max(), 0), [3, 5, 0]),
    (col("shop").fill_null("?").str.len() + sb.count(), [3, 2, 2]),
    (col("items").sum() / col("items").sum(), [1.0, 1.0, None]),
]


@pytest.mark.parametrize(("expr", "values"), CALCULATED, ids=[str(expr) for expr, _ in CALCULATED])
def test_aggregates_are_calculated_with(sales: sb.Stream, expr: sb.Expr, values: list) -> None:
    made = sales.group_by("shop").agg(x=expr)
    rows = [{"shop": shop, "x": value} for shop, value in zip(["a", "b", None], values, strict=True)]
    sb.testing.assert_rows(made, rows)
    assert made.schema.names == ["shop", "x"]
    assert made.head().to_arrow().num_rows == 3


def test_a_calculated_aggregate_is_named_by_its_first_column(sales: sb.Stream) -> None:
    assert sales.group_by("shop").agg(col("price").sum() / sb.count()).schema.names == ["shop", "price"]
    assert sales.agg((sb.count() + 1).alias("n")).to_rows() == [{"n": 5}]


def test_an_aggregate_that_several_results_need_is_computed_once(sales: sb.Stream) -> None:
    made = sales.group_by("shop").agg(total=col("price").sum(), mean=col("price").sum() / sb.count(), n=sb.count() + 0)
    (aggregate,) = [one.spec for one in made.to_job_graph().operators.values() if one.spec.kind == "aggregate"]
    assert [(one.name, one.fn) for one in aggregate.columns] == [("total", "sum"), ("count", "count")]


def test_columns_of_aggregates_take_no_name_that_is_there() -> None:
    stream = sb.Stream.from_rows([{"x_sum": 1, "x": 2, "count": 3}])
    made = stream.group_by("x_sum", "count").agg(y=col("x").sum() * 2, n=sb.count() + 1, z=col("x_sum") + sb.count())
    assert made.to_rows() == [{"x_sum": 1, "count": 3, "y": 4, "n": 2, "z": 2}]


def test_computed_keys_and_own_aggregates_can_be_calculated_with(sales: sb.Stream) -> None:
    made = sales.group_by(even=col("day") % 2 == 0).agg(x=sb.when(col("even")).then(sb.count()).otherwise(0))
    sb.testing.assert_rows(made, [{"even": True, "x": 2}, {"even": False, "x": 0}])


def test_shares_equal_those_of_duckdb() -> None:
    sales = pa.table({"k": [n % 7 for n in range(1000)], "x": [n * n % 31 if n % 5 else None for n in range(1000)]})
    made = (
        sb.Stream.from_arrow(sales)
        .group_by("k")
        .agg(share=col("x").sum() / sb.count(), span=col("x").max() - col("x").min())
    )
    asked = duckdb.sql("SELECT k, sum(x) / count(*) AS share, max(x) - min(x) AS span FROM sales GROUP BY k")
    sb.testing.assert_rows(made, asked.to_arrow_table().to_pylist())


REFUSED = [
    (
        lambda s: s.group_by("shop").agg(x=col("price").sum() / col("items")),
        r"col\('items'\) has many values per group",
    ),
    (lambda s: s.agg(x=col("price").sum().max()), "an aggregate of an aggregate"),
    (lambda s: s.agg(x=(col("price").sum() + 1).mean()), "an aggregate of an aggregate"),
    (lambda s: s.agg(x=sb.lit(1)), "1 is not an aggregate"),
    (lambda s: s.agg(x=col("price") + 1), r"is not an aggregate; choose one: col\('price'\).sum\(\)"),
    (lambda s: s.agg(n="price"), r"'price' is not an aggregate; choose one: col\('price'\).sum\(\)"),
    (lambda s: s.agg({"price": "sum"}), r"is not an aggregate; choose one: col\('price'\).sum\(\)"),
    (lambda s: s.agg(n="no_column"), r"'no_column' is not an aggregate; choose one: col\('x'\).sum\(\)"),
    (lambda s: s.agg(x=col("shop").max() / 2), "needs numbers"),
    (lambda s: s.filter(col("price") > col("price").mean()), "one value per group, so a row has none"),
    (lambda s: s.with_columns(x=sb.count() + 1), "one value per group, so a row has none"),
    (lambda s: s.sort(sb.count()), "one value per group, so a row has none"),
    (lambda s: s.group_by(k=col("price").max()), "one value per group, so a row has none"),
    (lambda s: s.agg(x=col("price").first(by=sb.count())), "one value per group, so a row has none"),
]


@pytest.mark.parametrize(("write", "message"), REFUSED, ids=[message for _, message in REFUSED])
def test_what_has_no_value_per_group_is_refused(sales: sb.Stream, write, message: str) -> None:
    with pytest.raises(errors.SchemaError, match=message):
        write(sales)
