"""What streaming libraries without columns of their own are given: Arrow batches, and steps over them by hand.

For these libraries this is the fastest form; their own row-wise form is several times slower.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from glob import glob
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sabotnb.cli.bench.suites.functions import PRICE_FACTOR

PER_BIDDER = (("n", "sum"), ("total", "sum"), ("most", "max"))
PER_CHANNEL = (("n", "sum"),)


def paths_of(pattern: str) -> list[str]:
    """The files of a table."""
    return sorted(glob(pattern))  # noqa: PTH207  the pattern is absolute


def read(paths: Iterable[str], columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """The batches of some files, only those columns."""
    for path in paths:
        with pq.ParquetFile(path) as file:
            yield from file.iter_batches(columns=list(columns))


def count_and_sum(batch: pa.RecordBatch) -> tuple[int, float]:
    """W1 of one batch."""
    euros = pc.multiply(pc.cast(batch["price"], pa.float64()), PRICE_FACTOR)
    return batch.num_rows, pc.sum(euros).as_py()


def of_some_auctions(batch: pa.RecordBatch) -> pa.RecordBatch:
    """W2 of one batch."""
    auction = batch["auction"]
    rest = pc.subtract(auction, pc.multiply(pc.divide(auction, 123), 123))  # Arrow has no modulo
    return batch.filter(pc.equal(rest, 0))


def per_bidder(batch: pa.RecordBatch) -> pa.Table:
    """W3 of one batch."""
    return _grouped(batch, "bidder", [([], "count_all"), ("price", "sum"), ("price", "max")], PER_BIDDER)


def per_channel(batch: pa.RecordBatch) -> pa.Table:
    """W7 of one batch."""
    return _grouped(batch, "channel", [([], "count_all")], PER_CHANNEL)


def _grouped(batch: pa.RecordBatch, key: str, aggregates: list[Any], named: Sequence[tuple[str, str]]) -> pa.Table:
    grouped = pa.Table.from_batches([batch]).group_by(key).aggregate(aggregates)
    return grouped.rename_columns([key, *(name for name, _ in named)])


def merged(partials: Sequence[pa.Table], key: str, aggregates: Sequence[tuple[str, str]]) -> pa.Table:
    """Partial aggregates of many batches as one."""
    result = pa.concat_tables(partials).group_by(key).aggregate(list(aggregates))
    return result.rename_columns([key, *(name for name, _ in aggregates)])


def one_row(n: int, total: float) -> pa.Table:
    """The answer of W1 and W8."""
    return pa.table({"n": [n], "total": [total]})
