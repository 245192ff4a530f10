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


def lookup_spec(table):
    stream = sb.Stream.from_arrow(LEFT.empty_table())
    (spec,) = (
        operator.spec
        for operator in stream.lookup_join(table, on="id", refresh="1m").to_job_graph().operators.values()
        if isinstance(operator.spec, LookupJoin)
    )
    return spec


@pytest.mark.parametrize("given", ["", "*.parquet", "**/*.parquet"])
def test_a_refresh_reads_the_files_that_a_folder_has_then(tmp_path, given):
    write(tmp_path / "first.parquet", "a")
    spec = lookup_spec(tmp_path / given)
    write(tmp_path / "before_the_job_opens.parquet", "b")
    with Harness(LookupJoinOperator(spec, [LEFT], connectors.source), LEFT) as harness:
        assert sorted(filter(None, names(harness))) == ["a", "b"]
        pq.write_table(pa.table({"id": [1], "name": ["c"]}), tmp_path / "second.parquet")
        refresh(harness)
        assert sorted(filter(None, names(harness))) == ["a", "b", "c"]
        (tmp_path / "first.parquet").unlink()
        refresh(harness)
        assert sorted(filter(None, names(harness))) == ["b", "c"]


def test_a_refresh_reads_new_partitions(tmp_path):
    for day, name in ((1, "a"), (2, "b")):
        folder = tmp_path / f"day={day}"
        folder.mkdir()
        if day == 1:
            write(folder / "part.parquet", name)
            spec = lookup_spec(tmp_path)
    with Harness(LookupJoinOperator(spec, [LEFT], connectors.source), LEFT) as harness:
        assert [(row["name"], row["day"]) for row in harness.push([{"id": 0}]).rows] == [("a", 1)]
        write(tmp_path / "day=2" / "part.parquet", "b")
        refresh(harness)
        assert sorted((row["name"], row["day"]) for row in harness.push([{"id": 0}]).rows[1:]) == [("a", 1), ("b", 2)]


def test_a_folder_that_is_empty_for_a_moment_keeps_its_last_rows(tmp_path):
    write(tmp_path / "names.parquet", "a")
    with Harness(LookupJoinOperator(lookup_spec(tmp_path), [LEFT], connectors.source), LEFT) as harness:
        (tmp_path / "names.parquet").unlink()
        refresh(harness)
        assert names(harness) == ["a", None]
        write(tmp_path / "other.parquet", "b")
        refresh(harness)
        assert names(harness) == ["b", None]


def test_a_stream_is_joined_with_a_file_that_is_refreshed(tmp_path):
    path = tmp_path / "names.parquet"
    write(path, "a", "b")
    ticks = sb.Stream.from_rate(1000, n=3, event_time="time")
    joined = ticks.lookup_join(path, left_on="value", right_on="id", refresh="1m")
    assert joined.flow.event_time is not None
    assert sorted(row["value"] for row in joined.to_rows() if row["name"]) == [0, 1]
    assert "read every 1m" in str(joined.explain()) or "read every 60s" in str(joined.explain())
