"""A file that changes while a lookup join runs."""

import threading

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import sabotnb as sb
from sabotnb import connectors
from sabotnb.errors import SourceError
from sabotnb.graph import LookupJoin
from sabotnb.operators.lookup_join import LookupJoinOperator
from sabotnb.testing import Harness

LEFT = pa.schema({"id": pa.int64()})


def write(path, *names):
    pq.write_table(pa.table({"id": range(len(names)), "name": names}), path)


def harness_of(path):
    spec = LookupJoin(("id",), ("id",), connectors.parquet(path), refresh=60_000_000)
    return Harness(LookupJoinOperator(spec, [LEFT], connectors.source), LEFT)


def refresh(harness):
    """Let the interval pass, wait until the file has been read, and take the result."""
    harness.wake()
    reading = harness._operator._reading
    done = threading.Event()
    reading.add_done_callback(lambda _: done.set())
    assert done.wait(30)
    return harness.wake()


def names(harness):
    before = len(harness.rows)
    return [row["name"] for row in harness.push([{"id": 0}, {"id": 1}]).rows[before:]]


def test_a_new_version_of_the_file_replaces_the_old_one_between_two_batches(tmp_path):
    path = tmp_path / "names.parquet"
    write(path, "a")
    with harness_of(path) as harness:
        assert harness.alarms == [60.0]
        assert names(harness) == ["a", None]
        write(path, "b", "c")
        assert names(harness) == ["a", None]
        refresh(harness)
        assert names(harness) == ["b", "c"]
        assert harness.alarms == [60.0, 60.0]


def test_a_file_that_cannot_be_read_is_tried_again_once(tmp_path):
    path = tmp_path / "names.parquet"
    write(path, "a")
    with harness_of(path) as harness:
        path.unlink()
        refresh(harness)
        assert names(harness) == ["a", None]
        write(path, "b")
        refresh(harness)
        assert names(harness) == ["b", None]
        path.unlink()
        refresh(harness)
        with pytest.raises((SourceError, OSError)):
            refresh(harness)


def test_a_stream_is_joined_with_a_file_that_is_refreshed(tmp_path):
    path = tmp_path / "names.parquet"
    write(path, "a", "b")
    ticks = sb.Stream.from_rate(1000, n=3, event_time="time")
    joined = ticks.lookup_join(path, left_on="value", right_on="id", refresh="1m")
    assert joined.flow.event_time is not None
    assert sorted(row["value"] for row in joined.to_rows() if row["name"]) == [0, 1]
    assert "read every 1m" in str(joined.explain()) or "read every 60s" in str(joined.explain())
