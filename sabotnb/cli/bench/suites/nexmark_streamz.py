"""The Nexmark cases as pipelines of streamz, which runs in the thread that emits."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pyarrow as pa
from streamz import Stream

from sabotnb.cli.bench.compare.engines import OpenTables
from sabotnb.cli.bench.suites import arrow_steps as steps
from sabotnb.cli.bench.suites.functions import euros


def _emitted(pattern: str, columns: tuple[str, ...], build: Callable[[Any], Any]) -> list[Any]:
    """Push the batches of a table through what ``build`` adds to the source; everything that arrives."""
    source = Stream()
    out: list[Any] = build(source).sink_to_list()
    for batch in steps.read(steps.paths_of(pattern), columns):
        source.emit(batch)
    return out


def _added(state: tuple[int, float], pair: tuple[int, float]) -> tuple[int, float]:
    return state[0] + pair[0], state[1] + pair[1]


def _count_and_sum(t: OpenTables[str], _threads: int) -> pa.Table:
    totals = _emitted(t.bids, ("price",), lambda s: s.map(steps.count_and_sum).accumulate(_added, start=(0, 0.0)))
    return steps.one_row(*totals[-1])


def _filtered(t: OpenTables[str], _threads: int) -> pa.Table:
    return pa.Table.from_batches(_emitted(t.bids, ("auction", "price"), lambda s: s.map(steps.of_some_auctions)))


def _grouped(
    pattern: str, columns: tuple[str, ...], partial: Callable[[pa.RecordBatch], pa.Table], final: Iterable[Any]
) -> pa.Table:
    return steps.merged(_emitted(pattern, columns, lambda s: s.map(partial)), columns[0], list(final))


def _euros_of(batch: pa.RecordBatch) -> tuple[int, float]:
    return batch.num_rows, sum(euros(price) for price in batch["price"].to_pylist())


def _euros_per_row(t: OpenTables[str], _threads: int) -> pa.Table:
    totals = _emitted(t.some_bids, ("price",), lambda s: s.map(_euros_of).accumulate(_added, start=(0, 0.0)))
    return steps.one_row(*totals[-1])


QUERIES = {
    "W1": _count_and_sum,
    "W2": _filtered,
    "W3": lambda t, _threads: _grouped(t.bids, ("bidder", "price"), steps.per_bidder, steps.PER_BIDDER),
    "W7": lambda t, _threads: _grouped(t.bids, ("channel",), steps.per_channel, steps.PER_CHANNEL),
    "W8": _euros_per_row,
}
