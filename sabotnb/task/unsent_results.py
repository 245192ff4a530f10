"""Results of an operator that a cut found computed and not sent: rows of its task's state.

Theory of operation. The final results of an operator may take hours to send. A cut that comes meanwhile is taken
between two of them. What was sent is before the cut; the rest has to be in the task's snapshot. The states of most
operators say only which results there are *before* the first is sent: they drop a window or a group when all of it was
sent. So the task lets the operator compute the rest of its results, which stay here until they are sent, and then
freezes it: its state is what remains after its results. Nothing is computed twice, and a restored task sends exactly
these rows, in their order.

- Rows of a keyed operator are saved by key group, as the next operator of the chain may be keyed alike: after a change
  of the parallelism a row has to be in the task that owns its group. Side outputs are never read inside a task, so
  their rows go to any.
- Batches differ in their schemas (side outputs, delayed rows), so each is saved as an Arrow stream of its own.
- ``LIMIT_BYTES`` limits what is computed ahead. A cut that finds more waits until less is left.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pyarrow as pa

from sabotnb.blobs import ipc_bytes
from sabotnb.errors import CheckpointError
from sabotnb.native import hash_rows, key_groups
from sabotnb.protocol import UNSENT, Out, Scope, StateSpec

LIMIT_BYTES = 256 << 20
"""Results that a task computes ahead for a cut."""

SCHEMA = pa.schema([("side", pa.string()), ("rows", pa.large_binary())])


class UnsentResults:
    """Results of one operator in the order in which they will be sent; implements ``protocol.KeyedState``.

    With ``keys``, columns of the main output, rows belong to ``groups`` key groups. Rows that are loaded must have the
    types of ``returns``, as no other operator may have computed them.
    """

    def __init__(self, keys: Sequence[str], groups: int, returns: pa.Schema | None = None) -> None:
        self.spec = StateSpec(UNSENT, Scope.KEYED if keys else Scope.TASK)
        self.schema = SCHEMA
        self._keys = tuple(keys)
        self._groups = groups if keys else 1
        self._returns = returns
        self._outs: deque[Out] = deque()
        self._nbytes = 0

    def __bool__(self) -> bool:
        return bool(self._outs)

    def add(self, out: Out) -> None:
        """Add a result behind the others."""
        if _rows(out).num_rows:
            self._outs.append(out)
            self._nbytes += _rows(out).nbytes

    def pop(self) -> Out:
        """Remove and return the first result."""
        out = self._outs.popleft()
        self._nbytes -= _rows(out).nbytes
        return out

    @property
    def full(self) -> bool:
        """True if no more must be computed ahead."""
        return self._nbytes >= LIMIT_BYTES

    def groups(self) -> Sequence[int]:
        return range(self._groups) if self._outs else ()

    def freeze(self, groups: Sequence[int]) -> FrozenResults:
        return FrozenResults(tuple(self._outs) if groups else (), self._keys, self._groups)

    def export(self, group: int) -> Iterator[pa.RecordBatch]:
        return self.freeze([group]).export(group)

    def load(self, group: int, batches: Iterable[pa.RecordBatch]) -> None:
        for batch in batches:
            for side, data in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                for rows in pa.ipc.open_stream(data):
                    if side is None:
                        self._check(rows.schema)
                    self.add(rows if side is None else (side, rows))

    def _check(self, saved: pa.Schema) -> None:
        for field in self._returns or ():
            before = saved.field(field.name).type if field.name in saved.names else None
            if before is None or not before.equals(field.type):
                raise CheckpointError(
                    f"the results that were not sent at the checkpoint have {field.name!r} as {before or 'no column'}, "
                    f"and the operator returns {field.type} now. Change it back, or begin without saved state: "
                    ".run(..., fresh=True)"
                )

    def drop(self, group: int) -> None:
        kept = [out for number in self.groups() if number != group for out in self.freeze([number]).of_group(number)]
        self._outs.clear()
        self._nbytes = 0
        for out in kept:
            self.add(out)

    def nbytes(self, group: int) -> int:
        return self._nbytes // self._groups

    def size(self) -> tuple[int, int]:
        """No keys: rows on their way are not state that grows."""
        return 0, self._nbytes


class FrozenResults:
    """The results that were unsent at a cut, by key group; implements ``protocol.Frozen``."""

    def __init__(self, outs: Sequence[Out], keys: Sequence[str], groups: int) -> None:
        self._outs = outs
        self._keys = keys
        self._groups = groups
        self._divided: list[list[Out]] | None = None

    def export(self, group: int) -> Iterator[pa.RecordBatch]:
        for out in self.of_group(group):
            side, rows = out if isinstance(out, tuple) else (None, out)
            yield pa.RecordBatch.from_pylist([{"side": side, "rows": ipc_bytes(rows.schema, [rows])}], schema=SCHEMA)

    def of_group(self, group: int) -> Sequence[Out]:
        """The results, or parts of them, that belong to ``group``."""
        if self._groups == 1:
            return self._outs
        if self._divided is None:
            self._divided = [[] for _ in range(self._groups)]
            for out in self._outs:
                self._divide(out, self._divided)
        return self._divided[group]

    def _divide(self, out: Out, divided: Sequence[list[Out]]) -> None:
        if isinstance(out, tuple):
            divided[0].append(out)
            return
        hashes = hash_rows([out.column(key) for key in self._keys])
        group_of_row = key_groups(hashes, self._groups).to_numpy()
        order = np.argsort(group_of_row, kind="stable")
        present, starts = np.unique(group_of_row[order], return_index=True)
        for group, rows in zip(present, np.split(order, starts[1:]), strict=True):
            divided[group].append(out.take(pa.array(rows)))


def _rows(out: Out) -> pa.RecordBatch:
    return out[1] if isinstance(out, tuple) else out
