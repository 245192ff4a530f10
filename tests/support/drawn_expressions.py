"""Hypothesis strategies of expressions and rows of one schema."""

import pyarrow as pa
from hypothesis import strategies as st

from sabotnb.expr import Expr, coalesce, col, lit, when

SCHEMA = pa.schema(
    [("a", pa.int64()), ("b", pa.int16()), ("f", pa.float64()), ("s", pa.string()), ("flag", pa.bool_())]
)
FLOATS = [-1e300, -2.5, -0.0, 0.0, 0.5, 7.0]
NAN = float("nan")


def rows_of(floats: list[float]) -> st.SearchStrategy[pa.RecordBatch]:
    row = st.fixed_dictionaries(
        {
            "a": st.none() | st.integers(-9, 9),
            "b": st.none() | st.integers(-3, 3),
            "f": st.none() | st.sampled_from(floats),
            "s": st.none() | st.sampled_from(["", "AA", "aa", "ü", "A%"]),
            "flag": st.none() | st.booleans(),
        }
    )
    return st.lists(row, max_size=12).map(lambda rows: pa.RecordBatch.from_pylist(rows, schema=SCHEMA))


def numbers(depth: int) -> st.SearchStrategy[Expr]:
    leaves = st.sampled_from(
        [col("a"), col("b"), col("f"), lit(2), lit(0.5), lit(None, "int64"), col("s").str.len(), col("b").cast("int64")]
    )
    if depth == 0:
        return leaves
    inner = numbers(depth - 1)
    return st.one_of(
        leaves,
        st.tuples(inner, inner, st.sampled_from("+-*")).map(lambda t: combined(*t)),
        inner.map(abs),
        inner.map(lambda number: -number),
        st.tuples(inner, inner).map(lambda t: coalesce(*t)),
        st.tuples(conditions(depth - 1), inner, inner).map(lambda t: when(t[0]).then(t[1]).otherwise(t[2])),
        st.tuples(inner, st.integers(-2, 0), st.integers(1, 3)).map(lambda t: t[0].clip(t[1], t[2])),
    )


def combined(left: Expr, right: Expr, symbol: str) -> Expr:
    return {"+": lambda: left + right, "-": lambda: left - right, "*": lambda: left * right}[symbol]()


def compared(left: Expr, right: Expr, symbol: str) -> Expr:
    table = {
        "==": lambda: left == right,
        "!=": lambda: left != right,
        "<": lambda: left < right,
        "<=": lambda: left <= right,
        ">": lambda: left > right,
        ">=": lambda: left >= right,
    }
    return table[symbol]()


SYMBOLS = st.sampled_from(["==", "!=", "<", "<=", ">", ">="])


def conditions(depth: int) -> st.SearchStrategy[Expr]:
    number = st.sampled_from(
        [
            col("a"),
            col("b"),
            col("f"),
            lit(1),
            lit(2.5),
            col("s").str.len(),
            col("a").cast("double"),
            col("b").cast("int64"),
        ]
    )
    text = st.sampled_from([col("s"), lit("AA"), col("s") + "A", col("s").str.lower()])
    leaves = st.one_of(
        st.sampled_from([col("flag"), col("a").is_null(), col("s").is_not_null()]),
        st.tuples(number, number, SYMBOLS).map(lambda t: compared(*t)),
        st.tuples(text, text, SYMBOLS).map(lambda t: compared(*t)),
        st.lists(st.none() | st.integers(-2, 2), max_size=3).map(lambda values: col("a").is_in(values)),
        st.lists(st.sampled_from(["AA", "ü"]), max_size=2).map(lambda values: col("s").is_in(values)),
        st.tuples(st.integers(-3, 0), st.integers(0, 3)).map(lambda t: col("b").is_between(*t)),
        st.sampled_from([col("s").str.starts_with("A"), col("s").str.contains("A%", literal=True)]),
    )
    if depth == 0:
        return leaves
    inner = conditions(depth - 1)
    return st.one_of(
        leaves,
        st.tuples(inner, inner).map(lambda t: t[0] & t[1]),
        st.tuples(inner, inner).map(lambda t: t[0] | t[1]),
        inner.map(lambda condition: ~condition),
    )
