"""What README says works, and what it says does not yet."""

import pytest

import sabotnb as sb
from sabotnb import col, errors

BOUNDED = sb.Stream.from_rows([{"value": 1, "name": "x"}])


class Seen(sb.KeyedProcess):
    output = {"value": "int64"}

    def on_row(self, row, ctx):
        return {"value": ctx.key}


WORKS = {
    "filter": lambda s: s.filter(col("value") > 1),
    "select": lambda s: s.select("value"),
    "with_columns": lambda s: s.with_columns(twice=col("value") * 2),
    "map_rows": lambda s: s.map_rows(lambda row: row, schema={"value": "int64"}),
    "map_batches": lambda s: s.map_batches(lambda batch: batch),
    "distinct": lambda s: s.distinct("value"),
    "union": lambda s: s.union(s),
    "groups": lambda s: s.group_by("value").agg(n=sb.count()),
    "top": lambda s: s.top(3, by="value", rank="rank"),
    "reduce": lambda s: s.reduce(lambda left, right: {"value": left["value"] + right["value"], "time": left["time"]}),
    "windows": lambda s: s.with_event_time("time").window(sb.tumbling("1s")).agg(n=sb.count()),
    "process": lambda s: s.with_event_time("time").group_by("value").process(Seen),
    "map_async": lambda s: s.map_async(lambda row: row, schema={"value": "int64"}, timeout=None),
    "joins with bounded streams": lambda s: s.join(BOUNDED, on="value"),
    "joins by time": lambda s: s.with_event_time("time").interval_join(
        sb.Stream.from_rate(10).with_event_time("time"), on="value", between=("-1s", "1s")
    ),
    "sessions": lambda s: s.with_event_time("time").group_by("value").window(sb.session("1s")).agg(n=sb.count()),
}
NOT_YET = {
    "joins": lambda s: s.join(sb.Stream.from_rate(10), on="value"),
    "sort": lambda s: s.sort("value"),
}
NO_VERBS = ("limit", "explode", "unpivot", "sink_kafka", "sink_sql", "sink_delta", "from_kafka", "from_sql")


@pytest.mark.parametrize("verb", WORKS)
def test_an_endless_stream_has_this_verb(verb: str) -> None:
    WORKS[verb](sb.Stream.from_rate(10)).check()


@pytest.mark.parametrize("verb", NOT_YET)
def test_an_endless_stream_has_this_verb_not_yet(verb: str) -> None:
    with pytest.raises(errors.GraphError, match="endless"):
        NOT_YET[verb](sb.Stream.from_rate(10)).check()


@pytest.mark.parametrize("verb", NO_VERBS)
def test_this_verb_is_not_there_yet(verb: str) -> None:
    assert not hasattr(sb.Stream, verb)
