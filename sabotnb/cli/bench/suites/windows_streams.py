"""The windows as streams of sabotnb."""

from __future__ import annotations

import sabotnb as sb
from sabotnb import col


def _tumbling(bids: sb.Stream) -> sb.Stream:
    return bids.group_by("auction").window(sb.tumbling("10s")).agg(n=sb.count())


QUERIES = {
    "tumbling": lambda t: _tumbling(t.bids.with_event_time("date_time")),
    "disorder": lambda t: _tumbling(t.disordered.with_event_time("date_time", max_delay="5s")),
    "sliding": lambda t: (
        t.bids.with_event_time("date_time")
        .group_by(key=col("auction") % 1000)
        .window(sb.sliding("60s", every="1s"))
        .agg(n=sb.count())
    ),
    "session": lambda t: (
        t.bids.with_event_time("date_time").group_by("auction").window(sb.session("2s")).agg(n=sb.count())
    ),
}
