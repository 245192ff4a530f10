import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import feather

import sabotnb as sb
from sabotnb import connectors
from sabotnb.errors import SourceError


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "a.csv").write_text("n\n1\n2\n")
    return tmp_path


def rows(reader):
    polled = reader.poll(100)
    return None if polled is None else polled[0]["n"].to_pylist()


@pytest.mark.parametrize("pattern", ["", "*.csv"])
def test_new_files_are_read_once_when_they_stopped_growing(folder, clock, pattern):
    spec = connectors.csv(folder / pattern, follow=True)
    assert (spec.bounded, spec.replayable) == (False, False)
    source = connectors.source(spec, clock)
    (split,) = source.splits()
    reader = source.open(split)
    assert rows(reader) == [1, 2]
    assert rows(reader) is None
    (folder / "c.csv").write_text("n\n5\n")
    (folder / "b.csv").write_text("n\n3")
    (folder / "_b.csv.tmp").write_text("n\n99\n")
    clock.now += 1
    assert rows(reader) is None  # seen for the first time
    (folder / "b.csv").write_text("n\n3\n4\n")
    clock.now += 1
    assert rows(reader) == [5]
    assert rows(reader) is None
    clock.now += 1
    assert rows(reader) == [3, 4]
    clock.now += 5
    assert rows(reader) is None
    reader.close()


def test_nobody_looks_more_than_once_a_second(folder, clock):
    source = connectors.source(connectors.csv(folder, follow=True), clock)
    reader = source.open(source.splits()[0])
    assert rows(reader) == [1, 2]
    (folder / "b.csv").write_text("n\n3\n")
    for tenths in range(1, 10):
        clock.now += 0.1
        assert rows(reader) is None
        assert reader.due() == pytest.approx(1.1 - tenths / 10)  # the first poll began the second
    clock.now += 1
    assert rows(reader) is None
    clock.now += 1
    assert rows(reader) == [3]


FIRST = {
    "csv": lambda file: file.write_text("n\n3\n"),
    "json": lambda file: file.write_text('{"n": 3}\n'),
    "parquet": lambda file: pq.write_table(pa.table({"n": [3]}), file),
    "ipc": lambda file: feather.write_feather(pa.table({"n": [3]}), file),
}


@pytest.mark.parametrize("name", FIRST)
def test_a_folder_with_a_schema_may_be_empty_at_first(tmp_path, clock, name):
    schema, suffix = pa.schema({"n": pa.int64()}), {"json": ".jsonl", "ipc": ".arrow"}.get(name, f".{name}")
    spec = connectors.awaited(name, tmp_path, schema)
    assert (spec.schema, spec.bounded, spec.replayable) == (schema, False, False)
    source = connectors.source(spec, clock)
    reader = source.open(source.splits()[0])
    assert rows(reader) is None
    FIRST[name](tmp_path / f"a{suffix}")
    (tmp_path / "other.txt").write_text("x")
    clock.now += 1
    assert rows(reader) is None
    clock.now += 1
    assert rows(reader) == [3]
    assert connectors.awaited(name, tmp_path, schema) is None
    assert connectors.awaited(name, tmp_path / "missing", schema) is None


def test_options_of_csv_hold_for_files_that_come(tmp_path, clock):
    schema = pa.schema({"n": pa.int64(), "x": pa.float64()})
    source = connectors.source(connectors.awaited("csv", tmp_path, schema, separator=";", null_values=["NA"]), clock)
    reader = source.open(source.splits()[0])
    assert rows(reader) is None
    (tmp_path / "a.csv").write_text("n;x\n3;NA\nNA;9007199254740993\n")
    for _ in range(2):
        clock.now += 1
        found = rows(reader)
    assert found == [3, None]


@pytest.mark.parametrize("name", ["csv", "json"])
def test_a_file_that_comes_rounds_no_integer(tmp_path, clock, name):
    texts = {"csv": "n\n{}\n", "json": '{{"n": {}}}\n'}
    suffix = {"csv": ".csv", "json": ".jsonl"}[name]
    (tmp_path / f"a{suffix}").write_text(texts[name].format("1.5"))
    source = connectors.source(getattr(connectors, name)(tmp_path, follow=True), clock)
    reader = source.open(source.splits()[0])
    assert rows(reader) == [1.5]
    assert rows(reader) is None
    (tmp_path / f"b{suffix}").write_text(texts[name].format("9007199254740993"))
    clock.now += 1
    assert rows(reader) is None
    clock.now += 1
    with pytest.raises(SourceError, match=rf"b\{suffix}', line \d: .* would round 9007199254740993 here"):
        rows(reader)


def test_what_is_awaited_is_described_by_the_stream(tmp_path):
    schema = pa.schema({"n": pa.int64()})
    assert sb.Stream.from_parquet(tmp_path, schema=schema, follow=True).schema == schema
    assert sb.Stream.from_csv(tmp_path / "*.csv", schema=schema, follow=True).schema == schema
    for given in ({}, {"schema": {"n": "int64"}}):
        with pytest.raises(SourceError, match="it is empty"):
            sb.Stream.from_parquet(tmp_path, follow=True, **given)
    with pytest.raises(SourceError, match="does not exist"):
        sb.Stream.from_parquet(tmp_path / "missing", schema=schema, follow=True)
    with pytest.raises(SourceError, match="the path is empty"):
        sb.Stream.from_parquet("", schema=schema, follow=True)


@pytest.mark.parametrize("name", FIRST)
def test_a_column_of_folders_that_are_still_to_come_is_never_null(tmp_path, clock, name):
    suffix = {"json": ".jsonl", "ipc": ".arrow"}.get(name, f".{name}")
    spec = connectors.awaited(name, tmp_path, pa.schema({"n": pa.int64(), "y": pa.int64()}))
    source = connectors.source(spec, clock)
    reader = source.open(source.splits()[0])
    assert rows(reader) is None
    (tmp_path / "y=1").mkdir()
    FIRST[name](tmp_path / "y=1" / f"a{suffix}")
    clock.now += 1
    assert rows(reader) is None
    clock.now += 1
    with pytest.raises(SourceError, match=r"column 'y'"):
        rows(reader)
