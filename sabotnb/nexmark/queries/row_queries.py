"""Queries that look at one bid at a time: q0, q1, q2, q10, q14, q21, q22."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

import sabotnb as sb
from sabotnb import Sink, Stream, col
from sabotnb.nexmark.event_streams import Streams
from sabotnb.nexmark.queries.query import query

CHANNEL_IDS = {"apple": "0", "google": "1", "facebook": "2", "baidu": "3"}


@query("SELECT auction, bidder, price, date_time FROM {bids}")
def q0(s: Streams) -> Stream:
    """Pass through: every bid as it is. What a query costs that does nothing."""
    return s.bids.select("auction", "bidder", "price", "date_time")


@query("SELECT auction, bidder, 0.908::DOUBLE * price AS price, date_time FROM {bids}")
def q1(s: Streams) -> Stream:
    """Currency conversion: the price of every bid in euros instead of dollars."""
    return s.bids.select("auction", "bidder", "date_time", price=0.908 * col("price"))


@query("SELECT auction, price FROM {bids} WHERE auction % 123 = 0")
def q2(s: Streams) -> Stream:
    """Selection: the bids on some auctions."""
    return s.bids.filter(col("auction") % 123 == 0).select("auction", "price")


def write_by_minute(bids: Stream, folder: str) -> Sink:
    """Write Parquet files, a folder for each day and in it one for each minute."""
    return bids.sink_parquet(folder, mode="overwrite", partition_by=["day", "minute"])


@query(
    """
    SELECT auction, bidder, price, date_time,
        strftime(date_time, '%Y-%m-%d') AS day, strftime(date_time, '%H-%M') AS minute
    FROM {bids}
    """,
    write=write_by_minute,
)
def q10(s: Streams) -> Stream:
    """Log to the file system: every bid, in files that are partitioned by day and minute (``write_by_minute``)."""
    time = col("date_time").dt
    return s.bids.select(
        "auction", "bidder", "price", "date_time", day=time.strftime("%Y-%m-%d"), minute=time.strftime("%H-%M")
    )


@sb.udf("int64")
def count_c(texts: pa.Array) -> pa.Array:
    """Count the letters c of each text."""
    return pc.count_substring(texts, "c").cast(pa.int64())


@query(
    """
    SELECT auction, bidder, 0.908::DOUBLE * price AS price, date_time,
        CASE WHEN hour(date_time) BETWEEN 8 AND 18 THEN 'dayTime'
             WHEN hour(date_time) <= 6 OR hour(date_time) >= 20 THEN 'nightTime'
             ELSE 'otherTime' END AS bid_time_type,
        length(url) - length(replace(url, 'c', '')) AS c_count
    FROM {bids} WHERE 0.908::DOUBLE * price > 1000000 AND 0.908::DOUBLE * price < 50000000
    """
)
def q14(s: Streams) -> Stream:
    """Calculation: dear bids with their time of day, and how often their address has a c, by a function of the user.

    The reference counts in the padding column ``extra``, which the events here do not have.
    """
    hour = col("date_time").dt.hour()
    day, night = (hour >= 8) & (hour <= 18), (hour <= 6) | (hour >= 20)
    return (
        s.bids.with_columns(price=0.908 * col("price"))
        .filter((col("price") > 1_000_000) & (col("price") < 50_000_000))
        .select(
            "auction",
            "bidder",
            "price",
            "date_time",
            bid_time_type=sb.when(day).then("dayTime").when(night).then("nightTime").otherwise("otherTime"),
            c_count=count_c(col("url")),
        )
    )


@query(
    """
    SELECT auction, bidder, price, channel,
        CASE lower(channel) WHEN 'apple' THEN '0' WHEN 'google' THEN '1' WHEN 'facebook' THEN '2' WHEN 'baidu' THEN '3'
            ELSE regexp_extract(url, '(&|^)channel_id=([^&]*)', 2) END AS channel_id
    FROM {bids}
    WHERE lower(channel) IN ('apple', 'google', 'facebook', 'baidu') OR contains(url, '&channel_id=')
    """
)
def q21(s: Streams) -> Stream:
    """Add a channel id: that of a known channel, else the one in the address; bids without an id are left out."""
    channel, url = col("channel").str.lower(), col("url")
    channel_id = url.str.replace("^.*&channel_id=([^&]*).*$", "$1")
    for name, known in CHANNEL_IDS.items():
        channel_id = sb.when(channel == name).then(known).otherwise(channel_id)
    return s.bids.filter(channel.is_in(list(CHANNEL_IDS)) | url.str.contains("&channel_id=", literal=True)).select(
        "auction", "bidder", "price", "channel", channel_id=channel_id
    )


@query(
    """
    SELECT auction, bidder, price, channel,
        split_part(url, '/', 4) AS dir1, split_part(url, '/', 5) AS dir2, split_part(url, '/', 6) AS dir3
    FROM {bids}
    """
)
def q22(s: Streams) -> Stream:
    """Directories: the first three parts of the path in the address of every bid."""
    parts = col("url").str.split("/").list
    return s.bids.select(
        "auction", "bidder", "price", "channel", dir1=parts.get(3), dir2=parts.get(4), dir3=parts.get(5)
    )
