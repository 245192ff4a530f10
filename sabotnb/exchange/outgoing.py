"""The sending side of a connection: the channels that this agent has opened to a peer."""

from __future__ import annotations

import logging
from collections.abc import Callable
from itertools import count

from sabotnb.errors import AgentLost, StaleMessage
from sabotnb.exchange.channel import Account, ChannelKey, closed_by_sender
from sabotnb.exchange.frames import Encoder, Frame, FrameKind, dump_opening
from sabotnb.exchange.link import PeerLink
from sabotnb.exchange.streams import ByteStream, Received
from sabotnb.protocol import Batch, Element, connection_lost

logger = logging.getLogger("sabotnb.exchange")


class Outgoing:
    """Numbers the channels to one peer and passes returned credit to their senders.

    When a channel or the connection dies, the limits of its senders are lifted: a task that waits for credit has to
    wake up, and its next ``send`` raises the reason.
    """

    def __init__(
        self, agent: str, peer: str, connect: Callable[[], ByteStream], on_lost: Callable[[str], None]
    ) -> None:
        self.agent = agent
        self.peer = peer
        self.link = PeerLink(f"sabot-to-{peer}", connect, self._on_frame, self._on_end)
        self._on_lost = on_lost
        self._numbers = count(1)
        self._senders: dict[int, RemoteSender] = {}

    def open(self, key: ChannelKey, account: Account) -> RemoteSender:
        """Create a channel; the peer learns of it with its first element."""
        sender = RemoteSender(self, next(self._numbers), key, account)
        self._senders[sender.number] = sender
        return sender

    def remove(self, number: int) -> None:
        """Remove a channel whose task sends nothing more; credit that still arrives for it is ignored."""
        self._senders.pop(number, None)

    def _on_frame(self, received: Received) -> None:
        kind, number, value, payload = received
        sender = self._senders.get(number)
        if kind == FrameKind.BYE:
            self.link.expect_end()
        elif kind == FrameKind.CREDIT and sender is not None:
            sender.account.refund(value)
        elif kind == FrameKind.REFUSED and sender is not None and payload is not None:
            sender.refused = payload.to_pybytes().decode()
            logger.warning("%s refuses channel %s: %s", self.peer, sender.key, sender.refused)
            sender.account.lift_limit()

    def _on_end(self, lost: str | None) -> None:
        for sender in list(self._senders.values()):
            sender.account.lift_limit()
        if lost is not None:
            self._on_lost(lost)


class RemoteSender:
    """The sending end of a channel to another agent; implements ``channel.Sender``."""

    def __init__(self, outgoing: Outgoing, number: int, key: ChannelKey, account: Account) -> None:
        self.key = key
        self.number = number
        self.account = account
        self.refused: str | None = None
        self._outgoing = outgoing
        self._encoder = Encoder(number)
        self._opened = False
        self._closed = False

    def send(self, element: Element) -> None:
        link = self._outgoing.link
        if self._closed:
            raise closed_by_sender(self.key, element)
        if self.refused is not None:
            raise StaleMessage(f"{self._outgoing.peer} refuses channel {self.key}: {self.refused}")
        if link.end_reason is not None:
            raise AgentLost(connection_lost(self._outgoing.agent, self._outgoing.peer, link.end_reason))
        frames = self._encoder.encode(element)
        if isinstance(element, Batch):
            self.account.charge(frames[-1].value)
        if not self._opened:
            self._opened = True
            frames.insert(0, Frame(FrameKind.OPEN, self.number, dump_opening(self.key, self.account.budget)))
        link.send(frames)

    def credit(self) -> int:
        return self.account.credit()

    def close(self) -> None:
        self._closed = True
        self._outgoing.remove(self.number)
