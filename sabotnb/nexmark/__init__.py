"""The Nexmark benchmark: persons, auctions and bids of an auction site as batches, files and streams, and queries."""

from sabotnb.nexmark import queries
from sabotnb.nexmark.event_streams import Streams, streams
from sabotnb.nexmark.files import Files, cached_parquet, write_parquet
from sabotnb.nexmark.generator import AUCTIONS, BIDS, PERSONS, Events, counts, generate

__all__ = [
    "AUCTIONS",
    "BIDS",
    "PERSONS",
    "Events",
    "Files",
    "Streams",
    "cached_parquet",
    "counts",
    "generate",
    "queries",
    "streams",
    "write_parquet",
]


def __dir__() -> list[str]:
    return __all__
