"""The Nexmark benchmark data: persons, auctions and bids of an auction site, as batches, Parquet files and streams."""

from __future__ import annotations

from sabotnb.api import Stream
from sabotnb.cache import cache_root
from sabotnb.nexmark.files import FORMAT, Files, write_parquet
from sabotnb.nexmark.generator import AUCTIONS, BIDS, PERSONS, Events, counts, generate

__all__ = [
    "AUCTIONS",
    "BIDS",
    "PERSONS",
    "Events",
    "Files",
    "counts",
    "generate",
    "streams",
    "write_parquet",
]


def streams(events: int, seed: int = 0) -> tuple[Stream, Stream, Stream]:
    """Return ``(bids, auctions, persons)`` of the first ``events`` events, bounded, with event time ``date_time``.

    The first call for each ``events`` and ``seed`` writes Parquet files into the cache folder of the user.
    """
    files = write_parquet(cache_root() / "nexmark" / f"v{FORMAT}-{events}-{seed}", events, seed)
    bids, auctions, persons = (Stream.from_parquet(path, event_time="date_time") for path in files)
    return bids, auctions, persons


def __dir__() -> list[str]:
    return __all__
