"""Every aggregate takes every type that its rule names, and moves and merges to the same."""

import datetime as dt
from decimal import Decimal

import pyarrow as pa
import pytest
from aggregates_oracle import found, same

from sabotnb.errors import TypeMismatch
from sabotnb.expr.aggregates import RULES, partial_schema, result_schema, result_type
from sabotnb.graph.specs import AggregateColumn
from sabotnb.state import BatchPartials, GroupedAggregates

INTS = [getattr(pa, f"{sign}int{bits}")() for sign in ("", "u") for bits in (8, 16, 32, 64)]
TICKS = [pa.timestamp("ns"), pa.timestamp("s", "UTC"), pa.time32("s"), pa.time64("us"), pa.duration("ms"), pa.date32()]
TEXTS = [pa.string(), pa.large_string(), pa.string_view()]
BYTES = [pa.binary(), pa.large_binary(), pa.binary_view(), pa.binary(1)]
DECIMALS = [pa.decimal32(5, 2), pa.decimal64(10, 2), pa.decimal128(10, 2), pa.decimal256(30, 2), pa.decimal256(50, 2)]
COLUMNS = {kind: [1, None, 3, 3] for kind in [*INTS, *TICKS, pa.float16(), pa.float32(), pa.float64()]}
COLUMNS |= {kind: ["a", None, "ä", "ä"] for kind in TEXTS}
COLUMNS |= {kind: [b"a", None, b"b", b"b"] for kind in BYTES}
COLUMNS |= {kind: [Decimal("1.5"), None, Decimal(3), Decimal(3)] for kind in DECIMALS}
COLUMNS |= {pa.bool_(): [True, None, False, False], pa.null(): [None] * 4, pa.list_(pa.int8()): [[1], None, [2], [2]]}
COLUMNS |= {pa.date64(): [dt.date(2020, 1, 1), None, *[dt.date(2020, 1, 2)] * 2]}
PLAIN = {pa.null(), pa.list_(pa.int8()), *DECIMALS[:2]}  # Arrow makes no dictionaries of them
OPTIONS = {"quantile": {"q": 0.5}, "approx_quantile": {"q": 0.5}, "top_k": {"k": 2}}
ORDERED = {fn for fn, rule in RULES.items() if rule.ordered_by} | {"top_k"}


def batch_of(kind, *, encoded):
    column = pa.array(COLUMNS[kind], kind)
    column = column.dictionary_encode() if encoded else column
    rows = pa.record_batch({"x": column, "k": pa.array(["a", "b", "a", "a"]), "t": pa.array([3, 2, 2, 1])})
    return pa.Table.from_batches([rows, rows]).combine_chunks().to_batches()[0].slice(1, 6)


def taken(kind):
    for fn in RULES.keys() - {"custom"}:
        try:
            result_type(fn, kind, OPTIONS.get(fn))
        except TypeMismatch:
            continue
        yield AggregateColumn(fn, fn, "x", by="t" if fn in ORDERED else None, options=OPTIONS.get(fn, {}))


@pytest.mark.parametrize(
    ("kind", "encoded"),
    [*((kind, False) for kind in COLUMNS), *((kind, True) for kind in COLUMNS if kind not in PLAIN)],
    ids=str,
)
def test_all_ways_give_the_same(kind, encoded):
    batch = batch_of(kind, encoded=encoded)
    keys = pa.schema([batch.schema.field("k")])
    for column in taken(kind):
        state = GroupedAggregates(keys, [column], batch.schema, 4)
        state.update(batch)
        results = list(state.results())
        assert all(result.schema == result_schema(["k"], [column], batch.schema) for result in results)
        expected = found(results, ["k"])
        moved = GroupedAggregates(keys, [column], batch.schema, 4)
        for group in state.groups():
            moved.load(group, state.export(group))
        assert same(found(moved.results(), ["k"]), expected), column.fn
        if (parts := partial_schema(["k"], [column], batch.schema)) is not None:
            local = BatchPartials(keys, [column], batch.schema)
            for partials in (local.partials(batch), local.lone(batch)):
                assert partials.schema == parts
                merged = GroupedAggregates(keys, [column], batch.schema, 4)
                merged.merge(partials)
                assert same(found(merged.results(), ["k"]), expected), column.fn
