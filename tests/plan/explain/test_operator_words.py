"""Summaries of operators."""

import pyarrow as pa

from sabotnb.expr import col
from sabotnb.graph import Project, Source
from sabotnb.plan.explain.operator_words import summary

MANY = [f"c{number}" for number in range(11)]


def test_only_the_first_of_many_columns_are_named():
    schema = pa.schema([(name, pa.int64()) for name in MANY])
    assert summary(Source("rows", schema)) == "rows: c0, c1, c2, c3, c4, c5, c6, c7 and 3 more"


def test_computed_columns_are_always_named():
    kept = tuple((name, col(name)) for name in MANY)
    text = summary(Project((("first", col("c0") + 1), *kept, ("last", col("c1") * 2))))
    assert text == "c0, c1, c2, c3, c4, c5, c6, c7 and 3 more, first = col('c0') + 1, last = col('c1') * 2"


def test_few_columns_are_listed_in_order():
    assert summary(Project((("b", col("b")), ("x", col("a")), ("c", col("c"))))) == "b, x = col('a'), c"
