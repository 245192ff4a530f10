"""The receiving side of a connection: sorts the frames of a peer into the channels of this agent."""

from __future__ import annotations

import logging
from collections.abc import Callable
from enum import Enum
from threading import Lock

import pyarrow as pa

from sabotnb.errors import ProtocolError
from sabotnb.exchange.channel import Channel
from sabotnb.exchange.frames import Decoder, Frame, FrameKind, load_opening
from sabotnb.exchange.link import PeerLink
from sabotnb.exchange.streams import ByteStream, Received
from sabotnb.exchange.transport import Find
from sabotnb.protocol import End, Leave, RunId

logger = logging.getLogger("sabotnb.exchange")

OVER = "no task reads it any more: the task has ended, or its job is over on this agent"


class Receipt(Enum):
    """What became of a frame of a channel."""

    QUEUED = "queued"  # or it prepares the next element
    LAST = "last"  # queued, and no frame may follow
    REFUSED = "refused"  # the channel is closed


class IncomingChannel:
    """A channel that a peer has opened: decodes frames into the gate's queue and returns credit to the peer.

    Small refunds are collected until they are a quarter of what the sender may have outstanding, as each is a frame.
    They are sent at once when the queue is empty: the sender may have no credit left and wait for them.
    """

    def __init__(self, number: int, channel: Channel, budget: int, link: PeerLink) -> None:
        self.channel = channel
        self._number = number
        self._link = link
        self._decoder = Decoder()
        self._owed = 0
        self._owed_lock = Lock()
        channel.attach(self._refund, budget)

    def receive(self, kind: int, value: int, payload: pa.Buffer) -> Receipt:
        """Decode one frame and queue its element."""
        element = self._decoder.decode(kind, value, payload)
        if element is not None and not self.channel.put(element, value):
            return Receipt.REFUSED
        return Receipt.LAST if isinstance(element, End | Leave) else Receipt.QUEUED

    def _refund(self, nbytes: int) -> None:
        with self._owed_lock:  # the task refunds what it polls, the reading thread what arrives at a closed queue
            self._owed += nbytes
            if self._owed < self.channel.granted // 4 and self.channel.held:
                return
            owed, self._owed = self._owed, 0
        if owed:
            self._link.send([Frame(FrameKind.CREDIT, self._number, value=owed)])


class Incoming:
    """Sorts the frames of one peer into channels; refuses and counts those of unknown and released channels."""

    def __init__(self, peer: str, stream: ByteStream, find: Find, on_lost: Callable[[str], None]) -> None:
        self.peer = peer
        self.link = PeerLink(f"sabot-from-{peer}", lambda: stream, self._on_frame, self._on_end)
        self._on_lost = on_lost
        self.refused = 0
        self._find = find
        self._channels: dict[int, IncomingChannel] = {}
        self._refused_numbers: set[int] = set()

    def release(self, run: RunId, epoch: int) -> None:
        """Remove the channels of a run and epoch; from any thread."""
        for number, incoming in list(self._channels.items()):
            if (incoming.channel.key.run, incoming.channel.key.epoch) == (run, epoch):
                self._channels.pop(number, None)

    def _on_frame(self, received: Received) -> None:
        kind, number, value, payload = received
        if kind == FrameKind.BYE:
            self.link.expect_end()
            return
        if payload is None:
            raise ProtocolError(f"frame of kind {kind} without payload from {self.peer}")
        if kind == FrameKind.OPEN:
            self._open(number, payload)
            return
        incoming = self._channels.get(number)
        receipt = Receipt.REFUSED if incoming is None else incoming.receive(kind, value, payload)
        if receipt is not Receipt.QUEUED:  # a sender that has ended or left does not come back
            self._channels.pop(number, None)
        if receipt is Receipt.REFUSED:
            self._refuse(number, OVER)

    def _on_end(self, lost: str | None) -> None:
        if lost is not None:
            self._on_lost(lost)

    def _open(self, number: int, payload: pa.Buffer) -> None:
        key, budget = load_opening(payload.to_pybytes())
        channel = self._find(key)
        if channel is None:
            self._refuse(number, f"no task reads {key} here: it has ended, is another attempt or was never deployed")
            return
        self._channels[number] = IncomingChannel(number, channel, budget, self.link)
        if self._find(key) is not channel:  # its job was released since, which may not have found the number here
            self._channels.pop(number, None)
            self._refuse(number, OVER)

    def _refuse(self, number: int, reason: str) -> None:
        """Count the frame, and refuse its channel if that was not done before."""
        self.refused += 1
        if number not in self._refused_numbers:  # its sender may have many frames under way
            self._refused_numbers.add(number)
            logger.warning("refused channel %d of %s: %s", number, self.peer, reason)
            self.link.send([Frame(FrameKind.REFUSED, number, reason.encode())])
