"""Files that change between the making of splits and their reading."""

import itertools
import os
from dataclasses import replace

import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq
import pytest
from pyarrow import feather

from sabotnb import connectors
from sabotnb.connectors import file_guard
from sabotnb.connectors.file_guard import FileGuard
from sabotnb.connectors.formats import csv_files, json_files
from sabotnb.errors import SourceError
from sabotnb.protocol.source import Finished

ROWS = pa.table({"a": range(1000, 2000)})
OTHERS = pa.table({"a": range(5000, 6000)})
DESCRIBE = {"parquet": connectors.parquet, "csv": connectors.csv, "json": connectors.json, "ipc": connectors.ipc}


def write(file_format, table, path):
    match file_format:
        case "parquet":
            pq.write_table(table, path)
        case "csv":
            pc.write_csv(table, path)
        case "ipc":
            feather.write_feather(table, path, compression="uncompressed")
        case "json":
            path.write_text("".join(f'{{"a": {value}}}\n' for value in table["a"].to_pylist()))


@pytest.fixture(params=DESCRIBE)
def file_format(request):
    return request.param


@pytest.fixture
def path(tmp_path, file_format):
    path = tmp_path / f"in.{file_format}"
    write(file_format, ROWS, path)
    return path


@pytest.fixture(params=[{}, {"rate": 1e9}], ids=["fast", "paced"])
def source(path, file_format, request):
    spec = DESCRIBE[file_format](path)
    spec = replace(spec, options={**spec.options, **request.param})
    return connectors.source(spec, itertools.count().__next__)


def values(reader):
    found = []
    while not isinstance(polled := reader.poll(100), Finished):
        if polled is not None:
            found += polled[0]["a"].to_pylist()
    return found


def read(source, splits):
    return [value for split in splits for value in values(source.open(split))]


def test_files_that_stay_as_they_are(source):
    assert read(source, source.splits()) == ROWS["a"].to_pylist()


def test_a_file_that_is_shortened(path, source):
    splits, size = source.splits(), path.stat().st_size
    os.truncate(path, size // 2)
    with pytest.raises(SourceError, match=f"was {size:,} bytes and is {size // 2:,} after .*: re-run"):
        read(source, splits)


@pytest.mark.parametrize("in_place", [True, False])
def test_a_file_that_is_replaced_by_one_of_the_same_size(path, source, file_format, in_place):
    splits, size = source.splits(), path.stat().st_size
    other = path if in_place else path.with_name("other")
    write(file_format, OTHERS, other)
    os.utime(other, ns=(0, 0))
    other.replace(path)
    assert path.stat().st_size == size
    with pytest.raises(SourceError, match="was rewritten after the run started"):
        read(source, splits)


def test_a_file_that_grows(path, source, file_format):
    splits = source.splits()
    with path.open("ab") as opened:
        opened.write({"csv": b"1\n", "json": b'{"a": 1}\n'}.get(file_format, b"1"))
    if file_format in ("csv", "json"):
        assert read(source, splits) == ROWS["a"].to_pylist()
    else:
        with pytest.raises(SourceError, match="was rewritten"):
            read(source, splits)


def test_a_copy_on_another_machine(path, source, monkeypatch):
    splits = source.splits()
    os.utime(path, ns=(0, 0))
    monkeypatch.setattr(file_guard.platform, "node", lambda: "another")
    assert read(source, splits) == ROWS["a"].to_pylist()
    os.truncate(path, 10)
    with pytest.raises(SourceError, match="and is 10 after"):
        read(source, splits)


@pytest.mark.parametrize("connector", ["csv", "json"])
def test_a_file_that_is_shortened_between_two_records_while_it_is_read(tmp_path, connector):
    path = tmp_path / f"in.{connector}"
    write(connector, ROWS, path)
    spec = DESCRIBE[connector](path)
    files = csv_files.CsvFiles(spec) if connector == "csv" else json_files.JsonFiles(spec)
    source = FileGuard(files, lambda: [str(path)], may_grow=True)
    (split,) = source.splits()
    batches = source.batches(split, 100)
    next(batches)
    record = path.read_bytes().splitlines(keepends=True)[-1]
    os.truncate(path, path.stat().st_size - len(record))
    with pytest.raises(SourceError, match="bytes and is"):
        list(batches)


def drain(reader):
    while isinstance(reader.poll(100), tuple):
        pass


@pytest.mark.parametrize("follow", [False, True])
def test_a_file_that_is_replaced_while_it_is_read(tmp_path, follow):
    path = tmp_path / "in.parquet"
    write("parquet", ROWS, path)
    source = connectors.source(connectors.parquet(path, follow=follow))
    (split,) = source.splits()
    reader = source.open(split)
    batch, *_ = reader.poll(100)
    assert batch.num_rows == 100
    write("parquet", OTHERS, tmp_path / "other")
    (tmp_path / "other").replace(path)
    with pytest.raises(SourceError, match="was rewritten after the run started"):
        drain(reader)


def test_a_paced_source_that_goes_on_at_a_position_refuses_a_file_that_was_shortened_since(tmp_path):
    for number in range(3):
        write("csv", ROWS.slice(100 * number, 100), tmp_path / f"{number}.csv")
    spec = connectors.csv(tmp_path / "*.csv")
    source = connectors.source(replace(spec, options={**spec.options, "rate": 1e9}), itertools.count().__next__)
    (split,) = source.splits()
    batch, position, *_ = source.open(split).poll(150)
    rest = values(source.open(replace(split, position=position)))
    assert [*batch["a"].to_pylist(), *rest] == ROWS["a"].to_pylist()[:300]
    os.truncate(tmp_path / "2.csv", 10)
    with pytest.raises(SourceError, match=r"2\.csv' was .* bytes and is 10 after the run started"):
        values(source.open(replace(split, position=position)))
