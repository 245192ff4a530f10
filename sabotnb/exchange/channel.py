"""A channel: what one upstream task sends to one downstream task over one edge."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from threading import Condition, Lock
from typing import Protocol

from sabotnb.errors import StaleMessage
from sabotnb.protocol import Batch, Element, Queue, Watermark

SHARE = 8
"""A slice is charged for the memory that it keeps alive, but for at most this many times its own bytes."""


NO_LIMIT = 1 << 62
"""More bytes than any channel will ever carry."""


@dataclass(frozen=True, slots=True)
class ChannelKey:
    """The name of a channel in all processes: edge ``edge`` from task ``up`` to task ``down`` of one run of a job."""

    job: str
    epoch: int
    edge: int
    up: int
    down: int

    def __str__(self) -> str:
        return f"{self.job}@{self.epoch} edge {self.edge}: {self.up}->{self.down}"


@dataclass(frozen=True, slots=True)
class Sealed:
    """A batch as it came over the wire, decoded by the task that reads it."""

    open: Callable[[], Batch]


def charge_of(element: Element) -> int:
    """Bytes of credit that an element takes in this process: rows cost, everything else is free."""
    if not isinstance(element, Batch):
        return 0
    retained: int = element.data.get_total_buffer_size()
    return max(1, min(retained, SHARE * element.nbytes))


class Channel:
    """The receiving end: a queue of a gate.

    ``changed`` is the gate's condition and guards the queue; the channel is put into ``ready`` when its queue stops
    being empty.
    """

    def __init__(self, key: ChannelKey, port: int, changed: Condition, ready: deque[Channel]) -> None:
        self.key = key
        self.port = port
        self.blocked = False
        self.held = 0
        self._changed = changed
        self._ready = ready
        self._queue: deque[tuple[Element | Sealed, int]] = deque()
        self._closed = False
        self._budget = 0
        self._refund: Callable[[int], None] = _keep

    def attach(self, refund: Callable[[int], None], budget: int) -> None:
        """Say who sends: ``refund(bytes)`` gives credit back and is called from the gate's thread.

        ``budget`` is the credit in bytes that the sender began with.
        """
        self._refund, self._budget = refund, budget

    def put(self, element: Element | Sealed, charge: int) -> None:
        """Append; never blocks. A closed channel drops the element and refunds its charge at once."""
        with self._changed:
            closed = self._closed
            if not closed:
                self._append(element, charge)
        if closed and charge:
            self._refund(charge)

    def _append(self, element: Element | Sealed, charge: int) -> None:
        queue = self._queue
        if isinstance(element, Watermark) and queue and isinstance(queue[-1][0], Watermark):
            queue[-1] = (element, 0)
            return
        queue.append((element, charge))
        self.held += charge
        if len(queue) == 1 and not self.blocked:
            self._ready.append(self)
            self._changed.notify()

    def take(self) -> tuple[Element | Sealed, int, bool]:
        """The first element, its charge (to be refunded), and whether more are queued; call with ``changed`` held."""
        element, charge = self._queue.popleft()
        self.held -= charge
        return element, charge, bool(self._queue)

    def queue(self) -> Queue:
        """How full it is; what is on its way here counts as credit. The last batch may exceed the budget."""
        held = self.held
        return Queue(self.key.edge, self.key.up, held, max(0, self._budget - held))

    def refund(self, charge: int) -> None:
        """Give the sender credit back; call without ``changed``."""
        if charge:
            self._refund(charge)

    def block(self, *, blocked: bool) -> None:
        """Stop (or go on) offering elements to ``poll``; they are still received."""
        with self._changed:
            if blocked is self.blocked:
                return
            self.blocked = blocked
            if not self._queue:
                return
            if blocked:
                self._ready.remove(self)
            else:
                self._ready.append(self)
                self._changed.notify()

    def close(self) -> None:
        """Drop what is queued and everything that still comes, and refund it."""
        with self._changed:
            self._closed = True
            self._queue.clear()
            charge, self.held = self.held, 0
        self.refund(charge)


def _keep(charge: int) -> None:
    """Nobody has attached yet, so nobody sends and nothing can come back."""
    raise AssertionError(f"{charge} bytes refunded on a channel without a sender")


class Sender(Protocol):
    """The sending end of a channel; used by one task's thread."""

    key: ChannelKey

    def send(self, element: Element) -> None:
        """Queue ``element``; never blocks and takes it even without credit. StaleMessage if the receiver refuses us."""
        ...

    def credit(self) -> int:
        """Bytes that may still be sent; not positive: wait for ``wake``."""
        ...

    def close(self) -> None:
        """Nothing more will be sent."""
        ...


class Account:
    """Credit of one channel: bytes sent by the task against bytes refunded by whoever reads.

    Who refunds looks at ``sent`` after it has refunded; a task that found no credit has sent nothing since, so the
    refund that gives credit again is seen here and wakes it.
    """

    def __init__(self, budget: int, wake: Callable[[], None]) -> None:
        self.budget = budget
        self._wake = wake
        self._sent = 0
        self._refunded = 0
        self._refunding = Lock()

    def charge(self, nbytes: int) -> None:
        """Take credit, also where there is none; called by the task only."""
        self._sent += nbytes

    def refund(self, nbytes: int) -> None:
        """Give credit back; wakes the task if it had none and now has some. From any thread."""
        with self._refunding:
            self._refunded += nbytes
            taken = self._sent - self._refunded
        if taken < self.budget <= taken + nbytes:
            self._wake()

    def void(self) -> None:
        """Give credit without end, as the channel is dead: the task wakes up, and what it sends next says why."""
        self.refund(NO_LIMIT)

    def credit(self) -> int:
        """Bytes that may still be sent."""
        return self.budget - self._sent + self._refunded


class LocalSender:
    """Sends within the process: elements are handed over, not copied.

    ``find`` gives the channel once the receiving task has made its gate.
    """

    def __init__(self, key: ChannelKey, find: Callable[[ChannelKey], Channel | None], account: Account) -> None:
        self.key = key
        self._find = find
        self._account = account
        self._channel: Channel | None = None

    def send(self, element: Element) -> None:
        channel = self._channel or self._attach()
        charge = charge_of(element)
        self._account.charge(charge)
        channel.put(element, charge)

    def _attach(self) -> Channel:
        channel = self._find(self.key)
        if channel is None:
            raise StaleMessage(f"nobody reads channel {self.key}: its task is over or was never deployed here")
        channel.attach(self._account.refund, self._account.budget)
        self._channel = channel
        return channel

    def credit(self) -> int:
        return self._account.credit()

    def close(self) -> None:
        """Nothing to release: the queue belongs to the gate."""
