"""Streams of the generated events, read from Parquet files that the first call writes into the user's cache."""

from __future__ import annotations

from sabotnb.api import Stream
from sabotnb.cache import cache_root
from sabotnb.nexmark.files import FORMAT, write_parquet


def streams(events: int, seed: int = 0) -> tuple[Stream, Stream, Stream]:
    """Return ``(bids, auctions, persons)`` of the first ``events`` events, bounded, with event time ``date_time``.

    The first call for each ``events`` and ``seed`` writes Parquet files into the cache folder of the user.
    """
    files = write_parquet(cache_root() / "nexmark" / f"v{FORMAT}-{events}-{seed}", events, seed)
    bids, auctions, persons = (Stream.from_parquet(path, event_time="date_time") for path in files)
    return bids, auctions, persons
