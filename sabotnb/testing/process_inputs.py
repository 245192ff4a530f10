"""Make the operator of a process function for a test, from its class and some rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pyarrow as pa

from sabotnb.api import Stream
from sabotnb.api.verbs.processing import process_spec
from sabotnb.errors import InvalidUse
from sabotnb.operators import KeyedProcess, ProcessOperator
from sabotnb.protocol import Operator


class ProcessInputs:
    """How ``Harness`` feeds a class: keys, event time and columns, which may come from the first rows."""

    def __init__(
        self, cls: type[KeyedProcess], key: str | Sequence[str] | None, event_time: str | None, clock: Callable[[], int]
    ) -> None:
        """``clock`` returns the processing time in microseconds."""
        if key is None:
            raise InvalidUse(f"Harness({cls.__name__}) needs the key: Harness({cls.__name__}, key='column')")
        self._cls = cls
        self._keys = [key] if isinstance(key, str) else list(key)
        self._event_time = event_time
        self._clock = clock
        self.time: str | None = None
        """The event time column; None if there is none."""

    def schema_of(self, rows: Sequence[Mapping[str, Any]] | pa.RecordBatch) -> pa.Schema:
        """The columns of rows, by their values."""
        return rows.schema if isinstance(rows, pa.RecordBatch) else Stream.from_rows(rows).schema

    def operator(self, schemas: Sequence[pa.Schema]) -> Operator:
        """Create the operator for rows of these schemas, one per port."""
        times = [field.name for field in schemas[0] if pa.types.is_timestamp(field.type)]
        self.time = self._event_time or (times[0] if len(times) == 1 else None)
        empty = Stream.from_rows([], schema=schemas[0], event_time=self.time)
        spec = process_spec(empty.group_by(*self._keys).grouping, self._cls, side_input=len(schemas) > 1)
        return ProcessOperator(spec, schemas, self._clock)
