"""TPC-H as streams of sabotnb."""

from __future__ import annotations

from datetime import date

import sabotnb as sb
from sabotnb import col
from sabotnb.cli.bench.compare.engines import OpenTables

REVENUE = col("l_extendedprice") * (1 - col("l_discount"))


def _pricing_summary(t: OpenTables[sb.Stream]) -> sb.Stream:
    items = t.lineitem.filter(col("l_shipdate") <= date(1998, 9, 2)).with_columns(disc_price=REVENUE)
    return (
        items.with_columns(charge=col("disc_price") * (1 + col("l_tax")))
        .group_by("l_returnflag", "l_linestatus")
        .agg(
            sum_qty=col("l_quantity").sum(),
            sum_base_price=col("l_extendedprice").sum(),
            sum_disc_price=col("disc_price").sum(),
            sum_charge=col("charge").sum(),
            avg_qty=col("l_quantity").mean(),
            avg_price=col("l_extendedprice").mean(),
            avg_disc=col("l_discount").mean(),
            count_order=sb.count(),
        )
        .sort("l_returnflag", "l_linestatus")
    )


def _shipping_priority(t: OpenTables[sb.Stream]) -> sb.Stream:
    customers = t.customer.filter(col("c_mktsegment") == "BUILDING").select("c_custkey")
    orders = t.orders.filter(col("o_orderdate") < date(1995, 3, 15))
    items = t.lineitem.filter(col("l_shipdate") > date(1995, 3, 15))
    return (
        items.join(
            orders.join(customers, left_on="o_custkey", right_on="c_custkey"),
            left_on="l_orderkey",
            right_on="o_orderkey",
        )
        .with_columns(revenue=REVENUE)
        .group_by("l_orderkey", "o_orderdate", "o_shippriority")
        .agg(revenue=col("revenue").sum())
        .top(10, by="revenue")
    )


def _local_supplier_volume(t: OpenTables[sb.Stream]) -> sb.Stream:
    nations = t.nation.join(t.region.filter(col("r_name") == "ASIA"), left_on="n_regionkey", right_on="r_regionkey")
    suppliers = t.supplier.join(nations.select("n_nationkey", "n_name"), left_on="s_nationkey", right_on="n_nationkey")
    orders = t.orders.filter((col("o_orderdate") >= date(1994, 1, 1)) & (col("o_orderdate") < date(1995, 1, 1)))
    placed = orders.join(t.customer, left_on="o_custkey", right_on="c_custkey").select("o_orderkey", "c_nationkey")
    return (
        t.lineitem.join(placed, left_on="l_orderkey", right_on="o_orderkey")
        .join(suppliers, left_on=["l_suppkey", "c_nationkey"], right_on=["s_suppkey", "s_nationkey"])
        .with_columns(revenue=REVENUE)
        .group_by("n_name")
        .agg(revenue=col("revenue").sum())
        .sort("revenue", descending=True)
    )


def _forecast_revenue_change(t: OpenTables[sb.Stream]) -> sb.Stream:
    year = (col("l_shipdate") >= date(1994, 1, 1)) & (col("l_shipdate") < date(1995, 1, 1))
    small = col("l_discount").is_between(0.05, 0.07) & (col("l_quantity") < 24)
    items = t.lineitem.filter(year, small)
    return items.with_columns(r=col("l_extendedprice") * col("l_discount")).agg(revenue=col("r").sum())


def _volume_shipping(t: OpenTables[sb.Stream]) -> sb.Stream:
    nations = t.nation.filter(col("n_name").is_in(["FRANCE", "GERMANY"]))
    suppliers = t.supplier.join(
        nations.select("n_nationkey", supp_nation=col("n_name")), left_on="s_nationkey", right_on="n_nationkey"
    )
    customers = t.customer.join(
        nations.select("n_nationkey", cust_nation=col("n_name")), left_on="c_nationkey", right_on="n_nationkey"
    )
    orders = t.orders.join(customers, left_on="o_custkey", right_on="c_custkey").select("o_orderkey", "cust_nation")
    items = t.lineitem.filter(col("l_shipdate").is_between(date(1995, 1, 1), date(1996, 12, 31)))
    return (
        items.join(suppliers.select("s_suppkey", "supp_nation"), left_on="l_suppkey", right_on="s_suppkey")
        .join(orders, left_on="l_orderkey", right_on="o_orderkey")
        .filter(col("supp_nation") != col("cust_nation"))
        .with_columns(volume=REVENUE)
        .group_by("supp_nation", "cust_nation", l_year=col("l_shipdate").dt.year())
        .agg(revenue=col("volume").sum())
        .sort("supp_nation", "cust_nation", "l_year")
    )


def _product_type_profit(t: OpenTables[sb.Stream]) -> sb.Stream:
    parts = t.part.filter(col("p_name").str.contains("green", literal=True)).select("p_partkey")
    suppliers = t.supplier.join(t.nation, left_on="s_nationkey", right_on="n_nationkey")
    return (
        t.lineitem.join(parts, left_on="l_partkey", right_on="p_partkey")
        .join(suppliers.select("s_suppkey", nation=col("n_name")), left_on="l_suppkey", right_on="s_suppkey")
        .join(t.partsupp, left_on=["l_partkey", "l_suppkey"], right_on=["ps_partkey", "ps_suppkey"])
        .join(t.orders.select("o_orderkey", "o_orderdate"), left_on="l_orderkey", right_on="o_orderkey")
        .with_columns(amount=REVENUE - col("ps_supplycost") * col("l_quantity"))
        .group_by("nation", o_year=col("o_orderdate").dt.year())
        .agg(sum_profit=col("amount").sum())
        .sort("nation", "o_year", descending=[False, True])
    )


def _shipping_modes(t: OpenTables[sb.Stream]) -> sb.Stream:
    items = t.lineitem.filter(
        col("l_shipmode").is_in(["MAIL", "SHIP"]),
        col("l_commitdate") < col("l_receiptdate"),
        col("l_shipdate") < col("l_commitdate"),
        col("l_receiptdate") >= date(1994, 1, 1),
        col("l_receiptdate") < date(1995, 1, 1),
    )
    urgent = col("o_orderpriority").is_in(["1-URGENT", "2-HIGH"])
    return (
        t.orders.join(items, left_on="o_orderkey", right_on="l_orderkey")
        .with_columns(high=urgent.cast("int64"), low=(~urgent).cast("int64"))
        .group_by("l_shipmode")
        .agg(high_line_count=col("high").sum(), low_line_count=col("low").sum())
        .sort("l_shipmode")
    )


def _customer_distribution(t: OpenTables[sb.Stream]) -> sb.Stream:
    orders = t.orders.filter(~col("o_comment").str.contains("special.*requests")).select("o_custkey", "o_orderkey")
    return (
        t.customer.join(orders, left_on="c_custkey", right_on="o_custkey", how="left")
        .group_by("c_custkey")
        .agg(c_count=col("o_orderkey").count())
        .group_by("c_count")
        .agg(custdist=sb.count())
        .sort("custdist", "c_count", descending=True)
    )


def _large_volume_customers(t: OpenTables[sb.Stream]) -> sb.Stream:
    large = t.lineitem.group_by("l_orderkey").agg(quantity=col("l_quantity").sum()).filter(col("quantity") > 300)
    return (
        t.orders.join(large, left_on="o_orderkey", right_on="l_orderkey")
        .join(t.customer.select("c_custkey", "c_name"), left_on="o_custkey", right_on="c_custkey")
        .select("c_name", "o_orderkey", "o_orderdate", "o_totalprice", "quantity", c_custkey=col("o_custkey"))
        .top(100, by="o_totalprice")
    )


def _suppliers_who_kept_orders_waiting(t: OpenTables[sb.Stream]) -> sb.Stream:
    of_order = t.lineitem.group_by("l_orderkey").agg(suppliers=col("l_suppkey").n_unique())
    late = t.lineitem.filter(col("l_receiptdate") > col("l_commitdate")).select("l_orderkey", "l_suppkey")
    late_of_order = late.group_by("l_orderkey").agg(late_suppliers=col("l_suppkey").n_unique())
    nations = t.nation.filter(col("n_name") == "SAUDI ARABIA").select("n_nationkey")
    suppliers = t.supplier.join(nations, left_on="s_nationkey", right_on="n_nationkey").select("s_suppkey", "s_name")
    orders = t.orders.filter(col("o_orderstatus") == "F").select("o_orderkey")
    return (
        late.join(suppliers, left_on="l_suppkey", right_on="s_suppkey")
        .join(orders, left_on="l_orderkey", right_on="o_orderkey")
        .join(of_order.filter(col("suppliers") > 1), on="l_orderkey")
        .join(late_of_order.filter(col("late_suppliers") == 1), on="l_orderkey")
        .group_by("s_name")
        .agg(numwait=sb.count())
        .top(100, by="numwait")
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
