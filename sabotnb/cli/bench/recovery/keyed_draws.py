"""Streams of bids whose bidders are drawn, and the aggregate per bidder that the cases run over them.

The bidder is computed from the number of the row, so a job that goes on from a checkpoint reads the same rows again.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import pyarrow as pa

import sabotnb as sb
from sabotnb import col
from sabotnb.nexmark import generate

FASTEST = 1e9
"""Rows per second that no machine reaches: the source is as fast as it can be."""
ENDLESS = 10**13
"""Rows of a bounded source that no run reads to its end; an endless one would send updates of every key."""
SCHEMA = pa.schema({"bidder": pa.int64(), "price": pa.int64()})
NEXMARK_EVENTS = 2_000_000

Draw = Callable[[pa.RecordBatch], pa.RecordBatch]


def bids(draw: Draw) -> sb.Stream:
    """Return bids as fast as the tasks behind one source draw them."""
    numbers = sb.Stream.from_rate(FASTEST, n=ENDLESS)
    return numbers.rebalance().map_batches(draw, schema=SCHEMA).named("bids")


def every_key_once(keys: int) -> sb.Stream:
    """Return bids that have met all of ``keys`` bidders after as many rows."""
    counted = sb.Stream.from_rate(FASTEST, n=ENDLESS).named("bids")
    return counted.select(bidder=col("value") % keys, price=col("value") % 10_000)


def per_bidder(stream: sb.Stream, below: int = 0) -> sb.Sink:
    """Return the aggregate; nothing of it reaches the sink, as no count is ``below`` 0."""
    totals = stream.group_by("bidder").agg(n=sb.count(), total=col("price").sum(), most=col("price").max())
    return totals.named("totals").filter(col("n") < below).sink_callback(_ignore)


def uniform(keys: int) -> Draw:
    """Draw from ``keys`` bidders, all equally likely."""

    def draw(batch: pa.RecordBatch) -> pa.RecordBatch:
        words = mixed(batch.column("value").to_numpy())
        bidders = (words % np.uint64(keys)).astype(np.int64)
        return pa.RecordBatch.from_arrays([pa.array(bidders), batch.column("value")], schema=SCHEMA)

    return draw


def nexmark(events: int = NEXMARK_EVENTS) -> Draw:
    """Draw the bids of Nexmark's first ``events`` events, in order, from the first again after the last."""

    def draw(batch: pa.RecordBatch) -> pa.RecordBatch:
        table = _nexmark_bids(events)
        return table.take(pa.array(batch.column("value").to_numpy() % table.num_rows))

    return draw


def mixed(numbers: np.ndarray) -> np.ndarray:
    """Return 64 random bits for each number (splitmix64)."""
    words = numbers.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))


@cache
def _nexmark_bids(events: int) -> pa.RecordBatch:
    """Once in each worker process."""
    batches = [batch.select(SCHEMA.names) for batch in generate(events).bids]
    table = pa.Table.from_batches(batches).cast(SCHEMA).combine_chunks()
    return table.to_batches()[0]


def _ignore(_batch: pa.RecordBatch) -> None:
    """Take rows and do nothing with them."""
