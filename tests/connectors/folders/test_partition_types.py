"""Types of partition columns in the metadata of files."""

import pyarrow as pa
import pytest

from sabotnb.connectors.folders.partition_types import partition_types, with_partition_types

ROWS = pa.schema({"n": pa.int64()})
INT8 = with_partition_types(ROWS, pa.schema({"k": pa.int8()}))
TEXT = with_partition_types(ROWS, pa.schema({"k": pa.string()}))


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ([INT8], {"k": pa.int8()}),
        ([INT8, INT8], {"k": pa.int8()}),
        ([INT8, TEXT], {}),
        ([INT8, ROWS], {}),
        ([ROWS], {}),
        ([ROWS.with_metadata({"sabotnb.partitions": "?"})], {}),
    ],
)
def test_types_in_files(files, found):
    assert partition_types(files) == found


def test_files_without_partitions_have_no_metadata():
    assert with_partition_types(ROWS, pa.schema([])).metadata is None
