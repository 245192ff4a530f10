import pyarrow as pa
import pytest
from pyarrow import csv, feather
from pyarrow import parquet as pq

from sabotnb import connectors
from sabotnb.connectors.file_schemas import from_text
from sabotnb.connectors.file_sources import describe_files
from sabotnb.connectors.formats.file_formats import READ_FORMATS

SCHEMA = pa.schema({"n": pa.int64(), "s": pa.string()})
ROWS = pa.table({"n": [1], "s": ["a"]})
WRITE = {
    "csv": lambda file: csv.write_csv(ROWS, file),
    "json": lambda file: file.write_text('{"n": 1, "s": "a"}\n'),
    "parquet": lambda file: pq.write_table(ROWS, file),
    "ipc": lambda file: feather.write_feather(ROWS, file),
}


def written(folder, name):
    file = folder / f"a{READ_FORMATS[name]().suffixes[0]}"
    WRITE[name](file)
    return file


@pytest.mark.parametrize("name", READ_FORMATS)
def test_every_format_is_described_in_the_same_way(tmp_path, name):
    file = written(tmp_path, name)
    spec = describe_files(name, tmp_path, rate=5)
    assert (spec.connector, spec.schema, spec.bounded, spec.replayable) == (name, SCHEMA, True, True)
    assert (spec.options["files"], spec.options["rate"]) == ([str(file)], 5)
    assert spec == getattr(connectors, name)(tmp_path, rate=5)


@pytest.mark.parametrize(
    ("name", "parsed"), [("csv", ["n", "s"]), ("json", ["n", "s"]), ("parquet", ["n"]), ("ipc", ["n"])]
)
def test_a_schema_selects_columns_but_text_is_parsed_with_the_types_of_all(tmp_path, name, parsed):
    spec = describe_files(name, written(tmp_path, name), schema=pa.schema({"n": pa.int16()}))
    assert spec.schema == pa.schema({"n": pa.int16()})
    assert from_text(spec.options["schema"]).names == parsed


@pytest.mark.parametrize("name", READ_FORMATS)
def test_a_followed_folder_may_be_empty_if_the_schema_is_known(tmp_path, name):
    spec = describe_files(name, tmp_path, schema=SCHEMA, follow=True)
    assert (spec, spec.schema) == (connectors.awaited(name, tmp_path, SCHEMA), SCHEMA)
    file = written(tmp_path, name)
    assert describe_files(name, tmp_path, schema=SCHEMA, follow=True).options["files"] == [str(file)]
