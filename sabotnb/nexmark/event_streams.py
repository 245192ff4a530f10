"""Streams of the generated events, read from Parquet files that the first call writes into the user's cache."""

from __future__ import annotations

from typing import NamedTuple

from sabotnb.api import Stream
from sabotnb.nexmark.files import cached_parquet


class Streams(NamedTuple):
    """The three streams of one site, each with event time ``date_time``."""

    bids: Stream
    auctions: Stream
    persons: Stream


def streams(events: int, seed: int = 0) -> Streams:
    """Return ``(bids, auctions, persons)`` of the first ``events`` events, bounded, with event time ``date_time``.

    The first call for each ``events`` and ``seed`` writes Parquet files into the cache folder of the user.
    """
    files = cached_parquet(events, seed)
    return Streams(*(Stream.from_parquet(path, event_time="date_time") for path in files))
