"""The Nexmark benchmark data: persons, auctions and bids of an auction site, as batches, Parquet files and streams."""

from sabotnb.nexmark.event_streams import streams
from sabotnb.nexmark.files import Files, write_parquet
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


def __dir__() -> list[str]:
    return __all__
