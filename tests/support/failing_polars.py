import polars as pl
from failing_suite import dying, hanging, raising

QUERIES = {
    "right": lambda t: t.numbers.select(total=pl.col("x").sum()),
    "wrong": lambda t: t.numbers.select(total=pl.len()),
    "raises": raising,
    "dies": dying,
    "hangs": hanging,
    "after": lambda t: t.numbers.select(total=pl.col("x").sum()),
}
