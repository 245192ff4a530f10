"""Grouped aggregates against lists: whatever the batches, the groups and the way through partials or exports."""

import datetime as dt
from decimal import Decimal

import pyarrow as pa
import pytest
from aggregates_oracle import batches_of, found, grouped, same
from hypothesis import given, settings
from hypothesis import strategies as st

from sabotnb.errors import ExpressionError, SchemaError
from sabotnb.graph.specs import AggregateColumn
from sabotnb.state import BatchPartials, GroupedAggregates

KEYS = {"k": pa.dictionary(pa.int32(), pa.string()), "n": pa.int16()}
SCHEMA = pa.schema(
    [
        *((name, kind) for name, kind in KEYS.items()),
        ("i", pa.int32()),
        ("f", pa.float64()),
        ("s", pa.string()),
        ("d", pa.decimal128(12, 2)),
        ("t", pa.timestamp("us")),
        ("b", pa.bool_()),
    ]
)
VALUES = {
    "k": st.none() | st.sampled_from(["a", "b", "c"]),
    "n": st.none() | st.integers(-1, 2),
    "i": st.none() | st.integers(-(2**31), 2**31 - 1),
    "f": st.none() | st.floats(-1e6, 1e6) | st.just(float("nan")),
    "s": st.none() | st.text(max_size=4),
    "d": st.none() | st.decimals(-(10**6), 10**6, places=2),
    "t": st.none() | st.datetimes(dt.datetime(2000, 1, 1), dt.datetime(2001, 1, 1)),
    "b": st.none() | st.booleans(),
}
MERGEABLE = [
    *(AggregateColumn(f"count_{c}", "count", c) for c in "ifsdtbk"),
    *(AggregateColumn(f"sum_{c}", "sum", c) for c in "idbf"),
    *(AggregateColumn(f"mean_{c}", "mean", c) for c in "idf"),
    *(AggregateColumn(f"{fn}_{c}", fn, c) for fn in ("min", "max") for c in "ifdtb"),
    AggregateColumn("rows", "count"),
    AggregateColumn("var_i", "var", "i"),
    AggregateColumn("std_i", "std", "i", options={"ddof": 0}),
    *(AggregateColumn(f"{fn}_{c}", fn, c, by="t") for fn in ("first", "last") for c in "ifb"),
    AggregateColumn("arg_min", "arg_min", "t", by="i"),
    AggregateColumn("arg_max", "arg_max", "i", by="f"),
]
MERGEABLE += [
    *(AggregateColumn(f"{fn}_{c}", fn, c) for fn in ("min", "max") for c in "sk"),
    *(AggregateColumn(f"{fn}_s", fn, "s", by="t") for fn in ("first", "last")),
    AggregateColumn("arg_max_k", "arg_max", "k", by="f"),
    AggregateColumn("unique_f", "n_unique", "f"),
    AggregateColumn("unique_k", "n_unique", "k"),
]
WHOLE = [
    AggregateColumn("arg_max_d", "arg_max", "d", by="s"),
    AggregateColumn("arg_min_s", "arg_min", "s", by="k"),
    AggregateColumn("q", "quantile", "i", options={"q": 0.3}),
    AggregateColumn("median", "quantile", "i", options={"q": 0.5}),
    AggregateColumn("top", "top_k", "i", options={"k": 2}),
    AggregateColumn("bottom", "top_k", "s", options={"k": 2, "reverse": True}),
    AggregateColumn("all", "collect_list", "i"),
]


@st.composite
def tables(draw):
    rows = draw(st.integers(0, 40))
    columns = [
        pa.array(draw(st.lists(VALUES[name], min_size=rows, max_size=rows)), SCHEMA.field(name).type)
        for name in SCHEMA.names
    ]
    return pa.table(columns, schema=SCHEMA)


CUTS = st.lists(st.integers(1, 40), max_size=4)
KEY_SETS = st.sampled_from([(), ("k",), ("n",), ("k", "n")])


def states(keys, columns, groups):
    return GroupedAggregates(pa.schema([SCHEMA.field(key) for key in keys]), columns, SCHEMA, groups)


def assert_same(batches, table, keys, columns):
    got, expected = found(batches, keys), grouped(table, keys, columns)
    assert got.keys() == expected.keys()
    for key, row in got.items():
        assert {name: value for name, value in row.items() if not same(value, expected[key][name])} == {}, expected[key]


@given(table=tables(), cuts=CUTS, keys=KEY_SETS, groups=st.sampled_from([1, 4, 128]), limit=st.integers(1, 50))
@settings(max_examples=60, deadline=None)
def test_results_do_not_depend_on_batches_or_groups(table, cuts, keys, groups, limit):
    state = states(keys, MERGEABLE + WHOLE, groups)
    for batch in batches_of(table, cuts):
        state.update(batch)
    results = list(state.results(limit))
    assert all(0 < batch.num_rows <= limit for batch in results)
    assert_same(results, table, keys, MERGEABLE + WHOLE)


@given(table=tables(), cuts=CUTS, keys=KEY_SETS)
@settings(max_examples=40, deadline=None)
def test_partials_merge_to_the_same(table, cuts, keys):
    state = states(keys, MERGEABLE, 8)
    for number, batch in enumerate(batches_of(table, cuts)):
        local = BatchPartials(pa.schema([SCHEMA.field(key) for key in keys]), MERGEABLE, SCHEMA)
        partials = local.partials(batch) if number % 2 else local.lone(batch)
        partials.validate(full=True)
        state.merge(partials)
    assert_same(state.results(), table, keys, MERGEABLE)


@given(table=tables(), cuts=CUTS, keys=KEY_SETS, others=tables())
@settings(max_examples=40, deadline=None)
def test_groups_move_from_state_to_state(table, cuts, keys, others):
    columns = MERGEABLE + WHOLE
    old, new = states(keys, columns, 4), states(keys, columns, 4)
    for batch in batches_of(table, cuts):
        old.update(batch)
    for batch in batches_of(others, cuts):
        new.update(batch)
    for group in old.groups():
        new.load(group, list(old.export(group)))
        old.drop(group)
        assert old.nbytes(group) == 0
    assert_same(new.results(), pa.concat_tables([table, others]), keys, columns)
    assert keys == () or found(old.results(), keys) == {}


@given(table=tables(), later=tables(), keys=KEY_SETS, dropped=st.booleans())
@settings(max_examples=40, deadline=None)
def test_a_frozen_view_stays_as_it_was(table, later, keys, dropped):
    columns = MERGEABLE + WHOLE
    state = states(keys, columns, 4)
    for batch in batches_of(table, []):
        state.update(batch)
    frozen, groups = state.freeze(state.groups()), state.groups()
    for batch in batches_of(later, [10]):
        state.update(batch)
    if dropped:
        for group in groups:
            state.drop(group)
    restored = states(keys, columns, 4)
    for group in groups:
        restored.load(group, frozen.export(group))
    assert_same(restored.results(), table, keys, columns)


def ints(*values, kind=None):
    return pa.record_batch({"x": pa.array(values, kind or pa.int64())})


def total(batch, fn="sum", **options):
    state = GroupedAggregates(pa.schema([]), [AggregateColumn("y", fn, "x", options=options)], batch.schema)
    state.update(batch)
    return next(state.results())["y"].to_pylist()[0]


@pytest.mark.parametrize(
    ("batch", "expected"),
    [
        (ints(2**63 - 1, 5, -5), 2**63 - 1),
        (ints(-(2**63), 1, -1), -(2**63)),
        (ints(2**64 - 1, kind=pa.uint64()), 2**64 - 1),
        (ints(None), None),
        (ints(kind=pa.int64()), None),
        (ints(Decimal("1.5"), Decimal("2.25"), kind=pa.decimal128(5, 2)), Decimal("3.75")),
        (ints(dt.timedelta(days=1), None, kind=pa.duration("s")), dt.timedelta(days=1)),
    ],
)
def test_sums_that_fit(batch, expected):
    assert total(batch) == expected


@pytest.mark.parametrize(
    ("batch", "instead"),
    [
        (ints(2**63 - 1, 1), r"cast\('double'\)"),
        (ints(-(2**63), -1), r"cast\('double'\)"),
        (ints(2**64 - 1, 1, kind=pa.uint64()), r"cast\('double'\)"),
        (ints(Decimal("9" * 38), Decimal(1), kind=pa.decimal128(38, 0)), r"cast\('double'\)"),
        (ints(Decimal("9" * 40), kind=pa.decimal256(50, 0)), r"cast\('double'\)"),
        (ints(2**62, 2**62, kind=pa.duration("us")), r"dt.total_seconds\(\)"),
    ],
)
def test_a_sum_beyond_its_type_raises(batch, instead):
    with pytest.raises(ExpressionError, match=rf"sum of 'x' does not fit .*; sum col\('x'\).{instead} instead"):
        total(batch)


def test_a_sum_that_only_a_batch_has_no_room_for_passes_through_partials():
    keys, columns = pa.schema([]), [AggregateColumn("y", "sum", "x")]
    first, second = ints(2**63 - 1, 1), ints(-5)
    state = GroupedAggregates(keys, columns, first.schema)
    local = BatchPartials(keys, columns, first.schema)
    for batch in (first, second):
        state.merge(local.partials(batch))
    assert next(state.results())["y"].to_pylist() == [2**63 - 5]


@pytest.mark.parametrize("values", [[1e200] * 4, [1e200, None], [float("inf")]])
def test_variances_of_large_numbers_merge_to_what_one_pass_gives(values):
    keys, columns = pa.schema([]), [AggregateColumn("y", "var", "x")]
    batch = ints(*values, kind=pa.float64())
    local, state = BatchPartials(keys, columns, batch.schema), GroupedAggregates(keys, columns, batch.schema)
    state.merge(local.partials(batch))
    assert same(next(state.results())["y"][0].as_py(), total(batch, "var"))


def test_partials_of_keys_that_do_not_repeat_are_single_rows():
    keys, columns = pa.schema([("x", pa.int64())]), [AggregateColumn("y", "count")]
    local = BatchPartials(keys, columns, keys)
    repeating, single = ints(1, 1, 1, 1, 2, 2), ints(*range(6))
    assert [local.partials(batch).num_rows for batch in (repeating, single, repeating)] == [2, 6, 6]


@pytest.mark.parametrize("column", WHOLE)
def test_what_has_no_cheap_parts_is_refused_by_partials(column):
    with pytest.raises(SchemaError, match=f"{column.fn} cannot be aggregated in parts"):
        BatchPartials(pa.schema([]), [column], SCHEMA)


def test_values_that_pile_up_are_cut_to_those_that_matter():
    numbers = pa.record_batch({"x": pa.array(range(2000))})
    state = GroupedAggregates(pa.schema([]), [AggregateColumn("y", "top_k", "x", options={"k": 2})], numbers.schema)
    for _ in range(400):
        state.update(numbers)
    assert state.nbytes(0) < 400 * 2000 * 8 // 2
    assert next(state.results())["y"].to_pylist() == [[1999, 1999]]


@pytest.mark.parametrize("fn", ["max", "last"])
def test_texts_that_were_replaced_leave_no_garbage(fn):
    texts = pa.record_batch({"x": pa.array(["x" * i for i in range(1000)]), "t": pa.array(range(1000))})
    by = "t" if fn == "last" else None
    state = GroupedAggregates(pa.schema([]), [AggregateColumn("y", fn, "x", by=by)], texts.schema)
    state.update(texts)
    assert state.nbytes(0) < 10_000
    assert next(state.results())["y"].to_pylist() == ["x" * 999]


def test_an_order_is_needed():
    with pytest.raises(SchemaError, match="give by="):
        total(ints(1), "first")


def test_sketches_are_near():
    rows = [i % 1000 for i in range(20_000)]
    assert abs(total(ints(*rows), "approx_n_unique") - 1000) < 50
    assert abs(total(ints(*rows), "approx_quantile", q=0.5) - 500) < 20
    assert total(ints(None), "approx_quantile", q=0.5) is None


def test_quantiles_of_integers_that_no_double_holds_are_rounded():
    assert total(ints(2**53 + 1, 2**53 + 3), "quantile", q=0.0) == float(2**53)
    assert total(ints(2**64 - 1, kind=pa.uint64()), "quantile", q=0.5) == float(2**64)
