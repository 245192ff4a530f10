"""The hash join of two bounded inputs.

Theory of operation. The right input (port 1) is the build side, the left input (port 0) the probe side. Batches of both
ports arrive in any order, and either port may end first. Three phases:

- *Build*, until the right input ends: right rows go into the build side. Left rows are stored (``_waiting``) instead of
  making the left port wait: a port that is not read blocks its producers, and if both inputs come from one source, that
  would block the right input, too. Delayed rows have one column more, so they are stored apart. Stored
  rows hold the watermark back.
- *Catch up*, in ``on_end`` of the right port: stored left batches are probed in order of arrival.
- *Probe*, while the left input is open: each left batch is probed when it arrives.

A right or full join also returns right rows without a partner. They are known only when both inputs have ended, so the
``on_end`` that comes last returns them, whichever port it is for.

The kind of join decides what the build side stores. Semi and anti joins need only to know if a key exists: a set of
keys. All others store rows. A null key matches nothing, so right rows with one are stored only if unmatched rows are in
the result. Key columns of different types are compared in a common type that holds all values that can be equal.

A left row may have any number of partners, so pairs are generated in batches of ``batch_rows``, when the task asks for
the next batch. The right rows of one left batch are those that were stored when its probe began.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from sabotnb.eventtime import delayed_schema, is_delayed, with_clocks_of, without_clock
from sabotnb.graph import Join, output_schema
from sabotnb.native import empty_batch
from sabotnb.operators.encoding import conformed, taken
from sabotnb.operators.joined_rows import JoinedRows, compared_keys
from sabotnb.operators.memos import Memos, ended_in, ended_memo
from sabotnb.protocol import MIN_WATERMARK, Delayed, EndReason, Operator, OperatorContext, Out, Scope, StateSpec
from sabotnb.state import BuildSide, GroupedRows, KeySet, complete

LEFT, RIGHT = 0, 1


class JoinOperator(Operator):
    """Builds a table of the right input (port 1) and probes it with the left (port 0).

    Left rows that arrive before the right input has ended are stored, so neither port waits for the other. Pairs are
    returned in batches of bounded size. The rows of delayed left rows have their clocks.
    """

    delayed = Delayed.KEEP

    def __init__(self, spec: Join, inputs: Sequence[pa.Schema]) -> None:
        self._spec = spec
        self._left, self._right = inputs
        self._output = output_schema(spec, inputs)
        self._rows = JoinedRows(spec, self._left, self._right, self._output)
        types = compared_keys(spec, self._left, self._right)
        self._keys = pa.schema(list(zip(spec.right_on, types, strict=True)))
        self._pairs_wanted = spec.how not in ("semi", "anti")
        self._right_outer = spec.how in ("right", "full")
        self._ended: dict[int, EndReason] = {}
        self._is_between = False

    def open(self, ctx: OperatorContext) -> None:
        self._limit = ctx.config.batch_rows
        right = StateSpec("right", Scope.BROADCAST if self._spec.strategy == "broadcast" else Scope.KEYED)
        if self._pairs_wanted:
            self._built = ctx.keyed(right, BuildSide(self._right, self._keys, ctx.groups, outer=self._right_outer))
        else:
            self._met = ctx.keyed(right, KeySet(self._keys, ctx.groups))
        # The left rows of a broadcast join are in any task, whatever their keys are.
        waiting = Scope.TASK if self._spec.strategy == "broadcast" else Scope.KEYED
        self._waiting = ctx.keyed(StateSpec("left", waiting), GroupedRows(self._left, self._spec.left_on, ctx.groups))
        delayed = GroupedRows(delayed_schema(self._left), self._spec.left_on, ctx.groups)
        self._waiting_delayed = ctx.keyed(StateSpec("delayed left", waiting), delayed)

    def process(self, port: int, batch: pa.RecordBatch) -> Iterable[Out]:
        if port == RIGHT:
            self._build(without_clock(batch))
            return ()
        if RIGHT not in self._ended:
            (self._waiting_delayed if is_delayed(batch) else self._waiting).add(batch)
            return ()
        return self._probe(batch)

    def output_watermark(self, us: int) -> int:
        return MIN_WATERMARK if self._waiting.rows or self._waiting_delayed.rows else us

    def on_end(self, port: int, reason: EndReason) -> Iterable[Out]:
        self._ended[port] = reason
        return self._catch_up() if RIGHT in self._ended else ()

    def divisible(self) -> bool:
        return self._is_between

    def memo(self) -> Mapping[str, Any]:
        return {"ended": ended_memo(self._ended)}

    def restored(self, memos: Memos) -> None:
        self._ended = ended_in(memos)

    def _catch_up(self) -> Iterator[pa.RecordBatch]:
        nothing = empty_batch(self._output)
        for waiting in (self._waiting, self._waiting_delayed):
            while (batch := waiting.take_first()) is not None:
                yield from self._probe(batch)
                self._is_between = True
                yield nothing  # here a cut may come: all pairs of the batch were returned
                self._is_between = False
        if LEFT in self._ended and self._right_outer:
            yield from self._lonely()

    def _build(self, batch: pa.RecordBatch) -> None:
        keys = [batch.column(name) for name in self._spec.right_on]
        if not self._pairs_wanted:
            self._met.add(keys)
            return
        # A row with a null key has no partner; only a right or full join returns it.
        valid = None if self._right_outer else complete(keys)
        batch = batch if valid is None else batch.filter(valid)
        if batch.num_rows:
            self._built.add(batch)

    def _probe(self, batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
        keys = [batch.column(name) for name in self._spec.left_on]
        if not self._pairs_wanted:
            yield from self._present(batch, keys)
            return
        probe = self._built.probe(keys, outer=self._spec.how in ("left", "full"))
        while (pairs := probe.next(self._limit)) is not None:
            yield self._paired(batch, *pairs)

    def _present(self, batch: pa.RecordBatch, keys: Sequence[pa.Array]) -> Iterator[pa.RecordBatch]:
        """The rows of a semi or anti join."""
        rows = np.flatnonzero(self._met.find(keys) == (self._spec.how == "semi"))
        if len(rows):
            found = batch if len(rows) == batch.num_rows else taken(batch, rows)
            yield with_clocks_of(conformed(without_clock(found), self._output), found)

    def _paired(self, batch: pa.RecordBatch, mine: np.ndarray, right: pa.RecordBatch) -> pa.RecordBatch:
        whole = len(mine) == batch.num_rows and bool((mine == np.arange(len(mine))).all())
        found = batch if whole else taken(batch, mine)
        return with_clocks_of(self._rows.pairs(without_clock(found), right), found)

    def _lonely(self) -> Iterator[pa.RecordBatch]:
        """Right rows without a partner."""
        for right in self._built.take_unmatched(self._limit):
            yield self._rows.only_right(right)
