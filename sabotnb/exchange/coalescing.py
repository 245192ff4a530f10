"""Small slices wait for each other, so that what travels is large."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from sabotnb.config import Config
from sabotnb.exchange.channel import Sender
from sabotnb.protocol import Batch, Element, Marker, Watermark


@dataclass(slots=True)
class Traffic:
    """What one channel has sent: rows, bytes of those rows, and batches. Written by the task, read by anybody."""

    down: int
    rows: int = 0
    nbytes: int = 0
    batches: int = 0


class CoalescingBuffer:
    """Pending slices for one or more channels that get the same rows.

    ``choose`` picks the channels of the next batch when it leaves; ``traffic`` counts it, by index of the task below.
    Behind the rows that are pending, control elements go to all of ``senders``, markers to one in turn. A slice that
    is large enough leaves as it is; small ones are copied together, which frees the batches that they were cut from.
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
        self._nbytes = 0
        self._slices: list[pa.RecordBatch] = []
        self._behind: list[Element] = []
        self._turn = self.senders[0].key.up

    def add(self, piece: pa.RecordBatch, nbytes: int, now: float) -> None:
        """Take a slice of about ``nbytes`` bytes; sends if enough is pending."""
        if self._slices and not _mergeable(self._slices[-1], piece):
            self.send()
        if not self._slices:
            self.since = now
        self._slices.append(piece)
        self.rows += piece.num_rows
        self._nbytes += nbytes
        if self._large():
            self.send()

    def _large(self) -> bool:
        return self.rows >= self._max_rows or self._nbytes >= self._max_bytes

    def follow(self, element: Element) -> None:
        """Let a control element go behind the pending rows; a watermark replaces the one before it."""
        if not self._slices:
            self._pass_on(element)
            return
        if self._behind and isinstance(element, Watermark) and isinstance(self._behind[-1], Watermark):
            self._behind.pop()
        self._behind.append(element)

    def send(self) -> None:
        """Send what is pending as one batch, and what follows it."""
        if self._slices:
            batch = Batch(_merged(self._slices, large=self._large()), self._nbytes)
            for sender in self._choose(self.senders) if self._choose else self.senders:
                sender.send(batch)
                traffic = self._traffic[sender.key.down]
                traffic.rows += self.rows
                traffic.nbytes += self._nbytes
                traffic.batches += 1
            self._slices = []
            self.rows = self._nbytes = 0
        behind, self._behind = self._behind, []
        for element in behind:
            self._pass_on(element)

    def _pass_on(self, element: Element) -> None:
        if isinstance(element, Marker):
            self.senders[self._turn % len(self.senders)].send(element)
            self._turn += 1
            return
        for sender in self.senders:
            sender.send(element)

    def writable(self) -> bool:
        """True if the next batch has credit: on all channels, or on any where one is chosen."""
        if self._choose is not None:
            return any(sender.credit() > 0 for sender in self.senders)
        return all(sender.credit() > 0 for sender in self.senders)

    def drop(self) -> None:
        """Forget what is pending and close the channels."""
        self._slices, self._behind, self.rows, self._nbytes = [], [], 0, 0
        for sender in self.senders:
            sender.close()


class MostCredit:
    """Chooses the channel with most free credit, and those that have as much in turn: the choice of REBALANCE."""

    def __init__(self) -> None:
        self._turn = 0

    def __call__(self, senders: Sequence[Sender]) -> Sequence[Sender]:
        """The one channel that gets the next batch."""
        chosen = max(
            (number % len(senders) for number in range(self._turn, self._turn + len(senders))),
            key=lambda number: senders[number].credit(),
        )
        self._turn = chosen + 1
        return (senders[chosen],)


def _merged(slices: list[pa.RecordBatch], *, large: bool) -> pa.RecordBatch:
    """One batch; a copy if there are several, or if one small slice keeps a larger batch alive."""
    first = slices[0]
    if len(slices) == 1 and (large or first.get_total_buffer_size() <= 2 * first.nbytes):
        return first
    return pa.concat_batches(slices)


def _mergeable(left: pa.RecordBatch, right: pa.RecordBatch) -> bool:
    """False if merging would have to unify dictionaries: each would be sent again with every batch."""
    if not left.schema.equals(right.schema, check_metadata=True):
        return False
    return all(
        same_values(left.column(i).dictionary, right.column(i).dictionary)
        for i, data_type in enumerate(left.schema.types)
        if isinstance(data_type, pa.DictionaryType)
    )


def same_values(left: pa.Array, right: pa.Array) -> bool:
    """True if two dictionaries are equal; at once if they are the same memory."""
    if left is right:
        return True
    if len(left) != len(right) or left.type != right.type:
        return False
    return (left.offset == right.offset and _addresses(left) == _addresses(right)) or bool(left.equals(right))


def _addresses(array: pa.Array) -> list[int]:
    return [buffer.address if buffer is not None else 0 for buffer in array.buffers()]
