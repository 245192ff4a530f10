"""Drawn expressions over drawn rows: equal to DuckDB, on dictionaries, in batches, as JSON and pushed into a reader."""

import json

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sabotnb import expr
from sabotnb.expr import Expr, coalesce, col, lit, when

SCHEMA = pa.schema(
    [("a", pa.int64()), ("b", pa.int16()), ("f", pa.float64()), ("s", pa.string()), ("flag", pa.bool_())]
)
FLOATS = [-1e300, -2.5, -0.0, 0.0, 0.5, 7.0]
NAN = float("nan")

few = settings(max_examples=150, deadline=None)


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
    leaves = st.sampled_from([col("a"), col("b"), col("f"), lit(2), lit(0.5), lit(None, "int64")])
    if depth == 0:
        return leaves
    inner = numbers(depth - 1)
    return st.one_of(
        leaves,
        st.tuples(inner, inner, st.sampled_from("+-*")).map(lambda t: combined(*t)),
        inner.map(abs),
        inner.map(lambda one: -one),
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
    number = st.sampled_from([col("a"), col("b"), col("f"), lit(1), lit(2.5)])
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
        inner.map(lambda one: ~one),
    )


def sql(node: object) -> str:  # noqa: C901, PLR0911  a table
    """The expression as DuckDB reads it."""
    infix = {"add": "+", "subtract": "-", "multiply": "*", "equal": "=", "not_equal": "<>", "less": "<"}
    infix |= {"less_equal": "<=", "greater": ">", "greater_equal": ">=", "and": "AND", "or": "OR"}
    match node:
        case expr.nodes.Column(name=name):
            return name
        case expr.nodes.Literal(value=None, type=data_type):
            return "NULL::BIGINT" if data_type == pa.int64() else "NULL"
        case expr.nodes.Literal(value=str() as value):
            return f"'{value}'"
        case expr.nodes.Literal(value=float() as value):
            return f"{value}::DOUBLE"
        case expr.nodes.Literal(value=tuple() as values):
            return "(" + ", ".join("NULL" if v is None else repr(v) for v in values) + ")"
        case expr.nodes.Literal(value=value):
            return f"{value}::BIGINT" if isinstance(value, int) else str(value)
        case expr.nodes.Call(fn="add", args=(left, right)) if expr.columns(Expr(left)) == {"s"}:
            return f"({sql(left)} || {sql(right)})"
        case expr.nodes.Call(fn="is_in", args=(arg, listed)):
            return f"({sql(arg)} IN {sql(listed)})" if listed.value else f"if({sql(arg)} IS NULL, NULL, false)"
        case expr.nodes.Call(fn=fn, args=args):
            inner = [sql(arg) for arg in args]
            if fn in infix:
                return f"({inner[0]} {infix[fn]} {inner[1]})"
            templates = {
                "not": "(NOT {0})",
                "negate": "(-({0}))",
                "abs": "abs({0})",
                "coalesce": "coalesce({0}, {1})",
                "case": "(CASE WHEN {0} THEN {1} ELSE {2} END)",
                "clip": "if({0} IS NULL, NULL, least(greatest({0}, {1}), {2}))",
                "is_null": "({0} IS NULL)",
                "is_not_null": "({0} IS NOT NULL)",
                "is_between": "({0} BETWEEN {1} AND {2})",
                "str.lower": "lower({0})",
                "str.starts_with": "starts_with({0}, 'A')",
                "str.contains": "contains({0}, 'A%')",
            }
            return templates[fn].format(*inner)
    raise AssertionError(node)


@pytest.fixture(scope="module")
def duck():
    with duckdb.connect(config={"threads": 1}) as connection:
        yield connection


def answers(duck: duckdb.DuckDBPyConnection, one: Expr, batch: pa.RecordBatch) -> list[object]:
    duck.register("given", pa.Table.from_batches([batch]))
    return [row[0] for row in duck.sql(f"SELECT {sql(one.node)} FROM given").fetchall()]


@few
@given(numbers(2), rows_of(FLOATS))
def test_numbers_equal_duckdb(duck, one: Expr, batch: pa.RecordBatch):
    assert expr.evaluate(one.cast(float), batch).to_pylist() == pytest.approx(
        [None if value is None else float(value) for value in answers(duck, one, batch)], nan_ok=True
    )


@few
@given(conditions(2), rows_of(FLOATS))
def test_conditions_equal_duckdb_with_its_three_valued_nulls(duck, one: Expr, batch: pa.RecordBatch):
    assert expr.evaluate(one, batch).to_pylist() == answers(duck, one, batch)


@few
@given(conditions(2) | numbers(2), rows_of([*FLOATS, NAN]), st.integers(0, 12))
def test_neither_batches_nor_dictionaries_change_the_result(one: Expr, batch: pa.RecordBatch, cut: int):
    whole = expr.evaluate(one, batch)
    parts = [expr.evaluate(one, part) for part in (batch.slice(0, cut), batch.slice(cut))]
    encoded = batch.set_column(3, "s", batch["s"].dictionary_encode())
    assert str(pa.concat_arrays(parts)) == str(whole)
    assert str(expr.evaluate(one, encoded)) == str(whole)


@few
@given(conditions(2) | numbers(2), rows_of([*FLOATS, NAN]))
def test_the_bound_type_is_the_type_of_the_result(one: Expr, batch: pa.RecordBatch):
    result = expr.evaluate(one, batch)
    assert (result.type, len(result)) == (expr.bind(one, SCHEMA), batch.num_rows)


@few
@given(conditions(2) | numbers(2))
def test_json_gives_the_same_tree_back(one: Expr):
    assert expr.same(expr.from_json(json.loads(json.dumps(expr.to_json(one))), {}), one)


@few
@given(conditions(2), rows_of(FLOATS))
def test_conjuncts_connected_again_are_the_same_condition(one: Expr, batch: pa.RecordBatch):
    assert expr.evaluate(expr.all_of(expr.conjuncts(one)), batch) == expr.evaluate(one, batch)


@few
@given(conditions(2), rows_of([*FLOATS, NAN]))
def test_a_reader_keeps_the_rows_that_a_filter_keeps(tmp_path_factory, one: Expr, batch: pa.RecordBatch):
    pushed = expr.to_pyarrow(one, SCHEMA)
    if pushed is None:
        return
    wanted = batch.filter(expr.evaluate(one, batch))
    path = tmp_path_factory.mktemp("pushdown") / "rows.parquet"
    pq.write_table(pa.Table.from_batches([batch]), path, row_group_size=2)  # so that statistics drop some groups
    read = ds.dataset(path, schema=SCHEMA).to_table(filter=pushed)
    assert str(read.combine_chunks().to_pylist()) == str(wanted.to_pylist())
