"""What operators say about how much they hold."""

import gc

import numpy as np
import pyarrow as pa
import pytest

from sabotnb.blobs import capture
from sabotnb.expr import col
from sabotnb.expr.aggregates import type_to_text
from sabotnb.graph.specs import Aggregate, AggregateColumn, Distinct, Filter, Join, Phase, Reduce, Sort, Top
from sabotnb.testing import Harness

SCHEMA = pa.schema({"k": pa.int64(), "x": pa.int64(), "s": pa.string()})


def rows(start, stop):
    return [{"k": k, "x": k % 7, "s": f"text {k}"} for k in range(start, stop)]


def columns(*fns, **options):
    return tuple(AggregateColumn(f"{fn}_{column}", fn, column, options=options) for fn, column in fns)


class Unpicklable:
    """An aggregate of the user that must not be asked for anything by who only looks."""

    def __init__(self):
        self.count = 0

    def update(self, values):
        self.count += len(values)

    def merge(self, other):
        self.count += other.count

    def result(self):
        return self.count

    def __reduce__(self):
        raise TypeError("no")


FIRST = capture(lambda left, right: left, "reduce")
CUSTOM = AggregateColumn(
    "c", "custom", "x", options={"returns": type_to_text(pa.int64())}, function=capture(Unpicklable, "aggregate")
)
KEYED = {
    "fixed": Aggregate(("k",), columns(("sum", "x"), ("mean", "x")), SCHEMA),
    "final": Aggregate(("k",), columns(("min", "s"), ("n_unique", "x")), SCHEMA),
    "collected": Aggregate(("k",), (*columns(("collect_list", "x")), *columns(("quantile", "x"), q=0.5)), SCHEMA),
    "custom": Aggregate(("k",), (CUSTOM,), SCHEMA),
    "distinct": Distinct(("k",)),
    "reduce": Reduce(("k",), FIRST, SCHEMA),
    "top": Top(("k",), 3, "x"),
}
STATELESS = {
    "filter": Filter(col("x") > 1),
    "partial": Aggregate(("k",), columns(("sum", "x")), SCHEMA, Phase.PARTIAL),
}


def sizes(spec, *pushed):
    """What is held after each push."""
    with Harness(spec, SCHEMA) as harness:
        return [harness.push(batch).state_size for batch in pushed]


@pytest.mark.parametrize("name", KEYED)
def test_keys_are_counted_once_and_bytes_grow_with_them(name):
    (few, small), (again, _), (many, large) = sizes(KEYED[name], rows(0, 10), rows(0, 10), rows(0, 5000))
    assert (few, again, many) == (10, 10, 5000)
    assert 0 < small < large
    assert large > 5000 * 8


def test_held_rows_are_counted_in_bytes():
    (few, small), (many, large) = sizes(Sort(("s",), (False,)), rows(0, 10), rows(10, 1000))
    assert (few, many) == (0, 0)
    assert large == pytest.approx(100 * small, rel=0.2)


@pytest.mark.parametrize("name", STATELESS)
def test_nothing_is_held(name):
    assert sizes(STATELESS[name], rows(0, 10)) == [(0, 0)]


def test_a_join_holds_its_right_input_and_left_rows_that_wait_for_its_end():
    with Harness(Join(("k",), ("k",)), SCHEMA, SCHEMA) as harness:
        found = [
            harness.push(rows(0, 100), port=1).state_size,
            harness.push(rows(0, 100), port=0).state_size,
            harness.end(port=1).state_size,
        ]
    (built, before), (_, waiting), (_, after) = found
    assert built == 100
    assert before == after < waiting


def test_a_dictionary_that_batches_share_does_not_count_with_each_of_them():
    texts = pa.DictionaryArray.from_arrays(pa.array([0, 1], pa.int32()), pa.array(["x" * 1000, "y" * 1000]))
    batch = pa.record_batch({"s": texts})
    with Harness(Sort(("s",), (False,)), batch.schema) as harness:
        for _ in range(10):
            harness.push(batch)
        assert harness.state_size == (0, 10 * 2 * 4)


PAIRS = pa.schema({"k": pa.int64(), "x": pa.int64()})
GROWING = {
    "join, built": (Join(("k",), ("k",)), 1),
    "join, waiting": (Join(("k",), ("k",)), 0),
    "sort": (Sort(("x",), (False,)), 0),
    "top": (Top(("k",), 3, "x"), 0),
    "list": (Aggregate((), (AggregateColumn("all", "collect_list", "x"),), PAIRS), 0),
}


@pytest.mark.parametrize("name", GROWING)
def test_slices_do_not_keep_the_batches_alive_that_they_were_cut_from(name):
    spec, port = GROWING[name]
    with Harness(spec, *[PAIRS] * (port + 1 if not isinstance(spec, Join) else 2)) as harness:
        gc.collect()
        before = pa.total_allocated_bytes()
        for number in range(24):
            parent = pa.record_batch([pa.array(np.arange(65_536) + number * 65_536).cast(pa.int64())] * 2, PAIRS.names)
            parent = pa.concat_batches([parent])  # memory that Arrow counts
            harness.push(parent.slice(8192, 8192), port)
        del parent
        allocated = pa.total_allocated_bytes() - before
        assert allocated < 1.5 * harness.state_size[1]


WIDE = pa.schema({"k": pa.int64(), "s": pa.binary(), "o": pa.int64()})
PRUNED = {
    "top": Top((), 1, "o"),
    "top by key": Top(("k",), 1, "o"),
    "top_k": Aggregate(("k",), (AggregateColumn("t", "top_k", "s", "o", options={"k": 1}),), WIDE),
}


@pytest.mark.parametrize("name", PRUNED)
def test_large_rows_are_cut_to_the_best_before_they_pile_up(name):
    rows = pa.record_batch([np.zeros(1000, np.int64), [b"x" * 20_000] * 1000, np.arange(1000)], schema=WIDE)
    with Harness(PRUNED[name], WIDE) as harness:
        gc.collect()
        before, most = pa.total_allocated_bytes(), 0
        for _ in range(20):
            harness.push(pa.concat_batches([rows]))
            most = max(most, pa.total_allocated_bytes() - before)
        assert most < 150 << 20
        assert len(harness.end().batches) == 1
