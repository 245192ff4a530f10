"""The receiving side of a connection: the demultiplexer."""

from __future__ import annotations

import logging
from collections.abc import Callable
from threading import Lock

import pyarrow as pa

from sabotnb.errors import ProtocolError
from sabotnb.exchange.channel import Channel
from sabotnb.exchange.frames import Decoder, Frame, FrameKind, load_opening
from sabotnb.exchange.link import PeerLink
from sabotnb.exchange.streams import ByteStream, Received
from sabotnb.exchange.transport import Find

logger = logging.getLogger("sabotnb.exchange")


class Inlet:
    """A channel that a peer has opened: decodes for its queue, and sends credit back in lumps."""

    def __init__(self, number: int, channel: Channel, budget: int, link: PeerLink) -> None:
        self.channel = channel
        self._number = number
        self._lump = budget // 4
        self._link = link
        self._decoder = Decoder()
        self._owed = 0
        self._owing = Lock()
        channel.attach(self._refund, budget)

    def receive(self, kind: int, value: int, payload: pa.Buffer) -> None:
        """Take one frame of the channel."""
        element = self._decoder.decode(kind, value, payload)
        if element is not None:
            self.channel.put(element, value)

    def _refund(self, nbytes: int) -> None:
        with self._owing:
            self._owed += nbytes
            if self._owed < self._lump and self.channel.held:
                return
            owed, self._owed = self._owed, 0
        self._link.send([Frame(FrameKind.CREDIT, self._number, value=owed)])


class Incoming:
    """Sorts the frames of one peer into channels. Unknown and released channels are refused, and counted."""

    def __init__(self, peer: str, stream: ByteStream, find: Find, on_lost: Callable[[str], None]) -> None:
        self.peer = peer
        self.link = PeerLink(f"sabot-from-{peer}", lambda: stream, self._on_frame, self._on_end)
        self._on_lost = on_lost
        self.refused = 0
        self._find = find
        self._inlets: dict[int, Inlet] = {}
        self._strangers: set[int] = set()

    def release(self, job: str, epoch: int) -> None:
        """Forget the channels of a job; from any thread."""
        for number, inlet in list(self._inlets.items()):
            if (inlet.channel.key.job, inlet.channel.key.epoch) == (job, epoch):
                self._inlets.pop(number, None)

    def _on_frame(self, received: Received) -> None:
        kind, number, value, payload = received
        if kind == FrameKind.BYE:
            self.link.part()
            return
        if payload is None:
            raise ProtocolError(f"frame of kind {kind} without payload from {self.peer}")
        if kind == FrameKind.OPEN:
            self._open(number, payload)
            return
        inlet = self._inlets.get(number)
        if inlet is None:
            self._refuse(number, "its job is over here")
        else:
            inlet.receive(kind, value, payload)

    def _on_end(self, lost: str | None) -> None:
        if lost is not None:
            self._on_lost(lost)

    def _open(self, number: int, payload: pa.Buffer) -> None:
        key, budget = load_opening(payload.to_pybytes())
        channel = self._find(key)
        if channel is None:
            self._refuse(number, f"no task reads {key}: it is over, of another epoch, or was never deployed")
        else:
            self._inlets[number] = Inlet(number, channel, budget, self.link)

    def _refuse(self, number: int, reason: str) -> None:
        """Say so once per channel, count every frame."""
        self.refused += 1
        if number not in self._strangers:
            self._strangers.add(number)
            logger.warning("refused channel %d of %s: %s", number, self.peer, reason)
            self.link.send([Frame(FrameKind.REFUSED, number, reason.encode())])
