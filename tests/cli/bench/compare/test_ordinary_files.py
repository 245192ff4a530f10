import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sabotnb.cli.bench.compare.ordinary_files import facts, rows_per_file, sliced, write_table
from sabotnb.cli.bench.compare.suite import FILE_KINDS

ROWS = pa.table({"n": range(300_000), "t": pa.array(["red", "blue"] * 150_000).dictionary_encode()})


@pytest.mark.parametrize("kind", FILE_KINDS.values(), ids=FILE_KINDS)
def test_other_tools_write_the_files(kind, tmp_path):
    write_table(tmp_path / "rows", [ROWS.slice(0, 200_000), ROWS.slice(200_000)], kind)
    found = facts(str(tmp_path / "rows" / "*.parquet"))
    assert (found.codec, found.files, found.row_groups, found.rows) == (kind.codec, 2, 3, 300_000)
    assert kind.writer in found.writer.lower()
    first = pq.read_metadata(tmp_path / "rows" / "part-000.parquet")
    assert [first.row_group(group).num_rows for group in range(2)] == [131_072, 68_928]
    assert any("DICTIONARY" in encoding for encoding in first.row_group(0).column(1).encodings)
    read = pq.read_table(tmp_path / "rows")
    assert read["n"].to_pylist() == ROWS["n"].to_pylist()
    assert read["t"].to_pylist() == ROWS["t"].to_pylist()


@pytest.mark.parametrize("size", [1, 3, 4, 7, 10, 25])
def test_batches_are_cut_and_joined_to_files_of_one_size(size):
    batches = pa.table({"n": range(10)}).to_batches(max_chunksize=4)
    tables = list(sliced(batches, size))
    assert [table.num_rows for table in tables] == [size] * (10 // size) + ([10 % size] if 10 % size else [])
    assert [n for table in tables for n in table["n"].to_pylist()] == list(range(10))


def test_few_rows_make_few_files():
    assert (rows_per_file(9_200_000, 40), rows_per_file(9_201, 40), rows_per_file(25, 1)) == (230_000, 5_000, 5_000)
