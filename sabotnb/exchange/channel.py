"""Channels: the ordered, credit-limited way from one task to another over one edge.

Theory of operation. A channel has a sending end (``Sender``), a receiving end (``Channel``, a queue in the gate of the
downstream task) and credit in bytes (``Account``). Both ends may be in one process, or a connection may lie between.

- Sending never blocks and accepts an element without credit. The sending task asks for credit before it makes the next
  batch. So no thread waits inside a send, and a channel exceeds its budget at most by the slices that are pending for
  it and one emission of the task.
- Every charge is refunded exactly once: when the batch is polled, when the queue is closed with the batch in it, or at
  once when it arrives at a discarded queue. Only batches are charged; watermarks and other control elements are free.
- A channel ends in one of two ways. A closed one refuses what arrives: its sender has ended or left, its reader is gone
  for good, or its run is over. The sender gets an error, as rows would vanish otherwise. A discarded one drops and
  refunds what arrives: its reader has failed or was canceled, which the machine knows, and the senders are to end by
  its command and not by errors that hide the reason.
- The gate decides how much credit a channel has, see ``credit``. ``granted`` is what the sender may have outstanding:
  its initial credit, plus what refunds have returned beyond the charges, less what they have withheld.
- A charge is a number that travels with its batch, so both ends count the same: memory within a process, encoded bytes
  between processes.
- All channels of a gate share the gate's lock. A channel is in the gate's ``ready`` queue exactly while it has elements
  and is not blocked. Refunds are made without that lock: they wake another task or queue a frame for a peer.

The account has no lock around ``sent``, which only the sending task changes. A refund first adds to ``refunded`` and
then reads ``sent``. A task that has found no credit has read ``refunded`` before and sends nothing until it is woken,
so the refund that makes credit positive again sees the final ``sent`` and wakes it: no wake-up is lost. The lock
around ``refunded`` puts refunds in an order, so that one of them sees the change of sign. A superfluous wake-up only
makes the task look again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from threading import Condition, Lock
from typing import Protocol

from sabotnb.errors import StaleMessage
from sabotnb.protocol import Batch, ChannelEnd, Element, Queue, RunId, Watermark

SHARE = 8
"""A slice is charged for the memory that it keeps alive, limited to this many times its own size."""


NO_LIMIT = 1 << 62
"""More bytes than any channel carries."""


@dataclass(frozen=True, slots=True)
class ChannelKey:
    """Identifies a channel in all processes: edge ``edge`` from task ``up`` to task ``down`` of a run and epoch.

    A key is used once: attempts are never repeated, and an attempt does not come back to a gate that it has left.
    """

    run: RunId
    epoch: int
    edge: int
    up: ChannelEnd
    down: ChannelEnd

    def __str__(self) -> str:
        return f"{self.run} epoch {self.epoch} edge {self.edge}: {self.up}->{self.down}"


@dataclass(frozen=True, slots=True)
class EncodedBatch:
    """A batch in its wire format; the task that reads it calls ``decode``."""

    decode: Callable[[], Batch]


def charge_of(element: Element) -> int:
    """Return the bytes of credit that an element takes within this process: only batches take any."""
    if not isinstance(element, Batch):
        return 0
    retained: int = element.data.get_total_buffer_size()
    return max(1, min(retained, SHARE * element.nbytes))


class Channel:
    """The receiving end of a channel: one queue of an input gate.

    ``changed`` is the gate's condition and guards the queue and ``ready``, the gate's channels with elements to read.
    """

    def __init__(self, key: ChannelKey, port: int, changed: Condition, ready: deque[Channel]) -> None:
        self.key = key
        self.port = port
        self.blocked = False
        self.held = 0
        self._changed = changed
        self._ready = ready
        self._queue: deque[tuple[Element | EncodedBatch, int]] = deque()
        self._closed = False
        self._discarded = False
        self._granted = 0
        self._refund: Callable[[int], None] = _no_sender

    def attach(self, refund: Callable[[int], None], budget: int) -> None:
        """Connect the sender: ``refund(bytes)`` returns credit to it and is called from the gate's thread.

        ``budget`` is the sender's initial credit in bytes.
        """
        with self._changed:
            self._refund, self._granted = refund, budget

    def put(self, element: Element | EncodedBatch, charge: int) -> bool:
        """Append an element; never blocks. False if the channel is closed: the sender has to learn that.

        A discarded channel drops the element and refunds its charge at once.
        """
        with self._changed:
            if self._closed:
                return False
            discarded = self._discarded
            if not discarded:
                self._append(element, charge)
        if discarded and charge:
            self.refund(charge)
        return True

    def _append(self, element: Element | EncodedBatch, charge: int) -> None:
        queue = self._queue
        if isinstance(element, Watermark) and queue and isinstance(queue[-1][0], Watermark):
            queue[-1] = (element, 0)  # a slow reader must not collect watermarks without limit: they take no credit
            return
        queue.append((element, charge))
        self.held += charge
        if len(queue) == 1 and not self.blocked:
            self._ready.append(self)
            self._changed.notify()

    @property
    def granted(self) -> int:
        """The bytes that the sender may have outstanding; from any thread."""
        return self._granted

    def take(self, credit: int | None) -> tuple[Element | EncodedBatch, int, int, bool]:
        """Remove the first element; return it, its charge, what to refund for it, and whether more are queued.

        The refund is the charge, more, or less, so that the sender has ``credit`` bytes or comes as near as one refund
        can bring it; None leaves it what it has. The caller holds ``changed``, and refunds when it does not.
        """
        element, charge = self._queue.popleft()
        self.held -= charge
        refund = charge
        if charge and credit is not None:
            refund = max(0, charge + credit - self._granted)
            self._granted += refund - charge
        return element, charge, refund, bool(self._queue)

    def queue(self, seconds: Callable[[int], float | None]) -> Queue:
        """Return how full the channel is; bytes still on the wire count as free credit. From any thread.

        ``seconds`` returns how long the task takes to consume a number of bytes, None if that is not known.
        """
        held = self.held  # read once: the gate's thread may change it between two reads
        return Queue(self.key.edge, self.key.up.task, held, max(0, self._granted - held), seconds(held))

    def refund(self, nbytes: int) -> None:
        """Return credit to the sender; the caller must not hold ``changed``."""
        self._refund(nbytes)

    def block(self, *, blocked: bool) -> None:
        """Stop or resume offering elements to ``poll``; the channel still receives them."""
        with self._changed:
            if blocked is self.blocked:
                return
            self.blocked = blocked
            if not self._queue:
                return
            if blocked:
                self._leave_ready()
            else:
                self._ready.append(self)
                self._changed.notify()

    def _leave_ready(self) -> None:
        """Leave the channels with elements to read, from the end: one that was just polled is there, of thousands."""
        for index in reversed(range(len(self._ready))):
            if self._ready[index] is self:
                del self._ready[index]
                return

    def close(self) -> None:
        """Drop and refund the queued elements, and refuse every element that arrives later."""
        self._end(closed=True)

    def discard(self) -> None:
        """Drop and refund the queued elements, and every element that arrives later."""
        self._end(closed=False)

    def _end(self, *, closed: bool) -> None:
        with self._changed:
            self._closed, self._discarded = closed or self._closed, True
            if self._queue and not self.blocked and self in self._ready:
                self._ready.remove(self)  # a task that is still canceling may poll once more
            self._queue.clear()
            charge, self.held = self.held, 0
        if charge:
            self.refund(charge)


def _no_sender(charge: int) -> None:
    """Stands in until ``attach``: without a sender there are no charges to refund."""
    raise AssertionError(f"{charge} bytes refunded on a channel without a sender")


class Sender(Protocol):
    """The sending end of a channel; only its task's thread uses it."""

    key: ChannelKey

    def send(self, element: Element) -> None:
        """Queue ``element``; never blocks, also without credit.

        Raises:
            StaleMessage: the receiver refuses the channel, or this end was closed.
            AgentLost: the connection has ended.
        """
        ...

    def credit(self) -> int:
        """Return the bytes that may still be sent; if not positive, wait for ``wake``."""
        ...

    def close(self) -> None:
        """Release the channel; the task sends nothing more."""
        ...


class Account:
    """Credit of one channel: a budget, less the bytes sent by the task, plus the bytes refunded by the reader.

    ``wake`` is called when credit becomes positive again; see the top of this module for why no wake-up is lost.
    """

    def __init__(self, budget: int, wake: Callable[[], None]) -> None:
        self.budget = budget
        self._wake = wake
        self._sent = 0
        self._refunded = 0
        self._refunding = Lock()

    def charge(self, nbytes: int) -> None:
        """Use credit, also below zero; only the sending task calls it."""
        self._sent += nbytes

    def refund(self, nbytes: int) -> None:
        """Return credit, and wake the task if its credit becomes positive by that. From any thread."""
        with self._refunding:
            self._refunded += nbytes
            taken = self._sent - self._refunded
        if taken < self.budget <= taken + nbytes:
            self._wake()

    def lift_limit(self) -> None:
        """Grant unlimited credit, as the channel is dead: the task wakes, and its next ``send`` raises the reason."""
        self.refund(NO_LIMIT)

    def credit(self) -> int:
        """Return the bytes that may still be sent."""
        return self.budget - self._sent + self._refunded


def closed_by_sender(key: ChannelKey, element: Element) -> StaleMessage:
    """Return the error of a task that sends on a channel that it has closed."""
    return StaleMessage(f"channel {key} was closed by its own task, which then sent a {type(element).__name__}")


class LocalSender:
    """Sends to a task in the same process: the receiver gets the element itself, not a copy.

    ``find`` returns the receiving end once the receiving task has its gate.
    """

    def __init__(self, key: ChannelKey, find: Callable[[ChannelKey], Channel | None], account: Account) -> None:
        self.key = key
        self._find = find
        self._account = account
        self._channel: Channel | None = None
        self._closed = False

    def send(self, element: Element) -> None:
        if self._closed:
            raise closed_by_sender(self.key, element)
        channel = self._channel or self._attach()
        charge = charge_of(element)
        self._account.charge(charge)
        if not channel.put(element, charge):
            raise StaleMessage(
                f"no task reads channel {self.key} any more: the task has ended, or its job is over here"
            )

    def _attach(self) -> Channel:
        channel = self._find(self.key)
        if channel is None:
            raise StaleMessage(f"no task reads channel {self.key} here: the task has ended or was never deployed")
        channel.attach(self._account.refund, self._account.budget)
        self._channel = channel
        return channel

    def credit(self) -> int:
        return self._account.credit()

    def close(self) -> None:
        """Send nothing more; the queue belongs to the gate."""
        self._closed = True
