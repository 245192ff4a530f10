"""Keyed state on one core: aggregating inside batches, updating many keys, building and probing joins."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from sabotnb.cli.bench.measure import Case, Make, Work
from sabotnb.graph import AggregateColumn, Join
from sabotnb.native import KeyIndex
from sabotnb.operators import JoinOperator
from sabotnb.protocol import EndReason, OperatorContext, RunId
from sabotnb.state import BatchPartials, GroupedAggregates

BATCH = 65_536
BATCHES = 16
MANY = 5_000_000
COLUMNS = (AggregateColumn("n", "count"), AggregateColumn("total", "sum", "x"), AggregateColumn("most", "max", "x"))


def cases() -> Iterator[Case]:
    """Every case; data are made when a case is prepared."""
    rows = BATCH * BATCHES
    for name, keys in (("100 int64 keys", _ints(100)), ("1000 dictionary keys", _texts(1000).dictionary_encode())):
        batch = _batch(keys)
        yield Case(
            f"aggregate in a batch, {name}",
            _partials(batch),
            rows,
            {"pyarrow": _arrow(batch), "polars": _polars(batch)},
        )
    yield Case("key index, two text columns", _upserts([_texts(1000), _texts(3)]), rows)
    for name, columns in (("sum", COLUMNS[1:2]), ("count, sum, max", COLUMNS)):
        yield Case(f"update {name} of 5 M int64 keys", _updates(columns, MANY), rows)
    for millions in (1, 10):
        yield Case(f"the batch after a freeze, count, sum, max of {millions} M keys", _frozen_updates(millions), BATCH)
    yield Case("update count, sum, max of 1000 text keys", _text_updates(), rows)
    yield Case("join 1 M rows with 1 M", _join(rows), 2 * rows, {"polars": _polars_join(rows)})


def _often(work: Work) -> Work:
    """``BATCHES`` times in one run."""

    def run() -> None:
        for _ in range(BATCHES):
            work()

    return run


def _ints(keys: int) -> pa.Array:
    return pa.array(np.random.default_rng(keys).integers(0, keys, BATCH))


def _texts(keys: int) -> pa.Array:
    return pa.array([f"channel-{key}" for key in np.random.default_rng(keys).integers(0, keys, BATCH)])


def _batch(keys: pa.Array) -> pa.RecordBatch:
    values = np.random.default_rng(1).integers(0, 10_000, len(keys))
    return pa.record_batch({"k": keys, "x": pa.array(values)})


def _keys(schema: pa.Schema) -> pa.Schema:
    return pa.schema([schema.field("k")])


def _partials(batch: pa.RecordBatch) -> Make:
    def make() -> Work:
        local = BatchPartials(_keys(batch.schema), COLUMNS, batch.schema)
        return _often(lambda: local.partials(batch))

    return make


def _arrow(batch: pa.RecordBatch) -> Make:
    table = pa.table(batch)
    wanted = [([], "count_all"), ("x", "sum"), ("x", "max")]
    return lambda: _often(lambda: table.group_by("k", use_threads=False).aggregate(wanted))


def _polars(batch: pa.RecordBatch) -> Make:
    def make() -> Work:
        import polars as pl

        frame: Any = pl.from_arrow(batch)
        total, most = pl.col("x").sum().alias("total"), pl.col("x").max().alias("most")
        return _often(lambda: frame.group_by("k").agg(pl.len(), total, most))

    return make


def _upserts(keys: Sequence[pa.Array]) -> Make:
    def make() -> Work:
        index = KeyIndex([key.type for key in keys], 128)
        return _often(lambda: index.upsert(keys))

    return make


def _updates(columns: Sequence[AggregateColumn], keys: int) -> Make:
    def make() -> Work:
        return _updating(*_filled(columns, keys))

    return make


def _filled(columns: Sequence[AggregateColumn], keys: int) -> tuple[GroupedAggregates, list[pa.RecordBatch]]:
    """A state that has the integers below ``keys``, and batches of keys that are drawn from them."""
    random = np.random.default_rng(2)
    drawn = [_batch(pa.array(random.integers(0, keys, BATCH))) for _ in range(BATCHES)]
    state = _state(columns, drawn[0].schema)
    everything = pa.array(random.permutation(keys))
    for start in range(0, keys, BATCH):
        state.update(_batch(everything.slice(start, BATCH)))
    return state, drawn


def _state(columns: Sequence[AggregateColumn], schema: pa.Schema) -> GroupedAggregates:
    return GroupedAggregates(_keys(schema), columns, schema, 128)


def _frozen_updates(millions: int) -> Make:
    """Count the CPU time of the first batch after a freeze alone."""

    def make() -> Work:
        state, drawn = _filled(COLUMNS, millions * 1_000_000)
        for batch in drawn:
            state.update(batch)

        def work() -> float:
            frozen = state.freeze(state.groups())
            start = time.process_time()
            state.update(drawn[0])
            seconds = time.process_time() - start
            del frozen
            return seconds

        return work

    return make


def _text_updates() -> Make:
    drawn = [_batch(_texts(1000))] * BATCHES
    return lambda: _updating(_state(COLUMNS, drawn[0].schema), drawn)


def _updating(state: GroupedAggregates, batches: Sequence[pa.RecordBatch]) -> Work:
    """Count CPU time: memory is what these cases measure, and waiting for a core is not."""

    def work() -> float:
        start = time.process_time()
        for batch in batches:
            state.update(batch)
        return time.process_time() - start

    return work


def _sides(rows: int) -> tuple[pa.Table, pa.Table]:
    random = np.random.default_rng(3)
    left = pa.table({"k": random.integers(0, rows, rows), "x": np.arange(rows)})
    return left, pa.table({"k": random.permutation(rows), "y": np.arange(rows)})


def _join(rows: int) -> Make:
    left, right = _sides(rows)

    def work() -> None:
        operator = JoinOperator(Join(("k",), ("k",)), [left.schema, right.schema])
        operator.open(OperatorContext(RunId("bench", 1), "join_0", 0, 1, 128))
        for batch in right.to_batches(BATCH):
            operator.process(1, batch)
        list(operator.on_end(1, EndReason.EXHAUSTED))
        for batch in left.to_batches(BATCH):
            for _ in operator.process(0, batch):
                pass
        operator.close()

    return lambda: work


def _polars_join(rows: int) -> Make:
    def make() -> Work:
        import polars as pl

        left, right = (pl.from_arrow(side) for side in _sides(rows))
        assert isinstance(left, pl.DataFrame)
        assert isinstance(right, pl.DataFrame)
        return lambda: left.join(right, on="k")

    return make
