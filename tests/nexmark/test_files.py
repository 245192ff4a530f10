import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sabotnb.errors import SinkError
from sabotnb.nexmark import generate, write_parquet


def test_files_hold_the_generated_rows_as_plain_text_columns(tmp_path):
    files = write_parquet(tmp_path / "n", 20_000, seed=3)
    for path, batches in zip(files, generate(20_000, seed=3), strict=True):
        assert pq.read_table(path).to_pylist() == pa.Table.from_batches(list(batches)).to_pylist()
    assert pq.read_schema(files.bids).field("channel").type == pa.string()


def test_the_second_call_writes_nothing(tmp_path):
    files = write_parquet(tmp_path / "n", 100)
    before = {path: path.stat().st_ino for path in (tmp_path / "n").iterdir()}
    assert write_parquet(tmp_path / "n", 100) == files
    assert {path: path.stat().st_ino for path in (tmp_path / "n").iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["n"]


def test_a_folder_with_other_content_is_refused(tmp_path):
    write_parquet(tmp_path / "n", 100, seed=1)
    with pytest.raises(SinkError, match="pass a folder that does not exist"):
        write_parquet(tmp_path / "n", 100, seed=2)
    with pytest.raises(SinkError, match="has other content"):
        write_parquet(tmp_path, 100)


def test_large_files_have_row_groups(tmp_path):
    files = write_parquet(tmp_path / "n", 1_200_000)
    metadata = pq.ParquetFile(files.bids).metadata
    assert [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)] == [524_288, 524_288, 55_424]
