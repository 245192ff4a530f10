"""Buffers that merge small slices into larger batches before they are sent.

Theory of operation. Splitting a batch over a hundred channels makes a hundred small slices, and each batch has a fixed
cost to send, decode and process. A buffer keeps slices until they are enough rows or bytes, until they are old, or
until the task is about to sleep; the output partition decides about the last two.

- Delayed rows have one column more and are pending apart, so that a few of them among the others do not divide these
  into small batches. The two kinds may overtake each other.
- Control elements never overtake rows that were emitted before them: while slices of either kind are pending, control
  elements wait in ``_controls``; without pending slices they are sent at once. So ``_controls`` is empty whenever no
  slices are pending.
- Rows may overtake waiting control elements, as rows that arrive later are merged into the pending batch in front of
  them. That is safe for a watermark, a status and a marker, which only become later. It is not for ``Cut``, ``Leave``
  and ``End``, so the output partition sends the pending rows before it passes these on.
- Slices are merged only if no dictionary has to be unified: a unified dictionary would be a new one, and be sent again,
  for every batch.
- ``send`` does not ask for credit. The task asks ``writable`` before it makes rows; see ``channel``.

Only the task's thread uses a buffer, so it has no lock. Other threads read ``Traffic``, whose numbers may be one batch
apart from each other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from sabotnb.config import Config
from sabotnb.exchange.channel import Sender
from sabotnb.protocol import Batch, Element, Marker, Watermark


@dataclass(slots=True)
class Traffic:
    """Rows, bytes and batches that one channel has sent. The task writes them; any thread may read them."""

    down: int
    rows: int = 0
    nbytes: int = 0
    batches: int = 0


@dataclass(slots=True)
class PendingSlices:
    """Slices that wait to be sent as one batch; ``since`` is the time of the first."""

    slices: list[pa.RecordBatch] = field(default_factory=list)
    rows: int = 0
    nbytes: int = 0
    since: float = 0.0

    def clear(self) -> None:
        """Remove all slices."""
        self.slices, self.rows, self.nbytes = [], 0, 0


class CoalescingBuffer:
    """Pending slices and control elements for one channel, or for several that share their rows.

    ``choose`` selects the channels of a batch when it is sent; None selects all. ``traffic`` counts what each channel
    has sent, by downstream task index. Control elements go to all ``senders``, markers to one of them in turn. A large
    slice is sent without a copy; small slices are copied together, which frees the batches that they were cut from.
    """

    def __init__(
        self,
        senders: Sequence[Sender],
        config: Config,
        traffic: Mapping[int, Traffic],
        choose: Callable[[Sequence[Sender]], Sequence[Sender]] | None = None,
    ) -> None:
        self.senders = tuple(senders)
        self.rows = 0
        self.since = 0.0
        self._traffic = traffic
        self._choose = choose
        self._max_rows = config.coalesce_rows
        self._max_bytes = config.coalesce_bytes
        self._pending = PendingSlices()
        self._pending_delayed = PendingSlices()
        self._controls: list[Element] = []
        self._turn = self.senders[0].key.up.task  # so that not all upstream tasks begin with the same task

    def add(self, rows: pa.RecordBatch, nbytes: int, now: float, *, delayed: bool = False) -> None:
        """Add a slice of about ``nbytes`` bytes, of delayed rows or of others; sends if enough is pending."""
        pending = self._pending_delayed if delayed else self._pending
        if pending.slices and not _mergeable(pending.slices[-1], rows):
            self._send_slices(pending)
        if not pending.slices:
            pending.since = now
        if not self.rows:
            self.since = now
        pending.slices.append(rows)
        pending.rows += rows.num_rows
        pending.nbytes += nbytes
        self.rows += rows.num_rows
        if self._large(pending):
            self._send_slices(pending)

    def _large(self, pending: PendingSlices) -> bool:
        return pending.rows >= self._max_rows or pending.nbytes >= self._max_bytes

    def add_control(self, element: Element) -> None:
        """Send a control element behind the pending rows; a watermark replaces a watermark directly before it."""
        if not self.rows:
            self._send_control(element)
            return
        if self._controls and isinstance(element, Watermark) and isinstance(self._controls[-1], Watermark):
            self._controls.pop()
        self._controls.append(element)

    def send(self) -> None:
        """Send the pending rows, those of each kind as one batch, then the control elements behind them."""
        for pending in (self._pending, self._pending_delayed):
            if pending.slices:
                self._send_slices(pending)

    def _send_slices(self, pending: PendingSlices) -> None:
        """Send slices as one batch; the control elements follow if no other rows are pending."""
        batch = Batch(_merged(pending.slices, large=self._large(pending)), pending.nbytes)
        for sender in self._choose(self.senders) if self._choose else self.senders:
            sender.send(batch)
            traffic = self._traffic[sender.key.down.task]
            traffic.rows += pending.rows
            traffic.nbytes += pending.nbytes
            traffic.batches += 1
        self.rows -= pending.rows
        pending.clear()
        if self.rows:
            self.since = (self._pending if self._pending.slices else self._pending_delayed).since
            return
        controls, self._controls = self._controls, []
        for element in controls:
            self._send_control(element)

    def _send_control(self, element: Element) -> None:
        if isinstance(element, Marker):
            self.senders[self._turn % len(self.senders)].send(element)
            self._turn += 1
            return
        for sender in self.senders:
            sender.send(element)

    def writable(self) -> bool:
        """True if the next batch has credit: on all channels, or on any of them if ``choose`` selects one."""
        if self._choose is not None:
            return any(sender.credit() > 0 for sender in self.senders)
        return all(sender.credit() > 0 for sender in self.senders)

    def drop(self) -> None:
        """Drop the pending elements and close the channels."""
        self._pending.clear()
        self._pending_delayed.clear()
        self._controls, self.rows = [], 0
        for sender in self.senders:
            sender.close()


class MostCredit:
    """Selects the channel with most credit for a REBALANCE edge; channels with equal credit take turns."""

    def __init__(self) -> None:
        self._turn = 0

    def __call__(self, senders: Sequence[Sender]) -> Sequence[Sender]:
        """Return the channel that gets the next batch."""
        chosen = max(
            (number % len(senders) for number in range(self._turn, self._turn + len(senders))),
            key=lambda number: senders[number].credit(),
        )
        self._turn = chosen + 1
        return (senders[chosen],)


def _merged(slices: list[pa.RecordBatch], *, large: bool) -> pa.RecordBatch:
    """Return one batch; a copy if there are several slices, or if a single one keeps a much larger batch alive."""
    first = slices[0]
    if len(slices) == 1 and (large or first.get_total_buffer_size() <= 2 * first.nbytes):
        return first
    return pa.concat_batches(slices)


def _mergeable(left: pa.RecordBatch, right: pa.RecordBatch) -> bool:
    """False if the schemas differ, or if merging would have to unify dictionaries."""
    if not left.schema.equals(right.schema, check_metadata=True):
        return False
    return all(
        same_values(left.column(i).dictionary, right.column(i).dictionary)
        for i, data_type in enumerate(left.schema.types)
        if isinstance(data_type, pa.DictionaryType)
    )


def same_values(left: pa.Array, right: pa.Array) -> bool:
    """True if two dictionaries are equal; compares values only if they are not the same memory."""
    if left is right:
        return True
    if len(left) != len(right) or left.type != right.type:
        return False
    return (left.offset == right.offset and _addresses(left) == _addresses(right)) or bool(left.equals(right))


def _addresses(array: pa.Array) -> list[int]:
    return [buffer.address if buffer is not None else 0 for buffer in array.buffers()]
