from dataclasses import replace

import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet as pq
import pytest

from sabotnb import connectors
from sabotnb.connectors.sources.pacing import parse_speed
from sabotnb.errors import SourceError
from sabotnb.expr import col
from sabotnb.graph.specs import EventTime
from sabotnb.protocol.source import Finished

HOUR = 3_600_000_000


@pytest.fixture
def folder(tmp_path):
    """Two files whose rows follow each other in time, an hour apart; the second one has a late row."""
    for name, hours in (("b", [0, 1, 2]), ("a", [3, 5, 4, 6])):
        times = pa.array([hour * HOUR for hour in hours]).cast(pa.timestamp("us"))
        pq.write_table(pa.table({"hour": pa.array(hours, pa.int64()), "t": times}), tmp_path / f"{name}.parquet")
    return tmp_path


def hours(polled):
    if polled is None:
        return None
    return [hour for batch in (polled.rows, polled.delayed) if batch is not None for hour in batch["hour"].to_pylist()]


def test_a_rate_is_a_schedule_over_all_files(folder, clock):
    spec = replace(connectors.parquet(folder, rate=2), event_time=EventTime("t"))
    source = connectors.source(spec, clock)
    (split,) = source.splits()
    assert split.rows == 7
    reader = source.open(split)
    assert hours(reader.poll(10)) == [0]
    assert reader.poll(10) is None
    clock.now += 1.5
    assert hours(reader.poll(10)) == [1, 2]
    assert hours(reader.poll(10)) == [3]
    clock.now += 60
    assert hours(reader.poll(2)) == [5, 4]
    assert hours(reader.poll(2)) == [6]
    assert isinstance(reader.poll(2), Finished)


@pytest.mark.parametrize(("options", "due"), [({"rate": 0.1}, 10), ({"speed": "1h/m"}, 60)])
def test_a_reader_knows_when_its_next_row_is_due(folder, clock, options, due):
    spec = replace(connectors.parquet(folder, **options), event_time=EventTime("t"))
    source = connectors.source(spec, clock)
    reader = source.open(source.splits()[0])
    assert hours(reader.poll(10)) == [0]
    clock.now += 2.5
    assert reader.poll(10) is None
    assert reader.due() == pytest.approx(due - 2.5)
    clock.now += reader.due()
    assert hours(reader.poll(10)) == [1]


def test_a_rate_counts_rows_before_the_predicate(folder, clock):
    spec = replace(connectors.parquet(folder / "a.parquet", rate=1), predicate=col("hour") == 6)
    source = connectors.source(spec, clock)
    reader = source.open(source.splits()[0])
    assert reader.poll(10) is None
    clock.now += 2
    assert reader.poll(10) is None
    clock.now += 1
    assert hours(reader.poll(10)) == [6]


def test_speed_follows_event_time_and_late_rows_come_with_their_neighbours(folder, clock):
    schema = pa.schema({"hour": pa.int64()})  # the time itself need not leave
    spec = replace(connectors.parquet(folder, speed="2h/s"), event_time=EventTime("t"), schema=schema)
    source = connectors.source(spec, clock)
    reader = source.open(source.splits()[0])
    assert hours(reader.poll(10)) == [0]
    clock.now += 1
    assert hours(reader.poll(10)) == [1, 2]
    clock.now += 1
    assert hours(reader.poll(10)) == [3]
    clock.now += 0.5
    assert hours(reader.poll(10)) == [5, 4]


@pytest.mark.parametrize(
    "data_type", [pa.timestamp("s"), pa.timestamp("ns"), pa.timestamp("ns", "Europe/Berlin"), pa.date32()], ids=str
)
def test_event_time_has_any_unit(tmp_path, clock, data_type):
    days = pa.array([0, 1, 2], pa.int32()).cast(pa.date32()).cast(data_type)
    if data_type == pa.timestamp("ns"):
        days = pa.compute.add(days.cast(pa.int64()), 1).cast(data_type)  # no whole microseconds
    pq.write_table(pa.table({"hour": [0, 24, 48], "t": days}), tmp_path / "a.parquet")
    spec = replace(connectors.parquet(tmp_path, speed="1d/s"), event_time=EventTime("t"))
    source = connectors.source(spec, clock)
    reader = source.open(source.splits()[0])
    assert hours(reader.poll(10)) == [0]
    clock.now += 1
    assert hours(reader.poll(10)) == [24]


def test_a_position_keeps_to_the_schedule(folder, clock):
    spec = replace(connectors.parquet(folder, speed="1h/s"), event_time=EventTime("t"))
    source = connectors.source(spec, clock)
    (split,) = source.splits()
    clock.now += 0
    _, position, *_ = source.open(split).poll(10)
    clock.now += 2
    assert hours(source.open(replace(split, position=position)).poll(10)) == [1, 2]


@pytest.mark.parametrize(
    ("speed", "ratio"), [("6h/s", 6 * HOUR), ("90s/s", 90_000_000), ("1d/m", 24 * HOUR / 60), ("1h30m/s", 1.5 * HOUR)]
)
def test_speeds(speed, ratio):
    assert parse_speed(speed) == ratio


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rate": 0}, "rate=0 is not a number of rows per second: give one above 0"),
        ({"rate": 1, "speed": "1h/s"}, "rate= and speed= both say how fast to read: give one of them"),
        ({"speed": "6h"}, "speed='6h' is not event time per time: write '6h/s'"),
        ({"speed": "6/s"}, "speed='6/s' is not event time"),
        ({"speed": "0h/s"}, "speed='0h/s' is not event time"),
        ({"rate": 1, "follow": True}, "rate= and speed= have no meaning"),
    ],
)
def test_options_that_make_no_sense(folder, options, message):
    with pytest.raises(SourceError, match=message):
        connectors.parquet(folder, **options)


def test_speed_needs_an_event_time(folder):
    with pytest.raises(SourceError, match="speed='6h/s' is in event time: say which column that is, with event_time="):
        connectors.source(connectors.parquet(folder, speed="6h/s")).splits()
