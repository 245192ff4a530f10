"""The Nexmark cases as dataflows of Bytewax on worker threads.

Its joins and windows take rows one by one, at 0.03 to 0.7 million rows a second: they are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import bytewax.operators as op
import pyarrow as pa
from bytewax.dataflow import Dataflow
from bytewax.inputs import DynamicSource, StatelessSourcePartition
from bytewax.testing import TestingSink, cluster_main

from sabotnb.cli.bench.compare.engines import OpenTables
from sabotnb.cli.bench.suites import arrow_steps as steps
from sabotnb.cli.bench.suites.functions import euros


class _Batches(StatelessSourcePartition[pa.RecordBatch]):
    """The batches of one worker's files."""

    def __init__(self, batches: Iterator[pa.RecordBatch]) -> None:
        self._batches = batches

    def next_batch(self) -> list[pa.RecordBatch]:
        return [next(self._batches)]  # StopIteration ends the stream


class _Files(DynamicSource[pa.RecordBatch]):
    """Deals the files of a table to the workers."""

    def __init__(self, pattern: str, columns: tuple[str, ...]) -> None:
        self._pattern, self._columns = pattern, columns

    def build(self, _step_id: str, worker_index: int, worker_count: int) -> _Batches:
        paths = steps.paths_of(self._pattern)[worker_index::worker_count]
        return _Batches(steps.read(paths, self._columns))


Steps = Callable[[Any], Any]


def _run(pattern: str, columns: tuple[str, ...], threads: int, build: Steps) -> list[Any]:
    """Run the dataflow that ``build`` adds to its input; everything that it emits."""
    out: list[Any] = []
    flow = Dataflow("bench")
    op.output("out", build(op.input("in", flow, _Files(pattern, columns))), TestingSink(out))
    cluster_main(flow, [], 0, worker_count_per_proc=threads)
    return out


def _added(left: tuple[int, float], right: tuple[int, float]) -> tuple[int, float]:
    return left[0] + right[0], left[1] + right[1]


def _total(stream: Any) -> Any:
    """Add up pairs of count and sum under one key."""
    return op.reduce_final("total", op.key_on("one", stream, lambda _pair: ""), _added)


def _count_and_sum(t: OpenTables[str], threads: int) -> pa.Table:
    ((_, pair),) = _run(t.bids, ("price",), threads, lambda s: _total(op.map("sum", s, steps.count_and_sum)))
    return steps.one_row(*pair)


def _filtered(t: OpenTables[str], threads: int) -> pa.Table:
    found = _run(t.bids, ("auction", "price"), threads, lambda s: op.map("filter", s, steps.of_some_auctions))
    return pa.Table.from_batches(found)


def _grouped(
    pattern: str, columns: tuple[str, ...], threads: int, partial: Callable[[pa.RecordBatch], pa.Table], final: Any
) -> pa.Table:
    """Aggregate each batch, bring the parts together under one key and aggregate those."""

    def build(stream: Any) -> Any:
        keyed = op.key_on("one", op.map("partial", stream, partial), lambda _table: "")
        gathered = op.fold_final("gather", keyed, list, lambda tables, table: [*tables, table])
        return op.map("final", gathered, lambda item: steps.merged(item[1], columns[0], final))

    (table,) = _run(pattern, columns, threads, build)
    return table


def _euros_per_row(t: OpenTables[str], threads: int) -> pa.Table:
    def build(stream: Any) -> Any:
        prices = op.flat_map("rows", stream, lambda batch: batch["price"].to_pylist())
        return _total(op.map("euros", prices, lambda price: (1, euros(price))))

    ((_, pair),) = _run(t.some_bids, ("price",), threads, build)
    return steps.one_row(*pair)


QUERIES = {
    "W1": _count_and_sum,
    "W2": _filtered,
    "W3": lambda t, threads: _grouped(t.bids, ("bidder", "price"), threads, steps.per_bidder, steps.PER_BIDDER),
    "W7": lambda t, threads: _grouped(t.bids, ("channel",), threads, steps.per_channel, steps.PER_CHANNEL),
    "W8": _euros_per_row,
}
