"""Expressions as loops write them: thousands of terms deep, or the last one used twice by the next."""

import copy
import functools
import json
import operator
import pickle

import pyarrow as pa
import pytest

from sabotnb import expr
from sabotnb.errors import ExpressionError, SchemaError
from sabotnb.expr import Expr, bind, col, evaluate, from_json, lit, overloads, same, substitute, to_json, udf, when

TERMS = 2000
VALUES = list(range(-3, 4))
BATCH = pa.RecordBatch.from_pydict({"x": VALUES, "y": [value * 2 for value in VALUES]})


@udf("int64", engine="row")
def plus_one(value):
    return value + 1


def repeated(make, start=None):
    made = col("x") if start is None else start
    for number in range(TERMS):
        made = make(made, number)
    return made


DEEP = {
    "left": (lambda: repeated(lambda e, _: e + 1), lambda x: x + TERMS),
    "right": (lambda: repeated(lambda e, _: col("y") + e), lambda x: x + TERMS * 2 * x),
    "not": (lambda: repeated(lambda e, _: ~e, col("x") > 0), lambda x: x > 0),
    "cast": (lambda: repeated(lambda e, n: e.cast("int32" if n % 2 else "int64")), lambda x: x),
    "alias": (lambda: repeated(lambda e, n: e.alias(f"n{n}")), lambda x: x),
    "or": (
        lambda: functools.reduce(operator.or_, [col("x") == number * 2 for number in range(TERMS)]),
        lambda x: x in range(0, 2 * TERMS, 2),
    ),
    "and": (lambda: repeated(lambda e, n: e & (col("x") != n * 3), col("x") > 0), lambda x: x > 0 and x != 3),
    "and that may raise": (
        lambda: repeated(lambda e, n: e & (10 // (col("x") + n + 4) >= 0), col("x") > 0),
        lambda x: x > 0,
    ),
    "and to the right that may raise": (
        lambda: repeated(lambda e, n: (col("x") != n + 1000) & (10 // col("x") > 0) & e, col("x") > 1),
        lambda x: None if x == 0 else x > 1,
    ),
    "when": (
        lambda: functools.reduce(
            lambda chain, n: chain.when(col("x") == n).then(n * 2), range(TERMS), when(col("x") == -1).then(7)
        ).otherwise(-9),
        lambda x: 7 if x == -1 else x * 2 if x >= 0 else -9,
    ),
    "when in otherwise": (
        lambda: repeated(lambda e, n: when(col("x") == n).then(n * 2).otherwise(e), lit(-9)),
        lambda x: x * 2 if x >= 0 else -9,
    ),
    "when in otherwise that may raise": (
        lambda: repeated(lambda e, n: when(col("x") == n).then(10 // (col("x") + 1)).otherwise(e), lit(-9)),
        lambda x: 10 // (x + 1) if x >= 0 else -9,
    ),
    "twice": (lambda: repeated(lambda e, _: (e + e) * 0.5, col("x").cast("double")), float),
    "in": (lambda: col("x").is_in(list(range(TERMS))), lambda x: x in range(TERMS)),
    "function": (lambda: repeated(lambda e, n: plus_one(e) if n % 200 == 0 else e + 1), lambda x: x + TERMS),
}


@pytest.fixture(params=DEEP)
def deep(request):
    return DEEP[request.param]


def test_a_deep_expression_has_the_right_values(deep):
    make, value = deep
    if make is DEEP["and to the right that may raise"][0]:
        rows = BATCH.filter(pa.array([x != 0 for x in VALUES]))
        assert evaluate(make(), rows).to_pylist() == [value(x) for x in VALUES if x != 0]
    else:
        assert evaluate(make(), BATCH).to_pylist() == [value(x) for x in VALUES]


def test_a_deep_expression_is_data(deep):
    one, other = deep[0](), deep[0]()
    assert same(one, other)
    assert hash(one) == hash(other)
    assert not same(one, lit(1))
    functions = {function.sha256: function for function in expr.functions(one)}
    for copied in (
        from_json(json.loads(json.dumps(to_json(one))), functions),
        pickle.loads(pickle.dumps(one)),
        copy.deepcopy(one),
        copy.copy(one),
        substitute(substitute(one, {"x": col("z")}), {"z": col("x")}),
    ):
        assert same(one, copied)
    assert bind(one, BATCH.schema) == evaluate(one, BATCH.slice(4)).type
    assert expr.columns(one) <= {"x", "y"}
    assert len(repr(one)) < 11_000
    assert len(expr.conjuncts(one)) >= 1
    expr.root_name(one)


def test_trees_that_differ_only_at_the_bottom_are_not_equal():
    assert not same(repeated(lambda e, _: e + 1), repeated(lambda e, _: e + 1, col("y")))
    assert not same(repeated(lambda e, _: e + e), repeated(lambda e, _: e + e, col("y")))


def test_an_expression_that_is_used_twice_again_and_again_stays_small():
    one = repeated(lambda e, _: e + e)
    assert len(to_json(one)["nodes"]) == TERMS + 1
    assert len(pickle.dumps(one)) < 200_000
    doubled = functools.reduce(lambda e, _: e + e, range(40), col("x"))
    assert evaluate(doubled, BATCH).to_pylist() == [x * 2**40 for x in VALUES]
    assert same(substitute(doubled, {"x": col("x") + 0}), functools.reduce(lambda e, _: e + e, range(40), col("x") + 0))


def test_how_an_expression_was_built_does_not_change_its_json():
    shared = col("x") + 1
    assert to_json(shared * shared) == to_json((col("x") + 1) * (col("x") + 1))
    deep = repeated(lambda e, _: e + 1)
    assert to_json(deep * deep) == to_json(deep * repeated(lambda e, _: e + 1))


def test_a_table_of_nodes_that_to_json_did_not_write_is_refused():
    for places in ([0], [-1], ["0"], [7]):
        with pytest.raises(SchemaError):
            from_json({"nodes": [{"call": "not", "args": places}]}, {})


def test_what_each_row_would_have_to_compute_a_million_times_is_refused():
    one = functools.reduce(lambda e, _: when(e > 0).then(1 // e).otherwise(e - 1), range(40), col("x"))
    with pytest.raises(ExpressionError, match=r"with_columns"):
        evaluate(one, BATCH)


def test_an_error_deep_inside_names_its_own_part():
    guarded = repeated(lambda e, n: when(col("x") == n + 1).then(1).otherwise(e), 1 // col("x"))
    with pytest.raises(ExpressionError, match=r"^1 // col\('x'\): divide by zero"):
        evaluate(guarded, BATCH)


def test_only_what_was_added_to_an_expression_is_compiled(monkeypatch):
    asked = []
    rule = overloads.RULES["add"]
    monkeypatch.setitem(overloads.RULES, "add", lambda args, options: asked.append(1) or rule(args, options))
    one: Expr = col("x")
    for _ in range(500):
        one = one + 1
        bind(one, BATCH.schema)
    assert len(asked) == 500
