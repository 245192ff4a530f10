"""The transport protocol: channels between agents."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from sabotnb.exchange.channel import Account, Channel, ChannelKey, Sender

Find = Callable[[ChannelKey], Channel | None]
"""The receiving end of a channel in this process; None if there is none (any more)."""

OnPeerLost = Callable[[str, str], None]
"""Called with an agent and the reason for every connection with it that ends without a BYE, from any thread."""


@dataclass(frozen=True, slots=True)
class Peer:
    """Another agent and where it is reached; endpoints that are of no use from here are left out."""

    agent: str
    endpoints: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class TransportStatistics:
    """Totals: rows are not known here. ``refused`` counts channels and frames that nobody here wanted."""

    links: int
    frames: int
    nbytes: int
    refused: int


class Transport(Protocol):
    """Carries channels to other agents. Implementations pass ``tests/exchange/test_transport.py``.

    Elements of a channel arrive in order; nothing is lost without ``on_peer_lost``; memory on both sides stays within
    the accounts; who has no token, or names another agent or an unknown channel, is refused. A sender that waits for
    credit is woken when its channel is refused or its connection ends, and finds out by sending.
    """

    def start(self) -> Mapping[str, str]:
        """Listen; where, by kind of endpoint. Whoever knows these may connect, so they are secret."""
        ...

    def open(self, key: ChannelKey, peer: Peer, account: Account) -> Sender:
        """The sending end of a channel; connects in the background if there is no connection yet."""
        ...

    def release(self, job: str, epoch: int) -> None:
        """Forget the receiving channels of a job; what still comes for them is dropped and counted."""
        ...

    def statistics(self) -> TransportStatistics:
        """Totals since the start."""
        ...

    def stop(self) -> None:
        """Close everything; waits a moment for what is queued."""
        ...
