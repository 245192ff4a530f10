import base64
import os
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import sabotnb as sb
from sabotnb.api.running.compiling import compile_graph
from sabotnb.connectors.formats.parquet_footers import FooterCache
from sabotnb.errors import SourceError

LONG_AGO = 1_000_000_000


class Opened(list):
    """The files that this process opens; audit hooks cannot be removed, so it stops listening instead."""

    listens = True

    def __call__(self, event, args):
        if event == "open" and self.listens:
            self.append(str(args[0]))


@pytest.fixture
def files_opened():
    opened = Opened()
    sys.addaudithook(opened)
    yield opened
    opened.listens = False


def write(path, rows, written=LONG_AGO):
    pq.write_table(pa.table({"x": list(range(rows))}), path)
    os.utime(path, (written, written))


@pytest.mark.parametrize("filtered", [False, True])
def test_a_run_reads_each_footer_once(tmp_path, filtered, files_opened):
    files = [tmp_path / f"{name}.parquet" for name in "ab"]
    for file in files:
        write(file, 10)
    stream = sb.Stream.from_parquet(tmp_path)
    stream = stream.filter(sb.col("x") > 2) if filtered else stream
    compiled = compile_graph(stream.sink_parquet(tmp_path / "out").to_job_graph(), 2)
    assert [split.rows for splits in compiled.splits.values() for split in splits] == [10, 10]
    assert [files_opened.count(str(file)) for file in files] == [1, 1]


def test_a_file_that_was_modified_is_read_again(tmp_path):
    footers, file = FooterCache(), tmp_path / "a.parquet"
    write(file, 10)
    first = footers.read(str(file))
    assert footers.read(str(file)) is first
    write(file, 20, written=LONG_AGO + 1)
    assert footers.read(str(file)).metadata.num_rows == 20


def test_a_file_that_was_just_written_is_read_each_time(tmp_path):
    """It could be rewritten with the same size before the clock of its file system moves on."""
    footers, file = FooterCache(), tmp_path / "a.parquet"
    write(file, 10, written=LONG_AGO * 4)
    assert footers.read(str(file)) is not footers.read(str(file))


def test_only_the_footers_that_were_used_last_are_kept(tmp_path):
    files = [str(tmp_path / f"{name}.parquet") for name in "abc"]
    for file in files:
        write(file, 10)
    size = pq.read_metadata(files[0]).serialized_size
    footers = FooterCache(limit=2 * size)
    first, second, _ = (footers.read(files[number]) for number in (0, 1, 2))
    assert footers.read(files[1]) is second
    assert footers.read(files[0]) is not first


ZONED = pa.timestamp("us", "zqzq")


@pytest.mark.parametrize("table", [pa.table({"zqzq": [1]}), pa.table({"a": pa.array([{"zqzq": 1}])})])
def test_names_of_columns_that_are_not_utf_8_are_named(tmp_path, table):
    file = tmp_path / "a.parquet"
    pq.write_table(table, file, store_schema=False)
    file.write_bytes(file.read_bytes().replace(b"zqzq", b"\xff\xfezq"))
    with pytest.raises(SourceError, match=r"a\.parquet' cannot be read .*not UTF-8: b'.*\\xff\\xfezq'.*in UTF-8"):
        sb.Stream.from_parquet(file)


@pytest.mark.parametrize("column", [pa.array([1], ZONED), pa.array([{"t": 1}], pa.struct({"t": ZONED}))])
def test_names_of_time_zones_that_are_not_utf_8_are_named(tmp_path, column):
    file = tmp_path / "a.parquet"
    pq.write_table(pa.table({"a": column}), file)
    stored = pq.read_metadata(file).metadata[b"ARROW:schema"]
    broken = base64.b64encode(base64.b64decode(stored).replace(b"zqzq", b"\xff\xfezq"))
    file.write_bytes(file.read_bytes().replace(stored, broken))
    with pytest.raises(SourceError, match=r"a\.parquet' cannot be read .*time zone is not UTF-8: b'\\xff\\xfezq'"):
        sb.Stream.from_parquet(file)
