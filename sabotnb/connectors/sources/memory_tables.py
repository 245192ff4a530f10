"""Sources of in-memory data: Arrow tables (also from pandas and polars frames) and lists of dicts."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import pairwise
from numbers import Number
from typing import Any

import pyarrow as pa

from sabotnb.blobs import table_of
from sabotnb.connectors.file_schemas import Wanted, settle, settled, types_of
from sabotnb.connectors.numpy_copies import unshared
from sabotnb.connectors.sources.raw_batches import AlreadyRead, RawBatches, SourceEstimate
from sabotnb.connectors.sources.row_batches import batch_of
from sabotnb.connectors.sources.row_shape import Shape
from sabotnb.errors import SourceError, TypeMismatch
from sabotnb.eventtime import limited_microseconds
from sabotnb.expr import Misfit, inferred_type
from sabotnb.graph import Source as Spec
from sabotnb.native import Orders, can_be_encoded, check_table, is_ordered, plain_batch, plain_schema, with_orders_in
from sabotnb.protocol import MAX_WATERMARK, MIN_WATERMARK, Split

SPLIT_ROWS = 262_144


def describe(table: pa.Table, copied: Collection[str] = ()) -> Spec:
    """The source of an Arrow table, which is sent with the job and whose memory must not be modified afterwards.

    Columns in ``copied`` are copied, so theirs may be. SourceError for offsets or indexes outside their buffers.
    """
    try:
        check_table(table, text=False)
    except pa.ArrowException as error:
        raise SourceError(
            f"the table is broken ({error}): call .validate(full=True) where it is made, or make it again"
        ) from error
    _refuse_strange_categories(table.schema)
    found = [
        field.with_nullable(field.nullable or column.null_count > 0)
        for field, column in zip(table.schema, table.columns, strict=True)
    ]
    if not pa.schema(found).equals(table.schema):
        table = pa.Table.from_arrays(table.columns, schema=pa.schema(found))
    schema = settle(table.schema.remove_metadata(), None, "the table")
    batches = unshared(table.replace_schema_metadata(None), copied).to_batches()
    rows = [plain_batch(batch) for batch in batches]
    plain = pa.Table.from_batches(_same_categories(rows, schema), schema)
    return Spec("table", with_orders_in(schema, rows), table=table_of(plain))


def _refuse_strange_categories(schema: pa.Schema) -> None:
    """Raise a SourceError for ordered categories that lose their order inside, such as intervals of ``pandas.cut``."""
    for field in schema:
        values = field.type.value_type if is_ordered(field.type) else None
        if values is not None and not pa.types.is_null(values) and not can_be_encoded(values):
            raise SourceError(
                f"column {field.name!r} has ordered categories of {values}, which Arrow cannot compare. "
                f"Make them text: frame[{field.name!r}].cat.rename_categories(str)"
            )


def _same_categories(batches: list[pa.RecordBatch], schema: pa.Schema) -> list[pa.RecordBatch]:
    """``batches`` with the longest dictionary of each ordered column, so that every slice has the whole order.

    Dictionaries that disagree are left unchanged: only operators that compare or sort such values refuse them.
    """
    orders = Orders(schema)
    try:
        for batch in batches:
            orders.take(batch)
    except TypeMismatch:
        return batches
    return [orders.aligned(batch) for batch in batches]


def describe_rows(rows: Iterable[Mapping[str, Any]], schema: Wanted = None) -> Spec:
    """The source of dicts, one for each row; a missing key is null.

    Types are inferred from all rows. A mapping as ``schema`` replaces the types of its columns, a schema those of all.

    Raises:
        SourceError: a row that is not a dict, has a key that ``schema`` lacks, or a value that does not fit.
    """
    if not isinstance(rows, Iterable) or isinstance(rows, str | bytes | Mapping):
        raise SourceError(f"rows are {rows!r} ({type(rows).__name__}): give a list of dicts, [{{'column': value}}]")
    rows = list(rows)
    for number, row in enumerate(rows):
        if not isinstance(row, Mapping):
            raise SourceError(f"row {number} is {row!r} ({type(row).__name__}): give dicts, {{'column': value}}")
        if strange := [name for name in row if not isinstance(name, str)]:
            raise SourceError(f"row {number} has the key {strange[0]!r}: give names as text, {{'column': value}}")
    full = plain_schema(schema if isinstance(schema, pa.Schema) else _infer(rows, types_of(schema))).remove_metadata()
    return describe(pa.Table.from_batches([batch_of(rows, full, SourceError, "row")], full))


def _infer(rows: Sequence[Mapping[str, Any]], given: Mapping[str, pa.DataType]) -> pa.Schema:
    names = dict.fromkeys([name for row in rows for name in row] + list(given))
    if not names:
        raise SourceError("there are no rows, so nothing says which columns there are: give schema=pa.schema({...})")
    types = {name: given[name] if name in given else _column_type(name, rows) for name in names}
    return pa.schema(types.items())


def _column_type(name: str, rows: Sequence[Mapping[str, Any]]) -> pa.DataType:
    values = [row.get(name) for row in rows]
    try:
        return settled(inferred_type(values))
    except Misfit as misfit:
        kinds = sorted({type(value).__name__ for value in values if value is not None})
        problem = "of several kinds" if len(kinds) > 1 else "that no type holds"
        advice = f"make them alike, or give schema={{{name!r}: ...}}"
        if len(kinds) > 1 and all(isinstance(value, Number) for value in values if value is not None):
            advice = f"make them alike, {{**row, {name!r}: Decimal(str(row[{name!r}]))}}"
        raise SourceError(f"column {name!r} has values {problem} ({', '.join(kinds)}): {advice} ({misfit})") from misfit


class TableSlices:
    """Connector of an in-memory table: splits are slices of it."""

    def __init__(self, spec: Spec) -> None:
        if spec.table is None:
            raise SourceError("a table source without its table cannot be read")
        self._table = spec.table.data
        self._columns = list(Shape.of(spec).columns)
        self._time = spec.event_time.column if spec.event_time else None
        self._whole = spec.computed_time is not None

    def estimate(self) -> SourceEstimate:
        return SourceEstimate(self._table.num_rows, self._table.select(self._columns).nbytes)

    def splits(self) -> list[Split]:
        """Slices of the table; with event time all of it, unless its slices follow each other in time."""
        rows = self._table.num_rows
        edges = [0, rows] if self._whole else [*range(0, rows, SPLIT_ROWS), rows]
        slices = [(start, stop, *self._times(start, stop)) for start, stop in pairwise(edges)]
        if self._time is not None and any(before[3] > after[2] for before, after in pairwise(slices)):
            slices = [(0, rows, min(low for _, _, low, _ in slices), MAX_WATERMARK)]
        width = self._table.nbytes / max(rows, 1)
        return [
            Split(f"rows-{start}", {"start": start, "stop": stop}, low, int(width * (stop - start)), stop - start)
            for start, stop, low, _ in slices
        ]

    def batches(self, split: Split, batch_rows: int, done: int = 0) -> RawBatches:
        start, stop = split.position["start"] + done, split.position["stop"]
        if done:
            yield AlreadyRead(done)
        yield from self._table.select(self._columns).slice(start, stop - start).to_batches(max_chunksize=batch_rows)

    def _times(self, start: int, stop: int) -> tuple[int, int]:
        """The smallest and the largest event time of these rows; all of time without an event time."""
        low, high = MIN_WATERMARK, MAX_WATERMARK
        if self._time is not None:
            chunks = self._table[self._time].slice(start, stop - start).drop_null().chunks
            times = [limited_microseconds(chunk) for chunk in chunks if len(chunk)]
            low = min((int(chunk.min()) for chunk in times), default=low)
            high = max((int(chunk.max()) for chunk in times), default=high)
        return low, high
