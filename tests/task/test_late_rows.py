"""Whole jobs in this process: which rows are late is decided by their split, whatever operators lie between."""

import random
from collections import Counter
from datetime import datetime, timedelta

import pytest

import sabotnb as sb
from sabotnb.expr import col

START, HOUR, MAX_DELAY = datetime(2024, 1, 1), 3600, 1800


def disordered(seed):
    """Return rows that are up to two hours behind the rows before them."""
    draw = random.Random(seed)
    seconds = [max(0, i * 60 + draw.randrange(-7000, 1)) for i in range(1000)]
    return [{"k": draw.randrange(5), "t": START + timedelta(seconds=second)} for second in seconds]


def counted(rows):
    """Return the rows of each key and end of a window, and the number of late rows, by visiting each row."""
    counts, late, latest = Counter(), 0, 0
    for row in rows:
        second = (row["t"] - START).total_seconds()
        end = second // HOUR * HOUR + HOUR
        if end > latest - MAX_DELAY:
            counts[row["k"], START + timedelta(seconds=end)] += 1
        else:
            late += 1
        latest = max(second, latest)
    return counts, late


@pytest.mark.parametrize(
    "between",
    [
        lambda stream: stream,
        lambda stream: stream.filter(col("k") >= 0),
        lambda stream: stream.filter(lambda batch: [True] * batch.num_rows),
        lambda stream: stream.select("t", "k"),
        lambda stream: stream.join(sb.Stream.from_rows([{"k": k, "name": str(k)} for k in range(5)]), on="k"),
        lambda stream: stream.rebalance(),
    ],
    ids=["nothing", "filter", "function", "select", "join", "rebalance"],
)
@pytest.mark.parametrize("seed", [1, 2])
def test_late_rows_are_those_of_the_definition(between, seed):
    rows = disordered(seed)
    counts, late = counted(rows)
    stream = between(sb.Stream.from_rows(rows, event_time="t", max_delay="30m"))
    hours = stream.group_by("k").window(sb.tumbling("1h")).agg(n=sb.count())
    assert {(row["k"], row["window_end"]): row["n"] for row in hours.to_rows()} == counts
    assert late > 100
    assert sum(counts.values()) == len(rows) - late
