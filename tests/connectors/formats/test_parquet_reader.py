import base64
import subprocess
import sys
from dataclasses import replace

import damaged_footers
import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow.parquet import encryption

from sabotnb import connectors
from sabotnb.connectors.formats.parquet_reader import open_parquet
from sabotnb.errors import SourceError
from sabotnb.expr import col

TABLE = pa.table(
    {
        "i": pa.array(range(9), pa.int64()),
        "s": ["a", "b", None] * 3,
        "t": pa.array(range(9), pa.int64()).cast(pa.timestamp("us")),
        "l": [[1], [], None] * 3,
        "o": [{"x": 1.5}] * 9,
    }
)


def by_arrow(path):
    pq.write_table(TABLE, path, row_group_size=4)


def by_old_spark(path):
    pq.write_table(TABLE, path, use_deprecated_int96_timestamps=True, store_schema=False, data_page_version="2.0")


def by_polars(path):
    pl.from_arrow(TABLE).write_parquet(path, row_group_size=4)


def by_duckdb(path):
    duckdb.from_arrow(TABLE).write_parquet(str(path))


@pytest.mark.parametrize("write", [by_arrow, by_old_spark, by_polars, by_duckdb])
def test_a_damaged_footer_is_refused_and_ends_no_process(tmp_path, write):
    write(tmp_path / "a.parquet")
    program = [sys.executable, damaged_footers.__file__, str(tmp_path / "a.parquet"), "120"]
    done = subprocess.run(program, capture_output=True, text=True, check=False, timeout=300)
    assert (done.returncode, done.stdout) == (0, "")


class Keys(encryption.KmsClient):
    """Keys that are not secret."""

    def wrap_key(self, key_bytes, _):
        return base64.b64encode(key_bytes)

    def unwrap_key(self, wrapped_key, _):
        return base64.b64decode(wrapped_key)


@pytest.mark.parametrize("plaintext_footer", [True, False])
def test_an_encrypted_file_is_refused(tmp_path, plaintext_footer):
    factory = encryption.CryptoFactory(lambda _: Keys())
    options = encryption.EncryptionConfiguration("f", column_keys={"c": ["a"]}, plaintext_footer=plaintext_footer)
    properties = factory.file_encryption_properties(encryption.KmsConnectionConfig(), options)
    path, table = tmp_path / "a.parquet", pa.table({"a": [1], "b": [2]})
    with pq.ParquetWriter(path, table.schema, encryption_properties=properties) as writer:
        writer.write_table(table)
    with pytest.raises(SourceError, match=r"a\.parquet' cannot be read \(it is encrypted, .*: write it again or leave"):
        connectors.parquet(path)


@pytest.mark.parametrize("cut", [slice(0, 4), slice(0, -1), slice(0, -9), slice(4, None), slice(-8, None)], ids=str)
def test_a_part_of_a_file_is_refused(tmp_path, cut):
    by_arrow(tmp_path / "a.parquet")
    (tmp_path / "b.parquet").write_bytes((tmp_path / "a.parquet").read_bytes()[cut])
    with pytest.raises(SourceError, match=r"b\.parquet' cannot be read .*: .*write it again"):
        damaged_footers.use(tmp_path / "b.parquet")


@pytest.mark.parametrize("length", [0, 1, 2**31, 2**32 - 1])
def test_a_footer_of_another_length_is_refused(tmp_path, length):
    by_arrow(tmp_path / "a.parquet")
    data = (tmp_path / "a.parquet").read_bytes()
    (tmp_path / "b.parquet").write_bytes(data[:-8] + length.to_bytes(4, "little") + data[-4:])
    with pytest.raises(SourceError, match=r"b\.parquet' cannot be read .*: .*write it again or leave it out"):
        connectors.parquet(tmp_path / "b.parquet")


@pytest.mark.parametrize("limit", ["ü" * 40, "z"])
def test_statistics_that_end_within_a_character_are_not_used(tmp_path, read, limit):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"s": ["aü" * 20]}), path)
    data = path.read_bytes()
    length = int.from_bytes(data[-8:-4], "little")
    start = len(data) - 8 - length
    footer = data[start:].replace(("aü" * 20).encode(), b"a" * 59 + "ü".encode()[:1])
    assert footer != data[start:]
    path.write_bytes(data[:start] + footer)
    spec = connectors.parquet(path)
    predicate = col("s") < limit
    assert read(replace(spec, predicate=predicate)).num_rows == 1


@pytest.mark.parametrize("column", [pa.field("é", pa.int8()), pa.field("a", pa.struct({"é": pa.int8()}))])
def test_names_that_are_not_utf_8_are_refused(tmp_path, column):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.schema([column]).empty_table(), path, store_schema=False)
    path.write_bytes(path.read_bytes().replace("é".encode(), b"\xe9a"))
    with pytest.raises(SourceError, match=r"a\.parquet' cannot be read \("):
        open_parquet(str(path))
