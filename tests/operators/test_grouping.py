"""aggregate, reduce, distinct, top and sort, one operator at a time."""

import math
from itertools import pairwise

import pyarrow as pa
import pytest
from aggregates_oracle import batches_of, rank
from hypothesis import given, settings
from hypothesis import strategies as st

from sabotnb.blobs import capture, capture_value
from sabotnb.config import Config
from sabotnb.errors import UserFunctionError
from sabotnb.expr.aggregates import type_to_text
from sabotnb.graph import output_schema
from sabotnb.graph.specs import Aggregate, AggregateColumn, Distinct, Phase, Reduce, Sort, Top
from sabotnb.testing import Harness

SCHEMA = pa.schema({"k": pa.dictionary(pa.int32(), pa.string()), "x": pa.int64(), "f": pa.float64()})
COLUMNS = (
    AggregateColumn("n", "count"),
    AggregateColumn("total", "sum", "x"),
    AggregateColumn("most", "max", "f"),
    AggregateColumn("mean", "mean", "x"),
)
ROWS = [{"k": "a", "x": 1, "f": 0.5}, {"k": "b", "x": 2, "f": None}, {"k": "a", "x": 5, "f": float("nan")}]
SOME = st.lists(
    st.fixed_dictionaries(
        {
            "k": st.none() | st.sampled_from("abc"),
            "x": st.none() | st.integers(-5, 5),
            "f": st.none() | st.sampled_from([float("nan"), -0.0, 0.0, 1.5, -math.inf]),
        }
    ),
    max_size=30,
).map(lambda rows: [{name: row[name] for name in SCHEMA.names} for row in rows])
CUTS = st.lists(st.integers(1, 30), max_size=4)


def run(spec, rows, cuts=(), limit=65_536, schema=SCHEMA, **context):
    with Harness(spec, schema, config=Config(batch_rows=limit), **context) as harness:
        for batch in batches_of(pa.Table.from_pylist(rows, schema), cuts):
            harness.push(batch)
        harness.end()
        assert all(batch.schema.equals(output_schema(spec, [schema])) for batch in harness.batches)
        assert all(batch.num_rows <= limit for batch in harness.batches)
        return harness.rows


def aggregate(phase=Phase.FULL, keys=("k",)):
    return Aggregate(keys, COLUMNS, SCHEMA, phase)


def two_phases(rows, cuts, keys):
    partial = aggregate(Phase.PARTIAL, keys)
    parts = run(partial, rows, cuts)
    return run(aggregate(Phase.FINAL, keys), parts, cuts, schema=output_schema(partial, [SCHEMA]))


def plain(rows):
    return sorted(([repr(-0.0 + 0.0 if value == 0 else value) for value in row.values()] for row in rows), key=str)


def test_full_gives_a_row_per_key():
    assert plain(run(aggregate(), ROWS)) == plain(
        [
            {"k": "a", "n": 2, "total": 6, "most": float("nan"), "mean": 3.0},
            {"k": "b", "n": 1, "total": 2, "most": None, "mean": 2.0},
        ]
    )


@given(rows=SOME, cuts=CUTS, keys=st.sampled_from([(), ("k",), ("k", "x"), ("f",)]))
@settings(max_examples=40, deadline=None)
def test_two_phases_are_one(rows, cuts, keys):
    assert plain(two_phases(rows, cuts, keys)) == plain(run(aggregate(keys=keys), rows))


@pytest.mark.parametrize("index", [0, 1])
def test_without_keys_the_first_task_gives_one_row_of_nothing(index):
    expected = [{"n": 0, "total": None, "most": None, "mean": None}] if index == 0 else []
    assert run(aggregate(keys=()), [], index=index, parallelism=2) == expected
    parts = output_schema(aggregate(Phase.PARTIAL, ()), [SCHEMA])
    assert run(aggregate(Phase.FINAL, ()), [], schema=parts, index=index, parallelism=2) == expected


def test_results_come_in_bounded_batches():
    rows = [{"k": str(i), "x": i, "f": 0.0} for i in range(1000)]
    assert sorted(row["total"] for row in run(aggregate(), rows, limit=64)) == list(range(1000))


class Product:
    returns = pa.int64()

    def __init__(self):
        self.value = 1

    def update(self, values):
        for value in values.drop_null().to_pylist():
            self.value *= value

    def merge(self, other):
        self.value *= other.value

    def result(self):
        return self.value


def custom(cls):
    options = {"returns": type_to_text(pa.int64())}
    column = AggregateColumn("p", "custom", "x", options=options, function=capture(cls, "aggregate"))
    return Aggregate(("k",), (column,), SCHEMA)


def test_a_class_of_the_user_aggregates():
    assert plain(run(custom(Product), ROWS, [1, 2])) == plain([{"k": "a", "p": 5}, {"k": "b", "p": 2}])


class Broken(Product):
    def result(self):
        return "many"


def test_a_result_of_another_type_is_told():
    with pytest.raises(UserFunctionError, match=r"Broken .* 'many' .*, not int64"):
        run(custom(Broken), ROWS)


@given(rows=SOME, cuts=CUTS, keys=st.sampled_from([(), ("k",), ("k", "f")]))
@settings(max_examples=40, deadline=None)
def test_distinct_passes_on_the_first_row_of_each_key(rows, cuts, keys):
    met, expected = set(), []
    for row in rows:
        key = tuple(rank(row[name]) for name in keys or row)
        if key not in met:
            met.add(key)
            expected.append(row)
    assert list(map(repr, run(Distinct(keys), rows, cuts))) == list(map(repr, expected))


def reduced(function, init=None, keys=("k",), rows=ROWS):
    start = None if init is None else capture_value(init, "init")
    return run(Reduce(keys, capture(function, "reduce"), SCHEMA, start), rows, [1])


def test_reduce_folds_rows_of_a_key():
    found = reduced(lambda left, right: {"x": left["x"] + right["x"]})
    assert found == [{"k": "a", "x": 6, "f": None}, {"k": "b", "x": 2, "f": None}] or found[0]["k"] == "b"
    assert {row["k"]: row["x"] for row in found} == {"a": 6, "b": 2}


def test_reduce_starts_with_init():
    found = reduced(lambda left, right: {"x": left["x"] + right["x"]}, {"x": 100})
    assert {row["k"]: row["x"] for row in found} == {"a": 106, "b": 102}
    assert reduced(lambda left, right: left, {"x": 7}, (), []) == [{"k": None, "x": 7, "f": None}]
    assert reduced(lambda left, right: left, None, (), []) == []


def test_each_key_has_an_init_of_its_own():
    def collected(left, right):
        left["x"].append(right["x"])
        return {"x": left["x"]}

    schema = pa.schema([SCHEMA.field("k"), ("x", pa.list_(pa.int64()))])
    spec = Reduce(("k",), capture(collected, "reduce"), schema, capture_value({"x": []}, "init"))
    assert {row["k"]: row["x"] for row in run(spec, ROWS, [1])} == {"a": [1, 5], "b": [2]}


def test_reduce_says_what_raised_and_what_does_not_fit():
    with pytest.raises(UserFunctionError, match="ZeroDivisionError"):
        reduced(lambda left, right: {"x": 1 // 0})
    with pytest.raises(UserFunctionError, match="must give a dict"):
        reduced(lambda left, right: 5)
    with pytest.raises(UserFunctionError, match=r"gave 'x' = 'many' \(str\), but the column is int64: give that, or"):
        reduced(lambda left, right: {"x": "many"})


def best(rows, spec):
    """The top of each key by lists."""
    out = []
    for key in {rank(row["k"]) if spec.keys else None for row in rows}:
        members = [row for row in rows if not spec.keys or rank(row["k"]) == key]
        known = [row for row in members if row[spec.by] is not None]
        known.sort(key=lambda row: (rank(row[spec.by]), *(rank(value) for value in row.values())))
        if not spec.reverse:  # best first, equal ones still in their order
            known.sort(key=lambda row: rank(row[spec.by]), reverse=True)
        members = known + sorted(
            (row for row in members if row[spec.by] is None), key=lambda row: [rank(value) for value in row.values()]
        )
        places = [
            next(i for i, other in enumerate(members) if rank(other[spec.by]) == rank(row[spec.by])) if spec.ties else i
            for i, row in enumerate(members)
        ]
        out += [row | {"r": place + 1} for row, place in zip(members, places, strict=True) if place < spec.n]
    return out


@given(
    rows=SOME,
    cuts=CUTS,
    spec=st.builds(
        Top,
        keys=st.sampled_from([(), ("k",)]),
        n=st.integers(1, 4),
        by=st.sampled_from(["x", "f", "k"]),
        reverse=st.booleans(),
        ties=st.booleans(),
        rank=st.just("r"),
    ),
)
@settings(max_examples=60, deadline=None)
def test_top_keeps_the_best_rows_of_each_key(rows, cuts, spec):
    assert plain(run(spec, rows, cuts, limit=3)) == plain(best(rows, spec))


def test_top_prunes_what_piles_up():
    rows = pa.table({"x": range(400_000)})
    with Harness(Top((), 3, "x"), rows.schema) as harness:
        for batch in rows.to_batches(50_000):
            harness.push(batch)
        harness.end()
        assert harness.rows == [{"x": 399_999}, {"x": 399_998}, {"x": 399_997}]


@given(rows=SOME, cuts=CUTS, descending=st.tuples(st.booleans(), st.booleans()))
@settings(max_examples=40, deadline=None)
def test_sort_puts_nan_above_numbers_and_nulls_last(rows, cuts, descending):
    found = run(Sort(("f", "x"), descending), rows, cuts, limit=7)
    assert plain(found) == plain(rows)

    def place(row):
        return [place_of(row[name], down) for name, down in zip(("f", "x"), descending, strict=True)]

    assert all(place(one) <= place(other) for one, other in pairwise(found))


def place_of(value, down):
    above, number = rank(value)
    return (above == 2, -above if down else above, -number if down else number)
