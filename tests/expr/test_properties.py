"""Drawn expressions over drawn rows: equal to DuckDB, on dictionaries, in batches, as JSON."""

import json

import duckdb
import pyarrow as pa
import pytest
from drawn_expressions import FLOATS, NAN, SCHEMA, conditions, numbers, rows_of
from hypothesis import given, settings
from hypothesis import strategies as st

from sabotnb import expr
from sabotnb.expr import Expr

few = settings(max_examples=150, deadline=None)


def sql(node: object) -> str:  # noqa: C901, PLR0911  a table
    """The expression as DuckDB reads it."""
    infix = {"add": "+", "subtract": "-", "multiply": "*", "equal": "=", "not_equal": "<>", "less": "<"}
    infix |= {"less_equal": "<=", "greater": ">", "greater_equal": ">=", "and": "AND", "or": "OR"}
    match node:
        case expr.expression_nodes.Column(name=name):
            return name
        case expr.expression_nodes.Literal(value=None, type=data_type):
            return "NULL::BIGINT" if data_type == pa.int64() else "NULL"
        case expr.expression_nodes.Literal(value=str() as value):
            return f"'{value}'"
        case expr.expression_nodes.Literal(value=float() as value):
            return f"{value}::DOUBLE"
        case expr.expression_nodes.Literal(value=tuple() as values):
            return "(" + ", ".join("NULL" if v is None else repr(v) for v in values) + ")"
        case expr.expression_nodes.Literal(value=value):
            return f"{value}::BIGINT" if isinstance(value, int) else str(value)
        case expr.expression_nodes.Call(fn="add", args=(left, right)) if expr.bind(Expr(left), SCHEMA) == pa.string():
            return f"({sql(left)} || {sql(right)})"
        case expr.expression_nodes.Call(fn="is_in", args=(arg, listed)):
            return f"({sql(arg)} IN {sql(listed)})" if listed.value else f"if({sql(arg)} IS NULL, NULL, false)"
        case expr.expression_nodes.Call(fn="cast", args=(arg,), options=(("type", data_type),)):
            return f"CAST({sql(arg)} AS {'DOUBLE' if pa.types.is_floating(data_type) else 'BIGINT'})"
        case expr.expression_nodes.Call(fn=fn, args=args):
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
                "str.len": "length({0})",
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
