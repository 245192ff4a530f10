"""The protocol of transports, which carry channels between agents."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from sabotnb.exchange.channel import Account, Channel, ChannelKey, Sender
from sabotnb.protocol import RunId

Find = Callable[[ChannelKey], Channel | None]
"""Returns the receiving end of a channel in this process; None if it does not exist, or no longer."""

OnPeerLost = Callable[[str, str], None]
"""Called with an agent and a reason for each connection with it that ends without a BYE; from any thread."""


@dataclass(frozen=True, slots=True)
class Peer:
    """Another agent and its endpoints, without those that cannot be reached from here."""

    agent: str
    endpoints: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class TransportStatistics:
    """Totals of a transport. ``refused`` counts refused connections, and frames of refused channels."""

    links: int
    frames: int
    nbytes: int
    refused: int


class Transport(Protocol):
    """Carries channels to other agents. Implementations pass ``sabotnb.testing.TransportSuite``.

    Elements of a channel arrive in order; none is lost without a call of ``on_peer_lost``; memory on both sides stays
    within the accounts. A connection without the token or for another agent is refused, and so is an unknown channel. A
    sender that waits for credit is woken when its channel is refused or its connection ends; its next ``send`` raises.
    """

    def start(self) -> Mapping[str, str]:
        """Start to listen; returns the endpoints by kind. They are secret, as they allow to connect."""
        ...

    def open(self, key: ChannelKey, peer: Peer, account: Account) -> Sender:
        """Create the sending end of a channel; connects in the background if there is no connection yet."""
        ...

    def release(self, run: RunId, epoch: int) -> None:
        """Remove the receiving channels of a run and epoch; elements that still arrive are dropped and counted."""
        ...

    def statistics(self) -> TransportStatistics:
        """Return the totals since the start."""
        ...

    def stop(self) -> None:
        """Close all connections; waits a moment for queued frames."""
        ...
