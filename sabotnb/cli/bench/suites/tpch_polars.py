"""TPC-H as lazy frames of polars.

Polars rounds a product of decimals to the scale of its factors, so factors are cast to floats first.
"""

from __future__ import annotations

from datetime import date

import polars as pl
from polars import col

from sabotnb.cli.bench.compare.engines import OpenTables

PRICE, DISCOUNT, TAX, QUANTITY, COST = (
    col(name).cast(pl.Float64) for name in ("l_extendedprice", "l_discount", "l_tax", "l_quantity", "ps_supplycost")
)
REVENUE = PRICE * (1 - DISCOUNT)


def _pricing_summary(t: OpenTables[pl.LazyFrame]) -> pl.LazyFrame:
    return (
        t.lineitem.filter(col("l_shipdate") <= date(1998, 9, 2))
        .group_by("l_returnflag", "l_linestatus")
        .agg(
            col("l_quantity").sum().alias("sum_qty"),
            col("l_extendedprice").sum().alias("sum_base_price"),
            REVENUE.sum().alias("sum_disc_price"),
            (REVENUE * (1 + TAX)).sum().alias("sum_charge"),
            col("l_quantity").mean().alias("avg_qty"),
            col("l_extendedprice").mean().alias("avg_price"),
            col("l_discount").mean().alias("avg_disc"),
            pl.len().alias("count_order"),
        )
        .sort("l_returnflag", "l_linestatus")
    )


def _shipping_priority(t: OpenTables[pl.LazyFrame]) -> pl.LazyFrame:
    return (
        t.customer.filter(col("c_mktsegment") == "BUILDING")
        .join(t.orders, left_on="c_custkey", right_on="o_custkey")
        .join(t.lineitem, left_on="o_orderkey", right_on="l_orderkey")
        .filter(col("o_orderdate") < date(1995, 3, 15), col("l_shipdate") > date(1995, 3, 15))
        .group_by(col("o_orderkey").alias("l_orderkey"), "o_orderdate", "o_shippriority")
        .agg(REVENUE.sum().alias("revenue"))
        .sort("revenue", "o_orderdate", descending=[True, False])
        .head(10)
    )


def _local_supplier_volume(t: OpenTables[pl.LazyFrame]) -> pl.LazyFrame:
    return (
        t.region.filter(col("r_name") == "ASIA")
        .join(t.nation, left_on="r_regionkey", right_on="n_regionkey")
        .join(t.customer, left_on="n_nationkey", right_on="c_nationkey")
        .join(t.orders, left_on="c_custkey", right_on="o_custkey")
        .join(t.lineitem, left_on="o_orderkey", right_on="l_orderkey")
        .join(t.supplier, left_on=["l_suppkey", "n_nationkey"], right_on=["s_suppkey", "s_nationkey"])
        .filter(col("o_orderdate").is_between(date(1994, 1, 1), date(1995, 1, 1), closed="left"))
        .group_by("n_name")
        .agg(REVENUE.sum().alias("revenue"))
        .sort("revenue", descending=True)
    )


def _forecast_revenue_change(t: OpenTables[pl.LazyFrame]) -> pl.LazyFrame:
    return t.lineitem.filter(
        col("l_shipdate").is_between(date(1994, 1, 1), date(1995, 1, 1), closed="left"),
        col("l_discount").is_between(0.05, 0.07),
        col("l_quantity") < 24,
    ).select((PRICE * DISCOUNT).sum().alias("revenue"))


def _volume_shipping(t: OpenTables[pl.LazyFrame]) -> pl.LazyFrame:
    nations = t.nation.filter(col("n_name").is_in(["FRANCE", "GERMANY"])).select("n_nationkey", "n_name")
    return (
        t.customer.join(nations.rename({"n_name": "cust_nation"}), left_on="c_nationkey", right_on="n_nationkey")
        .join(t.orders, left_on="c_custkey", right_on="o_custkey")
        .join(t.lineitem, left_on="o_orderkey", right_on="l_orderkey")
        .join(t.supplier, left_on="l_suppkey", right_on="s_suppkey")
        .join(nations.rename({"n_name": "supp_nation"}), left_on="s_nationkey", right_on="n_nationkey")
        .filter(
            col("cust_nation") != col("supp_nation"),
            col("l_shipdate").is_between(date(1995, 1, 1), date(1996, 12, 31)),
        )
        .group_by("supp_nation", "cust_nation", col("l_shipdate").dt.year().alias("l_year"))
        .agg(REVENUE.sum().alias("revenue"))
        .sort("supp_nation", "cust_nation", "l_year")
    )


def _product_type_profit(t: OpenTables[pl.LazyFrame]) -> pl.LazyFrame:
    amount = REVENUE - COST * QUANTITY
    return (
        t.part.filter(col("p_name").str.contains("green", literal=True))
        .join(t.partsupp, left_on="p_partkey", right_on="ps_partkey")
        .join(t.supplier, left_on="ps_suppkey", right_on="s_suppkey")
        .join(t.lineitem, left_on=["p_partkey", "ps_suppkey"], right_on=["l_partkey", "l_suppkey"])
        .join(t.orders, left_on="l_orderkey", right_on="o_orderkey")
        .join(t.nation, left_on="s_nationkey", right_on="n_nationkey")
        .group_by(col("n_name").alias("nation"), col("o_orderdate").dt.year().alias("o_year"))
        .agg(amount.sum().alias("sum_profit"))
        .sort("nation", "o_year", descending=[False, True])
    )


def _shipping_modes(t: OpenTables[pl.LazyFrame]) -> pl.LazyFrame:
    urgent = col("o_orderpriority").is_in(["1-URGENT", "2-HIGH"])
    return (
        t.orders.join(t.lineitem, left_on="o_orderkey", right_on="l_orderkey")
        .filter(
            col("l_shipmode").is_in(["MAIL", "SHIP"]),
            col("l_commitdate") < col("l_receiptdate"),
            col("l_shipdate") < col("l_commitdate"),
            col("l_receiptdate").is_between(date(1994, 1, 1), date(1995, 1, 1), closed="left"),
        )
        .group_by("l_shipmode")
        .agg(
            urgent.cast(pl.Int64).sum().alias("high_line_count"), (~urgent).cast(pl.Int64).sum().alias("low_line_count")
        )
        .sort("l_shipmode")
    )


def _customer_distribution(t: OpenTables[pl.LazyFrame]) -> pl.LazyFrame:
    orders = t.orders.filter(~col("o_comment").str.contains("special.*requests"))
    return (
        t.customer.join(orders, left_on="c_custkey", right_on="o_custkey", how="left")
        .group_by("c_custkey")
        .agg(col("o_orderkey").count().alias("c_count"))
        .group_by("c_count")
        .agg(pl.len().alias("custdist"))
        .sort("custdist", "c_count", descending=True)
    )


def _large_volume_customers(t: OpenTables[pl.LazyFrame]) -> pl.LazyFrame:
    large = t.lineitem.group_by("l_orderkey").agg(col("l_quantity").sum()).filter(col("l_quantity") > 300)
    return (
        t.orders.join(large.select("l_orderkey"), left_on="o_orderkey", right_on="l_orderkey", how="semi")
        .join(t.lineitem, left_on="o_orderkey", right_on="l_orderkey")
        .join(t.customer, left_on="o_custkey", right_on="c_custkey")
        .group_by("c_name", col("o_custkey").alias("c_custkey"), "o_orderkey", "o_orderdate", "o_totalprice")
        .agg(col("l_quantity").sum().alias("quantity"))
        .sort("o_totalprice", "o_orderdate", descending=[True, False])
        .head(100)
    )


def _suppliers_who_kept_orders_waiting(t: OpenTables[pl.LazyFrame]) -> pl.LazyFrame:
    several = t.lineitem.group_by("l_orderkey").agg(col("l_suppkey").n_unique().alias("n")).filter(col("n") > 1)
    late = t.lineitem.filter(col("l_receiptdate") > col("l_commitdate"))
    alone = late.group_by("l_orderkey").agg(col("l_suppkey").n_unique().alias("n")).filter(col("n") == 1)
    return (
        late.join(several.select("l_orderkey"), on="l_orderkey")
        .join(alone.select("l_orderkey"), on="l_orderkey")
        .join(t.supplier, left_on="l_suppkey", right_on="s_suppkey")
        .join(t.nation, left_on="s_nationkey", right_on="n_nationkey")
        .join(t.orders, left_on="l_orderkey", right_on="o_orderkey")
        .filter(col("n_name") == "SAUDI ARABIA", col("o_orderstatus") == "F")
        .group_by("s_name")
        .agg(pl.len().alias("numwait"))
        .sort("numwait", "s_name", descending=[True, False])
        .head(100)
    )


QUERIES = {
    "Q1": _pricing_summary,
    "Q3": _shipping_priority,
    "Q5": _local_supplier_volume,
    "Q6": _forecast_revenue_change,
    "Q7": _volume_shipping,
    "Q9": _product_type_profit,
    "Q12": _shipping_modes,
    "Q13": _customer_distribution,
    "Q18": _large_volume_customers,
    "Q21": _suppliers_who_kept_orders_waiting,
}
