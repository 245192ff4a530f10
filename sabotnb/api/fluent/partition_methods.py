"""The methods of ``Stream`` that choose which task gets which rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from sabotnb.api.fluent.stream_base import StreamBase
from sabotnb.api.verbs import partition_verbs
from sabotnb.api.verbs.columns import Column, Columns

if TYPE_CHECKING:  # only for annotations, from which completion knows what a chain of verbs returns
    from sabotnb.api.stream import Stream


class PartitionMethods(StreamBase):
    """Verbs that partition rows over tasks."""

    __slots__ = ()

    def rebalance(self) -> Stream:
        """Distribute batches evenly over the tasks of the next operator."""
        return self._stream_of(partition_verbs.rebalanced(self.flow))

    def partition_by(self, by: Callable[[pa.RecordBatch, int], Any] | Columns) -> Stream:
        """Send rows with equal columns to one task, or to the task number that ``by(batch, tasks)`` returns per row."""
        return self._stream_of(partition_verbs.partitioned(self.flow, by))

    def range_partition(self, column: Column) -> Stream:
        """Send each range of values to one task of the next operator; bounds come from a sample at run time."""
        return self._stream_of(partition_verbs.range_partitioned(self.flow, column))
