"""The source of rows that a user's function yields; a separate thread calls it, so that it never blocks a task."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pyarrow as pa

from sabotnb.blobs import Function, capture, user_error
from sabotnb.connectors.file_schemas import from_text, to_text
from sabotnb.connectors.sources.raw_batches import RawBatches, SourceEstimate
from sabotnb.connectors.sources.row_batches import batch_of
from sabotnb.errors import SourceError, UserFunctionError
from sabotnb.graph import Source as Spec
from sabotnb.native import check_table, plain_schema
from sabotnb.protocol import Split

_AHEAD_ROWS = 65_536
_AHEAD_BYTES = 64 << 20
"""Limits of how far the thread may be ahead of its reader; the bytes of dicts are not counted."""

_STOPPING_SECONDS = 0.1


def describe(
    fn: Callable[[], Any],
    schema: pa.Schema | Mapping[str, pa.DataType],
    *,
    replayable: bool = False,
    bounded: bool = True,
) -> Spec:
    """The source of what ``fn()`` yields: dicts (a missing key is null), record batches or tables of ``schema``.

    One task calls ``fn``, once. ``replayable`` promises that it yields the same rows in every call, so that a restarted
    task can continue from its position. ``bounded=False`` declares that it never ends.
    """
    schema = plain_schema(schema if isinstance(schema, pa.Schema) else pa.schema(schema))
    options = {"schema": to_text(schema)}
    function = capture(fn, "from_generator")
    return Spec("generator", schema, options, bounded=bounded, replayable=replayable, function=function)


class Generator:
    """Connector of a generator function."""

    def __init__(self, spec: Spec) -> None:
        if spec.function is None:
            raise SourceError("a generator source without its function cannot be read")
        self._function = spec.function
        self._schema = from_text(spec.options["schema"])

    def estimate(self) -> SourceEstimate:
        return SourceEstimate(None, None)

    def splits(self) -> list[Split]:
        return [Split("generator")]

    def batches(self, split: Split, batch_rows: int, done: int = 0) -> RawBatches:
        pump = _Pump(self._function)
        try:
            number = 0
            while True:
                # Read before the items are taken: in the other order the thread could add its last items and end
                # between the two steps, and those items would be lost.
                ended = pump.ended.is_set()
                items = pump.take(batch_rows)
                for batch in _batches(items, self._schema, self._function, number):
                    number += batch.num_rows
                    yield batch
                if items:
                    continue
                if ended:
                    if pump.error is not None:
                        raise user_error(self._function, pump.error) from pump.error
                    return
                yield None
        finally:
            pump.stop()


class _Pump:
    """Calls the function in a daemon thread, and queues the items that it yields.

    Only the thread appends and only the reader pops, and each counter has one writer, so no lock is needed.
    """

    def __init__(self, function: Function) -> None:
        self._function = function
        self._items: deque[Any] = deque()
        self._room = threading.Event()
        self._stopped = False
        self._made_rows = self._made_bytes = 0  # written by the thread only
        self._taken_rows = self._taken_bytes = 0  # written by the reader only
        self.ended = threading.Event()
        self.error: BaseException | None = None
        threading.Thread(target=self._run, name=f"generator {function.name}", daemon=True).start()

    def take(self, rows: int) -> list[Any]:
        """Remove and return the first queued items, until they have ``rows`` rows; never waits."""
        taken: list[Any] = []
        while rows > 0 and self._items:
            taken.append(self._items.popleft())
            found, nbytes = _size(taken[-1])
            rows -= found
            self._taken_rows += found
            self._taken_bytes += nbytes
        self._room.set()
        return taken

    def stop(self) -> None:
        """Make the thread end at its next item; a thread that waits inside the user's function is abandoned."""
        self._stopped = True
        self._room.set()

    def _run(self) -> None:
        try:
            for item in self._function.load()():
                self._items.append(item)
                rows, nbytes = _size(item)
                self._made_rows += rows
                self._made_bytes += nbytes
                while self._is_ahead() and not self._stopped:
                    self._room.wait(_STOPPING_SECONDS)
                    self._room.clear()
                if self._stopped:
                    return
        except BaseException as error:  # noqa: BLE001 - whatever it is, the reader raises it
            self.error = error
        finally:
            self.ended.set()

    def _is_ahead(self) -> bool:
        rows, nbytes = self._made_rows - self._taken_rows, self._made_bytes - self._taken_bytes
        return rows >= _AHEAD_ROWS or nbytes >= _AHEAD_BYTES


def _size(item: Any) -> tuple[int, int]:
    """Rows and bytes of an item."""
    if isinstance(item, pa.RecordBatch | pa.Table):
        return item.num_rows, item.nbytes
    return 1, 0


def _batches(items: list[Any], schema: pa.Schema, function: Function, number: int) -> Iterator[pa.RecordBatch]:
    """Convert items to batches: consecutive dicts become one batch, batches and tables stay as they are."""
    rows: list[Mapping[str, Any]] = []
    for item in items:
        if isinstance(item, Mapping):
            rows.append(item)
            continue
        if rows:
            yield _of_rows(rows, schema, function)
            rows = []
        yield from _whole(item, schema, function, number)
    if rows:
        yield _of_rows(rows, schema, function)


def _of_rows(rows: list[Mapping[str, Any]], schema: pa.Schema, function: Function) -> pa.RecordBatch:
    return batch_of(rows, schema, UserFunctionError, f"{function.name} ({function.origin}) yielded: row")


def _whole(item: Any, schema: pa.Schema, function: Function, number: int) -> list[pa.RecordBatch]:
    if not isinstance(item, pa.RecordBatch | pa.Table):
        raise UserFunctionError(
            f"{function.name} ({function.origin}) yielded {item!r} ({type(item).__name__}) after {number} rows: "
            "yield dicts, record batches or Arrow tables"
        )
    if not plain_schema(item.schema).equals(schema):
        raise UserFunctionError(
            f"{function.name} ({function.origin}) yielded a batch of another schema than it declared: "
            f"it has {_columns(item.schema)}, schema= says {_columns(schema)}; change one of them"
        )
    try:
        check_table(pa.Table.from_batches([item]) if isinstance(item, pa.RecordBatch) else item, text=False)
    except pa.ArrowException as error:
        raise UserFunctionError(
            f"{function.name} ({function.origin}) yielded a broken Arrow batch ({error}): "
            "call .validate(full=True) where it is made"
        ) from error
    return [item] if isinstance(item, pa.RecordBatch) else list(item.to_batches())


def _columns(schema: pa.Schema) -> str:
    return ", ".join(f"{field.name}: {field.type}" for field in schema)
